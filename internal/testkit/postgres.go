package testkit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"

	"taskql/ent/migrate"
	"taskql/internal/database"
	"taskql/internal/testkit/pgcluster"
)

// cluster returns the address of the PostgreSQL server that all tests of this process share: that of TEST_DATABASE_URL,
// else a throwaway one. It is global because it lasts as long as the process.
var cluster = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // See above.
	if address := os.Getenv("TEST_DATABASE_URL"); address != "" {
		return address, nil
	}
	started, err := pgcluster.Start(context.Background(), pgcluster.Config{})
	if err != nil {
		return "", err
	}
	return started.URL(), nil
})

// PostgresURL creates an empty database for this test and returns its address. The database is dropped when the test
// ends. The server is that of TEST_DATABASE_URL, else a throwaway one; without PostgreSQL's programs, see Require. The
// user may create databases. If TEST_POOLER_URL is set, the address leads through that pooler.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, "")
}

// MigratedPostgresURL creates a database with the schema and no rows for this test and returns its address, as
// PostgresURL does. It copies a database that was migrated once, which is many times faster than migrating.
func MigratedPostgresURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, template(t, fingerprint(t, migrate.Migrations()), func(ctx context.Context, address string) error {
		db, err := database.Open(ctx, database.Config{URL: address, MaxOpenConns: 2, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		_, err = db.Migrate(ctx)
		return errors.Join(err, db.Close())
	}))
}

// fingerprint returns a hash of the migrations' names and contents.
func fingerprint(t testing.TB, migrations fs.FS) []byte {
	t.Helper()
	hash := sha256.New()
	err := fs.WalkDir(migrations, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".sql" { // A folder has atlas.sum beside them.
			return err
		}
		content, err := fs.ReadFile(migrations, path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(content), content)
		return err
	})
	if err != nil {
		t.Fatalf("reading the migrations: %v", err)
	}
	return hash.Sum(nil)
}

// newDatabase creates a database as a copy of the template, an empty one if template is "".
func newDatabase(t testing.TB, template string) string {
	t.Helper()
	name := "taskql_test_" + strings.ToLower(rand.Text())
	statement := "CREATE DATABASE " + pq.QuoteIdentifier(name)
	if template != "" {
		statement += " TEMPLATE " + pq.QuoteIdentifier(template)
	} else {
		statement += " TEMPLATE template0"
	}
	admin(t, statement)
	t.Cleanup(func() { admin(t, "DROP DATABASE IF EXISTS "+pq.QuoteIdentifier(name)+" WITH (FORCE)") })
	return pooledURL(t, databaseURL(t, name))
}

// admin runs one statement in the server's default database.
func admin(t testing.TB, statement string) {
	t.Helper()
	db := openAdmin(t)
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func openAdmin(t testing.TB) *sql.DB {
	t.Helper()
	address, err := cluster()
	Require(t, "a PostgreSQL server", err)
	db, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatalf("opening the test server: %v", err)
	}
	db.SetMaxOpenConns(1)
	return db
}

func databaseURL(t testing.TB, name string) string {
	t.Helper()
	address, err := cluster()
	Require(t, "a PostgreSQL server", err)
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal("TEST_DATABASE_URL is not a URL") // The error would quote it, password included.
	}
	parsed.Path = "/" + name
	return parsed.String()
}

// template returns the name of a database that migrate has filled. It is created once for each fingerprint: the first
// process that asks creates it while the others wait. On a server that outlives the tests it remains, as a cache.
func template(t testing.TB, fingerprint []byte, migrate func(ctx context.Context, address string) error) string {
	t.Helper()
	sum := sha256.Sum256(fingerprint)
	name := "taskql_template_" + hex.EncodeToString(sum[:8])
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	db := openAdmin(t)
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatalf("connecting to the test server: %v", err)
	}
	// Closing the connection releases the lock.
	defer conn.Close()
	key := int64(binary.BigEndian.Uint64(sum[8:16]) >> 1)
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", key); err != nil {
		t.Fatalf("locking the template: %v", err)
	}
	var exists bool
	if err := conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
		t.Fatalf("looking for the template: %v", err)
	}
	if exists {
		return name
	}
	// It gets its name when it is complete, so that a process that dies before leaves nothing that looks complete.
	draft := name + "_draft"
	for _, statement := range []string{
		"DROP DATABASE IF EXISTS " + draft + " WITH (FORCE)",
		"CREATE DATABASE " + draft + " TEMPLATE template0",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := migrate(ctx, databaseURL(t, draft)); err != nil {
		t.Fatalf("migrating the template: %v", err)
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", draft, name)); err != nil {
		t.Fatalf("naming the template: %v", err)
	}
	return name
}
