package testkit

import (
	"net/url"
	"os"
	"testing"

	"taskql/internal/testkit/pgbouncer"
)

// PgBouncer starts a PgBouncer in transaction mode in front of the database at address, and returns the address that
// leads through it. Sessions are few, so that clients share them. It stops when the test ends. Where the machine has no
// PgBouncer, see Lack.
func PgBouncer(t testing.TB, address string, settings ...string) string {
	t.Helper()
	pooler, err := pgbouncer.Start(t.Context(), pgbouncer.Config{URL: DirectURL(t, address), Settings: settings})
	if err != nil {
		Lack(t, "%v", err)
	}
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

// Pooled says whether the tests run behind a pooler in transaction mode: TEST_POOLER_URL leads through it to the server
// that TEST_DATABASE_URL leads to directly.
func Pooled() bool { return os.Getenv("TEST_POOLER_URL") != "" }

// DirectURL is the address past the pooler of a database of PostgresURL or MigratedPostgresURL, as migrations take it;
// the same address where there is no pooler.
func DirectURL(t testing.TB, address string) string {
	t.Helper()
	if !Pooled() {
		return address
	}
	return withServer(t, address, os.Getenv("TEST_DATABASE_URL"))
}

// withServer returns the address at the host of another.
func withServer(t testing.TB, address, server string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal("the address is no URL") // The error would quote it, password included.
	}
	other, err := url.Parse(server)
	if err != nil {
		t.Fatal("TEST_DATABASE_URL or TEST_POOLER_URL is no URL") // As above.
	}
	parsed.Host = other.Host
	return parsed.String()
}
