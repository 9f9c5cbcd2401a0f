package task_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/ent"
	entproject "taskql/ent/project"
	entsection "taskql/ent/section"
	enttask "taskql/ent/task"
	"taskql/internal/feed"
	"taskql/internal/project"
	"taskql/internal/recurrence"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

var projectCases = flag.Int("projects.cases", 25, "how many random workspaces TestProjectsKeepTheirRules makes on each database") //nolint:gochecknoglobals // A flag.

// projectRun makes random changes of a workspace with projects. It knows the rows that it left, and what must be true of them.
type projectRun struct {
	env    *testEnv
	ctx    context.Context //nolint:containedctx // It is the viewer's and lives as long as the run.
	viewer viewer.Viewer

	tasks    map[uuid.UUID]*ent.Task
	projects map[uuid.UUID]*ent.Project
	sections map[uuid.UUID]*ent.Section
	version  int
	// went are the tasks that went to the trash with each project, and are still there.
	went map[uuid.UUID]map[uuid.UUID]bool
	copy *workspaceCopy
}

// Whatever is done with projects, sections and their tasks: subtasks are where their parents are, tasks are hidden exactly while their
// project is archived, every changed row has the version of the change, a project takes along and brings back the same tasks, the lists
// of each scope have exactly what belongs there, and the feed's copy is the workspace.
func TestProjectsKeepTheirRules(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		checkCases(t, *projectCases, func(rt *rapid.T, n int) {
			env.newProjectRun(t, fmt.Sprintf("user %d", n)).changes(rt, rapid.IntRange(5, 40).Draw(rt, "changes"))
		})
	})
}

// If the workspace of an anonymous user moves to another user, who changes it while its tasks are still arriving, the same rules hold.
func TestMovedProjectsKeepTheirRules(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		checkCases(t, max(1, *projectCases/3), func(rt *rapid.T, n int) {
			anna, ruth := fmt.Sprintf("anna %d", n), fmt.Sprintf("ruth %d", n)
			from, to := env.newProjectRun(t, anna), env.newProjectRun(t, ruth)
			from.changes(rt, rapid.IntRange(10, 40).Draw(rt, "changes before"))
			to.changes(rt, rapid.IntRange(0, 5).Draw(rt, "changes of the other"))
			removal := task.Removal{UserID: anna, MoveTo: ruth}
			env.remove(t, removal)
			for more := true; more; {
				more = env.stopAfter(t, removal, 1)
				to.arrive(rt, from)
				to.changes(rt, rapid.IntRange(0, 4).Draw(rt, "changes meanwhile"))
			}
			if left := env.rowsOf(t, anna); left != nothing {
				rt.Fatalf("left are %s", left)
			}
		})
	})
}

// checkCases has rapid check a property in a number of cases, which are numbered, and shrinks one that fails.
func checkCases(t *testing.T, cases int, property func(rt *rapid.T, n int)) {
	t.Helper()
	for runs, failed := 0, false; runs < cases && !failed; {
		rapid.Check(t, func(rt *rapid.T) { // It is called 100 times, and again to shrink a failure.
			if runs >= cases && !failed {
				return
			}
			runs, failed = runs+1, true
			property(rt, runs)
			failed = false
		})
	}
}

// newProjectRun makes a user without projects.
func (env *testEnv) newProjectRun(t *testing.T, user string) *projectRun {
	t.Helper()
	changes, err := feed.New(feed.Config{Workspaces: env.workspaces})
	if err != nil {
		t.Fatal(err)
	}
	r := &projectRun{env: env, went: map[uuid.UUID]map[uuid.UUID]bool{}, copy: &workspaceCopy{feed: changes}}
	r.ctx, r.viewer = env.newUser(t, user)
	return r
}

// changes makes that many random changes.
func (r *projectRun) changes(t *rapid.T, n int) {
	r.read(t)
	for range n {
		r.env.clock.advance(time.Second)
		r.change(t)
	}
}

