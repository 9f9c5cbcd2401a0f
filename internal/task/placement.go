package task

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/project"
	"taskql/internal/workspace"
)

// A task's project_id, section_id and hidden_at are its placement. These rules hold after every change:
//
//   - A subtask has its parent's placement, also if it is in the trash. The exception is a task that was in the trash when its parent
//     went there with its project: it has left the project, and gets its parent's placement when it is restored.
//   - hidden_at is when the task's project was archived; null if the project isn't archived. It has no version of its own.
//   - The project of an active task isn't in the trash, and the section is one of the project.

// placement is the project and the section of a task.
type placement struct {
	project, section *uuid.UUID
	// hidden is when the project was archived; nil if it isn't.
	hidden *time.Time
}

func placementOf(e *ent.Task) placement { return placement{e.ProjectID, e.SectionID, e.HiddenAt} }

// inProject is the placement in a project, in none of its sections.
func inProject(p *ent.Project) placement { return placement{project: &p.ID, hidden: p.ArchivedAt} }

// isOf reports whether the placement is the task's.
func (p placement) isOf(e *ent.Task) bool { return p.equals(placementOf(e)) }

func (p placement) equals(q placement) bool {
	return equal(p.project, q.project) && equal(p.section, q.section) && equalTimes(p.hidden, q.hidden)
}

func (p placement) set(e *ent.Task) {
	e.ProjectID, e.SectionID, e.HiddenAt = p.project, p.section, p.hidden
}

// edit returns the edit that gives tasks the placement.
func (p placement) edit() edit {
	return edit{
		columns: []string{enttask.FieldProjectID, enttask.FieldSectionID, enttask.FieldHiddenAt},
		set:     p.set,
	}
}

// placeBelow gives the tasks below others, those in the trash included, the placement of those.
func (t *tx) placeBelow(ctx context.Context, roots []uuid.UUID) error {
	if len(roots) == 0 {
		return nil
	}
	b := workspace.Statement()
	b.WriteString("WITH RECURSIVE tree(id, root) AS (SELECT id, parent_id FROM tasks WHERE ").
		Join(workspace.Condition(t.Viewer, "")).WriteString(" AND parent_id IN (").Args(workspace.AnySlice(roots)...).
		WriteString(") UNION ALL SELECT c.id, tree.root FROM tree CROSS JOIN tasks c WHERE c.parent_id = tree.id AND ").
		Join(workspace.Condition(t.Viewer, "c")).
		WriteString(") UPDATE tasks SET project_id = placed.project_id, section_id = placed.section_id, hidden_at = placed.hidden_at, version = ").
		Arg(t.Version).WriteString(", updated_at = ").Arg(t.Now).
		WriteString(" FROM (SELECT tree.id, r.project_id, r.section_id, r.hidden_at FROM tree CROSS JOIN tasks r WHERE r.id = tree.root) AS placed" +
			" WHERE tasks.id = placed.id AND (tasks.project_id IS DISTINCT FROM placed.project_id OR tasks.section_id IS DISTINCT FROM placed.section_id" +
			" OR tasks.hidden_at IS DISTINCT FROM placed.hidden_at) AND ").Join(workspace.Condition(t.Viewer, "tasks"))
	if err := t.Exec(ctx, b); err != nil {
		return fmt.Errorf("putting subtasks into a project: %w", err)
	}
	return nil
}

// place gives tasks their placements, and the tasks below them the same. Tasks without a placement stay where they are.
func (t *tx) place(ctx context.Context, tasks []*ent.Task, placements map[uuid.UUID]placement) error {
	var moved []*ent.Task
	edits := map[uuid.UUID][]edit{}
	for _, e := range tasks {
		if p, ok := placements[e.ID]; ok && !p.isOf(e) {
			moved, edits[e.ID] = append(moved, e), []edit{p.edit()}
		}
	}
	if err := t.applyEach(ctx, moved, nil, edits); err != nil {
		return err
	}
	return t.placeBelow(ctx, idsOf(moved))
}

