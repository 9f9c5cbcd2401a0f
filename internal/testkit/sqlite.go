package testkit

import (
	"path/filepath"
	"testing"
)

// SQLiteURL returns the address of a SQLite database that does not exist yet, in a folder that is removed when the test
// ends.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "taskql.db")
}
