package betterauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskql/internal/betterauth"
)

const (
	organizationsPath = "/api/auth/organization/list"
	rolePath          = "/api/auth/organization/get-active-member-role"
	membersPath       = "/api/auth/organization/list-members"
	sessionPath       = "/api/auth/get-session"

	notMember    = `{"message":"You are not a member of this organization","code":"YOU_ARE_NOT_A_MEMBER_OF_THIS_ORGANIZATION"}`
	unauthorized = `{"message":"Unauthorized","code":"UNAUTHORIZED"}`
	acme         = `[{"id":"o1","name":"Acme","slug":"acme","logo":null,"metadata":{"id":"x"},"createdAt":"2026-11-30T15:36:31.798Z"}]`
)

// organizationServer is a fake auth server whose answers can be replaced, by path. It counts the requests of each.
type organizationServer struct {
	*authServer
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	counts  map[string]int
}

// newOrganizationServer returns a server with a session whose user is a member of the organization o1.
func newOrganizationServer(t testing.TB) *organizationServer {
	t.Helper()
	s := &organizationServer{counts: map[string]int{}, answers: map[string]http.HandlerFunc{
		sessionPath:       respondJSON(sessionJSON()),
		organizationsPath: respondJSON(acme),
		rolePath:          respondJSON(`{"role":"member,admin"}`),
		membersPath: respondJSON(`{"members":[
			{"id":"m1","userId":"u2","role":"owner","organizationId":"o1","user":{"id":"u2","name":"zoë","email":"z@example.com","image":"https://example.com/z.png"}},
			{"id":"m2","userId":"u1","role":"member,admin","organizationId":"o1","user":{"id":"u1","name":"Ann","image":null}}],"total":2}`),
	}}
	s.authServer = newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.counts[r.URL.Path]++
		answer := s.answers[r.URL.Path]
		s.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answer(w, r)
	})
	return s
}

func (s *organizationServer) set(path string, answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = answer
}

// count returns the number of requests for a path.
func (s *organizationServer) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[path]
}

// wantCounts compares the numbers of requests for the list, the role and the members.
func (s *organizationServer) wantCounts(t testing.TB, list, role, members int) {
	t.Helper()
	if l, r, m := s.count(organizationsPath), s.count(rolePath), s.count(membersPath); l != list || r != role || m != members {
		t.Errorf("%d requests for the list, %d for a role, %d for members; want %d, %d, %d", l, r, m, list, role, members)
	}
}

// respond returns a handler that answers with a status and JSON.
func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// requester is a client with a session, which asks for memberships.
type requester struct {
	t      testing.TB
	auth   *betterauth.Authenticator
	header http.Header
}

func (r requester) session() *betterauth.Session {
	r.t.Helper()
	session, err := r.auth.Authenticate(r.t.Context(), r.header)
	if err != nil {
		r.t.Fatal(err)
	}
	return session
}

// organizations returns the user's organizations as text, or the reason of the refusal.
func (r requester) organizations() string {
	r.t.Helper()
	list, err := r.auth.Organizations(r.t.Context(), r.header, r.session())
	return r.listed(list, err)
}

// recentOrganizations does the same, but for a list that is new.
func (r requester) recentOrganizations() string {
	r.t.Helper()
	list, err := r.auth.RecentOrganizations(r.t.Context(), r.header, r.session())
	return r.listed(list, err)
}

func (r requester) listed(list []betterauth.Organization, err error) string {
	r.t.Helper()
	var text []string
	for _, o := range list {
		text = append(text, o.ID+" "+o.Name)
	}
	return outcome(r.t, strings.Join(text, ", "), err)
}

// role returns the user's role in an organization, "no member", or the reason of the refusal.
func (r requester) role(id string) string {
	r.t.Helper()
	role, ok, err := r.auth.Role(r.t.Context(), r.header, r.session(), id)
	if err == nil && !ok {
		return "no member"
	}
	return outcome(r.t, role, err)
}

