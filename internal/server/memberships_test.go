package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/config"
	"taskql/internal/testkit/bench"
	"taskql/internal/viewer"
)

// membershipFixture is an authenticator and its fake auth server, whose one user is in the organization o1.
type membershipFixture struct {
	*authenticator
	cookie http.Header
	// role is what the auth server answers about o1: a role, or "" if the user is not a member.
	role atomic.Value
	// status replaces the answers about organizations if it is not 0.
	status atomic.Int64
	// calls are the requests about organizations.
	calls atomic.Int64
	mu    sync.Mutex
	now   time.Time
}

func (f *membershipFixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *membershipFixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// answer is the auth server.
func (f *membershipFixture) answer(w http.ResponseWriter, r *http.Request) {
	endpoint := strings.TrimPrefix(r.URL.Path, "/api/auth/")
	if endpoint == "get-session" {
		bench.GetSession(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if endpoint == "ok" {
		_, _ = fmt.Fprint(w, `{"ok":true}`)
		return
	}
	f.calls.Add(1)
	role, _ := f.role.Load().(string)
	switch status := int(f.status.Load()); {
	case status != 0:
		w.WriteHeader(status)
	case endpoint == "organization/list" && role == "":
		_, _ = fmt.Fprint(w, `[]`)
	case endpoint == "organization/list":
		_, _ = fmt.Fprint(w, `[{"id":"o1","name":"Acme"}]`)
	case role == "":
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"code":"YOU_ARE_NOT_A_MEMBER_OF_THIS_ORGANIZATION"}`)
	case endpoint == "organization/get-active-member-role":
		_, _ = fmt.Fprintf(w, `{"role":%q}`, role)
	case endpoint == "organization/list-members":
		_, _ = fmt.Fprintf(w, `{"members":[{"userId":"ann","role":%q,"user":{"name":"Ann"}},{"userId":"bob","role":"guest","user":{"name":"Bob"}}],"total":2}`, role)
	}
}

func newMembershipFixture(t *testing.T, variables map[string]string) *membershipFixture {
	t.Helper()
	const secret = "a secret of more than thirty-two characters"
	f := &membershipFixture{now: time.Now(), cookie: http.Header{"Cookie": {bench.Cookie("ann", secret)}}}
	f.role.Store("member")
	server := httptest.NewServer(http.HandlerFunc(f.answer))
	t.Cleanup(server.Close)
	cfg, err := config.Load(against(server.URL, secret, variables))
	if err != nil {
		t.Fatal(err)
	}
	settings := SessionConfig(cfg)
	settings.Now = f.clock
	sessions, err := betterauth.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	f.authenticator = &authenticator{
		authenticate:  sessions.Authenticate,
		organizations: newOrganizations(cfg, sessions),
		viewer: func(_ context.Context, s *betterauth.Session) (viewer.Viewer, error) {
			return viewer.Viewer{UserID: s.UserID, WorkspaceID: s.UserID, Location: time.UTC}, nil
		},
		credentials: sessions.Credentials, sessionTTL: cfg.SessionCacheTTL, now: f.clock, log: log, refusals: newRefusalLog(log, f.clock),
	}
	return f
}

// request returns the context that a request has behind the middleware.
func (f *membershipFixture) request(t *testing.T, header http.Header) context.Context {
	t.Helper()
	var got *http.Request
	handler := f.middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), requestInfoKey{}, &requestInfo{}), http.MethodPost, graphqlPath, http.NoBody)
	r.Header = header
	handler.ServeHTTP(httptest.NewRecorder(), r)
	if got == nil {
		t.Fatal("the middleware refused the request")
	}
	return got.Context()
}

// stream returns the context of a stream that a request opens, which has nothing of the request's own.
func (f *membershipFixture) stream(t *testing.T, header http.Header) context.Context {
	t.Helper()
	session, err := f.authenticate(t.Context(), header)
	v, refusal := f.resolveViewer(t.Context(), session, err)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return f.newStream(requestInfo{}, header, session, v)
}

// belongsTo returns what a context's user belongs to.
func belongsTo(ctx context.Context) string {
	m := viewer.MembershipsOf(ctx)
	list, err1 := m.Organizations(ctx)
	role, err2 := m.Role(ctx, "o1")
	other, err3 := m.Role(ctx, "o2")
	members, err4 := m.Members(ctx, "o1")
	var refusal *viewer.Refusal
	if err := errors.Join(err1, err2, err3, err4); errors.As(err, &refusal) {
		return fmt.Sprintf("unavailable: %t, %t", refusal.Unavailable, err1 != nil && err2 != nil && err3 != nil && err4 != nil)
	}
	return fmt.Sprint(list, role, other, members)
}

func TestMemberships(t *testing.T) {
	t.Parallel()
	const (
		writer = "[{o1 Acme}] WRITE NONE [{ann Ann <nil> WRITE} {bob Bob <nil> READ}]"
		admin  = "[{o1 Acme}] ADMIN NONE [{ann Ann <nil> ADMIN} {bob Bob <nil> READ}]"
		nobody = "[] NONE NONE []"
	)
	ttl := 15 * time.Second
	for name, open := range map[string]func(*membershipFixture) context.Context{
		"a request": func(f *membershipFixture) context.Context { return f.request(t, f.cookie) },
		"a stream":  func(f *membershipFixture) context.Context { return f.stream(t, f.cookie) },
		"an operation over a connection": func(f *membershipFixture) context.Context {
			return verified(f.stream(t, f.cookie))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newMembershipFixture(t, nil)
			ctx := open(f)
			if n := f.calls.Load(); n != 0 {
				t.Errorf("%d requests before somebody asks", n)
			}
			step := func(what, want string, calls int64) {
				t.Helper()
				if got := belongsTo(ctx); got != want || f.calls.Load() != calls {
					t.Errorf("%s: got %s after %d requests, want %s after %d", what, got, f.calls.Load(), want, calls)
				}
			}
			step("at first", writer, 3)
			f.role.Store("member, admin")
			step("cached", writer, 3)
			f.advance(ttl)
			step("promoted", admin, 6)
			f.role.Store("")
			f.advance(ttl)
			step("removed", nobody, 8)
			f.role.Store("editor,")
			f.advance(ttl)
			step("an unknown role", "[{o1 Acme}] READ NONE [{ann Ann <nil> READ} {bob Bob <nil> READ}]", 11)
			f.status.Store(http.StatusInternalServerError)
			f.advance(ttl)
			step("an outage", "[{o1 Acme}] READ NONE [{ann Ann <nil> READ} {bob Bob <nil> READ}]", 14)
			f.advance(5 * time.Minute)
			if got := belongsTo(ctx); got != "unavailable: true, true" {
				t.Errorf("a long outage: %s", got)
			}
		})
	}
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		f := newMembershipFixture(t, map[string]string{"ORGANIZATIONS": "off"})
		for _, ctx := range []context.Context{f.request(t, f.cookie), f.stream(t, f.cookie), f.request(t, http.Header{})} {
			if got := belongsTo(ctx); got != nobody || f.calls.Load() != 0 {
				t.Errorf("got %s after %d requests", got, f.calls.Load())
			}
		}
	})
	t.Run("signed out", func(t *testing.T) {
		t.Parallel()
		f := newMembershipFixture(t, nil)
		if got := belongsTo(f.request(t, http.Header{})); got != nobody || f.calls.Load() != 0 {
			t.Errorf("got %s after %d requests", got, f.calls.Load())
		}
	})
}

// TestMembershipsOfJWT checks that a JWT's claim is used without a request.
func TestMembershipsOfJWT(t *testing.T) {
	t.Parallel()
	f := newMembershipFixture(t, map[string]string{"WORKSPACE_ROLES": "chief:ADMIN"})
	session := &betterauth.Session{UserID: "ann", Scheme: betterauth.SchemeJWT, Roles: map[string]string{"o1": "member,chief"}, ExpiresAt: f.now.Add(time.Hour)}
	v := viewer.Viewer{UserID: "ann", WorkspaceID: "ann", Location: time.UTC}
	for name, ctx := range map[string]context.Context{
		"a request": f.withMemberships(t.Context(), http.Header{}, session), "a stream": f.newStream(requestInfo{}, http.Header{}, session, v),
	} {
		m := viewer.MembershipsOf(ctx)
		list, err := m.Organizations(ctx)
		role, _ := m.Role(ctx, "o1")
		if fmt.Sprint(list, role, err) != "[{o1 }] ADMIN <nil>" {
			t.Errorf("%s: %v %v %v", name, list, role, err)
		}
		if _, err := m.Members(ctx, "o1"); !errors.Is(err, viewer.ErrMembersUnknown) {
			t.Errorf("%s: members: %v", name, err)
		}
	}
	if n := f.calls.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}
