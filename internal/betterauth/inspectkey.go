package betterauth

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// inspectKey asks the auth server about an API key, as for a request with that key.
func (a *Authenticator) inspectKey(ctx context.Context, r *report, key string) {
	if !isAPIKey(key) {
		r.fail("API key", fmt.Sprintf("what the header %s holds is no key", strings.ToLower(a.apiKeyHeader)), "copy the key again, unchanged and whole")
		return
	}
	r.ok("API key", fmt.Sprintf("found in the header %s; this check costs it up to four of its requests, and one for each organization", strings.ToLower(a.apiKeyHeader)))
	c := credentials{apiKey: key}
	header := a.requestHeader(http.Header{}, c)
	resp, refusal := a.requestSession(ctx, c, header, false)
	if refusal == nil {
		refusal = a.accept(resp, c)
	}
	if refusal != nil {
		a.explainKey(r, refusal)
		return
	}
	r.ok("get-session", "the auth server knows the key")
	if end := resp.key.expiresAt; end.IsZero() {
		r.ok("expiry", "never")
	} else {
		r.ok("expiry", fmt.Sprintf("good for %v", end.Sub(a.now()).Round(time.Minute)))
	}
	r.ok("user", "user "+resp.session.UserID)
	a.inspectKeyLimits(r, resp.key)
	inspectPermissions(r, resp.key.permissions)
	if p := resp.key.permissions; p != nil && p.MayRead() {
		a.inspectKeyAtAuthServer(ctx, r, header)
	}
}

// inspectKeyAtAuthServer warns if the auth server accepts a key with permissions at all its endpoints: only this server
// enforces permissions, and with the key one could make another key without any, or a JWT.
func (a *Authenticator) inspectKeyAtAuthServer(ctx context.Context, r *report, header http.Header) {
	const name = "auth server"
	keys := a.endpointAt(a.Address("api-key/list"), maxSmallResponse)
	err := keys.read(ctx, header, func(io.Reader) error { return nil })
	failure := asUpstreamError(err)
	switch {
	case err == nil:
		r.warn(name, "it accepts the key at all its endpoints: whoever has the key can make another without permissions",
			"set customAPIKeyValidator in the apiKey plugin so that keys work at /get-session and /api-key/get only (docs/authentication.md)")
	case failure != nil && failure.status == http.StatusForbidden:
		r.ok(name, "the key can't make other keys there")
	}
}

// inspectPermissions reports what the key may do here.
func inspectPermissions(r *report, permissions Permissions) {
	const name = "permissions"
	switch {
	case permissions == nil:
		r.ok(name, "none: the key may do whatever its user may")
	case permissions.MayWrite():
		r.ok(name, "write for tasks: queries and mutations")
	case permissions.MayRead():
		r.ok(name, "read for tasks: queries only")
	default:
		r.fail(name, "neither read nor write for tasks, but for "+cmp.Or(strings.Join(slices.Sorted(maps.Keys(permissions)), ", "), "nothing")+
			": every operation is refused", `give the key the permissions {"tasks":["read"]} or {"tasks":["write"]}`)
	}
}

// inspectKeyLimits compares the key's own limits with the number of requests that this server makes.
func (a *Authenticator) inspectKeyLimits(r *report, key keyDetails) {
	const name = "limits"
	if key.remaining != nil {
		r.warn(name, fmt.Sprintf("the key may be used %d more times, and each %v of use costs two", *key.remaining, a.sessions.ttl),
			"make a key without remaining, or raise SESSION_CACHE_TTL")
	}
	if !key.rateLimited || key.window <= 0 {
		r.ok(name, "no rate limit")
		return
	}
	found := fmt.Sprintf("%d of %d requests in %v used", key.used, key.limit, key.window)
	if needed := 2 * int64(key.window/max(a.sessions.ttl, time.Second)); key.limit < needed {
		r.warn(name, fmt.Sprintf("%s; in constant use, each replica of this server makes %d", found, needed),
			"raise rateLimit in the apiKey plugin, which counts for new keys, and rateLimitMax of this one; or raise SESSION_CACHE_TTL")
		return
	}
	r.ok(name, found)
}

// explainKey reports why a key is refused, and what to do.
func (a *Authenticator) explainKey(r *report, refusal *Refusal) {
	detail := string(refusal.Reason)
	if refusal.Err != nil {
		detail += ": " + refusal.Err.Error()
	}
	fixes := map[Reason]string{ //nolint:gosec // No credentials.
		ReasonAPIKeyUnknown: "compare the key, and AUTH_SERVER_URL; the apiKey plugin needs enableSessionForAPIKeys, " +
			"and apiKeyHeaders as in AUTH_API_KEY_HEADER; its customAPIKeyValidator must allow /get-session",
		ReasonAPIKeyDisabled:    "enable the key at the auth server",
		ReasonAPIKeyExhausted:   "make a new key without remaining, or with a refill",
		ReasonAPIKeyRateLimited: "wait, or raise rateLimitMax of the key; the plugin's rateLimit counts for new keys",
		ReasonAPIKeyPermissions: "the configuration with enableSessionForAPIKeys must be the plugin's default one, and customAPIKeyValidator must allow /api-key/get",
		ReasonUserNotFound:      "the key's user was deleted: make a key for another",
		ReasonExpired:           "make a new key",
		ReasonBanned:            "lift the ban at the auth server",
		ReasonUnavailable:       "see the steps about the auth server",
	}
	r.fail("get-session", detail, cmp.Or(fixes[refusal.Reason], "see the auth server's log"))
}
