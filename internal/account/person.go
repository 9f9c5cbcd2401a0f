package account

import (
	"context"
	"errors"
	"fmt"

	"entgo.io/ent/dialect/sql"

	"taskql/ent/member"
	"taskql/ent/user"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Person is a user as others see them.
type Person struct {
	// ID is the one of the API, see workspace.PersonID.
	ID, Name string
	Image    *string
}

// People returns those of the users, by their ids, whom the viewer may see in the workspace in which it acts: itself, and whoever was
// seen there as a member.
func (s *Service) People(ctx context.Context, v viewer.Viewer, userIDs []string) (map[string]*Person, error) {
	people := make(map[string]*Person, len(userIDs))
	if _, shared := workspace.OrganizationOf(v.WorkspaceID); shared && len(userIDs) > 0 {
		if err := s.addMembers(ctx, people, userIDs, workspace.Scope(v)); err != nil {
			return nil, err
		}
	}
	return people, s.addViewer(ctx, people, v, userIDs)
}

// addMembers adds those of the users who were seen as members of the workspaces that the scope selects.
func (s *Service) addMembers(ctx context.Context, people map[string]*Person, userIDs []string, scope func(*sql.Selector)) error {
	var rows []struct {
		UserID string  `sql:"user_id"`
		Name   string  `sql:"name"`
		Image  *string `sql:"image"`
	}
	err := s.client.Member.Query().Where(scope, member.UserIDIn(userIDs...)).Modify(func(s *sql.Selector) {
		u := sql.Dialect(s.Dialect()).Table(user.Table).As("u")
		name, image := s.C(member.FieldName), s.C(member.FieldImage)
		// The user's own row is newer, but has no name if the user's sessions have none.
		s.LeftJoin(u).On(s.C(member.FieldUserID), u.C(user.FieldID)).Select(s.C(member.FieldUserID)).
			AppendSelectExprAs(sql.Expr("COALESCE(NULLIF("+u.C(user.FieldName)+", ''), "+name+")"), "name").
			AppendSelectExprAs(sql.Expr("CASE WHEN "+u.C(user.FieldID)+" IS NULL THEN "+image+" ELSE "+u.C(user.FieldImage)+" END"), "image")
	}).Scan(ctx, &rows)
	if err != nil {
		return fmt.Errorf("reading people: %w", err)
	}
	for _, row := range rows {
		people[row.UserID] = &Person{ID: workspace.PersonID(row.UserID), Name: truncate(row.Name, MaxName), Image: row.Image}
	}
	return nil
}

// addViewer adds the viewer if it is one of the users and is missing.
func (s *Service) addViewer(ctx context.Context, people map[string]*Person, v viewer.Viewer, userIDs []string) error {
	for _, id := range userIDs {
		if id != v.UserID || people[id] != nil {
			continue
		}
		row, err := s.User(ctx, v, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		people[id] = &Person{ID: workspace.PersonID(id), Name: row.Name, Image: row.Image}
	}
	return nil
}
