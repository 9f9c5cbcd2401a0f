package task

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// UpdateManyInput is one patch for many tasks.
type UpdateManyInput struct {
	BulkInput
	Patch Patch `json:"patch"`
}

// UpdateMany changes what the patch sets. See BulkResult for what becomes of the tasks that can't be changed: they are
// answered with NOT_FOUND or LIMIT_EXCEEDED. The input as a whole is refused with INVALID or NOT_FOUND.
func (s *Service) UpdateMany(ctx context.Context, v viewer.Viewer, in UpdateManyInput) (*BulkResult, error) {
	var errs workspace.Violations
	patch := checkPatch(&errs, "patch.", in.Patch, v)
	checkTagLists(&errs, s.limits, patch.add, patch.remove)
	return s.many(ctx, v, in.BulkInput, workspace.Change[BulkResult]{Name: "updateTasks", Input: in.canonical(), Violations: errs}, patch)
}

// CompleteMany completes tasks, as Complete does.
func (s *Service) CompleteMany(ctx context.Context, v viewer.Viewer, in BulkInput) (*BulkResult, error) {
	return s.many(ctx, v, in, workspace.Change[BulkResult]{Name: "completeTasks", Input: in.canonical()}, completing{})
}

// ReopenMany opens completed tasks, as Reopen does.
func (s *Service) ReopenMany(ctx context.Context, v viewer.Viewer, in BulkInput) (*BulkResult, error) {
	return s.many(ctx, v, in, workspace.Change[BulkResult]{Name: "reopenTasks", Input: in.canonical()}, reopening{})
}

// DeleteMany puts tasks into the trash, as Delete does. What is below two of them goes with the upper one.
func (s *Service) DeleteMany(ctx context.Context, v viewer.Viewer, in BulkInput) (*BulkResult, error) {
	return s.many(ctx, v, in, workspace.Change[BulkResult]{Name: "deleteTasks", Input: in.canonical()}, trashing{})
}

// RestoreMany takes tasks out of the trash, as Restore does.
func (s *Service) RestoreMany(ctx context.Context, v viewer.Viewer, in BulkInput) (*BulkResult, error) {
	return s.many(ctx, v, in, workspace.Change[BulkResult]{Name: "restoreTasks", Input: in.canonical()}, restoring{})
}

// many applies an operation to many tasks.
func (s *Service) many(
	ctx context.Context, v viewer.Viewer, in BulkInput, c workspace.Change[BulkResult], op operation,
) (*BulkResult, error) {
	errs := workspace.Violations(c.Violations)
	checkIDs(&errs, in.IDs)
	c.Violations, c.IdempotencyKey = errs, in.IdempotencyKey
	return write(ctx, s, v, c, func(ctx context.Context, t *tx) (*BulkResult, error) {
		tasks, err := t.load(ctx, in.IDs)
		if err != nil {
			return nil, err
		}
		found, err := op.validate(ctx, t, tasks)
		if err != nil {
			return nil, err
		}
		if len(found.input) > 0 {
			return workspace.Refuse[BulkResult](found.input)
		}
		r, able := answerBulk(in.IDs, tasks, &found)
		switch failed := len(in.IDs) - len(able); {
		case failed > 0 && in.ErrorPolicy != SkipFailed:
			r.Refuse(r.nothingChanged(failed))
			return r, workspace.ErrRefused
		case len(able) == 0:
			return r, workspace.ErrRefused
		}
		if err := op.apply(ctx, t, able); err != nil {
			return nil, err
		}
		for _, e := range able {
			if e.Version == t.Version {
				r.ChangedCount++
			}
		}
		return r, nil
	})
}

// nothingChanged returns the error of a bulk mutation that was refused because so many tasks failed, with the code and the
// field of the first failure.
func (r *BulkResult) nothingChanged(failed int) workspace.Violations {
	first := slices.IndexFunc(r.Results, func(item *ItemResult) bool { return len(item.UserErrors) > 0 })
	because := r.Results[first].UserErrors[0]
	message := fmt.Sprintf("Nothing was changed, because %d of %d tasks can't be: %s", failed, len(r.Results), because.Message)
	return workspace.Violations{{Code: because.Code, Message: message, Field: because.Field}}
}

// checkIDs checks the ids of a bulk mutation: 1 to 100, each once.
func checkIDs(errs *workspace.Violations, ids []string) {
	if len(ids) < 1 || len(ids) > maxBulk {
		errs.Add(workspace.CodeInvalid, "ids", "Name 1 to %d tasks; these are %d.", maxBulk, len(ids))
		return
	}
	seen := make(map[string]bool, len(ids))
	for i, id := range workspace.CanonicalIDs(ids) {
		if seen[id] {
			errs.Add(workspace.CodeInvalid, workspace.Element("ids", i), "This task is named twice.")
		}
		seen[id] = true
	}
}

// load reads the tasks of those ids with one statement, in their order. What does not exist is left out.
func (t *tx) load(ctx context.Context, ids []string) ([]*ent.Task, error) {
	asked, _ := uniqueIDs(ids)
	if len(asked) == 0 {
		return nil, nil
	}
	rows, err := t.tasks().Where(enttask.IDIn(asked...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading tasks: %w", err)
	}
	byID := make(map[uuid.UUID]*ent.Task, len(rows))
	for _, e := range rows {
		byID[e.ID] = e
	}
	tasks := make([]*ent.Task, 0, len(rows))
	for _, id := range asked {
		if e, ok := byID[id]; ok {
			tasks = append(tasks, e)
		}
	}
	return tasks, nil
}

// answerBulk answers for each id with its task and what is wrong with it, and returns the tasks with which nothing is.
func answerBulk(ids []string, tasks []*ent.Task, found *validation) (*BulkResult, []*ent.Task) {
	byID := make(map[uuid.UUID]*ent.Task, len(tasks))
	for _, e := range tasks {
		byID[e.ID] = e
	}
	r := &BulkResult{Results: make([]*ItemResult, len(ids))}
	able := make([]*ent.Task, 0, len(tasks))
	for i, id := range ids {
		item := &ItemResult{ID: id}
		r.Results[i] = item
		u, ok := workspace.ParseID(id)
		if e := byID[u]; ok && e != nil {
			item.Task, item.UserErrors = e, found.at(e, workspace.Element("ids", i))
		} else {
			var errs workspace.Violations
			errs.Add(workspace.CodeNotFound, workspace.Element("ids", i), "There is no such task.")
			item.UserErrors = errs
		}
		if len(item.UserErrors) == 0 {
			able = append(able, item.Task)
		}
	}
	return r, able
}
