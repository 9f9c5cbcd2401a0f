package server

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/config"
	"taskql/internal/graphqlhttp"
	"taskql/internal/live"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// eventReader reads a stream of a subscription to changes.
type eventReader struct {
	t      *testing.T
	events chan string // the data of events; closed at the end of the stream
}

// watch subscribes to changes, and waits for the first page.
func watch(t *testing.T, address string, header http.Header) *eventReader {
	t.Helper()
	return watchURL(t, address+graphqlPath+"?query="+url.QueryEscape(changesDocument), header)
}

const changesDocument = `subscription { changes { tasks { title } version } }`

// watchURL is watch with the query in the URL.
func watchURL(t *testing.T, address string, header http.Header) *eventReader {
	t.Helper()
	r := openEvents(t, address, header)
	r.want(`"data":`)
	return r
}

// openEvents opens a stream.
func openEvents(t *testing.T, address string, header http.Header) *eventReader {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = with(header, "Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	r := &eventReader{t: t, events: make(chan string, 100)}
	go func() {
		defer response.Body.Close()
		defer close(r.events)
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				r.events <- data
			}
		}
	}()
	return r
}

// want waits for an event that contains a text.
func (r *eventReader) want(text string) {
	r.t.Helper()
	select {
	case got, ok := <-r.events:
		if !ok || !strings.Contains(got, text) {
			r.t.Fatalf("got %q, %t; want %s", got, ok, text)
		}
	case <-time.After(time.Minute):
		r.t.Fatalf("nothing came; want %s", text)
	}
}

// wantEnd waits for the error that says that the session has ended, and the end of the stream.
func (r *eventReader) wantEnd() {
	r.t.Helper()
	r.want(`"UNAUTHENTICATED"`)
	select {
	case got, ok := <-r.events:
		if ok {
			r.t.Fatalf("after the end came %s", got)
		}
	case <-time.After(time.Minute):
		r.t.Fatal("the stream is open")
	}
}

// TestStreamsEndWithTheirSessions: a real Better Auth tells of signed-out, banned and deleted users, and their streams end at once.
// Other sessions' streams go on.
func TestStreamsEndWithTheirSessions(t *testing.T) {
	t.Parallel()
	c := newErasureFixture(t, testkit.SQLiteURL(t))
	boss := c.auth.SignUp(t, "Boss", "boss@example.com", "correct horse")
	create := func(user *testkit.AuthClient, title string) {
		t.Helper()
		if _, answer := mustCall(t, c.url, user.Header(), `mutation { createTask(input: {title: "`+title+`"}) { userErrors { code } } }`); !strings.Contains(answer, `"userErrors":[]`) {
			t.Fatal(answer)
		}
	}
	laptop := c.auth.SignUp(t, "Ann", "ann@example.com", "correct horse")
	phone := c.auth.SignIn(t, "ann@example.com", "correct horse")
	onLaptop, onPhone := watch(t, c.url, laptop.Header()), watch(t, c.url, bearer(phone.Token))
	byJWT, others := watch(t, c.url, bearer(laptop.JWT(t))), watch(t, c.url, boss.Header())
	create(laptop, "one")
	for _, r := range []*eventReader{onLaptop, onPhone, byJWT} {
		r.want(`"one"`)
	}
	laptop.SignOut(t)
	onLaptop.wantEnd()
	create(phone, "two")
	onPhone.want(`"two"`)
	byJWT.want(`"two"`)
	boss.Post(t, "/api/auth/admin/ban-user", map[string]any{"userId": phone.UserID})
	onPhone.wantEnd()
	byJWT.wantEnd()
	if _, answer := mustCall(t, c.url, bearer(phone.Token), whoAmI); strings.Contains(answer, "ann@example.com") {
		t.Errorf("the banned user's session is still accepted: %s", answer)
	}
	gone := c.auth.SignUp(t, "Bob", "bob@example.com", "correct horse")
	jwtOfGone, cookieOfGone := watch(t, c.url, bearer(gone.JWT(t))), watch(t, c.url, gone.Header())
	gone.Post(t, "/api/auth/delete-user", map[string]any{"password": "correct horse"})
	jwtOfGone.wantEnd()
	cookieOfGone.wantEnd()
	create(boss, "three")
	others.want(`"three"`)
}

