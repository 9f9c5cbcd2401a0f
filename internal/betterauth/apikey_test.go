package betterauth_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskql/internal/betterauth"
	"taskql/internal/testkit"
)

const keyHeader = "x-api-key"

func withAPIKey(key string) http.Header { return http.Header{"X-Api-Key": {key}} }

// keyServer is a real Better Auth server with API keys.
type keyServer struct {
	*testkit.AuthServer
	db *sql.DB
}

func newKeyServer(t *testing.T, opts testkit.BetterAuthOptions) keyServer {
	t.Helper()
	opts.DatabaseURL = testkit.PostgresURL(t)
	if opts.Config == "" {
		opts.Config = "api-key"
	}
	s := keyServer{AuthServer: testkit.BetterAuth(t, opts)}
	var err error
	if s.db, err = sql.Open("postgres", opts.DatabaseURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	return s
}

// key creates a key for a user. The update sets columns that clients can't set, such as "remaining" = 1.
func (s keyServer) key(t *testing.T, of *testkit.AuthClient, update string) string {
	t.Helper()
	var made struct{ ID, Key string }
	if err := json.Unmarshal(of.Post(t, "/api/auth/api-key/create", map[string]any{}), &made); err != nil {
		t.Fatal(err)
	}
	if update != "" {
		s.exec(t, `UPDATE apikey SET `+update+` WHERE id = $1`, made.ID)
	}
	return made.Key
}

func (s keyServer) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := s.db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// requests returns how many requests of its limit the only key has made.
func (s keyServer) requests(t *testing.T) int {
	t.Helper()
	var n int
	if err := s.db.QueryRowContext(t.Context(), `SELECT "requestCount" FROM apikey`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRealAPIKey(t *testing.T) {
	t.Parallel()
	server := newKeyServer(t, testkit.BetterAuthOptions{})
	user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	for _, tt := range []struct {
		name, update string
		permissions  betterauth.Permissions
		end          time.Duration // 0 if the key doesn't expire
	}{
		{"without permissions", ``, nil, 0},
		{"that may read", `permissions = '{"tasks":["read"]}'`, betterauth.Permissions{"tasks": {"read"}}, 0},
		{"that may do several things", `permissions = '{"tasks":["read","write"],"files":["read"]}'`, betterauth.Permissions{"tasks": {"read", "write"}, "files": {"read"}}, 0},
		{"that may do nothing", `permissions = '{}'`, betterauth.Permissions{}, 0},
		{"that expires", `"expiresAt" = now() + interval '1 hour'`, nil, time.Hour},
		{"without a limit", `"rateLimitEnabled" = false`, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, transport := server.key(t, user, tt.update), &pathTransport{ignore: "ok"}
			a := realAuthenticator(t, betterauth.Config{
				BaseURL: server.URL, Secret: server.Secret, APIKeyHeader: keyHeader, CacheTTL: time.Minute, Transport: transport,
			})
			for range 3 {
				session, err := a.Authenticate(t.Context(), withAPIKey(key))
				if err != nil {
					t.Fatal(err)
				}
				if session.UserID != user.UserID || session.User.Email != "zoe@example.com" || session.Scheme != betterauth.SchemeAPIKey {
					t.Errorf("%+v, want user %s", session, user.UserID)
				}
				if diff := cmp.Diff(tt.permissions, session.Permissions); diff != "" {
					t.Errorf("permissions (-want +got):\n%s", diff)
				}
				left := time.Until(session.ExpiresAt)
				if tt.end == 0 && !session.ExpiresAt.IsZero() || tt.end != 0 && (left > tt.end || left < tt.end-10*time.Minute) {
					t.Errorf("it ends in %v, want %v", left, tt.end)
				}
			}
			if got := transport.String(); got != "1 get, 1 get-session" {
				t.Errorf("%s", got)
			}
		})
	}
}

// TestRealAPIKeyRefusals checks the reason for each kind of invalid key, and that no log and no error contains the key.
func TestRealAPIKeyRefusals(t *testing.T) {
	t.Parallel()
	server := newKeyServer(t, testkit.BetterAuthOptions{Plugins: []string{"admin", "organization"}})
	user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	banned := server.SignUp(t, "B", "b@example.com", "correct horse")
	bannedKey := server.key(t, banned, "")
	server.exec(t, `UPDATE "user" SET banned = true WHERE id = $1`, banned.UserID)
	without := newKeyServer(t, testkit.BetterAuthOptions{Config: "api-key-without-sessions"})
	ignored := without.key(t, without.SignUp(t, "C", "c@example.com", "correct horse"), "")
	noPlugin := testkit.BetterAuth(t, testkit.BetterAuthOptions{})

	const notSignedIn, invalid = "Not authenticated", "Invalid session"
	for _, tt := range []struct {
		name, url, key string
		reason         betterauth.Reason
		message        string
	}{
		{"unknown", server.URL, strings.Repeat("A", 64), betterauth.ReasonAPIKeyUnknown, notSignedIn},
		{"short", server.URL, "gateway-key", betterauth.ReasonAPIKeyUnknown, notSignedIn},
		{"of two lines", server.URL, "a, b", betterauth.ReasonAPIKeyUnknown, notSignedIn},
		{"long", server.URL, strings.Repeat("A", 2000), betterauth.ReasonAPIKeyUnknown, notSignedIn},
		{"disabled", server.URL, server.key(t, user, `enabled = false`), betterauth.ReasonAPIKeyDisabled, invalid},
		{"used up", server.URL, server.key(t, user, `remaining = 0`), betterauth.ReasonAPIKeyExhausted, invalid},
		{"used up until a refill", server.URL, server.key(t, user, `remaining = 0, "refillAmount" = 5, "refillInterval" = 3600000`), betterauth.ReasonAPIKeyExhausted, invalid},
		{"used up by reading its permissions", server.URL, server.key(t, user, `remaining = 1`), betterauth.ReasonAPIKeyExhausted, invalid},
		{"rate limited", server.URL, server.key(t, user, `"rateLimitMax" = 0, "rateLimitTimeWindow" = 86400000, "lastRequest" = now()`), betterauth.ReasonAPIKeyRateLimited, "This API key has reached its own rate limit"},
		{"of a deleted user", server.URL, server.key(t, user, `"referenceId" = 'nobody'`), betterauth.ReasonUserNotFound, "User not found"},
		{"of a banned user", server.URL, bannedKey, betterauth.ReasonBanned, invalid},
		{"permissions that are not", server.URL, server.key(t, user, `permissions = '["tasks"]'`), betterauth.ReasonAPIKeyPermissions, invalid},
		{"without enableSessionForAPIKeys", without.URL, ignored, betterauth.ReasonAPIKeyUnknown, notSignedIn},
		{"without the plugin", noPlugin.URL, ignored, betterauth.ReasonAPIKeyUnknown, notSignedIn},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			logger := slog.New(slog.NewJSONHandler(&log, nil))
			a := realAuthenticator(t, betterauth.Config{BaseURL: tt.url, Secret: server.Secret, APIKeyHeader: keyHeader, Log: logger})
			for range 2 {
				refusal := refusalOf(t, a, withAPIKey(tt.key))
				if refusal == nil || refusal.Reason != tt.reason || !strings.HasPrefix(refusal.Message, tt.message) {
					t.Fatalf("%v, want %s: %s", refusal, tt.reason, tt.message)
				}
				if refusal.Scheme != betterauth.SchemeAPIKey || refusal.TokenHash == "" {
					t.Errorf("%+v", refusal)
				}
				if limited := tt.reason == betterauth.ReasonAPIKeyRateLimited; refusal.Unavailable != limited || limited && refusal.RetryAfter < time.Hour {
					t.Errorf("%+v", refusal)
				}
				logger.Info("refused", "refusal", refusal, "error", refusal.Error())
			}
			if strings.Contains(log.String(), tt.key) {
				t.Errorf("the log tells the key: %s", log.String())
			}
		})
	}
}

