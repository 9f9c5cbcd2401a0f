package graph_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"taskql/internal/viewer"
)

// uuids finds the ids of objects in an answer.
var uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

// remind sets a user's reminders of a task to moments, and returns their ids in the order of the moments.
func (f *team) remind(user, task string, moments ...string) []string {
	f.t.Helper()
	inputs := make([]string, len(moments))
	for i, at := range moments {
		inputs[i] = fmt.Sprintf("{at: %q}", at)
	}
	answer := f.do(user, `mutation { setReminders(input: {taskId: %q, reminders: [%s]}) { task { reminders { id } } userErrors { code } } }`, task, strings.Join(inputs, ", "))
	if !strings.Contains(answer, `"userErrors":[]`) {
		f.t.Fatalf("%s sets reminders: %s", user, answer)
	}
	return uuids.FindAllString(answer, -1)
}

// fire fires the reminders that are due at a moment.
func (f *team) fire(at time.Time) {
	f.t.Helper()
	f.now.Store(at.UnixNano())
	if err := f.services.Reminders.Fire(viewer.AsSystem(f.t.Context())); err != nil {
		f.t.Fatal(err)
	}
}

// TestRemindersOfOrganizations shows that members have reminders of their own on the same tasks, which nobody else finds, and find
// them in one list with those of their personal workspaces, until they leave.
func TestRemindersOfOrganizations(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		shared, other, own := f.create("ann", `workspaceId: "organization/1"`), f.create("ann", `workspaceId: "organization/2"`), f.create("bob", "")
		f.do("ann", `mutation { updateTask(input: {id: %q, assigneeId: "person/ann"}) { version } }`, shared)
		anns := f.remind("ann", shared, "2026-12-01T08:00:00Z")
		bobs := f.remind("bob", shared, "2026-12-01T09:00:00Z")
		bobs = append(bobs, f.remind("bob", own, "2026-12-01T10:00:00Z")...)
		bobs = append(bobs, f.remind("bob", other, "2026-12-01T11:00:00Z")...)
		f.fire(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC))

		const list = `{ firedReminders%s { nodes { id task { id workspace { id } assignee { name } project { id } } } edges { node { task { title } } } pageInfo { hasNextPage endCursor } } }`
		fired := func(user, page string) ([]string, string) {
			t.Helper()
			answer := f.do(user, list, page)
			if strings.Contains(answer, `"errors"`) {
				t.Fatalf("%s lists reminders: %s", user, answer)
			}
			return slices.DeleteFunc(uuids.FindAllString(answer, -1), func(id string) bool { return id == shared || id == other || id == own }), answer
		}
		want := func(when, user string, ids ...string) {
			t.Helper()
			if got, _ := fired(user, ""); !slices.Equal(got, ids) {
				t.Errorf("%s, %s finds the reminders %v, want %v", when, user, got, ids)
			}
		}
		newest := []string{bobs[2], bobs[1], bobs[0]} // All have fired at the same moment: the ids decide.
		slices.Sort(newest)
		slices.Reverse(newest)
		want("after they have fired", "ann", anns...)
		want("after they have fired", "bob", newest...)
		_, answer := fired("bob", "")
		for _, task := range []string{
			`"task":{"id":"` + shared + `","workspace":{"id":"organization/1"},"assignee":{"name":"ann"},"project":null}`,
			`"task":{"id":"` + other + `","workspace":{"id":"organization/2"},"assignee":null,"project":null}`,
			`"task":{"id":"` + own + `","workspace":{"id":"personal/bob"},"assignee":null,"project":null}`,
		} {
			if !strings.Contains(answer, task) {
				t.Errorf("bob's reminders lack %s: %s", task, answer)
			}
		}
		_, page := fired("bob", "(first: 2)")
		cursor := regexp.MustCompile(`"hasNextPage":true,"endCursor":"([^"]*)"`).FindStringSubmatch(page)
		if len(cursor) == 0 {
			t.Fatalf("the first page is %s", page)
		}
		if got, _ := fired("bob", `(after: "`+cursor[1]+`")`); !slices.Equal(got, newest[2:]) {
			t.Errorf("the second page has %v, want %v", got, newest[2:])
		}
		// A reminder is its owner's alone, also by its id and in changes.
		for _, user := range []string{"ann", "admin", "eve"} {
			if got, missing := f.do(user, `{ node(id: %q) { id } }`, bobs[0]), f.do(user, `{ node(id: %q) { id } }`, shared[:8]+bobs[0][8:]); got != missing {
				t.Errorf("%s asks for bob's reminder: %s", user, got)
			}
			for _, mutation := range []string{`dismissReminder(input: {id: %q})`, `deleteReminder(input: {id: %q})`, `snoozeReminder(input: {id: %q, until: "2026-12-09T00:00:00Z"})`} {
				if got := f.do(user, "mutation { r: "+mutation+" { userErrors { code } } }", bobs[0]); !strings.Contains(got, "NOT_FOUND") {
					t.Errorf("%s changes bob's reminder: %s", user, got)
				}
			}
		}
		f.expect("ann", `{ changes(workspaceId: "organization/1") { reminders { id } } }`, `{"changes":{"reminders":[{"id":"`+anns[0]+`"}]}}`)
		f.expect("bob", `mutation { dismissReminder(input: {id: "`+bobs[2]+`"}) { reminder { state } userErrors { code } } }`,
			`{"dismissReminder":{"reminder":{"state":"DISMISSED"},"userErrors":[]}}`)
		newest = slices.DeleteFunc(newest, func(id string) bool { return id == bobs[2] })
		want("after one was dismissed", "bob", newest...)

		// Whoever has left doesn't see what fires, and does after coming back.
		late := f.remind("bob", shared, "2026-12-02T08:00:00Z")
		f.organizations.Set("1", "bob", viewer.RoleNone)
		f.fire(time.Date(2026, 12, 2, 9, 0, 0, 0, time.UTC))
		want("after leaving", "bob", bobs[1])
		f.expect("bob", `{ node(id: "`+late[0]+`") { id } }`, `{"node":null}`)
		f.organizations.Set("1", "bob", viewer.RoleRead)
		want("after coming back", "bob", late[0], bobs[1])

		f.organizations.Fail(&viewer.Refusal{Message: "The auth server can't be reached.", Unavailable: true})
		if got := f.do("bob", `{ firedReminders { nodes { id } } }`); !strings.Contains(got, `"SERVICE_UNAVAILABLE"`) {
			t.Errorf("while the auth server is down, bob finds %s", got)
		}
		want("while the auth server is down and nothing has fired elsewhere", "eve")
	})
}

