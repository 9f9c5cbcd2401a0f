package server

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/config"
	"taskql/internal/testkit"
	"taskql/internal/testkit/bench"
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
	// organizationTTL is the SESSION_CACHE_TTL of a team's server: what was cached a moment ago is, however slow the machine is.
	organizationTTL      = time.Minute
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
	// What is stale doesn't count, or a Better Auth that takes a second would be told by what was before.
	s := f.serve(t, testkit.SQLiteURL(t), map[string]string{"WORKSPACE_ROLES": teamRoles, "SESSION_STALE_TTL": "0s"})
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

// TestSerialIDsShareNothing has a user and an organization with the same id, 1: neither sees anything of the other's workspace, by ids,
// entity tags, idempotency keys, streams and tickets.
func TestSerialIDsShareNothing(t *testing.T) {
	t.Parallel()
	f := newTeam(t, testkit.BetterAuthOptions{IDFormat: "serial"})
	one, ann := f.signUp(t, "one", "One"), f.signUp(t, "ann", "Ann")
	if id := f.client.Create(t, ann, "Acme"); id != "1" || one.UserID != "1" {
		t.Fatalf("the user %s and the organization %s", one.UserID, id)
	}
	for name, address := range testkit.Databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := f.serve(t, address(t), nil)
			const shared, own = `(workspaceId: \"organization/1\")`, ``
			send := func(user *testkit.AuthClient, document string) string {
				t.Helper()
				_, answer := mustCall(t, s.url, user.Header(), document)
				return answer
			}
			create := func(user *testkit.AuthClient, title, more string) {
				t.Helper()
				if answer := send(user, `mutation { createTask(input: {title: "`+title+`", idempotencyKey: "key", `+more+`}) { task { title } userErrors { code } } }`); answer !=
					`{"data":{"createTask":{"task":{"title":"`+title+`"},"userErrors":[]}}}` {
					t.Errorf("creating %s: %s", title, answer)
				}
			}
			stream := func(query url.Values, arguments string) *eventReader {
				t.Helper()
				query.Set("query", strings.ReplaceAll(`subscription { changes`+arguments+` { tasks { title } version } }`, `\"`, `"`))
				return openEvents(t, s.url+graphqlPath+"?"+query.Encode(), http.Header{})
			}
			poll := func(etag string) (int, string) {
				t.Helper()
				target := graphqlPath + "?query=" + url.QueryEscape("{ tasks { nodes { title } } changes { version } }")
				answer := ask(s.Handler(), http.MethodGet, target, "", pairs(with(one.Header(), "If-None-Match", etag))...)
				return answer.Code, answer.Header().Get("ETag")
			}
			ticket := func(user *testkit.AuthClient) url.Values {
				return url.Values{"ticket": {issueTicket(t, s.url, user.Header())}}
			}
			send(ann, "{ workspaces { id } }")
			ofOne, ofOrganization := stream(ticket(one), own), stream(ticket(ann), shared)
			ofOne.want(`"tasks":[]`)
			ofOrganization.want(`"tasks":[]`)
			stream(ticket(one), shared).want(`"NOT_FOUND"`)
			_, tag := poll("")

			create(ann, "shared", `workspaceId: "organization/1"`)
			ofOrganization.want(`"tasks":[{"title":"shared"}],"version":1`)
			if status, _ := poll(tag); status != http.StatusNotModified || tag == "" {
				t.Errorf("a change of the organization's workspace changes the user's answer: %d, %q", status, tag)
			}
			create(one, "own", ``) // With the same key.
			ofOne.want(`"tasks":[{"title":"own"}],"version":1`)
			if status, _ := poll(tag); status != http.StatusOK {
				t.Errorf("the user's own change: %d", status)
			}
			create(ann, "shared", `workspaceId: "organization/1"`) // A repetition.
			if answer := send(one, `{ workspace(id: "organization/1") { id } tasks { nodes { title } } }`); answer != `{"data":{"workspace":null,"tasks":{"nodes":[{"title":"own"}]}}}` {
				t.Errorf("the user sees %s", answer)
			}
			if answer := send(ann, `{ workspace(id: "personal/1") { id } a: workspace(id: "organization/1") { version tasks { nodes { title } } } }`); answer !=
				`{"data":{"workspace":null,"a":{"version":1,"tasks":{"nodes":[{"title":"shared"}]}}}}` {
				t.Errorf("the member sees %s", answer)
			}
		})
	}
}

