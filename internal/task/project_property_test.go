package task_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/ent"
	entproject "taskql/ent/project"
	entsection "taskql/ent/section"
	enttask "taskql/ent/task"
	"taskql/internal/project"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// projectRun makes random changes of a workspace with projects. It knows the rows that it left, and what must be true of them.
type projectRun struct {
	env    *testEnv
	ctx    context.Context //nolint:containedctx // It is the viewer's and lives as long as the run.
	viewer viewer.Viewer

	tasks    map[uuid.UUID]*ent.Task
	projects map[uuid.UUID]*ent.Project
	sections map[uuid.UUID]*ent.Section
	version  int
}

// Whatever is done with projects, sections and their tasks: subtasks are where their parents are, tasks are hidden exactly while their
// project is archived, every changed row has the version of the change, and the lists of each scope have exactly the tasks of it.
func TestProjectsKeepTheirRules(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		runs := 0
		rapid.Check(t, func(rt *rapid.T) {
			runs++
			name := fmt.Sprintf("user %d", runs)
			ctx, v := env.newUser(t, name)
			r := &projectRun{env: env, ctx: ctx, viewer: v}
			r.read(rt)
			for range rapid.IntRange(5, 40).Draw(rt, "changes") {
				env.clock.advance(time.Second)
				done := r.change(rt)
				r.check(rt, done)
			}
		})
	})
}

// read reads the rows.
func (r *projectRun) read(t *rapid.T) (map[uuid.UUID]*ent.Task, map[uuid.UUID]*ent.Project, map[uuid.UUID]*ent.Section) {
	before, projectsBefore, sectionsBefore := r.tasks, r.projects, r.sections
	r.tasks, r.projects, r.sections = map[uuid.UUID]*ent.Task{}, map[uuid.UUID]*ent.Project{}, map[uuid.UUID]*ent.Section{}
	for _, e := range r.env.client.Task.Query().Where(enttask.WorkspaceID(r.viewer.WorkspaceID)).AllX(r.ctx) {
		r.tasks[e.ID] = e
	}
	for _, p := range r.env.client.Project.Query().Where(entproject.WorkspaceID(r.viewer.WorkspaceID)).AllX(r.ctx) {
		r.projects[p.ID] = p
	}
	for _, s := range r.env.client.Section.Query().Where(entsection.WorkspaceID(r.viewer.WorkspaceID)).AllX(r.ctx) {
		r.sections[s.ID] = s
	}
	version, err := r.env.Version(r.ctx, r.viewer)
	if err != nil {
		t.Fatal(err)
	}
	r.version = version
	return before, projectsBefore, sectionsBefore
}

// oneOf draws the id of one of the rows, mostly; sometimes of one that doesn't exist.
func oneOf[T any](t *rapid.T, label string, rows map[uuid.UUID]T) string {
	ids := []string{uuid.Nil.String()}
	for id := range rows {
		ids = append(ids, id.String())
	}
	slices.Sort(ids)
	if len(ids) > 1 && rapid.IntRange(0, 9).Draw(t, label+" exists") > 0 {
		ids = ids[1:]
	}
	return rapid.SampledFrom(ids).Draw(t, label)
}

// maybeNull draws an optional field: absent, null, or the id.
func maybeNull(t *rapid.T, label, id string) workspace.Optional[*string] {
	switch rapid.IntRange(0, 3).Draw(t, label+" is") {
	case 0:
		return workspace.Optional[*string]{}
	case 1:
		return set[*string](nil)
	default:
		return set(&id)
	}
}