// settle gives tasks that have just come out of the trash the placement of their parents. Those without a parent leave their project
// if it is gone or in the trash.
func (t *tx) settle(ctx context.Context, tasks []*ent.Task) error {
	placements, err := t.placementsOf(ctx, tasks)
	if err != nil {
		return err
	}
	return t.place(ctx, tasks, placements)
}

// placementsOf returns the placements that active tasks should have. Tasks that are not in the map have the right one.
func (t *tx) placementsOf(ctx context.Context, tasks []*ent.Task) (map[uuid.UUID]placement, error) {
	var parents, projects []uuid.UUID
	for _, e := range tasks {
		switch {
		case e.ParentID != nil:
			parents = append(parents, *e.ParentID)
		case e.ProjectID != nil:
			projects = append(projects, *e.ProjectID)
		}
	}
	placements := map[uuid.UUID]placement{}
	above := map[uuid.UUID]placement{}
	if len(parents) > 0 {
		rows, err := t.tasks().Where(idsAmong(enttask.FieldID, parents)).
			Select(enttask.FieldProjectID, enttask.FieldSectionID, enttask.FieldHiddenAt).All(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the projects of parents: %w", err)
		}
		for _, e := range rows {
			above[e.ID] = placementOf(e)
		}
	}
	found, err := project.FindMany(ctx, t.Tx, projects)
	if err != nil {
		return nil, err //nolint:wrapcheck // It says what was read.
	}
	for _, e := range tasks {
		switch {
		case e.ParentID != nil:
			placements[e.ID] = above[*e.ParentID]
		case e.ProjectID != nil:
			if p := found[*e.ProjectID]; p == nil || p.DeletedAt != nil {
				placements[e.ID] = placement{}
			}
		}
	}
	return placements, nil
}

// destination is where an input puts tasks. Absent fields keep what the tasks have.
type destination struct {
	// prefix stands before the names of the fields in errors.
	prefix  string
	project workspace.Optional[*string]
	section workspace.Optional[*string]
	// to is the project, and toSection the section. They are set by resolve.
	to        *ent.Project
	toSection *uuid.UUID
}

// isSet reports whether the input says anything.
func (d *destination) isSet() bool { return d.project.Set || d.section.Set }

// field returns the name of the field that the input has.
func (d *destination) field() string {
	if d.project.Set {
		return d.prefix + "projectId"
	}
	return d.prefix + "sectionId"
}

// resolve looks up the project and the section. It adds a violation if they can't take tasks.
func (d *destination) resolve(ctx context.Context, t *tx, errs *workspace.Violations) error {
	d.to, d.toSection = nil, nil // A change may be applied again.
	if d.section.Value != nil {
		return d.resolveSection(ctx, t, errs, *d.section.Value)
	}
	if d.project.Value == nil {
		return nil
	}
	var err error
	d.to, err = project.Active(ctx, t.Tx, errs, d.prefix+"projectId", *d.project.Value)
	return err //nolint:wrapcheck // It says what was read.
}

func (d *destination) resolveSection(ctx context.Context, t *tx, errs *workspace.Violations, id string) error {
	u, _ := workspace.ParseID(id)
	section, err := project.FindSection(ctx, t.Tx, u)
	if err != nil {
		return err //nolint:wrapcheck // It says what was read.
	}
	if section != nil {
		d.toSection = &section.ID
		if d.to, err = project.Find(ctx, t.Tx, section.ProjectID); err != nil {
			return err //nolint:wrapcheck // As above.
		}
	}
	if d.to == nil || d.to.DeletedAt != nil {
		errs.Add(workspace.CodeNotFound, d.prefix+"sectionId", "There is no such section, or its project is in the trash.")
		return nil
	}
	if d.project.Set && (d.project.Value == nil || workspace.CanonicalID(*d.project.Value) != d.to.ID.String()) {
		errs.Add(workspace.CodeInvalid, d.prefix+"sectionId", "This section is in another project: leave projectId out, or name a section of that project.")
	}
	return nil
}

