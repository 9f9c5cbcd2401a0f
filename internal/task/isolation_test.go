package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"taskql/internal/project"
	"taskql/internal/recurrence"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// targetIDs are the ids that another user tries: of a task, which repeats, of a task in the trash, of a tag, and of the task's
// occurrence.
type targetIDs struct{ task, trashed, tag, occurrence, project, section string }

// parse parses ids and leaves out invalid ones.
func (target targetIDs) parse(ids ...string) []uuid.UUID {
	var all []uuid.UUID
	for _, id := range ids {
		if u, err := uuid.Parse(id); err == nil {
			all = append(all, u)
		}
	}
	return all
}

// replaceIDs returns a result as JSON, with the ids replaced by TASK, TRASHED and TAG.
func (target targetIDs) replaceIDs(t *testing.T, answer any) string {
	t.Helper()
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(target.task, "TASK", target.trashed, "TRASHED", target.tag, "TAG", target.occurrence, "OCCURRENCE", target.project, "PROJECT", target.section, "SECTION").Replace(string(text))
}

// isolationCalls returns a call for every method of the service that takes a viewer, with every id that it takes.
func isolationCalls(env *testEnv) map[string]func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
	type call = func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error)
	targets := func(method func(context.Context, viewer.Viewer, workspace.TargetInput) (*task.Result, error), id func(targetIDs) string) call {
		return func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			plain, err := method(ctx, v, workspace.TargetInput{ID: id(target)})
			if err != nil {
				return nil, err
			}
			conditional, err := method(ctx, v, workspace.TargetInput{ID: id(target), IfVersion: ptr(1)})
			return []any{plain, conditional}, err
		}
	}
	bulk := func(method func(context.Context, viewer.Viewer, task.BulkInput) (*task.BulkResult, error)) call {
		return func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return method(ctx, v, task.BulkInput{IDs: []string{target.task, target.trashed}, ErrorPolicy: task.SkipFailed})
		}
	}
	ofProject := func(method func(context.Context, viewer.Viewer, workspace.TargetInput) (*project.Result, error)) call {
		return func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return method(ctx, v, workspace.TargetInput{ID: target.project})
		}
	}
	active, trashed := func(target targetIDs) string { return target.task }, func(target targetIDs) string { return target.trashed }
	return map[string]call{
		"Get": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.Get(ctx, v, target.task)
		},
		"GetMany": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.GetMany(ctx, v, []string{target.task, target.trashed})
		},
		"ByID": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.ByID(ctx, v, target.parse(target.task, target.trashed), nil)
		},
		"List": func(ctx context.Context, v viewer.Viewer, _ targetIDs) (any, error) {
			return env.List(ctx, v, task.ListInput{Scope: task.ScopeAll})
		},
		"Subtasks": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			pages, err := env.Subtasks(ctx, v, target.parse(target.task), task.SubtasksInput{Total: true})
			var edges []*task.Edge
			for _, page := range pages {
				edges = append(edges, page.Edges...)
			}
			return edges, err
		},
		"ProgressOf": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.ProgressOf(ctx, v, target.parse(target.task))
		},
		"TagsOf": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.TagsOf(ctx, v, target.parse(target.task), nil)
		},
		"OpenTaskCounts": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.OpenTaskCounts(ctx, v, target.parse(target.tag))
		},
		"Tag": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.Tag(ctx, v, target.tag)
		},
		"Tags": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.Tags(ctx, v, []string{target.tag})
		},
		"ListTags": func(ctx context.Context, v viewer.Viewer, _ targetIDs) (any, error) {
			return env.ListTags(ctx, v, task.TagListInput{})
		},
		"Version": func(ctx context.Context, v viewer.Viewer, _ targetIDs) (any, error) { return env.Version(ctx, v) },
		"Snapshot": func(ctx context.Context, v viewer.Viewer, _ targetIDs) (any, error) {
			var read []any
			err := env.Snapshot(ctx, v, func(ctx context.Context, version int) error {
				page, err := env.List(ctx, v, task.ListInput{Scope: task.ScopeAll})
				read = []any{version, page}
				return err
			})
			return read, err
		},
		"NextChange": func(ctx context.Context, v viewer.Viewer, _ targetIDs) (any, error) {
			turn, err := env.NextChange(ctx, v, env.clock.Now())
			if turn.Equal(env.secretDueAt()) {
				return "a secret moment", err
			}
			return turn, err
		},

		"Create": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.Create(ctx, v, task.CreateInput{Title: "x", ParentID: &target.task, TagIDs: []string{target.tag}})
		},
		"Update": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.Update(ctx, v, task.UpdateInput{ID: target.task, Title: set(ptr("stolen")), TagIDs: set([]string{target.tag}), IfVersion: ptr(1)})
		},
		"Move": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			foreign, err := env.Move(ctx, v, task.MoveInput{ID: target.task})
			if err != nil {
				return nil, err
			}
			own, err := env.Create(ctx, v, task.CreateInput{Title: "own"})
			if err != nil {
				return nil, err
			}
			id := own.Task.ID.String()
			beside, err := env.Move(ctx, v, task.MoveInput{ID: id, AfterID: &target.task})
			if err != nil {
				return nil, err
			}
			under, err := env.Move(ctx, v, task.MoveInput{ID: id, ParentID: set(&target.task)})
			if err != nil {
				return nil, err
			}
			into, err := env.Move(ctx, v, task.MoveInput{ID: id, ProjectID: set(&target.project)})
			if err != nil {
				return nil, err
			}
			section, err := env.Move(ctx, v, task.MoveInput{ID: id, SectionID: set(&target.section)})
			return []any{foreign, beside, under, into, section}, err
		},
		"Skip": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.Skip(ctx, v, task.SkipInput{ID: target.task, Number: 1})
		},
		"OfOccurrences": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			found, err := env.OfOccurrences(ctx, v, target.parse(target.occurrence), nil)
			return len(found), err
		},
		"Complete": targets(env.Complete, active),
		"Reopen":   targets(env.Reopen, active),
		"Delete":   targets(env.Delete, active),
		"Restore":  targets(env.Restore, trashed),
		"Purge": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.Purge(ctx, v, workspace.TargetInput{ID: target.trashed})
		},
		"EmptyTrash": func(ctx context.Context, v viewer.Viewer, _ targetIDs) (any, error) {
			return env.EmptyTrash(ctx, v, task.EmptyTrashInput{})
		},
		"UpdateMany": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			tasks, err := env.UpdateMany(ctx, v, task.UpdateManyInput{
				BulkInput: task.BulkInput{IDs: []string{target.task}}, Patch: task.Patch{Priority: set(ptr(task.PriorityHigh))},
			})
			if err != nil {
				return nil, err
			}
			tags, err := env.UpdateMany(ctx, v, task.UpdateManyInput{
				BulkInput: task.BulkInput{IDs: []string{target.task}}, Patch: task.Patch{AddTagIDs: set([]string{target.tag})},
			})
			return []any{tasks, tags}, err
		},
		"ArchiveProject":   ofProject(env.ArchiveProject),
		"UnarchiveProject": ofProject(env.UnarchiveProject),
		"DeleteProject":    ofProject(env.DeleteProject),
		"RestoreProject":   ofProject(env.RestoreProject),
		"DeleteSection": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.DeleteSection(ctx, v, workspace.TargetInput{ID: target.section})
		},
		"ProjectTasks": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			pages, err := env.ProjectTasks(ctx, v, target.parse(target.project), task.ProjectTasksInput{Total: true})
			var edges []*task.Edge
			for _, page := range pages {
				edges = append(edges, page.Edges...)
			}
			return edges, err
		},
		"OpenTasksOfProjects": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.OpenTasksOfProjects(ctx, v, target.parse(target.project))
		},
		"OpenTasksOfSections": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.OpenTasksOfSections(ctx, v, target.parse(target.section), target.parse(target.project))
		},
		"CompleteMany": bulk(env.CompleteMany),
		"ReopenMany":   bulk(env.ReopenMany),
		"DeleteMany":   bulk(env.DeleteMany),
		"RestoreMany":  bulk(env.RestoreMany),
		"Undo": func(ctx context.Context, v viewer.Viewer, _ targetIDs) (any, error) {
			// Versions of the other workspace, in which nothing was changed here.
			first, err := env.Undo(ctx, v, task.UndoInput{Version: 2})
			if err != nil {
				return nil, err
			}
			second, err := env.Undo(ctx, v, task.UndoInput{Version: 3})
			return []any{first, second}, err
		},
		"CreateTag": func(ctx context.Context, v viewer.Viewer, _ targetIDs) (any, error) {
			r, err := env.CreateTag(ctx, v, task.CreateTagInput{Name: "secret"}) // A name that is taken in the other workspace.
			if err != nil || len(r.UserErrors) > 0 {
				return r, err
			}
			return env.DeleteTag(ctx, v, workspace.TargetInput{ID: r.Tag.ID.String(), IfVersion: ptr(0)})
		},
		"UpdateTag": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.UpdateTag(ctx, v, task.UpdateTagInput{ID: target.tag, Name: set(ptr("stolen"))})
		},
		"DeleteTag": func(ctx context.Context, v viewer.Viewer, target targetIDs) (any, error) {
			return env.DeleteTag(ctx, v, workspace.TargetInput{ID: target.tag})
		},
	}
}

