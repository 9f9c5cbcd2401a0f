// Command migration writes the next migration for PostgreSQL: the difference between what the migrations so far make
// and ent/schema. The Makefile runs it in the project's root.
//
//	migration NAME   writes ent/migrate/migrations/<time>_NAME.sql
//	migration -check writes nothing, and fails when a migration is missing, or when one does to the release before
//	                 what it may not, without saying why (see the package review)
//	migration -hash  writes atlas.sum anew, after an edit by hand
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"

	"taskql/internal/database/schemadiff"
	"taskql/internal/database/schemadiff/review"
	"taskql/internal/testkit/pgcluster"
)

const folder = "ent/migrate/migrations"

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
		return schemadiff.Hash(folder)
	}
	if args[0] != "-check" && !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(args[0]) {
		return fmt.Errorf("the name %q must be lower-case letters, digits and _", args[0])
	}
	cluster, err := pgcluster.Start(ctx, pgcluster.Config{MaxConnections: 20})
	if err != nil {
		return fmt.Errorf("starting a database to work in: %w", err)
	}
	return errors.Join(diff(ctx, cluster.URL(), args[0]), cluster.Stop())
}

func diff(ctx context.Context, address, name string) error {
	if name == "-check" {
		if err := errors.Join(schemadiff.Validate(folder), review.Folder(os.DirFS(folder))); err != nil {
			return err
		}
		missing, err := schemadiff.Missing(ctx, address, folder)
		if err == nil && missing != "" {
			err = fmt.Errorf("ent/schema has changes without a migration; run `make migration name=…`:\n%s", missing)
		}
		return err
	}
	file, err := schemadiff.Write(ctx, address, folder, name)
	if err != nil {
		return err
	}
	if file == "" {
		fmt.Println("Nothing to do: the migrations make what ent/schema says.")
		return nil
	}
	fmt.Println("Wrote", file)
	if err := review.Folder(os.DirFS(folder)); err != nil {
		fmt.Println("To be mended by hand before it is committed:", err)
	}
	return nil
}
