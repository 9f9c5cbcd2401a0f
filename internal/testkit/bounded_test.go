package testkit_test

import (
	"reflect"
	"slices"
	"testing"

	"entgo.io/ent/dialect/sql/schema"

	"taskql/ent"
	"taskql/internal/database/schemadiff/migrate"
	"taskql/internal/testkit"
)

// TestSchemaIsBounded checks that every table with users' data has a workspace_id, that every index begins with it, that its
// rows are erased with their workspace, and that nothing can be read or deleted without a viewer in the context.
func TestSchemaIsBounded(t *testing.T) {
	t.Parallel()
	unbounded := map[string]string{
		"users":                    "copies of the auth server's users",
		"workspaces":               "the workspaces themselves",
		"feed_epochs":              "one row about the database",
		"stream_tickets":           "they last half a minute, and nobody can read them without the ticket",
		"user_removals":            "it outlives the workspace, and holds no data of a user",
		"streamticket_expires_at":  "for removing old rows",
		"tasks_parent_id":          "for the foreign key, which knows no workspace",
		"task_tags_by_tag":         "for the foreign key, which knows no workspace",
		"occurrences_by_number":    "for the foreign key, which knows no workspace",
		"reminders_by_task":        "for the foreign key, which knows no workspace",
		"reminders_by_fire_at":     "for firing, which looks at all workspaces",
		"recurrences_unused":       "for removing old rows",
		"sections_by_project":      "for the foreign key, which knows no workspace",
		"members_by_user":          "for erasing a user, who may be in many workspaces",
		"idempotency_keys_changed": "for the answers of organizations' workspaces, which are stored in those of the members",
	}
	transferred := map[string]string{
		"tasks":            "they move",
		"tags":             "they move, unless the user has a tag of that name",
		"task_tags":        "they move with their tasks",
		"idempotency_keys": "they are erased",
		"tombstones":       "they are erased: the workspace is closed, and nobody has a copy to keep",
		"activities":       "they are erased: their versions are those of the workspace that is closed",
		"recurrences":      "they move with their tasks",
		"occurrences":      "they move with their series",
		"reminders":        "they move with their tasks, and become the user's",
		"projects":         "they move with their tasks",
		"sections":         "they move with their projects",
		"members":          "they stay: a personal workspace has none",
	}
	erasesWithOwner := func(key *schema.ForeignKey) bool { return key.OnDelete == schema.Cascade }
	for _, table := range migrate.Tables {
		if unbounded[table.Name] != "" {
			continue
		}
		if _, ok := table.Column("workspace_id"); !ok {
			t.Errorf("%s has no workspace_id", table.Name)
		}
		if transferred[table.Name] == "" {
			t.Errorf("say in this test what happens to the rows of %s if their user registers: see moveFrom in internal/task", table.Name)
		}
		if !slices.ContainsFunc(table.ForeignKeys, erasesWithOwner) {
			t.Errorf("%s has no foreign key that deletes its rows with their workspace, task or tag", table.Name)
		}
		for _, index := range table.Indexes {
			if index.Columns[0].Name != "workspace_id" && unbounded[index.Name] == "" {
				t.Errorf("the index %s of %s begins with %s, not with workspace_id", index.Name, table.Name, index.Columns[0].Name)
			}
		}
	}

	client := ent.NewClient(ent.Driver(testkit.OpenDatabase(t, testkit.SQLiteURL(t)).Driver()))
	ctx := []reflect.Value{reflect.ValueOf(t.Context())}
	entities := 0
	for field, value := range reflect.ValueOf(client).Elem().Fields() {
		query := value.MethodByName("Query")
		if !query.IsValid() {
			continue
		}
		entities++
		refused := func(results []reflect.Value) bool { return !results[len(results)-1].IsNil() }
		if !refused(query.Call(nil)[0].MethodByName("All").Call(ctx)) {
			t.Errorf("%s can be read without a viewer: its schema needs the mixin versioned, or net", field.Name)
		}
		if !refused(value.MethodByName("Delete").Call(nil)[0].MethodByName("Exec").Call(ctx)) {
			t.Errorf("%s can be deleted without a viewer: its schema needs the mixin versioned, or net", field.Name)
		}
	}
	if entities != len(migrate.Tables) {
		t.Errorf("%d entities were looked at, and there are %d tables", entities, len(migrate.Tables))
	}
}
