package betterauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

// plugin is how a fake auth server accepts bearer tokens.
type plugin string

const (
	noPlugin   plugin = "without the plugin"
	anyBearer  plugin = "raw or signed"
	signedOnly plugin = "requireSignature"
)

// bearerServer answers as Better Auth does, for the known session tokens.
func bearerServer(mode plugin, known ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, line, _ := strings.Cut(r.Header.Get("Cookie"), "=")
		text, _ := betterauth.VerifyCookie(secret, strings.Split(line, ";")[0])
		_, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		signed, good := betterauth.VerifyCookie(secret, value)
		switch {
		case mode == noPlugin || value == "":
		case good:
			text = signed
		case !strings.Contains(value, ".") && mode == anyBearer:
			text = value
		}
		for _, k := range known {
			if k == text {
				respondJSON(strings.ReplaceAll(sessionJSON(), token, text))(w, nil)
				return
			}
		}
		respondJSON("null")(w, nil)
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	const other, unknown = "OTHERXBPD25OX65mZbiNDd9UdDLJoYie", "UNKNOWNPD25OX65mZbiNDd9UdDLJoYie"
	good := betterauth.SignCookie(secret, token)
	bare := strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(good)
	forged := betterauth.SignCookie("another", token)
	dotted := strings.TrimSuffix(bare, "=") // Better Auth's plugin accepts it, but not as a session cookie.
	const (
		none, null, signature, shape = betterauth.ReasonNoCookie, betterauth.ReasonSessionNull, betterauth.ReasonBadSignature, betterauth.ReasonBadToken
		cookie, bearer               = betterauth.SchemeCookie, betterauth.SchemeBearer
	)
	type result struct {
		scheme string // empty if it is refused
		reason betterauth.Reason
		calls  int64
	}
	in := func(scheme string) result { return result{scheme, "", 1} }
	out := func(reason betterauth.Reason, calls int64) result { return result{"", reason, calls} }
	for _, test := range []struct {
		name, value                string
		alone, aloneSigned, noneOn result // raw or signed, requireSignature, without the plugin; without a cookie
		both, bothSigned, bothNone result // beside a good cookie of another session
	}{
		{"raw", "Bearer " + token, in(bearer), out(null, 1), out(null, 1), in(bearer), in(cookie), in(cookie)},
		{"signed", "Bearer " + bare, in(bearer), in(bearer), out(null, 1), in(bearer), in(bearer), in(cookie)},
		{"signed, encoded", "Bearer " + good, in(bearer), in(bearer), out(null, 1), in(bearer), in(bearer), in(cookie)},
		{"all encoded", "Bearer " + strings.ReplaceAll(bare, "+", "%2B"), in(bearer), in(bearer), out(null, 1), in(bearer), in(bearer), in(cookie)},
		{"lower case", "bearer " + token, in(bearer), out(null, 1), out(null, 1), in(bearer), in(cookie), in(cookie)},
		{"mixed case", "bEaReR " + bare, in(bearer), in(bearer), out(null, 1), in(bearer), in(bearer), in(cookie)},
		{"spaces", "Bearer   " + token + "  ", in(bearer), out(null, 1), out(null, 1), in(bearer), in(cookie), in(cookie)},
		{"unknown raw", "Bearer " + unknown, out(null, 1), out(null, 1), out(null, 1), out(null, 1), in(cookie), in(cookie)},
		{"unknown signed", "Bearer " + betterauth.SignCookie(secret, unknown), out(null, 1), out(null, 1), out(null, 1), out(null, 1), out(null, 1), in(cookie)},
		{"forged", "Bearer " + forged, out(signature, 0), out(signature, 0), out(signature, 0), in(cookie), in(cookie), in(cookie)},
		{"no padding", "Bearer " + dotted, out(signature, 0), out(signature, 0), out(signature, 0), in(cookie), in(cookie), in(cookie)},
		{"dont_remember", "Bearer " + betterauth.SignCookie(secret, "true"), out(shape, 0), out(shape, 0), out(shape, 0), in(cookie), in(cookie), in(cookie)},
		{"undefined", "Bearer undefined", out(shape, 0), out(shape, 0), out(shape, 0), in(cookie), in(cookie), in(cookie)},
		{"line break", "Bearer " + token[:31] + "\n", out(shape, 0), out(shape, 0), out(shape, 0), in(cookie), in(cookie), in(cookie)},
		{"16 KB", "Bearer " + strings.Repeat("x", 17<<10), out(betterauth.ReasonTooLong, 0), out(betterauth.ReasonTooLong, 0), out(betterauth.ReasonTooLong, 0), in(cookie), in(cookie), in(cookie)},
		{"empty", "Bearer ", out(none, 0), out(none, 0), out(none, 0), in(cookie), in(cookie), in(cookie)},
		{"another scheme", "Basic " + token, out(none, 0), out(none, 0), out(none, 0), in(cookie), in(cookie), in(cookie)},
		{"no space", "Bearer" + token, out(none, 0), out(none, 0), out(none, 0), in(cookie), in(cookie), in(cookie)},
		{"a tab", "Bearer\t" + token, out(none, 0), out(none, 0), out(none, 0), in(cookie), in(cookie), in(cookie)},
	} {
		for mode, want := range map[plugin][2]result{
			anyBearer: {test.alone, test.both}, signedOnly: {test.aloneSigned, test.bothSigned}, noPlugin: {test.noneOn, test.bothNone},
		} {
			t.Run(test.name+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				for i, h := range []http.Header{{}, cookies(plain + "=" + betterauth.SignCookie(secret, other))} {
					server := newAuthServer(t, bearerServer(mode, token, other))
					a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, CacheTTL: time.Minute})
					h["Authorization"] = []string{test.value}
					for range 2 { // The second time, the result is cached.
						session, err := a.Authenticate(t.Context(), h)
						switch {
						case err != nil && want[i].reason == "":
							t.Errorf("cookie %d: %v", i, err)
						case err != nil:
							wantRefusal(t, a, h, want[i].reason, "")
						case session.Scheme != want[i].scheme:
							t.Errorf("cookie %d: scheme %q, want %q", i, session.Scheme, want[i].scheme)
						}
					}
					wantCalls(t, server, want[i].calls)
				}
			})
		}
	}
}
