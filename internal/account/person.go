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
	var workspaceIDs []string
	if _, shared := workspace.OrganizationOf(v.WorkspaceID); shared {
		workspaceIDs = append(workspaceIDs, v.WorkspaceID)
	}
	return s.PeopleOf(ctx, v, workspaceIDs, userIDs)
}

// PeopleOf is People for several workspaces of organizations, to all of which the viewer belongs.
func (s *Service) PeopleOf(ctx context.Context, v viewer.Viewer, workspaceIDs, userIDs []string) (map[string]*Person, error) {
	people := make(map[string]*Person, len(userIDs))
	if len(workspaceIDs) > 0 && len(userIDs) > 0 {
		if err := s.addMembers(ctx, people, workspaceIDs, userIDs); err != nil {
			return nil, err
		}
	}
	return people, s.addViewer(ctx, people, v, userIDs)
}

// addMembers adds those of the users who were seen as members of the workspaces.
func (s *Service) addMembers(ctx context.Context, people map[string]*Person, workspaceIDs, userIDs []string) error {
	var rows []struct {
		UserID string  `sql:"user_id"`
		Name   string  `sql:"name"`
		Image  *string `sql:"image"`
	}
	// The last one counts if a user was seen in several workspaces.
	q := s.client.Member.Query().Where(workspace.ScopeOf(workspaceIDs), member.UserIDIn(userIDs...)).Order(member.ByUpdatedAt())
	err := q.Modify(func(s *sql.Selector) {
		u := sql.Dialect(s.Dialect()).Table(user.Table).As("u")
		// The user's own row counts if it is newer, but for the name if the user's sessions have none.
		newer := u.C(user.FieldUpdatedAt) + " >= " + s.C(member.FieldUpdatedAt)
		choose := func(condition, column string) sql.Querier {
			return sql.Expr("CASE WHEN " + condition + " THEN " + u.C(column) + " ELSE " + s.C(column) + " END")
		}
		s.LeftJoin(u).On(s.C(member.FieldUserID), u.C(user.FieldID)).Select(s.C(member.FieldUserID)).
			AppendSelectExprAs(choose(newer+" AND "+u.C(user.FieldName)+" <> ''", user.FieldName), "name").
			AppendSelectExprAs(choose(newer, user.FieldImage), "image")
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
