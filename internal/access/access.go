// Package access decides in which workspaces a viewer may act, and in which role. The viewer of a request acts in the personal
// workspace. Another one is an organization's, and the auth server says who belongs to it (viewer.Memberships): that is asked before
// anything is looked up, and the same for every id, so that neither an answer nor its time tells what strangers have.
package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/errgroup"

	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// MaxWorkspaces is how many workspaces a user is shown at most.
const MaxWorkspaces = 100

// Config configures a Service.
type Config struct {
	// Workspaces is required.
	Workspaces *workspace.Service
}

// Service finds the workspaces of viewers. It is safe for concurrent use.
type Service struct {
	workspaces *workspace.Service
	// seen are the members whose rows are known to exist, with the organization's name in the workspace's row.
	seen *otter.Cache[memberKey, string]
}

type memberKey struct{ workspaceID, userID string }

const (
	// seenSize and seenFor bound how many members are remembered, and how long: if the operator deletes the workspace of an
	// organization that still exists, its members get a new one after that time.
	seenSize = 10_000
	seenFor  = time.Minute
)

// New returns a Service for c.
func New(c Config) (*Service, error) {
	if c.Workspaces == nil {
		return nil, errors.New("access: Config.Workspaces is missing")
	}
	seen, err := otter.New(&otter.Options[memberKey, string]{
		MaximumSize: seenSize, ExpiryCalculator: otter.ExpiryWriting[memberKey, string](seenFor),
	})
	if err != nil {
		return nil, fmt.Errorf("creating the cache of members: %w", err)
	}
	return &Service{workspaces: c.Workspaces, seen: seen}, nil
}

// Workspace returns the viewer as it acts in the workspace with an id of the API. The error is workspace.ErrNotFound unless the user
// is a member, whether or not there is such a workspace.
func (s *Service) Workspace(ctx context.Context, v viewer.Viewer, id string) (viewer.Viewer, error) {
	workspaceID, ok := workspace.ParseNodeID(id)
	if !ok {
		return viewer.Viewer{}, workspace.ErrNotFound
	}
	if workspaceID == v.WorkspaceID {
		return v, nil
	}
	organizationID, ok := workspace.OrganizationOf(workspaceID)
	if !ok {
		return viewer.Viewer{}, workspace.ErrNotFound
	}
	organization, err := s.organization(ctx, organizationID)
	if err != nil {
		return viewer.Viewer{}, err
	}
	return s.enter(ctx, v, organization)
}

// organization returns the organization with that id of the auth server, if the user belongs to it. The error is workspace.ErrNotFound
// if not.
func (s *Service) organization(ctx context.Context, id string) (viewer.Organization, error) {
	m, err := s.memberships(ctx)
	if err != nil {
		return viewer.Organization{}, err
	}
	if organization, ok := m.byWorkspace[workspace.OrganizationID(id)]; ok {
		return organization, nil
	}
	// The membership may be newer than the list. Role makes sure that the list is not: it asks for an id that is missing there, whether or
	// not there is such an organization.
	role, err := viewer.MembershipsOf(ctx).Role(ctx, id)
	if err != nil {
		return viewer.Organization{}, err //nolint:wrapcheck // It is a refusal, or ctx's.
	}
	if role == viewer.RoleNone {
		return viewer.Organization{}, workspace.ErrNotFound
	}
	if m, err = s.memberships(ctx); err != nil {
		return viewer.Organization{}, err
	}
	organization, ok := m.byWorkspace[workspace.OrganizationID(id)]
	if !ok {
		return viewer.Organization{}, workspace.ErrNotFound
	}
	return organization, nil
}

