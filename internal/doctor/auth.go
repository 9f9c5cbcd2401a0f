package doctor

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"taskql/internal/betterauth"
)

// authServer asks the auth server how it is, and reports whether there is one.
func (d *doctor) authServer(ctx context.Context) bool {
	d.section("Auth server")
	if name := d.anyProblem("AUTH_SERVER_URL", "AUTH_BASE_PATH", "AUTH_JWKS_PATH"); name != "" {
		d.unchecked("the auth server was", name)
		return false
	}
	if d.cfg.AuthServerURL == "" {
		d.ok("none: the embedded sign-in answers, for development only")
		return false
	}
	auth, err := d.authenticator()
	if err != nil {
		d.fail(err.Error(), "")
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 3*d.Timeout) // it has three steps
	defer cancel()
	steps := auth.Probe(ctx)
	d.steps(steps)
	if len(steps) > 0 && steps[0].Status != betterauth.StatusFailure {
		d.authClock(ctx, auth.Address("ok"))
		d.issuer(steps)
	}
	return true // a signature can be checked without the auth server
}

// authenticator is the server's own, but for a secret where that is not known: nothing that is signed is looked at then.
func (d *doctor) authenticator() (*betterauth.Authenticator, error) {
	settings := d.Sessions(d.cfg)
	settings.Now, settings.Timeout = d.Now, d.Timeout
	if d.anyProblem("JWT_SECRET") != "" {
		settings.Secret = "not known"
	}
	return betterauth.New(settings)
}

// authClock compares the clock in the auth server's answers, or its proxy's, with ours. Sessions and JWTs live by both.
func (d *doctor) authClock(ctx context.Context, address string) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return // Probe has told.
	}
	before := d.Now()
	answer, err := http.DefaultTransport.RoundTrip(r)
	after := d.Now()
	if err != nil {
		d.warn("clock: "+err.Error(), "")
		return
	}
	defer answer.Body.Close()
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return // Not every server says.
	}
	const half = time.Second / 2 // the header has whole seconds
	d.skew("the auth server's", date.Add(half), before, after, "let both machines keep their clocks by NTP: sessions and JWTs end by them")
}

// issuer warns where JWTs will be refused: the plugin names the auth server's public address in them.
func (d *doctor) issuer(steps []betterauth.Step) {
	u, err := url.Parse(d.cfg.AuthServerURL)
	if err != nil || d.Environ["AUTH_ISSUER"] != "" || !d.cfg.Production() || !isPrivate(u.Hostname()) {
		return
	}
	for _, step := range steps {
		if step.Name == "JWKS" && step.Status == betterauth.StatusOK && !strings.HasPrefix(step.Detail, "absent") {
			d.warn("issuer: AUTH_SERVER_URL is a private address, and JWTs name the public one",
				"set AUTH_ISSUER to the origin of the auth server's baseURL, if you use JWTs")
		}
	}
}

// isPrivate reports whether a host is surely not the auth server's public one.
func isPrivate(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsPrivate() || addr.IsLoopback()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".internal")
}

// session looks into the credential that was given.
func (d *doctor) session(ctx context.Context) {
	d.section("Session")
	if d.APIKey != "" {
		d.apiKey(ctx)
		if d.Credential == "" {
			return
		}
	}
	if d.Credential == "" {
		d.warn("no session was given, so whether the secret is the auth server's is not known",
			"copy the Cookie header of a signed-in request from the browser, and run `server doctor --cookie -`")
		return
	}
	if name := d.anyProblem("JWT_SECRET", "AUTH_COOKIE_PREFIX", "AUTH_COOKIE_NAME", "AUTH_TOKEN_PATTERN", "AUTH_ISSUER", "AUTH_AUDIENCE"); name != "" {
		d.unchecked("the session was", name)
		return
	}
	header, note := readCredential(d.Credential, d.cookieName())
	if note != "" {
		d.ok(note)
	}
	auth, err := d.authenticator()
	if err != nil {
		d.fail(err.Error(), "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*d.Timeout) // a JWT's key and a session are two questions
	defer cancel()
	d.steps(auth.Inspect(ctx, header))
}

// cookieName is the session cookie's most likely name, for a value that came without.
func (d *doctor) cookieName() string {
	name := d.cfg.AuthCookieName
	if name == "" {
		name = d.cfg.AuthCookiePrefix + ".session_token"
	}
	const secure = "__Secure-"
	if d.cfg.SecureAuth() && !strings.HasPrefix(name, secure) && !strings.HasPrefix(name, "__Host-") {
		name = secure + name
	}
	return name
}
