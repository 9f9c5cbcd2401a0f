package server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"taskql/internal/testkit"
)

// organization is a team with a server, and an organization of two members.
type organization struct {
	*team
	*teamServer

	owner, member *testkit.AuthClient
	// id is the organization's, and workspaceID its workspace's.
	id, workspaceID string
}

const (
	organizationTTL      = 15 * time.Second
	organizationStaleTTL = 2 * time.Minute
)

// newOrganization makes an organization whose member may write.
func newOrganization(t *testing.T, f *team, s *teamServer, owner, member *testkit.AuthClient, name string) *organization {
	t.Helper()
	o := &organization{team: f, teamServer: s, owner: owner, member: member, id: f.client.Create(t, owner, name)}
	o.workspaceID = "organization/" + o.id
	f.client.Join(t, owner, o.id, member, "member@example.com", "admin")
	s.advance(organizationTTL) // Lists that were known don't have it.
	return o
}

// create creates a task in the organization's workspace, and returns the code of the user error.
func (o *organization) create(t *testing.T, header http.Header, title string) string {
	t.Helper()
	_, answer := mustCall(t, o.url, header, `mutation { createTask(input: {title: "`+title+`", workspaceId: "`+o.workspaceID+`"}) { userErrors { code } } }`)
	var body struct {
		Data struct {
			CreateTask struct{ UserErrors []struct{ Code string } }
		}
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.Unmarshal([]byte(answer), &body); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	switch {
	case len(body.Errors) > 0:
		return body.Errors[0].Extensions.Code
	case len(body.Data.CreateTask.UserErrors) > 0:
		return body.Data.CreateTask.UserErrors[0].Code
	default:
		return ""
	}
}

// see returns the user's role in the organization's workspace, "" if it is missing, or the code of the error.
func (o *organization) see(t *testing.T, header http.Header) string {
	t.Helper()
	_, answer := mustCall(t, o.url, header, `{ workspace(id: "`+o.workspaceID+`") { role tasks { totalCount } } }`)
	var body struct {
		Data   struct{ Workspace *struct{ Role string } }
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.Unmarshal([]byte(answer), &body); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	switch {
	case len(body.Errors) > 0:
		return body.Errors[0].Extensions.Code
	case body.Data.Workspace != nil:
		return body.Data.Workspace.Role
	default:
		return ""
	}
}

// watch opens an event stream of the changes and a WebSocket with a live list, both of the organization's workspace.
func (o *organization) watch(t *testing.T, header http.Header) (*eventReader, func() string) {
	t.Helper()
	changes := `subscription { changes(workspaceId: "` + o.workspaceID + `") { tasks { title } version } }`
	events := watchURL(t, o.url+graphqlPath+"?query="+url.QueryEscape(changes), header)
	conn, status := dialSocket(t, o.url+graphqlPath, header)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("a WebSocket: %d", status)
	}
	list := `{"id":"l","type":"subscribe","payload":{"query":"subscription { taskList(workspaceId: \"` + o.workspaceID + `\") { placed { edge { node { title } } } } }"}}`
	if got := exchange(t, conn, 2, initMessage, list); len(got) < 2 || !strings.Contains(got[1], `"next"`) {
		t.Fatalf("a live list: %q", got)
	}
	return events, func() string { return exchange(t, conn, 1)[0] }
}

// TestMembershipsEnd lets memberships end at a real Better Auth in each way. Until SESSION_CACHE_TTL has passed the member may do what
// the role allowed; then requests get what strangers get, and streams end with the next change. JWTs are as old as they are.
func TestMembershipsEnd(t *testing.T) {
	t.Parallel()
	f := newTeam(t, testkit.BetterAuthOptions{})
	s := f.serve(t, testkit.SQLiteURL(t), map[string]string{"WORKSPACE_ROLES": teamRoles})
	owner, member := f.signUp(t, "owner", "Owen"), f.signUp(t, "member", "Mia")
	for _, tt := range []struct {
		name string
		// end is a call of Better Auth's client.
		by     *testkit.AuthClient
		method string
		input  map[string]any
		// role and code are what the member has then.
		role, code string
	}{
		{"removed", owner, "organization.removeMember", map[string]any{"memberIdOrEmail": "member@example.com"}, "", "NOT_FOUND"},
		{"left", member, "organization.leave", map[string]any{}, "", "NOT_FOUND"},
		{"demoted", owner, "organization.updateMemberRole", map[string]any{"role": "member"}, "READ", "FORBIDDEN"},
		{"organization deleted", owner, "organization.delete", map[string]any{}, "", "NOT_FOUND"},
	} {
		o := newOrganization(t, f, s, owner, member, tt.name)
		check := func(what string, header http.Header, role, code string) {
			t.Helper()
			if gotRole, gotCode := o.see(t, header), o.create(t, header, what); gotRole != role || gotCode != code {
				t.Errorf("%s, %s: the role is %q, and creating a task gets %q; want %q, %q", tt.name, what, gotRole, gotCode, role, code)
			}
		}
		cookie, jwt := member.Header(), bearer(member.JWT(t))
		check("before", cookie, "WRITE", "")
		check("before, by JWT", jwt, "WRITE", "")
		if role := o.see(t, owner.Header()); role != "ADMIN" {
			t.Errorf("%s: the owner's role is %q", tt.name, role)
		}
		events, nextOfList := o.watch(t, cookie)
		byJWT, _ := o.watch(t, jwt)
		if tt.name == "demoted" {
			tt.input["memberId"] = o.memberID(t, member.UserID)
		}
		tt.input["organizationId"] = o.id
		f.client.Call(t, tt.by, tt.method, tt.input)

		check("before the TTL", cookie, "WRITE", "")
		events.want(`"before the TTL"`)
		byJWT.want(`"before the TTL"`)
		if got := nextOfList(); !strings.Contains(got, `"before the TTL"`) {
			t.Errorf("%s: the live list gets %s", tt.name, got)
		}
		s.advance(organizationTTL)
		check("after the TTL", cookie, tt.role, tt.code)
		check("after the TTL, by JWT", jwt, "WRITE", "") // As old as the token. It also makes a change, of which streams are told.
		byJWT.want(`"after the TTL, by JWT"`)
		if tt.role == "READ" {
			events.want(`"after the TTL, by JWT"`)
			if got := nextOfList(); !strings.Contains(got, `"after the TTL, by JWT"`) {
				t.Errorf("%s: the live list gets %s", tt.name, got)
			}
			continue
		}
		events.want(`"NOT_FOUND"`)
		if _, open := <-events.events; open {
			t.Errorf("%s: the stream goes on", tt.name)
		}
		if got := nextOfList(); !strings.Contains(got, `"error"`) && !strings.Contains(got, `"NOT_FOUND"`) || strings.Contains(got, "JWT") {
			t.Errorf("%s: the live list gets %s", tt.name, got)
		}
		if _, answer := mustCall(t, s.url, cookie, `{ workspaces { id } }`); strings.Contains(answer, o.workspaceID) {
			t.Errorf("%s: the workspace is listed: %s", tt.name, answer)
		}
	}
}

// memberID returns the id of a member's row at the auth server.
func (o *organization) memberID(t *testing.T, userID string) string {
	t.Helper()
	data := o.client.Call(t, o.owner, "organization.listMembers", map[string]any{"query": map[string]any{"organizationId": o.id}})
	var list struct{ Members []struct{ ID, UserID string } }
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	for _, m := range list.Members {
		if m.UserID == userID {
			return m.ID
		}
	}
	t.Fatalf("%s is no member: %s", userID, data)
	return ""
}

// TestActiveOrganizations has two tabs of one session with different active organizations: that means nothing here. Requests act in
// the workspace that they name, and those that name none in the personal one.
func TestActiveOrganizations(t *testing.T) {
	t.Parallel()
	f := newTeam(t, testkit.BetterAuthOptions{})
	s := f.serve(t, testkit.SQLiteURL(t), nil)
	owner, member := f.signUp(t, "owner", "Owen"), f.signUp(t, "member", "Mia")
	tabs := []*organization{newOrganization(t, f, s, owner, member, "First"), newOrganization(t, f, s, owner, member, "Second")}
	for i := range 4 {
		f.client.Call(t, member, "organization.setActive", map[string]any{"organizationId": tabs[i%2].id})
		s.advance(organizationTTL * time.Duration(i%3)) // With and without what was cached.
		for _, tab := range tabs {
			if code := tab.create(t, member.Header(), "in "+tab.id); code != "" {
				t.Errorf("creating a task: %s", code)
			}
			_, answer := mustCall(t, s.url, member.Header(), `{ workspace(id: "`+tab.workspaceID+`") { tasks { nodes { title } } } tasks { totalCount } }`)
			for _, other := range tabs {
				if has := strings.Count(answer, `"in `+other.id+`"`); has != map[bool]int{true: i + 1}[other == tab] {
					t.Errorf("%d tasks of %s in %s: %s", has, other.id, tab.id, answer)
				}
			}
			if !strings.Contains(answer, `"tasks":{"totalCount":0}}}`) {
				t.Errorf("the personal workspace: %s", answer)
			}
		}
	}
}

// TestOrganizationsInAnOutage takes the auth server away for a minute, for longer than SESSION_STALE_TTL, and brings it back.
func TestOrganizationsInAnOutage(t *testing.T) {
	t.Parallel()
	f := newTeam(t, testkit.BetterAuthOptions{})
	s := f.serve(t, testkit.SQLiteURL(t), map[string]string{"WORKSPACE_ROLES": teamRoles})
	owner, member := f.signUp(t, "owner", "Owen"), f.signUp(t, "member", "Mia")
	o := newOrganization(t, f, s, owner, member, "Acme")
	quiet := newOrganization(t, f, s, owner, member, "Quiet") // Nobody has used it before the outage.
	cookie, jwt, late := member.Header(), bearer(member.JWT(t)), bearer(member.Token)
	check := func(what string, header http.Header, role, code string) {
		t.Helper()
		if gotRole, gotCode := o.see(t, header), o.create(t, header, what); gotRole != role || gotCode != code {
			t.Errorf("%s: the role is %q, and creating a task gets %q; want %q, %q", what, gotRole, gotCode, role, code)
		}
	}
	const personal = `{ tasks { totalCount } }`
	check("before", cookie, "WRITE", "")
	check("before, by JWT", jwt, "WRITE", "")
	mustCall(t, s.url, late, personal) // A session of whose memberships nothing is known.
	events, nextOfList := o.watch(t, cookie)

	s.down.Store(true)
	f.client.Call(t, owner, "organization.removeMember", map[string]any{"organizationId": o.id, "memberIdOrEmail": "member@example.com"})
	s.advance(time.Minute)
	check("a minute", cookie, "WRITE", "") // It isn't known that the member was removed.
	events.want(`"a minute"`)
	if got := nextOfList(); !strings.Contains(got, `"a minute"`) {
		t.Errorf("the live list gets %s", got)
	}
	check("a minute, by JWT", jwt, "WRITE", "")
	if role := quiet.see(t, cookie); role != "SERVICE_UNAVAILABLE" {
		t.Errorf("an organization whose role was not known: %s", role)
	}
	check("a minute, memberships unknown", late, "SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE")
	if _, answer := mustCall(t, s.url, late, personal); answer != `{"data":{"tasks":{"totalCount":0}}}` {
		t.Errorf("the personal workspace: %s", answer)
	}
	s.advance(organizationStaleTTL)
	check("three minutes", cookie, "SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE")
	check("three minutes, by JWT", jwt, "WRITE", "")
	if _, answer := mustCall(t, s.url, jwt, personal); answer != `{"data":{"tasks":{"totalCount":0}}}` {
		t.Errorf("the personal workspace by JWT: %s", answer)
	}

	s.down.Store(false)
	awaitTrue(t, func() bool { return o.see(t, cookie) == "" }) // It is asked again after seconds.
	check("after the outage", cookie, "", "NOT_FOUND")
	if role := quiet.see(t, cookie); role != "WRITE" {
		t.Errorf("after the outage: %s", role)
	}
	if code := o.create(t, owner.Header(), "after the outage"); code != "" {
		t.Errorf("the owner: %s", code)
	}
	last := ""
	for event := range events.events { // The stream ends.
		last = event
	}
	if !strings.Contains(last, `"NOT_FOUND"`) {
		t.Errorf("the last that the removed member's stream gets is %s", last)
	}
}
