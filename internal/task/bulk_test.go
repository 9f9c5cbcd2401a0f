package task_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/task"
	"taskql/internal/viewer"
)

// bulkCall is one of the bulk mutations, with ids and policy filled in.
type bulkCall func(in task.BulkInput) (*task.BulkResult, error)

func ids(tasks ...*ent.Task) []string {
	all := make([]string, len(tasks))
	for i, e := range tasks {
		all[i] = e.ID.String()
	}
	return all
}

// formatBulkResult returns each task's version or errors, and how many tasks changed.
func formatBulkResult(t *testing.T, r *task.BulkResult, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.UserErrors) > 0 && len(r.Results) == 0 {
		return formatUserErrors(r.UserErrors)
	}
	var all []string
	for _, item := range r.Results {
		s := formatUserErrors(item.UserErrors)
		if item.Task != nil {
			if item.Task.ID.String() != strings.ToLower(item.ID) {
				t.Errorf("%s is answered with %s", item.ID, item.Task.ID)
			}
			s = strings.TrimSpace(fmt.Sprint(item.Task.Version, " ", s))
		}
		all = append(all, s)
	}
	changed := fmt.Sprintf("%s; %d changed", strings.Join(all, ", "), r.ChangedCount)
	if len(r.UserErrors) > 0 {
		changed += ": " + formatUserErrors(r.UserErrors)
	}
	return changed
}

