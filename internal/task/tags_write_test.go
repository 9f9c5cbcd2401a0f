package task_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

func TestTags(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		bob, o := env.newUser(t, "bob")
		stored := func(tag *ent.Tag) {
			t.Helper()
			row := env.client.Tag.GetX(ctx, tag.ID)
			if diff := cmp.Diff(row, tag, cmpopts.IgnoreUnexported(ent.Tag{}, ent.TagEdges{})); diff != "" {
				t.Errorf("%s is not in the database as it was answered:\n%s", tag.Name, diff)
			}
		}
		wantTag := func(want string) func(*task.TagResult, error) *task.TagResult {
			t.Helper()
			return func(r *task.TagResult, err error) *task.TagResult {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				if got := formatUserErrors(r.UserErrors); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				return r
			}
		}
		id := uuid.New()
		in := task.CreateTagInput{ID: ptr(id.String()), Name: "  Straße ", IdempotencyKey: ptr("k")}
		work := mustTag(t)(env.CreateTag(ctx, v, in))
		stored(work)
		if work.ID != id || work.Name != "Straße" || work.Version != 1 || !regexp.MustCompile(`^#[0-9a-f]{6}$`).MatchString(work.Color) {
			t.Errorf("got %v", work)
		}
		if again := mustTag(t)(env.CreateTag(ctx, v, in)); again.ID != id || again.Color != work.Color || !again.CreatedAt.Equal(work.CreatedAt) {
			t.Errorf("again: got %v", again)
		}
		wantTag("TAKEN input.name")(env.CreateTag(ctx, v, task.CreateTagInput{Name: "STRASSE"}))
		wantTag("TAKEN input.id")(env.CreateTag(ctx, v, task.CreateTagInput{ID: ptr(id.String()), Name: "other"}))
		wantTag("TAKEN input.id")(env.CreateTag(bob, o, task.CreateTagInput{ID: ptr(id.String()), Name: "other"}))
		wantTag("BLANK input.name")(env.CreateTag(ctx, v, task.CreateTagInput{Name: " "}))
		wantTag("TOO_LONG input.name, INVALID input.id")(env.CreateTag(ctx, v, task.CreateTagInput{ID: ptr("x"), Name: strings.Repeat("ü", 51)}))
		wantTag("INVALID input.name")(env.CreateTag(ctx, v, task.CreateTagInput{Name: "two\nlines"}))
		// The same name has the same color everywhere, whatever its case.
		his := mustTag(t)(env.CreateTag(bob, o, task.CreateTagInput{Name: "straSSe"}))
		if his.Color != work.Color {
			t.Errorf("got %s and %s", his.Color, work.Color)
		}
		home := mustTag(t)(env.CreateTag(ctx, v, task.CreateTagInput{Name: strings.Repeat("ü", 50), Color: ptr("#123456")}))
		if home.Color != "#123456" || home.Version != 2 {
			t.Errorf("got %v", home)
		}

		env.clock.advance(time.Hour)
		update := func(in task.UpdateTagInput) (*task.TagResult, error) {
			in.ID = id.String()
			return env.UpdateTag(ctx, v, in)
		}
		noop := mustTag(t)(update(task.UpdateTagInput{Name: set(ptr("Straße ")), Color: set(&work.Color)}))
		if noop.Version != 1 {
			t.Errorf("nothing took version %d", noop.Version)
		}
		renamed := mustTag(t)(update(task.UpdateTagInput{IfVersion: ptr(1), Name: set(ptr("STRASSE"))}))
		stored(renamed)
		if renamed.Version != 3 || renamed.Color != work.Color || !renamed.UpdatedAt.After(renamed.CreatedAt) {
			t.Errorf("got %v", renamed)
		}
		stale := wantTag("STALE input.ifVersion")(update(task.UpdateTagInput{IfVersion: ptr(1), Name: set(ptr("x"))}))
		stored(stale.Tag)
		stored(mustTag(t)(update(task.UpdateTagInput{Color: set(ptr("#abcdef"))})))
		if back := mustTag(t)(update(task.UpdateTagInput{Color: set[*string](nil)})); back.Color != work.Color {
			t.Errorf("got %s", back.Color)
		}
		wantTag("TAKEN input.name")(update(task.UpdateTagInput{Name: set(ptr(strings.Repeat("Ü", 50)))}))
		wantTag("BLANK input.name")(update(task.UpdateTagInput{Name: set[*string](nil)}))
		wantTag("NOT_FOUND input.id")(env.UpdateTag(bob, o, task.UpdateTagInput{ID: id.String(), Name: set(ptr("x"))}))

		// The tasks that carried a tag have changed when it is gone, also those in the trash.
		carrying := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "carrying", TagIDs: []string{id.String()}}))
		trashed := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "trashed", TagIDs: []string{id.String(), home.ID.String()}}))
		mustSucceed(t)(env.Delete(ctx, v, targetOf(trashed)))
		without := env.createTask(ctx, t, v, "without")
		gone := func(want string, in workspace.TargetInput) {
			t.Helper()
			r, err := env.DeleteTag(ctx, v, in)
			if err != nil {
				t.Fatal(err)
			}
			if got := formatUserErrors(r.UserErrors); got != want || (want == "") != (r.DeletedTagID != nil && *r.DeletedTagID == in.ID) {
				t.Errorf("got %q, %+v; want %q", got, r, want)
			}
		}
		gone("STALE input.ifVersion", workspace.TargetInput{ID: id.String(), IfVersion: ptr(1)})
		before := workspaceVersion(ctx, t, env, v)
		env.clock.advance(time.Hour)
		gone("", workspace.TargetInput{ID: id.String(), IdempotencyKey: ptr("d")})
		gone("", workspace.TargetInput{ID: id.String(), IdempotencyKey: ptr("d")})
		gone("NOT_FOUND input.id", workspace.TargetInput{ID: id.String()})
		for _, e := range env.reload(ctx, t, carrying, trashed) {
			if e.Version != before+1 || !e.UpdatedAt.Equal(env.clock.Now().Truncate(time.Microsecond)) {
				t.Errorf("%s: version %d, %s", e.Title, e.Version, e.UpdatedAt)
			}
		}
		env.checkStored(ctx, t, without)
		if got := env.tagNames(ctx, t, trashed); got != home.Name {
			t.Errorf("it carries %q", got)
		}
		env.checkInvariants(ctx, t, v)
	})
}
