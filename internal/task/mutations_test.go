package task_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

func set[T any](v T) workspace.Optional[T] { return workspace.Optional[T]{Set: true, Value: v} }

// createSubtask creates a task under parent.
func (env *testEnv) createSubtask(ctx context.Context, t *testing.T, v viewer.Viewer, parent *ent.Task, title string) *ent.Task {
	t.Helper()
	return mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: title, ParentID: ptr(parent.ID.String())}))
}

func (env *testEnv) createTag(ctx context.Context, t *testing.T, v viewer.Viewer, name string) *ent.Tag {
	t.Helper()
	return mustTag(t)(env.CreateTag(ctx, v, task.CreateTagInput{Name: name}))
}

func mustTag(t *testing.T) func(*task.TagResult, error) *ent.Tag {
	t.Helper()
	return func(r *task.TagResult, err error) *ent.Tag {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(r.UserErrors) > 0 || r.Tag == nil {
			t.Fatalf("refused: %+v", *r.UserErrors[0])
		}
		return r.Tag
	}
}

// targetOf returns the input of a mutation of e.
func targetOf(e *ent.Task) workspace.TargetInput { return workspace.TargetInput{ID: e.ID.String()} }

// formatUserErrors returns user errors as "CODE field", in their order.
func formatUserErrors(errs []*workspace.UserError) string {
	all := make([]string, len(errs))
	for i, e := range errs {
		all[i] = strings.TrimSuffix(fmt.Sprintf("%s %s", e.Code, strings.Join(e.Field, ".")), " ")
		if e.Message == "" {
			all[i] += " without a message"
		}
	}
	return strings.Join(all, ", ")
}

