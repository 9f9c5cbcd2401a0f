package betterauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

// What the auth server answers about one session while it works. The answer is remembered for this session.
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
		invalid                         = 5 * time.Second // for how long a refusal is remembered
		failed                          = 2 * time.Second // for how long a failure is
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
