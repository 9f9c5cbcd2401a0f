package task_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/project"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

// TestFaultsArchiveOfManyTasks logs how long a project with many tasks takes to be archived, unarchived, deleted and restored, and how
// long others wait meanwhile who read a list of the workspace and create tasks in it. The lists always have either all of the project's
// tasks or none.
func TestFaultsArchiveOfManyTasks(t *testing.T) {
	testkit.Suite(t, "faults")
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		if driver.Dialect() != dialect.Postgres {
			t.Skip("SQLite has one writer")
		}
		env := newTestEnv(t, driver, task.Limits{})
		many := 10_000
		if testkit.IsLong() {
			many = 50_000
		}
		ctx, v := env.newUser(t, "alice")
		p, err := env.projects.Create(ctx, v, project.CreateInput{Name: "large"})
		if err != nil {
			t.Fatal(err)
		}
		id := p.Project.ID
		for range many / 1000 {
			rows := make([]*ent.TaskCreate, 1000)
			for i := range rows {
				rows[i] = env.client.Task.Create().SetID(uuid.Must(uuid.NewV7())).SetWorkspaceID(v.WorkspaceID).SetVersion(1).SetTitle("task").
					SetTitleKey([]byte("task")).SetPosition([]byte("a0")).SetProjectID(id)
			}
			env.client.Task.CreateBulk(rows...).ExecX(ctx)
		}
		target := workspace.TargetInput{ID: id.String()}
		for _, step := range []struct {
			name string
			call func(context.Context) (*project.Result, error)
		}{
			{"archive", func(ctx context.Context) (*project.Result, error) { return env.ArchiveProject(ctx, v, target) }},
			{"unarchive", func(ctx context.Context) (*project.Result, error) { return env.UnarchiveProject(ctx, v, target) }},
			{"delete", func(ctx context.Context) (*project.Result, error) { return env.DeleteProject(ctx, v, target) }},
			{"restore", func(ctx context.Context) (*project.Result, error) { return env.RestoreProject(ctx, v, target) }},
		} {
			done := make(chan struct{})
			var reads, writes []time.Duration
			refused := 0
			var others sync.WaitGroup
			meanwhile := func(pause time.Duration, took *[]time.Duration, call func()) {
				others.Go(func() {
					for stop := false; !stop; time.Sleep(pause) {
						select {
						case <-done:
							stop = true
						default:
						}
						began := time.Now()
						call()
						*took = append(*took, time.Since(began))
					}
				})
			}
			meanwhile(5*time.Millisecond, &reads, func() {
				page, err := env.List(ctx, v, task.ListInput{Filter: &task.Filter{Comparisons: []task.Comparison{{Field: "project", Op: "in", Value: []string{id.String()}}}}, First: ptr(50)})
				if err != nil || len(page.Edges) != 0 && len(page.Edges) != 50 {
					t.Errorf("%s: a reader sees %v, %v", step.name, page, err)
				}
			})
			meanwhile(10*time.Millisecond, &writes, func() {
				if r, err := env.Create(ctx, v, task.CreateInput{Title: "another"}); err != nil || len(r.UserErrors) > 0 {
					refused++ // It has waited for the lock for too long.
				}
			})
			began := time.Now()
			if r, err := step.call(ctx); err != nil || len(r.UserErrors) > 0 {
				t.Fatalf("%s: %v", step.name, err)
			}
			took := time.Since(began)
			close(done)
			others.Wait()
			slices.Sort(reads)
			t.Logf("%s took %v; %d reads, the median %v, the longest %v; %d writes, the longest %v, %d refused", step.name, took.Round(time.Millisecond),
				len(reads), reads[len(reads)/2].Round(time.Microsecond), reads[len(reads)-1].Round(time.Millisecond), len(writes), slices.Max(writes).Round(time.Millisecond), refused)
		}
	})
}
