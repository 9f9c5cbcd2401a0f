package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// team is an API whose users are members of organizations: ann may write in the organization 1, bob may read and admin may do
// everything; all of them are in 2, too. eve is in 3, and the user 1 in none.
type team struct {
	*api

	t      *testing.T
	client *ent.Client
}

func eachTeam(t *testing.T, test func(t *testing.T, f *team)) {
	t.Helper()
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		f := &team{newAPI(t, db, "ann", "bob", "admin", "eve", "1"), t, db.Client}
		f.organizations = &testkit.Organizations{}
		f.organizations.Name("1", "One")
		for user, role := range map[string]viewer.Role{"ann": viewer.RoleWrite, "bob": viewer.RoleRead, "admin": viewer.RoleAdmin} {
			f.organizations.Set("1", user, role)
			f.organizations.Set("2", user, viewer.RoleWrite)
		}
		f.organizations.Set("3", "eve", viewer.RoleAdmin)
		test(t, f)
	})
}

// clock returns the time of the API.
func (f *team) clock() time.Time { return time.Unix(0, f.now.Load()).UTC() }

// do sends a request and returns the answer.
func (f *team) do(user, document string, args ...any) string {
	f.t.Helper()
	_, body := f.ask(f.t, user, fmt.Sprintf(document, args...), nil)
	return string(body)
}

// create creates a task and returns its id.
func (f *team) create(user, input string) string {
	f.t.Helper()
	var answer struct {
		Data struct {
			CreateTask struct{ Task *struct{ ID string } }
		}
	}
	body := f.do(user, `mutation { createTask(input: {title: "t", %s}) { task { id } userErrors { code } } }`, input)
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Data.CreateTask.Task == nil {
		f.t.Fatalf("creating a task: %s", body)
	}
	return answer.Data.CreateTask.Task.ID
}

// expect sends a request and compares the answer's data.
func (f *team) expect(user, document, want string) {
	f.t.Helper()
	if got := f.do(user, "%s", document); got != `{"data":`+want+`}` {
		f.t.Errorf("%s asks %s:\n got %s\nwant %s", user, document, got, want)
	}
}

func TestOrganizations(t *testing.T) {
	eachTeam(t, func(_ *testing.T, f *team) {
		f.expect("bob", "{ workspaces { id kind name role version } }", `{"workspaces":[`+
			`{"id":"personal/bob","kind":"PERSONAL","name":"bob","role":"ADMIN","version":0},`+
			`{"id":"organization/2","kind":"ORGANIZATION","name":"","role":"WRITE","version":0},`+
			`{"id":"organization/1","kind":"ORGANIZATION","name":"One","role":"READ","version":0}]}`)
		id := f.create("ann", `workspaceId: "organization/1"`)
		own := f.create("ann", ``)
		child := f.create("ann", `parentId: "`+id+`"`)
		f.expect("bob", `{ task(id: "`+child+`") { parent { id } workspace { id role } } }`,
			`{"task":{"parent":{"id":"`+id+`"},"workspace":{"id":"organization/1","role":"READ"}}}`)
		// Lists without an id are the personal workspace's.
		f.expect("ann", `{ tasks { nodes { id } } workspace(id: "organization/1") { tasks(filter: {completed: false}, scope: ALL, first: 1, orderBy: [{field: CREATED_AT}]) { totalCount nodes { id subtaskProgress { total } } } } }`,
			`{"tasks":{"nodes":[{"id":"`+own+`"}]},"workspace":{"tasks":{"totalCount":2,"nodes":[{"id":"`+id+`","subtaskProgress":{"total":1}}]}}}`)
		// Objects of several workspaces, each loaded in its own.
		f.expect("ann", `{ nodes(ids: ["`+id+`", "organization/2", "`+own+`", "organization/3", "`+child+`"]) { id
			... on Task { subtasks { totalCount } workspace { id } } ... on Workspace { role tags { totalCount } activity { nodes { action } } } } }`,
			`{"nodes":[{"id":"`+id+`","subtasks":{"totalCount":1},"workspace":{"id":"organization/1"}},`+
				`{"id":"organization/2","role":"WRITE","tags":{"totalCount":0},"activity":{"nodes":[]}},`+
				`{"id":"`+own+`","subtasks":{"totalCount":0},"workspace":{"id":"personal/ann"}},null,`+
				`{"id":"`+child+`","subtasks":{"totalCount":0},"workspace":{"id":"organization/1"}}]}`)
		f.expect("ann", `{ workspaces { id tasks(orderBy: [{field: CREATED_AT}]) { nodes { id workspace { id } } } } }`, `{"workspaces":[`+
			`{"id":"personal/ann","tasks":{"nodes":[{"id":"`+own+`","workspace":{"id":"personal/ann"}}]}},`+
			`{"id":"organization/2","tasks":{"nodes":[]}},`+
			`{"id":"organization/1","tasks":{"nodes":[{"id":"`+id+`","workspace":{"id":"organization/1"}},{"id":"`+child+`","workspace":{"id":"organization/1"}}]}}]}`)
	})
}