// TestRealAPIKeyExpired uses an expired key twice: Better Auth deletes it when it is used, and every ten seconds. Then
// it is unknown.
func TestRealAPIKeyExpired(t *testing.T) {
	t.Parallel()
	server := newKeyServer(t, testkit.BetterAuthOptions{})
	user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	key := server.key(t, user, `"expiresAt" = now() - interval '1 hour'`)
	for i := range 2 {
		a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret, APIKeyHeader: keyHeader})
		refusal := refusalOf(t, a, withAPIKey(key))
		if refusal == nil || refusal.Reason != betterauth.ReasonAPIKeyUnknown && (refusal.Reason != betterauth.ReasonExpired || i > 0) {
			t.Errorf("%v", refusal)
		}
	}
}

func TestAPIKeyCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]betterauth.Reason{
		"INVALID_API_KEY":                       betterauth.ReasonAPIKeyUnknown,
		"KEY_DISABLED":                          betterauth.ReasonAPIKeyDisabled,
		"KEY_EXPIRED":                           betterauth.ReasonExpired,
		"USAGE_EXCEEDED":                        betterauth.ReasonAPIKeyExhausted,
		"RATE_LIMITED":                          betterauth.ReasonAPIKeyRateLimited,
		"INVALID_REFERENCE_ID_FROM_API_KEY":     betterauth.ReasonUserNotFound,
		"THE_AUTH_SERVERS_OWN_CODE_REFUSES_YOU": betterauth.ReasonSessionRefused,
	} {
		server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/ok") {
				respondJSON(`{"ok":true}`)(w, r)
				return
			}
			keyError(w, http.StatusUnauthorized, fmt.Sprintf(`{"message":"no","code":%q}`, code))
		})
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, APIKeyHeader: keyHeader})
		if refusal := refusalOf(t, a, withAPIKey(strings.Repeat("k", 64))); refusal == nil || refusal.Reason != want {
			t.Errorf("%s: %v, want %s", code, refusal, want)
		}
	}
}