// members returns the members of an organization as text, or the reason of the refusal.
func (r requester) members(id string) string {
	r.t.Helper()
	list, err := r.auth.Members(r.t.Context(), r.header, r.session(), id)
	var text []string
	for _, m := range list {
		image := "no image"
		if m.Image != nil {
			image = *m.Image
		}
		text = append(text, fmt.Sprintf("%s %s (%s) %s", m.UserID, m.Name, m.Role, image))
	}
	return outcome(r.t, strings.Join(text, ", "), err)
}

func outcome(t testing.TB, text string, err error) string {
	t.Helper()
	var refusal *betterauth.Refusal
	switch {
	case err == nil:
		return text
	case errors.As(err, &refusal):
		return string(refusal.Reason)
	default:
		return err.Error()
	}
}

func want(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// newRequester returns a client of an auth server, and its clock.
func newRequester(t testing.TB, s *organizationServer) (requester, *clock) {
	t.Helper()
	now := newClock()
	a := newAuthenticator(t, betterauth.Config{BaseURL: s.URL, CacheTTL: 15 * time.Second, StaleTTL: time.Minute, Now: now.Now, APIKeyHeader: "x-api-key"})
	return requester{t, a, signedIn()}, now
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	s := newOrganizationServer(t)
	r, _ := newRequester(t, s)
	for range 2 {
		want(t, r.organizations(), "o1 Acme")
		want(t, r.role("o1"), "member,admin")
		want(t, r.members("o1"), "u1 Ann (member,admin) no image, u2 zoë (owner) https://example.com/z.png")
		want(t, r.role("o2"), "no member")
		want(t, r.role(""), "no member")
		want(t, r.members("o2"), "")
	}
	s.wantCounts(t, 1, 1, 1)
}

// TestOrganizationAnswers checks how each answer of the auth server is understood.
func TestOrganizationAnswers(t *testing.T) {
	t.Parallel()
	const unusable = string(betterauth.ReasonSessionUnusable)
	for name, test := range map[string]struct {
		path   string
		answer http.HandlerFunc
		// list, role and members are what is found about o1.
		list, role, members string
	}{
		"no organizations":            {organizationsPath, respondJSON(`[]`), "", "no member", ""},
		"serial ids":                  {organizationsPath, respondJSON(`[{"id":7,"name":"Seven"},{"id":"o1","name":null}]`), "7 Seven, o1 ", "member,admin", "u1 Ann"},
		"a duplicate name":            {organizationsPath, respondJSON(`[{"id":"x","id":"o1","name":"Acme"}]`), "o1 Acme", "member,admin", "u1 Ann"},
		"null":                        {organizationsPath, respondJSON(`null`), unusable, unusable, unusable},
		"an object":                   {organizationsPath, respondJSON(`{"organizations":[]}`), unusable, unusable, unusable},
		"no id":                       {organizationsPath, respondJSON(`[{"name":"Acme"}]`), unusable, unusable, unusable},
		"a null organization":         {organizationsPath, respondJSON(`[null]`), unusable, unusable, unusable},
		"a long id":                   {organizationsPath, respondJSON(`[{"id":"` + strings.Repeat("x", 1025) + `"}]`), unusable, unusable, unusable},
		"cut off":                     {organizationsPath, respondJSON(`[{"id":"o1"}`), unusable, unusable, unusable},
		"more than one value":         {organizationsPath, respondJSON(`[{"id":"o1"}][]`), unusable, unusable, unusable},
		"HTML":                        {organizationsPath, respondStatus(200, "Content-Type", "text/html"), unusable, unusable, unusable},
		"no plugin":                   {organizationsPath, respondStatus(404), "", "no member", ""},
		"a failure":                   {organizationsPath, respondStatus(500), unusable, unusable, unusable},
		"a proxy's refusal":           {organizationsPath, respondStatus(403, "Content-Type", "text/html"), unusable, unusable, unusable},
		"a gateway's refusal":         {organizationsPath, respond(403, `{"message":"Forbidden"}`), unusable, unusable, unusable},
		"the list refused":            {organizationsPath, respond(403, `{"code":"NO"}`), "", "no member", ""},
		"unauthorized":                {organizationsPath, respond(401, unauthorized), unusable, unusable, unusable},
		"rate limited":                {organizationsPath, respondStatus(429, "X-Retry-After", "10"), "auth_unavailable", "auth_unavailable", "auth_unavailable"},
		"not a member":                {rolePath, respond(403, notMember), "o1 Acme", "no member", ""},
		"another refusal of the role": {rolePath, respond(403, `{"code":"SSO_REQUIRED"}`), "o1 Acme", "no member", ""},
		"no role":                     {rolePath, respondJSON(`{}`), "o1 Acme", unusable, unusable},
		"a null role":                 {rolePath, respondJSON(`{"role":null}`), "o1 Acme", unusable, unusable},
		"null for a role":             {rolePath, respondJSON(`null`), "o1 Acme", unusable, unusable},
		"a list of roles":             {rolePath, respondJSON(`{"role":["admin"]}`), "o1 Acme", unusable, unusable},
		"an empty role":               {rolePath, respondJSON(`{"role":""}`), "o1 Acme", "", "u1 Ann"},
		"a long role":                 {rolePath, respondJSON(`{"role":"` + strings.Repeat("x", 5000) + `"}`), "o1 Acme", unusable, unusable},
		"a failing role":              {rolePath, respondStatus(502), "o1 Acme", unusable, unusable},
		"members of others":           {membersPath, respond(403, notMember), "o1 Acme", "member,admin", ""},
		"no members":                  {membersPath, respondJSON(`{"members":[],"total":0}`), "o1 Acme", "member,admin", ""},
		"no list of members":          {membersPath, respondJSON(`{"total":0}`), "o1 Acme", "member,admin", unusable},
		"a list of members":           {membersPath, respondJSON(`[]`), "o1 Acme", "member,admin", unusable},
		"a member without a user":     {membersPath, respondJSON(`{"members":[{"userId":"u9","role":"member"}]}`), "o1 Acme", "member,admin", "u9  (member)"},
		"a member twice":              {membersPath, respondJSON(`{"total":2,"members":[{"userId":1,"role":"a"},{"userId":"1","role":"b"}]}`), "o1 Acme", "member,admin", "1  (a) no image"},
		"a member without an id":      {membersPath, respondJSON(`{"members":[{"id":"m","role":"member"}]}`), "o1 Acme", "member,admin", unusable},
		"a member without a role":     {membersPath, respondJSON(`{"members":[{"userId":"u1"}]}`), "o1 Acme", "member,admin", unusable},
		"failing members":             {membersPath, respondStatus(500), "o1 Acme", "member,admin", unusable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOrganizationServer(t)
			s.set(test.path, test.answer)
			r, _ := newRequester(t, s)
			want(t, r.organizations(), test.list)
			want(t, r.role("o1"), test.role)
			if got := r.members("o1"); got != test.members && (test.members == "" || !strings.HasPrefix(got, test.members)) {
				t.Errorf("members: got %q, want %q", got, test.members)
			}
		})
	}
}