// TestRolesInOrganizations changes an organization's objects as each kind of user.
func TestRolesInOrganizations(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		id := f.create("ann", `workspaceId: "organization/1"`)
		const missing = "00000000-0000-4000-8000-000000000009"
		for _, tt := range []struct {
			mutation string
			codes    map[string]string // by user; "" is not refused
		}{
			{`setReminders(input: {taskId: %q, reminders: []})`, map[string]string{"bob": "", "ann": "", "admin": "", "eve": "NOT_FOUND", "1": "NOT_FOUND"}},
			{`createReminder(input: {taskId: %q, reminder: {at: "2026-12-20T00:00:00Z"}})`, map[string]string{"bob": "", "ann": "", "admin": "", "eve": "NOT_FOUND", "1": "NOT_FOUND"}},
			{`updateTask(input: {id: %q, title: "new"})`, map[string]string{"bob": "FORBIDDEN", "ann": "", "admin": "", "eve": "NOT_FOUND", "1": "NOT_FOUND"}},
			{`deleteTasks(input: {ids: [%q]})`, map[string]string{"bob": "FORBIDDEN", "ann": "", "admin": "", "eve": "NOT_FOUND", "1": "NOT_FOUND"}},
			{`purgeTask(input: {id: %q})`, map[string]string{"bob": "FORBIDDEN", "ann": "FORBIDDEN", "eve": "NOT_FOUND", "1": "NOT_FOUND"}},
		} {
			for user, code := range tt.codes {
				answer := f.do(user, "mutation { r: "+tt.mutation+" { userErrors { code message field } } }", id)
				if code == "" && !strings.Contains(answer, `"userErrors":[]`) || code != "" && !strings.Contains(answer, `"code":"`+code+`"`) {
					t.Errorf("%s as %s: %s, want %q", tt.mutation, user, answer, code)
				}
				if code == "NOT_FOUND" && answer != f.do(user, "mutation { r: "+tt.mutation+" { userErrors { code message field } } }", missing) {
					t.Errorf("%s as %s: %s, which differs from a missing id", tt.mutation, user, answer)
				}
			}
		}
		for _, field := range []string{
			`createTask(input: {title: "t", workspaceId: %q})`, `createTag(input: {name: "t", workspaceId: %q})`,
			`undoChange(input: {version: 1, workspaceId: %q})`, `emptyTrash(input: {workspaceId: %q})`,
		} {
			for _, workspaceID := range []string{"organization/1", "organization/9", "personal/ann", "ann", "1", ""} {
				if answer := f.do("eve", "mutation { r: "+field+" { userErrors { code field } } }", workspaceID); answer !=
					`{"data":{"r":{"userErrors":[{"code":"NOT_FOUND","field":["input","workspaceId"]}]}}}` {
					t.Errorf("%s in %q by a stranger: %s", field, workspaceID, answer)
				}
			}
		}
		if answer := f.do("ann", `mutation { emptyTrash(input: {workspaceId: "organization/1"}) { userErrors { code } } }`); !strings.Contains(answer, "FORBIDDEN") {
			t.Errorf("ann empties the trash: %s", answer)
		}
		if answer := f.do("admin", `mutation { emptyTrash(input: {workspaceId: "organization/1"}) { purgedCount } }`); !strings.Contains(answer, `"purgedCount":1`) {
			t.Errorf("admin does not empty the trash: %s", answer)
		}
	})
}

