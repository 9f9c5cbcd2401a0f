package recurrence_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/occurrence"
	"taskql/internal/recurrence"
	"taskql/internal/testkit"
	"taskql/internal/timezone"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// env is a workspace of a user in Tokyo, with a clock that the test sets.
type env struct {
	*recurrence.Service

	t          *testing.T
	client     *ent.Client
	workspaces *workspace.Service
	ctx        context.Context //nolint:containedctx // The system's, in every call.
	v          viewer.Viewer
	now        time.Time
}

// eachEnv runs a test on both databases.
func eachEnv(t *testing.T, test func(e *env)) {
	t.Helper()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		e := &env{t: t, client: db.Client, ctx: viewer.AsSystem(t.Context()), v: testkit.MakeViewer(t, db.Client, "alice")}
		db.Now = func() time.Time { return e.now }
		e.v.Location = e.zone("Asia/Tokyo")
		e.workspaces = testkit.Workspaces(t, db)
		var err error
		e.Service, err = recurrence.New(recurrence.Config{Workspaces: e.workspaces})
		e.check(err)
		test(e)
	})
}

func (e *env) check(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) zone(name string) *time.Location {
	e.t.Helper()
	zone, err := timezone.Load(name)
	e.check(err)
	return zone
}

// moment reads a moment in UTC, or the beginning of a day.
func (e *env) moment(text string) time.Time {
	e.t.Helper()
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	e.t.Fatalf("%q is no moment", text)
	return time.Time{}
}

// due reads a day, or a moment in UTC of a series in Berlin.
func (e *env) due(text string) recurrence.Due {
	e.t.Helper()
	at := e.moment(text)
	if !strings.Contains(text, "T") {
		return recurrence.Due{Date: at}
	}
	zone := "Europe/Berlin"
	year, month, day := at.In(e.zone(zone)).Date()
	return recurrence.Due{Date: time.Date(year, month, day, 0, 0, 0, 0, time.UTC), At: &at, TimeZone: &zone}
}

// definition reads a rule, after which the mode or the way to catch up may stand.
func (e *env) definition(text string) *recurrence.Definition {
	e.t.Helper()
	rule, other, _ := strings.Cut(text, " ")
	in := &recurrence.Input{Rule: rule, Mode: recurrence.Schedule, CatchUp: recurrence.NextFuture}
	switch other {
	case string(recurrence.AfterCompletion):
		in.Mode = recurrence.AfterCompletion
	case string(recurrence.Each):
		in.CatchUp = recurrence.Each
	}
	var errs workspace.Violations
	d := recurrence.Check(&errs, "recurrence", in)
	if len(errs) > 0 {
		e.t.Fatalf("%s: %s", text, errs[0].Message)
	}
	return d
}

// change makes a change of the user's workspace.
func (e *env) change(fn func(tx *workspace.Tx) error) {
	e.t.Helper()
	e.check(e.workspaces.Apply(e.ctx, e.v, workspace.Counter{}, fn))
}

// start begins a series.
func (e *env) start(rule, due string) uuid.UUID {
	e.t.Helper()
	var id uuid.UUID
	e.change(func(tx *workspace.Tx) error {
		s, err := recurrence.Start(e.ctx, tx, e.definition(rule), e.due(due))
		if err == nil {
			id = s.ID
		}
		return err
	})
	return id
}

// do makes a change of a series: what and when, as in "complete 2026-11-23T07:00".
func (e *env) do(id uuid.UUID, step string) {
	e.t.Helper()
	words := strings.Fields(step)
	e.now = e.moment(words[len(words)-1])
	e.change(func(tx *workspace.Tx) error {
		all, err := recurrence.Load(e.ctx, tx, id)
		if err != nil {
			return err
		}
		s := all[id]
		switch words[0] {
		case "complete":
			return e.write(tx, func(b *recurrence.Batch) error { return b.Advance(e.ctx, recurrence.Completed, s) })
		case "skip":
			return e.write(tx, func(b *recurrence.Batch) error { return b.Advance(e.ctx, recurrence.Skipped, s) })
		case "end":
			return e.write(tx, func(b *recurrence.Batch) error { b.End(s); return nil })
		case "suspend":
			return recurrence.SuspendAll(e.ctx, tx, id)
		case "resume":
			return recurrence.ResumeAll(e.ctx, tx, id)
		case "redefine":
			_, err := s.Redefine(e.ctx, tx, e.definition(words[1]), e.due(words[2]))
			return err
		case "rewind", "redo": // Redo is done to what was rewound just before.
			r, err := e.resultOf(tx, s, 1)
			if err != nil || r == nil || !r.Intact {
				return errors.Join(err, fmt.Errorf("the result is %+v", r))
			}
			at, state := *r.Over.At, s.State()
			if err := e.write(tx, func(b *recurrence.Batch) error { return b.Rewind(s, r, false) }); err != nil || words[0] == "rewind" {
				return err
			}
			return e.write(tx, func(b *recurrence.Batch) error { return b.Redo(s, recurrence.Completed, at, state) })
		}
		return fmt.Errorf("no such step: %s", step)
	})
}

