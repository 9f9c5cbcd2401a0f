package betterauth_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

// organizationUsers are users of a real auth server with the organization plugin, and how it is asked about them.
type organizationUsers struct {
	t      *testing.T
	server keyServer
	client *testkit.OrganizationClient
	auth   *betterauth.Authenticator
	now    *clock

	owner, member *testkit.AuthClient
	// organization is the owner's, and the member's too.
	organization string
}

const organizationTTL = 15 * time.Second

// newOrganizationUsers starts a server with an organization of two members.
func newOrganizationUsers(t *testing.T, opts testkit.BetterAuthOptions) *organizationUsers {
	t.Helper()
	opts.Plugins, opts.Config = []string{"organization", "bearer"}, "organizations"
	server := newKeyServer(t, opts)
	u := &organizationUsers{t: t, server: server, client: testkit.NewOrganizationClient(t, server.URL), now: &clock{}}
	u.now.nanos.Store(time.Now().UnixNano())
	u.auth = realAuthenticator(t, patient(betterauth.Config{
		BaseURL: server.URL, Secret: server.Secret, CacheTTL: organizationTTL, Now: u.now.Now, APIKeyHeader: "x-api-key",
	}))
	u.owner = server.SignUp(t, "Owen", "owner@example.com", "correct horse")
	u.member = server.SignUp(t, "Mia", "member@example.com", "correct horse")
	u.organization = u.client.Create(t, u.owner, "Acme Inc")
	if opts.IDFormat == "serial" { // Better Auth lets nobody guess invitations.
		server.exec(t, `UPDATE "user" SET "emailVerified" = true`)
	}
	u.client.Join(t, u.owner, u.organization, u.member, "member@example.com", []string{"member", "admin"})
	return u
}

func (u *organizationUsers) as(header http.Header) requester { return requester{u.t, u.auth, header} }

// memberID returns the id of a member's row, which some endpoints need.
func (u *organizationUsers) memberID(userID string) string {
	u.t.Helper()
	data := u.client.Call(u.t, u.owner, "organization.listMembers", map[string]any{"query": map[string]any{"organizationId": u.organization}})
	var list struct{ Members []struct{ ID, UserID any } }
	if err := json.Unmarshal(data, &list); err != nil {
		u.t.Fatal(err)
	}
	for _, m := range list.Members {
		if m.UserID == userID {
			id, _ := m.ID.(string)
			return id
		}
	}
	u.t.Fatalf("%s is no member: %s", userID, data)
	return ""
}

// TestRealOrganizations checks each kind of credentials, with each kind of ids and of cookies.
func TestRealOrganizations(t *testing.T) {
	for name, opts := range map[string]testkit.BetterAuthOptions{
		"random ids": {}, "UUIDs, secure cookies": {IDFormat: "uuid", SecureCookies: true}, "serial ids": {IDFormat: "serial"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts.UpdateAge = time.Second // Each request may refresh the session.
			u := newOrganizationUsers(t, opts)
			stranger := u.server.SignUp(t, "Stan", "stranger@example.com", "correct horse")
			other := u.client.Create(t, stranger, "Other")
			key := u.server.key(t, u.member, "")
			before := sessionEnd(t, u.member)
			time.Sleep(1100 * time.Millisecond)
			for name, header := range map[string]http.Header{
				"cookie": u.member.Header(), "bearer": withBearer(u.member.Token), "signed bearer": withBearer(betterauth.SignCookie(u.server.Secret, u.member.Token)),
				"API key": withAPIKey(key),
			} {
				r := u.as(header)
				want(t, name+": "+r.organizations(), name+": "+u.organization+" Acme Inc")
				want(t, name+": "+r.role(u.organization), name+": member,admin")
				want(t, name+": "+r.members(u.organization), name+": "+u.member.UserID+" Mia (member,admin) no image, "+u.owner.UserID+" Owen (owner) no image")
				for _, id := range []string{other, "missing", "a\x00b", "", strings.Repeat("x", 100_000)} {
					want(t, name+": "+r.role(id), name+": no member")
					want(t, name+": "+r.members(id), name+": ")
				}
			}
			if after := sessionEnd(t, u.member); !after.Equal(before) {
				t.Errorf("the session was refreshed: it ends at %v instead of %v", after, before)
			}
			jwt := u.as(withBearer(u.member.JWT(t)))
			want(t, jwt.organizations(), u.organization+" ")
			want(t, jwt.role(u.organization), "member,admin")
			want(t, jwt.role(other), "no member")
			want(t, jwt.members(u.organization), betterauth.ErrMembersUnknown.Error())
		})
	}
}

