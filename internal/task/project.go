package task

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/predicate"
	enttask "taskql/ent/task"
	"taskql/internal/project"
	"taskql/internal/recurrence"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// ArchiveProject archives a project: its tasks leave the lists of active tasks. Only the project gets a new version. A project that is
// archived stays as it is. It is refused with NOT_FOUND, STALE, or INVALID if the project is in the trash.
func (s *Service) ArchiveProject(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*project.Result, error) {
	return s.changeProject(ctx, v, "archiveProject", viewer.RoleWrite, in, func(t *tx, ctx context.Context, p *ent.Project) (workspace.Violations, error) {
		return t.archive(ctx, p, true)
	})
}

// UnarchiveProject takes a project out of the archive: its tasks come back into the lists. It is refused as ArchiveProject is.
func (s *Service) UnarchiveProject(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*project.Result, error) {
	return s.changeProject(ctx, v, "unarchiveProject", viewer.RoleWrite, in, func(t *tx, ctx context.Context, p *ent.Project) (workspace.Violations, error) {
		return t.archive(ctx, p, false)
	})
}

// DeleteProject moves a project to the trash, with its tasks. Those that are there already leave the project. A project in the trash
// stays as it is. It is refused with NOT_FOUND or STALE.
func (s *Service) DeleteProject(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*project.Result, error) {
	return s.changeProject(ctx, v, "deleteProject", viewer.RoleAdmin, in, (*tx).trashProject)
}

// RestoreProject takes a project out of the trash, with the tasks that went there with it. A project that is not in the trash stays as
// it is. It is refused with NOT_FOUND.
func (s *Service) RestoreProject(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*project.Result, error) {
	return s.changeProject(ctx, v, "restoreProject", viewer.RoleWrite, in, (*tx).restoreProject)
}

// changeProject makes a change of one project.
func (s *Service) changeProject(
	ctx context.Context, v viewer.Viewer, name string, needs viewer.Role, in workspace.TargetInput,
	apply func(*tx, context.Context, *ent.Project) (workspace.Violations, error),
) (*project.Result, error) {
	change := workspace.Change[project.Result]{Name: name, Needs: needs, Input: in.Canonical(), IdempotencyKey: in.IdempotencyKey}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*project.Result, error) {
		p, errs, err := project.Target(ctx, t.Tx, in)
		if err != nil {
			return nil, err //nolint:wrapcheck // It says what was read.
		}
		if len(errs) > 0 {
			return &project.Result{Project: p, Outcome: workspace.Outcome{UserErrors: errs}}, workspace.ErrNoCommit
		}
		if errs, err = apply(t, ctx, p); err != nil {
			return nil, err
		}
		if len(errs) > 0 {
			return workspace.Refuse[project.Result](errs)
		}
		return &project.Result{Project: p}, nil
	})
}

// archive archives a project, or takes it out of the archive.
func (t *tx) archive(ctx context.Context, p *ent.Project, archived bool) (workspace.Violations, error) {
	var errs workspace.Violations
	switch {
	case p.DeletedAt != nil:
		errs.Add(workspace.CodeInvalid, "id", "This project is in the trash: restore it first.")
		return errs, nil
	case archived == (p.ArchivedAt != nil):
		return nil, nil
	}
	if err := project.Archive(ctx, t.Tx, p, archived); err != nil {
		return nil, err //nolint:wrapcheck // It says what it did.
	}
	which := " AND hidden_at IS NOT NULL"
	if archived {
		which = " AND hidden_at IS NULL"
	}
	// Active tasks, and those in the trash: each are served by an index.
	for _, where := range []string{"deleted_at IS NULL", "deleted_at IS NOT NULL"} {
		err := t.changeTasksOf(ctx, p, where+which, noSeries, func(b *sql.Builder) { b.WriteString("hidden_at = ").Arg(p.ArchivedAt) })
		if err != nil {
			return nil, fmt.Errorf("hiding the tasks of a project: %w", err)
		}
	}
	return nil, nil
}

// noSeries leaves series as they are.
func noSeries(context.Context, *workspace.Tx, ...uuid.UUID) error { return nil }

// projectBatch is how many tasks of a project one statement changes: PostgreSQL ends statements that take too long.
const projectBatch = 5_000

// changeTasksOf changes the tasks of a project for which a condition holds, until it holds for none, and their series.
func (t *tx) changeTasksOf(
	ctx context.Context, p *ent.Project, where string, series func(context.Context, *workspace.Tx, ...uuid.UUID) error, set func(*sql.Builder),
) error {
	for {
		b := workspace.Statement()
		b.WriteString("UPDATE tasks SET ")
		set(b)
		b.WriteString(" WHERE ").Join(workspace.Condition(t.Viewer, "")).WriteString(" AND id IN (SELECT id FROM tasks WHERE ").
			Join(workspace.Condition(t.Viewer, "")).WriteString(" AND project_id = ").Arg(p.ID).WriteString(" AND " + where + " LIMIT ").Arg(projectBatch).
			WriteString(")")
		n, err := t.changeSeries(ctx, b, series)
		if err != nil || n < projectBatch {
			return err
		}
	}
}

