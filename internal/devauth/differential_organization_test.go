package devauth_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskql/internal/devauth"
	"taskql/internal/testkit"
)

// An act is a request about organizations that is sent to both servers.
type act struct {
	as string // the user who sends it, "" for nobody who is signed in
	// request is the method and the path below /api/auth/organization, as in "POST /create". In it and in the body, {name}
	// stands for what was saved as name, {ada} for the id of the user ada, and {ada@} for the address.
	request, body string
	// save has pairs name=path: values of the response, as in "acme=id,owner=members.0.id".
	save string
	// fails is whether Better Auth fails with 500, and ours refuses the request with 400.
	fails bool
	// before changes the database of the server: a key of organizationServer.sql, and the parameter.
	before string
}

// organizationServer is a server with users and what was saved of its responses.
type organizationServer struct {
	url     string
	db      *sql.DB
	sql     map[string][]string // statements with at most one parameter
	cookies map[string]string   // by user
	saved   map[string]string
}

// signUpAll signs up the users: ada owns acme, ben becomes an admin and cem a member of it, dan is invited, eve is a
// stranger. ada has two more sessions: as "short" she isn't remembered, and as "gone" she has signed out.
func (s *organizationServer) signUpAll(t *testing.T) {
	t.Helper()
	s.cookies, s.saved = map[string]string{"garbage": "better-auth.session_token=garbage.x"}, map[string]string{}
	defer func() {
		const ada = `{"email":"ada@example.com","password":"correct horse","rememberMe":false}`
		for _, name := range []string{"short", "gone"} {
			s.cookies[name] = cookiesOf(send(t, http.DefaultClient, s.url+"/api/auth", http.MethodPost, "/sign-in/email", ada, "Origin", s.url))
		}
		send(t, http.DefaultClient, s.url+"/api/auth", http.MethodPost, "/sign-out", "{}", "Origin", s.url, "Cookie", s.cookies["gone"])
	}()
	for _, name := range []string{"ada", "ben", "cem", "dan", "eve"} {
		address := name + "@example.com"
		a := send(t, http.DefaultClient, s.url+"/api/auth", http.MethodPost, "/sign-up/email",
			fmt.Sprintf(`{"name":%q,"email":%q,"password":"correct horse"}`, name, address), "Origin", s.url)
		var up struct{ User struct{ ID string } }
		if err := json.Unmarshal([]byte(a.body), &up); err != nil || up.User.ID == "" {
			t.Fatalf("%v: %s", err, a.body)
		}
		s.cookies[name], s.saved[name], s.saved[name+"@"] = cookiesOf(a), up.User.ID, address
	}
}

var placeholder = regexp.MustCompile(`\{([a-z0-9]+@?)\}`)

// fill replaces the placeholders in a text.
func (s *organizationServer) fill(t *testing.T, text string) string {
	t.Helper()
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := s.saved[strings.Trim(name, "{}")]
		if !ok {
			t.Fatalf("nothing is saved as %s", name)
		}
		return value
	})
}

// told is what a response says, with names for ids and times.
type told struct {
	Status            int
	ContentType       string
	Cookies           []string
	Body              any
	NotJSON, Location string
}

// do sends the request of an act.
func (s *organizationServer) do(t *testing.T, a act) told {
	t.Helper()
	if a.before != "" {
		name, argument, _ := strings.Cut(a.before, " ")
		for _, statement := range s.sql[name] {
			arguments := []any{s.fill(t, argument)}[:strings.Count(statement, "$1")]
			if _, err := s.db.ExecContext(t.Context(), statement, arguments...); err != nil {
				t.Fatalf("%s: %v", a.before, err)
			}
		}
	}
	method, path, _ := strings.Cut(s.fill(t, a.request), " ")
	header := []string{"Cookie", s.cookies[a.as], "Origin", s.url}
	response := send(t, http.DefaultClient, s.url+"/api/auth/organization", method, path, s.fill(t, a.body), header...)
	got := told{
		Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"),
		Cookies: look(t, answer{response.Response, ""}).Cookies, Location: response.Header.Get("Location"),
	}
	if response.body == "" {
		return got
	}
	var body any
	if err := json.Unmarshal([]byte(response.body), &body); err != nil {
		got.NotJSON = response.body
		return got
	}
	for pair := range strings.SplitSeq(a.save, ",") {
		if name, path, ok := strings.Cut(pair, "="); ok {
			s.saved[name] = find(t, body, path)
		}
	}
	ordered := strings.Contains(a.request, "sortBy")
	got.Body = s.normal(body, ordered)
	return got
}

// find returns the text at a path in a JSON value.
func find(t *testing.T, value any, path string) string {
	t.Helper()
	for name := range strings.SplitSeq(path, ".") {
		switch at := value.(type) {
		case map[string]any:
			value = at[name]
		case []any:
			if i, err := strconv.Atoi(name); err == nil && i < len(at) {
				value = at[i]
			}
		}
	}
	text, ok := value.(string)
	if !ok {
		t.Fatalf("no text at %s: %v", path, value)
	}
	return text
}

var identifier = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

