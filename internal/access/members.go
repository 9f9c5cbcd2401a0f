package access

import (
	"context"
	"fmt"
	"slices"

	"taskql/ent"
	"taskql/ent/member"
	entuser "taskql/ent/user"
	"taskql/ent/userremoval"
	"taskql/internal/sqlstate"
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
	erased, err := s.record(viewer.AsSystemFor(ctx, v.UserID), v, list)
	if err != nil {
		return nil, err
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

// record stores members, and returns those users who are being erased, whom the auth server may know for a while.
func (s *Service) record(ctx context.Context, v viewer.Viewer, members []viewer.Member) ([]string, error) {
	var written []string
	err := sqlstate.Retry(ctx, func() error {
		var err error
		written, err = workspace.RecordMembers(ctx, s.workspaces.Client, v, s.workspaces.Now(), members...)
		return err //nolint:wrapcheck // It says what it wrote.
	})
	if err != nil || len(written) == 0 {
		return nil, err //nolint:wrapcheck // As above.
	}
	return s.forgetErased(ctx, v, written)
}

// forgetErased deletes the rows of those members who are being erased, and returns their users. It has to be called after the rows were
// stored: an erasure that begins later finds them itself.
func (s *Service) forgetErased(ctx context.Context, v viewer.Viewer, userIDs []string) ([]string, error) {
	byHash := make(map[string]string, len(userIDs))
	hashes := make([]string, len(userIDs))
	for i, id := range userIDs {
		hashes[i] = viewer.UserHash(id)
		byHash[hashes[i]] = id
	}
	removed, err := s.workspaces.Client.UserRemoval.Query().Where(userremoval.IDIn(hashes...)).IDs(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for members who are being erased: %w", err)
	}
	erased := make([]string, len(removed))
	for i, hash := range removed {
		erased[i] = byHash[hash]
	}
	if len(erased) > 0 {
		_, err = s.workspaces.Client.Member.Delete().Where(workspace.Scope(v), member.UserIDIn(erased...)).Exec(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("deleting members who are being erased: %w", err)
	}
	return erased, nil
}