// secretDueAt is when the task is due that other users must not see.
func (env *testEnv) secretDueAt() time.Time {
	return env.clock.Now().Truncate(time.Second).Add(time.Hour)
}

// Every method returns the same to another user as if the rows did not exist.
func TestIsolation(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		alice, a := env.newUser(t, "alice")
		tag := env.createTag(alice, t, a, "secret")
		theirs := mustSucceed(t)(env.Create(alice, a, task.CreateInput{
			Title: "secret", TagIDs: []string{tag.ID.String()}, Due: &task.DueInput{At: &task.MomentInput{At: env.secretDueAt()}},
			Recurrence: &recurrence.Input{Rule: "FREQ=DAILY", Mode: recurrence.Schedule, CatchUp: recurrence.NextFuture},
		}))
		if turn, err := env.NextChange(alice, a, env.clock.Now()); err != nil || !turn.Equal(env.secretDueAt()) {
			t.Errorf("NextChange returns %s, %v to the owner", turn, err)
		}
		below := env.createSubtask(alice, t, a, theirs, "secret below")
		list, err := env.projects.Create(alice, a, project.CreateInput{Name: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		section, err := env.projects.CreateSection(alice, a, project.CreateSectionInput{ProjectID: list.Project.ID.String(), Name: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		mustSucceed(t)(env.Create(alice, a, task.CreateInput{Title: "secret in a project", SectionID: ptr(section.Section.ID.String())}))
		trashed := mustSucceed(t)(env.Delete(alice, a, targetOf(env.createTask(alice, t, a, "secret in the trash"))))
		before := workspaceVersion(alice, t, env, a)

		occurrence := env.client.Occurrence.Query().OnlyX(alice).ID
		if found, err := env.OfOccurrences(alice, a, []uuid.UUID{occurrence}, nil); err != nil || len(found) != 1 {
			t.Errorf("OfOccurrences returns %v, %v to the owner", found, err)
		}
		foreign := targetIDs{theirs.ID.String(), trashed.ID.String(), tag.ID.String(), occurrence.String(), list.Project.ID.String(), section.Section.ID.String()}
		missing := targetIDs{uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString()}
		invalid := targetIDs{"no id at all", "no id either", "and none here", "nor here", "no project", "no section"}
		tries := isolationCalls(env)
		for name, try := range tries {
			// A new workspace for each call, so that the calls don't influence each other.
			ask := func(who string, target targetIDs) string {
				t.Helper()
				ctx, v := env.newUser(t, who+" of "+name)
				answer, err := try(ctx, v, target)
				if err != nil && !errors.Is(err, workspace.ErrNotFound) {
					t.Errorf("%s: %v", name, err)
				}
				text := target.replaceIDs(t, []any{answer, err != nil})
				if strings.Contains(text, "secret") {
					t.Errorf("%s shows another user %s", name, text)
				}
				return strings.ReplaceAll(text, v.UserID, "ME")
			}
			absent := ask("absent", missing)
			if diff := cmp.Diff(absent, ask("foreign", foreign)); diff != "" {
				t.Errorf("%s returns something else for another user's ids than for missing ids:\n%s", name, diff)
			}
			if diff := cmp.Diff(absent, ask("invalid", invalid)); diff != "" {
				t.Errorf("%s returns something else for invalid ids than for missing ids:\n%s", name, diff)
			}
		}
		env.checkStored(alice, t, theirs, below, trashed)
		if got := workspaceVersion(alice, t, env, a); got != before || env.tagNames(alice, t, theirs) != "secret" {
			t.Errorf("the workspace went from version %d to %d", before, got)
		}

		// Methods without a call, and why.
		exempt := map[string]string{
			"RefreshKeys":       "nobody calls it",
			"RunRemovals":       "nobody calls it",
			"Overdue":           "it reads nothing",
			"Now":               "it reads nothing",
			"At":                "it reads nothing",
			"PreviewRecurrence": "it reads nothing",
			// A foreign id is TAKEN, as with Create: the importer's tests see that it stays whose it is.
			"ImportTags":     "the operator calls it, on the database itself",
			"ImportTasks":    "the operator calls it, on the database itself",
			"ImportProjects": "the operator calls it, on the database itself",
			"EraseUser":      "the operator calls it, on the database itself",
			"EraseWorkspace": "the operator calls it, on the database itself",
			"CountUser":      "the operator calls it, on the database itself",
			"RemoveUser":     "the auth server calls it, with a signature",
		}
		for method := range reflect.TypeFor[*task.Service]().Methods() {
			if tries[method.Name] == nil && exempt[method.Name] == "" {
				t.Errorf("add a call of %s to isolationCalls, or say in exempt why it needs none", method.Name)
			}
		}
	})
}
