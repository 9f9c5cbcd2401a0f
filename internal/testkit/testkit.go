// Package testkit gives tests the real things: PostgreSQL and SQLite databases, a real Better Auth server, a
// running server of ours. Nothing outside tests imports it.
package testkit

import (
	"os"
	"testing"
)

// Lack ends the test because the machine lacks something: on a developer's machine it is skipped with the
// reason, under CI=true it fails, so that CI can't go green by testing nothing.
func Lack(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("required under CI=true: "+format, args...)
	}
	t.Skipf(format, args...)
}
