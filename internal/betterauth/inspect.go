package betterauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The statuses of a Step.
const (
	StatusOK      = "ok"
	StatusWarning = "warning"
	StatusFailure = "failure"
)

// Step is one check of Inspect or Probe. It contains neither a token nor a secret.
type Step struct {
	// Name says what was checked, in a word or two.
	Name string
	// Status is StatusOK, StatusWarning or StatusFailure.
	Status string
	// Detail says what was found.
	Detail string
	// Fix says what to do about it. It is empty if there is nothing to do.
	Fix string
}

// report is a list of steps.
type report []Step

func (r *report) ok(name, detail string) { *r = append(*r, Step{name, StatusOK, detail, ""}) }

func (r *report) warn(name, detail, fix string) {
	*r = append(*r, Step{name, StatusWarning, detail, fix})
}

func (r *report) fail(name, detail, fix string) {
	*r = append(*r, Step{name, StatusFailure, detail, fix})
}

// Inspect checks the credentials in a request's headers, and stops at the first failure: which API key, cookie or
// bearer token there is, its encoding and signature, the auth server's response, and the session's expiry and user. It
// always asks the auth server, and doesn't use the cache.
func (a *Authenticator) Inspect(ctx context.Context, h http.Header) []Step {
	var r report
	if key := a.apiKey(h); key != "" {
		a.inspectKey(ctx, &r, key)
		return r
	}
	b := a.bearer(h)
	switch b.kind {
	case bearerJWT:
		a.inspectJWT(ctx, &r, b.token)
		return r
	case bearerRaw:
		r.ok("bearer", "a session token without a signature, which only the auth server can check")
	case bearerSigned:
		r.ok("bearer", "a signed session token")
		r.ok("signature", "good: the secret is the auth server's")
	case bearerInvalid:
		a.explain(&r, "bearer token", b.token, b.reason)
		return r
	case bearerNone:
	}
	c := credentials{bearer: b}
	if b.kind == bearerNone && !a.inspectCookie(&r, h, &c) {
		return r
	}
	a.inspectSession(ctx, &r, h, c)
	return r
}

// inspectCookie looks for the session cookie, and adds it to the credentials if it is good.
func (a *Authenticator) inspectCookie(r *report, h http.Header, c *credentials) bool {
	names, encoded := a.findCookie(h)
	if encoded == "" {
		a.explainMissing(r, h)
		return false
	}
	r.ok("cookie", "found under the name "+names.session)
	if _, err := url.PathUnescape(encoded); err == nil {
		encoding := "not percent-encoded, which is as good"
		if strings.Contains(encoded, "%") {
			encoding = "percent-encoded"
		}
		r.ok("encoding", encoding)
	}
	token, reason := a.verifyToken(encoded)
	if reason != "" {
		a.explain(r, "cookie", token, reason)
		return false
	}
	r.ok("signature", "good: the secret is the auth server's")
	c.cookie = sessionCookie{names: names, token: token}
	return true
}

// findCookie returns the session cookie's names and its value: those of a good cookie if there is one, else of any
// session cookie.
func (a *Authenticator) findCookie(h http.Header) (cookieNames, string) {
	if c, refusal := a.cookie(h); refusal == nil {
		encoded, _ := ReadCookie(h, c.names.session)
		return c.names, encoded
	}
	for _, names := range a.cookieNames {
		if encoded, _ := ReadCookie(h, names.session); encoded != "" {
			return names, encoded
		}
	}
	return cookieNames{}, ""
}

