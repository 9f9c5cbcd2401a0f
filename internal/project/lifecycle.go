package project

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	entproject "taskql/ent/project"
	entsection "taskql/ent/section"
	"taskql/internal/fracindex"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// These change the rows of projects and sections alone. internal/task calls them together with its own changes of tasks.

// Insert adds projects at the end of the manual order. Each has the version and the time of the change, and what the caller has set.
func Insert(ctx context.Context, t *workspace.Tx, projects []*ent.Project) error {
	keys, ok := fracindex.EndN(t.Version, nil, len(projects))
	if !ok {
		return errors.New("there is no position for projects")
	}
	rows := make([]*ent.ProjectCreate, len(projects))
	for i, p := range projects {
		rows[i] = create(t, p, keys[i])
	}
	if err := t.Project.CreateBulk(rows...).Exec(ctx); err != nil {
		return fmt.Errorf("inserting projects: %w", err)
	}
	t.MarkChanged()
	_, err := t.Add(ctx, Count, len(projects))
	return err //nolint:wrapcheck // It says what it did.
}

// Archive sets when a project was archived; nil takes it out of the archive.
func Archive(ctx context.Context, t *workspace.Tx, p *ent.Project, archived bool) error {
	u := update(t, p)
	if p.ArchivedAt = nil; archived {
		p.ArchivedAt = &t.Now
		u.SetArchivedAt(t.Now)
	} else {
		u.ClearArchivedAt()
	}
	if err := u.Exec(ctx); err != nil {
		return fmt.Errorf("archiving the project: %w", err)
	}
	return nil
}

// Trash puts a project into the trash, or takes it out.
func Trash(ctx context.Context, t *workspace.Tx, p *ent.Project, deleted bool) error {
	u := update(t, p)
	if p.DeletedAt = nil; deleted {
		p.DeletedAt = &t.Now
		u.SetDeletedAt(t.Now)
	} else {
		u.ClearDeletedAt()
	}
	if err := u.Exec(ctx); err != nil {
		return fmt.Errorf("putting the project into the trash, or back: %w", err)
	}
	return nil
}

// RemoveSection deletes a section for good. No task may be in it.
func RemoveSection(ctx context.Context, t *workspace.Tx, section *ent.Section) error {
	if _, err := t.Section.Delete().Where(workspace.Scope(t.Viewer), entsection.ID(section.ID)).Exec(ctx); err != nil {
		return fmt.Errorf("deleting the section: %w", err)
	}
	t.MarkChanged()
	return t.Gone(ctx, workspace.KindSection, section.ID) //nolint:wrapcheck // It says what it wrote.
}

// Purge deletes projects for good, with their sections. No task may be in them.
func Purge(ctx context.Context, t *workspace.Tx, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	below, err := sections(t).Where(entsection.ProjectIDIn(ids...)).IDs(ctx)
	if err != nil {
		return fmt.Errorf("reading sections: %w", err)
	}
	// Answers that are stored under idempotency keys contain the projects.
	if err := t.ForgetAnswers(ctx, append(slices.Clone(ids), below...)...); err != nil {
		return err //nolint:wrapcheck // It says what it deleted.
	}
	n, err := t.Project.Delete().Where(workspace.Scope(t.Viewer), entproject.IDIn(ids...)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("deleting projects: %w", err)
	}
	t.MarkChanged()
	if err := t.Gone(ctx, workspace.KindProject, ids...); err != nil {
		return err //nolint:wrapcheck // It says what it wrote.
	}
	if err := t.Gone(ctx, workspace.KindSection, below...); err != nil {
		return err //nolint:wrapcheck // As above.
	}
	_, err = t.Add(ctx, Count, -n)
	return err //nolint:wrapcheck // It says what it did.
}

// MoveFrom moves all projects of a workspace to the change's, with their sections, to the end of the manual order. It returns how many
// there are. If that is more than the limit allows, it moves none and returns false.
func MoveFrom(ctx context.Context, t *workspace.Tx, from viewer.Viewer, limit int) (int, bool, error) {
	ids, err := t.Project.Query().Where(workspace.Scope(from)).Order(inOrder).IDs(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("reading projects: %w", err)
	}
	if len(ids) == 0 {
		return 0, true, nil
	}
	count, err := t.Add(ctx, Count, len(ids))
	if err != nil {
		return 0, false, err //nolint:wrapcheck // It says what it did.
	}
	if count > limit {
		return len(ids), false, nil
	}
	const uncount = "UPDATE workspaces SET project_count = project_count - $1 WHERE id = $2"
	if _, err := t.ExecContext(ctx, uncount, len(ids), from.WorkspaceID); err != nil {
		return 0, false, fmt.Errorf("counting the projects that are left: %w", err)
	}
	keys, ok := fracindex.EndN(t.Version, nil, len(ids))
	if !ok {
		return 0, false, errors.New("there is no position for projects that are moved")
	}
	for i, id := range ids {
		for _, set := range []struct{ column, table string }{{"id", entproject.Table}, {entsection.FieldProjectID, entsection.Table}} {
			b := workspace.Statement()
			b.WriteString("UPDATE " + set.table + " SET workspace_id = ").Arg(t.Viewer.WorkspaceID).WriteString(", version = ").Arg(t.Version)
			if set.table == entproject.Table {
				b.WriteString(", position = ").Arg(keys[i])
			}
			b.WriteString(" WHERE " + set.column + " = ").Arg(id).WriteString(" AND ").Join(workspace.Condition(from, ""))
			if err := t.Exec(ctx, b); err != nil {
				return 0, false, fmt.Errorf("moving %s: %w", set.table, err)
			}
		}
	}
	t.MarkChanged()
	return len(ids), true, nil
}
