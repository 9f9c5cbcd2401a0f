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

	"taskql/internal/task"
	"taskql/internal/viewer"
)

// things are the ids that a stranger tries: a task's, that of one in the trash, and a tag's.
type things struct{ task, trashed, tag string }

// uuids parses the ids of tasks; ids that are none are left out.
func (x things) uuids(ids ...string) []uuid.UUID {
	var all []uuid.UUID
	for _, id := range ids {
		if u, err := uuid.Parse(id); err == nil {
			all = append(all, u)
		}
	}
	return all
}

// hide writes an answer with the ids replaced by what they stand for.
func (x things) hide(t *testing.T, answer any) string {
	t.Helper()
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(x.task, "TASK", x.trashed, "TRASHED", x.tag, "TAG").Replace(string(text))
}

// strange calls every method of the service that takes a viewer, and names in it whatever can be named.
func strange(env *testEnv) map[string]func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
	type call = func(ctx context.Context, v viewer.Viewer, x things) (any, error)
	targets := func(method func(context.Context, viewer.Viewer, task.TargetInput) (*task.Result, error), id func(things) string) call {
		return func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			plain, err := method(ctx, v, task.TargetInput{ID: id(x)})
			if err != nil {
				return nil, err
			}
			conditional, err := method(ctx, v, task.TargetInput{ID: id(x), IfVersion: ptr(1)})
			return []any{plain, conditional}, err
		}
	}
	bulk := func(method func(context.Context, viewer.Viewer, task.BulkInput) (*task.BulkResult, error)) call {
		return func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return method(ctx, v, task.BulkInput{IDs: []string{x.task, x.trashed}, ErrorPolicy: task.SkipFailed})
		}
	}
	active, trashed := func(x things) string { return x.task }, func(x things) string { return x.trashed }
	return map[string]call{
		"Get": func(ctx context.Context, v viewer.Viewer, x things) (any, error) { return env.Get(ctx, v, x.task) },
		"GetMany": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.GetMany(ctx, v, []string{x.task, x.trashed})
		},
		"ByID": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.ByID(ctx, v, x.uuids(x.task, x.trashed), nil)
		},
		"List": func(ctx context.Context, v viewer.Viewer, _ things) (any, error) {
			return env.List(ctx, v, task.ListInput{Scope: task.ScopeAll})
		},
		"Subtasks": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			pages, err := env.Subtasks(ctx, v, x.uuids(x.task), task.SubtasksInput{Total: true})
			var edges []*task.Edge
			for _, page := range pages {
				edges = append(edges, page.Edges...)
			}
			return edges, err
		},
		"ProgressOf": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.ProgressOf(ctx, v, x.uuids(x.task))
		},
		"TagsOf": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.TagsOf(ctx, v, x.uuids(x.task), nil)
		},
		"OpenTaskCounts": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.OpenTaskCounts(ctx, v, x.uuids(x.tag))
		},
		"Tag": func(ctx context.Context, v viewer.Viewer, x things) (any, error) { return env.Tag(ctx, v, x.tag) },
		"Tags": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.Tags(ctx, v, []string{x.tag})
		},
		"ListTags": func(ctx context.Context, v viewer.Viewer, _ things) (any, error) {
			return env.ListTags(ctx, v, task.TagListInput{})
		},
		"Version": func(ctx context.Context, v viewer.Viewer, _ things) (any, error) { return env.Version(ctx, v) },
		"NextTurn": func(ctx context.Context, v viewer.Viewer, _ things) (any, error) {
			turn, err := env.NextTurn(ctx, v, env.clock.Now())
			if turn.Equal(env.secretMoment()) {
				return "a secret moment", err
			}
			return turn, err
		},

		"Create": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.Create(ctx, v, task.CreateInput{Title: "x", ParentID: &x.task, TagIDs: []string{x.tag}})
		},
		"Update": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.Update(ctx, v, task.UpdateInput{ID: x.task, Title: set(ptr("stolen")), TagIDs: set([]string{x.tag}), IfVersion: ptr(1)})
		},
		"Move": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			foreign, err := env.Move(ctx, v, task.MoveInput{ID: x.task})
			if err != nil {
				return nil, err
			}
			own, err := env.Create(ctx, v, task.CreateInput{Title: "own"})
			if err != nil {
				return nil, err
			}
			id := own.Task.ID.String()
			beside, err := env.Move(ctx, v, task.MoveInput{ID: id, AfterID: &x.task})
			if err != nil {
				return nil, err
			}
			under, err := env.Move(ctx, v, task.MoveInput{ID: id, ParentID: set(&x.task)})
			return []any{foreign, beside, under}, err
		},
		"Complete": targets(env.Complete, active),
		"Reopen":   targets(env.Reopen, active),
		"Delete":   targets(env.Delete, active),
		"Restore":  targets(env.Restore, trashed),
		"Purge": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.Purge(ctx, v, task.TargetInput{ID: x.trashed})
		},
		"UpdateMany": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			tasks, err := env.UpdateMany(ctx, v, task.UpdateManyInput{
				BulkInput: task.BulkInput{IDs: []string{x.task}}, Patch: task.Patch{Priority: set(ptr(task.PriorityHigh))},
			})
			if err != nil {
				return nil, err
			}
			tags, err := env.UpdateMany(ctx, v, task.UpdateManyInput{
				BulkInput: task.BulkInput{IDs: []string{x.task}}, Patch: task.Patch{AddTagIDs: set([]string{x.tag})},
			})
			return []any{tasks, tags}, err
		},
		"CompleteMany": bulk(env.CompleteMany),
		"ReopenMany":   bulk(env.ReopenMany),
		"DeleteMany":   bulk(env.DeleteMany),
		"RestoreMany":  bulk(env.RestoreMany),
		"CreateTag": func(ctx context.Context, v viewer.Viewer, _ things) (any, error) {
			r, err := env.CreateTag(ctx, v, task.CreateTagInput{Name: "secret"}) // A name that the other workspace has.
			if err != nil || len(r.UserErrors) > 0 {
				return r, err
			}
			return env.DeleteTag(ctx, v, task.TargetInput{ID: r.Tag.ID.String(), IfVersion: ptr(0)})
		},
		"UpdateTag": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.UpdateTag(ctx, v, task.UpdateTagInput{ID: x.tag, Name: set(ptr("stolen"))})
		},
		"DeleteTag": func(ctx context.Context, v viewer.Viewer, x things) (any, error) {
			return env.DeleteTag(ctx, v, task.TargetInput{ID: x.tag})
		},
	}
}