// wantUserErrors checks that a mutation was refused with those user errors.
func wantUserErrors(t *testing.T, want string) func(*task.Result, error) {
	t.Helper()
	return func(r *task.Result, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if got := formatUserErrors(r.UserErrors); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// checkStored checks that the database holds the tasks as they were returned, in every column.
func (env *testEnv) checkStored(ctx context.Context, t *testing.T, tasks ...*ent.Task) {
	t.Helper()
	for _, e := range tasks {
		row, err := env.client.Task.Get(ctx, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(row, e, cmpopts.IgnoreUnexported(ent.Task{}, ent.TaskEdges{}), cmpopts.IgnoreFields(ent.Task{}, "Edges", "TrashedWith")); diff != "" {
			t.Errorf("%s is not in the database as it was answered (-database +answer):\n%s", e.Title, diff)
		}
	}
}

// reload returns the tasks as they are now.
func (env *testEnv) reload(ctx context.Context, t *testing.T, tasks ...*ent.Task) []*ent.Task {
	t.Helper()
	now := make([]*ent.Task, len(tasks))
	for i, e := range tasks {
		var err error
		if now[i], err = env.client.Task.Get(ctx, e.ID); err != nil {
			t.Fatal(err)
		}
	}
	return now
}

// siblingTitles returns the titles of the tasks under a parent in manual order, the trash
// left out.
func (env *testEnv) siblingTitles(ctx context.Context, t *testing.T, v viewer.Viewer, parent *ent.Task) string {
	t.Helper()
	q := env.client.Task.Query().Where(enttask.WorkspaceID(v.WorkspaceID), enttask.DeletedAtIsNil())
	if parent == nil {
		q.Where(enttask.ParentIDIsNil())
	} else {
		q.Where(enttask.ParentID(parent.ID))
	}
	var titles []string
	for _, e := range q.Order(byPosition).AllX(ctx) {
		titles = append(titles, e.Title)
	}
	return strings.Join(titles, " ")
}

func byPosition(s *sql.Selector) { s.OrderBy(s.C(enttask.FieldPosition), s.C(enttask.FieldID)) }

// tagNames returns the names of a task's tags.
func (env *testEnv) tagNames(ctx context.Context, t *testing.T, e *ent.Task) string {
	t.Helper()
	var names []string
	for _, tag := range env.client.Task.Query().Where(enttask.ID(e.ID)).QueryTags().AllX(ctx) {
		names = append(names, tag.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// checkInvariants checks what holds in a workspace after any change.
func (env *testEnv) checkInvariants(ctx context.Context, t rapid.TB, v viewer.Viewer) {
	t.Helper()
	workspace, err := env.client.Workspace.Get(ctx, v.WorkspaceID)
	if err != nil {
		t.Fatal(err)
	}
	rows := env.client.Task.Query().Where(enttask.WorkspaceID(v.WorkspaceID)).Order(byPosition).AllX(ctx)
	if workspace.TaskCount != len(rows) {
		t.Errorf("the workspace counts %d tasks and has %d", workspace.TaskCount, len(rows))
	}
	byID, places := map[uuid.UUID]*ent.Task{}, map[string]string{}
	for _, e := range rows {
		byID[e.ID] = e
		if e.Version < 1 || e.Version > workspace.Version {
			t.Errorf("%s is at version %d of %d", e.Title, e.Version, workspace.Version)
		}
		place := fmt.Sprint(e.ParentID, string(e.Position))
		if len(e.Position) == 0 || places[place] != "" {
			t.Errorf("%s and %s are both at %q", e.Title, places[place], e.Position)
		}
		places[place] = e.Title
		if (e.DeletedAt == nil) != (e.TrashedWith == nil) {
			t.Errorf("%s: in the trash since %v with %v", e.Title, e.DeletedAt, e.TrashedWith)
		}
		if (e.DueDate == nil) != (e.DueSort == nil) || (e.DueAt == nil) != (e.DueTimeZone == nil) || e.DueAt != nil && e.DueDate == nil {
			t.Errorf("%s is due %v %v %v %v", e.Title, e.DueDate, e.DueSort, e.DueAt, e.DueTimeZone)
		}
	}
	for _, e := range rows {
		depth := 1
		for up := e; up.ParentID != nil && depth < 10; depth++ {
			parent := byID[*up.ParentID]
			if parent == nil || up.DeletedAt == nil && parent.DeletedAt != nil {
				t.Fatalf("%s is active, and its parent is not: %v", up.Title, parent)
			}
			up = parent
		}
		if depth > 5 {
			t.Errorf("%s is %d deep", e.Title, depth)
		}
	}
	for _, row := range env.client.TaskTag.Query().Where(tasktag.WorkspaceID(v.WorkspaceID)).WithTag().AllX(ctx) {
		if byID[row.TaskID] == nil || row.Edges.Tag.WorkspaceID != v.WorkspaceID {
			t.Errorf("%v is not within the workspace", row)
		}
	}
}

func TestCreateWithEverything(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		v.Location = loadLocation(t, "Asia/Karachi")
		parent, work, home := env.createTask(ctx, t, v, "parent"), env.createTag(ctx, t, v, "work"), env.createTag(ctx, t, v, "home")
		made := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{
			Title: "STRAẞE é", Description: ptr("İ"), Priority: ptr(task.PriorityUrgent),
			Due:      &task.DueInput{At: &task.MomentInput{At: time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)}},
			TagIDs:   []string{work.ID.String(), home.ID.String(), strings.ToUpper(work.ID.String())},
			ParentID: ptr(parent.ID.String()),
		}))
		env.checkStored(ctx, t, parent, made)
		if got := env.tagNames(ctx, t, made); got != "home work" {
			t.Errorf("it carries %s", got)
		}
		if string(made.TitleKey) != "strasse e" || made.SearchText != "strasse e\ni\nstrasse é\ni̇" {
			t.Errorf("folded to %q, %q", made.TitleKey, made.SearchText)
		}
		// 20:00 UTC is 1:00 of the next day in Karachi.
		if due := task.DueOf(made); due.Date.Format(time.DateOnly) != "2026-11-24" || *due.TimeZone != "Asia/Karachi" || due.At.Hour() != 20 {
			t.Errorf("due %+v", due)
		}
		if *made.ParentID != parent.ID || made.Version != 4 || made.Priority != task.PriorityUrgent {
			t.Errorf("got %v", made)
		}
		env.checkInvariants(ctx, t, v)
	})
}

func loadLocation(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

func TestDueInput(t *testing.T) {
	t.Parallel()
	at := func(s string) *task.MomentInput {
		moment, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return &task.MomentInput{At: moment}
	}
	in := func(m *task.MomentInput, zone string) *task.MomentInput {
		m.TimeZone = &zone
		return m
	}
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name, viewer string
		in           task.DueInput
		want         string
		problem      string
	}{
		{name: "a day is that day west", viewer: "Pacific/Pago_Pago", in: task.DueInput{Date: &day}, want: "2026-11-23"},
		{name: "a day is that day east", viewer: "Pacific/Kiritimati", in: task.DueInput{Date: &day}, want: "2026-11-23"},
		{name: "a moment in the viewer's zone", viewer: "Asia/Karachi", in: task.DueInput{At: at("2026-11-23T19:00:00Z")}, want: "2026-11-24 2026-11-23T19:00:00Z Asia/Karachi"},
		{name: "a moment in a zone named", viewer: "Asia/Karachi", in: task.DueInput{At: in(at("2026-11-23T19:00:00Z"), "America/New_York")}, want: "2026-11-23 2026-11-23T19:00:00Z America/New_York"},
		{name: "with an offset", viewer: "UTC", in: task.DueInput{At: at("2026-11-24T00:30:00.123456789+05:00")}, want: "2026-11-23 2026-11-23T19:30:00.123456Z UTC"},
		{name: "the date line, east of it", viewer: "Pacific/Kiritimati", in: task.DueInput{At: at("2026-11-23T10:00:00Z")}, want: "2026-11-24 2026-11-23T10:00:00Z Pacific/Kiritimati"},
		{name: "the date line, west of it", viewer: "Pacific/Pago_Pago", in: task.DueInput{At: at("2026-11-23T10:59:59Z")}, want: "2026-11-22 2026-11-23T10:59:59Z Pacific/Pago_Pago"},
		{name: "before the clocks go back", viewer: "America/New_York", in: task.DueInput{At: at("2026-11-01T03:59:59Z")}, want: "2026-10-31 2026-11-01T03:59:59Z America/New_York"},
		{name: "after the clocks went back", viewer: "America/New_York", in: task.DueInput{At: at("2026-11-02T04:59:59Z")}, want: "2026-11-01 2026-11-02T04:59:59Z America/New_York"},
		{name: "after the clocks went forward", viewer: "America/New_York", in: task.DueInput{At: at("2026-03-09T03:59:59Z")}, want: "2026-03-08 2026-03-09T03:59:59Z America/New_York"},
		{name: "the year 1", viewer: "UTC", in: task.DueInput{At: at("0001-01-01T00:00:00Z")}, want: "0001-01-01 0001-01-01T00:00:00Z UTC"},
		{name: "neither", viewer: "UTC", problem: "INVALID input.due"},
		{name: "both", viewer: "UTC", in: task.DueInput{Date: &day, At: at("2026-11-23T19:00:00Z")}, problem: "INVALID input.due"},
		{name: "no such zone", viewer: "UTC", in: task.DueInput{At: in(at("2026-11-23T19:00:00Z"), "Mars/Olympus_Mons")}, problem: "INVALID input.due.at.timeZone"},
		{name: "the machine's zone", viewer: "UTC", in: task.DueInput{At: in(at("2026-11-23T19:00:00Z"), "Local")}, problem: "INVALID input.due.at.timeZone"},
		{name: "no name", viewer: "UTC", in: task.DueInput{At: in(at("2026-11-23T19:00:00Z"), "")}, problem: "INVALID input.due.at.timeZone"},
		{name: "the year 0 there", viewer: "America/New_York", in: task.DueInput{At: at("0001-01-01T00:00:00Z")}, problem: "INVALID input.due.at.at"},
		{name: "the year 10000 there", viewer: "Asia/Karachi", in: task.DueInput{At: at("9999-12-31T23:00:00Z")}, problem: "INVALID input.due.at.at"},
	}
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		for _, tt := range tests {
			v.Location = loadLocation(t, tt.viewer)
			r, err := env.Create(ctx, v, task.CreateInput{Title: tt.name, Due: &tt.in})
			if err != nil {
				t.Fatal(err)
			}
			if got := formatUserErrors(r.UserErrors); got != tt.problem {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.problem)
			}
			if tt.problem != "" || r.Task == nil {
				continue
			}
			env.checkStored(ctx, t, r.Task)
			due := task.DueOf(r.Task)
			got := due.Date.Format(time.DateOnly)
			if due.At != nil {
				got += " " + due.At.Format(time.RFC3339Nano) + " " + *due.TimeZone
			}
			if got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
			// The same again is no change, in whatever zone the viewer is now; a moment keeps the zone that is named.
			again := tt.in
			if again.At != nil {
				again.At = in(&task.MomentInput{At: again.At.At}, *due.TimeZone)
			}
			v.Location = loadLocation(t, "Europe/Berlin")
			checkTask(t, mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: r.Task.ID.String(), Patch: task.Patch{Due: set(&again)}})), r.Task)
		}
		env.checkInvariants(ctx, t, v)
	})
}

