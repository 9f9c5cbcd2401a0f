package devauth_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/go-cmp/cmp"

	"taskql/internal/betterauth"
	"taskql/internal/devauth"
	"taskql/internal/testkit"
)

// must does an act that has to succeed.
func (s *organizationServer) must(t *testing.T, a act) {
	t.Helper()
	if got := s.do(t, a); got.Status != http.StatusOK {
		t.Fatalf("%s %s %s: %v", a.as, a.request, a.body, got)
	}
}

// add makes a user a member of acme with a role.
func (s *organizationServer) add(t *testing.T, user, role string) {
	t.Helper()
	s.must(t, act{as: "ada", request: "POST /invite-member", body: fmt.Sprintf(`{"email":"{%s@}","role":%q,"organizationId":"{acme}"}`, user, role), save: "invitation=id"})
	s.must(t, act{as: user, request: "POST /accept-invitation", body: `{"invitationId":"{invitation}"}`, save: user + "1=member.id"})
}

// newAcme starts a server at which ada owns acme.
func newAcme(t *testing.T, cfg devauth.Config) *organizationServer {
	t.Helper()
	s := newDevauth(t, cfg)
	s.signUpAll(t)
	s.must(t, act{as: "ada", request: "POST /create", body: `{"name":"Acme","slug":"acme"}`, save: "acme=id,owner=members.0.id"})
	return s
}

func newAcmeOnSQLite(t *testing.T) *organizationServer {
	t.Helper()
	return newAcme(t, devauth.Config{DB: testkit.OpenDatabase(t, testkit.SQLiteURL(t)).SQL, Dialect: dialect.SQLite})
}

// TestLengths checks the limits that Better Auth doesn't have.
func TestLengths(t *testing.T) {
	s := newAcmeOnSQLite(t)
	fits, tooLong := strings.Repeat("😀", 120), strings.Repeat("😀", 128) // 2 code units each
	for _, tt := range []struct{ request, body, long string }{
		{"POST /create", `{"name":"%s","slug":"one"}`, "name"},
		{"POST /create", `{"name":"x","slug":"%s"}`, "slug"},
		{"POST /update", `{"data":{"name":"%s"},"organizationId":"{acme}"}`, "data.name"},
		{"POST /update", `{"data":{"slug":"%s"},"organizationId":"{acme}"}`, "data.slug"},
		{"POST /invite-member", `{"email":"{ben@}","role":"member,%s","organizationId":"{acme}"}`, "role"},
		{"POST /update-member-role", `{"memberId":"{owner}","role":["owner,","%s"],"organizationId":"{acme}"}`, "role"},
	} {
		for text, refused := range map[string]bool{fits: false, tooLong: true} {
			got := s.do(t, act{as: "ada", request: tt.request, body: fmt.Sprintf(tt.body, text)})
			refusal, _ := got.Body.(map[string]any)
			message := fmt.Sprint(refusal["message"])
			if want := "[body." + tt.long + "] Too big: expected string to have <=255 characters"; (message == want) != refused {
				t.Errorf("%s, %d bytes: %v", tt.long, len(text), got)
			}
		}
	}
	for name, field := range map[string]string{"logo": `"%s"`, "metadata": `{"a":"%s"}`} {
		for length, status := range map[int]int{65_500: http.StatusOK, 65_537: http.StatusBadRequest} {
			body := fmt.Sprintf(`{"data":{"`+name+`":`+field+`},"organizationId":"{acme}"}`, strings.Repeat("x", length))
			if got := s.do(t, act{as: "ada", request: "POST /update", body: body}); got.Status != status {
				t.Errorf("%s of %d: %d", name, length, got.Status)
			}
		}
	}
}

