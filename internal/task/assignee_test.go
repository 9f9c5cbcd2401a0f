package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/activity"
	"taskql/ent/member"
	enttask "taskql/ent/task"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/recurrence"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

const (
	notTheUser = "INVALID input.assigneeId"
	notAMember = notTheUser
)

// organizationEnv has an organization, acme, with an owner, Alice, and a member, Bob.
type organizationEnv struct {
	*testEnv

	organizations testkit.Organizations
}

func eachOrganization(t *testing.T, test func(t *testing.T, env *organizationEnv)) {
	t.Helper()
	eachDatabase(t, func(t *testing.T, env *testEnv) { test(t, newOrganizationEnv(t, env)) })
}

func newOrganizationEnv(t *testing.T, env *testEnv) *organizationEnv {
	t.Helper()
	o := &organizationEnv{testEnv: env}
	o.organizations.Set("acme", "alice", viewer.RoleAdmin)
	o.organizations.Set("acme", "bob", viewer.RoleWrite)
	env.client.Workspace.Create().SetID(workspace.OrganizationID("acme")).SetKind("ORGANIZATION").ExecX(viewer.AsSystem(t.Context()))
	return o
}

// in returns a user as the user acts in acme.
func (o *organizationEnv) in(t *testing.T, id string) (context.Context, viewer.Viewer) {
	t.Helper()
	ctx, v := o.userContext(id)
	if !o.client.Workspace.Query().Where(entworkspace.ID(v.WorkspaceID)).ExistX(viewer.AsSystem(t.Context())) {
		o.newUser(t, id)
	}
	memberships := o.organizations.Of(id)
	role, err := memberships.Role(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	return viewer.WithMemberships(ctx, memberships), v.In(workspace.OrganizationID("acme"), role)
}

// assign gives a task to a person, and returns the refusal.
func (env *testEnv) assign(ctx context.Context, t *testing.T, v viewer.Viewer, e *ent.Task, person *string) (*ent.Task, string) {
	t.Helper()
	r, err := env.Update(ctx, v, task.UpdateInput{ID: e.ID.String(), Patch: task.Patch{AssigneeID: set(person)}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Task, formatUserErrors(r.UserErrors)
}

func person(userID string) *string { return ptr(workspace.PersonID(userID)) }

// assigned formats who a task is assigned to, and who made it.
func assigned(e *ent.Task) string {
	format := func(id *string) string {
		if id == nil {
			return "nobody"
		}
		return *id
	}
	return format(e.AssigneeID) + ", by " + format(e.CreatedBy)
}

func TestAssigneeInPersonalWorkspace(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		ctx, v := env.newUser(t, "alice")
		env.newUser(t, "bob")
		e := env.createTask(ctx, t, v, "one")
		for _, of := range []string{"person/bob", "person/nobody", "person/", "alice", "bob", ""} {
			if _, got := env.assign(ctx, t, v, e, &of); got != notTheUser {
				t.Errorf("%q: got %q", of, got)
			}
			r, err := env.Create(ctx, v, task.CreateInput{Title: "new", AssigneeID: &of})
			if err != nil || formatUserErrors(r.UserErrors) != notTheUser {
				t.Errorf("creating for %q: %v, %v", of, formatUserErrors(r.UserErrors), err)
			}
		}
		changed, refusal := env.assign(ctx, t, v, e, person("alice"))
		if got := assigned(changed); refusal != "" || got != "alice, by nobody" || changed.Version != e.Version+1 {
			t.Errorf("got %s at %d, %s", got, changed.Version, refusal)
		}
		if again, _ := env.assign(ctx, t, v, e, person("alice")); again.Version != changed.Version {
			t.Errorf("the same assignee makes version %d", again.Version)
		}
		if cleared, _ := env.assign(ctx, t, v, e, nil); cleared.AssigneeID != nil {
			t.Errorf("got %s", assigned(cleared))
		}
		r, err := env.Create(ctx, v, task.CreateInput{Title: "mine", AssigneeID: person("alice")})
		if err != nil || assigned(r.Task) != "alice, by nobody" {
			t.Errorf("got %v, %v", r, err)
		}
		env.checkStored(ctx, t, r.Task)
		if got := task.CreatorOf(v, r.Task.CreatedBy); *got != "alice" {
			t.Errorf("made by %s", *got)
		}
	})
}

func TestAssigneeInOrganization(t *testing.T) {
	t.Parallel()
	eachOrganization(t, func(t *testing.T, env *organizationEnv) {
		ctx, alice := env.in(t, "alice")
		e := env.createTask(ctx, t, alice, "one")
		if got := assigned(e); got != "nobody, by alice" {
			t.Errorf("got %s", got)
		}
		env.organizations.Set("other", "carol", viewer.RoleAdmin)
		for _, of := range []string{"person/carol", "person/nobody", "bob", "organization/acme"} {
			if _, got := env.assign(ctx, t, alice, e, &of); got != notAMember {
				t.Errorf("%q: got %q", of, got)
			}
		}
		changed, refusal := env.assign(ctx, t, alice, e, person("bob"))
		if got := assigned(changed); refusal != "" || got != "bob, by alice" {
			t.Errorf("got %s, %s", got, refusal)
		}
		env.checkStored(ctx, t, changed)
		rows := env.client.Member.Query().Where(workspace.Scope(alice), member.UserID("bob")).AllX(ctx)
		if len(rows) != 1 || rows[0].Name != "bob" {
			t.Errorf("the members are %v", rows)
		}
		asked := env.organizations.Asked()
		if own, _ := env.assign(ctx, t, alice, e, person("alice")); assigned(own) != "alice, by alice" || env.organizations.Asked() != asked {
			t.Errorf("got %s after %d questions", assigned(own), env.organizations.Asked()-asked)
		}

		// A request that is repeated gets its first answer, also if the assignee has left.
		in := task.CreateInput{Title: "two", AssigneeID: person("bob"), IdempotencyKey: ptr("key")}
		first, err := env.Create(ctx, alice, in)
		if err != nil || len(first.UserErrors) > 0 {
			t.Fatal(first, err)
		}
		many := func() string {
			r, err := env.UpdateMany(ctx, alice, task.UpdateManyInput{
				BulkInput: task.BulkInput{IDs: []string{e.ID.String(), first.Task.ID.String()}}, Patch: task.Patch{AssigneeID: set(person("bob"))},
			})
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(r.ChangedCount, " ", formatUserErrors(r.UserErrors))
		}
		if got := many(); got != "1 " {
			t.Errorf("got %s", got)
		}
		env.organizations.Set("acme", "bob", viewer.RoleNone)
		if again, err := env.Create(ctx, alice, in); err != nil || again.Task == nil || again.Task.ID != first.Task.ID {
			t.Errorf("got %v, %v", again, err)
		}
		if got := many(); got != "0 INVALID input.patch.assigneeId" {
			t.Errorf("got %s", got)
		}
		if now := env.reload(ctx, t, e)[0]; assigned(now) != "bob, by alice" { // A leaver's assignments stay.
			t.Errorf("got %s", assigned(now))
		}
	})
}

// The auth server is asked before the transaction, and only for those who may change the task.
func TestAssigneeIsAskedFor(t *testing.T) {
	t.Parallel()
	eachOrganization(t, func(t *testing.T, env *organizationEnv) {
		ctx, alice := env.in(t, "alice")
		e := env.createTask(ctx, t, alice, "one")
		env.organizations.Set("acme", "reader", viewer.RoleRead)
		readerContext, reader := env.in(t, "reader")
		asked := env.organizations.Asked()
		if _, got := env.assign(readerContext, t, reader, e, person("bob")); got != "FORBIDDEN" || env.organizations.Asked() != asked {
			t.Errorf("got %s after %d questions", got, env.organizations.Asked()-asked)
		}
		down := &viewer.Refusal{Message: "down", Unavailable: true}
		env.organizations.Fail(down)
		_, err := env.Update(ctx, alice, task.UpdateInput{ID: e.ID.String(), Patch: task.Patch{AssigneeID: set(person("bob"))}})
		if !errors.Is(err, down) {
			t.Errorf("got %v", err)
		}
		// With a JWT, those count who were seen before.
		env.organizations.Fail(viewer.ErrMembersUnknown)
		if _, got := env.assign(ctx, t, alice, e, person("bob")); got != notAMember {
			t.Errorf("got %q", got)
		}
		_, err = env.workspaces.RecordMembers(ctx, alice, viewer.Member{UserID: "bob", Name: "Bob"})
		if err != nil {
			t.Fatal(err)
		}
		if changed, got := env.assign(ctx, t, alice, e, person("bob")); got != "" || *changed.AssigneeID != "bob" {
			t.Errorf("got %q", got)
		}
		// Nobody gets tasks whose erasure has begun.
		env.organizations.Fail(nil)
		if _, err := env.RemoveUser(viewer.AsSystem(ctx), task.Removal{UserID: "bob"}); err != nil {
			t.Fatal(err)
		}
		if _, got := env.assign(ctx, t, alice, e, person("bob")); got != notAMember {
			t.Errorf("got %q", got)
		}
	})
}

func TestAssigneeOfNextOccurrence(t *testing.T) {
	t.Parallel()
	eachOrganization(t, func(t *testing.T, env *organizationEnv) {
		ctx, alice := env.in(t, "alice")
		due := &task.DueInput{Date: ptr(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))}
		r, err := env.Create(ctx, alice, task.CreateInput{
			Title: "weekly", Due: due, AssigneeID: person("alice"), Recurrence: &recurrence.Input{Rule: "FREQ=WEEKLY"},
		})
		if err != nil || len(r.UserErrors) > 0 {
			t.Fatal(r, err)
		}
		bobContext, bob := env.in(t, "bob")
		done, err := env.Complete(bobContext, bob, workspace.TargetInput{ID: r.Task.ID.String()})
		if err != nil || done.Next == nil {
			t.Fatal(done, err)
		}
		if got := assigned(done.Next); got != "alice, by bob" {
			t.Errorf("got %s", got)
		}
	})
}

