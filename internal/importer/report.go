package importer

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"taskql/internal/task"
)

// examples is how many rows of a kind the report names, unless it is to name all.
const examples = 10

// report gathers what became of everything.
type report struct {
	dryRun, verbose bool

	users        int
	taken, known map[string]int // by kind: task, tag
	refused      findings       // not taken
	changed      findings       // taken, but not as it was
	strays       []string
}

func newReport(dryRun, verbose bool) *report {
	return &report{
		dryRun: dryRun, verbose: verbose, taken: map[string]int{}, known: map[string]int{},
		refused: findings{}, changed: findings{},
	}
}

// findings are rows by what is to be said of them.
type findings map[finding][]affected

type finding struct{ kind, reason string }

// affected is a row: its id, and the value that is at fault, "" if the finding tells enough.
type affected struct{ id, value string }

// String returns the id, and the value if there is one.
func (a affected) String() string {
	if a.value == "" {
		return quoted(a.id)
	}
	return quoted(a.id) + ": " + quoted(a.value)
}

// quoted is a text in quotes, which make blanks and control characters visible. Of a long one it is the beginning.
func quoted(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

func (f findings) add(kind, id string, n note) {
	key := finding{kind, n.reason}
	f[key] = append(f[key], affected{id, n.value})
}

func (r *report) refuse(kind, id, reason string) { r.refused.add(kind, id, note{reason: reason}) }

// note says what is different in a thing that was taken.
func (r *report) note(kind, id string, noted notes) {
	for _, n := range noted {
		r.changed.add(kind, id, n)
	}
}

func (r *report) stray(what string, n int) {
	r.strays = append(r.strays, fmt.Sprintf("%d %s", n, what))
}

// add notes what became of a row.
func (r *report) add(kind, id string, outcome task.ImportOutcome, noted notes) {
	switch {
	case len(outcome.Problems) > 0:
		for _, p := range outcome.Problems {
			r.refuse(kind, id, reason(p))
		}
		return
	case outcome.Known:
		r.known[kind]++
		return
	}
	r.taken[kind]++
	r.note(kind, id, noted)
}

// reason says the same of all rows that have the same problem, without their own numbers.
func reason(p *task.UserError) string {
	field := ""
	if len(p.Field) > 1 {
		field = strings.Join(p.Field[1:], ".")
	}
	switch {
	case p.Code == task.CodeBlank:
		return "its " + field + " is blank"
	case p.Code == task.CodeTooLong && field == "title":
		return fmt.Sprintf("its title has more than %d characters", task.MaxTitle)
	case p.Code == task.CodeTooLong && field == "name":
		return fmt.Sprintf("its name has more than %d characters", task.MaxTagName)
	case p.Code == task.CodeTooLong && field == "description":
		return fmt.Sprintf("its description has more than %d characters", task.MaxDescription)
	case p.Code == task.CodeTaken:
		return "its id is in use here, for something of another user"
	default:
		return p.Message
	}
}

func (r *report) incomplete() bool {
	return len(r.refused) > 0 || len(r.changed) > 0 || len(r.strays) > 0
}

// write writes the report.
func (r *report) write(w io.Writer) error {
	var b strings.Builder
	if r.dryRun {
		b.WriteString("Dry run: nothing was changed. This is what would become of everything.\n")
	}
	fmt.Fprintf(&b, "%d users: %d tasks and %d tags taken, %d tasks and %d tags were here already, by id or by name\n",
		r.users, r.taken["task"], r.taken["tag"], r.known["task"], r.known["tag"])
	r.refused.write(&b, "\nNot taken:\n", r.verbose)
	if len(r.strays) > 0 {
		if len(r.refused) == 0 {
			b.WriteString("\nNot taken:\n")
		}
		slices.Sort(r.strays)
		for _, s := range r.strays {
			fmt.Fprintf(&b, "  %s\n", s)
		}
	}
	r.changed.write(&b, "\nTaken, but not as they were:\n", r.verbose)
	if len(r.refused) > 0 {
		b.WriteString("\nMend these in the source and give the same command again: what is here already stays as it is.\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (f findings) write(b *strings.Builder, title string, all bool) {
	if len(f) == 0 {
		return
	}
	b.WriteString(title)
	keys := make([]finding, 0, len(f))
	for k := range f {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b finding) int { return strings.Compare(a.kind+a.reason, b.kind+b.reason) })
	for _, k := range keys {
		rows := f[k]
		fmt.Fprintf(b, "  %d %s: %s\n", len(rows), plural(k.kind, len(rows)), k.reason)
		shown := len(rows)
		if !all {
			shown = min(shown, examples)
		}
		for _, row := range rows[:shown] {
			fmt.Fprintf(b, "    %s\n", row)
		}
		if more := len(rows) - shown; more > 0 {
			fmt.Fprintf(b, "    and %d more, which --verbose lists\n", more)
		}
	}
}

func plural(kind string, n int) string {
	if n == 1 {
		return kind
	}
	return kind + "s"
}

// The pauses between two lines of progress.
const (
	terminalPause = 100 * time.Millisecond
	plainPause    = 5 * time.Second
)

// progress tells how far it is.
type progress struct {
	out      io.Writer
	terminal bool
	now      func() time.Time

	total, done int
	told        time.Time
	open        bool // a line that the next one overwrites
}

func (p *progress) add(n int) {
	p.done += n
	pause := plainPause
	if p.terminal {
		pause = terminalPause
	}
	if p.out == nil || p.now().Sub(p.told) < pause {
		return
	}
	p.told = p.now()
	p.line()
}

// line writes where it is. What can't be written is no reason to end an import.
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

// end ends the line, with where it ended.
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
