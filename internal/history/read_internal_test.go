package history

import (
	"encoding/json"
	"fmt"
	"testing"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/keyset"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// TestPagesReadNoMore shows that the activities of tasks are read as far as the pages go, however many a task has.
func TestPagesReadNoMore(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
	client := ent.NewClient(ent.Driver(db.Driver()))
	system := viewer.AsSystem(t.Context())
	v := viewer.Viewer{WorkspaceID: "w"}
	client.Workspace.Create().SetID(v.WorkspaceID).SaveX(system)
	var tasks []uuid.UUID
	for i := range 20 {
		e := client.Task.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(1).SetTitle(fmt.Sprint(i)).SaveX(system)
		rows := make([]*ent.ActivityCreate, 500)
		for j := range rows {
			rows[j] = client.Activity.Create().SetID(uuid.Must(uuid.NewV7())).SetWorkspaceID(v.WorkspaceID).SetVersion(j + 1).SetTaskID(e.ID).
				SetVia(string(Session)).SetAction(string(Changed))
		}
		client.Activity.CreateBulk(rows...).ExecX(system)
		tasks = append(tasks, e.ID)
	}
	if _, err := db.SQL.ExecContext(t.Context(), "ANALYZE"); err != nil {
		t.Fatal(err)
	}
	window := func(after *string) keyset.Window {
		w, err := keyset.NewWindow(byVersion, keyset.Args{First: new(5), After: after})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	first := window(nil)
	middle := keyset.List[*Activity]{Order: byVersion}.NewPage(first, []*Activity{{Version: 300, TaskID: tasks[0]}})
	for _, w := range []keyset.Window{first, window(middle.PageInfo.EndCursor)} {
		statement, values := newestOf(dialect.Postgres, v, tasks, w).Query()
		var plan string
		if err := db.SQL.QueryRowContext(t.Context(), "EXPLAIN (ANALYZE, FORMAT json) "+statement, values...).Scan(&plan); err != nil {
			t.Fatal(err)
		}
		var nodes []struct{ Plan planNode }
		if err := json.Unmarshal([]byte(plan), &nodes); err != nil {
			t.Fatal(err)
		}
		if n := nodes[0].Plan.most(); n > 20*12 {
			t.Errorf("a step reads %v rows for %d pages of 5:\n%s\n%s", n, len(tasks), statement, plan)
		}
	}
}

// planNode is a step of a plan.
type planNode struct {
	Rows    float64 `json:"Actual Rows"`
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Plans   []planNode
}

// most returns the largest number of rows that a step has read.
func (p planNode) most() float64 {
	n := (p.Rows + p.Removed) * p.Loops
	for _, sub := range p.Plans {
		n = max(n, sub.most())
	}
	return n
}