func TestUndoOfAssignee(t *testing.T) {
	t.Parallel()
	eachOrganization(t, func(t *testing.T, env *organizationEnv) {
		ctx, alice := env.in(t, "alice")
		u := &undoEnv{env.testEnv, ctx, alice}
		e := u.task(t, "e")
		assign := func(of *string) int {
			t.Helper()
			env.clock.advance(time.Second)
			changed, refusal := env.assign(ctx, t, alice, e, of)
			if refusal != "" {
				t.Fatal(refusal)
			}
			return changed.Version
		}
		one := assign(person("alice"))
		two := assign(person("bob"))
		u.refused(t, one, stale(by("e.assignee", two)))
		if a := u.activities(ctx, t, alice, two)[0]; *a.Changes.Assignee.From() != "alice" || *a.Changes.Assignee.To() != "bob" {
			t.Errorf("the history says %v", a.Changes)
		}
		env.organizations.Set("acme", "bob", viewer.RoleNone)
		undone := u.undo(t, two)
		if now := u.reload(ctx, t, e)[0]; *now.AssigneeID != "alice" {
			t.Errorf("got %s", assigned(now))
		}
		u.undo(t, undone)
		if now := u.reload(ctx, t, e)[0]; *now.AssigneeID != "bob" {
			t.Errorf("got %s", assigned(now))
		}
		cleared := assign(nil)
		u.undo(t, cleared)
	})
}