// sessionEnd returns when a session ends, without refreshing it.
func sessionEnd(t *testing.T, c *testkit.AuthClient) time.Time {
	t.Helper()
	_, body := c.Get(t, "/api/auth/get-session?disableRefresh=true")
	var answer struct{ Session struct{ ExpiresAt time.Time } }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Session.ExpiresAt.IsZero() {
		t.Fatalf("%s: %v", body, err)
	}
	return answer.Session.ExpiresAt
}

// TestRealMembershipsEnd checks that members lose what they lose within the TTL.
func TestRealMembershipsEnd(t *testing.T) {
	for name, test := range map[string]struct {
		change                  func(t *testing.T, u *organizationUsers)
		role, organizations, id string
	}{
		"demoted": {func(t *testing.T, u *organizationUsers) {
			t.Helper()
			u.client.Call(t, u.owner, "organization.updateMemberRole", map[string]any{
				"organizationId": u.organization, "memberId": u.memberID(u.member.UserID), "role": "member",
			})
		}, "member", "Acme Inc", ""},
		"removed": {func(t *testing.T, u *organizationUsers) {
			t.Helper()
			u.client.Call(t, u.owner, "organization.removeMember", map[string]any{"organizationId": u.organization, "memberIdOrEmail": "member@example.com"})
		}, "no member", "", ""},
		"left": {func(t *testing.T, u *organizationUsers) {
			t.Helper()
			u.client.Call(t, u.member, "organization.leave", map[string]any{"organizationId": u.organization})
		}, "no member", "", ""},
		"organization deleted": {func(t *testing.T, u *organizationUsers) {
			t.Helper()
			u.client.Call(t, u.owner, "organization.delete", map[string]any{"organizationId": u.organization})
		}, "no member", "", ""},
		"removed with another active organization": {func(t *testing.T, u *organizationUsers) {
			t.Helper()
			u.client.Call(t, u.member, "organization.setActive", map[string]any{"organizationId": u.organization})
			u.client.Call(t, u.owner, "organization.removeMember", map[string]any{"organizationId": u.organization, "memberIdOrEmail": "member@example.com"})
		}, "no member", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newOrganizationUsers(t, testkit.BetterAuthOptions{})
			r := u.as(u.member.Header())
			jwt := u.member.JWT(t)
			want(t, r.role(u.organization), "member,admin")
			listed := r.organizations()
			test.change(t, u)
			u.now.Advance(organizationTTL - 1)
			want(t, r.role(u.organization), "member,admin")
			want(t, r.organizations(), listed)
			u.now.Advance(1)
			want(t, r.role(u.organization), test.role)
			if test.organizations == "" {
				listed = ""
			}
			want(t, r.organizations(), listed)
			if test.role == "no member" {
				want(t, r.members(u.organization), "")
			}
			want(t, u.as(withBearer(jwt)).role(u.organization), "member,admin") // As old as the token.
			want(t, u.as(u.owner.Header()).members("missing"), "")
		})
	}
}

// TestRealActiveOrganization checks that a session's active organization decides nothing, and that asking changes it
// neither for members nor for strangers.
func TestRealActiveOrganization(t *testing.T) {
	t.Parallel()
	u := newOrganizationUsers(t, testkit.BetterAuthOptions{})
	second := u.client.Create(t, u.member, "Second")
	// Two tabs have one session. The second tab's choice replaces the first one's.
	u.client.Call(t, u.member, "organization.setActive", map[string]any{"organizationId": u.organization})
	u.client.Call(t, u.member, "organization.setActive", map[string]any{"organizationId": second})
	for range 2 {
		r := u.as(u.member.Header())
		want(t, r.role(u.organization), "member,admin")
		want(t, r.role(second), "owner")
		want(t, r.members(second), u.member.UserID+" Mia (owner) no image")
		want(t, r.role("missing"), "no member")
		want(t, activeOrganization(t, u.member), second)
		u.client.Call(t, u.member, "organization.setActive", map[string]any{"organizationId": u.organization})
		u.now.Advance(organizationTTL)
		want(t, r.role(second), "owner")
		want(t, activeOrganization(t, u.member), u.organization)
		u.client.Call(t, u.member, "organization.setActive", map[string]any{"organizationId": second})
	}
}

