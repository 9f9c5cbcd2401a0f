package access

import (
	"context"
	"fmt"

	"taskql/ent"
	entuser "taskql/ent/user"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Kind is what a workspace belongs to.
type Kind string

// The kinds.
const (
	Personal     Kind = "PERSONAL"
	Organization Kind = "ORGANIZATION"
)

// Workspace is a workspace as a viewer sees it.
type Workspace struct {
	// ID is the one of the API.
	ID   string
	Kind Kind
	// Name is the organization's; the viewer's name if it is the viewer's own.
	Name    string
	Version int
	// Role is the viewer's.
	Role viewer.Role
	// Viewer acts in it.
	Viewer viewer.Viewer
}

// Read returns the workspaces that the viewers act in, all of the same user, in their order.
func (s *Service) Read(ctx context.Context, viewers ...viewer.Viewer) ([]*Workspace, error) {
	ids := make([]string, len(viewers))
	for i, v := range viewers {
		ids[i] = v.WorkspaceID
	}
	rows, err := s.workspaces.Client.Workspace.Query().Where(entworkspace.IDIn(ids...)).
		Select(entworkspace.FieldKind, entworkspace.FieldName, entworkspace.FieldVersion).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading workspaces: %w", err)
	}
	byID := make(map[string]*ent.Workspace, len(rows))
	for _, row := range rows {
		byID[row.ID] = row
	}
	all := make([]*Workspace, 0, len(viewers))
	for _, v := range viewers {
		row, ok := byID[v.WorkspaceID]
		if !ok {
			continue // It was erased in the meantime.
		}
		w := &Workspace{ID: workspace.NodeID(row.ID), Kind: Kind(row.Kind), Name: row.Name, Version: row.Version, Role: v.Role, Viewer: v}
		if w.Kind == Personal {
			users, err := s.workspaces.Client.User.Query().Where(entuser.ID(v.UserID)).Select(entuser.FieldName).Strings(ctx)
			if err != nil {
				return nil, fmt.Errorf("reading the name of a user: %w", err)
			}
			for _, name := range users {
				w.Name = name
			}
		}
		all = append(all, w)
	}
	return all, nil
}