func TestUpdateEveryField(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		e := env.createTask(ctx, t, v, "one")
		work, home := env.createTag(ctx, t, v, "work").ID.String(), env.createTag(ctx, t, v, "home").ID.String()
		day, moment := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
		at := func() *task.MomentInput { return &task.MomentInput{At: moment} }
		steps := []struct {
			name   string
			in     task.UpdateInput
			change bool
			check  func(*ent.Task) bool
			tags   string
		}{
			{"nothing", task.UpdateInput{}, false, nil, ""},
			{"priority", task.UpdateInput{Patch: task.Patch{Priority: set(ptr(task.PriorityHigh))}}, true, func(e *ent.Task) bool { return e.Priority == task.PriorityHigh }, ""},
			{"the same priority", task.UpdateInput{Patch: task.Patch{Priority: set(ptr(task.PriorityHigh))}}, false, nil, ""},
			{"a day", task.UpdateInput{Patch: task.Patch{Due: set(&task.DueInput{Date: &day})}}, true, func(e *ent.Task) bool { return e.DueAt == nil && e.DueDate.Equal(day) && e.DueSort.IsZero() }, ""},
			{"the same day", task.UpdateInput{Patch: task.Patch{Due: set(&task.DueInput{Date: &day})}}, false, nil, ""},
			{"a moment", task.UpdateInput{Patch: task.Patch{Due: set(&task.DueInput{At: at()})}}, true, func(e *ent.Task) bool {
				return e.DueAt.Equal(moment) && e.DueSort.Equal(moment) && *e.DueTimeZone == "UTC"
			}, ""},
			{"the same moment", task.UpdateInput{Patch: task.Patch{Due: set(&task.DueInput{At: at()})}}, false, nil, ""},
			{"a day again", task.UpdateInput{Patch: task.Patch{Due: set(&task.DueInput{Date: &day})}}, true, func(e *ent.Task) bool { return e.DueAt == nil && e.DueTimeZone == nil }, ""},
			{"all tags", task.UpdateInput{TagIDs: set([]string{home, work})}, true, nil, "home work"},
			{"the same tags", task.UpdateInput{TagIDs: set([]string{work, home, work})}, false, nil, "home work"},
			{"one of them", task.UpdateInput{TagIDs: set([]string{home})}, true, nil, "home"},
			{"one more", task.UpdateInput{Patch: task.Patch{AddTagIDs: set([]string{home, work})}}, true, nil, "home work"},
			{"one less", task.UpdateInput{Patch: task.Patch{RemoveTagIDs: set([]string{home})}}, true, nil, "work"},
			{"the same less", task.UpdateInput{Patch: task.Patch{RemoveTagIDs: set([]string{home})}}, false, nil, "work"},
			{"one for another", task.UpdateInput{Patch: task.Patch{AddTagIDs: set([]string{home}), RemoveTagIDs: set([]string{work})}}, true, nil, "home"},
			{"nulls to add", task.UpdateInput{Patch: task.Patch{AddTagIDs: set[[]string](nil), RemoveTagIDs: set[[]string](nil)}}, false, nil, "home"},
			{"no tags", task.UpdateInput{TagIDs: set[[]string](nil)}, true, nil, ""},
			{"everything at once", task.UpdateInput{
				Title: set(ptr("two")), Description: set(ptr("text")), TagIDs: set([]string{work}),
				Patch: task.Patch{Priority: set(ptr(task.PriorityLow)), Due: set(&task.DueInput{At: at()})},
			}, true, func(e *ent.Task) bool {
				return e.Title == "two" && *e.Description == "text" && string(e.TitleKey) == "two"
			}, "work"},
			{"nulls", task.UpdateInput{
				Description: set[*string](nil), TagIDs: set([]string{}),
				Patch: task.Patch{Priority: set[*task.Priority](nil), Due: set[*task.DueInput](nil)},
			}, true, func(e *ent.Task) bool {
				return e.Description == nil && e.Priority == task.PriorityNone && e.DueDate == nil && e.DueSort == nil && e.DueAt == nil
			}, ""},
		}
		for _, step := range steps {
			env.clock.advance(time.Minute)
			step.in.ID = e.ID.String()
			before := workspaceVersion(ctx, t, env, v)
			got := mustSucceed(t)(env.Update(ctx, v, step.in))
			env.checkStored(ctx, t, got)
			if now := workspaceVersion(ctx, t, env, v); (now == before+1) != step.change || now > before+1 || (got.Version == now) != (step.change || got.Version == before) {
				t.Errorf("%s: version %d became %d, the task's is %d", step.name, before, now, got.Version)
			}
			if step.check != nil && !step.check(got) {
				t.Errorf("%s: got %v", step.name, got)
			}
			if tags := env.tagNames(ctx, t, got); tags != step.tags {
				t.Errorf("%s: it carries %q, want %q", step.name, tags, step.tags)
			}
		}
		env.checkInvariants(ctx, t, v)
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		bob, o := env.newUser(t, "bob")
		mine, own := env.createTask(ctx, t, v, "mine"), env.createTag(ctx, t, v, "own").ID.String()
		foreignTag, foreign := env.createTag(bob, t, o, "foreign").ID.String(), env.createTask(bob, t, o, "foreign").ID.String()
		trashed := mustSucceed(t)(env.Delete(ctx, v, targetOf(env.createTask(ctx, t, v, "trashed"))))
		missing, id := uuid.NewString(), mine.ID.String()
		before := workspaceVersion(ctx, t, env, v)

		create := func(want string, in task.CreateInput) {
			t.Helper()
			in.Title = "x"
			wantUserErrors(t, want)(env.Create(ctx, v, in))
		}
		create("NOT_FOUND input.tagIds.1, NOT_FOUND input.tagIds.2, NOT_FOUND input.tagIds.3", task.CreateInput{TagIDs: []string{own, foreignTag, missing, "no id"}})
		create("NOT_FOUND input.parentId", task.CreateInput{ParentID: &foreign})
		create("NOT_FOUND input.parentId", task.CreateInput{ParentID: &missing})
		create("NOT_FOUND input.parentId", task.CreateInput{ParentID: ptr("")})
		create("NOT_FOUND input.parentId", task.CreateInput{ParentID: ptr(trashed.ID.String())})
		create("NOT_FOUND input.tagIds.0, NOT_FOUND input.parentId", task.CreateInput{TagIDs: []string{missing}, ParentID: &missing})
		create("INVALID input.priority", task.CreateInput{Priority: ptr(5)})
		create("INVALID input.priority", task.CreateInput{Priority: ptr(-1)})

		update := func(want string, in task.UpdateInput) {
			t.Helper()
			in.ID = id
			wantUserErrors(t, want)(env.Update(ctx, v, in))
		}
		update("INVALID input.tagIds", task.UpdateInput{TagIDs: set([]string{own}), Patch: task.Patch{AddTagIDs: set([]string{own})}})
		update("INVALID input.tagIds", task.UpdateInput{TagIDs: set[[]string](nil), Patch: task.Patch{RemoveTagIDs: set([]string{own})}})
		update("NOT_FOUND input.addTagIds.0, NOT_FOUND input.removeTagIds.1", task.UpdateInput{
			Patch: task.Patch{AddTagIDs: set([]string{foreignTag}), RemoveTagIDs: set([]string{own, missing})},
		})
		update("INVALID input.removeTagIds.0", task.UpdateInput{Patch: task.Patch{AddTagIDs: set([]string{own}), RemoveTagIDs: set([]string{own})}})
		update("NOT_FOUND input.tagIds.0", task.UpdateInput{TagIDs: set([]string{foreignTag})})
		update("INVALID input.priority, INVALID input.due, BLANK input.title", task.UpdateInput{
			Title: set(ptr("")), Patch: task.Patch{Priority: set(ptr(9)), Due: set(&task.DueInput{})},
		})
		if got := workspaceVersion(ctx, t, env, v); got != before {
			t.Errorf("refusals took version %d to %d", before, got)
		}
		env.checkStored(ctx, t, mine)
		env.checkInvariants(ctx, t, v)
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	eachDatabaseLimited(t, task.Limits{Tasks: 6, Tags: 3, TagsPerTask: 2, Subtasks: 2}, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		var tags []string
		for _, name := range []string{"a", "b", "c"} {
			tags = append(tags, env.createTag(ctx, t, v, name).ID.String())
		}
		r, err := env.CreateTag(ctx, v, task.CreateTagInput{Name: "d"})
		if err != nil || formatUserErrors(r.UserErrors) != "LIMIT_EXCEEDED" || !strings.Contains(r.UserErrors[0].Message, " 3 ") {
			t.Errorf("the fourth tag: %+v, %v", r, err)
		}

		wantUserErrors(t, "LIMIT_EXCEEDED input.tagIds")(env.Create(ctx, v, task.CreateInput{Title: "x", TagIDs: tags}))
		e := mustSucceed(t)(env.Create(ctx, v, task.CreateInput{Title: "x", TagIDs: tags[:2]}))
		id := e.ID.String()
		wantUserErrors(t, "LIMIT_EXCEEDED input.addTagIds")(env.Update(ctx, v, task.UpdateInput{ID: id, Patch: task.Patch{AddTagIDs: set(tags[2:])}}))
		wantUserErrors(t, "LIMIT_EXCEEDED input.tagIds")(env.Update(ctx, v, task.UpdateInput{ID: id, TagIDs: set(tags)}))
		swapped := task.Patch{AddTagIDs: set(tags[2:]), RemoveTagIDs: set(tags[:1])}
		mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: id, Patch: swapped}))

		one, two := env.createSubtask(ctx, t, v, e, "one"), env.createSubtask(ctx, t, v, e, "two")
		wantUserErrors(t, "LIMIT_EXCEEDED input.parentId")(env.Create(ctx, v, task.CreateInput{Title: "three", ParentID: &id}))
		three := env.createTask(ctx, t, v, "three")
		wantUserErrors(t, "LIMIT_EXCEEDED input.parentId")(env.Move(ctx, v, task.MoveInput{ID: three.ID.String(), ParentID: set(&id)}))
		// What is in the trash leaves its place to others, and can't come back while they have it.
		mustSucceed(t)(env.Delete(ctx, v, targetOf(one)))
		mustSucceed(t)(env.Move(ctx, v, task.MoveInput{ID: three.ID.String(), ParentID: set(&id)}))
		wantUserErrors(t, "LIMIT_EXCEEDED input.id")(env.Restore(ctx, v, targetOf(one)))
		mustSucceed(t)(env.Delete(ctx, v, targetOf(two)))
		bulk, err := env.RestoreMany(ctx, v, task.BulkInput{IDs: []string{one.ID.String(), two.ID.String()}, ErrorPolicy: task.SkipFailed})
		if err != nil || bulk.ChangedCount != 1 || formatUserErrors(bulk.Results[1].UserErrors) != "LIMIT_EXCEEDED input.ids.1" {
			t.Errorf("got %+v, %v", bulk.Results[1], err)
		}

		for range 2 {
			env.createTask(ctx, t, v, "more")
		}
		full := task.CreateInput{Title: "one too many", IdempotencyKey: ptr("k")}
		wantUserErrors(t, "LIMIT_EXCEEDED")(env.Create(ctx, v, full))
		purged, err := env.Purge(ctx, v, targetOf(two))
		if err != nil || len(purged.UserErrors) > 0 {
			t.Fatalf("got %+v, %v", purged, err)
		}
		mustSucceed(t)(env.Create(ctx, v, full))
		env.checkInvariants(ctx, t, v)
	})
}