// arrive reads the rows after some have come from another workspace, and checks the rules.
func (r *projectRun) arrive(t *rapid.T, from *projectRun) {
	r.read(t)
	for id, went := range from.went {
		p := r.projects[id]
		for e := range went {
			if row := r.tasks[e]; p != nil && p.DeletedAt != nil && row != nil && row.ProjectID != nil && row.DeletedAt != nil {
				if r.went[id] == nil {
					r.went[id] = map[uuid.UUID]bool{}
				}
				r.went[id][e] = true
			}
		}
	}
	for _, e := range r.tasks {
		r.checkTask(t, e)
	}
	r.checkLists(t, "moving")
	r.copy.follow(t, r.ctx, r.viewer)
	r.copy.check(t, "moving", r)
}

// read reads the rows.
func (r *projectRun) read(t rapid.TB) (map[uuid.UUID]*ent.Task, map[uuid.UUID]*ent.Project, map[uuid.UUID]*ent.Section) {
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

// change makes a random change, and checks it.
func (r *projectRun) change(t *rapid.T) {
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
		"undo", "undo", "complete", "complete", "reopen", "deleteMany", "restoreMany", "createRepeating", "createRepeating", "createRepeating",
		"moveProject", "moveSection", "updateProject", "updateSection", "tomorrow",
	}).Draw(t, "change")
	subject := uuid.Nil // The project of the change.
	switch name {
	case "createProject":
		_, err := env.projects.Create(ctx, v, project.CreateInput{Name: "project"})
		fail(err)
	case "createSection":
		_, err := env.projects.CreateSection(ctx, v, project.CreateSectionInput{ProjectID: aProject.ID, Name: "section"})
		fail(err)
	case "create", "createRepeating":
		in := task.CreateInput{Title: "task"}
		if name == "createRepeating" {
			in.Due, in.Recurrence = today(env, v), &recurrence.Input{Rule: "FREQ=DAILY", Mode: recurrence.Schedule, CatchUp: recurrence.NextFuture}
		}
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
	case "complete":
		result, err := env.Complete(ctx, v, aTask)
		if fail(err); result.Next != nil && fmt.Sprint(result.Next.ProjectID, result.Next.SectionID, result.Next.HiddenAt) != fmt.Sprint(result.Task.ProjectID, result.Task.SectionID, result.Task.HiddenAt) {
			t.Fatalf("the next task is %v, after %v", result.Next, result.Task)
		}
	case "tomorrow":
		env.clock.advance(24 * time.Hour)
	case "moveProject", "moveSection":
		in := project.MoveInput{ID: aProject.ID}
		neighbour := oneOf(t, "neighbour", r.projects)
		if name == "moveSection" {
			in.ID, neighbour = aSection.ID, oneOf(t, "neighbour", r.sections)
		}
		switch rapid.IntRange(0, 2).Draw(t, "where") {
		case 1:
			in.AfterID = &neighbour
		case 2:
			in.BeforeID = &neighbour
		}
		var err error
		if name == "moveProject" {
			_, err = env.projects.Move(ctx, v, in)
		} else {
			_, err = env.projects.MoveSection(ctx, v, in)
		}
		fail(err)
	case "updateProject":
		text := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "text")
		_, err := env.projects.Update(ctx, v, project.UpdateInput{ID: aProject.ID, Name: set(&text), Description: set(&text)})
		fail(err)
	case "updateSection":
		_, err := env.projects.UpdateSection(ctx, v, project.UpdateSectionInput{ID: aSection.ID, Name: set(ptr(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "text")))})
		fail(err)
	default:
		subject = uuid.MustParse(aProject.ID)
		r.changeTarget(t, name, aTask, aProject, aSection)
	}
	r.check(t, name, subject)
}

func today(env *testEnv, v viewer.Viewer) *task.DueInput {
	y, m, d := env.clock.Now().In(v.Location).Date()
	return &task.DueInput{Date: ptr(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))}
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
	case "reopen":
		_, err = env.Reopen(ctx, v, aTask)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// check reads the rows after a change and checks the rules. subject is the project that the change is about, if it is about one.
