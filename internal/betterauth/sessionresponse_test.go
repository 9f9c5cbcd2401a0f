package betterauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

// TestResponses checks the refusal for each response about one session, while the auth server works, and how long it is
// cached.
func TestResponses(t *testing.T) {
	status := func(code int, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	html := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>"))
	}
	replaced := func(pairs ...string) http.HandlerFunc {
		return respondJSON(strings.NewReplacer(pairs...).Replace(sessionJSON()))
	}
	date := start().Add(time.Minute).Format(http.TimeFormat)
	const (
		forbidden = `{"code":"FORBIDDEN","message":"not today"}`
		usedUp    = `{"code":"RATE_LIMITED","message":"Rate limit exceeded.","details":{"tryAgainIn":7000}}`
		limiter   = `{"message":"Too many requests. Please try again later."}`

		unusable, null, refused, noUser = betterauth.ReasonSessionUnusable, betterauth.ReasonSessionNull, betterauth.ReasonSessionRefused, betterauth.ReasonUserNotFound
		invalid                         = 5 * time.Second // how long a refusal is cached
		failed                          = 2 * time.Second // how long a failure is cached
	)
	messages := map[betterauth.Reason]string{unusable: "Your session can't be checked", noUser: "User not found", betterauth.ReasonUnavailable: "The sign-in service"}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		reason betterauth.Reason
		rest   time.Duration
	}{
		{"null", respondJSON("null"), null, invalid},
		{"null with space", respondJSON(" null\n"), null, invalid},
		{"expired", respondJSON(sessionJSONUntil(start())), betterauth.ReasonExpired, invalid},
		{"user null", replaced(`"user":{`, `"user":null,"x":{`), noUser, invalid},
		{"user missing", replaced(`"user":{`, `"other":{`), noUser, invalid},
		{"user empty", replaced(`"user":{`, `"user":{},"x":{`), noUser, invalid},
		{"another's user", replaced(`"user":{"id":"u1"`, `"user":{"id":"u2"`), unusable, failed},
		{"userId true", replaced(`"userId":"u1"`, `"userId":true`), unusable, failed},
		{"userId of another case only, and no user", replaced(`"userId"`, `"userID"`, `"user":{`, `"other":{`), unusable, failed},
		{"user id true", replaced(`"user":{"id":"u1"`, `"user":{"id":true`), unusable, failed},
		{"user id an object", replaced(`"user":{"id":"u1"`, `"user":{"id":{"$oid":"u1"}`), unusable, failed},
		{"user id of 2 kB", replaced(`"user":{"id":"u1"`, `"user":{"id":"`+strings.Repeat("x", 2048)+`"`), unusable, failed},
		{"token a number", replaced(`"token":"`+token+`"`, `"token":7`), unusable, failed},
		{"another session's token", replaced(token, "OTHERXBPD25OX65mZbiNDd9UdDLJoYie"), unusable, failed},
		{"empty object", respondJSON("{}"), unusable, failed},
		{"array", respondJSON("[]"), unusable, failed},
		{"string", respondJSON(`"null"`), unusable, failed},
		{"empty", respondJSON(""), unusable, failed},
		{"cut off", respondJSON(sessionJSON()[:50]), unusable, failed},
		{"two values", respondJSON("null null"), unusable, failed},
		{"a long string", respondJSON(`"` + strings.Repeat("x", 2<<20) + `"`), unusable, failed},
		{"over 32 MB", respondJSON(`{"x":"` + strings.Repeat("x", 33<<20) + `"}`), unusable, failed},
		{"HTML", html, unusable, failed},
		{"400", status(400, "null"), unusable, failed},
		{"401", status(401, forbidden), refused, invalid},
		{"403", status(403, forbidden), refused, invalid},
		{"403 without a body", status(403, ""), refused, invalid},
		{"403 in HTML", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403); html(w, r) }, unusable, failed},
		{"404", status(404, "null"), unusable, failed},
		{"429 of an API key", status(429, usedUp, "Retry-After", "7"), unusable, 7 * time.Second},
		{"429", status(429, limiter, "X-Retry-After", "10", "Retry-After", "20"), betterauth.ReasonUnavailable, 10 * time.Second},
		{"429 without a time", status(429, limiter), betterauth.ReasonUnavailable, time.Second},
		{"429 of a proxy", func(w http.ResponseWriter, _ *http.Request) { respondStatus(429, "Retry-After", "20")(w, nil) }, betterauth.ReasonUnavailable, 20 * time.Second},
		{"503 with a date", status(503, "", "Retry-After", date), unusable, time.Minute},
		{"503 with a past date", status(503, "", "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"), unusable, failed},
		{"503 for a year", status(503, "", "Retry-After", "31536000"), unusable, time.Minute},
		{"503 with nonsense", status(503, "", "Retry-After", "-5"), unusable, failed},
		{"500", status(500, `{"code":"FAILED_TO_GET_SESSION"}`), unusable, failed},
		{"redirect", status(302, "", "Location", "/login"), unusable, failed},
		{"204", status(204, ""), unusable, failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newAuthServer(t, func(w http.ResponseWriter, r *http.Request) {
				if test.name == "another session's token" {
					r = nil
				}
				test.answer(w, r)
			})
			now := newClock()
			a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, CacheTTL: time.Minute, Now: now.Now})
			message, ok := messages[test.reason]
			if !ok {
				message = "Invalid session"
			}
			wantRefusal(t, a, signedIn(), test.reason, message)
			got := refusalOf(t, a, signedIn())
			wantCalls(t, server, 1)
			now.Advance(test.rest - 1)
			wantRefusal(t, a, signedIn(), test.reason, message)
			wantCalls(t, server, 1)
			now.Advance(1)
			wantRefusal(t, a, signedIn(), test.reason, message)
			wantCalls(t, server, 2)
			unavailable := test.reason == unusable || test.reason == betterauth.ReasonUnavailable
			if got.Unavailable != unavailable || got.RateLimited || unavailable != (got.RetryAfter == test.rest) {
				t.Errorf("unavailable %t, limited %t, retry after %v", got.Unavailable, got.RateLimited, got.RetryAfter)
			}
			if got.Cookie != plain || len(got.TokenHash) != 12 {
				t.Errorf("cookie %q, hash %q", got.Cookie, got.TokenHash)
			}
		})
	}
}

