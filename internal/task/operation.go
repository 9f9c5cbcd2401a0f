package task

import (
	"context"
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// operation is what a mutation does to one task or many. It changes both the rows and the loaded tasks.
type operation interface {
	// validate returns why the operation can't be applied; nothing if it can.
	validate(ctx context.Context, t *tx, tasks []*ent.Task) (validation, error)
	// apply does it, with one statement for each kind of change. It doesn't touch tasks that need no change.
	apply(ctx context.Context, t *tx, tasks []*ent.Task) error
}

// validation is why an operation can't be applied: workspace.Violations of the input as a whole, and of single tasks. The latter
// get the field of the task's id if they have none.
type validation struct {
	input workspace.Violations
	tasks map[uuid.UUID]workspace.Violations
}

func (v *validation) refuse(e *ent.Task, errs workspace.Violations) {
	if v.tasks == nil {
		v.tasks = map[uuid.UUID]workspace.Violations{}
	}
	v.tasks[e.ID] = append(v.tasks[e.ID], errs...)
}

// at returns a task's violations, with this field if they have none.
func (v *validation) at(e *ent.Task, field string) workspace.Violations {
	errs := v.tasks[e.ID]
	for _, violation := range errs {
		if violation.Field == nil {
			violation.Field = workspace.FieldPath(field)
		}
	}
	return errs
}

// noPrecondition is embedded by operations that can't be refused.
type noPrecondition struct{}

func (noPrecondition) validate(context.Context, *tx, []*ent.Task) (validation, error) {
	return validation{}, nil
}

// selectsMore is an operation that needs more of its one task than the columns.
type selectsMore interface {
	selectAlso(t *tx, s *sql.Selector)
}

// one applies an operation to one task.
func (s *Service) one(
	ctx context.Context, v viewer.Viewer, target workspace.TargetInput, c workspace.Change[Result], op operation,
) (*Result, error) {
	c.IdempotencyKey = target.IdempotencyKey
	return write(ctx, s, v, c, func(ctx context.Context, t *tx) (*Result, error) {
		var also []func(*sql.Selector)
		if op, ok := op.(selectsMore); ok {
			also = append(also, func(s *sql.Selector) { op.selectAlso(t, s) })
		}
		e, errs, err := t.target(ctx, target, also...)
		if err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return &Result{Task: e, Outcome: workspace.Outcome{UserErrors: errs}}, workspace.ErrNoCommit
		}
		found, err := op.validate(ctx, t, []*ent.Task{e})
		if err != nil {
			return nil, err
		}
		if errs := append(found.input, found.at(e, "id")...); len(errs) > 0 {
			return workspace.Refuse[Result](errs)
		}
		err = op.apply(ctx, t, []*ent.Task{e})
		return &Result{Task: e, Repetition: t.repetitions[e.ID]}, err
	})
}

// target reads the task to act on, with a violation if it is not at the version that the client expects. It calls also with the query.
func (t *tx) target(ctx context.Context, target workspace.TargetInput, also ...func(*sql.Selector)) (*ent.Task, workspace.Violations, error) {
	var errs workspace.Violations
	e, err := t.find(ctx, target.ID, also...)
	switch {
	case err != nil:
		return nil, nil, err
	case e == nil:
		errs.Add(workspace.CodeNotFound, "id", "There is no such task.")
	default:
		errs.IfVersion("task", target.IfVersion, e.Version)
	}
	return e, errs, nil
}

// find returns a task, which may be in the trash; nil if there is none.
func (t *tx) find(ctx context.Context, id string, also ...func(*sql.Selector)) (*ent.Task, error) {
	u, ok := workspace.ParseID(id)
	if !ok {
		return nil, nil //nolint:nilnil // None is no error.
	}
	if len(also) == 0 && t.service.usesRowReader(ctx) {
		return t.findRow(ctx, u)
	}
	q := t.tasks().Where(enttask.ID(u))
	if len(also) > 0 {
		q.Modify(also...)
	}
	e, err := q.Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil //nolint:nilnil // As above.
	}
	if err != nil {
		return nil, fmt.Errorf("reading a task: %w", err)
	}
	return e, nil
}

// findRow is find without ent, which takes longer to write the statement than PostgreSQL to run it.
func (t *tx) findRow(ctx context.Context, id uuid.UUID) (*ent.Task, error) {
	ctx = context.WithValue(ctx, TextQuotaKey{}, TextQuota(nil)) // What is selected of the result is charged later.
	l := &list{service: t.service, viewer: t.Viewer, queryRaw: t.QueryRaw}
	tasks, err := l.rows(ctx, nil, queryKey{name: "find", args: []any{id}}, 1, enttask.ID(id))
	if err != nil || len(tasks) == 0 {
		return nil, err
	}
	return tasks[0], nil
}

func (in BulkInput) canonical() BulkInput {
	in.IDs = workspace.CanonicalIDs(in.IDs)
	return in
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
			r.Refuse(r.refusal(failed))
			return r, workspace.ErrNoCommit
		case len(able) == 0:
			return r, workspace.ErrNoCommit
		}
		if err := op.apply(ctx, t, able); err != nil {
			return nil, err
		}
		for _, e := range able {
			if e.Version == t.Version {
				r.ChangedCount++
			}
		}
		for _, item := range r.Results {
			if item.Task != nil {
				item.Repetition = t.repetitions[item.Task.ID]
			}
		}
		return r, nil
	})
}

// refusal returns the error of a bulk mutation that was refused because so many tasks failed, with the code and the
// field of the first failure.
func (r *BulkResult) refusal(failed int) workspace.Violations {
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

// load reads the tasks with these ids with one statement, in their order. It leaves out ids that don't exist.
func (t *tx) load(ctx context.Context, ids []string) ([]*ent.Task, error) {
	unique, _ := workspace.ParseIDs(ids)
	if len(unique) == 0 {
		return nil, nil
	}
	rows, err := t.tasks().Where(enttask.IDIn(unique...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading tasks: %w", err)
	}
	byID := make(map[uuid.UUID]*ent.Task, len(rows))
	for _, e := range rows {
		byID[e.ID] = e
	}
	tasks := make([]*ent.Task, 0, len(rows))
	for _, id := range unique {
		if e, ok := byID[id]; ok {
			tasks = append(tasks, e)
		}
	}
	return tasks, nil
}

// answerBulk returns the result for each id, and the tasks without violations.
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