// TestRealAPIKeyPrecedence compares the user of a request with an API key and a cookie or bearer token with Better
// Auth's. Only an unknown key is treated differently: here the cookie counts, because the key may be a gateway's.
func TestRealAPIKeyPrecedence(t *testing.T) {
	t.Parallel()
	server := newKeyServer(t, testkit.BetterAuthOptions{Plugins: []string{"bearer", "jwt"}})
	a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret, APIKeyHeader: keyHeader})
	ignoring := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret})
	first := server.SignUp(t, "A", "a@example.com", "correct horse")
	second := server.SignUp(t, "B", "b@example.com", "correct horse")
	others := map[string]http.Header{
		"nothing": {}, "a cookie": second.Header(), "a bearer token": withBearer(second.Token),
		"a signed bearer token": withBearer(betterauth.SignCookie(server.Secret, second.Token)),
	}
	for what, key := range map[string]struct {
		text    string
		unknown bool
	}{
		"good":         {server.key(t, first, ""), false},
		"padded":       {" " + server.key(t, first, "") + " ", false},
		"disabled":     {server.key(t, first, `enabled = false`), false},
		"rate limited": {server.key(t, first, `"rateLimitMax" = 0, "lastRequest" = now()`), false},
		"used up":      {server.key(t, first, `remaining = 0, "refillAmount" = 5, "refillInterval" = 3600000`), false},
		"empty":        {"", false},
		"unknown":      {strings.Repeat("A", 64), true},
		"a gateway's":  {"0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d", true},
	} {
		for beside, other := range others {
			h := maps.Clone(other)
			h["X-Api-Key"] = []string{key.text}
			want := askDirectly(t, server.AuthServer, h)
			if key.unknown && beside != "nothing" {
				want = second.UserID
			}
			got := ""
			session, err := a.Authenticate(t.Context(), h)
			if err == nil {
				got = session.UserID
			}
			if got != want {
				t.Errorf("%s, beside %s: we say %q, want %q (%v)", what, beside, got, want, err)
			}
			if session, err := ignoring.Authenticate(t.Context(), h); (err == nil) != (beside != "nothing") || err == nil && session.UserID != second.UserID {
				t.Errorf("%s, beside %s: API keys are off: %v, %v", what, beside, session, err)
			}
		}
		h := withBearer(second.JWT(t)) // Better Auth doesn't accept JWTs here.
		h["X-Api-Key"] = []string{key.text}
		want := map[bool]string{true: second.UserID, false: askDirectly(t, server.AuthServer, withAPIKey(key.text))}[key.unknown || key.text == ""]
		if session, err := a.Authenticate(t.Context(), h); err == nil && session.UserID != want || err != nil && want != "" {
			t.Errorf("%s, beside a JWT: %v, %v, want %q", what, session, err, want)
		}
	}
}

