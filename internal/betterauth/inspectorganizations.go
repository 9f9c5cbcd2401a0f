package betterauth

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
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

// maxInspected is how many of a user's organizations InspectOrganizations asks about.
const maxInspected = 10

// InspectOrganizations reports, for credentials that Inspect has found good, whether the user's organizations can be asked for with
// them, and what access says about the user's role in each. It says nothing if the auth server has no organization plugin.
func (a *Authenticator) InspectOrganizations(ctx context.Context, h http.Header, access func(role string) string) []Step {
	const name = "memberships"
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var r report
	c := credentials{apiKey: a.apiKey(h)}
	if c.apiKey == "" {
		c.bearer = a.bearer(h)
	}
	switch {
	case c.bearer.kind == bearerJWT:
		a.inspectClaimedRoles(ctx, &r, c.bearer.token, access)
		return r
	case c.apiKey == "" && c.bearer.kind == bearerNone:
		c.cookie, _ = a.cookie(h)
	}
	c.sessionData = a.forwardedSessionData(ctx, h, c, a.now())
	m := member{auth: a, session: &Session{}, credentials: c, header: a.organizationHeader(c)}
	list, refusal := m.inspectList(ctx)
	switch {
	case refusal == nil && len(list) == 0:
		r.ok(name, "they can be asked for: the user is in no organization, so there is only the personal workspace")
	case refusal == nil:
		m.inspectRoles(ctx, &r, list, access)
	case isNotFound(refusal): // ProbeOrganizations has reported it.
	case refusal.Reason == reasonNotMember && c.apiKey != "":
		r.ok(name, "the key may not ask for them, so it has its user's personal workspace only; to let it, add the paths of docs/organizations.md to customAPIKeyValidator")
	default:
		r.warn(name, fmt.Sprintf("they can't be asked for, so what is in organizations is SERVICE_UNAVAILABLE: %v", cmp.Or(refusal.Err, error(refusal))),
			"look into the auth server's log")
	}
	return r
}

// inspectList asks for the user's organizations.
func (m member) inspectList(ctx context.Context) ([]Organization, *Refusal) {
	var list []Organization
	refusal := m.send(ctx, request{endpoint: m.auth.organizations.list, decode: func(r io.Reader) error {
		var err error
		list, err = decodeOrganizations(r)
		return err
	}})
	return list, refusal
}

// inspectRoles asks for the user's role in each organization.
func (m member) inspectRoles(ctx context.Context, r *report, list []Organization, access func(role string) string) {
	for i, o := range list {
		name := fmt.Sprintf("workspace organization/%s, %s", printable(o.ID), printable(o.Name))
		if i == maxInspected {
			r.ok("memberships", fmt.Sprintf("%d more organizations", len(list)-i))
			return
		}
		found, refusal := m.askRole(ctx, o.ID, false)
		switch {
		case refusal == nil:
			r.ok(name, fmt.Sprintf("the user is %s there, which allows %s", printable(found.role), access(found.role)))
		case refusal.Reason == reasonNotMember:
			r.warn(name, "the user's role can't be asked for, so it can't be used",
				"let API keys ask at all paths of docs/organizations.md, and look for a hook of the auth server that refuses the user")
		default:
			r.warn(name, fmt.Sprintf("the user's role can't be asked for, so it is SERVICE_UNAVAILABLE: %v", cmp.Or(refusal.Err, error(refusal))), "look into the auth server's log")
		}
	}
}

// inspectClaimedRoles reports the roles in a JWT that Inspect has found good.
func (a *Authenticator) inspectClaimedRoles(ctx context.Context, r *report, token string, access func(role string) string) {
	const name = "memberships"
	session, refusal := a.verifyJWT(ctx, token, a.now())
	switch {
	case refusal != nil: // Inspect has reported it.
	case len(session.Roles) == 0:
		_, err := a.organizations.list.get(ctx)
		if failure := asUpstreamError(err); failure != nil && failure.status == http.StatusNotFound {
			return // As above.
		}
		r.ok(name, "the JWT has none in its claim orgs, so there is only the personal workspace; docs/organizations.md says how the auth server adds them")
	default:
		for i, id := range slices.Sorted(maps.Keys(session.Roles)) {
			if i == maxInspected {
				r.ok(name, fmt.Sprintf("%d more organizations", len(session.Roles)-i))
				return
			}
			r.ok("workspace organization/"+printable(id), fmt.Sprintf("the JWT says that the user is %s there, which allows %s", printable(session.Roles[id]), access(session.Roles[id])))
		}
	}
}
