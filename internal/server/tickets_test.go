package server

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/config"
	"taskql/internal/testkit"
	"taskql/internal/ticket"
)

// postTicket asks for a ticket.
func postTicket(t *testing.T, address string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+ticketPath, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// issueTicket returns a ticket.
func issueTicket(t *testing.T, address string, header http.Header) string {
	t.Helper()
	response, body := postTicket(t, address, header)
	var answer struct {
		Ticket    string
		ExpiresAt time.Time
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || response.StatusCode != http.StatusCreated || len(answer.Ticket) != 43 || answer.ExpiresAt.IsZero() {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	return answer.Ticket
}

func ticketURL(address, ticket string) string { return address + graphqlPath + "?ticket=" + ticket }

const (
	subscribeChanges = `{"id":"c","type":"subscribe","payload":{"query":"` + changesDocument + `"}}`
	badTicketCode    = `"UNAUTHENTICATED"`
)

// ticketFixture is two replicas with one database, and Better Auth.
type ticketFixture struct {
	auth     *testkit.AuthServer
	one, two string // their addresses
}

func newTicketFixture(t *testing.T, auth *testkit.AuthServer, database string) *ticketFixture {
	t.Helper()
	cfg, err := config.Load(against(auth.URL, auth.Secret, map[string]string{"ENVIRONMENT": "test", "DATABASE_URL": database, "SESSION_CACHE_TTL": "1s"}))
	if err != nil {
		t.Fatal(err)
	}
	replica := func() string {
		s, err := New(t.Context(), Config{Config: cfg, DB: testkit.OpenDatabase(t, database), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.live.hub.Close)
		return serve(t, s)
	}
	return &ticketFixture{auth: auth, one: replica(), two: replica()}
}

// TestTicketsWithBetterAuth opens streams at one replica by tickets of the other. They end with the session that the ticket was
// issued for, and a ticket is good once.
func TestTicketsWithBetterAuth(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"bearer", "jwt"}})
	for name, address := range testkit.Databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTicketFixture(t, auth, address(t))
			email := name + "@example.com"
			laptop := c.auth.SignUp(t, "Ann", email, "correct horse")
			phone := c.auth.SignIn(t, email, "correct horse")
			page := http.Header{"Origin": {origin}}

			socket, status := dialSocket(t, ticketURL(c.two, issueTicket(t, c.one, with(laptop.Header(), "Origin", origin))), page)
			if status != http.StatusSwitchingProtocols {
				t.Fatalf("by a ticket in the URL: %d", status)
			}
			if got := exchange(t, socket, 2, initMessage, subscribeChanges); len(got) < 2 || !strings.Contains(got[1], `"changes":`) {
				t.Fatalf("by a ticket in the URL: %q", got)
			}
			other, _ := dialSocket(t, c.two+graphqlPath, page)
			inPayload := `{"type":"connection_init","payload":{"ticket":"` + issueTicket(t, c.one, laptop.Header()) + `"}}`
			if got := exchange(t, other, 2, inPayload, subscribeChanges); len(got) < 2 || !strings.Contains(got[1], `"changes":`) {
				t.Fatalf("by a ticket in the payload: %q", got)
			}
			byTicket := ticketURL(c.two, issueTicket(t, c.one, laptop.Header())) + "&query=" + url.QueryEscape(changesDocument)
			events := watchURL(t, byTicket, page)
			onPhone := watchURL(t, ticketURL(c.two, issueTicket(t, c.one, bearer(phone.Token)))+"&query="+url.QueryEscape(changesDocument), page)
			byJWT := watchURL(t, ticketURL(c.two, issueTicket(t, c.one, bearer(laptop.JWT(t))))+"&query="+url.QueryEscape(changesDocument), page)

			c.testUsed(t, byTicket, inPayload)
			c.testRace(t, issueTicket(t, c.one, laptop.Header()))

			late := issueTicket(t, c.one, laptop.Header())
			laptop.SignOut(t)
			awaitForgotten(t, c.two, laptop.Header())
			if _, status := dialSocket(t, ticketURL(c.two, late), page); status != http.StatusUnauthorized {
				t.Errorf("a ticket whose session has ended: %d", status)
			}
			mustCall(t, c.two, bearer(phone.Token), `mutation { createTask(input: {title: "secret"}) { userErrors { code } } }`)
			for _, conn := range []string{exchange(t, socket, 1)[0], exchange(t, other, 1)[0]} {
				if !strings.Contains(conn, "4403") {
					t.Errorf("after signing out a socket got %s", conn)
				}
			}
			events.wantEnd()
			onPhone.want(`"secret"`)
			byJWT.want(`"secret"`) // Nobody can revoke a JWT.
		})
	}
}

