package testkit

import (
	"net/url"
	"os"
	"testing"

	"taskql/internal/testkit/pgbouncer"
)

// PgBouncer starts a PgBouncer in transaction mode in front of the database at address, and returns the database's
// address through it. It has few server connections, so that clients share them, and stops when the test ends. It needs
// the program pgbouncer, see Require.
func PgBouncer(t testing.TB, address string, settings ...string) string {
	t.Helper()
	pooler, err := pgbouncer.Start(t.Context(), pgbouncer.Config{URL: DirectURL(t, address), Settings: settings})
	Require(t, "PgBouncer", err)
	t.Cleanup(func() {
		if err := pooler.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("PgBouncer said:\n%s", pooler.Log())
		}
	})
	return pooler.URL
}

// pooled reports whether the tests run behind a pooler in transaction mode: TEST_POOLER_URL leads through it to the
// server that TEST_DATABASE_URL leads to directly.
func pooled() bool { return os.Getenv("TEST_POOLER_URL") != "" }

// DirectURL returns the address of a database without the pooler, which migrations need. The address is one of
// PostgresURL or MigratedPostgresURL; any other is returned unchanged, and so is every address if there is no pooler.
func DirectURL(t testing.TB, address string) string {
	t.Helper()
	return replaceServer(t, address, os.Getenv("TEST_POOLER_URL"), os.Getenv("TEST_DATABASE_URL"))
}

// pooledURL returns the address through the pooler, if there is one.
func pooledURL(t testing.TB, address string) string {
	t.Helper()
	return replaceServer(t, address, os.Getenv("TEST_DATABASE_URL"), os.Getenv("TEST_POOLER_URL"))
}

// replaceServer returns the address with the host and port of from replaced by those of to. It returns the address
// unchanged if it is on another server or the tests are not pooled.
func replaceServer(t testing.TB, address, from, to string) string {
	t.Helper()
	if !pooled() {
		return address
	}
	var parsed [3]*url.URL
	for i, text := range []string{address, from, to} {
		var err error
		if parsed[i], err = url.Parse(text); err != nil {
			t.Fatal("the address, TEST_DATABASE_URL or TEST_POOLER_URL is not a URL") // The error would quote it, password included.
		}
	}
	if parsed[0].Host == parsed[1].Host {
		parsed[0].Host = parsed[2].Host
	}
	return parsed[0].String()
}
