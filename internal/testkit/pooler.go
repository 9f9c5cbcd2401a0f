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

// DirectURL is the address past the pooler of a database of PostgresURL or MigratedPostgresURL, as migrations take it. Any
// other address is returned as it is, and so is every one where there is no pooler.
func DirectURL(t testing.TB, address string) string {
	t.Helper()
	return moved(t, address, os.Getenv("TEST_POOLER_URL"), os.Getenv("TEST_DATABASE_URL"))
}

// pooledURL is the address through the pooler, where there is one.
func pooledURL(t testing.TB, address string) string {
	t.Helper()
	return moved(t, address, os.Getenv("TEST_DATABASE_URL"), os.Getenv("TEST_POOLER_URL"))
}

// moved returns the address with its server changed from one to another, where it has that and the tests are pooled.
func moved(t testing.TB, address, from, to string) string {
	t.Helper()
	if !Pooled() {
		return address
	}
	var parsed [3]*url.URL
	for i, text := range []string{address, from, to} {
		var err error
		if parsed[i], err = url.Parse(text); err != nil {
			t.Fatal("the address, TEST_DATABASE_URL or TEST_POOLER_URL is no URL") // The error would quote it, password included.
		}
	}
	if parsed[0].Host == parsed[1].Host {
		parsed[0].Host = parsed[2].Host
	}
	return parsed[0].String()
}