// TestOrganizationRequests checks what is sent to the auth server.
func TestOrganizationRequests(t *testing.T) {
	t.Parallel()
	const key = "a-key-of-the-user"
	dontRemember := "better-auth.dont_remember=" + betterauth.SignCookie(secret, "true")
	cookie := plain + "=" + betterauth.SignCookie(secret, token)
	for name, test := range map[string]struct {
		header http.Header
		want   map[string]string
	}{
		"cookie":               {signedIn(), map[string]string{"Cookie": cookie + "; " + dontRemember, "Authorization": "", "X-Api-Key": ""}},
		"cookie, not for long": {cookies(cookie + "; " + dontRemember + "; other=1"), map[string]string{"Cookie": cookie + "; " + dontRemember}},
		"bearer": {withBearer(token), map[string]string{
			"Authorization": "Bearer " + token, "Cookie": "__Secure-" + dontRemember + "; " + dontRemember,
		}},
		"API key": {http.Header{"X-Api-Key": {key}, "Cookie": {cookie}}, map[string]string{"X-Api-Key": key, "Cookie": "", "Authorization": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOrganizationServer(t)
			s.set("/api/auth/api-key/get", respondJSON(`{"id":"s1","permissions":null}`))
			if len(test.header["X-Api-Key"]) > 0 {
				s.set(sessionPath, respondJSON(strings.ReplaceAll(sessionJSON(), token, key)))
			}
			r, _ := newRequester(t, s)
			r.header = test.header
			want(t, r.role("o1"), "member,admin")
			got := s.lastRequest()
			want(t, got.URL.RequestURI(), rolePath+"?organizationId=o1")
			for name, value := range test.want {
				want(t, got.Header.Get(name), value)
			}
			r.header = r.auth.Credentials(r.header) // As a stream does.
			want(t, r.members("o1"), "u1 Ann (member,admin) no image, u2 zoë (owner) https://example.com/z.png")
			want(t, s.lastRequest().URL.RequestURI(), membersPath+"?limit=250&offset=0&organizationId=o1&sortBy=id")
			s.wantCounts(t, 1, 1, 1)
		})
	}
}

