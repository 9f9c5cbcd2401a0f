package importer

import (
	"bytes"
	"testing"
	"time"
)

// A terminal gets one line that is overwritten, other outputs a line every few seconds.
func TestProgress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		terminal bool
		want     string
	}{
		{false, "200 of 400 tasks read (50 %)\n400 of 400 tasks read (100 %)\n"},
		{
			true, "\r[===============               ]  50 %  200 of 400 tasks" + "\r[======================        ]  75 %  300 of 400 tasks" +
				"\r[==============================] 100 %  400 of 400 tasks\n",
		},
	} {
		var out bytes.Buffer
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		p := &progress{out: &out, terminal: tt.terminal, now: func() time.Time { return now }, total: 400}
		for _, n := range []int{200, 100, 100} {
			p.add(n)
			now = now.Add(terminalInterval)
			if n == 100 {
				now = now.Add(-terminalInterval)
			}
		}
		p.end()
		if got := out.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