func activeOrganization(t *testing.T, c *testkit.AuthClient) string {
	t.Helper()
	_, body := c.Get(t, "/api/auth/get-session")
	var answer struct {
		Session struct{ ActiveOrganizationID string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Session.ActiveOrganizationID
}

// TestRealSignedOutMember checks that a session that was signed out has no memberships, whatever was cached of it.
func TestRealSignedOutMember(t *testing.T) {
	t.Parallel()
	u := newOrganizationUsers(t, testkit.BetterAuthOptions{})
	r := u.as(u.member.Header())
	session := r.session()
	u.member.SignOut(t)
	_, err := u.auth.Organizations(t.Context(), r.header, session) // Nothing was cached.
	want(t, outcome(t, "organizations", err), string(betterauth.ReasonSessionNull))
	wantRefusal(t, u.auth, r.header, betterauth.ReasonSessionNull, "Invalid session")
}

// TestRealServerWithoutOrganizations checks an auth server that doesn't have the plugin.
func TestRealServerWithoutOrganizations(t *testing.T) {
	t.Parallel()
	server := testkit.BetterAuth(t, testkit.BetterAuthOptions{})
	a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret, CacheTTL: time.Minute})
	r := requester{t, a, server.SignUp(t, "Zoë", "zoe@example.com", "correct horse").Header()}
	want(t, r.organizations(), "")
	want(t, r.role("1"), "no member")
	want(t, r.members("1"), "")
}

// TestRealInspectOrganizations checks what is said about each kind of credentials.
func TestRealInspectOrganizations(t *testing.T) {
	t.Parallel()
	u := newOrganizationUsers(t, testkit.BetterAuthOptions{})
	stranger := u.server.SignUp(t, "Stan", "stranger@example.com", "correct horse")
	inspect := func(a *betterauth.Authenticator, header http.Header) string {
		t.Helper()
		steps := a.InspectOrganizations(t.Context(), header, func(role string) string { return "<" + role + ">" })
		formatSteps(t, steps, u.member.Token)
		var text []string
		for _, step := range steps {
			text = append(text, step.Status+" "+step.Name+": "+step.Detail)
		}
		return strings.Join(text, "\n")
	}
	found := "ok workspace organization/" + u.organization + ", Acme Inc: the user is member,admin there, which allows <member,admin>"
	for name, header := range map[string]http.Header{
		"cookie": u.member.Header(), "bearer": withBearer(u.member.Token), "API key": withAPIKey(u.server.key(t, u.member, "")),
	} {
		want(t, name+": "+inspect(u.auth, header), name+": "+found)
	}
	want(t, inspect(u.auth, withBearer(u.member.JWT(t))), "ok workspace organization/"+u.organization+": the JWT says that the user is member,admin there, which allows <member,admin>")
	want(t, inspect(u.auth, stranger.Header()), "ok memberships: they can be asked for: the user is in no organization, so there is only the personal workspace")
	want(t, inspect(u.auth, withBearer(stranger.JWT(t))), "ok memberships: the JWT has none in its claim orgs, so there is only the personal workspace; docs/organizations.md says how the auth server adds them")

	keys := newKeyServer(t, testkit.BetterAuthOptions{Plugins: []string{"organization"}})
	a := realAuthenticator(t, betterauth.Config{BaseURL: keys.URL, Secret: keys.Secret, APIKeyHeader: keyHeader})
	key := keys.key(t, keys.SignUp(t, "Zoë", "zoe@example.com", "correct horse"), "")
	if got := inspect(a, withAPIKey(key)); !strings.HasPrefix(got, "ok memberships: the key may not ask for them") {
		t.Error(got)
	}
	without := testkit.BetterAuth(t, testkit.BetterAuthOptions{})
	a = realAuthenticator(t, betterauth.Config{BaseURL: without.URL, Secret: without.Secret})
	want(t, inspect(a, without.SignUp(t, "Zoë", "zoe@example.com", "correct horse").Header()), "")
}

// TestInspectFailingOrganizations checks what is said if the auth server fails.
func TestInspectFailingOrganizations(t *testing.T) {
	t.Parallel()
	s := newOrganizationServer(t)
	r, _ := newRequester(t, s)
	inspect := func() string {
		return formatSteps(t, r.auth.InspectOrganizations(t.Context(), r.header, func(role string) string { return role }))
	}
	want(t, inspect(), "workspace organization/o1, Acme ok")
	s.set(rolePath, respond(403, notMember))
	want(t, inspect(), "workspace organization/o1, Acme warning")
	s.set(rolePath, respondStatus(500))
	want(t, inspect(), "workspace organization/o1, Acme warning")
	s.set(organizationsPath, respondStatus(500))
	want(t, inspect(), "memberships warning")
	s.set(organizationsPath, respondJSON(`[`+strings.Repeat(`{"id":"o1","name":"Acme"},`, 11)+`{"id":"o1","name":"\u001b[31m"}]`))
	if got := inspect(); strings.Count(got, "o1") != 10 || !strings.HasSuffix(got, ", memberships ok") {
		t.Error(got)
	}
}
