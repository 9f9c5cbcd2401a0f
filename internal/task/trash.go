package task

import (
	"context"
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttask "taskql/ent/task"
	"taskql/internal/recurrence"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Delete moves a task and the tasks below it to the trash. A task in the trash stays as it is. It is refused with NOT_FOUND or STALE.
func (s *Service) Delete(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*Result, error) {
	return s.one(ctx, v, in, workspace.Change[Result]{Name: "deleteTask", Input: in.Canonical()}, trashOp{})
}

// DeleteMany moves tasks to the trash, as Delete does. A task below two of them goes with the upper one.
func (s *Service) DeleteMany(ctx context.Context, v viewer.Viewer, in BulkInput) (*BulkResult, error) {
	return s.many(ctx, v, in, workspace.Change[BulkResult]{Name: "deleteTasks", Input: in.canonical()}, trashOp{})
}

// Restore moves a task out of the trash, with the tasks that went there with it. A task that is not in the trash stays as it is. If
// its parent is in the trash, the task goes to the end of the top level; if its project is, it leaves the project. It is refused with NOT_FOUND or LIMIT_EXCEEDED.
func (s *Service) Restore(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*Result, error) {
	return s.one(ctx, v, in, workspace.Change[Result]{Name: "restoreTask", Input: in.Canonical()}, restoreOp{})
}

// RestoreMany moves tasks out of the trash, as Restore does.
func (s *Service) RestoreMany(ctx context.Context, v viewer.Viewer, in BulkInput) (*BulkResult, error) {
	return s.many(ctx, v, in, workspace.Change[BulkResult]{Name: "restoreTasks", Input: in.canonical()}, restoreOp{})
}

// trashOp moves tasks and the tasks below them to the trash.
type trashOp struct{ noPrecondition }

func (trashOp) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	var roots []*ent.Task
	for _, e := range tasks {
		if e.DeletedAt == nil {
			roots = append(roots, e)
		}
	}
	if len(roots) == 0 {
		return nil
	}
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE tree(id, root) AS (SELECT id, id FROM tasks WHERE ").
		Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id IN (").Args(workspace.AnySlice(idsOf(roots))...).
		WriteString(") UNION ALL SELECT c.id, tree.root FROM tree CROSS JOIN tasks c WHERE c.parent_id = tree.id AND c.deleted_at IS NULL AND ").
		Join(workspace.Condition(t.Viewer, "c")).
		WriteString(") UPDATE tasks SET deleted_at = ").Arg(t.Now).WriteString(", trashed_with = whole.root, version = ").Arg(t.Version).
		WriteString(", updated_at = ").Arg(t.Now).
		WriteString(" FROM (SELECT id, root FROM tree WHERE NOT EXISTS (SELECT 1 FROM tree above WHERE above.id = tree.root AND above.root <> tree.root)) AS whole" +
			" WHERE tasks.id = whole.id AND ").Join(workspace.Condition(t.Viewer, "tasks"))
	if _, err := t.changeSeries(ctx, b, recurrence.SuspendAll); err != nil {
		return fmt.Errorf("putting tasks into the trash: %w", err)
	}
	t.MarkChanged()
	for _, e := range roots {
		e.DeletedAt = &t.Now
		t.stamp(e)
	}
	return t.recordTrashed(ctx, roots)
}

// recordTrashed records that active tasks went to the trash. One that went there with another one that it is below has no activity
// of its own.
func (t *tx) recordTrashed(ctx context.Context, tasks []*ent.Task) error {
	with := map[uuid.UUID]*uuid.UUID{}
	if len(tasks) > 1 {
		rows, err := t.tasks().Where(enttask.IDIn(idsOf(tasks)...)).Select(enttask.FieldTrashedWith).All(ctx)
		if err != nil {
			return fmt.Errorf("reading what went to the trash: %w", err)
		}
		for _, row := range rows {
			with[row.ID] = row.TrashedWith
		}
	}
	for _, e := range tasks {
		if e.TrashedWith = with[e.ID]; e.TrashedWith == nil {
			e.TrashedWith = &e.ID
		}
		if *e.TrashedWith != e.ID {
			t.recordNamed(*e.TrashedWith, e.ID)
			continue
		}
		before := *e
		before.DeletedAt, before.TrashedWith = nil, nil
		t.record(&before, e)
	}
	return nil
}

// recordNamed records in the activity of a task that the change also named one below it.
func (t *tx) recordNamed(root, below uuid.UUID) {
	c := &t.activity(root).Changes
	if c.Named == nil {
		c.Named = &[]uuid.UUID{}
	}
	*c.Named = append(*c.Named, below)
}

// trashedWith selects by a column of ids: those of tasks in the trash, and of the tasks below them that went there with the same task.
func (t *tx) trashedWith(column string, roots ...uuid.UUID) predicate.Task {
	return func(s *sql.Selector) {
		s.Where(sql.P(func(b *sql.Builder) {
			b.Ident(s.C(column)).WriteString(" IN ")
			t.writeTrashedWith(b, roots)
		}))
	}
}

// writeTrashedWith writes the subquery of trashedWith. An old release left trashed_with null.
func (t *tx) writeTrashedWith(b *sql.Builder, roots []uuid.UUID) {
	b.WriteString("(WITH RECURSIVE tree(id, root) AS (SELECT id, coalesce(trashed_with, id) FROM tasks WHERE deleted_at IS NOT NULL AND ").
		Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id IN (").Args(workspace.AnySlice(roots)...).
		WriteString(") UNION SELECT c.id, tree.root FROM tree CROSS JOIN tasks c WHERE c.parent_id = tree.id AND c.trashed_with = tree.root AND c.deleted_at IS NOT NULL AND ").
		Join(workspace.Condition(t.Viewer, "c")).WriteString(") SELECT id FROM tree)")
}

// restoreOp moves tasks out of the trash, with the tasks that went there with them.
type restoreOp struct{}

// validate refuses tasks whose parents would have too many subtasks.
func (restoreOp) validate(ctx context.Context, t *tx, tasks []*ent.Task) (validation, error) {
	var found validation
	parents, excess, err := t.parentsOverLimit(ctx, tasks)
	if err != nil {
		return found, err
	}
	for _, e := range slices.Backward(tasks) { // The first tasks of the input take the free places.
		if e.DeletedAt == nil || e.ParentID == nil || excess[*e.ParentID] < 1 {
			continue
		}
		if up := parents[*e.ParentID]; up.TrashedWith != nil && equal(e.TrashedWith, up.TrashedWith) {
			continue // It is restored together with its parent.
		}
		excess[*e.ParentID]--
		var errs workspace.Violations
		errs.Add(workspace.CodeLimitExceeded, "", "A task has at most %d subtasks: its parent is full.", t.limits.Subtasks)
		found.refuse(e, errs)
	}
	return found, nil
}

// parentsOverLimit returns the parents that the tasks would have outside of the trash, and how many subtasks beyond the limit each
// would have. The tasks that are restored with them count, too. A parent that stays in the trash gets no subtasks.
func (t *tx) parentsOverLimit(ctx context.Context, tasks []*ent.Task) (map[uuid.UUID]*ent.Task, map[uuid.UUID]int, error) {
	var back, ids []uuid.UUID
	for _, e := range tasks {
		if e.DeletedAt == nil {
			continue
		}
		if back = append(back, e.ID); e.ParentID != nil {
			ids = append(ids, *e.ParentID)
		}
	}
	if len(ids) == 0 {
		return nil, nil, nil
	}
	activeThen := enttask.Or(enttask.DeletedAtIsNil(), t.trashedWith(enttask.FieldID, back...))
	parents, err := t.tasks().Where(enttask.IDIn(ids...), activeThen).All(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("reading parents: %w", err)
	}
	var counted []struct {
		ParentID uuid.UUID `sql:"parent_id"`
		Count    int       `sql:"count"`
	}
	err = t.tasks().Where(enttask.ParentIDIn(idsOf(parents)...), activeThen).
		GroupBy(enttask.FieldParentID).Aggregate(ent.Count()).Scan(ctx, &counted)
	if err != nil {
		return nil, nil, fmt.Errorf("counting subtasks: %w", err)
	}
	byID, excess := map[uuid.UUID]*ent.Task{}, map[uuid.UUID]int{}
	for _, e := range parents {
		byID[e.ID] = e
	}
	for _, c := range counted {
		excess[c.ParentID] = c.Count - t.limits.Subtasks
	}
	return byID, excess, nil
}

func (restoreOp) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	var back []*ent.Task
	for _, e := range tasks {
		if e.DeletedAt != nil {
			back = append(back, e)
		}
	}
	if len(back) == 0 {
		return nil
	}
	if err := t.takeOutOfTrash(ctx, back); err != nil {
		return err
	}
	if err := t.moveOrphansToTop(ctx, back); err != nil {
		return err
	}
	return t.settle(ctx, back)
}

// takeOutOfTrash takes tasks out of the trash, with those that went there with them.
func (t *tx) takeOutOfTrash(ctx context.Context, back []*ent.Task) error {
	b := workspace.Statement()
	b.WriteString("UPDATE tasks SET deleted_at = NULL, trashed_with = NULL, version = ").Arg(t.Version).WriteString(", updated_at = ").Arg(t.Now).
		WriteString(" WHERE ").Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id IN ")
	t.writeTrashedWith(b, idsOf(back))
	if _, err := t.changeSeries(ctx, b, recurrence.ResumeAll); err != nil {
		return fmt.Errorf("taking tasks out of the trash: %w", err)
	}
	t.MarkChanged()
	restored := make(map[uuid.UUID]bool, len(back))
	for _, e := range back {
		restored[e.ID] = true
	}
	for _, e := range back {
		before := *e
		e.DeletedAt, e.TrashedWith = nil, nil
		t.stamp(e)
		// A task that went to the trash with another one comes back with it, and has no activity of its own.
		if with := before.TrashedWith; with != nil && *with != e.ID && restored[*with] {
			t.recordNamed(*with, e.ID)
			continue
		}
		t.record(&before, e)
	}
	return nil
}

// moveOrphansToTop moves those of the tasks whose parent is in the trash to the end of the top level.
func (t *tx) moveOrphansToTop(ctx context.Context, tasks []*ent.Task) error {
	var children []uuid.UUID
	for _, e := range tasks {
		if e.ParentID != nil {
			children = append(children, e.ID)
		}
	}
	if len(children) == 0 {
		return nil
	}
	ids, err := t.tasks().Where(enttask.IDIn(children...), enttask.HasParentWith(enttask.DeletedAtNotNil())).IDs(ctx)
	if err != nil {
		return fmt.Errorf("looking for tasks whose parent is in the trash: %w", err)
	}
	isOrphan := map[uuid.UUID]bool{}
	for _, id := range ids {
		isOrphan[id] = true
	}
	var orphans []*ent.Task // In the order of tasks.
	for _, e := range tasks {
		if isOrphan[e.ID] {
			orphans = append(orphans, e)
		}
	}
	keys, err := t.moveToTop(ctx, idsOf(orphans))
	for i, e := range orphans {
		before := *e
		e.ParentID = nil
		if err == nil {
			e.Position = keys[i]
			t.record(&before, e)
		}
	}
	return err
}

// Purge deletes a task in the trash for good, with the tasks that went there with it. Other tasks below it stay in the trash, and
// move to the top level. It is refused with NOT_FOUND, and with INVALID if the task is not in the trash.
func (s *Service) Purge(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*PurgeResult, error) {
	change := workspace.Change[PurgeResult]{Name: "purgeTask", Needs: viewer.RoleAdmin, Input: in.Canonical(), IdempotencyKey: in.IdempotencyKey}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*PurgeResult, error) {
		e, errs, err := t.target(ctx, in)
		if err != nil {
			return nil, err
		}
		if len(errs) == 0 && e.DeletedAt == nil {
			errs.Add(workspace.CodeInvalid, "id", "Only a task in the trash can be deleted for good: delete it first.")
		}
		if len(errs) > 0 {
			return workspace.Refuse[PurgeResult](errs)
		}
		id := e.ID.String()
		return &PurgeResult{PurgedTaskID: &id}, t.purge(ctx, e.ID)
	})
}