// of returns the placement that the task gets.
func (d *destination) of(e *ent.Task) placement {
	switch {
	case d.toSection != nil:
		return placement{&d.to.ID, d.toSection, d.to.ArchivedAt}
	case d.project.Set && d.to == nil:
		return placement{}
	case d.project.Set:
		p := inProject(d.to)
		if !d.section.Set && equal(p.project, e.ProjectID) {
			p.section = e.SectionID
		}
		return p
	case d.section.Set:
		return placement{e.ProjectID, nil, e.HiddenAt}
	default:
		return placementOf(e)
	}
}

// allows reports whether a placement is what the input says.
func (d *destination) allows(p placement) bool {
	var to *uuid.UUID
	if d.to != nil {
		to = &d.to.ID
	}
	return (!d.project.Set || equal(to, p.project)) && (!d.section.Set || equal(d.toSection, p.section))
}

// refuseSubtask adds a violation because a subtask can't be put elsewhere than its parent.
func (d *destination) refuseSubtask(errs *workspace.Violations) {
	errs.Add(workspace.CodeInvalid, d.field(), "A subtask is in its parent's project and section: move the parent, or move the task to the top level with parentId: null.")
}

// placeOp puts tasks into a project and a section. Only tasks at the top level can be put elsewhere; those below go along, and may be
// named together with them.
type placeOp struct {
	destination

	// roots are the tasks at the top level that take named tasks along, by the ids of these.
	roots map[uuid.UUID]uuid.UUID
}

// validate adds the violations of the input, and of tasks that can't be put there.
func (o *placeOp) validate(ctx context.Context, t *tx, tasks []*ent.Task, found *validation) error {
	if !o.isSet() {
		return nil
	}
	if err := o.resolve(ctx, t, &found.input); err != nil || len(found.input) > 0 {
		return err
	}
	if err := o.findRoots(ctx, t, tasks); err != nil {
		return err
	}
	named := make(map[uuid.UUID]*ent.Task, len(tasks))
	for _, e := range tasks {
		named[e.ID] = e
	}
	refuse := func(e *ent.Task) {
		var errs workspace.Violations
		switch {
		case o.allows(placementOf(e)):
		case e.DeletedAt != nil:
			errs.Add(workspace.CodeInvalid, o.field(), "This task is in the trash: restore it first.")
		case e.ParentID != nil:
			root := named[o.roots[e.ID]]
			if root == nil || len(found.tasks[root.ID]) > 0 {
				o.refuseSubtask(&errs)
			}
		}
		if len(errs) > 0 {
			found.refuse(e, errs)
		}
	}
	for _, subtasks := range []bool{false, true} { // A subtask goes along only if its root isn't refused.
		for _, e := range tasks {
			if subtasks == (e.ParentID != nil) {
				refuse(e)
			}
		}
	}
	return nil
}

// findRoots finds the tasks at the top level that are above the tasks.
func (o *placeOp) findRoots(ctx context.Context, t *tx, tasks []*ent.Task) error {
	o.roots = map[uuid.UUID]uuid.UUID{} // A change may be applied again.
	var below []uuid.UUID
	for _, e := range tasks {
		if e.ParentID != nil {
			below = append(below, e.ID)
		}
	}
	above, err := t.ancestorsOf(ctx, below)
	for id, up := range above {
		o.roots[id] = up.ids[len(up.ids)-1]
	}
	return err
}

// apply puts the tasks there, with those below them.
func (o *placeOp) apply(ctx context.Context, t *tx, tasks []*ent.Task) error {
	if !o.isSet() {
		return nil
	}
	placements := map[uuid.UUID]placement{}
	for _, e := range tasks {
		if e.ParentID == nil && !o.allows(placementOf(e)) {
			placements[e.ID] = o.of(e)
		}
	}
	if err := t.place(ctx, tasks, placements); err != nil {
		return err
	}
	for _, e := range tasks {
		if p, ok := placements[o.roots[e.ID]]; ok && !p.isOf(e) {
			p.set(e)
			t.stamp(e)
		}
	}
	return nil
}