// TestRequestsAboutOrganizations counts what the auth server is asked about organizations by somebody who has only personal tasks,
// whatever it answers: once for many requests within two seconds, and not at all for queries of tasks.
func TestRequestsAboutOrganizations(t *testing.T) {
	t.Parallel()
	const secret = "a secret of more than thirty-two characters"
	for name, tt := range map[string]struct {
		status int
		answer string
		log    string // said once
	}{
		"no organizations": {http.StatusOK, `[]`, ""},
		"no plugin":        {http.StatusNotFound, ``, "the auth server has no organization plugin"},
		"a failure":        {http.StatusInternalServerError, `{}`, "the auth server fails for a session"},
		"HTML":             {http.StatusOK, `<!doctype html>`, "the auth server fails for a session"},
		"something else":   {http.StatusOK, `{"session":{}}`, "the auth server fails for a session"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.Contains(r.URL.Path, "/organization/"):
					asked.Add(1)
					w.Header().Set("Content-Type", mediaJSON)
					w.WriteHeader(tt.status)
					_, _ = io.WriteString(w, tt.answer)
				case strings.HasSuffix(r.URL.Path, "/ok"):
					_, _ = io.WriteString(w, `{"ok":true}`)
				default:
					bench.GetSession(w, r)
				}
			}))
			t.Cleanup(auth.Close)
			log := &safeBuffer{}
			address := testkit.SQLiteURL(t)
			cfg, err := config.Load(against(auth.URL, secret, map[string]string{"DATABASE_URL": address, "ENVIRONMENT": "test", "RATE_LIMIT": "1000000000"}))
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			s, err := New(t.Context(), Config{
				Config: cfg, DB: testkit.OpenDatabase(t, address), Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			header := []string{"Cookie", bench.Cookie("ann", secret)}
			send := func(document string) string {
				return ask(s.Handler(), http.MethodPost, graphqlPath, fmt.Sprintf(`{"query":%q}`, document), header...).Body.String()
			}
			const id = "018f0000-0000-7000-8000-000000000001"
			send(`mutation { createTask(input: {id: "` + id + `", title: "t"}) { userErrors { code } } }`)
			for range 20 {
				for _, query := range []string{`{ tasks { nodes { id } } }`, `{ task(id: "` + id + `") { title workspace { id } } }`, `{ node(id: "` + id + `") { id } }`, `{ nodes(ids: ["` + id + `"]) { id } }`} {
					if answer := send(query); !strings.Contains(answer, id) && !strings.Contains(answer, `"t"`) {
						t.Fatalf("%s: %s", query, answer)
					}
				}
			}
			if n := asked.Load(); n != 0 {
				t.Errorf("queries of what is personal ask %d times", n)
			}
			for range 20 {
				for _, mutation := range []string{"completeTask", "reopenTask"} {
					if answer := send(`mutation { r: ` + mutation + `(input: {id: "` + id + `"}) { userErrors { code } } }`); answer != `{"data":{"r":{"userErrors":[]}}}` {
						t.Fatalf("%s: %s", mutation, answer)
					}
				}
			}
			for range 20 {
				if answer := send(`{ workspaces { id } }`); !strings.Contains(answer, `"personal/`) && !strings.Contains(answer, `"SERVICE_UNAVAILABLE"`) {
					t.Fatal(answer)
				}
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("40 changes and 20 lists of workspaces ask %d times, want once", n)
			}
			if tt.log != "" && strings.Count(log.String(), tt.log) != 1 {
				t.Errorf("the log should say %q once:\n%s", tt.log, log)
			}
		})
	}
}
