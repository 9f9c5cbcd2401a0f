package recurrence

import (
	"errors"
	"fmt"
	"time"

	"taskql/ent"
	"taskql/internal/rrule"
	"taskql/internal/timezone"
	"taskql/internal/workspace"
)

// MaxMissed is how many missed occurrences the log of a series gets at once, and maxMissedTogether how many the logs of all series
// of a change get.
const (
	MaxMissed         = 1_000
	maxMissedTogether = 10_000
)

// Definition is how a task is to repeat, once it is checked.
type Definition struct {
	rule    *rrule.Rule
	mode    Mode
	catchUp CatchUp
}

// Check checks an input. It returns nil if the input is nil, or if it adds a violation.
func Check(errs *workspace.Violations, field string, in *Input) *Definition {
	if in == nil {
		return nil
	}
	rule, err := rrule.Parse(in.Rule)
	if err == nil && in.Mode == AfterCompletion {
		err = rule.CheckAfterCompletion()
	}
	if err != nil {
		addRuleError(errs, field, err)
		return nil
	}
	return &Definition{rule: rule, mode: in.Mode, catchUp: in.CatchUp}
}

// CheckStart adds a violation if a series can't start at a due.
func (d *Definition) CheckStart(errs *workspace.Violations, field string, start Due) {
	at, err := start.time()
	if err == nil {
		err = d.rule.CheckStart(at)
	}
	switch {
	case err != nil:
		addRuleError(errs, field, err)
	case !d.rule.Meets(at):
		errs.Add(workspace.CodeInvalid, field+".rule", "The task's due must be an occurrence of the rule. The first one on or after it is %s: set due to that, or change the rule.", firstFrom(d.rule, at))
	}
}

// firstFrom returns the first occurrence on or after a start, as a text for people.
func firstFrom(rule *rrule.Rule, start rrule.Time) string {
	first := rule.First(start, 1)[0] // CheckStart has found one.
	if first.At != nil {
		return first.At.In(first.Zone).Format(time.RFC3339)
	}
	return first.Date.Format(time.DateOnly)
}

func addRuleError(errs *workspace.Violations, field string, err error) {
	var bad *rrule.Error
	if errors.As(err, &bad) {
		errs.Add(workspace.CodeInvalid, field+".rule", "%s", bad.Message)
	} else {
		errs.Add(workspace.CodeInvalid, field, "%s", err)
	}
}

// DueOf returns where the rule has put an occurrence.
func DueOf(o *ent.Occurrence) Due {
	return Due{Date: o.DueDate, At: o.DueAt, TimeZone: o.DueTimeZone}
}

// StartOf returns the first occurrence by a series' rule.
func StartOf(r *ent.Recurrence) Due {
	return Due{Date: r.StartDate, At: r.StartAt, TimeZone: r.TimeZone}
}

func (d Due) equal(other Due) bool {
	sameAt := d.At == other.At || d.At != nil && other.At != nil && d.At.Equal(*other.At)
	sameZone := d.TimeZone == other.TimeZone || d.TimeZone != nil && other.TimeZone != nil && *d.TimeZone == *other.TimeZone
	return d.Date.Equal(other.Date) && sameAt && sameZone
}

// value is the moment, or the day as midnight UTC.
func (d Due) value() time.Time {
	if d.At != nil {
		return *d.At
	}
	return d.Date
}

// time returns the due as rules take it.
func (d Due) time() (rrule.Time, error) {
	t := rrule.Time{Date: d.Date, At: d.At}
	if d.At == nil {
		return t, nil
	}
	if d.TimeZone == nil {
		return t, errors.New("a moment has a time zone")
	}
	var err error
	if t.Zone, err = timezone.Load(*d.TimeZone); err != nil {
		return t, fmt.Errorf("the zone of a series: %w", err)
	}
	return t, nil
}

// clock is a moment in the viewer's time zone.
type clock struct {
	now      time.Time
	location *time.Location
}

func clockOf(t *workspace.Tx) clock { return clock{t.Now, t.Viewer.Location} }