// normal returns a JSON value with names for the ids that were saved, "an id" for others, and for times how many hours
// ahead they are. Arrays without an order are sorted.
func (s *organizationServer) normal(value any, ordered bool) any {
	switch value := value.(type) {
	case map[string]any:
		result := map[string]any{}
		for name, field := range value {
			result[name] = s.normal(field, ordered)
		}
		return result
	case []any:
		result := make([]any, len(value))
		for i := range value {
			result[i] = s.normal(value[i], ordered)
		}
		if !ordered {
			slices.SortFunc(result, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		return result
	case string:
		for _, name := range slices.Sorted(maps.Keys(s.saved)) {
			if value == s.saved[name] {
				return "{" + name + "}"
			}
		}
		if at, err := time.Parse("2006-01-02T15:04:05.000Z", value); err == nil {
			return fmt.Sprintf("in %d hours", int(math.Round(time.Until(at).Hours())))
		}
		if identifier.MatchString(value) {
			return "an id"
		}
		return value
	default:
		return value
	}
}

// perform does the acts and returns the responses.
func (s *organizationServer) perform(t *testing.T, acts []act) []told {
	t.Helper()
	s.signUpAll(t)
	var got []told
	for _, a := range acts {
		got = append(got, s.do(t, a))
	}
	return got
}

// newBetterAuth starts a real server.
func newBetterAuth(t *testing.T) *organizationServer {
	t.Helper()
	database := testkit.DirectURL(t, testkit.PostgresURL(t))
	s := &organizationServer{
		url: testkit.BetterAuth(t, testkit.BetterAuthOptions{DatabaseURL: database, Plugins: []string{"organization"}}).URL,
		sql: map[string][]string{
			"expire": {`UPDATE invitation SET "expiresAt" = now() - interval '1 hour' WHERE id = $1`},
			"verify": {`UPDATE "user" SET "emailVerified" = true WHERE id = $1`},
			"invite": {series + `INSERT INTO invitation (id, "organizationId", email, role, status, "expiresAt", "createdAt", "inviterId")
				SELECT 'i' || i, o.id, i || '@example.com', 'member', 'pending', now() + interval '1 hour', now(), u.id
				FROM n, organization o, "user" u WHERE o.id = $1 AND u.name = 'ada'`},
			"fill": {
				series + `INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
				SELECT 'u' || i, 'u', 'u' || i || '@example.com', false, now(), now() FROM n`,
				`INSERT INTO member (id, "organizationId", "userId", role, "createdAt")
				SELECT u.id, o.id, u.id, 'member', now() FROM organization o, "user" u WHERE o.id = $1 AND u.name = 'u'`,
			},
			"shrink": {`DELETE FROM member WHERE id = 'u1' AND "organizationId" = $1`},
		},
	}
	var err error
	if s.db, err = sql.Open("postgres", database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	return s
}

// newDevauth starts a server of this package.
func newDevauth(t *testing.T, cfg devauth.Config) *organizationServer {
	t.Helper()
	server := httptest.NewServer(newServer(t, cfg))
	t.Cleanup(server.Close)
	return &organizationServer{
		url: server.URL, db: cfg.DB,
		sql: map[string][]string{
			"expire": {`UPDATE devauth_invitations SET expires_at = expires_at - 49 * 3600000 WHERE id = $1`},
			"verify": nil, // No address is ever verified.
			"invite": {series + `INSERT INTO devauth_invitations (id, organization_id, email, role, status, expires_at, created_at, inviter_id)
				SELECT 'i' || i, o.id, i || '@example.com', 'member', 'pending', o.created_at + 3600000, o.created_at, u.id
				FROM n, devauth_organizations o, devauth_users u WHERE o.id = $1 AND u.name = 'ada'`},
			"fill": {
				series + `INSERT INTO devauth_users (id, name, email, password_hash, created_at, updated_at)
				SELECT 'u' || i, 'u', 'u' || i || '@example.com', '', 0, 0 FROM n`,
				`INSERT INTO devauth_members (id, organization_id, user_id, role, created_at)
				SELECT u.id, o.id, u.id, 'member', 0 FROM devauth_organizations o, devauth_users u WHERE o.id = $1 AND u.name = 'u'`,
			},
			"shrink": {`DELETE FROM devauth_members WHERE id = 'u1' AND organization_id = $1`},
		},
	}
}

// series begins a statement with a table n of the numbers from 1 to 99.
const series = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99) "

// TestOrganizationsAsBetterAuth compares the responses about organizations with a real server's.
func TestOrganizationsAsBetterAuth(t *testing.T) {
	acts := slices.Concat(creations(), changesOfOrganizations(), actives(), invitations(), answers(), memberLists(), roles(),
		departures(), limits(), deletions())
	betterAuth := newBetterAuth(t)
	want := betterAuth.perform(t, acts)
	unverified := betterAuth.do(t, act{as: "dan", request: "GET /list-user-invitations"})
	if refusal, _ := unverified.Body.(map[string]any); unverified.Status != http.StatusForbidden || refusal["code"] != "EMAIL_VERIFICATION_REQUIRED_FOR_INVITATION" {
		t.Errorf("the package's comment and docs/development.md say that an unverified address is refused: %v", unverified)
	}
	eachDatabase(t, func(t *testing.T, cfg devauth.Config) {
		got := newDevauth(t, cfg).perform(t, acts)
		for i, a := range acts {
			name := fmt.Sprintf("%d: %s %s %s", i, a.as, a.request, a.body)
			if a.fails {
				if want[i].Status != http.StatusInternalServerError || got[i].Status != http.StatusBadRequest {
					t.Errorf("%s:\nBetter Auth %v\nours %v", name, want[i], got[i])
				}
				continue
			}
			if diff := cmp.Diff(want[i], got[i]); diff != "" {
				t.Errorf("%s (-Better Auth, +ours):\n%s", name, diff)
			}
		}
	})
}
