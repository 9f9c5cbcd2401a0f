package recurrence

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	entrecurrence "taskql/ent/recurrence"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// RemoveUnused deletes the series that have been unused for Config.UnusedAge. It is a job of workspace.Service.RunCleanup.
func (s *Service) RemoveUnused(ctx context.Context) error {
	bound := s.workspaces.Now().Add(-s.unusedAge)
	for {
		found, err := s.client().Recurrence.Query().Where(entrecurrence.Unused(true), entrecurrence.UpdatedAtLT(bound)).
			Select(entrecurrence.FieldWorkspaceID).Limit(workspace.BatchSize).All(ctx)
		if err != nil {
			return fmt.Errorf("looking for unused series: %w", err)
		}
		byWorkspace := map[string][]uuid.UUID{}
		for _, r := range found {
			byWorkspace[r.WorkspaceID] = append(byWorkspace[r.WorkspaceID], r.ID)
		}
		closed := 0
		for id, ids := range byWorkspace {
			err := s.workspaces.Apply(ctx, viewer.Viewer{WorkspaceID: id}, workspace.Counter{}, func(t *workspace.Tx) error {
				return Remove(ctx, t, ids...)
			})
			switch {
			case errors.Is(err, workspace.ErrNoWorkspace):
				closed += len(ids) // It is being erased.
			case err != nil:
				return fmt.Errorf("deleting unused series: %w", err)
			}
		}
		if len(found) < workspace.BatchSize || closed > 0 {
			return nil
		}
	}
}
