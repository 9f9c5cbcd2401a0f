// Package schemadiff compares ent/schema with the migrations. The tool that writes migrations and the
// test that misses one use it; the server does not.
package schemadiff

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	atlas "ariga.io/atlas/sql/migrate"
	atlasschema "ariga.io/atlas/sql/schema"
	"ariga.io/atlas/sql/sqltool"
	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/schema"
	_ "github.com/lib/pq"  // The database to work in.
	_ "modernc.org/sqlite" // The same.

	"taskql/internal/database/schemadiff/migrate"
)

// Database is an empty database to work in.
type Database struct{ dialect, driver, address string }

// Postgres is the PostgreSQL database of that address.
func Postgres(address string) Database {
	return Database{dialect: dialect.Postgres, driver: "postgres", address: address}
}

// SQLite is a SQLite database in a file that is not there yet.
func SQLite(path string) Database {
	return Database{dialect: dialect.SQLite, driver: "sqlite", address: "file:" + path + "?_pragma=foreign_keys(1)"}
}

// comparing admits one comparison at a time: ent's description of the tables is one value for the whole process, and a
// comparison completes it in place.
var comparing sync.Mutex //nolint:gochecknoglobals // It guards a global of ent's.

// Write adds the migration with the name to the folder: what is missing between the migrations there and ent/schema.
// It returns the file's path, or "" where nothing is missing. The database is an empty one, in which the migrations are
// replayed. A folder whose files do not agree with its atlas.sum is an error.
func Write(ctx context.Context, database Database, folder, name string) (string, error) {
	before, err := files(folder)
	if err != nil {
		return "", err
	}
	dir, err := sqltool.NewGooseDir(folder)
	if err != nil {
		return "", fmt.Errorf("opening the migrations: %w", err)
	}
	db, err := sql.Open(database.driver, database.address)
	if err != nil {
		return "", fmt.Errorf("opening the database to work in: %w", err)
	}
	defer db.Close()
	comparing.Lock()
	defer comparing.Unlock()
	err = migrate.NewSchema(entsql.OpenDB(database.dialect, db)).NamedDiff(ctx, name,
		schema.WithDir(dir), schema.WithFormatter(sqltool.GooseFormatter), schema.WithMigrationMode(schema.ModeReplay),
		schema.WithDropColumn(true), schema.WithDropIndex(true), schema.WithErrNoPlan(true), schema.WithDiffHook(keepByHand))
	if errors.Is(err, atlas.ErrNoPlan) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("comparing the migrations with ent/schema: %w", err)
	}
	after, err := files(folder)
	if err != nil {
		return "", err
	}
	for _, file := range after {
		if !slices.Contains(before, file) {
			return file, nil
		}
	}
	return "", errors.New("there is a difference, but no new file: is another migration of this very second there?")
}

// byHand are the indexes that a migration makes where it can, and that ent/schema therefore can't name.
var byHand = []string{"tasks_search"} //nolint:gochecknoglobals // A constant, if Go had constant slices.

// sameDefaults spells the defaults that are the same but for parentheses in the same way: SQLite forgets those of (x”).
func sameDefaults(current, desired *atlasschema.Table) {
	for _, column := range desired.Columns {
		there, ok := current.Column(column.Name)
		if !ok || column.Default == nil || there.Default == nil {
			continue
		}
		if strings.Trim(text(column.Default), "()") == strings.Trim(text(there.Default), "()") {
			column.Default = there.Default
		}
	}
}

func text(e atlasschema.Expr) string {
	switch e := e.(type) {
	case *atlasschema.Literal:
		return e.V
	case *atlasschema.RawExpr:
		return e.X
	default:
		return fmt.Sprint(e)
	}
}

// keepByHand leaves those indexes, and what only looks different, out of the difference.
func keepByHand(next schema.Differ) schema.Differ {
	return schema.DiffFunc(func(current, desired *atlasschema.Schema) ([]atlasschema.Change, error) {
		for _, table := range current.Tables {
			table.Indexes = slices.DeleteFunc(table.Indexes, func(i *atlasschema.Index) bool { return slices.Contains(byHand, i.Name) })
			if wanted, ok := desired.Table(table.Name); ok {
				sameDefaults(table, wanted)
			}
		}
		return next.Diff(current, desired)
	})
}

// Missing returns the SQL of the migration that Write would add, or "". It leaves the folder as it is.
func Missing(ctx context.Context, database Database, folder string) (string, error) {
	copied, err := os.MkdirTemp("", "taskql-migrations-")
	if err != nil {
		return "", fmt.Errorf("making a folder for a copy: %w", err)
	}
	defer os.RemoveAll(copied)
	if err := os.CopyFS(copied, os.DirFS(folder)); err != nil {
		return "", fmt.Errorf("copying the migrations: %w", err)
	}
	file, err := Write(ctx, database, copied, "missing")
	if err != nil || file == "" {
		return "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the difference: %w", err)
	}
	return string(text), nil
}

// Hash writes the folder's atlas.sum anew, after an edit by hand.
func Hash(folder string) error {
	dir, err := sqltool.NewGooseDir(folder)
	if err != nil {
		return fmt.Errorf("opening the migrations: %w", err)
	}
	sum, err := dir.Checksum()
	if err != nil {
		return fmt.Errorf("adding up the migrations: %w", err)
	}
	if err := atlas.WriteSumFile(dir, sum); err != nil {
		return fmt.Errorf("writing atlas.sum: %w", err)
	}
	return nil
}

// Validate returns an error when the folder's files are not those that atlas.sum lists.
func Validate(folder string) error {
	dir, err := sqltool.NewGooseDir(folder)
	if err != nil {
		return fmt.Errorf("opening the migrations: %w", err)
	}
	if err := atlas.Validate(dir); err != nil {
		return fmt.Errorf("comparing the migrations with atlas.sum (after an edit by hand run `make migration-hash`): %w", err)
	}
	return nil
}

func files(folder string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(folder, "*.sql"))
	if err != nil {
		return nil, fmt.Errorf("listing the migrations: %w", err)
	}
	return found, nil
}