// TestGoneRemindersOfOrganizations deletes reminders in the ways that there are: changes tells their owners alone.
func TestGoneRemindersOfOrganizations(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		tasks := []string{f.create("admin", `workspaceId: "organization/1"`), f.create("admin", `workspaceId: "organization/1"`), f.create("admin", `workspaceId: "organization/1"`)}
		ids, tokens := map[string][]string{}, map[string]string{"ann": "null", "bob": "null", "admin": "null"}
		users := []string{"ann", "bob"}
		for i, user := range users {
			for _, task := range tasks {
				ids[user] = append(ids[user], f.remind(user, task, fmt.Sprintf("2026-12-01T0%d:00:00Z", i))...)
			}
		}
		const changes = `{ changes(after: %s, workspaceId: "organization/1") { gone { kind id } reminders { id } token } }`
		token := regexp.MustCompile(`"token":("[^"]*")`)
		next := func(user string) string {
			answer := f.do(user, changes, tokens[user])
			tokens[user] = token.FindStringSubmatch(answer)[1]
			return answer
		}
		for _, user := range append(users, "admin") {
			next(user)
		}
		f.remind("ann", tasks[0])
		f.do("bob", `mutation { deleteReminder(input: {id: %q}) { deletedReminderId } }`, ids["bob"][0])
		f.do("admin", `mutation { deleteTask(input: {id: %q}) { version } purgeTask(input: {id: %q}) { purgedTaskId } }`, tasks[1], tasks[1])
		f.do("admin", `mutation { deleteTask(input: {id: %q}) { version } emptyTrash(input: {workspaceId: "organization/1"}) { purgedCount } }`, tasks[2])
		for _, user := range append(users, "admin") {
			answer := next(user)
			for owner, reminders := range ids {
				for _, id := range reminders {
					if gone := strings.Contains(answer, `{"kind":"REMINDER","id":"`+id+`"}`); gone != (owner == user) {
						t.Errorf("%s is told that %s's reminder is gone: %t", user, owner, gone)
					}
				}
			}
			for _, task := range tasks[1:] {
				if !strings.Contains(answer, `{"kind":"TASK","id":"`+task+`"}`) {
					t.Errorf("%s isn't told that a task is gone: %s", user, answer)
				}
			}
		}
	})
}

// TestTodayInOrganizations lists the tasks of an organization by days: each member's are those of the member's own time zone.
func TestTodayInOrganizations(t *testing.T) {
	eachTeam(t, func(_ *testing.T, f *team) {
		abroad := f.users["bob"]
		abroad.Location = time.FixedZone("Pacific/Pago_Pago", -11*60*60)
		f.users["bob"] = abroad
		ids := make([]string, 3)
		for i, date := range []string{"2026-11-22", "2026-11-23", "2026-11-24"} { // It is the 23rd at 7:00 UTC, and the 22nd where bob is.
			ids[i] = f.create("ann", `workspaceId: "organization/1", due: {date: "`+date+`"}`)
		}
		const list = `within: %s}}, orderBy: [{field: DUE}]`
		document := `{ workspace(id: "organization/1") { facets: tasks { facets { overdue dueToday } nodes { overdue } }`
		for _, window := range []string{"OVERDUE", "TODAY", "TOMORROW"} {
			document += ` ` + window + `: tasks(filter: {due: {` + fmt.Sprintf(list, window) + `) { nodes { id } }`
		}
		document += ` } }`
		f.expect("ann", document, `{"workspace":{"facets":{"facets":{"overdue":1,"dueToday":1},"nodes":[{"overdue":false},{"overdue":false},{"overdue":true}]},`+
			`"OVERDUE":{"nodes":[{"id":"`+ids[0]+`"}]},"TODAY":{"nodes":[{"id":"`+ids[1]+`"}]},"TOMORROW":{"nodes":[{"id":"`+ids[2]+`"}]}}}`)
		f.expect("bob", document, `{"workspace":{"facets":{"facets":{"overdue":0,"dueToday":1},"nodes":[{"overdue":false},{"overdue":false},{"overdue":false}]},`+
			`"OVERDUE":{"nodes":[]},"TODAY":{"nodes":[{"id":"`+ids[0]+`"}]},"TOMORROW":{"nodes":[{"id":"`+ids[1]+`"}]}}}`)
		const live = `subscription { taskList(workspaceId: "organization/1", filter: {due: {within: TODAY}}) { placed { edge { node { id } } } totalCount } }`
		for user, id := range map[string]string{"ann": ids[1], "bob": ids[0]} {
			if got, want := string(f.first(f.t, user, live, nil)), `{"data":{"taskList":{"placed":[{"edge":{"node":{"id":"`+id+`"}}}],"totalCount":1}}}`; got != want {
				f.t.Errorf("%s's list of today is %s, want %s", user, got, want)
			}
		}
	})
}