func (r *projectRun) check(t *rapid.T, done string, subject uuid.UUID) {
	version := r.version
	tasks, projects, sections := r.read(t)
	for id, e := range r.tasks {
		r.checkTask(t, e)
		if was := tasks[id]; was != nil && was.Version == e.Version && !sameTask(was, e) {
			t.Fatalf("%s changed a task without a version: %v, was %v", done, e, was)
		}
	}
	tasksChanged := changedRows(t, done, r.version, tasks, r.tasks, func(e *ent.Task) int { return e.Version })
	projectsChanged := changedRows(t, done, r.version, projects, r.projects, func(p *ent.Project) int { return p.Version })
	sectionsChanged := changedRows(t, done, r.version, sections, r.sections, func(s *ent.Section) int { return s.Version })
	changed := tasksChanged+projectsChanged+sectionsChanged > 0
	gone := len(tasks) > len(r.tasks) || len(projects) > len(r.projects) || len(sections) > len(r.sections)
	if taken := r.version - version; taken != 0 && !changed && !gone || taken > 1 || taken == 0 && (changed || gone) {
		t.Fatalf("%s took %d versions; rows changed: %t, rows gone: %t", done, taken, changed, gone)
	}
	if done == "archive" || done == "unarchive" {
		if tasksChanged > 0 || projectsChanged > 1 || gone {
			t.Fatalf("%s gave %d tasks and %d projects a version", done, tasksChanged, projectsChanged)
		}
	}
	r.checkTrash(t, done, subject, tasks, projects)
	r.env.checkSeries(r.ctx, t, r.viewer)
	r.env.checkInvariants(r.ctx, t, r.viewer)
	r.copy.follow(t, r.ctx, r.viewer)
	r.copy.check(t, done, r)
	w := r.env.client.Workspace.GetX(r.ctx, r.viewer.WorkspaceID)
	if w.ProjectCount != len(r.projects) || w.TaskCount != len(r.tasks) {
		t.Fatalf("%s: %d projects are counted of %d, and %d tasks of %d", done, w.ProjectCount, len(r.projects), w.TaskCount, len(r.tasks))
	}
	r.checkLists(t, done)
}

// changedRows returns how many rows are new or have another version than before, and checks that it is the change's.
func changedRows[T any](t *rapid.T, done string, current int, before, now map[uuid.UUID]T, version func(T) int) int {
	n := 0
	for id, row := range now {
		if was, ok := before[id]; ok && version(was) == version(row) {
			continue
		}
		if n++; version(row) != current {
			t.Fatalf("%s at version %d changed %v", done, current, row)
		}
	}
	return n
}

// checkTrash checks that a project takes its active tasks along into the trash, and that those come back with it that are still there.
func (r *projectRun) checkTrash(t *rapid.T, done string, subject uuid.UUID, tasks map[uuid.UUID]*ent.Task, projects map[uuid.UUID]*ent.Project) {
	back := map[uuid.UUID]bool{}
	for id, was := range tasks {
		if is := r.tasks[id]; is != nil && was.DeletedAt != nil && is.DeletedAt == nil {
			back[id] = true
		}
	}
	was, is := projects[subject], r.projects[subject]
	switch {
	case was == nil || is == nil || (was.DeletedAt == nil) == (is.DeletedAt == nil):
		if done == "restoreProject" && len(back) > 0 {
			t.Fatalf("restoring no project has brought %d tasks back", len(back))
		}
	case is.DeletedAt != nil:
		r.went[subject] = map[uuid.UUID]bool{}
		for id, e := range tasks {
			if in := e.ProjectID != nil && *e.ProjectID == subject; in && e.DeletedAt == nil {
				r.went[subject][id] = true
			}
		}
		for id, e := range r.tasks {
			in := e.ProjectID != nil && *e.ProjectID == subject
			if with := r.went[subject][id]; in != with || with && e.DeletedAt == nil {
				t.Fatalf("%v is in the deleted project or not, went along: %t", e, with)
			}
		}
	default:
		if !maps.Equal(back, r.went[subject]) {
			t.Fatalf("the project brought back %d tasks, want the %d that went along", len(back), len(r.went[subject]))
		}
	}
	for _, went := range r.went {
		maps.DeleteFunc(went, func(id uuid.UUID, _ bool) bool { return r.tasks[id] == nil || back[id] })
	}
}

// sameTask reports whether a task is the same but for whether it is hidden.
func sameTask(a, b *ent.Task) bool {
	same := func(a, b *uuid.UUID) bool { return a == b || a != nil && b != nil && *a == *b }
	return same(a.ParentID, b.ParentID) && same(a.ProjectID, b.ProjectID) && same(a.SectionID, b.SectionID) && same(a.TrashedWith, b.TrashedWith) &&
		(a.DeletedAt == nil) == (b.DeletedAt == nil) && a.UpdatedAt.Equal(b.UpdatedAt)
}

