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

// cluster is the one PostgreSQL of this process. It is a global because its life is the process's: it ends with it.
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

// PostgresURL makes an empty database for this test alone and returns its address. The database is dropped when the
// test ends. The server is the one TEST_DATABASE_URL names, else a throwaway one of this process; where none can be
// had, see Lack. Its user may create databases. The address leads through the pooler where TEST_POOLER_URL names one.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, "")
}

// MigratedPostgresURL makes a database with the schema and no rows for this test alone and returns its address, as
// PostgresURL does. It is a copy of one that was migrated once, which is many times faster than migrating.
func MigratedPostgresURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, template(t, fingerprint(t), func(ctx context.Context, address string) error {
		db, err := database.Open(ctx, database.Config{URL: address, MaxOpenConns: 2, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		_, err = db.Migrate(ctx)
		return errors.Join(err, db.Close())
	}))
}

// fingerprint changes whenever a migration does.
func fingerprint(t testing.TB) []byte {
	t.Helper()
	return fingerprintOf(t, migrate.Migrations())
}

func fingerprintOf(t testing.TB, migrations fs.FS) []byte {
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

// newDatabase makes a database as a copy of the template, empty where that is "".
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

// admin runs one statement on the server's own database.
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
	if err != nil {
		Lack(t, "a PostgreSQL server: %v", err)
	}
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
	if err != nil {
		Lack(t, "a PostgreSQL server: %v", err)
	}
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal("TEST_DATABASE_URL is not a URL") // The error would quote it, password included.
	}
	parsed.Path = "/" + name
	return parsed.String()
}

// template returns the name of a database that migrate has filled, made once for each fingerprint on the server: the
// first process to ask makes it while the others wait. On a lasting server it stays behind as a cache.
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
	// The lock goes with the connection.
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
	// It gets its name when it is complete, so that a process that dies on the way leaves nothing that looks complete.
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
