package task

import (
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	entproject "taskql/ent/project"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/internal/history"
	"taskql/internal/project"
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

// ImportedProject is a project of another system. It goes to the end of the manual order.
type ImportedProject struct {
	ID          uuid.UUID
	Name        string
	Description *string
	// Color and CreatedAt are as ImportedTag's.
	Color     *string
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
	// ProjectID is the task's project. The task goes into none if it is nil, or the id of no project or of one in the trash.
	ProjectID *uuid.UUID
}

// ImportOutcome is the result for one imported tag, project or task: it was inserted if Problems is empty and Known is false.
type ImportOutcome struct {
	// ID is its id here. If the name of a tag or a project is in use, it is the id of the one with that name.
	ID uuid.UUID
	// Known reports that it existed before, and was not changed.
	Known bool
	// InTrash reports that it is a project in the trash, which tasks can't be put into.
	InTrash bool
	// Problems are why it was not inserted.
	Problems []*workspace.UserError
}

// ImportOptions are the options of an import.
type ImportOptions struct {
	// DryRun changes nothing, but returns the same outcomes.
	DryRun bool
	// Planned is how many tasks earlier calls of the dry run would have inserted. The limits count them.
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

// ImportProjects is ImportTags for projects.
func (s *Service) ImportProjects(ctx context.Context, v viewer.Viewer, projects []ImportedProject, o ImportOptions) ([]ImportOutcome, error) {
	var outcomes []ImportOutcome
	err := s.applyImport(ctx, v, o, func(t *tx) error {
		var err error
		outcomes, err = t.importProjects(ctx, projects, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("importing projects: %w", err)
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

// namedRow is a tag or a project to be imported.
type namedRow struct {
	id uuid.UUID
	// name is the folded name, and errs are the violations of the row.
	name string
	errs workspace.Violations
}

// importNamed finds out which things of a table exist, by id or by name. names are the ids of those that the workspace has, by their
// folded names, and it can have up to limit. It returns the outcomes, and the indices of the things to be inserted.
func (t *tx) importNamed(ctx context.Context, table string, things []namedRow, names map[string]uuid.UUID, count, limit int) ([]ImportOutcome, []int, error) {
	ids := make([]uuid.UUID, len(things))
	for i, in := range things {
		ids[i] = in.id
	}
	owners, err := t.ownersOf(ctx, table, ids)
	if err != nil {
		return nil, nil, err
	}
	outcomes := make([]ImportOutcome, len(things))
	var fresh []int
	for i, in := range things {
		outcomes[i].ID = in.id
		owner, exists := owners[in.id]
		same, used := names[in.name]
		errs := in.errs
		switch {
		case exists && owner == t.Viewer.WorkspaceID:
			outcomes[i].Known = true
			continue
		case len(errs) == 0 && used:
			outcomes[i] = ImportOutcome{ID: same, Known: true}
			continue
		case exists:
			errs = append(errs, workspace.IDTaken()...)
		case len(errs) == 0 && count+len(fresh) >= limit:
			errs.Add(workspace.CodeLimitExceeded, "", "A workspace has at most %d %s.", limit, table)
		}
		if outcomes[i].Problems = errs; len(errs) > 0 {
			continue
		}
		names[in.name], owners[in.id] = in.id, t.Viewer.WorkspaceID
		fresh = append(fresh, i)
	}
	return outcomes, fresh, nil
}

func (t *tx) importTags(ctx context.Context, tags []ImportedTag, o ImportOptions) ([]ImportOutcome, error) {
	existing, err := t.tagNames(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[string]uuid.UUID, len(existing))
	for _, tag := range existing {
		names[text.Fold(tag.Name)] = tag.ID
	}
	things := make([]namedRow, len(tags))
	for i := range tags {
		tags[i].Name = checkTagName(&things[i].errs, tags[i].Name)
		things[i].id, things[i].name = tags[i].ID, text.Fold(tags[i].Name)
	}
	outcomes, fresh, err := t.importNamed(ctx, enttag.Table, things, names, len(existing), t.limits.Tags)
	if err != nil || o.DryRun || len(fresh) == 0 {
		return outcomes, err
	}
	t.MarkChanged()
	rows := make([]*ent.TagCreate, len(fresh))
	for n, i := range fresh {
		in, folded := tags[i], things[i].name
		rows[n] = t.Tag.Create().
			SetID(in.ID).SetWorkspaceID(t.Viewer.WorkspaceID).SetVersion(t.Version).
			SetName(in.Name).SetNameKey(text.NameKey(folded)).SetColor(colorOr(in.Color, folded)).
			SetCreatedAt(orNow(in.CreatedAt, t.Now)).SetUpdatedAt(t.Now)
	}
	if err := t.Tag.CreateBulk(rows...).Exec(ctx); err != nil {
		return nil, fmt.Errorf("inserting tags: %w", err)
	}
	return outcomes, nil
}

func (t *tx) importProjects(ctx context.Context, projects []ImportedProject, o ImportOptions) ([]ImportOutcome, error) {
	existing, err := t.Project.Query().Where(workspace.Scope(t.Viewer)).Select(entproject.FieldName, entproject.FieldDeletedAt).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the names of projects: %w", err)
	}
	names, inTrash := make(map[string]uuid.UUID, len(existing)), map[uuid.UUID]bool{}
	for _, p := range existing {
		if p.DeletedAt != nil {
			inTrash[p.ID] = true // Its name is free.
		} else {
			names[text.Fold(p.Name)] = p.ID
		}
	}
	things := make([]namedRow, len(projects))
	for i := range projects {
		in, errs := &projects[i], &things[i].errs
		in.Name, in.Description = project.CheckName(errs, in.Name), project.CheckDescription(errs, in.Description)
		things[i].id, things[i].name = in.ID, text.Fold(in.Name)
	}
	outcomes, fresh, err := t.importNamed(ctx, entproject.Table, things, names, len(existing), t.limits.Projects)
	if err != nil {
		return nil, err
	}
	for i := range outcomes {
		outcomes[i].InTrash = inTrash[outcomes[i].ID]
	}
	if o.DryRun || len(fresh) == 0 {
		return outcomes, nil
	}
	rows := make([]*ent.Project, len(fresh))
	for n, i := range fresh {
		in := projects[i]
		rows[n] = &ent.Project{
			ID: in.ID, Name: in.Name, Description: in.Description, Color: colorOr(in.Color, things[i].name), CreatedAt: orNow(in.CreatedAt, t.Now),
		}
	}
	return outcomes, project.Insert(ctx, t.Tx, rows) //nolint:wrapcheck // It says what it did.
}

// colorOr returns a color; the default one of the folded name if it is nil.
func colorOr(color *string, folded string) string {
	if color == nil {
		return workspace.DefaultColor(folded)
	}
	return *color
}

// ownersOf returns the workspaces of those ids that a table has. It is not limited to the workspace: an id that another workspace has
// can't be used. Nothing else is read of the rows.
func (t *tx) ownersOf(ctx context.Context, table string, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	b := workspace.Statement()
	b.WriteString("SELECT id, workspace_id FROM " + table + " WHERE id")
	if list := idList(t.Dialect, ids); t.Dialect == dialect.Postgres {
		b.WriteString(" = ANY(").Arg(list).WriteString("::uuid[])")
	} else {
		b.WriteString(" IN (SELECT value FROM json_each(").Arg(list).WriteString("))")
	}
	var rows []struct {
		ID          uuid.UUID `sql:"id"`
		WorkspaceID string    `sql:"workspace_id"`
	}
	if err := t.Select(ctx, &rows, b); err != nil {
		return nil, fmt.Errorf("looking for %s: %w", table, err)
	}
	owners := make(map[uuid.UUID]string, len(rows))
	for _, row := range rows {
		owners[row.ID] = row.WorkspaceID
	}
	return owners, nil
}

func (t *tx) importTasks(ctx context.Context, tasks []ImportedTask, o ImportOptions) ([]ImportOutcome, error) {
	ids := make([]uuid.UUID, len(tasks))
	for i, in := range tasks {
		ids[i] = in.ID
	}
	owners, err := t.ownersOf(ctx, enttask.Table, ids)
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
			errs = append(errs, workspace.IDTaken()...)
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
	var into []uuid.UUID
	for _, in := range tasks {
		if in.ProjectID != nil {
			into = append(into, *in.ProjectID)
		}
	}
	projects, err := project.FindMany(ctx, t.Tx, slices.Compact(into))
	if err != nil {
		return err //nolint:wrapcheck // It says what was read.
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
		if in.ProjectID != nil {
			if p := projects[*in.ProjectID]; p != nil && p.DeletedAt == nil {
				inProject(p).set(e)
			}
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