// today returns the day in a zone, or in the viewer's if that is nil, as midnight UTC.
func (c clock) today(zone *time.Location) time.Time {
	if zone == nil {
		zone = c.location
	}
	if zone == nil {
		zone = time.UTC // The server's own changes have no viewer.
	}
	year, month, day := c.now.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// noCount is what is left of a rule without COUNT.
const noCount = -1

// schedule is the rule of a series with its start, at an open occurrence.
type schedule struct {
	rule    *rrule.Rule
	start   rrule.Time
	zone    *string
	mode    Mode
	catchUp CatchUp
	// left is how many occurrences there are from the open one on, that one included; noCount if the rule has no COUNT.
	left int
}

func parse(r *ent.Recurrence) (*rrule.Rule, error) {
	rule, err := rrule.Parse(r.Rule)
	if err != nil {
		return nil, fmt.Errorf("the rule of series %s: %w", r.ID, err)
	}
	return rule, nil
}

// scheduleOf returns the schedule of a series at the occurrence with that number.
func scheduleOf(r *ent.Recurrence, number int) (*schedule, error) {
	rule, err := parse(r)
	if err != nil {
		return nil, err
	}
	s := &schedule{rule: rule, zone: r.TimeZone, mode: Mode(r.Mode), catchUp: CatchUp(r.CatchUp), left: noCount}
	if s.start, err = StartOf(r).time(); err != nil {
		return nil, err
	}
	if n := rule.Count(); n > 0 {
		s.left = max(0, n-(number-r.FirstNumber))
	}
	return s, nil
}

func (s *schedule) due(t rrule.Time) Due {
	d := Due{Date: t.Date, At: t.At}
	if t.At != nil {
		d.TimeZone = s.zone
	}
	return d
}

// late returns the day or the moment up to which occurrences lie in the past, and whether one at key lies before it and the series
// leaves out those between.
func (s *schedule) late(key Due, c clock) (time.Time, bool) {
	passed := c.now
	if s.start.At == nil {
		passed = c.today(nil)
	}
	return passed, s.mode == Schedule && s.catchUp != Each && passed.After(key.value())
}

// next returns up to n occurrences that follow the open one, which the rule has put at key, if it is completed now.
func (s *schedule) next(key Due, c clock, n int) []Due {
	if s.mode == AfterCompletion {
		return s.afterDay(c.today(s.start.Zone), n)
	}
	after := key.value()
	if passed, late := s.late(key, c); late {
		after = passed
	}
	var next []Due
	for _, t := range s.rule.After(s.start, after, n) {
		next = append(next, s.due(t))
	}
	return next
}

// afterDay returns up to n occurrences that follow a day of completion, each if the one before it is completed on its day.
func (s *schedule) afterDay(day time.Time, n int) []Due {
	if s.left != noCount {
		n = min(n, s.left-1)
	}
	var next []Due
	for len(next) < n {
		t, ok := s.rule.AfterCompletion(day, s.start)
		if !ok {
			break
		}
		next, day = append(next, s.due(t)), t.Date
	}
	return next
}

// following is what follows an occurrence that is over.
type following struct {
	// missed are those between it and the next one. unlisted is how many more there are that COUNT counts.
	missed   []Due
	unlisted int
	// due is the next one's; nil if there is none.
	due *Due
}

// follow returns what follows the open occurrence, which the rule has put at key, if it is over now, with at most limit missed ones.
func (s *schedule) follow(key Due, outcome Outcome, c clock, limit int) following {
	var f following
	next := s.next(key, c, 1)
	if day := c.today(s.start.Zone); s.mode == AfterCompletion && outcome == Skipped && key.Date.After(day) {
		next = s.afterDay(key.Date, 1) // It would be no later than the one that is skipped.
	}
	if len(next) > 0 {
		f.due = &next[0]
	}
	if passed, late := s.late(key, c); late {
		missed, total := s.rule.Between(s.start, key.value(), passed, limit)
		for _, t := range missed {
			f.missed = append(f.missed, s.due(t))
		}
		if s.left != noCount {
			f.unlisted = total - len(missed)
		}
	}
	return f
}

// firstNumber returns the FirstNumber of a series at the occurrence with that number, which the rule has put at key.
func (s *schedule) firstNumber(r *ent.Recurrence, key Due, number int) int {
	if s.left == noCount || s.mode == AfterCompletion {
		return r.FirstNumber
	}
	_, n := s.rule.Between(s.start, s.start.Date.AddDate(0, 0, -2), key.value(), 0)
	return number - n + 1
}