// change makes a random change and returns its name.
func (r *projectRun) change(t *rapid.T) string {
	env, ctx, v := r.env, r.ctx, r.viewer
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	aTask := workspace.TargetInput{ID: oneOf(t, "task", r.tasks)}
	aProject := workspace.TargetInput{ID: oneOf(t, "project", r.projects)}
	aSection := workspace.TargetInput{ID: oneOf(t, "section", r.sections)}
	name := rapid.SampledFrom([]string{
		"createProject", "createSection", "create", "create", "create", "createBelow", "createBelow", "move", "move", "patch", "patch",
		"archive", "unarchive", "deleteProject", "restoreProject", "deleteSection", "delete", "restore", "restore", "purge", "emptyTrash",
		"undo", "undo", "complete", "deleteMany", "restoreMany",
	}).Draw(t, "change")
	switch name {
	case "createProject":
		_, err := env.projects.Create(ctx, v, project.CreateInput{Name: "project"})
		fail(err)
	case "createSection":
		_, err := env.projects.CreateSection(ctx, v, project.CreateSectionInput{ProjectID: aProject.ID, Name: "section"})
		fail(err)
	case "create":
		in := task.CreateInput{Title: "task"}
		switch rapid.IntRange(0, 2).Draw(t, "into") {
		case 1:
			in.ProjectID = &aProject.ID
		case 2:
			in.SectionID = &aSection.ID
		}
		_, err := env.Create(ctx, v, in)
		fail(err)
	case "createBelow":
		_, err := env.Create(ctx, v, task.CreateInput{Title: "subtask", ParentID: &aTask.ID})
		fail(err)
	case "move":
		_, err := env.Move(ctx, v, task.MoveInput{
			ID: aTask.ID, ParentID: maybeNull(t, "parent", oneOf(t, "parent", r.tasks)),
			ProjectID: maybeNull(t, "project", aProject.ID), SectionID: maybeNull(t, "section", aSection.ID),
		})
		fail(err)
	case "patch":
		ids := []string{aTask.ID}
		if other := oneOf(t, "other", r.tasks); other != aTask.ID {
			ids = append(ids, other)
		}
		_, err := env.UpdateMany(ctx, v, task.UpdateManyInput{
			BulkInput: task.BulkInput{IDs: ids, ErrorPolicy: task.SkipFailed},
			Patch:     task.Patch{ProjectID: maybeNull(t, "project", aProject.ID), SectionID: maybeNull(t, "section", aSection.ID)},
		})
		fail(err)
	case "deleteMany", "restoreMany":
		in := task.BulkInput{IDs: []string{aTask.ID}, ErrorPolicy: task.SkipFailed}
		if other := oneOf(t, "other", r.tasks); other != aTask.ID {
			in.IDs = append(in.IDs, other)
		}
		call := env.DeleteMany
		if name == "restoreMany" {
			call = env.RestoreMany
		}
		_, err := call(ctx, v, in)
		fail(err)
	case "emptyTrash":
		_, err := env.EmptyTrash(ctx, v, task.EmptyTrashInput{})
		fail(err)
	case "undo":
		_, err := env.Undo(ctx, v, task.UndoInput{Version: max(1, r.version-rapid.IntRange(0, 5).Draw(t, "back"))})
		fail(err)
	default:
		r.changeTarget(t, name, aTask, aProject, aSection)
	}
	return name
}

