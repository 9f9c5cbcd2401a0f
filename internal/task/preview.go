package task

import (
	"context"
	"errors"

	"taskql/internal/recurrence"
	"taskql/internal/rrule"
	"taskql/internal/timezone"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// PreviewInput asks what a rule means from a start on.
type PreviewInput struct {
	Start      DueInput
	Recurrence recurrence.Input
	First      int
}

// Preview is what a rule means.
type Preview struct {
	// Rule is the canonical form; nil if the rule is refused.
	Rule *string
	// Next are the first occurrences on or after the start.
	Next       []*Due
	UserErrors []*workspace.UserError
}

// MaxPreview is how many occurrences a preview shows at most.
const MaxPreview = 50

// PreviewRecurrence returns the first occurrences of a series that would start then, whatever the time now. A start that names no time
// zone is in the viewer's. It is refused with INVALID.
func (s *Service) PreviewRecurrence(_ context.Context, v viewer.Viewer, in PreviewInput) (*Preview, error) {
	var errs workspace.Violations
	start := checkDue(&errs, "start", &in.Start, v)
	if in.First < 1 || in.First > MaxPreview {
		errs.Add(workspace.CodeInvalid, "first", "A preview shows 1 to %d occurrences.", MaxPreview)
	}
	rule, err := rrule.Parse(in.Recurrence.Rule)
	if err == nil && in.Recurrence.Mode == recurrence.AfterCompletion {
		err = rule.CheckAfterCompletion()
	}
	var from rrule.Time
	if err == nil && len(errs) == 0 {
		from = rrule.Time{Date: start.Date, At: start.At}
		if start.At != nil {
			if from.Zone, err = timezone.Load(*start.TimeZone); err != nil {
				return nil, err
			}
		}
		err = rule.CheckStart(from)
	}
	if refused := (*rrule.Error)(nil); errors.As(err, &refused) {
		errs.Add(workspace.CodeInvalid, "recurrence.rule", "%s", refused.Message)
	}
	if len(errs) > 0 {
		return &Preview{UserErrors: errs}, nil
	}
	p, canonical := &Preview{}, rule.String()
	p.Rule = &canonical
	for _, t := range occurrences(rule, in.Recurrence.Mode, from, in.First) {
		p.Next = append(p.Next, &Due{Date: t.Date, At: t.At, TimeZone: start.TimeZone})
	}
	return p, nil
}

// occurrences returns the first n occurrences by a rule. If it counts from completion, each is completed on its day.
func occurrences(rule *rrule.Rule, mode recurrence.Mode, start rrule.Time, n int) []rrule.Time {
	if mode != recurrence.AfterCompletion {
		return rule.First(start, n)
	}
	if rule.Count() > 0 {
		n = min(n, rule.Count())
	}
	next := []rrule.Time{start}
	for len(next) < n {
		t, ok := rule.AfterCompletion(next[len(next)-1].Date, start)
		if !ok {
			break
		}
		next = append(next, t)
	}
	return next
}
