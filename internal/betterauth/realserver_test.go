package betterauth_test

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

// countedTransport counts requests without probes, which depend on how long the auth server takes.
type countedTransport struct{ calls atomic.Int64 }

func (c *countedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/ok") {
		c.calls.Add(1)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestRealServer(t *testing.T) {
	const ttl = 15 * time.Second
	for _, secureCookies := range []bool{false, true} {
		for _, ids := range []string{"random", "uuid", "serial"} {
			name := map[bool]string{false: "plain", true: "secure"}[secureCookies]
			t.Run(name+" "+ids, func(t *testing.T) {
				t.Parallel()
				server := testkit.BetterAuth(t, testkit.BetterAuthOptions{SecureCookies: secureCookies, IDFormat: ids})
				transport := &countedTransport{}
				now := &clock{}
				now.nanos.Store(time.Now().UnixNano())
				a := realAuthenticator(t, patient(betterauth.Config{
					BaseURL: server.URL, Secret: server.Secret, CacheTTL: ttl, Now: now.Now, Transport: transport,
				}))
				user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
				wantCookie(t, user, secureCookies)

				session, err := a.Authenticate(t.Context(), user.Header())
				if err != nil {
					t.Fatal(err)
				}
				if session.UserID != user.UserID || session.User.ID != user.UserID || session.UserID == "" {
					t.Errorf("user %q and %q, want %q", session.UserID, session.User.ID, user.UserID)
				}
				if session.User.Name != "Zoë" || session.User.Email != "zoe@example.com" || session.User.Image != nil {
					t.Errorf("user %+v", session.User)
				}
				if left := session.ExpiresAt.Sub(now.Now()); left < 6*24*time.Hour || left > 8*24*time.Hour {
					t.Errorf("the session lasts %v", left)
				}

				forged := strings.Replace(user.Header().Get("Cookie"), "=", "=x", 1)
				wantRefusal(t, a, cookies(forged), betterauth.ReasonBadSignature, "Invalid session")
				if got := transport.calls.Load(); got != 1 {
					t.Errorf("%d calls, want 1", got)
				}

				user.SignOut(t)
				now.Advance(ttl - 1)
				wantSession(t, a, user.Header())
				now.Advance(1)
				wantRefusal(t, a, user.Header(), betterauth.ReasonSessionNull, "Invalid session")

				wantSession(t, a, server.SignIn(t, "zoe@example.com", "correct horse").Header())
			})
		}
	}
}

// wantCookie checks that the cookie has the expected name and the value of SignCookie.
func wantCookie(t *testing.T, user *testkit.AuthClient, secureCookies bool) {
	t.Helper()
	name := map[bool]string{false: plain, true: secure}[secureCookies]
	if got, want := user.Cookies()[name], betterauth.SignCookie(testkit.BetterAuthSecret, user.Token); got != want {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}

// TestRealServerKeepsShortSessionsShort checks that reading a session that ends with the browser doesn't extend it from
// a day to a week.
func TestRealServerKeepsShortSessionsShort(t *testing.T) {
	t.Parallel()
	server := testkit.BetterAuth(t, testkit.BetterAuthOptions{UpdateAge: time.Second, CookieCache: "compact"})
	a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret})
	user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	user.Post(t, "/api/auth/sign-in/email", map[string]any{"email": "zoe@example.com", "password": "correct horse", "rememberMe": false})
	if _, ok := user.Cookies()[betterauth.DontRememberCookie]; !ok {
		t.Fatalf("no dont_remember cookie among %v", user.Cookies())
	}
	for range 2 {
		session, err := a.Authenticate(t.Context(), user.Header())
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(session.ExpiresAt); left > 25*time.Hour {
			t.Errorf("the session lasts %v", left)
		}
	}
}

func TestOfficialClientAtRealServer(t *testing.T) {
	t.Parallel()
	testkit.RunBetterAuthClient(t, testkit.BetterAuth(t, testkit.BetterAuthOptions{}).URL)
}

func readUserID(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	var answer *struct{ User struct{ ID string } }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer == nil {
		return ""
	}
	return answer.User.ID
}

// TestRealBan checks that a ban that was set by SQL ends the session here, although it doesn't at the auth server.
func TestRealBan(t *testing.T) {
	t.Parallel()
	database := testkit.PostgresURL(t)
	server := testkit.BetterAuth(t, testkit.BetterAuthOptions{
		DatabaseURL: database, Plugins: []string{"admin", "bearer", "jwt"}, CookieCache: "compact",
	})
	user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	db, err := sql.Open("postgres", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, test := range []struct {
		update string
		reason betterauth.Reason
	}{
		{`banned = true`, betterauth.ReasonBanned},
		{`banned = true, "banExpires" = now() + interval '1 hour'`, betterauth.ReasonBanned},
		{`banned = true, "banExpires" = now() - interval '1 hour'`, ""},
		{`banned = false, "banExpires" = null`, ""},
	} {
		if _, err := db.ExecContext(t.Context(), `UPDATE "user" SET `+test.update); err != nil {
			t.Fatal(err)
		}
		// Renew the session_data cookie, so that it contains the ban.
		user.Get(t, "/api/auth/get-session?disableCookieCache=true")
		for name, h := range map[string]http.Header{
			"cookie": user.Header(), "bearer": withBearer(user.Token), "JWT": withBearer(user.JWT(t)),
		} {
			for _, trust := range []bool{false, true} {
				a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret, TrustSessionData: trust})
				if refusal := refusalOf(t, a, h); test.reason == "" && refusal != nil || test.reason != "" && (refusal == nil || refusal.Reason != test.reason) {
					t.Errorf("%s, %s, trust %t: %v", test.update, name, trust, refusal)
				}
			}
		}
	}
}