func (r *projectRun) changeTarget(t *rapid.T, name string, aTask, aProject, aSection workspace.TargetInput) {
	env, ctx, v := r.env, r.ctx, r.viewer
	var err error
	switch name {
	case "archive":
		_, err = env.ArchiveProject(ctx, v, aProject)
	case "unarchive":
		_, err = env.UnarchiveProject(ctx, v, aProject)
	case "deleteProject":
		_, err = env.DeleteProject(ctx, v, aProject)
	case "restoreProject":
		_, err = env.RestoreProject(ctx, v, aProject)
	case "deleteSection":
		_, err = env.DeleteSection(ctx, v, aSection)
	case "delete":
		_, err = env.Delete(ctx, v, aTask)
	case "restore":
		_, err = env.Restore(ctx, v, aTask)
	case "purge":
		_, err = env.Purge(ctx, v, aTask)
	case "complete":
		_, err = env.Complete(ctx, v, aTask)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// check reads the rows after a change and checks the rules.
func (r *projectRun) check(t *rapid.T, done string) {
	version := r.version
	tasks, projects, sections := r.read(t)
	changed := false
	for id, e := range r.tasks {
		r.checkTask(t, e)
		was := tasks[id]
		same := was != nil && was.Version == e.Version
		changed = changed || !same
		switch {
		case same && !sameTask(was, e):
			t.Fatalf("%s changed a task without a version: %v, was %v", done, e, was)
		case !same && e.Version != r.version:
			t.Fatalf("%s gave a task the version %d, not %d", done, e.Version, r.version)
		}
	}
	for id, p := range r.projects {
		if was := projects[id]; was == nil || was.Version != p.Version {
			if changed = true; p.Version != r.version {
				t.Fatalf("%s gave a project the version %d, not %d", done, p.Version, r.version)
			}
		}
	}
	for id, s := range r.sections {
		if was := sections[id]; was == nil || was.Version != s.Version {
			if changed = true; s.Version != r.version {
				t.Fatalf("%s gave a section the version %d, not %d", done, s.Version, r.version)
			}
		}
	}
	gone := len(tasks) > len(r.tasks) || len(projects) > len(r.projects) || len(sections) > len(r.sections)
	if taken := r.version - version; taken != 0 && !changed && !gone || taken > 1 || taken == 0 && (changed || gone) {
		t.Fatalf("%s took %d versions; rows changed: %t, rows gone: %t", done, taken, changed, gone)
	}
	w := r.env.client.Workspace.GetX(r.ctx, r.viewer.WorkspaceID)
	if w.ProjectCount != len(r.projects) || w.TaskCount != len(r.tasks) {
		t.Fatalf("%s: %d projects are counted of %d, and %d tasks of %d", done, w.ProjectCount, len(r.projects), w.TaskCount, len(r.tasks))
	}
	r.checkLists(t, done)
}

// sameTask reports whether a task is the same but for whether it is hidden.
func sameTask(a, b *ent.Task) bool {
	same := func(a, b *uuid.UUID) bool { return a == b || a != nil && b != nil && *a == *b }
	return same(a.ParentID, b.ParentID) && same(a.ProjectID, b.ProjectID) && same(a.SectionID, b.SectionID) && same(a.TrashedWith, b.TrashedWith) &&
		(a.DeletedAt == nil) == (b.DeletedAt == nil) && a.UpdatedAt.Equal(b.UpdatedAt)
}

// checkTask checks where a task is.
func (r *projectRun) checkTask(t *rapid.T, e *ent.Task) {
	placement := func(e *ent.Task) string { return fmt.Sprint(e.ProjectID, e.SectionID, e.HiddenAt) }
	if e.ParentID != nil {
		left := e.DeletedAt != nil && e.ProjectID == nil // It was in the trash when its parent went there with the project.
		if parent := r.tasks[*e.ParentID]; !left && placement(parent) != placement(e) {
			t.Fatalf("a subtask is in %s, its parent in %s", placement(e), placement(parent))
		}
	}
	var archivedAt *time.Time
	if e.ProjectID != nil {
		p := r.projects[*e.ProjectID]
		switch {
		case p == nil:
			t.Fatalf("%v is in a project that does not exist", e)
		case p.DeletedAt != nil && (e.TrashedWith == nil || *e.TrashedWith != p.ID):
			t.Fatalf("%v is in a project in the trash, and has not gone there with it", e)
		case p.DeletedAt == nil && e.TrashedWith != nil && *e.TrashedWith == p.ID:
			t.Fatalf("%v is in the trash with a project that is not there", e)
		}
		archivedAt = p.ArchivedAt
	}
	if fmt.Sprint(archivedAt) != fmt.Sprint(e.HiddenAt) {
		t.Fatalf("%v is hidden at %v, its project was archived at %v", e, e.HiddenAt, archivedAt)
	}
	if e.SectionID != nil {
		if s := r.sections[*e.SectionID]; s == nil || e.ProjectID == nil || s.ProjectID != *e.ProjectID {
			t.Fatalf("%v is in a section that is not one of its project", e)
		}
	}
}

// checkLists compares the lists of each scope with the rows.
func (r *projectRun) checkLists(t *rapid.T, done string) {
	for scope, in := range map[task.Scope]func(*ent.Task) bool{
		task.ScopeActive: func(e *ent.Task) bool {
			return e.DeletedAt == nil && (e.ProjectID == nil || r.projects[*e.ProjectID].ArchivedAt == nil)
		},
		task.ScopeArchived: func(e *ent.Task) bool {
			return e.DeletedAt == nil && e.ProjectID != nil && r.projects[*e.ProjectID].ArchivedAt != nil
		},
		task.ScopeTrash: func(e *ent.Task) bool { return e.DeletedAt != nil },
		task.ScopeAll:   func(*ent.Task) bool { return true },
	} {
		var want []string
		for _, e := range r.tasks {
			if in(e) {
				want = append(want, e.ID.String())
			}
		}
		slices.Sort(want)
		hundred := 100
		page, err := r.env.List(r.ctx, r.viewer, task.ListInput{Scope: scope, First: &hundred})
		if err != nil {
			t.Fatal(err)
		}
		got := idsOf(page)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("after %s the list %s has %d tasks, want %d", done, scope, len(got), len(want))
		}
	}
}
