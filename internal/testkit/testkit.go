// Package testkit provides real dependencies for tests: PostgreSQL and SQLite databases, poolers, Better Auth servers
// and GraphQL clients. Only tests and tools import it.
package testkit

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Require ends the test if err is not nil, because the machine lacks what the test needs. On a developer's machine the
// test is skipped with the reason. Under CI=true it fails, so that CI can't pass by testing nothing.
func Require(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("required under CI=true: %s: %v", what, err)
	default:
		t.Skipf("the test needs %s: %v", what, err)
	}
}

// RequirePrograms ends the test, as Require does, unless all of the programs are in the PATH.
func RequirePrograms(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := exec.LookPath(name)
		Require(t, "the program "+name, err)
	}
}

// Suite makes a test part of a slower suite. It skips the test unless the environment variable TEST_SUITE is the
// suite's name, which `make test-NAME` sets. That target finds its tests by name, so the test's name must begin with
// the suite's: TestFaults… for the suite "faults".
func Suite(t testing.TB, name string) {
	t.Helper()
	if prefix := "Test" + strings.ToUpper(name[:1]) + name[1:]; !strings.HasPrefix(t.Name(), prefix) {
		t.Fatalf("a test of the suite %q must be called %s…, or make test-%s does not run it", name, prefix, name)
	}
	if os.Getenv("TEST_SUITE") != name {
		t.Skipf("part of a slower suite: make test-%s", name)
	}
}

// IsLong reports whether the suites' tests with a longer variant run that: FAULTS=long.
func IsLong() bool { return os.Getenv("FAULTS") == "long" }