func TestDepth(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		chain := []*ent.Task{env.createTask(ctx, t, v, "1")}
		for n := 2; n <= 5; n++ {
			chain = append(chain, env.createSubtask(ctx, t, v, chain[n-2], fmt.Sprint(n)))
		}
		deepest := ptr(chain[4].ID.String())
		wantUserErrors(t, "LIMIT_EXCEEDED input.parentId")(env.Create(ctx, v, task.CreateInput{Title: "6", ParentID: deepest}))
		other := env.createTask(ctx, t, v, "other")
		wantUserErrors(t, "LIMIT_EXCEEDED input.parentId")(env.Move(ctx, v, task.MoveInput{ID: other.ID.String(), ParentID: set(deepest)}))
		below := env.createSubtask(ctx, t, v, other, "below")
		fourth := ptr(chain[3].ID.String())
		wantUserErrors(t, "LIMIT_EXCEEDED input.parentId")(env.Move(ctx, v, task.MoveInput{ID: other.ID.String(), ParentID: set(fourth)}))
		// What is below it counts in the trash too, since it may come back.
		mustSucceed(t)(env.Delete(ctx, v, targetOf(below)))
		wantUserErrors(t, "LIMIT_EXCEEDED input.parentId")(env.Move(ctx, v, task.MoveInput{ID: other.ID.String(), ParentID: set(fourth)}))
		mustSucceed(t)(env.Move(ctx, v, task.MoveInput{ID: other.ID.String(), ParentID: set(ptr(chain[2].ID.String()))}))
		mustSucceed(t)(env.Restore(ctx, v, targetOf(below)))
		env.checkInvariants(ctx, t, v)
	})
}

