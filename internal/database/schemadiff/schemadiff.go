// Package schemadiff compares ent/schema with the migrations. It is used to write migrations and to test that none is missing,
// and is not a part of the server.
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
	_ "github.com/lib/pq"  // The driver of Postgres.
	_ "modernc.org/sqlite" // The driver of SQLite.

	"taskql/internal/database/schemadiff/migrate"
)

// Database is an empty database in which migrations are replayed.
type Database struct{ dialect, driver, address string }

// Postgres returns the PostgreSQL database at the address.
func Postgres(address string) Database {
	return Database{dialect: dialect.Postgres, driver: "postgres", address: address}
}

// SQLite returns a SQLite database in a file that doesn't exist yet.
func SQLite(path string) Database {
	return Database{dialect: dialect.SQLite, driver: "sqlite", address: "file:" + path + "?_pragma=foreign_keys(1)"}
}

// comparing serialises comparisons, because they modify ent's description of the tables, which is global.
var comparing sync.Mutex //nolint:gochecknoglobals // It guards a global of ent's.

// Write adds a migration to the folder that leads from the migrations there to ent/schema. It returns the file's path, or "" if
// there is no difference. It replays the migrations in the database, which must be empty. It returns an error if the folder's
// files don't match its atlas.sum.
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
		schema.WithDropColumn(true), schema.WithDropIndex(true), schema.WithErrNoPlan(true), schema.WithDiffHook(ignoreHarmless))
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

// ignoredIndexes are made by a migration only if the database allows it, so that ent/schema can't list them.
var ignoredIndexes = []string{"tasks_search"} //nolint:gochecknoglobals // A constant, if Go had constant slices.

// alignDefaults makes defaults equal that differ only in parentheses: SQLite drops those of (x”).
func alignDefaults(current, desired *atlasschema.Table) {
	for _, column := range desired.Columns {
		existing, ok := current.Column(column.Name)
		if !ok || column.Default == nil || existing.Default == nil {
			continue
		}
		if strings.Trim(text(column.Default), "()") == strings.Trim(text(existing.Default), "()") {
			column.Default = existing.Default
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

// ignoreHarmless removes ignoredIndexes and differences in parentheses from the difference.
func ignoreHarmless(next schema.Differ) schema.Differ {
	return schema.DiffFunc(func(current, desired *atlasschema.Schema) ([]atlasschema.Change, error) {
		for _, table := range current.Tables {
			table.Indexes = slices.DeleteFunc(table.Indexes, func(i *atlasschema.Index) bool { return slices.Contains(ignoredIndexes, i.Name) })
			if wanted, ok := desired.Table(table.Name); ok {
				alignDefaults(table, wanted)
			}
		}
		return next.Diff(current, desired)
	})
}

// Missing returns the SQL of the migration that Write would add, or "". It doesn't change the folder.
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

// Hash rewrites the folder's atlas.sum after a migration was edited by hand.
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

// Validate returns an error if the folder's files don't match its atlas.sum.
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