// TestObjectsOfTwoWorkspaces names objects of two workspaces in one mutation.
func TestObjectsOfTwoWorkspaces(t *testing.T) {
	eachTeam(t, func(_ *testing.T, f *team) {
		one, two, own := f.create("ann", `workspaceId: "organization/1"`), f.create("ann", `workspaceId: "organization/2"`), f.create("ann", "")
		foreign := f.create("eve", `workspaceId: "organization/3"`)
		f.expect("ann", `mutation { completeTasks(input: {ids: ["`+foreign+`", "`+strings.ToUpper(one)+`", "`+strings.ToUpper(own)+`", "`+two+`"], errorPolicy: SKIP_FAILED}) { changedCount userErrors { code field } } }`,
			`{"completeTasks":{"changedCount":0,"userErrors":[{"code":"INVALID","field":["input","ids","2"]},{"code":"INVALID","field":["input","ids","3"]}]}}`)
		f.expect("ann", `mutation { completeTasks(input: {ids: ["`+foreign+`", "`+one+`"], errorPolicy: SKIP_FAILED}) { changedCount userErrors { code } } }`,
			`{"completeTasks":{"changedCount":1,"userErrors":[]}}`)
		f.expect("ann", `mutation { createTask(input: {title: "t", workspaceId: "organization/2", parentId: "`+one+`"}) { userErrors { code field } } }`,
			`{"createTask":{"userErrors":[{"code":"NOT_FOUND","field":["input","parentId"]}]}}`)
		f.expect("ann", `mutation { moveTask(input: {id: "`+own+`", parentId: "`+one+`"}) { userErrors { code field } } }`,
			`{"moveTask":{"userErrors":[{"code":"NOT_FOUND","field":["input","parentId"]}]}}`)
		f.expect("ann", `mutation { moveTask(input: {id: "`+one+`", afterId: "`+two+`"}) { userErrors { code field } } }`,
			`{"moveTask":{"userErrors":[{"code":"NOT_FOUND","field":["input","afterId"]}]}}`)
	})
}

// TestRepeatsInOrganizations repeats changes of objects that don't exist any more, so that only the key says in which workspace they were.
func TestRepeatsInOrganizations(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		made := func(mutation, selection string) string {
			t.Helper()
			answer := f.do("ann", "mutation { %s { %s { id } } }", mutation, selection)
			at := strings.Index(answer, `"id":"`)
			if at < 0 {
				t.Fatalf("%s: %s", mutation, answer)
			}
			return answer[at+6 : at+42]
		}
		tag := made(`createTag(input: {name: "t", workspaceId: "organization/1"})`, "tag")
		project := made(`createProject(input: {name: "p", workspaceId: "organization/1"})`, "project")
		section := made(`createSection(input: {name: "s", projectId: "`+project+`"})`, "section")
		for _, tt := range []struct{ change, then, want string }{
			{
				`updateTag(input: {id: "` + tag + `", name: "new", idempotencyKey: "tag"}) { tag { name workspace { id } } version userErrors { code } }`,
				`deleteTag(input: {id: "` + tag + `"}) { deletedTagId }`, `{"tag":{"name":"new","workspace":{"id":"organization/1"}},"version":4,"userErrors":[]}`,
			},
			{
				`updateSection(input: {id: "` + section + `", name: "new", idempotencyKey: "section"}) { section { name project { id } } version userErrors { code } }`,
				`deleteSection(input: {id: "` + section + `"}) { deletedSectionId }`, `{"section":{"name":"new","project":{"id":"` + project + `"}},"version":6,"userErrors":[]}`,
			},
		} {
			f.expect("ann", `mutation { r: `+tt.change+` }`, `{"r":`+tt.want+`}`)
			f.do("ann", "mutation { r: %s }", tt.then)
			f.expect("ann", `mutation { r: `+tt.change+` }`, `{"r":`+tt.want+`}`)
		}
		const repeat, selection = `mutation { updateTag(input: {id: "%s", name: "new", idempotencyKey: "tag"}) `, `{ tag { id } userErrors { code field } } }`
		for role, want := range map[viewer.Role]string{viewer.RoleRead: "FORBIDDEN", viewer.RoleNone: "NOT_FOUND"} {
			f.organizations.Set("1", "ann", role)
			f.expect("ann", fmt.Sprintf(repeat, tag)+selection, `{"updateTag":{"tag":null,"userErrors":[{"code":"`+want+`","field":null}]}}`)
		}
		f.expect("bob", fmt.Sprintf(repeat, tag)+selection, `{"updateTag":{"tag":null,"userErrors":[{"code":"NOT_FOUND","field":["input","id"]}]}}`)
	})
}