// TestRealAPIKeyRateLimit checks that a key's own limit concerns only that key, that its cached session is used like in
// an outage, and that a raised limit takes effect within a minute.
func TestRealAPIKeyRateLimit(t *testing.T) {
	t.Parallel()
	server := newKeyServer(t, testkit.BetterAuthOptions{})
	user := server.SignUp(t, "A", "a@example.com", "correct horse")
	other := server.SignUp(t, "B", "b@example.com", "correct horse")
	key := server.key(t, user, `"rateLimitMax" = 3, "rateLimitTimeWindow" = 86400000`)
	now, transport := &clock{}, &pathTransport{ignore: "ok"}
	now.nanos.Store(time.Now().UnixNano())
	const ttl, stale = 15 * time.Second, 2 * time.Minute
	a := realAuthenticator(t, betterauth.Config{
		BaseURL: server.URL, Secret: server.Secret, APIKeyHeader: keyHeader, CacheTTL: ttl, StaleTTL: stale, Now: now.Now, Transport: transport,
	})
	wantSession(t, a, withAPIKey(key))
	if got := server.requests(t); got != 2 {
		t.Errorf("a look-up costs %d requests", got)
	}
	now.Advance(ttl) // get-session uses the last request, and /api-key/get is refused.
	wantSession(t, a, withAPIKey(key))
	now.Advance(ttl)
	wantSession(t, a, withAPIKey(key))
	if got := transport.String(); got != "2 get, 2 get-session" {
		t.Errorf("%s: a limit is not remembered", got)
	}
	wantSession(t, a, other.Header()) // Other users are not affected.
	now.Advance(stale)
	for range 3 {
		refusal := refusalOf(t, a, withAPIKey(key))
		if refusal == nil || refusal.Reason != betterauth.ReasonAPIKeyRateLimited || !refusal.Unavailable || refusal.RetryAfter < 23*time.Hour {
			t.Fatalf("%+v", refusal)
		}
	}
	if got := transport.String(); got != "2 get, 4 get-session" { // One of them is for the cookie.
		t.Errorf("%s: a limit is not remembered", got)
	}
	wantSession(t, a, other.Header())
	server.exec(t, `UPDATE apikey SET "rateLimitMax" = 100`)
	wantRefusal(t, a, withAPIKey(key), betterauth.ReasonAPIKeyRateLimited, "")
	now.Advance(time.Minute)
	wantSession(t, a, withAPIKey(key))
}

// TestRealAPIKeyRevoked checks that a revoked key is refused within the cache's TTL.
func TestRealAPIKeyRevoked(t *testing.T) {
	t.Parallel()
	server := newKeyServer(t, testkit.BetterAuthOptions{})
	user := server.SignUp(t, "A", "a@example.com", "correct horse")
	revoked, narrowed := server.key(t, user, ""), server.key(t, user, "")
	now := &clock{}
	now.nanos.Store(time.Now().UnixNano())
	a := realAuthenticator(t, patient(betterauth.Config{
		BaseURL: server.URL, Secret: server.Secret, APIKeyHeader: keyHeader, CacheTTL: 15 * time.Second, Now: now.Now,
	}))
	wantSession(t, a, withAPIKey(revoked))
	wantSession(t, a, withAPIKey(narrowed))
	server.exec(t, `UPDATE apikey SET permissions = '{"tasks":["read"]}' WHERE start = $1`, narrowed[:6])
	server.exec(t, `DELETE FROM apikey WHERE start = $1`, revoked[:6])
	now.Advance(15*time.Second - 1)
	wantSession(t, a, withAPIKey(revoked))
	now.Advance(1)
	wantRefusal(t, a, withAPIKey(revoked), betterauth.ReasonAPIKeyUnknown, "Not authenticated")
	if session, err := a.Authenticate(t.Context(), withAPIKey(narrowed)); err != nil || session.Permissions == nil {
		t.Errorf("%v, %v", session, err)
	}
}

