package betterauth_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"taskql/internal/betterauth"
)

// plugin says how a fake auth server takes bearer tokens.
type plugin string

const (
	noPlugin   plugin = "without the plugin"
	anyBearer  plugin = "raw or signed"
	signedOnly plugin = "requireSignature"
)

// bearerServer answers as Better Auth does, for the session tokens that it knows.
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
	dotted := strings.TrimSuffix(bare, "=") // Better Auth's plugin takes it, and its session cookie does not.
	const (
		none, null, signature, shape = betterauth.ReasonNoCookie, betterauth.ReasonSessionNull, betterauth.ReasonBadSignature, betterauth.ReasonBadToken
		cookie, bearer               = betterauth.SchemeCookie, betterauth.SchemeBearer
	)
	type result struct {
		scheme string // "" = refused
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
					for range 2 { // The second time nobody is asked.
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

// A bearer token's session and a cookie's are two things, though the token may be one: the auth server may take only
// one of them, and CSRF concerns only one.
func TestSchemesAreNotShared(t *testing.T) {
	t.Parallel()
	server := newAuthServer(t, bearerServer(anyBearer, token))
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, CacheTTL: time.Minute})
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			for scheme, h := range map[string]http.Header{
				betterauth.SchemeCookie: signedIn(), betterauth.SchemeBearer: withBearer(token),
			} {
				session, err := a.Authenticate(t.Context(), h)
				if err != nil || session.Scheme != scheme {
					t.Errorf("%s: %+v, %v", scheme, session, err)
				}
			}
		})
	}
	group.Wait()
	wantCalls(t, server, 2)
}

// A cache in front of the auth server could answer with somebody else's session.
func TestResponseOfAnotherSession(t *testing.T) {
	t.Parallel()
	server := newAuthServer(t, func(w http.ResponseWriter, _ *http.Request) { respondJSON(sessionJSON())(w, nil) })
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, CacheTTL: time.Minute})
	wantSession(t, a, signedIn())
	other := cookies(plain + "=" + betterauth.SignCookie(secret, token[:31]+"x"))
	wantRefusal(t, a, other, betterauth.ReasonSessionUnusable, "Your session")
}

func TestCookieNames(t *testing.T) {
	t.Parallel()
	value := betterauth.SignCookie(secret, token)
	for _, test := range []struct {
		name   string
		cfg    betterauth.Config
		cookie string
		want   bool
	}{
		{"prefix", betterauth.Config{CookiePrefix: "app"}, "app.session_token", true},
		{"prefix, secure", betterauth.Config{CookiePrefix: "app"}, "__Secure-app.session_token", true},
		{"prefix given with __Secure-", betterauth.Config{CookiePrefix: "__Secure-app"}, "app.session_token", true},
		{"prefix, the default name", betterauth.Config{CookiePrefix: "app"}, plain, false},
		{"name", betterauth.Config{CookieName: "sid"}, "sid", true},
		{"name, secure", betterauth.Config{CookieName: "sid"}, "__Secure-sid", true},
		{"name given with __Secure-", betterauth.Config{CookieName: "__Secure-sid"}, "__Secure-sid", true},
		{"name wins over the prefix", betterauth.Config{CookieName: "sid", CookiePrefix: "app"}, "app.session_token", false},
		{"__Host-, not set", betterauth.Config{}, "__Host-better-auth.session_token", false},
		{"another session of multi-session", betterauth.Config{}, plain + "_multi-" + strings.ToLower(token), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newAuthServer(t, respondJSON(sessionJSON()))
			test.cfg.BaseURL, test.cfg.Now = server.URL, newClock().Now
			a := newAuthenticator(t, test.cfg)
			mark := strings.Replace(test.cookie, "session_token", "dont_remember", 1)
			if strings.HasSuffix(mark, "sid") {
				mark = strings.Replace(mark, "sid", "better-auth.dont_remember", 1)
			}
			marked := mark + "=" + betterauth.SignCookie(secret, "true")
			h := cookies(test.cookie + "=" + value + "; " + marked)
			if !test.want {
				wantRefusal(t, a, h, betterauth.ReasonNoCookie, "Not authenticated")
				return
			}
			wantSession(t, a, h)
			if got, want := server.lastRequest().Header.Get("Cookie"), test.cookie+"="+value+"; "+marked; got != want {
				t.Errorf("forwarded %q, want %q", got, want)
			}
		})
	}
}