// TestOrganizationOfOtherCredentials checks that a session's memberships are not those of another session in the request.
func TestOrganizationOfOtherCredentials(t *testing.T) {
	t.Parallel()
	s := newOrganizationServer(t)
	r, _ := newRequester(t, s)
	session := r.session()
	_, err := r.auth.Organizations(t.Context(), userCookie(2), session)
	want(t, outcome(t, "organizations", err), string(betterauth.ReasonSessionUnusable))
	_, err = r.auth.Organizations(t.Context(), withBearer(token), session)
	want(t, outcome(t, "organizations", err), string(betterauth.ReasonSessionUnusable))
	s.wantCounts(t, 0, 0, 0)

	// The browser still sends an older session's cookie under the name of higher precedence.
	older := strings.Repeat("o", 32)
	s.set(sessionPath, func(w http.ResponseWriter, q *http.Request) {
		if requestedToken(q) == older {
			respondJSON("null")(w, nil)
			return
		}
		respondJSON(sessionJSON())(w, q)
	})
	r.header = cookies(secure+"="+betterauth.SignCookie(secret, older), plain+"="+betterauth.SignCookie(secret, token))
	want(t, r.organizations(), "o1 Acme")
	if got := requestedToken(s.lastRequest()); got != token {
		t.Errorf("asked about %s", got)
	}

	// The auth server has no bearer plugin, and answers about the cookie. Later requests are about that alone.
	both := signedIn()
	both.Set("Authorization", "Bearer "+strings.Repeat("x", 32))
	s.set(sessionPath, func(w http.ResponseWriter, _ *http.Request) { respondJSON(sessionJSON())(w, nil) })
	r, _ = newRequester(t, s)
	r.header = both
	want(t, r.organizations(), "o1 Acme")
	if got := s.lastRequest().Header.Get("Authorization"); got != "" {
		t.Errorf("asked with the bearer token %s", got)
	}
}

