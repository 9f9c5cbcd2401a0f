package server

import (
	"context"
	"errors"
	"net/http"

	"taskql/internal/betterauth"
	"taskql/internal/config"
	"taskql/internal/viewer"
)

// organizations finds out about memberships. It is nil if organizations are off.
type organizations struct {
	sessions *betterauth.Authenticator
	roles    config.WorkspaceRoles
}

func newOrganizations(cfg config.Config, sessions *betterauth.Authenticator) *organizations {
	if !cfg.Organizations {
		return nil
	}
	return &organizations{sessions: sessions, roles: cfg.WorkspaceRoles}
}

// roleOf returns the role in a workspace of a member who has these roles in the organization, which are separated by commas.
func (o *organizations) roleOf(member string) viewer.Role {
	switch o.roles.Of(member) {
	case config.WorkspaceAdmin:
		return viewer.RoleAdmin
	case config.WorkspaceWrite:
		return viewer.RoleWrite
	default:
		return viewer.RoleRead
	}
}

// requestContext is the context of a request with a session. It is the viewer.Memberships of the session's user.
type requestContext struct {
	context.Context //nolint:containedctx // It is a context.

	users *authenticator
	// headers have the credentials of the session.
	headers http.Header
	session *betterauth.Session
}

// withMemberships returns a context with the memberships of a session's user. headers have the session's credentials.
func (a *authenticator) withMemberships(ctx context.Context, headers http.Header, session *betterauth.Session) context.Context {
	if a.organizations == nil {
		return ctx
	}
	return &requestContext{Context: ctx, users: a, headers: headers, session: session}
}

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	if viewer.IsMembershipsKey(key) {
		return c
	}
	return c.Context.Value(key)
}

// Organizations implements viewer.Memberships, as do the methods that follow.
func (c *requestContext) Organizations(ctx context.Context) ([]viewer.Organization, error) {
	return c.organizations(ctx, c.users.organizations.sessions.Organizations)
}

func (c *requestContext) RecentOrganizations(ctx context.Context) ([]viewer.Organization, error) {
	return c.organizations(ctx, c.users.organizations.sessions.RecentOrganizations)
}

func (c *requestContext) organizations(
	ctx context.Context, find func(context.Context, http.Header, *betterauth.Session) ([]betterauth.Organization, error),
) ([]viewer.Organization, error) {
	list, err := find(ctx, c.headers, c.session)
	if err != nil {
		return nil, c.users.membershipsError(ctx, err)
	}
	known := make([]viewer.Organization, len(list))
	for i, o := range list {
		known[i] = viewer.Organization{ID: o.ID, Name: o.Name}
	}
	return known, nil
}

func (c *requestContext) Role(ctx context.Context, organizationID string) (viewer.Role, error) {
	role, ok, err := c.users.organizations.sessions.Role(ctx, c.headers, c.session, organizationID)
	switch {
	case err != nil:
		return viewer.RoleNone, c.users.membershipsError(ctx, err)
	case !ok:
		return viewer.RoleNone, nil
	default:
		return c.users.organizations.roleOf(role), nil
	}
}

func (c *requestContext) Members(ctx context.Context, organizationID string) ([]viewer.Member, error) {
	list, err := c.users.organizations.sessions.Members(ctx, c.headers, c.session, organizationID)
	if err != nil {
		return nil, c.users.membershipsError(ctx, err)
	}
	members := make([]viewer.Member, len(list))
	for i, m := range list {
		members[i] = viewer.Member{UserID: m.UserID, Name: m.Name, Image: m.Image, Role: c.users.organizations.roleOf(m.Role)}
	}
	return members, nil
}

// membershipsError returns the error of viewer.Memberships for one of betterauth.
func (a *authenticator) membershipsError(ctx context.Context, err error) error {
	if errors.Is(err, betterauth.ErrMembersUnknown) {
		return viewer.ErrMembersUnknown
	}
	return a.refuse(ctx, err)
}

// streamMemberships are the memberships of the user who has opened a stream.
type streamMemberships struct{ client *streamClient }

// request returns a context with the memberships of the stream's session as of now, or why there is no session any more.
func (m streamMemberships) request(ctx context.Context) (*requestContext, error) {
	session, _, refusal := m.client.authenticate(ctx)
	if refusal != nil {
		return nil, refusal
	}
	return &requestContext{Context: ctx, users: m.client.users, headers: m.client.credentials.header(), session: session}, nil
}

// Organizations implements viewer.Memberships, as do the methods that follow.
func (m streamMemberships) Organizations(ctx context.Context) ([]viewer.Organization, error) {
	request, err := m.request(ctx)
	if err != nil {
		return nil, err
	}
	return request.Organizations(ctx)
}

func (m streamMemberships) RecentOrganizations(ctx context.Context) ([]viewer.Organization, error) {
	request, err := m.request(ctx)
	if err != nil {
		return nil, err
	}
	return request.RecentOrganizations(ctx)
}

func (m streamMemberships) Role(ctx context.Context, organizationID string) (viewer.Role, error) {
	request, err := m.request(ctx)
	if err != nil {
		return viewer.RoleNone, err
	}
	return request.Role(ctx, organizationID)
}

func (m streamMemberships) Members(ctx context.Context, organizationID string) ([]viewer.Member, error) {
	request, err := m.request(ctx)
	if err != nil {
		return nil, err
	}
	return request.Members(ctx, organizationID)
}
