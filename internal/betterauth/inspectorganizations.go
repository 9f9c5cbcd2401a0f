package betterauth

import (
	"context"
	"fmt"
	"net/http"
)

// ProbeOrganizations checks whether the auth server has the organization plugin. If it hasn't, that is a warning only if
// the plugin is required.
func (a *Authenticator) ProbeOrganizations(ctx context.Context, required bool) Step {
	const name = "organizations"
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var r report
	path := a.root.JoinPath("organization/list").Path
	_, err := a.organizations.list.get(ctx)
	failure := asUpstreamError(err)
	switch {
	case err == nil:
		r.fail(name, "answers without a session: a cache or proxy in front of it answers", "keep caches and proxies from storing "+path)
	case failure != nil && failure.status == http.StatusUnauthorized:
		r.ok(name, "the organization plugin is on")
	case failure != nil && failure.status == http.StatusNotFound && required:
		r.warn(name, fmt.Sprintf("%v for %s: the organization plugin is off, so nobody shares a workspace", err, path),
			"add organization() to the plugins of the auth server, or set ORGANIZATIONS=off")
	case failure != nil && failure.status == http.StatusNotFound:
		r.ok(name, "absent: the organization plugin is off, and users have their personal workspaces")
	case failure != nil && failure.rateLimited:
		r.warn(name, "it refuses this server's requests by its rate limit", "add custom rules for /organization/* to rateLimit, or exempt this server's address")
	default:
		r.warn(name, err.Error(), "look into the auth server's log")
	}
	return r[0]
}