// purge deletes a task and the tasks that went to the trash with it.
func (t *tx) purge(ctx context.Context, root uuid.UUID) error {
	whole := t.trashedWith(enttask.FieldID, root)
	ids, err := t.tasks().Where(whole).IDs(ctx)
	if err != nil {
		return fmt.Errorf("reading the tasks to delete: %w", err)
	}
	orphans, err := t.tasks().
		Where(t.trashedWith(enttask.FieldParentID, root), enttask.Not(whole)).
		Order(inManualOrder(false)).Select(enttask.FieldParentID, enttask.FieldPosition).All(ctx)
	if err != nil {
		return fmt.Errorf("looking for tasks that stay in the trash: %w", err)
	}
	keys, err := t.moveToTop(ctx, idsOf(orphans))
	if err != nil {
		return err
	}
	for i, e := range orphans {
		before := *e
		e.ParentID, e.Position = nil, keys[i]
		t.record(&before, e)
		t.activity(e.ID).Changes.Final = true
	}
	return t.purgeAll(ctx, ids, whole)
}

// purgeAll deletes tasks, which the predicate selects. There must be no tasks below them that stay.
func (t *tx) purgeAll(ctx context.Context, ids []uuid.UUID, selected predicate.Task) error {
	// Answers that are stored under idempotency keys contain the tasks, and so do their activities.
	if err := t.ForgetAnswers(ctx, ids...); err != nil {
		return err
	}
	if err := t.forgetActivities(ctx, ids); err != nil {
		return err
	}
	if err := t.reminders.Purge(ctx, t.Tx, ids); err != nil {
		return err //nolint:wrapcheck // It says what it was doing.
	}
	series, err := t.seriesAmong(ctx, t.Viewer, ids)
	if err != nil {
		return err
	}
	n, err := t.Task.Delete().Where(workspace.Scope(t.Viewer), selected).Exec(ctx)
	if err != nil {
		return fmt.Errorf("deleting tasks: %w", err)
	}
	t.MarkChanged()
	if err := t.Gone(ctx, workspace.KindTask, ids...); err != nil {
		return err
	}
	if err := recurrence.Remove(ctx, t.Tx, series...); err != nil {
		return err //nolint:wrapcheck // It says what it did.
	}
	_, err = t.Add(ctx, taskCount, -n)
	return err
}

