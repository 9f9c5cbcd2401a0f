package task

import (
	"context"

	"taskql/internal/recurrence"
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
		errs.Add(workspace.CodeInvalid, "first", "first must be 1 to %d, not %d.", MaxPreview, in.First)
	}
	d := recurrence.Check(&errs, "recurrence", &in.Recurrence)
	var next []recurrence.Due
	if len(errs) == 0 {
		next = d.Preview(&errs, "recurrence", recurrence.Due(*start), in.First)
	}
	if len(errs) > 0 {
		return &Preview{UserErrors: errs}, nil
	}
	rule := d.Rule()
	p := &Preview{Rule: &rule}
	for _, due := range next {
		p.Next = append(p.Next, new(Due(due)))
	}
	return p, nil
}