// All returns the viewer as it acts in each of its workspaces: first in the own one, then in those of organizations, by their names.
func (s *Service) All(ctx context.Context, v viewer.Viewer) ([]viewer.Viewer, error) {
	all := []viewer.Viewer{v}
	m, err := membershipsIn(viewer.MembershipsOf(ctx).RecentOrganizations(ctx))
	if err != nil {
		return nil, err
	}
	list := m.list[:min(len(m.list), MaxWorkspaces-1)]
	if err := askRoles(ctx, list); err != nil {
		return nil, err
	}
	for _, organization := range list {
		in, err := s.enter(ctx, v, organization)
		if errors.Is(err, workspace.ErrNotFound) {
			continue // The user has left it, or it was deleted, in the meantime.
		}
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

// roleQuestions is how many roles of a user are asked for at the same time.
const roleQuestions = 8

// askRoles asks for the user's roles in organizations, so that enter knows them: one after the other, the answers take seconds if there
// are many organizations.
func askRoles(ctx context.Context, list []viewer.Organization) error {
	if len(list) < 2 {
		return nil
	}
	memberships := viewer.MembershipsOf(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(roleQuestions)
	for _, organization := range list {
		group.Go(func() error {
			_, err := memberships.Role(ctx, organization.ID)
			return err //nolint:wrapcheck // It is a refusal, or ctx's.
		})
	}
	return group.Wait() //nolint:wrapcheck // As above.
}

// Organizations returns the ids of the workspaces of the organizations that a request's user belongs to, whether or not there is a
// workspace yet.
func (s *Service) Organizations(ctx context.Context) ([]string, error) {
	m, err := s.memberships(ctx)
	return m.workspaceIDs(), err
}

// Place is where objects are that a viewer has named.
type Place struct {
	// Viewer acts in the workspace of the first object that was found; in the given viewer's if none was.
	Viewer viewer.Viewer
	// Elsewhere are the ids of objects in other workspaces of the viewer.
	Elsewhere []string
}

// Find finds objects of tables, as workspace.Locate names them, in the viewer's own workspace or in those of the user's organizations.
// It looks for nothing if the user belongs to none. While the auth server can't say, it finds what is the viewer's own.
func (s *Service) Find(ctx context.Context, v viewer.Viewer, ids []string, tables ...string) (Place, error) {
	unique, valid := workspace.ParseIDs(ids)
	if len(unique) == 0 || !viewer.HasMemberships(ctx) {
		return Place{Viewer: v}, nil
	}
	m, unknown := s.memberships(ctx)
	if unknown == nil && len(m.list) == 0 {
		return Place{Viewer: v}, nil
	}
	located, err := s.workspaces.Locate(ctx, append(m.workspaceIDs(), v.WorkspaceID), unique, tables...)
	if err != nil {
		return Place{}, err //nolint:wrapcheck // It says what was looked for.
	}
	isOwn := func(id uuid.UUID) bool { return located[id] == v.WorkspaceID }
	if valid && !slices.ContainsFunc(unique, func(id uuid.UUID) bool { return !isOwn(id) }) {
		return Place{Viewer: v}, nil
	}
	if unknown != nil {
		return Place{}, unknown
	}
	place, decided := Place{Viewer: v}, false
	for _, id := range unique {
		in := v
		if !isOwn(id) {
			organization, ok := m.byWorkspace[located[id]]
			if !ok {
				continue
			}
			if in, err = s.enter(ctx, v, organization); errors.Is(err, workspace.ErrNotFound) {
				continue
			}
			if err != nil {
				return Place{}, err
			}
		}
		switch {
		case !decided:
			place.Viewer, decided = in, true
		case in.WorkspaceID != place.Viewer.WorkspaceID:
			place.Elsewhere = append(place.Elsewhere, id.String())
		}
	}
	return place, nil
}

// Places is Find for objects that may be in several workspaces: it returns which ids are in which of the user's organizations'
// workspaces. It leaves out those of the viewer's own.
func (s *Service) Places(ctx context.Context, v viewer.Viewer, ids []string, tables ...string) ([]viewer.Viewer, map[string][]string, error) {
	unique, _ := workspace.ParseIDs(ids)
	if !viewer.HasMemberships(ctx) || len(unique) == 0 {
		return nil, nil, nil
	}
	m, err := s.memberships(ctx)
	if err != nil || len(m.list) == 0 {
		return nil, nil, err
	}
	located, err := s.workspaces.Locate(ctx, m.workspaceIDs(), unique, tables...)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // It says what was looked for.
	}
	in := map[string][]string{}
	for _, id := range ids {
		u, _ := workspace.ParseID(id)
		if _, ok := m.byWorkspace[located[u]]; ok {
			in[located[u]] = append(in[located[u]], id)
		}
	}
	var viewers []viewer.Viewer
	for _, organization := range m.list {
		if len(in[workspace.OrganizationID(organization.ID)]) == 0 {
			continue
		}
		acting, err := s.enter(ctx, v, organization)
		if errors.Is(err, workspace.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		viewers = append(viewers, acting)
	}
	return viewers, in, nil
}

// memberships are the organizations of a user, by their names and by the ids of their workspaces.
type memberships struct {
	list        []viewer.Organization
	byWorkspace map[string]viewer.Organization
}

// workspaceIDs returns the ids of the workspaces, in the order of the list.
func (m memberships) workspaceIDs() []string {
	ids := make([]string, len(m.list))
	for i, organization := range m.list {
		ids[i] = workspace.OrganizationID(organization.ID)
	}
	return ids
}

func (s *Service) memberships(ctx context.Context) (memberships, error) {
	return membershipsIn(viewer.MembershipsOf(ctx).Organizations(ctx))
}

func membershipsIn(list []viewer.Organization, err error) (memberships, error) {
	if err != nil {
		return memberships{}, err //nolint:wrapcheck // It is a refusal, or ctx's.
	}
	if len(list) == 0 {
		return memberships{}, nil
	}
	m := memberships{list: slices.Clone(list), byWorkspace: make(map[string]viewer.Organization, len(list))}
	slices.SortFunc(m.list, func(a, b viewer.Organization) int {
		if c := strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	for _, organization := range list {
		m.byWorkspace[workspace.OrganizationID(organization.ID)] = organization
	}
	return m, nil
}

// enter returns the viewer as it acts in an organization's workspace, which it makes if this is its first member. The error is
// workspace.ErrNotFound if the user is no member any more.
func (s *Service) enter(ctx context.Context, v viewer.Viewer, organization viewer.Organization) (viewer.Viewer, error) {
	role, err := viewer.MembershipsOf(ctx).Role(ctx, organization.ID)
	if err != nil {
		return viewer.Viewer{}, err //nolint:wrapcheck // It is a refusal, or ctx's.
	}
	if role == viewer.RoleNone {
		return viewer.Viewer{}, workspace.ErrNotFound
	}
	in := v.In(workspace.OrganizationID(organization.ID), role)
	return in, s.provision(ctx, in, organization.Name)
}
