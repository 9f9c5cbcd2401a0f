package task

import (
	"context"
	"fmt"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/recurrence"
	"taskql/internal/text"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// MaxImport is how many tasks ImportTasks takes at most. Their workspace is locked until they are inserted.
const MaxImport = 500

// ImportedTag is a tag of another system.
type ImportedTag struct {
	ID   uuid.UUID
	Name string
	// Color is #rrggbb in lower case. If it is nil, it is the default color of the name.
	Color *string
	// If CreatedAt is zero, it stands for now.
	CreatedAt time.Time
}

// ImportedTask is a task of another system. It goes to the top level.
type ImportedTask struct {
	ID          uuid.UUID
	Title       string
	Description *string
	Priority    Priority
	Due         *DueInput
	// Recurrence is how the task repeats, from its due on; nil if it does not, if it is completed or in the trash.
	Recurrence *recurrence.Input
	// CompletedAt is nil if the task is open, DeletedAt if it is not in the trash.
	CompletedAt, DeletedAt *time.Time
	// Times that are zero stand for now.
	CreatedAt, UpdatedAt time.Time
	// TagIDs are tags of the workspace, each once.
	TagIDs []uuid.UUID
}

// ImportOutcome is the result for one imported tag or task: it was inserted if Problems is empty and Known is false.
type ImportOutcome struct {
	// ID is its id here. If a tag's name is in use, it is the id of the tag with that name.
	ID uuid.UUID
	// Known reports that it existed before, and was not changed.
	Known bool
	// Problems are why it was not inserted.
	Problems []*workspace.UserError
}

// ImportOptions are the options of an import.
type ImportOptions struct {
	// DryRun changes nothing, but returns the same outcomes.
	DryRun bool
	// Planned is how many tags or tasks earlier calls of the dry run would have inserted. The limits count them.
	Planned int
}

// ImportTags inserts those tags that don't exist, in one change. The outcomes are in the order of the tags. ctx must be the system's,
// because ids are compared with those of all workspaces.
func (s *Service) ImportTags(ctx context.Context, v viewer.Viewer, tags []ImportedTag, o ImportOptions) ([]ImportOutcome, error) {
	var outcomes []ImportOutcome
	err := s.applyImport(ctx, v, o, func(t *tx) error {
		var err error
		outcomes, err = t.importTags(ctx, tags, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("importing tags: %w", err)
	}
	return outcomes, nil
}

// ImportTasks inserts those of up to MaxImport tasks that don't exist, in one change, at the end of the manual order. The outcomes
// are in the order of the tasks. ctx must be the system's, as for ImportTags.
func (s *Service) ImportTasks(ctx context.Context, v viewer.Viewer, tasks []ImportedTask, o ImportOptions) ([]ImportOutcome, error) {
	if len(tasks) > MaxImport {
		return nil, fmt.Errorf("importing tasks: %d at once, at most %d", len(tasks), MaxImport)
	}
	var outcomes []ImportOutcome
	err := s.applyImport(ctx, v, o, func(t *tx) error {
		var err error
		outcomes, err = t.importTasks(ctx, tasks, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("importing tasks: %w", err)
	}
	return outcomes, nil
}

// applyImport runs work as a change of the workspace. If it is a dry run, it is rolled back, and the workspace need not exist.
func (s *Service) applyImport(ctx context.Context, v viewer.Viewer, o ImportOptions, work func(*tx) error) error {
	if o.DryRun {
		return s.workspaces.DryRun(ctx, v, tasksCounter, func(w *workspace.Tx) error { return work(s.tx(w, history.Import)) })
	}
	return s.applyChange(ctx, v, history.Import, work)
}

func (t *tx) importTags(ctx context.Context, tags []ImportedTag, o ImportOptions) ([]ImportOutcome, error) {
	owners, err := t.ownersOfTags(ctx, tags)
	if err != nil {
		return nil, err
	}
	existing, err := t.tagNames(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[string]uuid.UUID, len(existing))
	for _, tag := range existing {
		names[text.Fold(tag.Name)] = tag.ID
	}
	outcomes := make([]ImportOutcome, len(tags))
	count := len(existing) + o.Planned
	var rows []*ent.TagCreate
	for i, in := range tags {
		var errs workspace.Violations
		name := checkTagName(&errs, in.Name)
		folded := text.Fold(name)
		outcomes[i].ID = in.ID
		owner, exists := owners[in.ID]
		same, used := names[folded]
		switch {
		case exists && owner == t.Viewer.WorkspaceID:
			outcomes[i].Known = true
			continue
		case len(errs) == 0 && used:
			outcomes[i] = ImportOutcome{ID: same, Known: true}
			continue
		case exists:
			errs = append(errs, idTaken()...)
		case len(errs) == 0 && count >= t.limits.Tags:
			errs.Add(workspace.CodeLimitExceeded, "", "A workspace has at most %d tags.", t.limits.Tags)
		}
		if outcomes[i].Problems = errs; len(errs) > 0 {
			continue
		}
		count++
		names[folded], owners[in.ID] = in.ID, t.Viewer.WorkspaceID
		color := workspace.DefaultColor(folded)
		if in.Color != nil {
			color = *in.Color
		}
		rows = append(rows, t.Tag.Create().
			SetID(in.ID).SetWorkspaceID(t.Viewer.WorkspaceID).SetVersion(t.Version).
			SetName(name).SetNameKey(text.NameKey(folded)).SetColor(color).
			SetCreatedAt(orNow(in.CreatedAt, t.Now)).SetUpdatedAt(t.Now))
	}
	if o.DryRun || len(rows) == 0 {
		return outcomes, nil
	}
	t.MarkChanged()
	if err := t.Tag.CreateBulk(rows...).Exec(ctx); err != nil {
		return nil, fmt.Errorf("inserting tags: %w", err)
	}
	return outcomes, nil
}

// ownersOfTags returns the workspaces of those tags that exist, in any workspace.
func (t *tx) ownersOfTags(ctx context.Context, tags []ImportedTag) (map[uuid.UUID]string, error) {
	ids := make([]uuid.UUID, len(tags))
	for i, in := range tags {
		ids[i] = in.ID
	}
	rows, err := t.Tag.Query().Where(func(s *sql.Selector) { s.Where(among(s, s.C(enttag.FieldID), ids)) }).
		Select(enttag.FieldID, enttag.FieldWorkspaceID).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for tags: %w", err)
	}
	owners := make(map[uuid.UUID]string, len(rows))
	for _, row := range rows {
		owners[row.ID] = row.WorkspaceID
	}
	return owners, nil
}

func (t *tx) importTasks(ctx context.Context, tasks []ImportedTask, o ImportOptions) ([]ImportOutcome, error) {
	owners, err := t.ownersOfTasks(ctx, tasks)
	if err != nil {
		return nil, err
	}
	outcomes := make([]ImportOutcome, len(tasks))
	count := t.Count + o.Planned
	var fresh []ImportedTask
	for i, in := range tasks {
		outcomes[i].ID = in.ID
		owner, exists := owners[in.ID]
		if exists && owner == t.Viewer.WorkspaceID {
			outcomes[i].Known = true
			continue
		}
		errs := t.checkImported(&in)
		switch {
		case exists:
			errs = append(errs, idTaken()...)
		case len(errs) == 0 && count >= t.limits.Tasks:
			errs.Add(workspace.CodeLimitExceeded, "", "A workspace has at most %d tasks, those in the trash included.", t.limits.Tasks)
		}
		if outcomes[i].Problems = errs; len(errs) > 0 {
			continue
		}
		count++
		owners[in.ID] = t.Viewer.WorkspaceID
		fresh = append(fresh, in)
	}
	if o.DryRun || len(fresh) == 0 {
		return outcomes, nil
	}
	return outcomes, t.insertImported(ctx, fresh)
}

// checkImported returns a task's violations, and trims its texts.
func (t *tx) checkImported(in *ImportedTask) workspace.Violations {
	var errs workspace.Violations
	in.Title, in.Description = checkTitle(&errs, in.Title), checkDescription(&errs, in.Description)
	checkPriority(&errs, "priority", &in.Priority)
	due := checkDue(&errs, "due", in.Due, t.Viewer)
	if d := recurrence.Check(&errs, "recurrence", in.Recurrence); d != nil && due != nil {
		d.CheckStart(&errs, "recurrence", recurrence.Due(*due))
	}
	if n := len(in.TagIDs); n > t.limits.TagsPerTask {
		errs.Add(workspace.CodeLimitExceeded, "tagIds", "A task carries at most %d tags; these are %d.", t.limits.TagsPerTask, n)
	}
	return errs
}

// ownersOfTasks returns the workspaces of those tasks that exist, in any workspace.
func (t *tx) ownersOfTasks(ctx context.Context, tasks []ImportedTask) (map[uuid.UUID]string, error) {
	ids := make([]uuid.UUID, len(tasks))
	for i, in := range tasks {
		ids[i] = in.ID
	}
	// Not limited to the workspace: an id that another workspace has can't be used. Nothing else of it is read.
	rows, err := t.Task.Query().Where(idsAmong(enttask.FieldID, ids)).
		Select(enttask.FieldID, enttask.FieldWorkspaceID).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for tasks: %w", err)
	}
	owners := make(map[uuid.UUID]string, len(rows))
	for _, row := range rows {
		owners[row.ID] = row.WorkspaceID
	}
	return owners, nil
}

// insertImported inserts tasks that were checked.
func (t *tx) insertImported(ctx context.Context, tasks []ImportedTask) error {
	if _, err := t.Add(ctx, taskCount, len(tasks)); err != nil {
		return err
	}
	t.MarkChanged()
	positions, err := t.endPositions(len(tasks))
	if err != nil {
		return err
	}
	rows := make([]*ent.Task, len(tasks))
	tags := make(map[uuid.UUID][]uuid.UUID, len(tasks))
	for i, in := range tasks {
		e := &ent.Task{
			ID: in.ID, WorkspaceID: t.Viewer.WorkspaceID, Version: t.Version, Position: positions[i], Priority: in.Priority,
			CreatedAt: orNow(in.CreatedAt, t.Now), UpdatedAt: orNow(in.UpdatedAt, t.Now),
		}
		if in.CompletedAt != nil {
			at := orNow(*in.CompletedAt, t.Now)
			e.Completed, e.CompletedAt = true, &at
		}
		if in.DeletedAt != nil {
			at := orNow(*in.DeletedAt, t.Now)
			e.DeletedAt, e.TrashedWith = &at, &tasks[i].ID
		}
		textsEdit(in.Title, in.Description).set(e)
		var errs workspace.Violations // The task was checked: there are none.
		checkDue(&errs, "due", in.Due, t.Viewer).set(e)
		if d := recurrence.Check(&errs, "recurrence", in.Recurrence); d != nil {
			if err := t.startSeries(ctx, e, d); err != nil {
				return err
			}
		}
		if len(in.TagIDs) > 0 {
			tags[in.ID] = in.TagIDs
		}
		rows[i] = e
	}
	if err := t.insert(ctx, rows...); err != nil {
		return fmt.Errorf("inserting tasks: %w", err)
	}
	return t.insertTags(ctx, tags)
}

// orNow returns a time with the precision of the databases; now if it is zero.
func orNow(at, now time.Time) time.Time {
	if at.IsZero() {
		return now
	}
	return at.UTC().Truncate(time.Microsecond)
}
