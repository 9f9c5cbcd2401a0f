package access

import (
	"context"
	"fmt"
	"slices"

	"taskql/ent"
	entuser "taskql/ent/user"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Members returns who belongs to the workspace in which the viewer acts, by name: at most 1,000 members of an organization, as the auth
// server knows them, or the user of a personal workspace. It stores members who are new or are called otherwise than before, so
// that they are still named when they have left. The error is viewer.ErrMembersUnknown if the auth server doesn't tell.
func (s *Service) Members(ctx context.Context, v viewer.Viewer) ([]*viewer.Member, error) {
	organization, shared := workspace.OrganizationOf(v.WorkspaceID)
	if !shared {
		return s.onlyMember(ctx, v)
	}
	list, err := viewer.MembershipsOf(ctx).Members(ctx, organization)
	if err != nil {
		return nil, err //nolint:wrapcheck // It is a refusal, ErrMembersUnknown or ctx's.
	}
	if len(list) == 0 { // The viewer would be one: the API key may not ask.
		return nil, viewer.ErrMembersUnknown
	}
	erased, err := s.workspaces.RecordMembers(viewer.AsSystemFor(ctx, v.UserID), v, list...)
	if err != nil {
		return nil, err //nolint:wrapcheck // It says what it wrote.
	}
	members := make([]*viewer.Member, 0, len(list))
	for i := range list {
		if !slices.Contains(erased, list[i].UserID) {
			members = append(members, &list[i])
		}
	}
	return members, nil
}

// onlyMember returns the viewer.
func (s *Service) onlyMember(ctx context.Context, v viewer.Viewer) ([]*viewer.Member, error) {
	row, err := s.workspaces.Client.User.Query().Where(entuser.ID(v.UserID)).Select(entuser.FieldName, entuser.FieldImage).Only(ctx)
	if ent.IsNotFound(err) { // It was erased in the meantime.
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the name of a user: %w", err)
	}
	return []*viewer.Member{{UserID: v.UserID, Name: row.Name, Image: row.Image, Role: v.Role}}, nil
}
