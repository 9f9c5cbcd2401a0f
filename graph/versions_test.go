package graph_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect/sql/schema"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/ent"
	"taskql/internal/database/schemadiff/migrate"
	"taskql/internal/viewer"
)

// state is the rows of workspaces, by table and primary key, and the versions of all workspaces.
type state struct {
	rows     map[string]row
	versions map[string]int64
}

type row struct {
	workspace, values string
	// object is the row's kind and id if the feed has it, and gone those of the object that a tombstone is of.
	object, gone string
	// version is -1 if the table has none.
	version   int64
	updatedAt time.Time
}

// readState reads the state of those workspaces.
func readState(t *testing.T, client *ent.Client, workspaces ...string) state {
	t.Helper()
	s := state{rows: map[string]row{}, versions: map[string]int64{}}
	for _, table := range migrate.Tables {
		_, bounded := table.Column("workspace_id")
		if table.Name == "idempotency_keys" || table.Name == "members" || !bounded && table.Name != "workspaces" {
			continue
		}
		eachRow(t, client, table, workspaces, func(values map[string]any) {
			if table.Name == "workspaces" {
				s.versions[fmt.Sprintf("%s", values["id"])], _ = values["version"].(int64)
				return
			}
			delete(values, "hidden_at")     // It is the project's change that its tasks are hidden.
			delete(values, "has_reminders") // It is no change of a task that the task's user has set a reminder.
			key := table.Name
			for _, column := range table.PrimaryKey {
				key += fmt.Sprintf(" %s", values[column.Name])
			}
			r := row{workspace: fmt.Sprintf("%s", values["workspace_id"]), values: fmt.Sprint(values), version: -1}
			if _, ok := table.Column("updated_at"); ok {
				r.object = strings.ToUpper(strings.TrimSuffix(table.Name, "s")) + fmt.Sprintf(" %s", values["id"])
			}
			if table.Name == "tombstones" {
				r.gone = fmt.Sprintf("%s %s", values["kind"], values["object_id"])
			}
			if version, ok := values["version"].(int64); ok {
				r.version = version
				r.updatedAt, _ = values["updated_at"].(time.Time)
			}
			s.rows[key] = r
		})
	}
	return s
}

// eachRow calls fn with each row that a table has of those workspaces. Of workspaces, it is each one's.
func eachRow(t *testing.T, client *ent.Client, table *schema.Table, workspaces []string, fn func(values map[string]any)) {
	t.Helper()
	query := "SELECT * FROM " + table.Name
	if table.Name != "workspaces" {
		query += " WHERE workspace_id IN ('" + strings.Join(workspaces, "', '") + "')"
	}
	rows, err := client.QueryContext(viewer.AsSystem(context.Background()), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, dest := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		byName := make(map[string]any, len(names))
		for i, name := range names {
			byName[name] = values[i]
		}
		fn(byName)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// checkVersions checks what a request has changed: each changed row has a version that the request took, each row that is gone has
// a tombstone, and the workspace's version grew if and only if a row was changed. It returns how many versions the request took.
func checkVersions(t *testing.T, before, after state) int {
	t.Helper()
	changed, gone := map[string]bool{}, map[string]bool{}
	for key, r := range after.rows {
		old, ok := before.rows[key]
		if ok && old.values == r.values {
			continue
		}
		changed[r.workspace], gone[r.gone] = true, true
		if r.version >= 0 && (r.version <= before.versions[r.workspace] || r.version > after.versions[r.workspace]) {
			t.Errorf("%s was changed and has version %d: it must have tx.Version, of %d to %d",
				key, r.version, before.versions[r.workspace]+1, after.versions[r.workspace])
		}
		if ok && r.version > old.version && !r.updatedAt.IsZero() && !r.updatedAt.After(old.updatedAt) {
			t.Errorf("%s has a new version and the updated_at that it had, %v: set it to tx.Now", key, old.updatedAt)
		}
	}
	for key, r := range before.rows {
		if _, ok := after.rows[key]; !ok {
			changed[r.workspace] = true
			if r.object != "" && !gone[r.object] {
				t.Errorf("%s was deleted for good without a tombstone %s: call tx.Gone", key, r.object)
			}
		}
	}
	taken := 0
	for id, version := range after.versions {
		taken += int(version - before.versions[id])
		if grown := version > before.versions[id]; grown != changed[id] {
			t.Errorf("the workspace %s went from version %d to %d, and that rows were changed is %t: call tx.MarkChanged if and only if one was",
				id, before.versions[id], version, changed[id])
		}
	}
	return taken
}

// mutationsSeen are the mutations that have changed rows.
type mutationsSeen struct {
	mu    sync.Mutex
	names []string
	files int
}

// unversionedMutations are those that change no row with a version, and why.
var unversionedMutations = map[string]string{ //nolint:gochecknoglobals // A table.
	"updateViewer": "users belong to no workspace",
}

// add notes the mutations of a document that has taken as many versions as it has mutations.
func (m *mutationsSeen) add(schema *ast.Schema, document string, taken int) {
	parsed, err := gqlparser.LoadQueryWithRules(schema, document, nil)
	if err != nil || len(parsed.Operations) != 1 || len(parsed.Operations[0].SelectionSet) != taken {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, selected := range parsed.Operations[0].SelectionSet {
		if field, ok := selected.(*ast.Field); ok {
			m.names = append(m.names, field.Name)
		}
	}
}

// check checks that every mutation of the schema was seen.
func (m *mutationsSeen) check(t *testing.T, schema *ast.Schema) {
	t.Helper()
	for _, field := range schema.Mutation.Fields {
		if !strings.HasPrefix(field.Name, "__") && !slices.Contains(m.names, field.Name) && unversionedMutations[field.Name] == "" {
			t.Errorf("%s changes no row in any golden request: add one to graph/testdata, by which the versions of its rows are checked", field.Name)
		}
	}
}