// TestStreamsFollowTheTimeZone: when a user moves to another time zone, live lists show what is due today there, also those of
// JWTs, and the streams go on.
func TestStreamsFollowTheTimeZone(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"bearer", "jwt"}})
	address := testkit.SQLiteURL(t)
	cfg, err := config.Load(against(auth.URL, auth.Secret, map[string]string{"ENVIRONMENT": "test", "DATABASE_URL": address}))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now() // So that no day ends in between.
	s, err := New(t.Context(), Config{Config: cfg, DB: testkit.OpenDatabase(t, address), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.live.hub.Close)
	web := serve(t, s)
	ann := auth.SignUp(t, "Ann", "ann@example.com", "correct horse")
	moveTo := func(zone string) {
		t.Helper()
		if _, answer := mustCall(t, web, ann.Header(), `mutation { updateViewer(input: {timeZone: "`+zone+`"}) { viewer { timeZone } } }`); !strings.Contains(answer, zone) {
			t.Fatal(answer)
		}
	}
	const east, west = "Pacific/Kiritimati", "Etc/GMT+12" // It is never the same day there.
	for _, zone := range []string{east, west} {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		_, answer := mustCall(t, web, ann.Header(), fmt.Sprintf(`mutation { createTask(input: {title: "in %s", due: {date: %q}}) { userErrors { code } } }`, zone, now.In(location).Format(time.DateOnly)))
		if !strings.Contains(answer, `"userErrors":[]`) {
			t.Fatal(answer)
		}
	}
	moveTo(west)
	const document = `subscription { taskList(filter: {due: {within: TODAY}}) { left placed { edge { node { title } } } } }`
	list := web + graphqlPath + "?query=" + url.QueryEscape(document)
	socket, _ := dialSocket(t, web+graphqlPath, ann.Header())
	exchange(t, socket, 1, initMessage)
	streams := []*eventReader{watchURL(t, list, ann.Header()), watchURL(t, list, bearer(ann.JWT(t)))}
	for _, zone := range []string{east, west, east} {
		moveTo(zone)
		for _, r := range streams {
			r.want(`"in ` + zone + `"`)
		}
		// A connection that had no subscription when the user moved.
		// Its first list may still be the one of the other zone.
		message := fmt.Sprintf(`{"id":%q,"type":"subscribe","payload":{"query":%q}}`, zone, document)
		for got := exchange(t, socket, 1, message)[0]; !strings.Contains(got, `"in `+zone+`"`); got = exchange(t, socket, 1)[0] {
			if !strings.Contains(got, `"next"`) {
				t.Fatalf("over a connection without subscriptions: %s", got)
			}
		}
		exchange(t, socket, 0, fmt.Sprintf(`{"id":%q,"type":"complete"}`, zone))
	}
}

// TestStreamsFindOutByThemselves: without events of the auth server, nothing is sent to a session that has ended.
func TestStreamsFindOutByThemselves(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"bearer"}})
	address := testkit.SQLiteURL(t)
	cfg, err := config.Load(against(auth.URL, auth.Secret, map[string]string{"ENVIRONMENT": "test", "DATABASE_URL": address, "SESSION_CACHE_TTL": "1s"}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Config{Config: cfg, DB: testkit.OpenDatabase(t, address), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.live.hub.Close)
	web := httptest.NewServer(s.Handler())
	t.Cleanup(web.Close)
	laptop := auth.SignUp(t, "Ann", "ann@example.com", "correct horse")
	phone := auth.SignIn(t, "ann@example.com", "correct horse")
	onLaptop := watch(t, web.URL, laptop.Header())
	laptop.SignOut(t)
	awaitForgotten(t, web.URL, laptop.Header())
	mustCall(t, web.URL, bearer(phone.Token), `mutation { createTask(input: {title: "secret"}) { userErrors { code } } }`)
	onLaptop.wantEnd()
}

// TestStreamsEndAtSignOut: the embedded sign-in ends the streams of a session at once, and no others.
func TestStreamsEndAtSignOut(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{})
	t.Cleanup(s.live.hub.Close)
	laptop, phone := newBrowser(t, s), newBrowser(t, s)
	onLaptop := watch(t, laptop.url, http.Header{"Cookie": {signUp(t, laptop)}})
	signIn := map[string]string{"email": "eve@example.com", "password": "correct horse"}
	if status, answer := phone.post(t, "/api/auth/sign-in/email", signIn); status != http.StatusOK {
		t.Fatalf("signing in: %d %s", status, answer)
	}
	onPhone := watch(t, phone.url, http.Header{"Cookie": {phone.cookies(t)}})
	signOut, err := http.NewRequestWithContext(t.Context(), http.MethodPost, laptop.url+"/api/auth/sign-out", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	signOut.Header = http.Header{"Content-Type": {"application/json"}, "Origin": {laptop.url}}
	answer, err := laptop.client.Do(signOut)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("signing out: %v, %v", answer, err)
	}
	_ = answer.Body.Close()
	onLaptop.wantEnd()
	phone.query(t, `mutation { createTask(input: {title: "two"}) { userErrors { code } } }`)
	onPhone.want(`"two"`)
}

