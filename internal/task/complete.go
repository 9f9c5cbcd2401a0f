package task

import (
	"context"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Complete completes a task; one that is completed already stays as it is. If it repeats, that makes its next occurrence. It is
// refused with NOT_FOUND or STALE.
func (s *Service) Complete(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*Result, error) {
	return s.one(ctx, v, in, workspace.Change[Result]{Name: "completeTask", Input: in.Canonical()}, completeOp{})
}

// CompleteMany completes tasks, as Complete does.
func (s *Service) CompleteMany(ctx context.Context, v viewer.Viewer, in BulkInput) (*BulkResult, error) {
	return s.many(ctx, v, in, workspace.Change[BulkResult]{Name: "completeTasks", Input: in.canonical()}, completeOp{})
}

// Reopen opens a completed task; an open one stays as it is. If it repeats, and nobody has touched its next occurrence, that is
// taken back; else the task leaves its series. It is refused with NOT_FOUND or STALE.
func (s *Service) Reopen(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*Result, error) {
	return s.one(ctx, v, in, workspace.Change[Result]{Name: "reopenTask", Input: in.Canonical()}, reopenOp{})
}

// ReopenMany opens completed tasks, as Reopen does.
func (s *Service) ReopenMany(ctx context.Context, v viewer.Viewer, in BulkInput) (*BulkResult, error) {
	return s.many(ctx, v, in, workspace.Change[BulkResult]{Name: "reopenTasks", Input: in.canonical()}, reopenOp{})
}

// completeOp completes tasks.
type completeOp struct{ noPrecondition }

func (completeOp) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	repeating := occurrencesAmong(tasks, false)
	t.recorder.open = len(repeating) > 0
	err := t.applyEdits(ctx, tasks, nil, edit{
		columns: []string{enttask.FieldCompleted}, derived: []string{enttask.FieldCompletedAt},
		set: func(e *ent.Task) { e.Completed, e.CompletedAt = true, &t.Now },
	})
	if err != nil || len(repeating) == 0 {
		return err
	}
	return t.completed(ctx, repeating)
}

// reopenOp opens tasks.
type reopenOp struct{ noPrecondition }

func (reopenOp) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	repeating := occurrencesAmong(tasks, true)
	t.recorder.open = len(repeating) > 0
	err := t.applyEdits(ctx, tasks, nil, edit{
		columns: []string{enttask.FieldCompleted}, derived: []string{enttask.FieldCompletedAt},
		set: func(e *ent.Task) { e.Completed, e.CompletedAt = false, nil },
	})
	if err != nil || len(repeating) == 0 {
		return err
	}
	return t.reopened(ctx, repeating, tasks)
}
