// Command migration writes the next migration for PostgreSQL and for SQLite: the difference between the existing migrations and
// ent/schema. The Makefile runs it in the project's root.
//
//	migration NAME   writes ent/migrate/migrations/<time>_NAME.sql, and the same in ent/migrate/sqlite
//	migration -check fails if a migration is missing, or breaks a rule of package review without saying why; writes nothing
//	migration -hash  rewrites atlas.sum after a migration was edited by hand
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"

	"taskql/internal/database/schemadiff"
	"taskql/internal/database/schemadiff/review"
	"taskql/internal/testkit/pgcluster"
)

const (
	folder       = "ent/migrate/migrations"
	sqliteFolder = "ent/migrate/sqlite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "migration:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: make migration name=add_tags")
	}
	if args[0] == "-hash" {
		return errors.Join(schemadiff.Hash(folder), schemadiff.Hash(sqliteFolder))
	}
	if args[0] != "-check" && !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(args[0]) {
		return fmt.Errorf("the name %q must be lower-case letters, digits and _", args[0])
	}
	cluster, err := pgcluster.Start(ctx, pgcluster.Config{MaxConnections: 20})
	if err != nil {
		return fmt.Errorf("starting a database to work in: %w", err)
	}
	temporary, err := os.MkdirTemp("", "taskql-migration-")
	if err != nil {
		return errors.Join(fmt.Errorf("making a folder for a database to work in: %w", err), cluster.Stop())
	}
	defer os.RemoveAll(temporary)
	sqlite := schemadiff.SQLite(filepath.Join(temporary, "t.db"))
	if args[0] == "-check" {
		return errors.Join(
			review.Folder(os.DirFS(folder)), check(ctx, schemadiff.Postgres(cluster.URL()), folder), check(ctx, sqlite, sqliteFolder), cluster.Stop(),
		)
	}
	return errors.Join(
		write(ctx, schemadiff.Postgres(cluster.URL()), folder, args[0]), write(ctx, sqlite, sqliteFolder, args[0]), cluster.Stop(),
	)
}

func check(ctx context.Context, database schemadiff.Database, folder string) error {
	if err := schemadiff.Validate(folder); err != nil {
		return err
	}
	missing, err := schemadiff.Missing(ctx, database, folder)
	if err == nil && missing != "" {
		err = fmt.Errorf("ent/schema has changes without a migration in %s; run `make migration name=…`:\n%s", folder, missing)
	}
	return err
}

func write(ctx context.Context, database schemadiff.Database, in, name string) error {
	file, err := schemadiff.Write(ctx, database, in, name)
	if err != nil {
		return err
	}
	if file == "" {
		fmt.Printf("Nothing to do: the migrations in %s make what ent/schema says.\n", in)
		return nil
	}
	fmt.Println("Wrote", file)
	if in != folder {
		return nil
	}
	if err := review.Folder(os.DirFS(in)); err != nil {
		fmt.Println("To be mended by hand before it is committed:", err)
	}
	return nil
}