// log returns the log of a series in order, and what else the series says, as in "1:COMPLETED 2026-11-23, 2:OPEN 2026-11-24; 3 remain". Of
// more than three missed occurrences in a row it shows the first and the last.
func (e *env) log(id uuid.UUID) string {
	e.t.Helper()
	var shown []string
	rows := e.client.Occurrence.Query().Where(occurrence.RecurrenceID(id)).Order(occurrence.ByNumber()).AllX(e.ctx)
	missed := func(i int) bool {
		return i >= 0 && i < len(rows) && rows[i].Outcome == string(recurrence.Missed)
	}
	for i, o := range rows {
		if i > 0 && o.Number != rows[i-1].Number+1 {
			e.t.Errorf("the number after %d is %d", rows[i-1].Number, o.Number)
		}
		if (o.At == nil) != (o.Outcome == string(recurrence.Open)) {
			e.t.Errorf("occurrence %d is %s at %v", o.Number, o.Outcome, o.At)
		}
		if len(rows) > 8 && missed(i-1) && missed(i) && missed(i+1) {
			if !missed(i - 2) {
				shown = append(shown, "...")
			}
			continue
		}
		due := o.DueDate.Format(time.DateOnly)
		if o.DueAt != nil {
			due = o.DueAt.UTC().Format("2006-01-02T15:04")
		}
		shown = append(shown, fmt.Sprintf("%d:%s %s", o.Number, o.Outcome, due))
	}
	text := strings.Join(shown, ", ")
	s := e.client.Recurrence.GetX(e.ctx, id)
	if s.EndedAt != nil {
		text += "; ended"
	}
	left, err := recurrence.Remaining(s)
	e.check(err)
	if left != nil {
		text += fmt.Sprintf("; %d remain", *left)
	}
	return text
}

