package testkit

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"taskql/internal/viewer"
)

// Organizations are organizations without an auth server. The zero value has none. It is safe for concurrent use.
type Organizations struct {
	mu    sync.Mutex
	names map[string]string
	// people are users whose names are not their ids.
	people map[string]string
	roles  map[string]map[string]viewer.Role // by the organization, then the user
	err    error
	asked  int
}

// Name gives an organization a name.
func (o *Organizations) Name(organizationID, name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.names == nil {
		o.names = map[string]string{}
	}
	o.names[organizationID] = name
}

// NameUser gives a user a name; without one, users are called by their ids.
func (o *Organizations) NameUser(userID, name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.people == nil {
		o.people = map[string]string{}
	}
	o.people[userID] = name
}

// Set gives a user a role in an organization; viewer.RoleNone ends the membership.
func (o *Organizations) Set(organizationID, userID string, role viewer.Role) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.roles == nil {
		o.roles = map[string]map[string]viewer.Role{}
	}
	if o.roles[organizationID] == nil {
		o.roles[organizationID] = map[string]viewer.Role{}
	}
	o.roles[organizationID][userID] = role
}

// Fail makes all questions fail with err; nil makes them succeed again. viewer.ErrMembersUnknown is the error of Members alone.
func (o *Organizations) Fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

// Asked returns how many questions were asked so far.
func (o *Organizations) Asked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

// Of returns a user's memberships, as they are when they are asked for.
func (o *Organizations) Of(userID string) viewer.Memberships { return membershipsOf{o, userID} }

type membershipsOf struct {
	all    *Organizations
	userID string
}

// Organizations implements viewer.Memberships.
func (m membershipsOf) Organizations(context.Context) ([]viewer.Organization, error) {
	m.all.mu.Lock()
	defer m.all.mu.Unlock()
	m.all.asked++
	var list []viewer.Organization
	for _, id := range slices.Sorted(maps.Keys(m.all.roles)) {
		if m.all.roles[id][m.userID] != viewer.RoleNone {
			list = append(list, viewer.Organization{ID: id, Name: m.all.names[id]})
		}
	}
	return list, m.all.failure()
}

// RecentOrganizations implements viewer.Memberships.
func (m membershipsOf) RecentOrganizations(ctx context.Context) ([]viewer.Organization, error) {
	return m.Organizations(ctx)
}

// failure returns the error of questions that are not about members. The caller holds the lock.
func (o *Organizations) failure() error {
	if errors.Is(o.err, viewer.ErrMembersUnknown) {
		return nil
	}
	return o.err
}

// Role implements viewer.Memberships.
func (m membershipsOf) Role(_ context.Context, organizationID string) (viewer.Role, error) {
	m.all.mu.Lock()
	defer m.all.mu.Unlock()
	m.all.asked++
	return m.all.roles[organizationID][m.userID], m.all.failure()
}

// Members implements viewer.Memberships.
func (m membershipsOf) Members(_ context.Context, organizationID string) ([]viewer.Member, error) {
	m.all.mu.Lock()
	defer m.all.mu.Unlock()
	m.all.asked++
	if m.all.roles[organizationID][m.userID] == viewer.RoleNone {
		return nil, m.all.err
	}
	var members []viewer.Member
	for _, user := range slices.Sorted(maps.Keys(m.all.roles[organizationID])) {
		if role := m.all.roles[organizationID][user]; role != viewer.RoleNone {
			members = append(members, viewer.Member{UserID: user, Name: cmp.Or(m.all.people[user], user), Role: role})
		}
	}
	slices.SortFunc(members, func(a, b viewer.Member) int { return cmp.Compare(a.Name, b.Name) })
	return members, m.all.err
}