func TestOrganizationCache(t *testing.T) {
	t.Parallel()
	const ttl = 15 * time.Second
	s := newOrganizationServer(t)
	r, now := newRequester(t, s)
	want(t, r.role("o1"), "member,admin")
	s.set(rolePath, respondJSON(`{"role":"member"}`))
	now.Advance(ttl - 1)
	want(t, r.role("o1"), "member,admin")
	s.wantCounts(t, 1, 1, 0)
	now.Advance(1)
	want(t, r.role("o1"), "member") // Demoted. The list is not needed.
	s.wantCounts(t, 1, 2, 0)

	s.set(rolePath, respond(403, notMember))
	s.set(organizationsPath, respondJSON(`[]`))
	now.Advance(ttl)
	want(t, r.role("o1"), "no member") // Removed.
	want(t, r.members("o1"), "")
	want(t, r.organizations(), "")
	s.wantCounts(t, 2, 3, 0)

	s.set(rolePath, respondJSON(`{"role":"admin"}`)) // Came back.
	s.set(organizationsPath, respondJSON(acme))
	want(t, r.role("o1"), "no member")
	s.wantCounts(t, 2, 3, 0)
	now.Advance(2*time.Second + 1) // The list is asked for again, but the role was refused a moment ago.
	want(t, r.role("o1"), "no member")
	s.wantCounts(t, 3, 3, 0)
	now.Advance(3 * time.Second)
	want(t, r.role("o1"), "admin")
	want(t, r.organizations(), "o1 Acme")
	s.wantCounts(t, 3, 4, 0)
}

// TestNewOrganization checks that an organization that has just been made is found soon, and how few requests unknown ids
// cost.
func TestNewOrganization(t *testing.T) {
	t.Parallel()
	s := newOrganizationServer(t)
	s.set(organizationsPath, respondJSON(`[]`))
	r, now := newRequester(t, s)
	for i := range 100 {
		want(t, r.role(fmt.Sprint("unknown", i)), "no member")
	}
	s.wantCounts(t, 1, 0, 0)
	s.set(organizationsPath, respondJSON(acme))
	now.Advance(2*time.Second + 1)
	want(t, r.role("o1"), "member,admin")
	s.wantCounts(t, 2, 1, 0)
}

// TestRecentOrganizations checks that the list itself has a new organization soon, and how few requests that costs, also while the
// auth server fails.
func TestRecentOrganizations(t *testing.T) {
	t.Parallel()
	s := newOrganizationServer(t)
	s.set(organizationsPath, respondJSON(`[]`))
	r, now := newRequester(t, s)
	want(t, r.organizations(), "")
	s.set(organizationsPath, respondJSON(acme))
	now.Advance(2 * time.Second)
	for range 100 {
		want(t, r.recentOrganizations(), "")
	}
	s.wantCounts(t, 1, 0, 0)
	now.Advance(1)
	want(t, r.organizations(), "")
	for range 100 {
		want(t, r.recentOrganizations(), "o1 Acme")
		want(t, r.organizations(), "o1 Acme")
	}
	s.wantCounts(t, 2, 0, 0)
	s.set(organizationsPath, respond(500, ""))
	now.Advance(2*time.Second + 1)
	want(t, r.recentOrganizations(), "o1 Acme")
}

func TestOrganizationOutage(t *testing.T) {
	t.Parallel()
	s := newOrganizationServer(t)
	r, now := newRequester(t, s)
	want(t, r.role("o1"), "member,admin")
	for _, path := range []string{organizationsPath, rolePath, membersPath} {
		s.set(path, respondStatus(503))
	}
	want(t, r.members("o1"), string(betterauth.ReasonSessionUnusable)) // They were never known.
	now.Advance(15 * time.Second)
	for range 10 {
		want(t, r.role("o1"), "member,admin") // Stale.
		want(t, r.organizations(), "o1 Acme")
	}
	s.wantCounts(t, 2, 2, 1)
	now.Advance(time.Minute)
	want(t, r.role("o1"), string(betterauth.ReasonSessionUnusable))
	want(t, r.organizations(), string(betterauth.ReasonSessionUnusable))
	s.set(organizationsPath, respondJSON(acme))
	s.set(rolePath, respondJSON(`{"role":"owner"}`))
	now.Advance(15 * time.Second)
	want(t, r.role("o1"), "owner")
}

