package server

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/testkit"
)

// forgedHeaders returns the headers of request i, with a forged bearer token.
type forgedHeaders func(i int) http.Header

func forgedToken(i int) http.Header { return bearer(fmt.Sprintf("%032d", i)) }

// forgedJWT has a key id that is unknown, so that the key could be new.
func forgedJWT(i int) http.Header {
	encode := base64.RawURLEncoding.EncodeToString
	now := time.Now().Add(10 * time.Second).Unix()
	return bearer(strings.Join([]string{
		encode(fmt.Appendf(nil, `{"alg":"EdDSA","kid":"made-up-%d"}`, i)),
		encode(fmt.Appendf(nil, `{"sub":"u","id":"u","email":"e","iat":%d,"exp":%d}`, now, now+900)),
		encode(make([]byte, 64)),
	}, "."))
}

// from adds the client address that a proxy would send.
func from(address string, h http.Header) http.Header { return with(h, "X-Forwarded-For", address) }

// abuse is a way in which a user, or a client without a session, misbehaves.
type abuse struct {
	name string
	// user is the user's name, which custom-session-faults knows, and image the size of the picture.
	user  string
	image int
	// forged, if set, makes the headers of a client without a session.
	forged forgedHeaders
	// statuses are the allowed statuses of the abuser's answers.
	statuses []int
}

// abused is a setting of the auth server, with the known ways to misbehave there.
type abused struct {
	name   string
	opts   testkit.BetterAuthOptions
	abuses []abuse
}

func abusedSettings() []abused {
	return []abused{
		{"customSession", testkit.BetterAuthOptions{Config: "custom-session-faults", Plugins: []string{"bearer"}}, []abuse{
			{name: "throws", user: "throws", statuses: []int{503}},
			{name: "answers nothing", user: "nothing", statuses: []int{503}},
			{name: "throws a 401", user: "unauthorized", statuses: []int{401}},
			{name: "throws a 403", user: "forbidden", statuses: []int{401}},
			{name: "takes 30 s", user: "slow", statuses: []int{503}},
		}},
		{"jwt plugin", testkit.BetterAuthOptions{Plugins: []string{"bearer", "jwt"}}, []abuse{
			{name: "60 kB picture", user: "A", image: 60_000, statuses: []int{200}},
			{name: "2 MB picture", user: "A", image: 2_000_000, statuses: []int{503}},
			{name: "JWTs with unknown keys", forged: forgedJWT, statuses: []int{401, 429}},
		}},
		{"plain", testkit.BetterAuthOptions{Plugins: []string{"bearer"}}, []abuse{
			{name: "9 MB picture", user: "A", image: 9_000_000, statuses: []int{200}},
			{name: "made-up bearer tokens", forged: forgedToken, statuses: []int{401, 429}},
			{name: "JWTs", forged: forgedJWT, statuses: []int{401}},
		}},
	}
}

// headers returns the headers of the abuser's requests. A user has several sessions.
func (a abuse) headers(t *testing.T, auth *testkit.AuthServer) forgedHeaders {
	t.Helper()
	if a.forged != nil {
		return func(i int) http.Header { return from("1.1.1.1", a.forged(i)) }
	}
	email := a.user + fmt.Sprint(a.image) + "@example.com"
	user := auth.SignUp(t, "A", email, "correct horse")
	if a.image > 0 {
		user.Post(t, "/api/auth/update-user", map[string]any{"image": "data:image/png;base64," + strings.Repeat("A", a.image-22)})
	}
	user.Post(t, "/api/auth/update-user", map[string]any{"name": a.user})
	var sessions []http.Header
	for range 5 {
		sessions = append(sessions, from("1.1.1.1", auth.SignIn(t, email, "correct horse").Header()))
	}
	return func(i int) http.Header { return sessions[i%len(sessions)] }
}

// counts counts answers by status.
type counts struct {
	mu       sync.Mutex
	statuses map[int]int
	wrong    string // the first wrong answer
}

// ask sends a request and counts its answer.
func (c *counts) ask(ctx context.Context, address string, header http.Header, allowed ...int) {
	response, answer, err := call(ctx, address, header, whoAmI)
	if ctx.Err() != nil {
		return
	}
	status := 0
	if err == nil {
		status = response.StatusCode
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.statuses == nil {
		c.statuses = map[int]int{}
	}
	c.statuses[status]++
	if !slices.Contains(allowed, status) && c.wrong == "" {
		c.wrong = fmt.Sprintf("%d %v %s", status, err, answer)
	}
}

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.TrimPrefix(fmt.Sprint(c.statuses), "map")
}

// rate returns the percentage of answers with status 200.
func (c *counts) rate() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := 0
	for _, n := range c.statuses {
		all += n
	}
	return fmt.Sprintf("%.1f %% of %d", 100*float64(c.statuses[http.StatusOK])/float64(max(all, 1)), all)
}