// TestLog: what completions, skips and other changes leave in the log of a series. The user's day is that of Tokyo, 9 hours ahead of UTC.
func TestLog(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		rule, start string
		steps       []string
		want        string
	}{
		"completed on its day": {"FREQ=DAILY", "2026-11-23", []string{"complete 2026-11-23T07:00"}, "1:COMPLETED 2026-11-23, 2:OPEN 2026-11-24"},
		"completed early":      {"FREQ=DAILY", "2026-11-23", []string{"complete 2026-11-20T07:00"}, "1:COMPLETED 2026-11-23, 2:OPEN 2026-11-24"},
		"the day is the user's": {
			"FREQ=DAILY", "2026-11-23", []string{"complete 2026-11-23T15:00"}, "1:COMPLETED 2026-11-23, 2:MISSED 2026-11-24, 3:OPEN 2026-11-25",
		},
		"missed": {
			"FREQ=DAILY;INTERVAL=2", "2026-11-23", []string{"complete 2026-11-28T07:00"}, "1:COMPLETED 2026-11-23, 2:MISSED 2026-11-25, 3:MISSED 2026-11-27, 4:OPEN 2026-11-29",
		},
		"each": {
			"FREQ=DAILY EACH", "2026-11-23",
			[]string{"complete 2026-11-28T07:00", "skip 2026-11-28T07:00"},
			"1:COMPLETED 2026-11-23, 2:SKIPPED 2026-11-24, 3:OPEN 2026-11-25",
		},
		"a moment that is just ahead": {
			"FREQ=DAILY", "2026-11-23T08:00",
			[]string{"complete 2026-11-25T07:59"},
			"1:COMPLETED 2026-11-23T08:00, 2:MISSED 2026-11-24T08:00, 3:OPEN 2026-11-25T08:00",
		},
		"a moment that has just passed": {
			"FREQ=DAILY", "2026-11-23T08:00",
			[]string{"complete 2026-11-24T08:00"},
			"1:COMPLETED 2026-11-23T08:00, 2:MISSED 2026-11-24T08:00, 3:OPEN 2026-11-25T08:00",
		},
		"winter time": {"FREQ=DAILY", "2026-10-24T07:00", []string{"complete 2026-10-24T08:00"}, "1:COMPLETED 2026-10-24T07:00, 2:OPEN 2026-10-25T08:00"},
		"skipped":     {"FREQ=WEEKLY", "2026-11-23", []string{"skip 2026-11-23T07:00", "skip 2026-11-23T07:00"}, "1:SKIPPED 2026-11-23, 2:SKIPPED 2026-11-30, 3:OPEN 2026-12-07"},
		"skipped late": {
			"FREQ=WEEKLY", "2026-11-23", []string{"skip 2026-12-01T07:00"}, "1:SKIPPED 2026-11-23, 2:MISSED 2026-11-30, 3:OPEN 2026-12-07",
		},
		"the last one":            {"FREQ=DAILY;COUNT=2", "2026-11-23", []string{"complete 2026-11-23T07:00", "skip 2026-11-24T07:00"}, "1:COMPLETED 2026-11-23, 2:SKIPPED 2026-11-24; ended; 0 remain"},
		"COUNT counts the missed": {"FREQ=DAILY;COUNT=5", "2026-11-23", []string{"complete 2026-11-24T07:00"}, "1:COMPLETED 2026-11-23, 2:MISSED 2026-11-24, 3:OPEN 2026-11-25; 3 remain"},
		"all the rest is missed": {
			"FREQ=DAILY;COUNT=3", "2026-11-23", []string{"complete 2027-11-23T07:00"}, "1:COMPLETED 2026-11-23, 2:MISSED 2026-11-24, 3:MISSED 2026-11-25; ended; 0 remain",
		},
		"UNTIL": {"FREQ=DAILY;UNTIL=20261124", "2026-11-23", []string{"complete 2026-11-24T07:00"}, "1:COMPLETED 2026-11-23, 2:MISSED 2026-11-24; ended"},
		"after completion": {
			"FREQ=DAILY;INTERVAL=3;COUNT=3 AFTER_COMPLETION", "2026-11-23", []string{"complete 2026-11-25T07:00"}, "1:COMPLETED 2026-11-23, 2:OPEN 2026-11-28; 2 remain",
		},
		"after completion, skipped early": {
			"FREQ=DAILY;INTERVAL=3 AFTER_COMPLETION", "2026-11-23", []string{"skip 2026-11-21T07:00"}, "1:SKIPPED 2026-11-23, 2:OPEN 2026-11-26",
		},
		"more are missed than the log gets": {
			"FREQ=DAILY;COUNT=10000", "2020-01-01",
			[]string{"complete 2026-11-23T07:00"},
			"1:COMPLETED 2020-01-01, 2:MISSED 2020-01-02, ..., 1001:MISSED 2022-09-27, 1002:OPEN 2026-11-24; 7481 remain",
		},
		"and taken back": {
			"FREQ=DAILY;COUNT=10000", "2020-01-01", []string{"complete 2026-11-23T07:00", "rewind 2026-11-23T08:00"}, "1:OPEN 2020-01-01; 10000 remain",
		},
		"missed in more than 50 years": {
			"FREQ=YEARLY;COUNT=200", "1900-01-01",
			[]string{"complete 2026-11-23T07:00"},
			"1:COMPLETED 1900-01-01, 2:MISSED 1901-01-01, ..., 127:MISSED 2026-01-01, 128:OPEN 2027-01-01; 73 remain",
		},
		"taken back and done again": {
			"FREQ=YEARLY;COUNT=200", "1900-01-01",
			[]string{"complete 2026-11-23T07:00", "redo 2026-11-23T08:00"},
			"1:COMPLETED 1900-01-01, 2:MISSED 1901-01-01, ..., 127:MISSED 2026-01-01, 128:OPEN 2027-01-01; 73 remain",
		},
		"taken back": {"FREQ=DAILY;COUNT=5", "2026-11-23", []string{"complete 2026-11-25T07:00", "rewind 2026-11-25T08:00"}, "1:OPEN 2026-11-23; 5 remain"},
		"taken back, the last one": {
			"FREQ=DAILY;COUNT=2", "2026-11-23", []string{"complete 2026-11-25T07:00", "rewind 2026-11-25T08:00"}, "1:OPEN 2026-11-23; 2 remain",
		},
		"ended":               {"FREQ=DAILY;COUNT=5", "2026-11-23", []string{"complete 2026-11-23T07:00", "end 2026-11-23T07:00"}, "1:COMPLETED 2026-11-23; ended; 0 remain"},
		"completed suspended": {"FREQ=DAILY", "2026-11-23", []string{"suspend 2026-11-23T07:00", "complete 2026-11-25T07:00"}, "1:COMPLETED 2026-11-23; ended"},
		"resumed": {
			"FREQ=DAILY", "2026-11-23",
			[]string{"suspend 2026-11-23T07:00", "resume 2026-11-24T07:00", "complete 2026-11-24T07:00"},
			"1:COMPLETED 2026-11-23, 2:MISSED 2026-11-24, 3:OPEN 2026-11-25",
		},
		"another rule": {
			"FREQ=DAILY;COUNT=5", "2026-11-23",
			[]string{"complete 2026-11-23T07:00", "redefine FREQ=WEEKLY;COUNT=3 2026-11-30 2026-11-24T07:00", "complete 2026-11-30T07:00"},
			"1:COMPLETED 2026-11-23, 2:COMPLETED 2026-11-30, 3:OPEN 2026-12-07; 2 remain",
		},
		"another rule, with moments": {
			"FREQ=DAILY", "2026-11-23",
			[]string{"redefine FREQ=DAILY 2026-11-24T08:00 2026-11-23T07:00", "complete 2026-11-24T09:00"},
			"1:COMPLETED 2026-11-24T08:00, 2:OPEN 2026-11-25T08:00",
		},
	}
	eachEnv(t, func(e *env) {
		e.now = e.moment("2026-11-01")
		other := e.start("FREQ=DAILY;COUNT=7", "2026-11-23")
		for name, tt := range cases {
			id := e.start(tt.rule, tt.start)
			for _, step := range tt.steps {
				e.do(id, step)
			}
			if got := e.log(id); got != tt.want {
				e.t.Errorf("%s:\n got %s\nwant %s", name, got, tt.want)
			}
		}
		if got, want := e.log(other), "1:OPEN 2026-11-23; 7 remain"; got != want {
			e.t.Errorf("a series that nothing was done to is %s, want %s", got, want)
		}
	})
}

