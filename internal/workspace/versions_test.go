package workspace_test

import (
	"fmt"
	"slices"
	"testing"

	"taskql/ent"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// TestVersions reads more versions than a statement has ids, without a viewer.
func TestVersions(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		s := testkit.Workspaces(t, db)
		const workspaces = 1200
		ids := make([]string, workspaces)
		for i := range ids {
			ids[i] = fmt.Sprintf("workspace %d", i)
		}
		for chunk := range slices.Chunk(ids, 400) {
			err := db.Client.Workspace.MapCreateBulk(chunk, func(c *ent.WorkspaceCreate, i int) {
				c.SetID(chunk[i]).SetVersion(len(chunk[i]))
			}).Exec(viewer.AsSystem(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Versions(t.Context(), append(slices.Clone(ids), "unknown"))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != workspaces {
			t.Errorf("%d versions, want %d", len(got), workspaces)
		}
		for _, id := range ids {
			if got[id] != len(id) {
				t.Fatalf("%s has the version %d, want %d", id, got[id], len(id))
			}
		}
		if got, err := s.Versions(t.Context(), nil); err != nil || len(got) != 0 {
			t.Errorf("of no workspace: %v, %v", got, err)
		}
	})
}