// TestOrganizationCount checks that a user can't belong to more organizations than the limit, created or joined.
func TestOrganizationCount(t *testing.T) {
	s := newAcmeOnSQLite(t)
	for i := range 99 {
		s.must(t, act{as: "ben", request: "POST /create", body: fmt.Sprintf(`{"name":"x","slug":"x%d"}`, i)})
	}
	s.must(t, act{as: "ada", request: "POST /invite-member", body: `{"email":"{ben@}","role":"member"}`, save: "invitation=id"})
	create := act{as: "ben", request: "POST /create", body: `{"name":"x","slug":"x100"}`, save: "last=id"}
	join := act{as: "ben", request: "POST /accept-invitation", body: `{"invitationId":"{invitation}"}`}
	s.must(t, create)
	const code = "YOU_HAVE_REACHED_THE_MAXIMUM_NUMBER_OF_ORGANIZATIONS"
	for _, a := range []act{{as: "ben", request: create.request, body: `{"name":"x","slug":"x101"}`}, join} {
		got := s.do(t, a)
		if refusal, _ := got.Body.(map[string]any); got.Status != http.StatusForbidden || refusal["code"] != code {
			t.Errorf("%s: %v", a.request, got)
		}
	}
	s.must(t, act{as: "ben", request: "POST /delete", body: `{"organizationId":"{last}"}`})
	s.must(t, join)
}

// TestOldInvitationsAreDeleted checks that invitations which are closed give way to new ones.
func TestOldInvitationsAreDeleted(t *testing.T) {
	s := newAcmeOnSQLite(t)
	for i := range 101 {
		s.must(t, act{
			as: "ada", request: "POST /invite-member", save: fmt.Sprintf("invitation%d=id", i),
			body: fmt.Sprintf(`{"email":"u%d@example.com","role":"member"}`, i),
		})
		if i == 50 {
			s.must(t, act{as: "ada", request: "POST /cancel-invitation", body: `{"invitationId":"{invitation50}"}`})
		}
	}
	list := send(t, http.DefaultClient, s.url+"/api/auth/organization", http.MethodGet, "/list-invitations", "", "Cookie", s.cookies["ada"])
	var invitations []struct{ Email string }
	if err := json.Unmarshal([]byte(list.body), &invitations); err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for _, invitation := range invitations {
		addresses = append(addresses, invitation.Email)
	}
	if len(addresses) != 100 || slices.Contains(addresses, "u50@example.com") || !slices.Contains(addresses, "u100@example.com") {
		t.Errorf("%d invitations: %v", len(addresses), addresses)
	}
}

// TestAnOwnerStays checks that an organization keeps an owner whatever its owners do at once.
func TestAnOwnerStays(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg devauth.Config) {
		s := newAcme(t, cfg)
		owners := []string{"ada", "ben", "cem"}
		s.saved["ada1"] = s.saved["owner"]
		for _, user := range owners[1:] {
			s.add(t, user, "owner")
		}
		release := func() {}
		if cfg.Dialect == dialect.Postgres {
			release = holdWrites(t, cfg.DB, len(owners))
		}
		var group sync.WaitGroup
		left := make([]int, len(owners))
		for i, user := range owners {
			acts := []act{
				{as: user, request: "POST /leave", body: `{"organizationId":"{acme}"}`},
				{as: user, request: "POST /update-member-role", body: `{"memberId":"{` + user + `1}","role":"member","organizationId":"{acme}"}`},
			}
			group.Go(func() { left[i] = s.do(t, acts[i%2]).Status })
		}
		release()
		group.Wait()
		slices.Sort(left)
		if diff := cmp.Diff([]int{http.StatusOK, http.StatusOK, http.StatusBadRequest}, left); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		var roles int
		if err := s.db.QueryRowContext(t.Context(), "SELECT count(*) FROM devauth_members WHERE role = 'owner'").Scan(&roles); err != nil || roles != 1 {
			t.Errorf("%d owners, %v", roles, err)
		}
	})
}