func TestAgesAndBans(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	replaced := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(sessionJSON()) }
	ago := func(d time.Duration) string { return start().Add(-d).Format(time.RFC3339) }
	aged := func(created, updated time.Duration) string {
		return replaced(`"createdAt":"2026-11-23T11:00:00.000Z"`, `"createdAt":"`+ago(created)+`"`,
			`"updatedAt":"2026-11-23T11:30:00.000Z"`, `"updatedAt":"`+ago(updated)+`"`)
	}
	banned := func(fields string) string { return replaced(`"emailVerified":true`, `"emailVerified":true,`+fields) }
	for _, test := range []struct {
		name, answer string
		reason       betterauth.Reason
	}{
		{"made and refreshed long ago", aged(30*day, 7*day), betterauth.ReasonTooOld},
		{"made long ago, refreshed in time", aged(30*day, 7*day-time.Second), ""},
		{"made in time, refreshed before", aged(day, 30*day), ""},
		{"of no known age", replaced(`"createdAt":"2026-11-23T11:00:00.000Z",`, "", `"updatedAt":"2026-11-23T11:30:00.000Z",`, ""), ""},
		{"banned", banned(`"banned":true`), betterauth.ReasonBanned},
		{"banned for good", banned(`"banned":true,"banReason":"x","banExpires":null`), betterauth.ReasonBanned},
		{"banned for a while", banned(`"banned":true,"banExpires":"` + ago(-time.Second) + `"`), betterauth.ReasonBanned},
		{"ban over", banned(`"banned":true,"banExpires":"` + ago(0) + `"`), ""},
		{"ban of an odd kind", banned(`"banned":1`), betterauth.ReasonBanned},
		{"ban with an odd end", banned(`"banned":true,"banExpires":7`), betterauth.ReasonBanned},
		{"not banned", banned(`"banned":false,"banExpires":"` + ago(-time.Hour) + `"`), ""},
		{"never banned", banned(`"banned":null`), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newAuthServer(t, respondJSON(test.answer))
			a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, MaxSessionAge: 7 * day})
			for _, h := range []http.Header{signedIn(), withBearer(token), withBearer(betterauth.SignCookie(secret, token))} {
				if test.reason == "" {
					wantSession(t, a, h)
				} else {
					wantRefusal(t, a, h, test.reason, "Invalid session")
				}
			}
		})
	}
	t.Run("a cached session ends when it gets too old", func(t *testing.T) {
		t.Parallel()
		server, now := newAuthServer(t, respondJSON(aged(30*day, 7*day-5*time.Second))), newClock()
		a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: now.Now, MaxSessionAge: 7 * day, CacheTTL: time.Minute})
		wantSession(t, a, signedIn())
		now.Advance(5 * time.Second)
		wantRefusal(t, a, signedIn(), betterauth.ReasonTooOld, "Invalid session")
	})
}