// testUsed checks that tickets that were used are refused everywhere.
func (c *ticketFixture) testUsed(t *testing.T, url, inPayload string) {
	t.Helper()
	for _, address := range []string{url, strings.Replace(url, c.two, c.one, 1)} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Accept": {"text/event-stream"}, "Origin": {origin}}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), badTicketCode) || !strings.Contains(string(body), "get another one by POST /graphql/ticket") {
			t.Errorf("used twice: %d %s", response.StatusCode, body)
		}
		if response.Header.Get("Access-Control-Allow-Origin") != origin || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("used twice: %v", response.Header)
		}
		if _, status := dialSocket(t, address, nil); status != http.StatusUnauthorized {
			t.Errorf("used twice: %d", status)
		}
	}
	socket, _ := dialSocket(t, c.one+graphqlPath, nil)
	if got := exchange(t, socket, 1, inPayload)[0]; !strings.Contains(got, "4403") || !strings.Contains(got, "get another one by POST /graphql/ticket") {
		t.Errorf("used twice: %s", got)
	}
}

// testRace redeems a ticket many times at once, at both replicas.
func (c *ticketFixture) testRace(t *testing.T, ticket string) {
	t.Helper()
	var group sync.WaitGroup
	var won, lost atomic.Int32
	for i := range 8 {
		group.Go(func() {
			_, status := dialSocket(t, ticketURL([]string{c.one, c.two}[i%2], ticket), nil)
			switch status {
			case http.StatusSwitchingProtocols:
				won.Add(1)
			case http.StatusUnauthorized:
				lost.Add(1)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 || lost.Load() != 7 {
		t.Errorf("%d have redeemed the ticket, %d have not", won.Load(), lost.Load())
	}
}

// TestTicketRoute asks for tickets in every way, and looks for them in the log.
func TestTicketRoute(t *testing.T) {
	t.Parallel()
	s, log := newServer(t, map[string]string{"JWT_SECRET": "short", "CORS_ORIGINS": origin, "LOG_FORMAT": "json"})
	page := newBrowser(t, s)
	cookie := http.Header{"Cookie": {signUp(t, page)}}
	for name, tt := range map[string]struct {
		header http.Header
		status int
		body   string
	}{
		"from the frontend":     {with(cookie, "Origin", origin), http.StatusCreated, `{"ticket":"`},
		"from another site":     {with(cookie, "Origin", "https://evil.example.com"), http.StatusForbidden, "CSRF_REFUSED"},
		"by a form":             {with(cookie, "Origin", "null", "Content-Type", "text/plain"), http.StatusForbidden, "CSRF_REFUSED"},
		"as nobody":             {http.Header{}, http.StatusUnauthorized, `{"errors":[{"message":"Not authenticated","extensions":{"code":"UNAUTHENTICATED"}}]}`},
		"with a forged cookie":  {http.Header{"Cookie": {"better-auth.session_token=a.b"}}, http.StatusUnauthorized, "UNAUTHENTICATED"},
		"with an unknown token": {bearer("nobody"), http.StatusUnauthorized, "UNAUTHENTICATED"},
	} {
		response, body := postTicket(t, page.url, tt.header)
		if response.StatusCode != tt.status || !strings.Contains(body, tt.body) || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %v", name, response.StatusCode, body, response.Header)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if answer := ask(s.Handler(), method, ticketPath, "", pairs(cookie)...); answer.Code != http.StatusMethodNotAllowed || answer.Header().Get("Allow") != "POST" {
			t.Errorf("%s: %d, Allow %q", method, answer.Code, answer.Header().Get("Allow"))
		}
	}

	first, second := issueTicket(t, page.url, cookie), issueTicket(t, page.url, cookie)
	query := "&query=" + url.QueryEscape("{ viewer { name } }")
	for name, tt := range map[string]struct {
		target string
		accept string
		status int
		body   string
	}{
		"for a query":          {ticketURL("", first) + query, mediaJSON, http.StatusBadRequest, "A ticket opens a stream"},
		"twice":                {ticketURL("", first) + "&ticket=" + second + query, "text/event-stream", http.StatusBadRequest, "more than once"},
		"malformed":            {ticketURL("", "hunter2") + query, "text/event-stream", http.StatusUnauthorized, badTicketCode},
		"for another ticket":   {ticketPath + "?ticket=" + first, "text/event-stream", http.StatusBadRequest, "A ticket opens a stream"},
		"in another parameter": {graphqlPath + "?myticket=" + first + query, "text/event-stream", http.StatusOK, `{"viewer":null}`},
		"empty":                {ticketURL("", "") + query, mediaJSON, http.StatusOK, `{"viewer":null}`},
	} {
		method := http.MethodGet
		if strings.HasPrefix(tt.target, ticketPath) {
			method = http.MethodPost
		}
		if got := ask(s.Handler(), method, tt.target, "", "Accept", tt.accept); got.Code != tt.status || !strings.Contains(got.Body.String(), tt.body) {
			t.Errorf("a ticket %s: %d %s", name, got.Code, got.Body)
		}
	}
	// The refused requests have not redeemed it. It comes before the cookie, which may be forged or another site's.
	header := []string{"Accept", "text/event-stream", "Cookie", "better-auth.session_token=a.b", "Origin", "https://evil.example.com"}
	if got := ask(s.Handler(), http.MethodGet, ticketURL("", first)+query, "", header...); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), `{"viewer":{"name":"Eve"}}`) {
		t.Errorf("a ticket and a cookie: %d %s", got.Code, got.Body)
	}
	if _, status := dialSocket(t, ticketURL(page.url, second), http.Header{"Origin": {"https://evil.example.com"}}); status != http.StatusForbidden {
		t.Errorf("a ticket at another site's page: %d", status)
	}
	if _, status := dialSocket(t, ticketURL(page.url, second), nil); status != http.StatusSwitchingProtocols {
		t.Errorf("the refused page has redeemed the ticket: %d", status)
	}
	lines := log.String()
	for _, ticket := range []string{first, second, "hunter2"} {
		if strings.Contains(lines, ticket) {
			t.Errorf("the log has %s", ticket)
		}
	}
	for _, want := range []string{`"path":"/graphql/ticket","status":201`, `"reason":"bad_ticket"`} {
		if !strings.Contains(lines, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// TestTicketsCost: tickets cost their user, and looking for tickets that don't exist costs the address.
func TestTicketsCost(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, map[string]string{"JWT_SECRET": "short", "RATE_LIMIT": "20"}) // 2 for an address
	page := newBrowser(t, s)
	cookie := http.Header{"Cookie": {signUp(t, page)}}
	redeem := func(ticket string) *httptest.ResponseRecorder {
		return ask(s.Handler(), http.MethodGet, ticketURL("", ticket), "", "Accept", "text/event-stream")
	}
	if got := redeem("x"); got.Code != http.StatusUnauthorized {
		t.Errorf("a bad ticket: %d %s", got.Code, got.Body)
	}
	for name, ticket := range map[string]string{"a bad ticket": "x", "a good one": issueTicket(t, page.url, cookie)} {
		if got := redeem(ticket); got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") == "" || !strings.Contains(got.Body.String(), "RATE_LIMITED") {
			t.Errorf("%s of an address in debt: %d %s", name, got.Code, got.Body)
		}
	}
	issueTicket(t, page.url, cookie)
	if response, body := postTicket(t, page.url, cookie); response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") == "" {
		t.Errorf("a ticket beyond the budget: %d %s", response.StatusCode, body)
	}
}

// TestTicketsUnavailable: without the database nobody is told to be signed out.
func TestTicketsUnavailable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	db := testkit.Database(testkit.OpenDatabase(t, testkit.SQLiteURL(t)).Driver())
	users := &authenticator{
		refusals: newRefusalLog(log, time.Now), log: log, credentials: http.Header.Clone, now: time.Now,
		tickets: tickets{service: ticket.New(db.Client, time.Now), timeout: -1},
	}
	given := strings.Repeat("A", 43)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, ticketURL("", given), nil)
	r.Header.Set("Accept", "text/event-stream")
	w := httptest.NewRecorder()
	users.middleware(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("redeeming: %d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	signedInAs("ada", http.HandlerFunc(users.issueTicket)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, ticketPath, nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("issuing: %d %s", w.Code, w.Body)
	}
	if !strings.Contains(out.String(), "the tickets could not be reached") || strings.Contains(out.String(), given) {
		t.Errorf("the log is %s", out.String())
	}
}

