package access

import (
	"context"
	"errors"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/member"
	entuser "taskql/ent/user"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/sqlstate"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// kindOrganization is the kind of an organization's workspace in the database.
const kindOrganization = "ORGANIZATION"

// provision makes the rows of an organization's workspace and of its member v, and stores the organization's name if it has changed.
// An empty name is unknown. It is done once for each member, and again if the name differs: not with each request.
func (s *Service) provision(ctx context.Context, v viewer.Viewer, name string) error {
	key := memberKey{v.WorkspaceID, v.UserID}
	if known, ok := s.seen.GetIfPresent(key); ok && (name == "" || known == name) {
		return nil
	}
	ctx = viewer.AsSystemFor(ctx, v.UserID)
	known := ""
	err := sqlstate.Retry(ctx, func() error {
		var err error
		known, err = s.tryProvision(ctx, v, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("making the workspace of an organization: %w", err)
	}
	s.seen.Set(key, known)
	return nil
}

// tryProvision returns the name that the workspace's row has then. It only reads if there is nothing to make.
func (s *Service) tryProvision(ctx context.Context, v viewer.Viewer, name string) (string, error) {
	client := s.workspaces.Client
	row, err := client.Workspace.Query().Where(entworkspace.ID(v.WorkspaceID)).Select(entworkspace.FieldName).Only(ctx)
	switch {
	case ent.IsNotFound(err):
		err = client.Workspace.Create().SetID(v.WorkspaceID).SetKind(kindOrganization).SetName(name).SetCreatedAt(s.workspaces.Now()).
			OnConflict(sql.ConflictColumns(entworkspace.FieldID)).Ignore().Exec(ctx)
	case err == nil && name != "" && row.Name != name:
		err = client.Workspace.Update().Where(entworkspace.ID(v.WorkspaceID)).SetName(name).Exec(ctx)
	case err == nil:
		name = row.Name
	}
	if err != nil {
		return "", err //nolint:wrapcheck // The caller says what it makes.
	}
	exists, err := client.Member.Query().Where(workspace.Scope(v), member.UserID(v.UserID)).Exist(ctx)
	if err != nil || exists {
		return name, err //nolint:wrapcheck // As above.
	}
	user, err := client.User.Query().Where(entuser.ID(v.UserID)).Select(entuser.FieldName, entuser.FieldImage).Only(ctx)
	if ent.IsNotFound(err) {
		return "", errors.New("the user has no row") // It was erased in the meantime.
	}
	if err != nil {
		return "", err //nolint:wrapcheck // As above.
	}
	err = client.Member.Create().SetID(uuid.Must(uuid.NewV7())).SetWorkspaceID(v.WorkspaceID).SetUserID(v.UserID).
		SetName(user.Name).SetNillableImage(user.Image).SetUpdatedAt(s.workspaces.Now()).
		OnConflict(sql.ConflictColumns(member.FieldWorkspaceID, member.FieldUserID)).Ignore().Exec(ctx)
	if err != nil {
		return "", err //nolint:wrapcheck // As above.
	}
	_, err = s.workspaces.ForgetErased(ctx, v, v.UserID)
	return name, err //nolint:wrapcheck // It says what it did.
}