// TestGatewayKey checks that a gateway which adds a key of its own to every request causes one request a minute and no
// other difference, also in an outage.
func TestGatewayKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeTransport{}
		var keys int
		answers := func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(keyHeader) != "" {
				keys++
				if r.Header.Get("Cookie") != "" {
					t.Error("the cookie was sent with the key")
				}
				keyError(w, http.StatusForbidden, `{"message":"Invalid API key.","code":"INVALID_API_KEY"}`)
				return
			}
			respondHealthy(w, r)
		}
		server.set(answers)
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server, CacheTTL: time.Second, APIKeyHeader: keyHeader})
		withBoth := func(i int) http.Header {
			h := userCookie(i)
			h.Set(keyHeader, "gateway")
			return h
		}
		for i := range 60 {
			wantSession(t, a, withBoth(i%3))
			time.Sleep(time.Second)
		}
		if keys != 1 {
			t.Errorf("%d requests about the gateway's key in a minute", keys)
		}
		wantRefusal(t, a, withAPIKey("gateway"), betterauth.ReasonAPIKeyUnknown, "Not authenticated")
		wantSession(t, a, withBoth(0))
		server.set(nil)
		time.Sleep(61 * time.Second)
		wantSession(t, a, withBoth(0)) // As without the key.
		wantRefusal(t, a, withBoth(9), betterauth.ReasonUnavailable, "")
	})
}

func keyError(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// TestManyMadeUpAPIKeys checks that made-up keys reach the auth server a few at a time, and that signed-in and new
// users aren't affected.
func TestManyMadeUpAPIKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		good := strings.Repeat("k", 64)
		server := &fakeTransport{}
		server.set(func(w http.ResponseWriter, r *http.Request) {
			switch key := r.Header.Get(keyHeader); {
			case key == "":
				respondHealthy(w, r)
			case key != good:
				keyError(w, http.StatusUnauthorized, `{"message":"Invalid API key.","code":"INVALID_API_KEY"}`)
			case strings.HasSuffix(r.URL.Path, "/api-key/get"):
				respondJSON(`{"id":"s1","permissions":null,"expiresAt":null}`)(w, nil)
			default:
				respondJSON(strings.ReplaceAll(sessionJSONUntil(time.Now().Add(time.Second)), token, good))(w, nil)
			}
		})
		a := realAuthenticator(t, betterauth.Config{BaseURL: "http://auth", Transport: server, CacheTTL: 10 * time.Second, APIKeyHeader: keyHeader})
		wantSession(t, a, withAPIKey(good))
		before := server.calls.Load()
		var group sync.WaitGroup
		for i := range 1_000 {
			group.Go(func() {
				if refusalOf(t, a, withAPIKey(fmt.Sprintf("%064d", i))) == nil {
					t.Error("signed in")
				}
			})
		}
		group.Wait()
		if calls := server.calls.Load() - before; calls > 100 {
			t.Errorf("%d of 1,000 invented keys reached the auth server", calls)
		}
		wantSession(t, a, userCookie(1))
		wantSession(t, a, withAPIKey(good))
		time.Sleep(9 * time.Second) // The key is requested again, although all slots are taken.
		wantSession(t, a, withAPIKey(good))
		time.Sleep(30 * time.Second)
	})
}

