package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"golang.org/x/sync/errgroup"

	"taskql/ent/migrate"
	"taskql/internal/database"
	"taskql/internal/database/schemadiff"
	tables "taskql/internal/database/schemadiff/migrate"
	"taskql/internal/testkit"
)

const (
	migrationsFolder = "../../ent/migrate/migrations"
	sqliteFolder     = "../../ent/migrate/sqlite"
)

func open(t testing.TB, c database.Config) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func migrationNames(t testing.TB) []string {
	t.Helper()
	names, err := fs.Glob(migrate.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestMigrationFiles(t *testing.T) {
	t.Parallel()
	if err := schemadiff.Validate(migrationsFolder); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(migrationsFolder)
	if err != nil {
		t.Fatal(err)
	}
	good := regexp.MustCompile(`^(20\d{12}_[a-z][a-z0-9_]*\.sql|atlas\.sum)$`)
	for _, entry := range entries {
		if !good.MatchString(entry.Name()) {
			t.Errorf("%s is not named as the time and what it does, such as 20260102150405_add_tags.sql", entry.Name())
		}
	}
	// Only CONCURRENTLY, which transactions can't do, justifies a migration without a transaction.
	for _, name := range migrationNames(t) {
		text, err := fs.ReadFile(migrate.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "NO TRANSACTION") && !strings.Contains(string(text), "CONCURRENTLY") {
			t.Errorf("%s is not in a transaction", name)
		}
	}
}

func TestSchemaAndMigrationsAgree(t *testing.T) {
	t.Parallel()
	missing, err := schemadiff.Missing(t.Context(), schemadiff.Postgres(testkit.PostgresURL(t)), migrationsFolder)
	if err != nil {
		t.Fatal(err)
	}
	if missing != "" {
		t.Errorf("ent/schema has changes without a migration; run `make migration name=…`:\n%s", missing)
	}
}

// TestSchemaAndSQLiteMigrationsAgree: the migrations for SQLite make the tables of ent/schema.
func TestSchemaAndSQLiteMigrationsAgree(t *testing.T) {
	t.Parallel()
	if err := schemadiff.Validate(sqliteFolder); err != nil {
		t.Error(err)
	}
	missing, err := schemadiff.Missing(t.Context(), schemadiff.SQLite(filepath.Join(t.TempDir(), "t.db")), sqliteFolder)
	if err != nil {
		t.Fatal(err)
	}
	if missing != "" {
		t.Errorf("ent/schema has changes without a migration; run `make migration name=…`:\n%s", missing)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	names := migrationNames(t)
	// From an empty database, and from that of each earlier release.
	for start := range len(names) {
		t.Run(fmt.Sprintf("from %d", start), func(t *testing.T) {
			t.Parallel()
			url := testkit.PostgresURL(t)
			migrateTo(t, url, start)
			db := open(t, database.Config{URL: url})
			result, err := db.Migrate(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got, want := fmt.Sprint(result.Applied), fmt.Sprint(names[start:]); got != want {
				t.Errorf("applied %s, want %s", got, want)
			}
			if got := fmt.Sprint(result.Version); !strings.HasPrefix(names[len(names)-1], got+"_") || result.Ahead {
				t.Errorf("version %s, ahead %t", got, result.Ahead)
			}
			again, err := db.Migrate(t.Context())
			if err != nil || len(again.Applied) != 0 || again.Version != result.Version || again.Ahead {
				t.Errorf("the second time: %+v, %v", again, err)
			}
			for _, table := range tables.Tables {
				if _, err := db.SQL.ExecContext(t.Context(), "SELECT FROM "+table.Name); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// migrateTo applies the first count migrations.
func migrateTo(t testing.TB, url string, count int) {
	t.Helper()
	if count == 0 {
		return
	}
	pool, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, migrate.Migrations())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), provider.ListSources()[count-1].Version); err != nil {
		t.Fatal(err)
	}
}

func TestMigrateAhead(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	db := open(t, database.Config{URL: testkit.MigratedPostgresURL(t), Log: log.logger()})
	if _, err := db.SQL.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (29990101000000, true)"); err != nil {
		t.Fatal(err)
	}
	result, err := db.Migrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !result.Ahead || result.Version != 29990101000000 || len(result.Applied) != 0 {
		t.Errorf("got %+v", result)
	}
	if !strings.Contains(log.text(), "level=WARN") || !strings.Contains(log.text(), "newer than this release") {
		t.Errorf("no warning: %s", log.text())
	}
	var status strings.Builder
	if err := db.WriteMigrationStatus(t.Context(), &status); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(status.String(), "unknown to this release") {
		t.Error(status.String())
	}
	list, err := db.MigrationStatuses(t.Context())
	if last := len(list) - 1; err != nil || last != len(migrationNames(t)) || list[0].Name == "" || list[last].Version != 29990101000000 || list[last].Name != "" || list[last].AppliedAt.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestMigrationStatus(t *testing.T) {
	t.Parallel()
	names := migrationNames(t)
	tests := []struct{ name, url, want string }{
		{"empty PostgreSQL", testkit.PostgresURL(t), names[0] + " pending"},
		{"migrated PostgreSQL", testkit.MigratedPostgresURL(t), names[0] + " applied 20"},
		{"SQLite", testkit.SQLiteURL(t), "_start.sql pending"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var status strings.Builder
			if err := open(t, database.Config{URL: test.url}).WriteMigrationStatus(t.Context(), &status); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(strings.Fields(status.String()), " "), test.want) { // However wide the columns.
				t.Errorf("%q is not in:\n%s", test.want, status.String())
			}
		})
	}
}

func TestMigrateSQLite(t *testing.T) {
	t.Parallel()
	for _, url := range []string{testkit.SQLiteURL(t), "sqlite::memory:"} {
		db := open(t, database.Config{URL: url})
		for again := range 2 {
			result, err := db.Migrate(t.Context())
			if err != nil || result.Ahead || result.Version == 0 || (len(result.Applied) > 0) != (again == 0) {
				t.Fatalf("%s: %+v, %v", url, result, err)
			}
		}
		var made int
		const count = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'"
		if err := db.SQL.QueryRowContext(t.Context(), count).Scan(&made); err != nil || made != len(tables.Tables) {
			t.Errorf("%s: %d tables, %v", url, made, err)
		}
		var status strings.Builder
		if err := db.WriteMigrationStatus(t.Context(), &status); err != nil || !strings.Contains(status.String(), "applied 20") {
			t.Errorf("%s: %s, %v", url, status.String(), err)
		}
	}
}

// TestMigrateSQLiteWithoutVersions: a file whose tables ent made, before there were migrations, is adopted.
func TestMigrateSQLiteWithoutVersions(t *testing.T) {
	t.Parallel()
	db := open(t, database.Config{URL: testkit.SQLiteURL(t)})
	start, err := fs.ReadFile(migrate.SQLiteMigrations(), "20261125061336_start.sql") // What ent made then.
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.SQL.ExecContext(t.Context(), string(start)); err != nil {
		t.Fatal(err)
	}
	const insert = "INSERT INTO users (id, name, email, created_at, updated_at) VALUES ('ada', 'Ada', 'a@b.c', 1, 1)"
	if _, err := db.SQL.ExecContext(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	if result, err := db.Migrate(t.Context()); err != nil || len(result.Applied) == 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	var users int
	if err := db.SQL.QueryRowContext(t.Context(), "SELECT count(*) FROM users").Scan(&users); err != nil || users != 1 {
		t.Errorf("%d users, %v", users, err)
	}
}

func TestMigrateThroughDirectURL(t *testing.T) {
	t.Parallel()
	direct := testkit.PostgresURL(t)
	db := open(t, database.Config{URL: testkit.PostgresURL(t), DirectURL: direct})
	if result, err := db.Migrate(t.Context()); err != nil || len(result.Applied) == 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	if _, err := open(t, database.Config{URL: direct}).SQL.ExecContext(t.Context(), "SELECT FROM tasks"); err != nil {
		t.Error(err)
	}
	if _, err := db.SQL.ExecContext(t.Context(), "SELECT FROM tasks"); err == nil {
		t.Error("the migrations went to the pooler")
	}
}

func TestMigrateConcurrently(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{2, 8} {
		t.Run(fmt.Sprint(replicas), func(t *testing.T) {
			t.Parallel()
			url := testkit.PostgresURL(t)
			applied := make([]int, replicas)
			group, ctx := errgroup.WithContext(t.Context())
			for i := range replicas {
				group.Go(func() error {
					db, err := database.Open(ctx, database.Config{URL: url})
					if err != nil {
						return err
					}
					result, err := db.Migrate(ctx)
					applied[i] = len(result.Applied)
					return errors.Join(err, db.Close())
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			total := 0
			for _, n := range applied {
				total += n
			}
			if want := len(migrationNames(t)); total != want {
				t.Errorf("applied %v, together %d, want %d", applied, total, want)
			}
		})
	}
}

// TestMigrateConcurrentProcesses is TestMigrateConcurrently with processes: the test binary runs itself.
func TestMigrateConcurrentProcesses(t *testing.T) {
	t.Parallel()
	if url := os.Getenv("MIGRATE_IN_CHILD"); url != "" {
		db := open(t, database.Config{URL: url})
		result, err := db.Migrate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("applied=%d\n", len(result.Applied))
		return
	}
	url := testkit.PostgresURL(t)
	var group errgroup.Group
	outputs := make([]string, 4)
	for i := range outputs {
		group.Go(func() error {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
			cmd.Env = append(os.Environ(), "MIGRATE_IN_CHILD="+url)
			output, err := cmd.CombinedOutput()
			outputs[i] = string(output)
			if err != nil {
				return fmt.Errorf("%w: %s", err, output)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(outputs, "")
	if worked := strings.Count(all, "applied=") - strings.Count(all, "applied=0"); worked != 1 || strings.Count(all, "applied=") != len(outputs) {
		t.Errorf("%d processes migrated: %s", worked, all)
	}
}

// TestMigrateAfterCrash: a process that dies while it migrates leaves neither the lock nor a part of a migration.
func TestMigrateAfterCrash(t *testing.T) {
	t.Parallel()
	url := testkit.PostgresURL(t)
	log := &logBuffer{}
	db := open(t, database.Config{URL: url, Log: log.logger()})
	// The process that dies has a pool of its own, or the next migration could be given its connection.
	holder, err := open(t, database.Config{URL: url}).SQL.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := holder.ExecContext(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if err := holder.QueryRowContext(t.Context(), "SELECT pg_backend_pid() FROM pg_advisory_xact_lock($1)", int64(database.MigrationLock)).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	waited, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		awaitMigrating(log)
		cancel()
	}()
	if _, err := db.Migrate(waited); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want it to wait until it is cancelled", err)
	}
	if _, err := db.SQL.ExecContext(t.Context(), "SELECT pg_terminate_backend($1)", pid); err != nil {
		t.Fatal(err)
	}
	_ = holder.Close()
	if result, err := db.Migrate(t.Context()); err != nil || len(result.Applied) == 0 {
		t.Errorf("%+v, %v", result, err)
	}
}

// awaitMigrating waits until a process waits for the migration lock.
func awaitMigrating(log *logBuffer) {
	for !strings.Contains(log.text(), "another process is migrating") {
		time.Sleep(5 * time.Millisecond)
	}
}

// TestMigrationRecountsTasks: a release that did not count tasks ran together with the first one that does. A later migration
// counts the tasks that it added.
func TestMigrationRecountsTasks(t *testing.T) {
	t.Parallel()
	const counting = 20261123211108 // The migration that added the count.
	pool, err := sql.Open("postgres", testkit.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, migrate.Migrations(), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), counting); err != nil {
		t.Fatal(err)
	}
	_, err = pool.ExecContext(t.Context(), `INSERT INTO workspaces (id, created_at, task_count) VALUES ('few', now(), 0), ('right', now(), 1), ('none', now(), 5);
		INSERT INTO tasks (id, workspace_id, version, title, created_at, updated_at)
		SELECT gen_random_uuid(), w, 1, 'x', now(), now() FROM unnest(ARRAY['few', 'few', 'right']) w`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	var counts string
	if err := pool.QueryRowContext(t.Context(), "SELECT string_agg(id || ' ' || task_count, ', ' ORDER BY id) FROM workspaces").Scan(&counts); err != nil {
		t.Fatal(err)
	}
	if want := "few 2, none 0, right 1"; counts != want {
		t.Errorf("got %s, want %s", counts, want)
	}
}

// TestMigrationLockHoldsNoSnapshot: CREATE INDEX CONCURRENTLY waits for all older snapshots, so neither the process that holds
// the migration lock nor those that wait for it may hold one.
func TestMigrationLockHoldsNoSnapshot(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	url := testkit.PostgresURL(t)
	db := open(t, database.Config{URL: url, Log: log.logger()})
	mustExec(t, db.SQL, "CREATE TABLE things (id int)")
	release, err := database.LockMigrations(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		release, err := database.LockMigrations(t.Context(), db)
		if err == nil {
			err = release()
		}
		waited <- err
	}()
	awaitMigrating(log)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if _, err := db.SQL.ExecContext(ctx, "CREATE INDEX CONCURRENTLY things_id ON things (id)"); err != nil {
		t.Errorf("building an index: %v", err)
	}
	select {
	case err := <-waited:
		t.Errorf("the second got the lock from under the first: %v", err)
	default:
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
}