// TestSerialIDs shows that the user 1 and the organization 1 share nothing.
func TestSerialIDs(t *testing.T) {
	eachTeam(t, func(_ *testing.T, f *team) {
		team, own := f.create("ann", `workspaceId: "organization/1"`), f.create("1", "")
		f.expect("1", "{ workspaces { id } tasks(scope: ALL) { nodes { id } } }", `{"workspaces":[{"id":"personal/1"}],"tasks":{"nodes":[{"id":"`+own+`"}]}}`)
		f.expect("1", `{ task(id: "`+team+`") { id } workspace(id: "organization/1") { id } node(id: "`+team+`") { id } }`, `{"task":null,"workspace":null,"node":null}`)
		f.expect("ann", `{ task(id: "`+own+`") { id } workspace(id: "personal/1") { id } a: workspace(id: "1") { id } workspaces { tasks(scope: ALL) { nodes { id } } } }`,
			`{"task":null,"workspace":null,"a":null,"workspaces":[{"tasks":{"nodes":[]}},{"tasks":{"nodes":[]}},{"tasks":{"nodes":[{"id":"`+team+`"}]}}]}`)
	})
}

// TestMembershipsInAnOutage shows what is found while the auth server is down: the viewer's own.
func TestMembershipsInAnOutage(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		team, own := f.create("ann", `workspaceId: "organization/1"`), f.create("ann", "")
		f.organizations.Fail(&viewer.Refusal{Message: "The auth server can't be reached.", Unavailable: true})
		f.expect("ann", `{ task(id: "`+own+`") { id } tasks { nodes { id } } }`, `{"task":{"id":"`+own+`"},"tasks":{"nodes":[{"id":"`+own+`"}]}}`)
		f.expect("ann", `mutation { completeTask(input: {id: "`+own+`"}) { userErrors { code } } }`, `{"completeTask":{"userErrors":[]}}`)
		for _, id := range []string{team, uuid.NewString()} {
			for _, document := range []string{
				`{ task(id: %q) { id } }`, `{ nodes(ids: [%q]) { id } }`, `mutation { completeTask(input: {id: %q}) { userErrors { code } } }`,
			} {
				if answer := f.do("ann", document, id); !strings.Contains(answer, `"code":"SERVICE_UNAVAILABLE"`) {
					t.Errorf("%s for %s: %s", document, id, answer)
				}
			}
		}
	})
}

// TestETagsOfOrganizations shows which answers have an entity tag: none that may depend on an organization's workspace, in which the
// user's role may change at any time.
func TestETagsOfOrganizations(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		own, alone := f.create("ann", ""), f.create("1", "")
		has := func(user, query string) bool {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql?query="+url.QueryEscape(query), nil)
			r.Header.Set("User", user)
			r.Header.Set("Accept", "application/graphql-response+json")
			w := httptest.NewRecorder()
			f.ServeHTTP(w, r)
			if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "errors") {
				t.Fatalf("%s: %d %s", query, w.Code, w.Body)
			}
			return w.Header().Get("ETag") != ""
		}
		for _, tt := range []struct {
			query             string
			member, nonMember bool
		}{
			{`{ tasks { nodes { id } } }`, true, true},
			{`{ changes { token } }`, true, true},
			{`{ task(id: "` + own + `") { id } }`, false, true},
			{`{ task(id: "` + alone + `") { id } }`, false, true},
			{`{ nodes(ids: ["` + own + `"]) { id } }`, false, true},
			{`{ workspaces { id } }`, false, true},
			{`{ workspaces { members { person { name } } } }`, false, true},
			{`{ node(id: "person/ann") { id } }`, false, true},
			{`{ projects { nodes { workspace { id } } } }`, false, true},
			// Only the viewer is shown in a personal workspace.
			{`{ tasks { nodes { assignee { name } createdBy { name } } facets { byAssignee { assignee { name } } } } }`, true, true},
			{`{ activity { nodes { actor { person { name } } } } }`, true, true},
			{`{ tasks { nodes { workspace { name } } } }`, false, true},
			{`{ workspace(id: "organization/1") { id } }`, false, true},
		} {
			if member, nonMember := has("ann", tt.query), has("1", tt.query); member != tt.member || nonMember != tt.nonMember {
				t.Errorf("%s has an entity tag: for a member %t, for others %t", tt.query, member, nonMember)
			}
		}
		if has("ann", `{ changes(workspaceId: "organization/1") { token } }`) {
			t.Error("the changes of an organization have an entity tag")
		}
	})
}