// maxEmptied is how many tasks EmptyTrash deletes at most. Their workspace is locked until they are deleted, which takes some
// tens of milliseconds.
const maxEmptied = 1_000

// EmptyTrash deletes up to maxEmptied tasks in the trash for good, those first that have been there longest, and subtasks before their
// parents, and the projects in the trash of which no tasks are left. It may delete fewer although more remain. It is refused only if the idempotency key is.
func (s *Service) EmptyTrash(ctx context.Context, v viewer.Viewer, in EmptyTrashInput) (*EmptyTrashResult, error) {
	change := workspace.Change[EmptyTrashResult]{Name: "emptyTrash", Needs: viewer.RoleAdmin, Input: in, IdempotencyKey: in.IdempotencyKey}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*EmptyTrashResult, error) {
		oldest, err := t.tasks().Where(enttask.DeletedAtNotNil()).
			Order(enttask.ByDeletedAt(), enttask.ByID()).Limit(maxEmptied).IDs(ctx)
		if err == nil {
			oldest, err = t.lowest(ctx, oldest, maxEmptied, enttask.DeletedAtNotNil())
		}
		if err != nil {
			return nil, fmt.Errorf("reading the trash: %w", err)
		}
		if len(oldest) > 0 {
			if err := t.purgeAll(ctx, oldest, idsAmong(enttask.FieldID, oldest)); err != nil {
				return nil, err
			}
		}
		if err := t.purgeProjects(ctx); err != nil || len(oldest) == 0 {
			return &EmptyTrashResult{}, err
		}
		left, err := t.tasks().Where(enttask.DeletedAtNotNil()).Count(ctx)
		if err != nil {
			return nil, fmt.Errorf("counting the tasks in the trash: %w", err)
		}
		return &EmptyTrashResult{PurgedCount: len(oldest), RemainingCount: left}, nil
	})
}