// A page of another host of the domain can set a __Secure- cookie, with a session of its own. It doesn't take the place of
// the __Host- cookie, which that page can't set.
func TestHostCookieComesFirst(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]betterauth.Config{"sid": {CookieName: "__Host-sid"}, "acme.session_token": {CookiePrefix: "__Host-acme"}} {
		server := newAuthServer(t, respondJSON(sessionJSON()))
		cfg.BaseURL, cfg.Now = server.URL, newClock().Now
		a := newAuthenticator(t, cfg)
		own := "__Host-" + name + "=" + betterauth.SignCookie(secret, token)
		foreign := "__Secure-__Host-" + name + "=" + betterauth.SignCookie(secret, strings.Repeat("x", 32))
		wantSession(t, a, cookies(foreign+"; "+own))
		if got := server.lastRequest().Header.Get("Cookie"); got != own {
			t.Errorf("forwarded %q, want %q", got, own)
		}
	}
}

func TestLongCookies(t *testing.T) {
	t.Parallel()
	server := newAuthServer(t, respondJSON(sessionJSON()))
	a := newAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now, CacheTTL: time.Minute})
	value := betterauth.SignCookie(secret, token)
	padded := strings.Repeat("%41", (16<<10-len(value)-3)/3) // Part of another token, 16 KB long in all.
	wantSession(t, a, cookies("a="+strings.Repeat("x", 60<<10)+"; "+plain+"="+value))
	wantRefusal(t, a, cookies(plain+"="+padded+value), betterauth.ReasonBadSignature, "Invalid session")
	wantRefusal(t, a, cookies(plain+"="+padded+padded+value), betterauth.ReasonTooLong, "Invalid session")
	wantCalls(t, server, 1)
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

// A session and a refusal of one token have the same hash in the log, by each way in.
func TestTokenHash(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	own := newIssuer(t, "k1")
	jwt := own.sign(t, pluginClaims(iss), "")
	signed := betterauth.SignCookie(secret, token)
	for name, test := range map[string]struct {
		header http.Header
		token  string
	}{
		"cookie":        {signedIn(), token},
		"session_data":  {withSessionData(compactSessionData(t, sessionDataClaims(token, "u1"))), token},
		"raw bearer":    {withBearer(token), token},
		"signed bearer": {withBearer(signed), token},
		"JWT":           {withBearer(jwt), jwt},
	} {
		server := newFakeServer(t, respondJSON(sessionJSON()), jwks(t, own))
		cfg := server.config(newClock().Now)
		cfg.Issuers, cfg.TrustSessionData, cfg.CacheTTL = []string{iss}, true, time.Minute
		a := newAuthenticator(t, cfg)
		sum := sha256.Sum256([]byte(test.token))
		for range 2 { // asked, and from the cache
			session, err := a.Authenticate(t.Context(), test.header)
			if err != nil || session.TokenHash != hex.EncodeToString(sum[:6]) {
				t.Errorf("%s: %+v, %v", name, session, err)
			}
		}
	}
	server := newFakeServer(t, respondJSON("null"), "")
	sum := sha256.Sum256([]byte(token))
	if refusal := refusalOf(t, newAuthenticator(t, server.config(newClock().Now)), signedIn()); refusal.TokenHash != hex.EncodeToString(sum[:6]) {
		t.Errorf("refused: %+v", refusal)
	}
}