// A task that another release wrote has none of the keys. It can be changed and moved all the same.
func TestTaskOfAnotherRelease(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		var old []*ent.Task
		for _, title := range []string{"A", "B", "C"} {
			old = append(old, env.client.Task.Create().SetID(uuid.Must(uuid.NewV7())).SetWorkspaceID(v.WorkspaceID).SetVersion(1).SetTitle(title).SaveX(ctx))
		}
		done := mustSucceed(t)(env.Complete(ctx, v, targetOf(old[0])))
		env.checkStored(ctx, t, done)
		env.createTask(ctx, t, v, "D")
		if got := env.siblingTitles(ctx, t, v, nil); got != "A B C D" {
			t.Errorf("the order is %s", got)
		}
		mustSucceed(t)(env.Move(ctx, v, task.MoveInput{ID: old[2].ID.String(), BeforeID: ptr(old[0].ID.String())}))
		if got := env.siblingTitles(ctx, t, v, nil); got != "C A B D" {
			t.Errorf("the order is %s", got)
		}
		trashed := env.reload(ctx, t, old[1])[0].Update().SetDeletedAt(env.clock.Now()).SaveX(ctx)
		env.checkStored(ctx, t, mustSucceed(t)(env.Restore(ctx, v, targetOf(trashed))))
		env.client.Workspace.UpdateOneID(v.WorkspaceID).SetTaskCount(4).ExecX(ctx)
		env.checkInvariants(ctx, t, v)
	})
}

