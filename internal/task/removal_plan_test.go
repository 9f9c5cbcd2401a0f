package task_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// TestPlansOfMoves: PostgreSQL takes a workspace for tiny until it has counted the table's rows again. Even then a move may not
// compare each row of a large workspace with each other one: with 100,000 tasks that exceeds LIMIT_STATEMENT_TIME, each time it
// is tried.
func TestPlansOfMoves(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
	client := ent.NewClient(ent.Driver(db.Driver()))
	system := viewer.AsSystem(t.Context())
	client.Workspace.Create().SetID("small").SaveX(system)
	rows := make([]*ent.TaskCreate, 1000)
	for i := range rows {
		rows[i] = client.Task.Create().SetID(uuid.New()).SetWorkspaceID("small").SetVersion(1).SetTitle(fmt.Sprint(i))
	}
	client.Task.CreateBulk(rows...).ExecX(system)
	if _, err := db.SQL.ExecContext(t.Context(), "ANALYZE"); err != nil {
		t.Fatal(err)
	}
	for statement, args := range task.ToMove(viewer.Viewer{WorkspaceID: "large"}) {
		var plan string
		if err := db.SQL.QueryRowContext(t.Context(), "EXPLAIN (FORMAT json) "+statement, args...).Scan(&plan); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(plan, "Join Filter") {
			t.Errorf("%s\ncompares all with all:\n%s", statement, plan)
		}
	}
}