// explainMissing reports why there is no session cookie: it has another prefix or name, or the value was given without
// its name.
func (a *Authenticator) explainMissing(r *report, h http.Header) {
	wanted := strings.TrimPrefix(a.cookieNames[1].session, securePrefix)
	for _, line := range h["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			name, encoded, named := strings.Cut(part, "=")
			name = trim(name)
			if named && strings.HasSuffix(name, sessionName) && len(name) < 100 {
				fix := "set AUTH_COOKIE_NAME to " + strings.TrimPrefix(name, securePrefix)
				if prefix, ok := strings.CutSuffix(strings.TrimPrefix(name, securePrefix), "."+sessionName); ok {
					fix = "set AUTH_COOKIE_PREFIX to " + prefix
				}
				r.fail("cookie", fmt.Sprintf("there is %s, but %s is looked for", name, wanted), fix)
				return
			}
			if _, reason := a.verifyToken(trim(encoded)); named && reason == "" && !strings.Contains(name, sessionName+"_multi-") {
				r.fail("cookie", fmt.Sprintf("there is %s with a session token, but %s is looked for", printable(name), wanted),
					"set AUTH_COOKIE_NAME to "+strings.TrimPrefix(printable(name), securePrefix))
				return
			}
			if _, reason := a.verifyToken(trim(part)); reason == "" || a.isToken(trim(part)) {
				r.fail("cookie", "that is a value without its name", "give it as "+wanted+"=value")
				return
			}
		}
	}
	r.fail("cookie", fmt.Sprintf("there is neither %s nor %s", securePrefix+wanted, wanted),
		"copy the Cookie header of a signed-in request from the browser's network tab; if the cookie is missing there, "+
			"the browser does not send it to this origin")
}

// explain reports why a session token is invalid, and what to do. The text is what could be decoded of it.
func (a *Authenticator) explain(r *report, what, text string, reason Reason) {
	switch reason {
	case ReasonBadEncoding:
		r.fail("encoding", "the percent-encoding of the "+what+" is broken", "copy it again, unchanged and whole")
	case ReasonUnsigned:
		r.fail("signature", "the "+what+" holds a bare token without a signature",
			"the session cookie's value is token.signature: copy it from the browser, not session.token from an answer or the "+
				"database")
	case ReasonBadSignature:
		r.fail("signature", "the signature of the "+what+" does not fit: it was made with another secret, or changed on the way",
			"set JWT_SECRET to exactly the auth server's BETTER_AUTH_SECRET (with BETTER_AUTH_SECRETS: the current one), "+
				"and sign in again")
	case ReasonBadToken:
		a.explainFormat(r, what, text)
	default:
		r.fail("token", "the "+what+" is refused: "+string(reason), "copy it again, unchanged and whole")
	}
}

// inspectSession asks the auth server for the session.
func (a *Authenticator) inspectSession(ctx context.Context, r *report, h http.Header, c credentials) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	c.sessionData = a.forwardedSessionData(ctx, h, c, a.now())
	resp, refusal := a.client.getSession(ctx, a.requestHeader(h, c), true)
	if refusal == nil {
		if scheme, _ := c.match(resp.token); scheme == "" {
			refusal = unusable(errWrongSession, 0)
		}
	}
	switch {
	case refusal == nil:
		r.ok("get-session", "the auth server knows the session")
	case refusal.Reason == ReasonSessionUnusable:
		r.fail("get-session", fmt.Sprintf("the auth server works, but not for this session: %v", refusal.Err),
			"look into the auth server's log: customSession or a hook may fail for this user")
		return
	case refusal.Reason == ReasonSessionRefused:
		r.fail("get-session", fmt.Sprintf("the auth server refuses this session: %v", refusal.Err),
			"look for what throws that error in the auth server's code, such as customSession")
		return
	case refusal.Unavailable:
		r.fail("get-session", fmt.Sprintf("the session can't be checked: %v", refusal.Err), "see the steps about the auth server")
		return
	case c.bearer.kind != bearerNone:
		r.fail("get-session", "the auth server answered null: the session has ended, or it takes no such bearer token",
			"add the bearer() plugin to the auth server; with its requireSignature the token must be the set-auth-token header's")
		return
	case a.needsSessionData(ctx, h, c):
		r.fail("get-session", "the auth server answered null, but knows the session by its session_data cookie: either it has no "+
			"database, or the session was signed out a moment ago", "if the auth server has no database, set AUTH_STATELESS=on; otherwise sign in again")
		return
	default:
		r.fail("get-session", "the auth server answered null: the session was signed out, has expired, or the auth server "+
			"expects the cookie under another name", "sign in again; compare the cookie's name with what the auth server sets")
		return
	}
	a.inspectExpiry(r, resp)
}

