package recurrence

import (
	"taskql/internal/rrule"
	"taskql/internal/workspace"
)

// Rule returns the rule in canonical form.
func (d *Definition) Rule() string { return d.rule.String() }

// Preview returns the first n occurrences of a series on or after a start, which need not be one of them, whatever the time now. If they are
// counted from completion, each is taken to be completed on its day. It adds a violation if there are none.
func (d *Definition) Preview(errs *workspace.Violations, field string, start Due, n int) []Due {
	at, err := start.time()
	if err == nil {
		err = d.rule.CheckStart(at)
	}
	if err != nil {
		addRuleError(errs, field, err)
		return nil
	}
	s := schedule{rule: d.rule, start: at, zone: start.TimeZone, left: noCount}
	if d.mode == AfterCompletion {
		if count := d.rule.Count(); count > 0 {
			s.left = count
		}
		return append([]Due{start}, s.afterDay(start.Date, n-1)...)
	}
	return s.dues(d.rule.First(at, n))
}

// dues returns occurrences of the rule.
func (s *schedule) dues(occurrences []rrule.Time) []Due {
	dues := make([]Due, len(occurrences))
	for i, t := range occurrences {
		dues[i] = s.due(t)
	}
	return dues
}
