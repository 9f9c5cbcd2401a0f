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

// madeUp returns the headers of a request with a bearer token that nobody has issued.
type madeUp func(i int) http.Header

func madeUpToken(i int) http.Header { return bearer(fmt.Sprintf("%032d", i)) }

// madeUpJWT names a key that does not exist, in a token that may be newer than the known keys.
func madeUpJWT(i int) http.Header {
	encode := base64.RawURLEncoding.EncodeToString
	now := time.Now().Add(10 * time.Second).Unix()
	return bearer(strings.Join([]string{
		encode(fmt.Appendf(nil, `{"alg":"EdDSA","kid":"made-up-%d"}`, i)),
		encode(fmt.Appendf(nil, `{"sub":"u","id":"u","email":"e","iat":%d,"exp":%d}`, now, now+900)),
		encode(make([]byte, 64)),
	}, "."))
}

// from is a request from a client address, as the proxy tells it.
func from(address string, h http.Header) http.Header { return with(h, "X-Forwarded-For", address) }

// trouble is one user who misbehaves, or a stranger.
type trouble struct {
	name string
	opts testkit.BetterAuthOptions
	// user is the user's name, which custom-session-faults knows, and image the picture.
	user  string
	image int
	// stranger, if set, sends made-up tokens instead.
	stranger madeUp
	// statuses are the ones that the user or stranger gets.
	statuses []int
}

func troubles() []trouble {
	faults := testkit.BetterAuthOptions{Config: "custom-session-faults", Plugins: []string{"bearer"}}
	plain := testkit.BetterAuthOptions{Plugins: []string{"bearer"}}
	jwt := testkit.BetterAuthOptions{Plugins: []string{"bearer", "jwt"}}
	return []trouble{
		{name: "60 kB picture, jwt plugin", opts: jwt, user: "A", image: 60_000, statuses: []int{200}},
		{name: "9 MB picture", opts: plain, user: "A", image: 9_000_000, statuses: []int{200}},
		{name: "2 MB picture, jwt plugin", opts: jwt, user: "A", image: 2_000_000, statuses: []int{503}},
		{name: "customSession throws", opts: faults, user: "throws", statuses: []int{503}},
		{name: "customSession answers nothing", opts: faults, user: "nothing", statuses: []int{503}},
		{name: "customSession throws a 401", opts: faults, user: "unauthorized", statuses: []int{401}},
		{name: "customSession throws a 403", opts: faults, user: "forbidden", statuses: []int{401}},
		{name: "customSession takes 30 s", opts: faults, user: "slow", statuses: []int{503}},
		{name: "made-up bearer tokens", opts: plain, stranger: madeUpToken, statuses: []int{401, 429}},
		{name: "JWTs with unknown keys, jwt plugin", opts: jwt, stranger: madeUpJWT, statuses: []int{401, 429}},
		{name: "JWTs without the jwt plugin", opts: plain, stranger: madeUpJWT, statuses: []int{401}},
	}
}

// headers are the requests of the trouble: the user's by several sessions.
func (tr trouble) headers(t *testing.T, auth *testkit.AuthServer) madeUp {
	t.Helper()
	if tr.stranger != nil {
		return func(i int) http.Header { return from("1.1.1.1", tr.stranger(i)) }
	}
	const email = "bad@example.com"
	user := auth.SignUp(t, "A", email, "correct horse")
	if tr.image > 0 {
		user.Post(t, "/api/auth/update-user", map[string]any{"image": "data:image/png;base64," + strings.Repeat("A", tr.image-22)})
	}
	user.Post(t, "/api/auth/update-user", map[string]any{"name": tr.user})
	var sessions []http.Header
	for range 5 {
		sessions = append(sessions, from("1.1.1.1", auth.SignIn(t, email, "correct horse").Header()))
	}
	return func(i int) http.Header { return sessions[i%len(sessions)] }
}

// counts are the answers by status.
type counts struct {
	mu       sync.Mutex
	statuses map[int]int
	wrong    string // the first answer that should not be
}

