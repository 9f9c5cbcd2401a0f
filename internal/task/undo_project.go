package task

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/project"
	"taskql/internal/workspace"
)

// placed reports whether the change may have changed where a task is.
func (s *undoStep) placed() bool {
	return s.changes.Parent != nil || s.changes.Project != nil || s.changes.Section != nil
}

// putBackIntoProjects puts tasks of the top level back into the projects and sections in which they were before the change, and the tasks
// below others to where those are. There is a conflict if a project or a section can't take a task any more.
func (u *undo) putBackIntoProjects(ctx context.Context) error {
	var top, below []*undoStep
	var parents []uuid.UUID
	for _, s := range u.steps {
		switch {
		case !s.placed():
		case s.task.ParentID == nil:
			top = append(top, s)
		default:
			below, parents = append(below, s), append(parents, *s.task.ParentID)
		}
	}
	if len(top)+len(below) == 0 {
		return nil
	}
	placements, err := u.formerPlacements(ctx, top)
	if err != nil || len(u.conflicts) > 0 {
		return err
	}
	tasks := make([]*ent.Task, len(top))
	for i, s := range top {
		tasks[i] = s.task
	}
	if err := u.place(ctx, tasks, placements); err != nil || len(below) == 0 {
		return err
	}
	above, err := u.ancestorsOf(ctx, parents)
	if err != nil {
		return err
	}
	var roots []uuid.UUID
	for _, up := range above {
		roots = append(roots, up.ids[len(up.ids)-1])
	}
	if err := u.placeBelow(ctx, roots); err != nil {
		return err
	}
	return u.recordPlacements(ctx, below)
}

// recordPlacements records where tasks have gone with the tasks above them.
func (u *undo) recordPlacements(ctx context.Context, steps []*undoStep) error {
	ids := make([]uuid.UUID, len(steps))
	for i, s := range steps {
		ids[i] = s.task.ID
	}
	rows, err := u.tasks().Where(enttask.IDIn(ids...)).
		Select(enttask.FieldProjectID, enttask.FieldSectionID, enttask.FieldHiddenAt).All(ctx)
	if err != nil {
		return fmt.Errorf("reading the projects of tasks: %w", err)
	}
	now := make(map[uuid.UUID]placement, len(rows))
	for _, e := range rows {
		now[e.ID] = placementOf(e)
	}
	for _, s := range steps {
		before := *s.task
		now[s.task.ID].set(s.task)
		u.record(&before, s.task)
	}
	return nil
}

// formerPlacements returns where tasks of the top level were before the change.
func (u *undo) formerPlacements(ctx context.Context, steps []*undoStep) (map[uuid.UUID]placement, error) {
	former := map[uuid.UUID]placement{}
	var projects, sections []uuid.UUID
	for _, s := range steps {
		c, p := &s.changes, placementOf(s.task)
		if c.Project != nil {
			p = placement{project: c.Project.From()}
		}
		if c.Section != nil {
			p.section = c.Section.From()
		}
		if p.project == nil {
			p = placement{}
		} else if projects = append(projects, *p.project); p.section != nil {
			sections = append(sections, *p.section)
		}
		former[s.task.ID] = p
	}
	foundProjects, err := project.FindMany(ctx, u.Tx, projects)
	if err != nil {
		return nil, err //nolint:wrapcheck // It says what was read.
	}
	foundSections, err := project.FindSections(ctx, u.Tx, sections)
	if err != nil {
		return nil, err //nolint:wrapcheck // As above.
	}
	for _, s := range steps {
		to := former[s.task.ID]
		if to.project == nil {
			continue
		}
		p := foundProjects[*to.project]
		switch {
		case p == nil:
			err = u.conflictWithGone(ctx, s, "project", workspace.KindProject, *to.project)
		case p.DeletedAt != nil && !s.wentWith(p.ID):
			u.conflict(s, "project", p.Version)
		case to.section != nil && (foundSections[*to.section] == nil || foundSections[*to.section].ProjectID != p.ID):
			err = u.conflictWithGone(ctx, s, "section", workspace.KindSection, *to.section)
		default:
			to.hidden = p.ArchivedAt
			former[s.task.ID] = to
		}
		if err != nil {
			return nil, err
		}
	}
	return former, nil
}

// wentWith reports whether undoing puts the task back into the trash as one that went there with the project.
func (s *undoStep) wentWith(project uuid.UUID) bool {
	was := s.trashBefore()
	return was != nil && was.With != nil && *was.With == project
}

// conflictWithGone adds a conflict because something was deleted for good.
func (u *undo) conflictWithGone(ctx context.Context, s *undoStep, field string, kind workspace.Kind, id uuid.UUID) error {
	version, err := u.goneSince(ctx, kind, id)
	u.conflict(s, field, version)
	return err
}