// TestStreamsOfOrganizations ends a subscription to an organization's changes when its user is no member any more.
func TestStreamsOfOrganizations(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		const document = `subscription { changes(workspaceId: "organization/1") { tasks { title } version } }`
		missing := string(f.first(t, "eve", document, nil))
		if !strings.Contains(missing, `"NOT_FOUND"`) || missing != string(f.first(t, "eve", strings.Replace(document, "/1", "/9", 1), nil)) {
			t.Errorf("a stranger gets %s", missing)
		}
		out, s := subscribeTo(t, f.api, "bob", document, nil)
		defer s.Stop()
		if got := <-out.next; got != `{"data":{"changes":{"tasks":[],"version":0}}}` {
			t.Errorf("the first result is %s", got)
		}
		f.create("ann", `workspaceId: "organization/1"`)
		f.hub.Changed("organization/1", 1)
		if got := <-out.next; got != `{"data":{"changes":{"tasks":[{"title":"t"}],"version":1}}}` {
			t.Errorf("after a change of another member it is %s", got)
		}
		f.organizations.Set("1", "bob", viewer.RoleNone)
		f.create("ann", `workspaceId: "organization/1"`)
		f.hub.Changed("organization/1", 2)
		select {
		case got := <-out.next:
			t.Errorf("after leaving, it is %s", got)
		case errs := <-out.end:
			if got, err := json.Marshal(map[string]any{"errors": errs}); err != nil || string(got) != missing {
				t.Errorf("it ends with %s and not with %s", got, missing)
			}
		case <-time.After(time.Minute):
			t.Error("it does not end after leaving")
		}
	})
}

// TestStreamsOfTwoSessions ends the subscription of a user's API key that may not ask for organizations any more, while the user's browser
// is subscribed to the same.
func TestStreamsOfTwoSessions(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		const document = `subscription { changes(workspaceId: "organization/1") { version } }`
		browser, s := subscribeTo(t, f.api, "bob", document, nil)
		defer s.Stop()
		allowed := &testkit.Organizations{}
		allowed.Set("1", "bob", viewer.RoleRead)
		ctx := viewer.WithMemberships(f.signIn(context.WithoutCancel(t.Context()), "bob"), allowed.Of("bob"))
		key, s := subscribeBy(ctx, t, f.api, "bob", document, nil)
		defer s.Stop()
		for _, out := range []*results{browser, key} {
			if got := <-out.next; got != `{"data":{"changes":{"version":0}}}` {
				t.Errorf("the first result is %s", got)
			}
		}
		allowed.Set("1", "bob", viewer.RoleNone)
		f.create("ann", `workspaceId: "organization/1"`)
		f.hub.Changed("organization/1", 1)
		if got := <-browser.next; got != `{"data":{"changes":{"version":1}}}` {
			t.Errorf("the browser gets %s", got)
		}
		key.wantEnd("NOT_FOUND")
	})
}

// TestDeletedWorkspace deletes the workspace of an organization that still exists: its members are not told that they are signed out.
func TestDeletedWorkspace(t *testing.T) {
	eachTeam(t, func(t *testing.T, f *team) {
		id := f.create("ann", `workspaceId: "organization/1"`)
		if err := f.services.Tasks.EraseWorkspace(viewer.AsSystem(t.Context()), "organization/1", nil); err != nil {
			t.Fatal(err)
		}
		f.expect("ann", `{ task(id: "`+id+`") { id } workspace(id: "organization/1") { id } }`, `{"task":null,"workspace":null}`)
		for _, field := range []string{"createTask(input: {title: \"t\"", "createTag(input: {name: \"t\"", "createProject(input: {name: \"t\""} {
			answer := f.do("ann", `mutation { %s, workspaceId: "organization/1"}) { version } }`, field)
			if !strings.Contains(answer, `"code":"SERVICE_UNAVAILABLE"`) || !strings.Contains(answer, "This workspace is being deleted") {
				t.Errorf("%s: %s", field, answer)
			}
		}
	})
}
