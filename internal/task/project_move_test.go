package task_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"taskql/ent"
	entproject "taskql/ent/project"
	enttask "taskql/ent/task"
	"taskql/internal/project"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// createProject makes a project with a section "to do", a task in the section with a subtask, and a task beside the section. Their titles
// begin with the project's name.
func (env *testEnv) createProject(ctx context.Context, t *testing.T, v viewer.Viewer, name string) *ent.Project {
	t.Helper()
	p, err := env.projects.Create(ctx, v, project.CreateInput{Name: name})
	if err != nil || len(p.UserErrors) > 0 {
		t.Fatal(p, err)
	}
	s, err := env.projects.CreateSection(ctx, v, project.CreateSectionInput{ProjectID: p.Project.ID.String(), Name: "to do"})
	if err != nil || len(s.UserErrors) > 0 {
		t.Fatal(s, err)
	}
	top := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: name + " top", SectionID: ptr(s.Section.ID.String())}))
	env.createSubtask(ctx, t, v, top, name+" below")
	mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: name + " beside", ProjectID: ptr(p.Project.ID.String())}))
	return p.Project
}

// places returns the tasks of a workspace, each with its project and section; with a star if it is in the trash, and in parentheses if it
// is hidden.
func (env *testEnv) places(ctx context.Context, v viewer.Viewer) []string {
	var all []string
	for _, e := range env.client.Task.Query().Where(enttask.WorkspaceID(v.WorkspaceID)).AllX(ctx) {
		place := e.Title + ":"
		if e.ProjectID != nil {
			place += " " + env.client.Project.GetX(ctx, *e.ProjectID).Name
		}
		if e.SectionID != nil {
			place += " / " + env.client.Section.GetX(ctx, *e.SectionID).Name
		}
		if e.DeletedAt != nil {
			place = "*" + place
		}
		if e.HiddenAt != nil {
			place = "(" + place + ")"
		}
		all = append(all, place)
	}
	slices.Sort(all)
	return all
}

// projectOp calls a mutation of a project.
func projectOp(t *testing.T, r *project.Result, err error) {
	t.Helper()
	if err != nil || len(r.UserErrors) > 0 {
		t.Fatal(r, err)
	}
}

// Projects move with their sections and tasks, to the end of the other user's, also if there are projects of the same name. One in the
// archive stays there, and one in the trash comes back with its tasks.
func TestMoveProjects(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		actx, anna := env.newUser(t, "anna")
		rctx, ruth := env.newUser(t, "ruth")
		env.createProject(rctx, t, ruth, "Home")
		byName := map[string]*ent.Project{}
		for _, name := range []string{"Work", "Home", "Archived", "Trashed"} {
			byName[name] = env.createProject(actx, t, anna, name)
		}
		_, err := env.projects.Move(actx, anna, project.MoveInput{ID: byName["Trashed"].ID.String(), BeforeID: ptr(byName["Work"].ID.String())})
		if err != nil {
			t.Fatal(err)
		}
		r, err := env.ArchiveProject(actx, anna, targetOfProject(byName["Archived"]))
		projectOp(t, r, err)
		r, err = env.DeleteProject(actx, anna, targetOfProject(byName["Trashed"]))
		projectOp(t, r, err)
		before := append(env.places(actx, anna), env.places(rctx, ruth)...)
		slices.Sort(before)
		env.remove(t, task.Removal{UserID: "anna", MoveTo: "ruth"})
		env.runRemovals(t)
		if got := env.rowsOf(t, "anna"); got != nothing {
			t.Errorf("of anna are left %s", got)
		}
		if got := env.places(rctx, ruth); !slices.Equal(got, before) {
			t.Errorf("the tasks are\n%s\nwere\n%s", strings.Join(got, "\n"), strings.Join(before, "\n"))
		}
		page, err := env.projects.List(rctx, ruth, project.ListInput{Scope: project.ScopeAll})
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		version, err := env.Version(rctx, ruth)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Edges {
			order = append(order, e.Node.Name)
			if e.Node.Version < 1 || e.Node.Version > version {
				t.Errorf("%s is at version %d of %d", e.Node.Name, e.Node.Version, version)
			}
		}
		if got := strings.Join(order, " "); got != "Home Trashed Work Home Archived" {
			t.Errorf("the order is %s", got)
		}
		if n := env.client.Workspace.GetX(rctx, ruth.WorkspaceID).ProjectCount; n != 5 {
			t.Errorf("%d projects are counted", n)
		}
		r, err = env.RestoreProject(rctx, ruth, targetOfProject(byName["Trashed"]))
		projectOp(t, r, err)
		r, err = env.UnarchiveProject(rctx, ruth, targetOfProject(byName["Archived"]))
		projectOp(t, r, err)
		for _, place := range env.places(rctx, ruth) {
			if strings.ContainsAny(place, "*(") {
				t.Errorf("in the trash or hidden: %s", place)
			}
		}
		env.checkInvariants(rctx, t, ruth)
	})
}