func TestMove(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		made := map[string]*ent.Task{}
		for _, title := range strings.Fields("a b c d") {
			made[title] = env.createTask(ctx, t, v, title)
		}
		for _, title := range strings.Fields("x y z") {
			made[title] = env.createSubtask(ctx, t, v, made["a"], title)
		}
		made["under x"] = env.createSubtask(ctx, t, v, made["x"], "under x")
		made["trashed"] = mustSucceed(t)(env.Delete(ctx, v, targetOf(env.createTask(ctx, t, v, "trashed"))))
		id := func(title string) *string {
			if title == "" {
				return nil
			}
			if e, ok := made[title]; ok {
				return ptr(e.ID.String())
			}
			return &title
		}
		top, keep := workspace.Optional[*string]{Set: true}, workspace.Optional[*string]{}
		to := func(title string) workspace.Optional[*string] { return set(id(title)) }
		steps := []struct {
			name, after, before string
			parent              workspace.Optional[*string]
			top, underA         string
			still               bool
			problem             string
		}{
			{name: "a", after: "c", top: "b c a d", underA: "x y z"},
			{name: "a", after: "c", top: "b c a d", underA: "x y z", still: true},
			{name: "a", before: "d", top: "b c a d", underA: "x y z", still: true},
			{name: "a", before: "b", top: "a b c d", underA: "x y z"},
			{name: "a", before: "b", top: "a b c d", underA: "x y z", still: true},
			{name: "d", after: "a", top: "a d b c", underA: "x y z"},
			{name: "b", before: "d", top: "a b d c", underA: "x y z"},
			{name: "a", top: "b d c a", underA: "x y z"},
			{name: "a", top: "b d c a", underA: "x y z", still: true},
			{name: "a", parent: top, top: "b d c a", underA: "x y z", still: true},
			{name: "b", parent: to("a"), top: "d c a", underA: "x y z b"},
			{name: "b", parent: to("a"), top: "d c a", underA: "x y z b", still: true},
			{name: "c", parent: to("a"), after: "x", top: "d a", underA: "x c y z b"},
			{name: "z", parent: to("a"), before: "x", top: "d a", underA: "z x c y b"},
			{name: "x", parent: top, before: "a", top: "d x a", underA: "z c y b"},
			{name: "y", parent: top, top: "d x a y", underA: "z c b"},
			{name: "under x", parent: keep, top: "d x a y", underA: "z c b", still: true},

			{name: "d", after: "x", before: "a", problem: "INVALID input.beforeId"},
			{name: "d", after: "d", problem: "INVALID input.afterId"},
			{name: "d", after: "b", problem: "INVALID input.afterId"},
			{name: "d", before: "trashed", problem: "INVALID input.beforeId"},
			{name: "d", before: "nobody", problem: "NOT_FOUND input.beforeId"},
			{name: "d", parent: to("a"), after: "x", problem: "INVALID input.afterId"},
			{name: "d", parent: to("d"), problem: "INVALID input.parentId"},
			{name: "a", parent: to("b"), problem: "INVALID input.parentId"},
			{name: "x", parent: to("under x"), problem: "INVALID input.parentId"},
			{name: "d", parent: to("trashed"), problem: "NOT_FOUND input.parentId"},
			{name: "d", parent: to("nobody"), problem: "NOT_FOUND input.parentId"},
			{name: "trashed", after: "d", problem: "INVALID input.id"},
			{name: "nobody", problem: "NOT_FOUND input.id"},
		}
		for i, step := range steps {
			env.clock.advance(time.Minute)
			before := workspaceVersion(ctx, t, env, v)
			r, err := env.Move(ctx, v, task.MoveInput{ID: *id(step.name), AfterID: id(step.after), BeforeID: id(step.before), ParentID: step.parent})
			if err != nil {
				t.Fatal(err)
			}
			if got := formatUserErrors(r.UserErrors); got != step.problem {
				t.Errorf("step %d: got %q, want %q", i, got, step.problem)
			}
			if got := workspaceVersion(ctx, t, env, v); (got == before) != (step.still || step.problem != "") {
				t.Errorf("step %d: version %d became %d", i, before, got)
			}
			if step.problem != "" {
				continue
			}
			env.checkStored(ctx, t, r.Task)
			if got := env.siblingTitles(ctx, t, v, nil); got != step.top {
				t.Errorf("step %d: got %s, want %s", i, got, step.top)
			}
			if got := env.siblingTitles(ctx, t, v, made["a"]); got != step.underA {
				t.Errorf("step %d: got %s under a, want %s", i, got, step.underA)
			}
		}
		wantUserErrors(t, "STALE input.ifVersion")(env.Move(ctx, v, task.MoveInput{ID: *id("d"), IfVersion: ptr(1000)}))
		env.checkInvariants(ctx, t, v)
	})
}

