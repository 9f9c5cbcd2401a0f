// Package testkit gives tests the real things: PostgreSQL and SQLite databases, a real Better Auth server, a
// running server of ours. Nothing outside tests imports it.
package testkit

import (
	"os"
	"strings"
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

// Suite makes a test part of a slower suite: it is skipped unless the environment variable TEST_SUITE names the suite,
// as `make test-NAME` does. That target finds its tests by name, so the test's name must begin with TestName: a test of
// the suite "faults" is called TestFaults….
func Suite(t testing.TB, name string) {
	t.Helper()
	if prefix := "Test" + strings.ToUpper(name[:1]) + name[1:]; !strings.HasPrefix(t.Name(), prefix) {
		t.Fatalf("a test of the suite %q must be called %s…, or make test-%s does not run it", name, prefix, name)
	}
	if os.Getenv("TEST_SUITE") != name {
		t.Skipf("part of a slower suite: make test-%s", name)
	}
}