func targetOfProject(p *ent.Project) workspace.TargetInput {
	return workspace.TargetInput{ID: p.ID.String()}
}

// What the user does to projects of which not all tasks have arrived is done to those that arrive later, too.
func TestMoveIntoChangedProjects(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		type change = func(ctx context.Context, t *testing.T, v viewer.Viewer, p *ent.Project)
		onProject := func(call func(context.Context, viewer.Viewer, workspace.TargetInput) (*project.Result, error)) change {
			return func(ctx context.Context, t *testing.T, v viewer.Viewer, p *ent.Project) {
				t.Helper()
				r, err := call(ctx, v, targetOfProject(p))
				projectOp(t, r, err)
			}
		}
		top := func(ctx context.Context, name string) *ent.Task {
			return env.client.Task.Query().Where(enttask.Title(name + " top")).OnlyX(ctx)
		}
		emptyTrash := func(ctx context.Context, t *testing.T, v viewer.Viewer, _ *ent.Project) {
			t.Helper()
			if r, err := env.EmptyTrash(ctx, v, task.EmptyTrashInput{}); err != nil || len(r.UserErrors) > 0 {
				t.Fatal(r, err)
			}
		}
		for i, c := range []struct {
			name   string
			before change // of anna
			after  []change
			below  string
		}{
			{"nothing", nil, nil, "below: p / to do"},
			{"archived", nil, []change{onProject(env.ArchiveProject)}, "(below: p / to do)"},
			{"unarchived", onProject(env.ArchiveProject), []change{onProject(env.UnarchiveProject)}, "below: p / to do"},
			{"deleted", nil, []change{onProject(env.DeleteProject)}, "below:"},
			{"deleted for good", nil, []change{onProject(env.DeleteProject), emptyTrash}, "below:"},
			{"restored", onProject(env.DeleteProject), []change{onProject(env.RestoreProject)}, "below: p / to do"},
			{"left in the trash", onProject(env.DeleteProject), nil, "*below: p / to do"},
			{"restored and deleted", onProject(env.DeleteProject), []change{onProject(env.RestoreProject), onProject(env.DeleteProject)}, "*below: p / to do"},
			{"purged with what has arrived", onProject(env.DeleteProject), []change{emptyTrash}, "*below:"},
			{"section deleted", nil, []change{func(ctx context.Context, t *testing.T, v viewer.Viewer, p *ent.Project) {
				t.Helper()
				section := top(ctx, p.Name).SectionID
				if r, err := env.DeleteSection(ctx, v, workspace.TargetInput{ID: section.String()}); err != nil || len(r.UserErrors) > 0 {
					t.Fatal(r, err)
				}
			}}, "below: p"},
			{"parent out of the project", nil, []change{func(ctx context.Context, t *testing.T, v viewer.Viewer, p *ent.Project) {
				t.Helper()
				mustSucceed(t)(env.Move(ctx, v, task.MoveInput{ID: top(ctx, p.Name).ID.String(), ProjectID: set[*string](nil)}))
			}}, "below:"},
			{
				"parent restored",
				func(ctx context.Context, t *testing.T, v viewer.Viewer, p *ent.Project) {
					t.Helper()
					mustSucceed(t)(env.Delete(ctx, v, targetOf(top(ctx, p.Name))))
				},
				[]change{func(ctx context.Context, t *testing.T, v viewer.Viewer, p *ent.Project) {
					t.Helper()
					mustSucceed(t)(env.Restore(ctx, v, targetOf(top(ctx, p.Name))))
				}},
				"below: p / to do",
			},
			{"parent to the trash", nil, []change{func(ctx context.Context, t *testing.T, v viewer.Viewer, p *ent.Project) {
				t.Helper()
				mustSucceed(t)(env.Delete(ctx, v, targetOf(top(ctx, p.Name))))
			}}, "below: p / to do"},
		} {
			user := fmt.Sprint("anna ", i)
			actx, anna := env.newUser(t, user)
			rctx, ruth := env.newUser(t, fmt.Sprint("ruth ", i))
			p := env.createProject(actx, t, anna, fmt.Sprint("p", i))
			if c.before != nil {
				c.before(actx, t, anna, p)
			}
			r := task.Removal{UserID: user, MoveTo: ruth.UserID}
			env.remove(t, r)
			env.stopAfter(t, r, 1) // The subtask has not arrived.
			for _, after := range c.after {
				after(rctx, t, ruth, p)
			}
			env.stopAfter(t, r, 1_000)
			if got := env.rowsOf(t, user); got != nothing {
				t.Errorf("%s: of anna are left %s", c.name, got)
			}
			places := env.places(rctx, ruth)
			below := places[slices.IndexFunc(places, func(place string) bool { return strings.Contains(place, " below:") })]
			if got := strings.NewReplacer(fmt.Sprintf("p%d below", i), "below", fmt.Sprintf("p%d", i), "p").Replace(below); got != c.below {
				t.Errorf("%s: %s, want %s", c.name, got, c.below)
			}
			run := &projectRun{env: env, ctx: rctx, viewer: ruth}
			run.read(t)
			for _, e := range run.tasks {
				run.checkTask(t, e)
			}
			env.checkInvariants(rctx, t, ruth)
			if back := env.client.Task.Query().Where(enttask.Title(p.Name + " below")).OnlyX(rctx); back.DeletedAt != nil { // It can be restored.
				mustSucceed(t)(env.Restore(rctx, ruth, targetOf(back)))
				env.checkInvariants(rctx, t, ruth)
			}
		}
	})
}