func TestFacetByAssignee(t *testing.T) {
	t.Parallel()
	eachOrganization(t, func(t *testing.T, env *organizationEnv) {
		ctx, alice := env.in(t, "alice")
		for _, of := range []*string{nil, nil, nil, person("bob"), person("alice"), person("bob")} {
			r, err := env.Create(ctx, alice, task.CreateInput{Title: "task", AssigneeID: of})
			if err != nil || len(r.UserErrors) > 0 {
				t.Fatal(r, err)
			}
		}
		page, err := env.List(ctx, alice, task.ListInput{Scope: task.ScopeActive, Selection: task.Selection{CountsOnly: true, Facets: []task.Facet{"byAssignee"}}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range page.Facets.ByAssignee {
			got = append(got, fmt.Sprint(assigned(&ent.Task{AssigneeID: c.UserID}), " ", c.Count))
		}
		want := []string{"bob, by nobody 2", "alice, by nobody 1", "nobody, by nobody 3"}
		if !slices.Equal(got, want) {
			t.Errorf("got %s", strings.Join(got, "; "))
		}
	})
}

// Erasing a user leaves nothing of the user in the workspaces of organizations, in batches, and what others have there stays.
func TestRemoveMember(t *testing.T) {
	t.Parallel()
	eachOrganization(t, func(t *testing.T, env *organizationEnv) {
		env.newUser(t, "bob")
		ctx, alice := env.in(t, "alice")
		bobContext, bob := env.in(t, "bob")
		mine := env.createTask(ctx, t, alice, "mine")
		theirs := env.createTask(bobContext, t, bob, "theirs")
		for _, of := range []*string{person("bob"), person("alice"), person("bob")} {
			if _, refusal := env.assign(ctx, t, alice, mine, of); refusal != "" {
				t.Fatal(refusal)
			}
		}
		const many = workspace.BatchSize + 1
		rows := make([]*ent.TaskCreate, many)
		for i := range rows {
			rows[i] = env.client.Task.Create().SetID(uuid.New()).SetWorkspaceID(alice.WorkspaceID).SetVersion(1).SetTitle("many").
				SetAssigneeID("bob").SetCreatedBy("bob")
		}
		env.client.Task.CreateBulk(rows...).ExecX(ctx)
		env.client.Reminder.Create().SetID(uuid.New()).SetWorkspaceID(alice.WorkspaceID).SetUserID("bob").SetTaskID(mine.ID).SetVersion(1).
			SetState("WAITING").ExecX(ctx)
		env.client.Tombstone.Create().SetID(uuid.New()).SetWorkspaceID(alice.WorkspaceID).SetVersion(1).SetKind("REMINDER").
			SetObjectID(uuid.New()).SetUserID("bob").ExecX(ctx)
		for _, id := range []string{"alice", "dave"} {
			if _, err := env.workspaces.RecordMembers(ctx, alice, viewer.Member{UserID: id, Name: id}); err != nil {
				t.Fatal(err)
			}
		}
		// More activities of others than are looked at in one batch, with bob's and dave's among them. Dave has nothing else.
		changes := env.client.Activity.Query().CountX(ctx)
		for version, end := 100, 11_100; version < end; version += 500 {
			others := make([]*ent.ActivityCreate, 500)
			for i := range others {
				actor := "carol"
				switch i {
				case 100:
					actor = "bob"
				case 200:
					actor = "dave"
				}
				others[i] = env.client.Activity.Create().SetID(uuid.Must(uuid.NewV7())).SetWorkspaceID(alice.WorkspaceID).SetVersion(version + i).
					SetTaskID(mine.ID).SetActorID(actor).SetVia("SESSION").SetAction("UPDATED")
			}
			env.client.Activity.CreateBulk(others...).ExecX(ctx)
		}
		env.client.Workspace.UpdateOneID(alice.WorkspaceID).SetVersion(11_100).ExecX(ctx)
		before := workspaceVersion(ctx, t, env.testEnv, alice)
		system := viewer.AsSystem(ctx)
		present, err := env.CountUser(system, "bob")
		if err != nil {
			t.Fatal(err)
		}
		erased, err := env.EraseUser(system, "bob", nil)
		if err != nil {
			t.Fatal(err)
		}
		want := task.Erased{Users: 1, Memberships: 1, Assignments: many + 1, CreatedTasks: many + 1, Activities: 22 + 4, Reminders: 1}
		if present != want || erased != want {
			t.Errorf("counted %+v and erased %+v, want %+v", present, erased, want)
		}
		for what, n := range map[string]int{
			"tasks":      env.client.Task.Query().Where(enttask.Or(enttask.AssigneeID("bob"), enttask.CreatedBy("bob"))).CountX(system),
			"activities": env.client.Activity.Query().Where(activity.Or(activity.ActorID("bob"), activity.ChangesContains("bob"))).CountX(system),
			"reminders":  env.client.Reminder.Query().CountX(system),
			"tombstones": env.client.Tombstone.Query().CountX(system),
			"members":    env.client.Member.Query().Where(member.UserID("bob")).CountX(system),
		} {
			if n > 0 {
				t.Errorf("%d %s are left", n, what)
			}
		}
		now := env.reload(ctx, t, mine, theirs)
		if got := assigned(now[0]); got != "nobody, by alice" || now[0].Version <= before {
			t.Errorf("got %s at version %d", got, now[0].Version)
		}
		if got := assigned(now[1]); got != "nobody, by nobody" || now[1].Version != theirs.Version {
			t.Errorf("got %s at version %d", got, now[1].Version)
		}
		if n := env.client.Activity.Query().CountX(system); n != changes+11_000 {
			t.Errorf("there are %d activities, were %d", n, changes+11_000)
		}
		if n := env.client.Activity.Query().Where(activity.ActorID("alice")).CountX(system); n != 4 {
			t.Errorf("alice has %d activities", n)
		}
		env.newUser(t, "dave")
		if _, err := env.EraseUser(system, "dave", nil); err != nil {
			t.Fatal(err)
		}
		if n := env.client.Activity.Query().Where(activity.ActorID("dave")).CountX(system); n != 0 {
			t.Errorf("%d activities of dave are left", n)
		}
		if n := env.client.Member.Query().CountX(system); n != 1 {
			t.Errorf("%d members are left", n)
		}
	})
}