// TestFaultsOneUser lets one user misbehave for 20 s in each of the known ways, or a client send forged tokens. All other users
// are signed in throughout, whether their sessions are cached or not.
func TestFaultsOneUser(t *testing.T) {
	testkit.Suite(t, "faults")
	for _, setting := range abusedSettings() {
		t.Run(setting.name, func(t *testing.T) {
			auth := testkit.BetterAuth(t, setting.opts)
			var known, newcomers []http.Header
			for i := range 4 {
				known = append(known, from(fmt.Sprintf("2.2.2.%d", i), auth.SignUp(t, "K", fmt.Sprintf("k%d@example.com", i), "correct horse").Header()))
			}
			for i := range 20 {
				user := auth.SignUp(t, "N", fmt.Sprintf("n%d@example.com", i), "correct horse")
				header := user.Header()
				if i%2 == 1 {
					header = bearer(user.Token)
				}
				newcomers = append(newcomers, from(fmt.Sprintf("3.3.3.%d", i), header))
			}
			table := "\n| abuse | known users | newcomers | the one |\n| --- | --- | --- | --- |\n"
			for _, a := range setting.abuses {
				t.Run(a.name, func(t *testing.T) {
					table += a.misbehave(t, auth, known, newcomers, duration(6*time.Second, 20*time.Second))
				})
			}
			t.Log(table)
		})
	}
}

// misbehave runs the abuse, with a server that knows no session yet, and returns its row of the table.
func (a abuse) misbehave(t *testing.T, auth *testkit.AuthServer, known, newcomers []http.Header, lasts time.Duration) string {
	t.Helper()
	s, _ := newServer(t, against(auth.URL, auth.Secret, map[string]string{
		"SESSION_CACHE_TTL": "1s", "LOG_LEVEL": "error", "RATE_LIMIT": "off", "TRUSTED_PROXIES": "1",
	}))
	address := serve(t, s)
	bad := a.headers(t, auth)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var knownSaw, newSaw, badSaw counts
	var workers sync.WaitGroup
	var n atomic.Int64
	for range 4 {
		workers.Go(func() {
			for ctx.Err() == nil {
				badSaw.ask(ctx, address, bad(int(n.Add(1))), a.statuses...)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	for _, header := range known {
		workers.Go(func() {
			for ctx.Err() == nil {
				knownSaw.ask(ctx, address, header, http.StatusOK)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	for _, header := range newcomers {
		time.Sleep(lasts / time.Duration(len(newcomers)))
		newSaw.ask(ctx, address, header, http.StatusOK)
	}
	stop()
	workers.Wait()
	for who, saw := range map[string]*counts{"known users": &knownSaw, "newcomers": &newSaw, "the one": &badSaw} {
		if saw.wrong != "" || len(saw.statuses) == 0 {
			t.Errorf("%s: %v, among them %s", who, saw, saw.wrong)
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %v |\n", a.name, knownSaw.rate(), newSaw.rate(), &badSaw)
}

// TestTokenFlood: a flood of forged tokens gets 401 and 429, without server errors or warnings about the auth server.
func TestTokenFlood(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"bearer", "jwt"}})
	s, log := newServer(t, against(auth.URL, auth.Secret, map[string]string{"RATE_LIMIT": "off", "TRUSTED_PROXIES": "1"}))
	address := serve(t, s)
	newcomer := auth.SignUp(t, "N", "n@example.com", "correct horse")
	for name, flood := range map[string]forgedHeaders{"tokens": forgedToken, "JWTs": forgedJWT} {
		var limited atomic.Int64
		for round := range 2 { // Of requests at once, because what limits them ends by the clock.
			var group sync.WaitGroup
			for i := range 10 {
				group.Go(func() {
					response, answer, err := call(t.Context(), address, from("1.1.1.1", flood(10*round+i)), "{ viewer { id } }")
					switch {
					case err != nil:
						t.Errorf("%s: %v", name, err)
					case response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") != "" &&
						strings.Contains(answer, `"code":"RATE_LIMITED"`) && !strings.Contains(answer, `"data"`):
						limited.Add(1)
					case response.StatusCode != http.StatusOK || answer != `{"data":{"viewer":null}}`:
						t.Errorf("%s: %d %s", name, response.StatusCode, answer)
					}
				})
			}
			group.Wait()
		}
		if limited.Load() == 0 {
			t.Errorf("%s: none was limited", name)
		}
	}
	if response, answer := mustCall(t, address, from("2.2.2.2", bearer(newcomer.Token)), whoAmI); response.StatusCode != http.StatusOK {
		t.Errorf("a newcomer from another address: %d %s", response.StatusCode, answer)
	}
	for _, line := range []string{"auth_unavailable", "level=ERROR"} {
		if strings.Contains(log.String(), line) {
			t.Errorf("the log has %s:\n%s", line, log)
		}
	}
	if !strings.Contains(log.String(), "reason=too_many_unknown") {
		t.Errorf("log:\n%s", log)
	}
}