// ask sends a request and notes what came of it.
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

// rate is how many of the answers were 200, in percent.
func (c *counts) rate() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := 0
	for _, n := range c.statuses {
		all += n
	}
	return fmt.Sprintf("%.1f %% of %d", 100*float64(c.statuses[http.StatusOK])/float64(max(all, 1)), all)
}

// TestFaultsOneUser lets one user misbehave for 20 s in each of the ways that were reported, or a stranger send made-up
// tokens: everybody else is signed in throughout, known or not.
func TestFaultsOneUser(t *testing.T) {
	testkit.Suite(t, "faults")
	table := "\n| configuration | known users | newcomers | the one |\n| --- | --- | --- | --- |\n"
	for _, tr := range troubles() {
		t.Run(tr.name, func(t *testing.T) {
			table += tr.misbehave(t, eitherWay(6*time.Second, 20*time.Second), 20)
		})
	}
	t.Log(table)
}

// misbehave returns the table's row.
func (tr trouble) misbehave(t *testing.T, lasts time.Duration, newcomers int) string {
	t.Helper()
	auth := testkit.BetterAuth(t, tr.opts)
	s, _ := newServer(t, against(auth.URL, auth.Secret, map[string]string{
		"SESSION_CACHE_TTL": "1s", "LOG_LEVEL": "error", "RATE_LIMIT": "off", "TRUSTED_PROXIES": "1",
	}))
	address := serve(t, s)
	bad := tr.headers(t, auth)
	var known, others []http.Header
	for i := range 4 {
		known = append(known, from(fmt.Sprintf("2.2.2.%d", i), auth.SignUp(t, "K", fmt.Sprintf("k%d@example.com", i), "correct horse").Header()))
	}
	for i := range newcomers {
		user := auth.SignUp(t, "N", fmt.Sprintf("n%d@example.com", i), "correct horse")
		header := user.Header()
		if i%2 == 1 {
			header = bearer(user.Token)
		}
		others = append(others, from(fmt.Sprintf("3.3.3.%d", i), header))
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var knownSaw, newSaw, badSaw counts
	var workers sync.WaitGroup
	var n atomic.Int64
	for range 4 {
		workers.Go(func() {
			for ctx.Err() == nil {
				badSaw.ask(ctx, address, bad(int(n.Add(1))), tr.statuses...)
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
	for _, header := range others {
		time.Sleep(lasts / time.Duration(newcomers))
		newSaw.ask(ctx, address, header, http.StatusOK)
	}
	stop()
	workers.Wait()
	for who, saw := range map[string]*counts{"known users": &knownSaw, "newcomers": &newSaw, "the one": &badSaw} {
		if saw.wrong != "" || len(saw.statuses) == 0 {
			t.Errorf("%s: %v, among them %s", who, saw, saw.wrong)
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %v |\n", tr.name, knownSaw.rate(), newSaw.rate(), &badSaw)
}

// A flood of made-up tokens is no error of the server's: its answers are 401 and 429, and no warning blames the auth server.
func TestFloodsAreNotOurErrors(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"bearer", "jwt"}})
	s, log := newServer(t, against(auth.URL, auth.Secret, map[string]string{"RATE_LIMIT": "off", "TRUSTED_PROXIES": "1"}))
	address := serve(t, s)
	newcomer := auth.SignUp(t, "N", "n@example.com", "correct horse")
	for name, flood := range map[string]madeUp{"tokens": madeUpToken, "JWTs": madeUpJWT} {
		limited := 0
		for i := range 9 {
			response, answer := mustCall(t, address, from("1.1.1.1", flood(i)), "{ viewer { id } }")
			switch {
			case response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") != "" &&
				strings.Contains(answer, `"code":"RATE_LIMITED"`) && !strings.Contains(answer, `"data"`):
				limited++
			case response.StatusCode != http.StatusOK || answer != `{"data":{"viewer":null}}`:
				t.Errorf("%s: %d %s", name, response.StatusCode, answer)
			}
		}
		if limited == 0 {
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