// holdWrites keeps members from being written. The returned function waits until a number of statements wait, and ends that.
func holdWrites(t *testing.T, db *sql.DB, waiting int) func() {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE devauth_members IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		const query = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT granted AND datname = current_database()"
		for count := 0; count < waiting; {
			if err := tx.QueryRowContext(t.Context(), query).Scan(&count); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMembershipChanged checks whose changes Config.MembershipChanged is told.
func TestMembershipChanged(t *testing.T) {
	var mu sync.Mutex
	var changed []string
	s := newAcme(t, devauth.Config{
		DB: testkit.OpenDatabase(t, testkit.SQLiteURL(t)).SQL, Dialect: dialect.SQLite,
		MembershipChanged: func(userID string) {
			mu.Lock()
			defer mu.Unlock()
			changed = append(changed, userID)
		},
	})
	s.add(t, "ben", "member")
	s.add(t, "cem", "member")
	for _, a := range []act{
		{as: "ada", request: "POST /update", body: `{"data":{"name":"x"},"organizationId":"{acme}"}`},
		{as: "ben", request: "POST /leave", body: `{"organizationId":"missing"}`},
		{as: "ada", request: "POST /update-member-role", body: `{"memberId":"{cem1}","role":"admin","organizationId":"{acme}"}`},
		{as: "ada", request: "POST /remove-member", body: `{"memberIdOrEmail":"{cem1}","organizationId":"{acme}"}`},
		{as: "ben", request: "POST /leave", body: `{"organizationId":"{acme}"}`},
	} {
		s.do(t, a)
	}
	s.add(t, "dan", "member")
	s.must(t, act{as: "ada", request: "POST /delete", body: `{"organizationId":"{acme}"}`})
	var names []string
	for _, id := range changed {
		for _, user := range []string{"ada", "ben", "cem", "dan"} {
			if s.saved[user] == id {
				names = append(names, user)
			}
		}
	}
	want := []string{"ada", "ben", "cem", "cem", "cem", "ben", "dan", "ada", "dan"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzOrganizationRequests checks that no body and no parameters make the server fail, and that what it stored can be read.
func FuzzOrganizationRequests(f *testing.F) {
	endpoints := slices.DeleteFunc(devauth.Endpoints(), func(end string) bool { return !strings.Contains(end, "/organization/") })
	for _, a := range slices.Concat(creations(), changesOfOrganizations(), actives(), invitations(), memberLists(), roles(), departures()) {
		end, query, _ := strings.Cut(a.request, "?")
		f.Add(uint8(slices.Index(endpoints, strings.Replace(end, " ", " /api/auth/organization", 1))), query, a.body)
	}
	db := testkit.OpenDatabase(f, testkit.SQLiteURL(f)).SQL
	server, err := devauth.New(f.Context(), devauth.Config{DB: db, Dialect: dialect.SQLite})
	if err != nil {
		f.Fatal(err)
	}
	const origin = "http://devauth.test"
	var session string
	f.Fuzz(func(t *testing.T, endpoint uint8, query, body string) {
		if session == "" {
			session = cookiesOf(post(t, server, "/sign-up/email", signUp))
		}
		if _, err := db.ExecContext(t.Context(), "DELETE FROM devauth_organizations"); err != nil {
			t.Fatal(err)
		}
		post(t, server, "/organization/create", `{"name":"Acme","slug":"acme"}`, "Cookie", session, "Origin", origin)
		method, path, _ := strings.Cut(endpoints[int(endpoint)%len(endpoints)], " ")
		target := url.URL{Scheme: "http", Host: "devauth.test", Path: path, RawQuery: query}
		for _, request := range []*http.Request{
			{Method: method, URL: &target, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))},
			{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: "devauth.test", Path: "/api/auth/organization/list"}, Header: http.Header{}},
		} {
			request.Header.Set("Cookie", session)
			request.Header.Set("Origin", origin)
			response, err := client(server).Do(request.WithContext(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(response.Body)
			if response.StatusCode >= http.StatusInternalServerError || len(text) > 0 && !json.Valid(text) {
				t.Errorf("%s %s?%s %s: %d %s", request.Method, request.URL.Path, query, body, response.StatusCode, text)
			}
		}
	})
}

// TestMemberships asks for memberships as this server does. The clock hardly moves, so what was cached stays until
// Config.MembershipChanged is called.
func TestMemberships(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg devauth.Config) {
		var sessions *betterauth.Authenticator
		now := newClock()
		cfg.Now = now.Now
		cfg.MembershipChanged = func(userID string) {
			now.Advance(time.Millisecond)
			sessions.Forget(userID)
			now.Advance(time.Millisecond)
		}
		server := newServer(t, cfg)
		listener := httptest.NewServer(server)
		t.Cleanup(listener.Close)
		var err error
		if sessions, err = betterauth.New(betterauth.Config{
			BaseURL: "http://devauth.test", Secret: server.Secret(), Transport: server.Transport(), Now: cfg.Now, CacheTTL: time.Minute,
		}); err != nil {
			t.Fatal(err)
		}
		s := &organizationServer{url: listener.URL, db: cfg.DB}
		s.signUpAll(t)
		check := func(step, user, role string, members ...string) {
			t.Helper()
			header := http.Header{"Cookie": {s.cookies[user]}}
			session, err := sessions.Authenticate(t.Context(), header)
			if err != nil {
				t.Fatal(err)
			}
			list, err := sessions.Organizations(t.Context(), header, session)
			if listed := err == nil && len(list) == 1 && list[0].ID == s.saved["acme"]; listed != (role != "") {
				t.Errorf("%s: organizations %v, %v", step, list, err)
			}
			got, _, err := sessions.Role(t.Context(), header, session, s.saved["acme"])
			if err != nil || got != role {
				t.Errorf("%s: role %q, %v", step, got, err)
			}
			people, err := sessions.Members(t.Context(), header, session, s.saved["acme"])
			var names []string
			for _, m := range people {
				names = append(names, m.Name)
			}
			slices.Sort(names)
			if role != "" && (err != nil || !slices.Equal(names, members)) {
				t.Errorf("%s: members %v, %v", step, names, err)
			}
		}
		check("before", "ada", "")
		s.must(t, act{as: "ada", request: "POST /create", body: `{"name":"Acme","slug":"acme"}`, save: "acme=id"})
		check("created", "ada", "owner", "ada")
		check("before", "ben", "")
		s.add(t, "ben", "member")
		check("joined", "ben", "member", "ada", "ben")
		s.must(t, act{as: "ada", request: "POST /update-member-role", body: `{"memberId":"{ben1}","role":"admin"}`})
		check("promoted", "ben", "admin", "ada", "ben")
		s.must(t, act{as: "ada", request: "POST /remove-member", body: `{"memberIdOrEmail":"{ben1}"}`})
		check("removed", "ben", "")
		s.must(t, act{as: "ada", request: "POST /delete", body: `{"organizationId":"{acme}"}`})
		check("deleted", "ada", "")
	})
}

// TestInvitationIsLogged checks that the log has the id of an invitation, because no e-mail is sent, and no address.
func TestInvitationIsLogged(t *testing.T) {
	var log bytes.Buffer
	s := newAcme(t, devauth.Config{
		DB: testkit.OpenDatabase(t, testkit.SQLiteURL(t)).SQL, Dialect: dialect.SQLite, Log: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	s.must(t, act{as: "ada", request: "POST /invite-member", body: `{"email":"{ben@}","role":"member"}`, save: "invitation=id"})
	var line struct{ Invitation, Organization string }
	if err := json.Unmarshal(log.Bytes(), &line); err != nil || line.Invitation != s.saved["invitation"] || line.Organization != s.saved["acme"] {
		t.Errorf("%v: %s", err, log.String())
	}
	if strings.Contains(log.String(), s.saved["ben@"]) {
		t.Errorf("the address is logged: %s", log.String())
	}
}