// TestTakeTicket: nothing that follows sees the ticket.
func TestTakeTicket(t *testing.T) {
	t.Parallel()
	for target, want := range map[string][2]string{
		"/graphql":            {"", "/graphql"},
		"/graphql?query=a":    {"", "/graphql?query=a"},
		"/graphql?ticket=abc": {"abc", "/graphql"},
		"/graphql?ticket=":    {"", "/graphql"},
		"/graphql?query=%7Ba%7D&ticket=abc&x=y%26": {"abc", "/graphql?query=%7Ba%7D&x=y%26"},
		"/graphql?ticket=&ticket=abc":              {"abc", "/graphql"},
		"/graphql?theticket=abc":                   {"", "/graphql?theticket=abc"},
		"/graphql?%74icke%74=abc&%74=%":            {"abc", "/graphql?%74=%"},
		"/graphql?query=%ticket":                   {"", "/graphql?query=%ticket"},
	} {
		given := httptest.NewRequest(http.MethodGet, target, nil)
		given.Header.Set("Upgrade", "websocket")
		ticket, r, problem := takeTicket(given)
		if problem != "" || ticket != want[0] || r.URL.String() != want[1] || r.RequestURI != want[1] {
			t.Errorf("%s: %q, %s, %s, %v", target, ticket, r.URL, r.RequestURI, problem)
		}
	}
}