func TestBulk(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		bob, o := env.newUser(t, "bob")
		one, two, three := env.createTask(ctx, t, v, "one"), env.createTask(ctx, t, v, "two"), env.createTask(ctx, t, v, "three")
		foreign, missing := env.createTask(bob, t, o, "his").ID.String(), uuid.NewString()
		tag, full := env.createTag(ctx, t, v, "tag").ID.String(), task.CreateInput{Title: "full"}
		for n := range 50 {
			full.TagIDs = append(full.TagIDs, env.createTag(ctx, t, v, fmt.Sprint(n)).ID.String())
		}
		crowded := mustSucceed(t)(env.Create(ctx, v, full)) // Version 55.
		complete := func(in task.BulkInput) (*task.BulkResult, error) { return env.CompleteMany(ctx, v, in) }
		reopen := func(in task.BulkInput) (*task.BulkResult, error) { return env.ReopenMany(ctx, v, in) }
		remove := func(in task.BulkInput) (*task.BulkResult, error) { return env.DeleteMany(ctx, v, in) }
		restore := func(in task.BulkInput) (*task.BulkResult, error) { return env.RestoreMany(ctx, v, in) }
		patch := func(p task.Patch) bulkCall {
			return func(in task.BulkInput) (*task.BulkResult, error) {
				return env.UpdateMany(ctx, v, task.UpdateManyInput{BulkInput: in, Patch: p})
			}
		}
		day := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
		high := task.Patch{Priority: set(ptr(task.PriorityHigh)), Due: set(&task.DueInput{Date: &day}), AddTagIDs: set([]string{tag})}
		steps := []struct {
			name   string
			call   bulkCall
			ids    []string
			policy task.BulkPolicy
			want   string
		}{
			{"all", complete, ids(three, one), task.AllOrNothing, "56, 56; 2 changed"},
			{"some already", complete, ids(one, two, three), task.AllOrNothing, "56, 57, 56; 1 changed"},
			{"all already", complete, ids(one, two), task.AllOrNothing, "56, 57; 0 changed"},
			{"one missing, nothing changes", reopen, append(ids(one), missing, foreign, "no id"), task.AllOrNothing, "56, NOT_FOUND input.ids.1, NOT_FOUND input.ids.2, NOT_FOUND input.ids.3; 0 changed: NOT_FOUND input.ids.1"},
			{"no policy is all or nothing", reopen, append(ids(one), missing), "", "56, NOT_FOUND input.ids.1; 0 changed: NOT_FOUND input.ids.1"},
			{"one missing, the others change", reopen, append(ids(one), missing, two.ID.String()), task.SkipFailed, "58, NOT_FOUND input.ids.1, 58; 2 changed"},
			{"all missing", reopen, []string{missing, foreign}, task.SkipFailed, "NOT_FOUND input.ids.0, NOT_FOUND input.ids.1; 0 changed"},
			{"all missing, and tags", patch(task.Patch{AddTagIDs: set([]string{tag})}), []string{missing, foreign}, task.SkipFailed, "NOT_FOUND input.ids.0, NOT_FOUND input.ids.1; 0 changed"},
			{"upper case", reopen, []string{strings.ToUpper(three.ID.String())}, task.AllOrNothing, "59; 1 changed"},

			{"a patch", patch(high), ids(one, two), task.AllOrNothing, "60, 60; 2 changed"},
			{"the same patch", patch(high), ids(one, two, three), task.AllOrNothing, "60, 60, 61; 1 changed"},
			{"too many tags", patch(high), ids(one, crowded), task.AllOrNothing, "60, 55 LIMIT_EXCEEDED input.patch.addTagIds; 0 changed: LIMIT_EXCEEDED input.patch.addTagIds"},
			{"too many tags, the others change", patch(task.Patch{Priority: set(ptr(task.PriorityLow)), AddTagIDs: set([]string{tag})}), ids(one, crowded), task.SkipFailed, "62, 55 LIMIT_EXCEEDED input.patch.addTagIds; 1 changed"},
			{"a tag off", patch(task.Patch{RemoveTagIDs: set([]string{tag})}), ids(one, crowded), task.AllOrNothing, "63, 55; 1 changed"},
			{"nulls", patch(task.Patch{Priority: set[*task.Priority](nil), Due: set[*task.DueInput](nil)}), ids(one, two), task.AllOrNothing, "64, 64; 2 changed"},
			{"an empty patch", patch(task.Patch{}), ids(one, two), task.AllOrNothing, "64, 64; 0 changed"},
			{"a tag that is none", patch(task.Patch{AddTagIDs: set([]string{tag, missing})}), ids(one), task.SkipFailed, "NOT_FOUND input.patch.addTagIds.1"},
			{"everything wrong", patch(task.Patch{Priority: set(ptr(9)), Due: set(&task.DueInput{})}), ids(one, one), task.SkipFailed, "INVALID input.patch.priority, INVALID input.patch.due, INVALID input.ids.1"},

			{"to the trash", remove, ids(one, three), task.AllOrNothing, "65, 65; 2 changed"},
			{"to the trash again", remove, ids(one, two), task.AllOrNothing, "65, 66; 1 changed"},
			{"out of it", restore, ids(one, three, crowded), task.AllOrNothing, "67, 67, 55; 2 changed"},

			{"twice", complete, append(ids(one, two), strings.ToUpper(one.ID.String())), task.SkipFailed, "INVALID input.ids.2"},
			{"twice what is no id", complete, []string{"x", "y", "x"}, task.SkipFailed, "INVALID input.ids.2"},
			{"none", complete, nil, task.SkipFailed, "INVALID input.ids"},
			{"too many", complete, make([]string, 101), task.SkipFailed, "INVALID input.ids"},
		}
		for _, step := range steps {
			env.clock.advance(time.Minute)
			r, err := step.call(task.BulkInput{IDs: step.ids, ErrorPolicy: step.policy})
			if got := formatBulkResult(t, r, err); got != step.want {
				t.Errorf("%s: got  %s\nwant %s", step.name, got, step.want)
			}
			for _, item := range r.Results {
				if item.Task != nil {
					env.checkStored(ctx, t, item.Task)
				}
			}
		}
		if got := env.tagNames(ctx, t, one) + " " + env.tagNames(ctx, t, two); got != " tag" {
			t.Errorf("got %q", got)
		}
		env.checkInvariants(ctx, t, v)
	})
}

