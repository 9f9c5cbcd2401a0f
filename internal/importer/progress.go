package importer

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// The time between two lines of progress.
const (
	terminalInterval = 100 * time.Millisecond
	plainInterval    = 5 * time.Second
)

// progress writes how many tasks have been read.
type progress struct {
	out      io.Writer
	terminal bool
	now      func() time.Time

	total, done int
	lastWrite   time.Time
	open        bool // the last line, which the next one overwrites, is not ended yet
}

func (p *progress) add(n int) {
	p.done += n
	interval := plainInterval
	if p.terminal {
		interval = terminalInterval
	}
	if p.out == nil || p.now().Sub(p.lastWrite) < interval {
		return
	}
	p.lastWrite = p.now()
	p.line()
}

// line writes the current count. It ignores errors, because they are no reason to abort an import.
func (p *progress) line() {
	percent := 100
	if p.total > 0 {
		percent = min(100, 100*p.done/p.total)
	}
	if p.terminal {
		const width = 30
		filled := width * percent / 100
		_, _ = fmt.Fprintf(p.out, "\r[%s%s] %3d %%  %d of %d tasks", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), percent, p.done, p.total)
		p.open = true
		return
	}
	_, _ = fmt.Fprintf(p.out, "%d of %d tasks read (%d %%)\n", p.done, p.total, percent)
}

// end writes the final count and ends the line.
func (p *progress) end() {
	if p.out == nil {
		return
	}
	p.line()
	if p.open {
		_, _ = fmt.Fprintln(p.out)
		p.open = false
	}
}