// Siblings make room where there is none: where keys are equal, and where a key would get long.
func TestRoomIsMade(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		var all []*ent.Task
		for _, title := range strings.Fields("a b c d e f") {
			e := env.createTask(ctx, t, v, title)
			env.client.Task.UpdateOne(e).SetPosition(fmt.Appendf(nil, "a%d", len(all))).ExecX(ctx)
			all = append(all, e)
		}
		// b, c and d at the same place, in the order of their ids.
		env.client.Task.Update().Where(enttask.IDIn(all[1].ID, all[2].ID, all[3].ID)).SetPosition([]byte("a1")).ExecX(ctx)
		env.clock.advance(time.Minute)
		moved := mustSucceed(t)(env.Move(ctx, v, task.MoveInput{ID: all[5].ID.String(), AfterID: ptr(all[2].ID.String())}))
		if got := env.siblingTitles(ctx, t, v, nil); got != "a b c f d e" {
			t.Errorf("got %s", got)
		}
		if !moved.UpdatedAt.After(all[5].UpdatedAt) {
			t.Errorf("what was moved was last changed at %s", moved.UpdatedAt)
		}
		for i, e := range env.reload(ctx, t, all[:5]...) {
			if !e.UpdatedAt.Equal(all[i].UpdatedAt) {
				t.Errorf("%s made room and was changed at %s", e.Title, e.UpdatedAt)
			}
		}
		env.checkInvariants(ctx, t, v)

		// A key that is as long as keys get.
		long := []byte("a0" + strings.Repeat("0", 1021) + "1")
		env.client.Task.Update().Where(enttask.ID(all[1].ID)).SetPosition(long).ExecX(ctx)
		mustSucceed(t)(env.Move(ctx, v, task.MoveInput{ID: all[4].ID.String(), AfterID: ptr(all[0].ID.String())}))
		if got := env.siblingTitles(ctx, t, v, nil); got != "a e b c f d" {
			t.Errorf("got %s", got)
		}
		for _, e := range env.reload(ctx, t, all...) {
			if len(e.Position) > 4 {
				t.Errorf("%s is at %s", e.Title, e.Position)
			}
		}
		// What is no key at all.
		env.client.Task.Update().Where(enttask.ID(all[0].ID)).SetPosition([]byte("!")).ExecX(ctx)
		mustSucceed(t)(env.Move(ctx, v, task.MoveInput{ID: all[3].ID.String(), BeforeID: ptr(all[4].ID.String())}))
		if got := env.siblingTitles(ctx, t, v, nil); got != "a d e b c f" {
			t.Errorf("got %s", got)
		}
		env.checkInvariants(ctx, t, v)
	})
}

