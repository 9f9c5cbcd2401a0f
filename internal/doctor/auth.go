package doctor

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"taskql/internal/betterauth"
)

// authServer checks the auth server, and returns whether there is one.
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
	ctx, cancel := context.WithTimeout(ctx, 4*d.Timeout) // It has three steps, and organizations.
	defer cancel()
	steps := auth.Probe(ctx)
	d.steps(steps)
	if len(steps) > 0 && steps[0].Status != betterauth.StatusFailure {
		if d.cfg.Organizations && d.anyProblem("ORGANIZATIONS") == "" {
			d.steps([]betterauth.Step{auth.ProbeOrganizations(ctx, d.Environ["ORGANIZATIONS"] != "")})
		}
		d.authClock(ctx, auth.Address("ok"))
		d.issuer(steps)
	}
	return true // A signature can be checked even if the auth server is down.
}

// authenticator returns an Authenticator configured like the server's. If the secret is invalid, it has another one,
// and must not be used to check signatures.
func (d *doctor) authenticator() (*betterauth.Authenticator, error) {
	settings := d.Sessions(d.cfg)
	settings.Now, settings.Timeout = d.Now, d.Timeout
	if d.anyProblem("JWT_SECRET") != "" {
		settings.Secret = "not known"
	}
	return betterauth.New(settings)
}

// authClock compares the Date of the auth server's responses, which may be its proxy's, with our clock. The expiry of
// sessions and JWTs depends on both clocks.
func (d *doctor) authClock(ctx context.Context, address string) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return // Probe has reported it.
	}
	before := d.Now()
	res, err := http.DefaultTransport.RoundTrip(r)
	after := d.Now()
	if err != nil {
		d.warn("clock: "+err.Error(), "")
		return
	}
	defer res.Body.Close()
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return // Not every server sends a Date.
	}
	const half = time.Second / 2 // The header has whole seconds, rounded down.
	d.skew("the auth server's", date.Add(half), before, after, "let both machines keep their clocks by NTP: sessions and JWTs end by them")
}

// issuer warns if JWTs will be refused because their issuer is the auth server's public address and AUTH_SERVER_URL is
// a private one.
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

// isPrivate reports whether a host is certainly not public.
func isPrivate(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsPrivate() || addr.IsLoopback()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".internal")
}

// session checks the given credential and API key.
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
	d.inspect(ctx, auth, header)
}

// inspect checks credentials, and what their user belongs to.
func (d *doctor) inspect(ctx context.Context, auth *betterauth.Authenticator, header http.Header) {
	ctx, cancel := context.WithTimeout(ctx, 3*d.Timeout) // For the JWT's key, the session and its memberships.
	defer cancel()
	steps := auth.Inspect(ctx, header)
	d.steps(steps)
	failed := slices.ContainsFunc(steps, func(s betterauth.Step) bool { return s.Status == betterauth.StatusFailure })
	if failed || !d.cfg.Organizations || d.anyProblem("ORGANIZATIONS", "WORKSPACE_ROLES") != "" {
		return
	}
	d.steps(auth.InspectOrganizations(ctx, header, func(role string) string { return string(d.cfg.WorkspaceRoles.Of(role)) }))
}

// cookieName returns the most likely name of the session cookie, for a value that was given without a name.
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