// secretMoment is when the task is due that no stranger may learn of.
func (env *testEnv) secretMoment() time.Time {
	return env.clock.Now().Truncate(time.Second).Add(time.Hour)
}

// A stranger is answered exactly as if nothing of it existed, by every method there is.
func TestStranger(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		alice, a := env.newUser(t, "alice")
		tag := env.createTag(alice, t, a, "secret")
		theirs := mustSucceed(t)(env.Create(alice, a, task.CreateInput{
			Title: "secret", TagIDs: []string{tag.ID.String()}, Due: &task.DueInput{At: &task.MomentInput{At: env.secretMoment()}},
		}))
		if turn, err := env.NextTurn(alice, a, env.clock.Now()); err != nil || !turn.Equal(env.secretMoment()) {
			t.Errorf("the owner's next turn is %s, %v", turn, err)
		}
		below := env.createSubtask(alice, t, a, theirs, "secret below")
		trashed := mustSucceed(t)(env.Delete(alice, a, targetOf(env.createTask(alice, t, a, "secret in the trash"))))
		before := workspaceVersion(alice, t, env, a)

		existing := things{theirs.ID.String(), trashed.ID.String(), tag.ID.String()}
		missing := things{uuid.NewString(), uuid.NewString(), uuid.NewString()}
		none := things{"no id at all", "no id either", "and none here"}
		tries := strange(env)
		for name, try := range tries {
			// Each with a workspace of its own, so that what one try does can't tell it from another.
			ask := func(who string, x things) string {
				t.Helper()
				ctx, v := env.newUser(t, who+" of "+name)
				answer, err := try(ctx, v, x)
				if err != nil && !errors.Is(err, task.ErrNotFound) {
					t.Errorf("%s: %v", name, err)
				}
				text := x.hide(t, []any{answer, err != nil})
				if strings.Contains(text, "secret") {
					t.Errorf("%s tells a stranger %s", name, text)
				}
				return strings.ReplaceAll(text, v.UserID, "ME")
			}
			absent := ask("absent", missing)
			if diff := cmp.Diff(absent, ask("foreign", existing)); diff != "" {
				t.Errorf("%s tells what is another's from what is nobody's:\n%s", name, diff)
			}
			if diff := cmp.Diff(absent, ask("none", none)); diff != "" {
				t.Errorf("%s tells what is no id from what is nobody's:\n%s", name, diff)
			}
		}
		env.checkStored(alice, t, theirs, below, trashed)
		if got := workspaceVersion(alice, t, env, a); got != before || env.tagNames(alice, t, theirs) != "secret" {
			t.Errorf("strangers took version %d to %d", before, got)
		}

		// What has no entry above must say why.
		exempt := map[string]string{
			"Upkeep":      "nobody calls it",
			"RunRemovals": "nobody calls it",
			"Overdue":     "it reads nothing",
			// A foreign id is TAKEN, as with Create: the importer's tests see that it stays whose it is.
			"ImportTags":  "the operator calls it, on the database itself",
			"ImportTasks": "the operator calls it, on the database itself",
			"EraseUser":   "the operator calls it, on the database itself",
			"CountUser":   "the operator calls it, on the database itself",
			"RemoveUser":  "the auth server calls it, with a signature",
		}
		for method := range reflect.TypeFor[*task.Service]().Methods() {
			if tries[method.Name] == nil && exempt[method.Name] == "" {
				t.Errorf("%s was never tried by a stranger", method.Name)
			}
		}
	})
}