// TestRealSignOutBesideSessionData checks that a signed-out session is refused within CacheTTL, although its
// session_data cookie is valid.
func TestRealSignOutBesideSessionData(t *testing.T) {
	t.Parallel()
	for _, cache := range []string{"compact", "jwt", "jwe", "jwks"} {
		t.Run(cache, func(t *testing.T) {
			t.Parallel()
			const ttl = 15 * time.Second
			server := testkit.BetterAuth(t, testkit.BetterAuthOptions{CookieCache: cache, Plugins: []string{"jwt"}, Env: []string{"FAT_FIELD=6000"}})
			user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
			if _, chunked := user.Cookies()["better-auth.session_data.1"]; !chunked {
				t.Errorf("session_data is not chunked: %d cookies", len(user.Cookies()))
			}
			now := &clock{}
			now.nanos.Store(time.Now().UnixNano())
			cfg := patient(betterauth.Config{BaseURL: server.URL, Secret: server.Secret, CacheTTL: ttl, Now: now.Now})
			untrusting := realAuthenticator(t, cfg)
			cfg.TrustSessionData = true
			trusting := realAuthenticator(t, cfg)
			wantSession(t, untrusting, user.Header())
			wantSession(t, trusting, user.Header())
			user.SignOut(t)
			now.Advance(ttl - 1)
			wantSession(t, untrusting, user.Header())
			now.Advance(1)
			wantRefusal(t, untrusting, user.Header(), betterauth.ReasonSessionNull, "Invalid session")
			// With TrustSessionData the sign-out takes effect when the cookie's 5 minutes are over.
			wantSession(t, trusting, user.Header())
			now.Advance(5 * time.Minute)
			wantRefusal(t, trusting, user.Header(), betterauth.ReasonSessionNull, "Invalid session")
		})
	}
}

// TestFaultsRealOutage kills a real auth server under load and restarts it: cached sessions remain valid, others get
// Retry-After, and everything works again afterwards.
func TestFaultsRealOutage(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	server := testkit.BetterAuth(t, testkit.BetterAuthOptions{OwnProcess: true})
	const ttl = 100 * time.Millisecond // So short that nearly every request asks the auth server.
	a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret, CacheTTL: ttl})
	known := server.SignUp(t, "A", "a@example.com", "correct horse").Header()
	stranger := server.SignUp(t, "B", "b@example.com", "correct horse").Header()
	wantSession(t, a, known)

	stop := make(chan struct{})
	var served, slowest atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				begin := time.Now()
				wantSession(t, a, known)
				served.Add(1)
				if wait := int64(time.Since(begin)); wait > slowest.Load() {
					slowest.Store(wait)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	server.Kill(t)
	died, refused := time.Now(), 0
	for time.Since(died) < 4*time.Second {
		if refusal := refusalOf(t, a, stranger); refusal == nil || !refusal.Unavailable {
			t.Fatalf("a stranger got %v", refusal)
		}
		refused++
		time.Sleep(10 * time.Millisecond)
	}
	server.Restart(t)
	back := time.Now()
	for refusalOf(t, a, stranger) != nil {
		if time.Sleep(10 * time.Millisecond); time.Since(back) > 20*time.Second {
			t.Fatal("it does not recover")
		}
	}
	recovered := time.Since(back)
	close(stop)
	group.Wait()
	t.Logf("known: %d requests, the slowest took %v; strangers: %d told to come back; recovered %v after the server",
		served.Load(), time.Duration(slowest.Load()), refused, recovered)
}

// TestRealCookieName checks that a custom name of the session cookie doesn't change the names of the others.
func TestRealCookieName(t *testing.T) {
	t.Parallel()
	for name, secureCookies := range map[string]bool{"sid": false, "__Secure-sid": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testkit.BetterAuth(t, testkit.BetterAuthOptions{
				SecureCookies: secureCookies, CookieCache: "compact", Env: []string{"COOKIE_NAME=sid"},
			})
			user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
			if _, ok := user.Cookies()[name]; !ok {
				t.Fatalf("no %s cookie", name)
			}
			for _, trust := range []bool{false, true} {
				transport := &pathTransport{ignore: "ok"} // A probe if get-session takes a second.
				a := realAuthenticator(t, betterauth.Config{
					BaseURL: server.URL, Secret: server.Secret, CookieName: "sid", TrustSessionData: trust, Transport: transport,
				})
				wantSession(t, a, user.Header())
				if got, want := transport.String(), map[bool]string{false: "1 get-session", true: "no call"}[trust]; got != want {
					t.Errorf("trust %t: %s, want %s", trust, got, want)
				}
			}
		})
	}
}

func TestRealJWTAlgorithms(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"EdDSA", "ES256", "ES512", "PS256", "RS256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			server := testkit.BetterAuth(t, testkit.BetterAuthOptions{Plugins: []string{"jwt"}, CookieCache: "jwks", Env: []string{"JWT_ALG=" + alg}})
			user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
			transport := &pathTransport{}
			a := realAuthenticator(t, betterauth.Config{
				BaseURL: server.URL, Secret: server.Secret, TrustSessionData: true, Transport: transport,
			})
			wantSession(t, a, withBearer(user.JWT(t)))
			wantSession(t, a, user.Header())
			if got := transport.String(); got != "1 jwks" {
				t.Error(got)
			}
		})
	}
}