// inspectExpiry checks the session's expiry and user.
func (a *Authenticator) inspectExpiry(r *report, resp sessionResponse) {
	now := a.now()
	left := resp.end(a.maxSessionAge).Sub(now).Round(time.Minute)
	switch resp.refusalReason(a.maxSessionAge, now) {
	case ReasonUserNotFound:
		r.fail("user", "the session has no user", "the user was deleted: sign in as another")
	case ReasonExpired:
		r.fail("expiry", "the session expired at "+resp.session.ExpiresAt.UTC().Format(time.RFC3339),
			"sign in again; if it is new, the clocks of the servers differ")
	case ReasonTooOld:
		r.fail("expiry", "the session was last refreshed at "+resp.lastRefresh().UTC().Format(time.RFC3339)+", too long ago",
			"sign in again, or raise REFRESH_TOKEN_EXPIRE_DAYS")
	case ReasonBanned:
		r.ok("expiry", fmt.Sprintf("good for %v", left))
		r.fail("user", "user "+resp.session.UserID+" is banned", "lift the ban at the auth server")
	default:
		r.ok("expiry", fmt.Sprintf("good for %v", left))
		r.ok("user", "user "+resp.session.UserID)
	}
}

// inspectJWT verifies a JWT.
func (a *Authenticator) inspectJWT(ctx context.Context, r *report, token string) {
	r.ok("bearer", "a JWT")
	session, refusal := a.verifyJWT(ctx, token, a.now())
	if refusal == nil {
		r.ok("JWT", "its signature, issuer, audience and times are good")
		r.ok("expiry", fmt.Sprintf("good for %v", session.ExpiresAt.Sub(a.now()).Round(time.Second)))
		r.ok("user", "user "+session.UserID)
		return
	}
	detail := string(refusal.Reason)
	if refusal.Err != nil {
		detail += ": " + refusal.Err.Error()
	}
	var wrong *wrongClaim
	if errors.As(refusal.Err, &wrong) {
		r.fail("JWT", detail, wrong.fix())
		return
	}
	fixes := map[Reason]string{
		ReasonExpired:    "get a new one from " + a.root.JoinPath("token").Path + "; ACCESS_TOKEN_EXPIRE_MINUTES also bounds its age",
		ReasonUnknownKey: "it was signed by another auth server, or by a key that was taken back",
		ReasonUnavailable: "the jwt plugin must be on at the auth server, and its keys at " + a.root.JoinPath(a.jwksPath).Path +
			" reachable from here; if jwks.jwksPath is another, set AUTH_JWKS_PATH to it",
		ReasonBadToken: "only the tokens of " + a.root.JoinPath("token").Path + " are taken",
		ReasonBanned:   "lift the ban at the auth server",
	}
	r.fail("JWT", detail, cmp.Or(fixes[refusal.Reason], "get a new one from this auth server's "+a.root.JoinPath("token").Path))
}

// Reachable checks whether the auth server can be reached and is Better Auth.
func (a *Authenticator) Reachable(ctx context.Context) Step {
	var r report
	a.probeOK(ctx, &r)
	return r[0]
}

// Probe checks the auth server without a session: whether it can be reached, its get-session and its keys. It stops if
// the auth server can't be reached.
func (a *Authenticator) Probe(ctx context.Context) []Step {
	var r report
	if !a.probeOK(ctx, &r) {
		return r
	}
	a.probeSession(ctx, &r)
	a.probeKeys(ctx, &r)
	return r
}

// probeOK checks /api/auth/ok, and reports whether the other checks make sense.
func (a *Authenticator) probeOK(ctx context.Context, r *report) bool {
	const name = "auth server"
	err := a.checkOK(ctx, a.root)
	failure := asUpstreamError(err)
	switch {
	case err == nil:
		r.ok(name, "reachable, and it is Better Auth")
		return true
	case failure != nil && failure.status == 0:
		r.fail(name, err.Error(), "check AUTH_SERVER_URL, and that the auth server runs and lets this server in")
	case failure != nil && failure.rateLimited:
		r.warn(name, "it refuses this server's requests by its rate limit", "add a custom rule for /get-session to rateLimit, or exempt this server's address")
		return true
	case failure != nil && (failure.status == http.StatusBadRequest || failure.status == http.StatusInternalServerError):
		r.fail(name, fmt.Sprintf("%v for %s", err, a.root.JoinPath("ok").Path),
			"look into the auth server's log; if its baseURL has allowedHosts, add "+a.root.Host+" to them")
	default:
		r.fail(name, fmt.Sprintf("%v for %s", err, a.root.JoinPath("ok").Path), a.suggestAddress(ctx))
	}
	return false
}