func TestBulkIdempotency(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		one, two, missing := env.createTask(ctx, t, v, "one"), env.createTask(ctx, t, v, "two"), uuid.NewString()
		in := task.BulkInput{IDs: append(ids(one, two), missing), ErrorPolicy: task.SkipFailed, IdempotencyKey: ptr("k")}
		call := func(in task.BulkInput) string {
			t.Helper()
			r, err := env.CompleteMany(ctx, v, in)
			return formatBulkResult(t, r, err)
		}
		const want = "3, 3, NOT_FOUND input.ids.2; 2 changed"
		if got := call(in); got != want {
			t.Errorf("got %s", got)
		}
		mustSucceed(t)(env.Reopen(ctx, v, targetOf(one)))
		if got := call(in); got != want {
			t.Errorf("again: got %s", got)
		}
		other := in
		other.ErrorPolicy = task.AllOrNothing
		if got := call(other); got != "KEY_REUSED input.idempotencyKey" {
			t.Errorf("another input: got %s", got)
		}
		// What was refused may be mended under its key.
		other.IdempotencyKey = ptr("k2")
		if got := call(other); got != "4, 3, NOT_FOUND input.ids.2; 0 changed: NOT_FOUND input.ids.2" {
			t.Errorf("refused: got %s", got)
		}
		other.IDs = ids(one)
		if got := call(other); got != "5; 1 changed" {
			t.Errorf("mended: got %s", got)
		}
	})
}

// What is below two of the tasks goes with the upper one, and so comes back with it, in whatever order they are named.
func TestBulkTrashOfOneFamily(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		parent, child, grandchild, sibling := env.family(t, "alice")
		all := []*ent.Task{parent, child, grandchild, sibling}
		for _, order := range [][]*ent.Task{{parent, grandchild, child}, {grandchild, child, parent}} {
			r, err := env.DeleteMany(ctx, v, task.BulkInput{IDs: ids(order...)})
			if err != nil || r.ChangedCount != 3 {
				t.Fatalf("got %+v, %v", r, err)
			}
			for _, e := range env.reload(ctx, t, all...) {
				if e.TrashedWith == nil || *e.TrashedWith != parent.ID {
					t.Errorf("%s went with %v", e.Title, e.TrashedWith)
				}
			}
			mustSucceed(t)(env.Restore(ctx, v, targetOf(parent)))
			if got := env.inTrash(t, all...); got != "" {
				t.Errorf("still in the trash: %s", got)
			}
			env.checkInvariants(ctx, t, v)
		}

		// A parent and its child that went one after the other come back as they were.
		for _, e := range []*ent.Task{child, parent} {
			mustSucceed(t)(env.Delete(ctx, v, targetOf(e)))
		}
		r, err := env.RestoreMany(ctx, v, task.BulkInput{IDs: ids(child, parent)})
		if err != nil || r.ChangedCount != 2 || r.Results[0].Task.ParentID == nil {
			t.Fatalf("got %+v, %v", r, err)
		}
		if got := env.siblingTitles(ctx, t, v, parent); got != "child sibling" {
			t.Errorf("got %s", got)
		}
		// Two parts of what went together, without it.
		mustSucceed(t)(env.Delete(ctx, v, targetOf(parent)))
		r, err = env.RestoreMany(ctx, v, task.BulkInput{IDs: ids(sibling, grandchild, child)})
		if err != nil || r.ChangedCount != 3 {
			t.Fatalf("got %+v, %v", r, err)
		}
		if got := env.siblingTitles(ctx, t, v, nil); got != "sibling child" {
			t.Errorf("the top level is %s", got)
		}
		for _, item := range r.Results {
			env.checkStored(ctx, t, item.Task)
		}
		env.checkInvariants(ctx, t, v)
	})
}

// userContext returns the context of an existing user.
func (env *testEnv) userContext(id string) (context.Context, viewer.Viewer) {
	v := viewer.Viewer{UserID: id, WorkspaceID: id, Role: viewer.RoleAdmin, Location: time.UTC}
	return viewer.NewContext(context.Background(), v), v
}

// systemContext returns a context that may read every workspace.
func systemContext(t *testing.T) context.Context {
	t.Helper()
	return viewer.AsSystem(t.Context())
}