// TestOrganizationFailureIsUnavailable checks that clients are told to try again.
func TestOrganizationFailureIsUnavailable(t *testing.T) {
	t.Parallel()
	s := newOrganizationServer(t)
	s.set(organizationsPath, respondStatus(500))
	r, _ := newRequester(t, s)
	session := r.session()
	for range 2 {
		_, err := r.auth.Organizations(t.Context(), r.header, session)
		var refusal *betterauth.Refusal
		if !errors.As(err, &refusal) || !refusal.Unavailable || refusal.RetryAfter <= 0 || refusal.TokenHash != session.TokenHash {
			t.Errorf("got %v", err)
		}
	}
	s.wantCounts(t, 1, 0, 0)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	s.set(organizationsPath, respondJSON(acme))
	if _, err := r.auth.Organizations(gone, r.header, session); err == nil {
		t.Error("an answer for a client who has gone")
	}
}

func TestOrganizationOneFlight(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := newOrganizationServer(t)
	for _, path := range []string{organizationsPath, rolePath} {
		s.mu.Lock()
		answer := s.answers[path]
		s.mu.Unlock()
		s.set(path, func(w http.ResponseWriter, r *http.Request) {
			<-release
			answer(w, r)
		})
	}
	r, _ := newRequester(t, s)
	session := r.session()
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			role, ok, err := r.auth.Role(t.Context(), r.header, session, "o1")
			if role != "member,admin" || !ok || err != nil {
				t.Errorf("got %q, %v, %v", role, ok, err)
			}
		})
	}
	for s.count(organizationsPath) == 0 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	group.Wait()
	s.wantCounts(t, 1, 1, 0)
}

// TestOrganizationPluginMissing checks that an auth server without the plugin is not asked by each session.
func TestOrganizationPluginMissing(t *testing.T) {
	t.Parallel()
	s := newOrganizationServer(t)
	s.set(organizationsPath, nil)
	r, now := newRequester(t, s)
	for i := range 10 {
		r.header = userCookie(i)
		want(t, r.organizations(), "")
		want(t, r.role("o1"), "no member")
	}
	s.wantCounts(t, 1, 0, 0)
	s.set(organizationsPath, respondJSON(acme))
	now.Advance(time.Minute)
	r.header = userCookie(11)
	want(t, r.organizations(), "o1 Acme")
	r.header = userCookie(1)
	want(t, r.role("o1"), "member,admin")
}

// TestOrganizationServerMissing checks that a 404 of something else than Better Auth is an outage.
func TestOrganizationServerMissing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var transport fakeTransport
		transport.set(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == sessionPath && r.Header.Get("Cookie") != "" {
				respondJSON(sessionJSONUntil(time.Now().Add(time.Hour)))(w, r)
				return
			}
			respond(404, `{"status":"error","code":404,"message":"Application not found"}`)(w, r)
		})
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth.example.com", CacheTTL: time.Minute, Transport: &transport})
		r := requester{t, a, signedIn()}
		session := r.session()
		time.Sleep(2 * time.Second) // The session's answer has just shown that the auth server works.
		_, err := a.Organizations(t.Context(), r.header, session)
		want(t, outcome(t, "organizations", err), string(betterauth.ReasonUnavailable))
	})
}

// TestOrganizationUnauthorized checks that a 401 counts only if the session has really ended: Better Auth also sends it if its
// database fails.
func TestOrganizationUnauthorized(t *testing.T) {
	t.Parallel()
	s := newOrganizationServer(t)
	r, now := newRequester(t, s)
	want(t, r.role("o1"), "member,admin")
	now.Advance(15 * time.Second)
	s.set(rolePath, respond(401, unauthorized))
	want(t, r.role("o1"), "member,admin")
	session := r.session()
	s.set(sessionPath, respondJSON("null"))
	now.Advance(10 * time.Second) // The failure is forgotten, and the session is still cached.
	_, _, err := r.auth.Role(t.Context(), r.header, session, "o1")
	want(t, outcome(t, "a role", err), string(betterauth.ReasonSessionNull))
	wantRefusal(t, r.auth, r.header, betterauth.ReasonSessionNull, "Invalid session") // It is not cached any more.
}