// errNotBetterAuth reports a JSON response that is not Better Auth's.
var errNotBetterAuth = errors.New(`the answer is not {"ok":true}, so it is not Better Auth's`)

// checkOK returns nil if Better Auth's endpoints are under that address.
func (a *Authenticator) checkOK(ctx context.Context, root *url.URL) error {
	body, err := a.getURL(ctx, root.JoinPath("ok"), maxSmallResponse)
	if err != nil {
		return err
	}
	var status struct{ OK bool }
	if json.Unmarshal(body, &status) != nil || !status.OK {
		return errNotBetterAuth
	}
	return nil
}

// suggestAddress says what AUTH_SERVER_URL should be. It looks for Better Auth at its default path, under the
// configured path and under the host.
func (a *Authenticator) suggestAddress(ctx context.Context) string {
	above := trimSlash(strings.TrimSuffix(a.root.Path, DefaultBasePath))
	for _, path := range []string{above + DefaultBasePath, DefaultBasePath} {
		root := a.root.ResolveReference(&url.URL{Path: path})
		if path != a.root.Path && a.checkOK(ctx, root) == nil {
			return "set AUTH_SERVER_URL to " + root.Redacted() + ": Better Auth answers there; a path in AUTH_SERVER_URL is used as it is"
		}
	}
	return "set AUTH_SERVER_URL to the auth server's baseURL; if its basePath is not " + DefaultBasePath + ", with that path at the end"
}

// probeSession checks that get-session answers null without credentials.
func (a *Authenticator) probeSession(ctx context.Context, r *report) {
	const name = "get-session"
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	body, err := a.client.endpoint.get(ctx)
	failure := asUpstreamError(err)
	switch {
	case err == nil && string(body) == "null":
		r.ok(name, "answers null without a cookie, as it should")
	case err == nil:
		r.fail(name, "answers a session without a cookie: a cache or proxy in front of it answers",
			"keep caches and proxies from storing "+a.root.JoinPath("get-session").Path)
	case failure != nil && failure.rateLimited:
		r.warn(name, "it refuses this server's requests by its rate limit", "add a custom rule for /get-session to rateLimit, or exempt this server's address")
	default:
		r.fail(name, err.Error(), "look into the auth server's log: its database may be down")
	}
}

// probeKeys checks the jwt plugin's keys.
func (a *Authenticator) probeKeys(ctx context.Context, r *report) {
	const name = "JWKS"
	body, err := a.getURL(ctx, a.root.JoinPath(a.jwksPath), maxJWKS)
	failure := asUpstreamError(err)
	switch {
	case failure != nil && failure.status == http.StatusNotFound:
		r.ok(name, "absent at "+a.root.JoinPath(a.jwksPath).Path+": the jwt plugin is off or has another jwks.jwksPath (AUTH_JWKS_PATH), and JWTs are refused")
		return
	case err != nil:
		r.warn(name, err.Error(), "JWTs can't be checked until it answers")
		return
	}
	keys, err := parseKeys(body)
	if err != nil || len(keys) == 0 {
		r.warn(name, "no key there that can be used", "the jwt plugin's keyPairConfig must be EdDSA, ES or RS/PS with 2048 bits")
		return
	}
	number := "1 key"
	if len(keys) > 1 {
		number = strconv.Itoa(len(keys)) + " keys"
	}
	r.ok(name, fmt.Sprintf("%s (%s)", number, strings.Join(algorithms(keys), ", ")))
}

// algorithms lists the keys' algorithms.
func algorithms(keys map[string]jose.JSONWebKey) []string {
	var names []string
	for _, key := range keys {
		names = append(names, key.Algorithm)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// getURL sends a request to an address of the auth server and returns the response's body.
func (a *Authenticator) getURL(ctx context.Context, address *url.URL, limit int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return a.endpointAt(address.String(), limit).get(ctx)
}

// endpointAt returns an endpoint that shares the connections of requests for sessions.
func (a *Authenticator) endpointAt(address string, limit int) *endpoint {
	return &endpoint{url: address, limit: limit, http: a.client.endpoint.http, now: a.now}
}
