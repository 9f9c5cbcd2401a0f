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
	"taskql/internal/text"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// MaxImport is how many tasks one call of ImportTasks takes: the workspace is locked as long as it lasts.
const MaxImport = 500

// ImportedTag is a tag as another system had it.
type ImportedTag struct {
	ID   uuid.UUID
	Name string
	// Color is #rrggbb in lower case; the palette's if it is nil.
	Color *string
	// CreatedAt is now if it is zero.
	CreatedAt time.Time
}

// ImportedTask is a task as another system had it. It stands at the top level.
type ImportedTask struct {
	ID          uuid.UUID
	Title       string
	Description *string
	Priority    Priority
	Due         *DueInput
	// CompletedAt is nil if the task is open, DeletedAt if it is not in the trash.
	CompletedAt, DeletedAt *time.Time
	// CreatedAt and the other moments are now if they are zero.
	CreatedAt, UpdatedAt time.Time
	// TagIDs are those of the workspace's tags that it carries, each once.
	TagIDs []uuid.UUID
}

// ImportOutcome is the result for one imported tag or task: it was inserted if Problems is empty and Known is false.
type ImportOutcome struct {
	// ID is the one that it has here. A tag whose name is in use is that other tag.
	ID uuid.UUID
	// Known says that it was here already, and was left as it is: whatever became of it since stays.
	Known bool
	// Problems are why it was not taken.
	Problems []*workspace.UserError
}

// ImportOptions are what an import works with.
type ImportOptions struct {
	// DryRun takes no lock and changes nothing, but answers as if it had.
	DryRun bool
	// Planned is how many the dry run has taken before, which are not counted in the database.
	Planned int
}

// ImportTags makes the tags in one change, as CreateTag makes one, but for those that are here. The outcomes are in their
// order. ctx must be the system's: ids of other workspaces are looked for, too.
func (s *Service) ImportTags(ctx context.Context, v viewer.Viewer, tags []ImportedTag, o ImportOptions) ([]ImportOutcome, error) {
	var outcomes []ImportOutcome
	err := s.importing(ctx, v, o, func(t *tx) error {
		var err error
		outcomes, err = t.importTags(ctx, tags, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("importing tags: %w", err)
	}
	return outcomes, nil
}

// ImportTasks makes up to MaxImport tasks in one change, at the end of the manual order and with the times they had, but
// for those that are here. The outcomes are in their order. ctx must be the system's, as above.
func (s *Service) ImportTasks(ctx context.Context, v viewer.Viewer, tasks []ImportedTask, o ImportOptions) ([]ImportOutcome, error) {
	if len(tasks) > MaxImport {
		return nil, fmt.Errorf("importing tasks: %d at once, at most %d", len(tasks), MaxImport)
	}
	var outcomes []ImportOutcome
	err := s.importing(ctx, v, o, func(t *tx) error {
		var err error
		outcomes, err = t.importTasks(ctx, tasks, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("importing tasks: %w", err)
	}
	return outcomes, nil
}

// importing runs work as a change of the workspace: with its lock and its next version, which is given back if work
// has changed nothing. A dry run has neither, and sees an empty workspace if there is none yet.
func (s *Service) importing(ctx context.Context, v viewer.Viewer, o ImportOptions, work func(*tx) error) error {
	if o.DryRun {
		return s.workspaces.DryRun(ctx, v, tasksCounter, func(w *workspace.Tx) error { return work(s.tx(w)) })
	}
	return s.applyChange(ctx, v, work)
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
		color := colorOf(folded)
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

// ownersOfTags returns the workspaces of the tags that exist, anybody's.
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

// checkImported says what is wrong with a task, and trims what is not.
func (t *tx) checkImported(in *ImportedTask) workspace.Violations {
	var errs workspace.Violations
	in.Title, in.Description = checkTitle(&errs, in.Title), checkDescription(&errs, in.Description)
	checkPriority(&errs, "priority", &in.Priority)
	checkDue(&errs, "due", in.Due, t.Viewer)
	if n := len(in.TagIDs); n > t.limits.TagsPerTask {
		errs.Add(workspace.CodeLimitExceeded, "tagIds", "A task carries at most %d tags; these are %d.", t.limits.TagsPerTask, n)
	}
	return errs
}

// ownersOfTasks returns the workspaces of the tasks that exist, anybody's.
func (t *tx) ownersOfTasks(ctx context.Context, tasks []ImportedTask) (map[uuid.UUID]string, error) {
	ids := make([]uuid.UUID, len(tasks))
	for i, in := range tasks {
		ids[i] = in.ID
	}
	// Not bounded by the workspace: an id that another has can't be used. No more is told of it.
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

// insertImported makes tasks that were checked.
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
		setTexts(in.Title, in.Description).set(e)
		var errs workspace.Violations // Checked before.
		checkDue(&errs, "due", in.Due, t.Viewer).set(e)
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
