package database_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"taskql/internal/database"
	"taskql/internal/testkit"
)

// TestSQLiteFilesGone: after the files were removed or replaced, writes and pings fail.
func TestSQLiteFilesGone(t *testing.T) {
	t.Parallel()
	remove := func(suffixes ...string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			for _, suffix := range suffixes {
				if err := os.Remove(path + suffix); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for name, happen := range map[string]func(t *testing.T, path string){
		"all removed": remove("", "-wal", "-shm"),
		"the file":    remove(""),
		"the log":     remove("-wal"),
		"the folder": func(t *testing.T, path string) {
			t.Helper()
			if err := os.RemoveAll(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		},
		"replaced by a copy": func(t *testing.T, path string) {
			t.Helper()
			content, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path+".new", content, 0o600)
			}
			if err == nil {
				err = os.Rename(path+".new", path)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "taskql.db")
			log := &logBuffer{}
			db := open(t, database.Config{URL: "sqlite:" + path, Log: log.logger()})
			if _, err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			driven := db.Driver()
			tx, err := driven.Tx(t.Context()) // It is open while the files are changed.
			if err != nil {
				t.Fatal(err)
			}
			const insert = "INSERT INTO workspaces (id, created_at) VALUES ($1, 0)"
			if err := tx.Exec(t.Context(), insert, []any{"a"}, nil); err != nil {
				t.Fatal(err)
			}
			happen(t, path)
			if err := tx.Commit(); !database.IsUnavailable(err) || database.NothingDone(err) {
				t.Errorf("a change under way: %v", err)
			}
			for way, write := range map[string]func(ctx context.Context) error{
				"a statement": func(ctx context.Context) error { return driven.Exec(ctx, insert, []any{"b"}, nil) },
				"a statement with rows": func(ctx context.Context) error {
					return db.QueryRaw(ctx, insert+" RETURNING id", []any{"c"}, func([]driver.Value) error { return nil })
				},
				"a transaction": func(ctx context.Context) error {
					tx, err := driven.Tx(ctx)
					if err == nil {
						err = errors.Join(errors.New("begun"), tx.Rollback())
					}
					return err
				},
			} {
				if err := write(t.Context()); !errors.Is(err, database.ErrFileGone) || !database.IsUnavailable(err) || !database.NothingDone(err) {
					t.Errorf("%s: %v", way, err)
				}
			}
			if err := db.Ping(t.Context()); !errors.Is(err, database.ErrFileGone) {
				t.Errorf("the ping: %v", err)
			}
			if n := strings.Count(log.text(), "removed or replaced"); n != 1 {
				t.Errorf("%d lines: %s", n, log.text())
			}
		})
	}
}

// TestSQLiteFilesStay: the check passes in ordinary use, also if other programs open the file.
func TestSQLiteFilesStay(t *testing.T) {
	t.Parallel()
	address := testkit.SQLiteURL(t)
	first := open(t, database.Config{URL: address})
	for range 2 { // The second time the file and its log exist.
		if _, err := first.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		second, err := database.Open(t.Context(), database.Config{URL: address})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := second.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := second.Close(); err != nil {
			t.Fatal(err)
		}
		if path, err := exec.LookPath("sqlite3"); err == nil {
			if output, err := exec.CommandContext(t.Context(), path, strings.TrimPrefix(address, "sqlite:"), "VACUUM; PRAGMA wal_checkpoint(TRUNCATE);").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, output)
			}
		}
		first.SQL.SetMaxIdleConns(-1) // It closes all connections except the one for pings.
		if _, err := first.SQL.ExecContext(t.Context(), "UPDATE workspaces SET version = 0"); err != nil {
			t.Error(err)
		}
		if err := first.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	var mode, synchronous string
	if err := first.SQL.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("the journal is %q, %v", mode, err)
	}
	if err := first.SQL.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&synchronous); err != nil || synchronous != "2" {
		t.Errorf("synchronous is %s, %v: FULL is 2", synchronous, err)
	}
}