// Without room for all projects, none of them and no task moves.
func TestMoveWaitsForRoomForProjects(t *testing.T) {
	t.Parallel()
	eachDatabaseLimited(t, task.Limits{Projects: 3}, func(t *testing.T, env *testEnv) {
		actx, anna := env.newUser(t, "anna")
		rctx, ruth := env.newUser(t, "ruth")
		for _, name := range []string{"a", "b"} {
			env.createProject(actx, t, anna, name)
		}
		own := []*ent.Project{env.createProject(rctx, t, ruth, "c"), env.createProject(rctx, t, ruth, "d")}
		env.remove(t, task.Removal{UserID: "anna", MoveTo: "ruth"})
		system := viewer.AsSystem(t.Context())
		_, err := task.FinishRemoval(env.Service, system, viewer.UserHash("anna"), nil)
		if err == nil || !strings.Contains(err.Error(), "no room for 2 more: LIMIT_PROJECTS is 3") {
			t.Errorf("the error is %v", err)
		}
		for _, id := range []string{anna.WorkspaceID, ruth.WorkspaceID} {
			w := env.client.Workspace.GetX(system, id)
			projects := env.client.Project.Query().Where(entproject.WorkspaceID(id)).CountX(system)
			if w.ProjectCount != 2 || projects != 2 || w.TaskCount != 6 {
				t.Errorf("%s counts %d projects of %d, and %d tasks", id, w.ProjectCount, projects, w.TaskCount)
			}
		}
		r, err := env.DeleteProject(rctx, ruth, targetOfProject(own[0]))
		projectOp(t, r, err)
		if r, err := env.EmptyTrash(rctx, ruth, task.EmptyTrashInput{}); err != nil || len(r.UserErrors) > 0 {
			t.Fatal(r, err)
		}
		env.runRemovals(t)
		if got := env.rowsOf(t, "anna"); got != nothing {
			t.Errorf("of anna are left %s", got)
		}
		w := env.client.Workspace.GetX(system, ruth.WorkspaceID)
		if n := env.client.Project.Query().Where(entproject.WorkspaceID(ruth.WorkspaceID)).CountX(system); n != 3 || w.ProjectCount != 3 || w.TaskCount != 9 {
			t.Errorf("ruth counts %d projects of %d, and %d tasks", w.ProjectCount, n, w.TaskCount)
		}
		env.checkInvariants(rctx, t, ruth)
	})
}