// awaitForgotten waits until a session that has ended is refused, and its streams count as verified no longer.
func awaitForgotten(t *testing.T, address string, header http.Header) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if response, _ := mustCall(t, address, header, `{ tasks { nodes { id } } }`); response.StatusCode == http.StatusUnauthorized {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the session is still accepted")
		}
	}
	time.Sleep(minVerified) // Verdicts from before count as long at least.
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	users := &authenticator{sessionTTL: 15 * time.Second, now: func() time.Time { return now }}
	end := now.Add(time.Hour)
	for name, tt := range map[string]struct {
		session betterauth.Session
		until   time.Time
	}{
		"just verified":   {betterauth.Session{AsOf: now, ExpiresAt: end}, now.Add(15 * time.Second)},
		"from the cache":  {betterauth.Session{AsOf: now.Add(-10 * time.Second), ExpiresAt: end}, now.Add(5 * time.Second)},
		"during a outage": {betterauth.Session{AsOf: now.Add(-time.Minute), ExpiresAt: end}, now.Add(time.Second)},
		"a JWT":           {betterauth.Session{AsOf: now.Add(-time.Minute), ExpiresAt: end, Scheme: betterauth.SchemeJWT}, end},
	} {
		if got, want := users.verdict(&tt.session), (live.Verdict{State: live.Valid, Until: tt.until, Expires: end}); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestSameViewer(t *testing.T) {
	t.Parallel()
	v := viewer.Viewer{UserID: "ann", WorkspaceID: "ann", Role: viewer.RoleAdmin, Location: time.UTC}
	same, zone, access := v, v, v
	same.Location = time.FixedZone("UTC", 0)
	zone.Location = time.FixedZone("X", 3600)
	access.Access = viewer.AccessRead
	if !sameViewer(v, same) || !sameViewer(v, zone) || sameViewer(v, access) {
		t.Error("viewers are compared wrongly")
	}
}

func TestMayOpenStream(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"application/json": false, "application/graphql-response+json, */*": false, "text/event-stream": true,
		"multipart/mixed;subscriptionSpec=1.0, application/json": true,
	} {
		if got := mayOpenStream(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("%s: %t", accept, got)
		}
	}
	if !mayOpenStream(http.Header{"Upgrade": {"websocket"}}) {
		t.Error("a WebSocket's handshake may not open a stream")
	}
}

// An operation over a connection has the viewer as of now, and none if the session has ended.
func TestVerified(t *testing.T) {
	t.Parallel()
	var refusal error
	zone := time.UTC
	users := &authenticator{
		authenticate: func(context.Context, http.Header) (*betterauth.Session, error) {
			return &betterauth.Session{UserID: "ann"}, refusal
		},
		viewer: func(_ context.Context, s *betterauth.Session) (viewer.Viewer, error) {
			return viewer.Viewer{UserID: s.UserID, Role: viewer.RoleAdmin, Location: zone}, nil
		},
		refusals: newRefusalLog(slog.New(slog.DiscardHandler), time.Now), credentials: http.Header.Clone, now: time.Now,
	}
	v := viewer.Viewer{UserID: "ann", Location: time.UTC}
	ctx := users.withStreamSession(viewer.NewContext(t.Context(), v), http.Header{}, &betterauth.Session{UserID: "ann"}, v)
	zone = time.FixedZone("X", 3600)
	if got, err := viewer.FromContext(verified(ctx)); err != nil || got.UserID != "ann" || got.Location != zone {
		t.Errorf("got %+v, %v", got, err)
	}
	refusal = &betterauth.Refusal{Message: "Invalid session"}
	if got, err := viewer.FromContext(verified(ctx)); err == nil {
		t.Errorf("got %+v", got)
	}
	expires := time.Now().Add(time.Hour) // Nobody is asked about a JWT.
	ctx = users.withStreamSession(viewer.NewContext(t.Context(), v), http.Header{}, &betterauth.Session{UserID: "ann", Scheme: betterauth.SchemeJWT, ExpiresAt: expires}, v)
	if got, err := viewer.FromContext(verified(ctx)); err != nil || got.UserID != "ann" {
		t.Errorf("with a JWT: got %+v, %v", got, err)
	}
	users.now = func() time.Time { return expires }
	if got, err := viewer.FromContext(verified(ctx)); err == nil {
		t.Errorf("with an expired JWT: got %+v", got)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	for _, header := range []http.Header{{}, {"Cookie": {"a=1; b=2"}, "Authorization": {"Bearer x", "Bearer y"}}} {
		if got := newCredentials(header).header(); !reflect.DeepEqual(got, header) {
			t.Errorf("got %v, want %v", got, header)
		}
	}
}

// Results wait while less than a tenth of the user's budget is left, so that requests are not refused because of them.
func TestStreamsLeaveBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		remaining int
		retry     time.Duration
		want      time.Duration
	}{
		{1000, 0, 0},
		{100, 0, 0},
		{99, 0, 60 * time.Millisecond},
		{1, 0, 5940 * time.Millisecond},
		{0, time.Millisecond, 6 * time.Second},
		{0, 40 * time.Second, 40 * time.Second}, // In debt.
	} {
		users := &authenticator{reserve: 1000 / reserveShare, spend: func(context.Context, int, bool) graphqlhttp.Balance {
			return graphqlhttp.Balance{OK: tt.remaining > 0, Remaining: tt.remaining, RetryAfter: tt.retry}
		}}
		if got := (&streamClient{users: users}).Spend(0); got != tt.want {
			t.Errorf("with %d left the wait is %s, want %s", tt.remaining, got, tt.want)
		}
	}
}