// checkTask checks where a task is.
func (r *projectRun) checkTask(t rapid.TB, e *ent.Task) {
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
	hundred := 100
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
		page, err := r.env.List(r.ctx, r.viewer, task.ListInput{Scope: scope, First: &hundred})
		if err != nil {
			t.Fatal(err)
		}
		got := idsOf(page)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("after %s the list %s has %d tasks, want %d", done, scope, len(got), len(want))
		}
	}
	for scope, in := range map[project.Scope]func(*ent.Project) bool{
		project.ScopeActive:   func(p *ent.Project) bool { return p.DeletedAt == nil && p.ArchivedAt == nil },
		project.ScopeArchived: func(p *ent.Project) bool { return p.DeletedAt == nil && p.ArchivedAt != nil },
		project.ScopeTrash:    func(p *ent.Project) bool { return p.DeletedAt != nil },
		project.ScopeAll:      func(*ent.Project) bool { return true },
	} {
		var want, got []string
		for _, p := range slices.SortedFunc(maps.Values(r.projects), func(a, b *ent.Project) int { return bytes.Compare(a.Position, b.Position) }) {
			if in(p) {
				want = append(want, p.ID.String())
			}
		}
		page, err := r.env.projects.List(r.ctx, r.viewer, project.ListInput{Scope: scope, First: &hundred})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Edges {
			got = append(got, e.Node.ID.String())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("after %s the list %s has the projects %v, want %v", done, scope, got, want)
		}
	}
}

// workspaceCopy is a client's copy of a workspace, which follows the feed.
type workspaceCopy struct {
	feed     *feed.Service
	token    *string
	tasks    map[uuid.UUID]*ent.Task
	projects map[uuid.UUID]*ent.Project
	sections map[uuid.UUID]*ent.Section
}

// follow reads what the copy lacks, a few rows at a time.
func (c *workspaceCopy) follow(t *rapid.T, ctx context.Context, v viewer.Viewer) { //nolint:revive // The test comes first.
	all := &feed.Selection{Gone: true, Kinds: map[workspace.Kind]feed.Columns{workspace.KindTask: {}, workspace.KindProject: {}, workspace.KindSection: {}}}
	for complete := false; !complete; {
		page, err := c.feed.Page(ctx, v, feed.Request{After: c.token, First: ptr(7), Selection: all}, func(context.Context, *feed.Page) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if page.Reset != nil {
			if c.token != nil {
				t.Fatalf("the copy is of no use: %s", *page.Reset)
			}
			c.tasks, c.projects, c.sections = map[uuid.UUID]*ent.Task{}, map[uuid.UUID]*ent.Project{}, map[uuid.UUID]*ent.Section{}
		}
		for _, e := range feed.Rows[ent.Task](page, workspace.KindTask) {
			c.tasks[e.ID] = e
		}
		for _, p := range feed.Rows[ent.Project](page, workspace.KindProject) {
			c.projects[p.ID] = p
		}
		for _, s := range feed.Rows[ent.Section](page, workspace.KindSection) {
			c.sections[s.ID] = s
		}
		for _, gone := range page.Gone {
			delete(c.tasks, gone.ID)
			delete(c.projects, gone.ID)
			delete(c.sections, gone.ID)
		}
		c.token, complete = &page.Token, page.Complete
	}
}

// check compares the copy with the rows. A task's hidden_at, which has no version, is what its project says.
func (c *workspaceCopy) check(t *rapid.T, done string, r *projectRun) {
	for id, e := range c.tasks {
		e.HiddenAt = nil
		if e.ProjectID != nil && c.projects[*e.ProjectID] != nil {
			e.HiddenAt = c.projects[*e.ProjectID].ArchivedAt
		}
		c.tasks[id] = e
	}
	sameRows(t, done, c.tasks, r.tasks)
	sameRows(t, done, c.projects, r.projects)
	sameRows(t, done, c.sections, r.sections)
}

func sameRows[T fmt.Stringer](t *rapid.T, done string, got, want map[uuid.UUID]T) {
	for id, row := range want {
		if have, ok := got[id]; !ok || have.String() != row.String() {
			t.Fatalf("after %s the copy has %v, want %v", done, have, row)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("after %s the copy has %d rows, want %d", done, len(got), len(want))
	}
}
