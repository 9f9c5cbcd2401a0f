package viewer

import (
	"context"
	"errors"
)

// Role is what a viewer may do in a workspace. A stronger role is a larger number.
type Role int

// The roles. The zero value allows nothing.
const (
	RoleNone Role = iota
	// RoleRead reads everything, and changes only the viewer's own reminders.
	RoleRead
	// RoleWrite changes tasks, tags, sections and projects.
	RoleWrite
	// RoleAdmin deletes projects, and purges.
	RoleAdmin
)

// String returns the role's name in the API.
func (r Role) String() string {
	switch r {
	case RoleRead:
		return "READ"
	case RoleWrite:
		return "WRITE"
	case RoleAdmin:
		return "ADMIN"
	default:
		return "NONE"
	}
}

// Organization is an organization of the auth server that a user belongs to.
type Organization struct {
	// ID is the auth server's: opaque text.
	ID string
	// Name is empty if it is not known, as from a JWT.
	Name string
}

// Member is a member of an organization, as others may see them: without the address.
type Member struct {
	// UserID is the auth server's id.
	UserID string
	Name   string
	Image  *string
	Role   Role
}

// ErrMembersUnknown reports that the members of an organization can't be found out, whenever one tries again: the user has signed
// in by a JWT, with which the auth server answers no questions, or by an API key that may not ask. Those who were seen before are
// in the workspace's table of members.
var ErrMembersUnknown = errors.New("the auth server does not tell the members of an organization with these credentials")

// Memberships finds out which organizations a user belongs to, by the credentials of the user's own request. Answers are at most as
// old as those about sessions. An error means that it can't be found out now: it is a *Refusal, with Unavailable set unless the
// session has just ended.
type Memberships interface {
	// Organizations returns the user's organizations, in no order.
	Organizations(ctx context.Context) ([]Organization, error)
	// RecentOrganizations returns the same, at most some seconds old if the auth server can be asked. That costs a question more.
	RecentOrganizations(ctx context.Context) ([]Organization, error)
	// Role returns the user's role in an organization: RoleNone if the user is no member, or there is no such organization. What
	// Organizations returns after that is at most some seconds old, unless the organization was in it before.
	Role(ctx context.Context, organizationID string) (Role, error)
	// Members returns at most 1,000 members of an organization that the user belongs to, sorted by name; none if the user does
	// not. The error may be ErrMembersUnknown.
	Members(ctx context.Context, organizationID string) ([]Member, error)
}

type membershipsKey struct{}

// IsMembershipsKey reports whether a context is asked for its Memberships, for contexts that have them as a value of their own.
func IsMembershipsKey(key any) bool { return key == membershipsKey{} }

// WithMemberships returns a context whose request's user has these memberships.
func WithMemberships(ctx context.Context, m Memberships) context.Context {
	return context.WithValue(ctx, membershipsKey{}, m)
}

// MembershipsOf returns the memberships of a request's user. A context without any belongs to nobody who is in an organization.
func MembershipsOf(ctx context.Context) Memberships {
	if m, ok := ctx.Value(membershipsKey{}).(Memberships); ok {
		return m
	}
	return noMemberships{}
}

// HasMemberships reports whether a request's user may belong to organizations at all. If not, there is nothing to ask.
func HasMemberships(ctx context.Context) bool {
	_, ok := ctx.Value(membershipsKey{}).(Memberships)
	return ok
}

type noMemberships struct{}

func (noMemberships) Organizations(context.Context) ([]Organization, error) { return nil, nil }

func (noMemberships) RecentOrganizations(context.Context) ([]Organization, error) { return nil, nil }

func (noMemberships) Role(context.Context, string) (Role, error) { return RoleNone, nil }

func (noMemberships) Members(context.Context, string) ([]Member, error) { return nil, nil }