// TestOrganizationForget checks that what was known of a user's memberships doesn't count after Forget, not even what is
// under way.
func TestOrganizationForget(t *testing.T) {
	t.Parallel()
	s := newOrganizationServer(t)
	r, now := newRequester(t, s)
	want(t, r.role("o1"), "member,admin")
	s.set(rolePath, respondJSON(`{"role":"member"}`))
	r.auth.Forget("another")
	want(t, r.role("o1"), "member,admin")
	r.auth.Forget("u1")
	now.Advance(1)
	want(t, r.role("o1"), "member")
	s.wantCounts(t, 2, 2, 0)

	s.set(rolePath, func(w http.ResponseWriter, q *http.Request) {
		s.set(rolePath, respondJSON(`{"role":"none"}`))
		now.Advance(1)
		r.auth.Forget("u1")
		now.Advance(1)
		respondJSON(`{"role":"owner"}`)(w, q)
	})
	now.Advance(15 * time.Second)
	want(t, r.role("o1"), "none")
}

func TestOrganizationAPIKeys(t *testing.T) {
	t.Parallel()
	const key, limited = "a-key-of-the-user", `{"code":"RATE_LIMITED","details":{"tryAgainIn":5000}}`
	for name, test := range map[string]struct {
		answer     http.HandlerFunc
		list, role string
	}{
		"allowed":       {respondJSON(acme), "o1 Acme", "member,admin"},
		"not allowed":   {respond(403, `{"code":"INVALID_API_KEY"}`), "", "no member"},
		"deleted":       {respond(401, `{"code":"INVALID_API_KEY"}`), "api_key_unknown", "api_key_unknown"},
		"rate limited":  {respond(429, limited), "api_key_rate_limited", "api_key_rate_limited"},
		"other failure": {respond(401, `{"code":"OTHER"}`), "session_unusable", "session_unusable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOrganizationServer(t)
			s.set(sessionPath, respondJSON(strings.ReplaceAll(sessionJSON(), token, key)))
			s.set("/api/auth/api-key/get", respondJSON(`{"id":"s1","permissions":{"tasks":["read"]}}`))
			s.set(organizationsPath, test.answer)
			r, _ := newRequester(t, s)
			r.header = http.Header{"X-Api-Key": {key}}
			want(t, r.organizations(), test.list)
			want(t, r.role("o1"), test.role)
		})
	}
}

// TestManyMembers checks that members are asked for in pages, and how many and how large they may be.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	for total, pages := range map[int]int{249: 1, 250: 2, 600: 3, 1500: 4} {
		s := newOrganizationServer(t)
		s.set(membersPath, func(w http.ResponseWriter, r *http.Request) {
			var offset, limit int
			_, _ = fmt.Sscan(r.URL.Query().Get("offset"), &offset)
			_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
			var list []string
			for i := offset; i < min(offset+limit, total); i++ {
				list = append(list, fmt.Sprintf(`{"userId":"u%d","role":"member","user":{"name":"name %04d","image":"%s"}}`, i, total-i, strings.Repeat("x", 10_000)))
			}
			respondJSON(`{"members":[`+strings.Join(list, ",")+`]}`)(w, nil)
		})
		r, _ := newRequester(t, s)
		members, err := r.auth.Members(t.Context(), r.header, r.session(), "o1")
		size := 0
		for i, m := range members {
			if i > 0 && members[i-1].Name > m.Name {
				t.Fatalf("%s before %s", members[i-1].Name, m.Name)
			}
			if m.Image != nil {
				size += len(*m.Image)
			}
		}
		if err != nil || len(members) != min(total, 1000) || size > 4<<20 || size < min(total*10_000, 3<<20) {
			t.Errorf("%d members, with images of %d bytes: %v", len(members), size, err)
		}
		s.wantCounts(t, 1, 1, pages)
	}
}