func (t *tx) trashProject(ctx context.Context, p *ent.Project) (workspace.Violations, error) {
	if p.DeletedAt != nil {
		return nil, nil
	}
	if err := project.Trash(ctx, t.Tx, p, true); err != nil {
		return nil, err //nolint:wrapcheck // It says what it did.
	}
	err := t.update().Where(enttask.ProjectID(p.ID), enttask.DeletedAtNotNil()).
		ClearProjectID().ClearSectionID().ClearHiddenAt().Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("taking tasks in the trash out of a project: %w", err)
	}
	err = t.changeTasksOf(ctx, p, "deleted_at IS NULL", recurrence.SuspendAll, func(b *sql.Builder) {
		b.WriteString("deleted_at = ").Arg(t.Now).WriteString(", trashed_with = ").Arg(p.ID).
			WriteString(", version = ").Arg(t.Version).WriteString(", updated_at = ").Arg(t.Now)
	})
	if err != nil {
		return nil, fmt.Errorf("putting the tasks of a project into the trash: %w", err)
	}
	return nil, nil
}

func (t *tx) restoreProject(ctx context.Context, p *ent.Project) (workspace.Violations, error) {
	if p.DeletedAt == nil {
		return nil, nil
	}
	if err := project.Trash(ctx, t.Tx, p, false); err != nil {
		return nil, err //nolint:wrapcheck // It says what it did.
	}
	err := t.changeTasksOf(ctx, p, "deleted_at IS NOT NULL AND trashed_with = project_id", recurrence.ResumeAll, func(b *sql.Builder) {
		b.WriteString("deleted_at = NULL, trashed_with = NULL, version = ").Arg(t.Version).WriteString(", updated_at = ").Arg(t.Now)
	})
	if err != nil {
		return nil, fmt.Errorf("taking the tasks of a project out of the trash: %w", err)
	}
	return nil, nil
}

// DeleteSectionResult is the result of deleting a section.
type DeleteSectionResult struct {
	DeletedSectionID *string
	workspace.Outcome
}

// Remembered implements workspace.Result.
func (r *DeleteSectionResult) Remembered() any { return r }

// DeleteSection deletes a section for good. Its tasks stay in the project. It is refused with NOT_FOUND or STALE.
func (s *Service) DeleteSection(ctx context.Context, v viewer.Viewer, in workspace.TargetInput) (*DeleteSectionResult, error) {
	change := workspace.Change[DeleteSectionResult]{Name: "deleteSection", Input: in.Canonical(), IdempotencyKey: in.IdempotencyKey}
	return write(ctx, s, v, change, func(ctx context.Context, t *tx) (*DeleteSectionResult, error) {
		section, errs, err := project.TargetSection(ctx, t.Tx, in)
		if err != nil {
			return nil, err //nolint:wrapcheck // It says what was read.
		}
		if len(errs) > 0 {
			return workspace.Refuse[DeleteSectionResult](errs)
		}
		for _, which := range []predicate.Task{enttask.DeletedAtIsNil(), enttask.DeletedAtNotNil()} { // As in archive.
			err := t.update().Where(enttask.ProjectID(section.ProjectID), enttask.SectionID(section.ID), which).ClearSectionID().Exec(ctx)
			if err != nil {
				return nil, fmt.Errorf("taking tasks out of a section: %w", err)
			}
		}
		if err := project.RemoveSection(ctx, t.Tx, section); err != nil {
			return nil, err //nolint:wrapcheck // It says what it did.
		}
		id := section.ID.String()
		return &DeleteSectionResult{DeletedSectionID: &id}, nil
	})
}

// purgeProjects deletes the projects in the trash for good of which no tasks are left.
func (t *tx) purgeProjects(ctx context.Context) error {
	var ids []uuid.UUID
	b := workspace.Statement()
	b.WriteString("SELECT id FROM projects WHERE deleted_at IS NOT NULL AND ").Join(workspace.Condition(t.Viewer, "")).
		WriteString(" AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.project_id = projects.id AND t.deleted_at IS NOT NULL AND ").
		Join(workspace.Condition(t.Viewer, "t")).WriteString(")")
	if err := t.Select(ctx, &ids, b); err != nil {
		return fmt.Errorf("reading the projects in the trash: %w", err)
	}
	return project.Purge(ctx, t.Tx, ids) //nolint:wrapcheck // It says what it did.
}