// Of many siblings a few make room: the versions of the others stay, so that whoever edits one of them is not told STALE.
func TestFewMakeRoom(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		all := make([]*ent.Task, 60)
		for i := range all {
			all[i] = env.createTask(ctx, t, v, fmt.Sprint(i))
		}
		// The keys after 30 are as long as moves to that place make them.
		low, high := string(all[30].Position), string(all[31].Position)
		for i := range 10 {
			key := low + strings.Repeat("0", 1023-len(low)-100*i) + "1"
			if key >= high {
				t.Fatal("it is not between the two")
			}
			env.client.Task.UpdateOne(all[31+i]).SetPosition([]byte(key)).ExecX(ctx)
		}
		before := env.reload(ctx, t, all...)
		moved := mustSucceed(t)(env.Move(ctx, v, task.MoveInput{ID: all[0].ID.String(), AfterID: ptr(all[30].ID.String())}))
		touched := 0
		for i, e := range env.reload(ctx, t, all...) {
			if e.Version != before[i].Version {
				touched++
			}
		}
		if touched < 2 || touched > 18 || len(moved.Position) > 20 {
			t.Errorf("%d tasks made room for %s", touched, moved.Position)
		}
		var order []string
		for i := range all {
			if i > 0 {
				order = append(order, fmt.Sprint(i))
			}
			if i == 30 {
				order = append(order, "0")
			}
		}
		if got := env.siblingTitles(ctx, t, v, nil); got != strings.Join(order, " ") {
			t.Errorf("the order is %s", got)
		}
		env.checkInvariants(ctx, t, v)
	})
}

// Clients that move to one and the same place at once are each given a place of their own.
func TestConcurrentMoves(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		anchor := env.createTask(ctx, t, v, "anchor")
		all := make([]*ent.Task, 20)
		for i := range all {
			all[i] = env.createTask(ctx, t, v, fmt.Sprint(i))
		}
		concurrently(len(all), func(i int) {
			r, err := env.replica(t).Move(ctx, v, task.MoveInput{ID: all[i].ID.String(), BeforeID: ptr(anchor.ID.String())})
			if err != nil || len(r.UserErrors) > 0 {
				t.Error(err)
			}
		})
		rows := env.client.Task.Query().Order(byPosition).AllX(ctx)
		if last := rows[len(rows)-1]; last.ID != anchor.ID {
			t.Errorf("%s is the last", last.Title)
		}
		// Each came to stand right before the anchor: their order is that of the moves.
		if !slices.IsSortedFunc(rows[:len(all)], func(a, b *ent.Task) int { return a.Version - b.Version }) {
			t.Error("the order is not that of the moves")
		}
		env.checkInvariants(ctx, t, v)
	})
}

func TestIdempotentInputsAreToldApartAsBefore(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		e := env.createTask(ctx, t, v, "x")
		in := task.UpdateInput{ID: e.ID.String(), Title: set(ptr("y")), IdempotencyKey: ptr("k")}
		first := mustSucceed(t)(env.Update(ctx, v, in))
		key := env.client.IdempotencyKey.Query().OnlyX(ctx)
		// The JSON of the release before, which had neither priority nor due nor tags.
		hash := sha256Of("updateTask\n" + `{"id":"` + e.ID.String() + `","title":{"set":true,"value":"y"},"description":{"set":false,"value":null}}`)
		if !bytes.Equal(key.RequestHash, hash) {
			t.Error("a request that was sent to the release before is not known again")
		}
		if id := key.ID; id.Version() != 7 || time.UnixMilli(int64(id[0])<<40|int64(id[1])<<32|int64(id[2])<<24|int64(id[3])<<16|int64(id[4])<<8|int64(id[5])).Sub(env.clock.Now()).Abs() > time.Second {
			t.Errorf("%s is not of the service's clock", id)
		}
		// An answer of the release before, and one that is still there after a later change.
		old := `{"id":"` + e.ID.String() + `","workspace_id":"alice","version":2,"title":"y","created_at":"2026-11-23T07:00:00.123456Z","updated_at":"2026-11-23T07:00:00.123456Z","edges":{}}`
		key.Update().SetAnswer(old).ExecX(ctx)
		mustSucceed(t)(env.Update(ctx, v, task.UpdateInput{ID: e.ID.String(), Title: set(ptr("z"))}))
		checkTask(t, mustSucceed(t)(env.Update(ctx, v, in)), first)
	})
}

func sha256Of(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}
