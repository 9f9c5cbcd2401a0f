package testkit

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"taskql/ent"
	// It registers the schema's privacy policies.
	_ "taskql/ent/runtime"
	"taskql/internal/database"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Databases returns functions that make a database for a test, with the schema and no rows, and return its address: of sqlite
// and postgres, or of the one that TEST_DATABASE is.
func Databases(t testing.TB) map[string]func(testing.TB) string {
	t.Helper()
	all := map[string]func(testing.TB) string{"sqlite": SQLiteURL, "postgres": MigratedPostgresURL}
	name := os.Getenv("TEST_DATABASE")
	if name == "" {
		return all
	}
	if all[name] == nil {
		t.Fatalf("TEST_DATABASE is %q: it must be sqlite, postgres or unset", name)
	}
	return map[string]func(testing.TB) string{name: all[name]}
}

// EachDatabase runs a test on SQLite and on PostgreSQL, each with a migrated database of its own.
func EachDatabase(t *testing.T, test func(t *testing.T, db workspace.Database)) {
	t.Helper()
	EachDriver(t, func(t *testing.T, driver dialect.Driver) { test(t, Database(driver)) })
}

// Database returns the driver's database, which is read as in production.
func Database(driver dialect.Driver) workspace.Database {
	return workspace.NewDatabase(driver, QueryRawOf(driver))
}

// OpenDatabase opens and migrates the database, and closes it when the test ends.
func OpenDatabase(t testing.TB, address string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), database.Config{URL: address, DirectURL: directURL(t, address), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// directURL is DirectURL for a PostgreSQL address, and "" for a SQLite one.
func directURL(t testing.TB, address string) string {
	t.Helper()
	if strings.HasPrefix(address, "sqlite:") {
		return ""
	}
	return DirectURL(t, address)
}

// Workspaces returns a workspace.Service on the database.
func Workspaces(t testing.TB, db workspace.Database) *workspace.Service {
	t.Helper()
	s, err := workspace.New(workspace.Config{Database: db})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// MakeViewer creates a user with that id and the user's personal workspace, and returns the viewer of the user's
// session.
func MakeViewer(t testing.TB, client *ent.Client, id string) viewer.Viewer {
	t.Helper()
	ctx := viewer.AsSystem(t.Context())
	if err := client.Workspace.Create().SetID(workspace.PersonalID(id)).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if err := client.User.Create().SetID(id).SetName(id).SetEmail(id + "@example.com").Exec(ctx); err != nil {
		t.Fatal(err)
	}
	return viewer.Viewer{UserID: id, WorkspaceID: workspace.PersonalID(id), Role: viewer.RoleAdmin, Location: time.UTC}
}