// TestAPIKeyPermissionsUnknown checks that a key is refused if its permissions can't be read, because they may be few,
// and that nobody is signed out if the auth server can't be reached.
func TestAPIKeyPermissionsUnknown(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("k", 64)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   betterauth.Reason
	}{
		{"told", respondJSON(`{"id":"s1","permissions":null}`), ""},
		{"told as text", respondJSON(`{"id":"s1","permissions":"{\"tasks\":[\"read\"]}"}`), ""},
		{"no such endpoint", respondStatus(http.StatusNotFound), betterauth.ReasonAPIKeyPermissions},
		{"another configuration's key", func(w http.ResponseWriter, _ *http.Request) {
			keyError(w, http.StatusNotFound, `{"message":"API Key not found","code":"KEY_NOT_FOUND"}`)
		}, betterauth.ReasonAPIKeyPermissions},
		{"forbidden", respondStatus(http.StatusForbidden), betterauth.ReasonAPIKeyPermissions},
		{"not told", respondJSON(`{"id":"s1"}`), betterauth.ReasonAPIKeyPermissions},
		{"another key's", respondJSON(`{"id":"s2","permissions":null}`), betterauth.ReasonAPIKeyPermissions},
		{"a list", respondJSON(`{"id":"s1","permissions":["tasks"]}`), betterauth.ReasonAPIKeyPermissions},
		{"null", respondJSON(`null`), betterauth.ReasonAPIKeyPermissions},
		{"deleted meanwhile", func(w http.ResponseWriter, _ *http.Request) {
			keyError(w, http.StatusUnauthorized, `{"message":"Invalid API key.","code":"INVALID_API_KEY"}`)
		}, betterauth.ReasonAPIKeyUnknown},
		{"kept from it by customAPIKeyValidator", func(w http.ResponseWriter, _ *http.Request) {
			keyError(w, http.StatusForbidden, `{"message":"Invalid API key.","code":"INVALID_API_KEY"}`)
		}, betterauth.ReasonAPIKeyPermissions},
		{"the server's own limit", respondStatus(http.StatusTooManyRequests, "X-Retry-After", "10"), betterauth.ReasonUnavailable},
		{"a fault of the auth server's", respondStatus(http.StatusInternalServerError), betterauth.ReasonSessionUnusable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/api-key/get") {
					tt.answer(w, nil)
					return
				}
				respondJSON(strings.ReplaceAll(sessionJSON(), token, key))(w, nil)
			})
			a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, APIKeyHeader: keyHeader})
			_, err := a.Authenticate(t.Context(), withAPIKey(key))
			var refusal *betterauth.Refusal
			if errors.As(err, &refusal); (err == nil) != (tt.want == "") || err != nil && refusal.Reason != tt.want {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestRealAPIKeyConfigurations checks that with several configurations of keys, only the permissions of the default one
// can be read.
func TestRealAPIKeyConfigurations(t *testing.T) {
	t.Parallel()
	server := newKeyServer(t, testkit.BetterAuthOptions{Config: "api-key-configurations"})
	user := server.SignUp(t, "Zoë", "zoe@example.com", "correct horse")
	for _, tt := range []struct {
		kind, header string
		want         betterauth.Reason
	}{
		{"default", "x-api-key", ""},
		{"partners", "X-Partner-Key", betterauth.ReasonAPIKeyPermissions},
	} {
		var made struct{ Key string }
		if err := json.Unmarshal(user.Post(t, "/api/auth/api-key/create", map[string]any{"configId": tt.kind}), &made); err != nil {
			t.Fatal(err)
		}
		a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Secret: server.Secret, APIKeyHeader: tt.header})
		h := http.Header{}
		h.Set(tt.header, made.Key)
		if refusal := refusalOf(t, a, h); tt.want == "" && refusal != nil || tt.want != "" && (refusal == nil || refusal.Reason != tt.want) {
			t.Errorf("%s: %v, want %q", tt.kind, refusal, tt.want)
		}
	}
}

// TestRealAPIKeyOpensNothingElse checks that with the documented customAPIKeyValidator, a key can't be used for
// anything else at the auth server. Otherwise a key that may only read could create a JWT or a key without permissions.
func TestRealAPIKeyOpensNothingElse(t *testing.T) {
	t.Parallel()
	server := newKeyServer(t, testkit.BetterAuthOptions{Plugins: []string{"jwt"}})
	user := server.SignUp(t, "A", "a@example.com", "correct horse")
	key := server.key(t, user, `permissions = '{"tasks":["read"]}'`)
	for _, tt := range []struct{ method, path, body string }{
		{http.MethodGet, "/token", ""},
		{http.MethodGet, "/api-key/list", ""},
		{http.MethodPost, "/api-key/create", `{}`},
		{http.MethodPost, "/update-user", `{"name":"B"}`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, server.URL+"/api/auth"+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"X-Api-Key": {key}, "Content-Type": {"application/json"}}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", tt.path, res.StatusCode)
		}
	}
}

// TestAPIKeyDocs checks that the documentation has the code that the tests use.
func TestAPIKeyDocs(t *testing.T) {
	t.Parallel()
	block := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, found := strings.Cut(string(text), "    apiKey({")
		code, _, ended := strings.Cut(rest, "    }),")
		if !found || !ended {
			t.Fatalf("%s has no apiKey({…})", file)
		}
		return code
	}
	if diff := cmp.Diff(block("../testkit/betterauth/configs/api-key.mjs"), block("../../docs/authentication.md")); diff != "" {
		t.Errorf("docs/authentication.md (-tested +documented):\n%s", diff)
	}
}
