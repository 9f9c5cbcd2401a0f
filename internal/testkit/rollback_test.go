package testkit

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"taskql/internal/database"
	"taskql/internal/testkit/pgcluster"
)

// TestRollback runs the golden requests of the release before the newest migration on databases that this release has
// migrated: after a rollback, that release must answer as before. It creates the database under the name that the other
// release's testkit looks for.
func TestRollback(t *testing.T) {
	if os.Getenv("TEST_ROLLBACK") == "" {
		t.Skip("it compiles another release: make test-rollback runs it")
	}
	release := releaseBefore(t)
	cluster, err := pgcluster.Start(t.Context(), pgcluster.Config{})
	Require(t, "a PostgreSQL server", err)
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	folder := checkout(t, release)
	name := templateOf(t, os.DirFS(filepath.Join(folder, "ent/migrate/migrations")))
	migrateNow(t, cluster.URL(), name)

	run := exec.CommandContext(t.Context(), "go", "test", "-trimpath", "-count=1", "-v", "-run", "Golden/.*/postgres", "./graph")
	run.Dir = folder
	run.Env = append(os.Environ(), "TEST_DATABASE_URL="+cluster.URL(), "CI=true", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	output, err := run.CombinedOutput()
	passed := len(regexp.MustCompile(`(?m)^\s*--- PASS: TestGolden/.*/postgres \(`).FindAll(output, -1))
	if err != nil || passed < 1 {
		t.Fatalf("%s on the database of this release: %v, %d passed\n%s", release, err, passed, failures(string(output)))
	}
	if got := templates(t, cluster.URL()); !slices.Equal(got, []string{name}) {
		t.Fatalf("%s worked with %q, not with the database that this release made, %s", release, got, name)
	}
	t.Logf("%d golden files of %s on the database of this release", passed, release)
}

// releaseBefore returns the commit before the newest migration.
func releaseBefore(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../../ent/migrate/migrations/*.sql")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	slices.Sort(files)
	newest := files[len(files)-1]
	added := git(t, "log", "-1", "--diff-filter=A", "--format=%H", "--", newest)
	if added == "" {
		return git(t, "rev-parse", "HEAD") // It is not committed yet.
	}
	before, err := exec.CommandContext(t.Context(), "git", "rev-parse", "--verify", "--quiet", added+"^").Output()
	if err != nil {
		t.Skipf("NOT TESTED: the commit before %s is not in this clone, which is shallow: git fetch --unshallow", filepath.Base(newest))
	}
	if old := git(t, "ls-tree", "-r", "--name-only", strings.TrimSpace(string(before)), "../../ent/migrate/migrations/"); strings.Contains(old, filepath.Base(newest)) {
		t.Fatalf("%s has %s already", before, newest)
	}
	return strings.TrimSpace(string(before))
}

// git returns the output of a git command. The test is skipped if there is no history.
func git(t *testing.T, args ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "git", args...).Output()
	if err != nil {
		t.Skipf("NOT TESTED: there is no history to take the release before from: git %s: %v", args[0], err)
	}
	return strings.TrimSpace(string(output))
}

// checkout extracts a release into a new folder, without changing this one.
func checkout(t *testing.T, release string) string {
	t.Helper()
	folder := t.TempDir()
	archive := filepath.Join(folder, "release.tar")
	root := git(t, "rev-parse", "--show-toplevel")
	git(t, "-C", root, "archive", "--output", archive, release)
	if output, err := exec.CommandContext(t.Context(), "tar", "-xf", archive, "-C", folder).CombinedOutput(); err != nil {
		t.Fatalf("unpacking %s: %v\n%s", release, err, output)
	}
	return folder
}

// templateOf returns testkit's name for the template database with those migrations, see template.
func templateOf(t *testing.T, migrations fs.FS) string {
	t.Helper()
	sum := sha256.Sum256(fingerprint(t, migrations))
	return "taskql_template_" + hex.EncodeToString(sum[:8])
}

// migrateNow creates a database with that name and this release's schema.
func migrateNow(t *testing.T, server, name string) {
	t.Helper()
	execute(t, server, "CREATE DATABASE "+name+" TEMPLATE template0")
	address, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	address.Path = "/" + name
	db, err := database.Open(t.Context(), database.Config{URL: address.String(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil { // A database is copied only while nobody is connected.
		t.Fatal(err)
	}
}

func execute(t *testing.T, server, statement string) {
	t.Helper()
	db, err := sql.Open("postgres", server)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// templates returns the names of the template databases.
func templates(t *testing.T, server string) []string {
	t.Helper()
	db, err := sql.Open("postgres", server)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var list string
	err = db.QueryRowContext(t.Context(), "SELECT coalesce(string_agg(datname, ' '), '') FROM pg_database WHERE datname LIKE 'taskql\\_template\\_%'").Scan(&list)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(list)
}

// failures returns the lines of a test's output that don't report success, at most 200.
func failures(output string) string {
	lines := slices.DeleteFunc(strings.Split(output, "\n"), func(line string) bool {
		for _, dull := range []string{"=== ", "--- PASS"} {
			if strings.HasPrefix(strings.TrimSpace(line), dull) {
				return true
			}
		}
		return false
	})
	return strings.Join(lines[:min(len(lines), 200)], "\n")
}