// TestResultOf: the result of a completion is intact until the log after it or the series changes.
func TestResultOf(t *testing.T) {
	t.Parallel()
	eachEnv(t, func(e *env) {
		for _, tt := range []struct {
			steps []string
			want  string
		}{
			{[]string{"complete 2026-11-25T07:00"}, "intact"},
			{[]string{"skip 2026-11-25T07:00"}, "none"},
			{nil, "none"},
			{[]string{"complete 2026-11-23T07:00", "skip 2026-11-23T08:00"}, "changed"},
			{[]string{"complete 2026-11-23T07:00", "complete 2026-11-23T08:00"}, "changed"},
			{[]string{"complete 2026-11-23T07:00", "end 2026-11-23T08:00"}, "changed"},
			{[]string{"complete 2026-11-23T07:00", "suspend 2026-11-23T08:00"}, "changed"},
			{[]string{"complete 2026-11-23T07:00", "redefine FREQ=WEEKLY 2026-11-24 2026-11-23T08:00"}, "changed"},
		} {
			e.now = e.moment("2026-11-01")
			id := e.start("FREQ=DAILY", "2026-11-23")
			for _, step := range tt.steps {
				e.do(id, step)
			}
			e.change(func(tx *workspace.Tx) error {
				all, err := recurrence.Load(e.ctx, tx, id)
				e.check(err)
				r, err := e.resultOf(tx, all[id], 1)
				got := "none"
				if r != nil {
					got = map[bool]string{true: "intact", false: "changed"}[r.Intact]
				}
				if got != tt.want {
					e.t.Errorf("after %q the result is %s, want %s", tt.steps, got, tt.want)
				}
				return err
			})
		}
	})
}

// write writes what fn does.
func (e *env) write(tx *workspace.Tx, fn func(*recurrence.Batch) error) error {
	b := recurrence.NewBatch(tx)
	return errors.Join(fn(b), b.Write(e.ctx))
}

// resultOf returns what the completion of an occurrence has left; nil if it isn't completed.
func (e *env) resultOf(tx *workspace.Tx, s *recurrence.Series, number int) (*recurrence.Result, error) {
	key := recurrence.Key{RecurrenceID: s.ID, Number: number}
	results, err := recurrence.Results(e.ctx, tx, map[uuid.UUID]*recurrence.Series{s.ID: s}, []recurrence.Key{key})
	return results[key], err
}
