package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/server"
)

const eraseHelp = `erase a user whom the auth server has deleted, with all tasks and tags (docs/erasure.md);
can be repeated; exits with 0, with 1 on an error
  --user ID        the user's id at the auth server
  --yes            erase; without it, the command reports what there is and changes nothing`

// eraseUser runs the command erase. It writes the report to standard output, and the log to standard error.
func eraseUser(ctx context.Context, env map[string]string, args []string, s streams) error {
	e := server.Erasure{Out: s.out, Progress: s.errors}
	flags := flag.NewFlagSet("erase", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&e.UserID, "user", "", "")
	flags.BoolVar(&e.Confirmed, "yes", false, "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || e.UserID == "" {
		return fmt.Errorf("%w: erase takes --user ID and --yes", errUsage)
	}
	return withDatabase(ctx, databaseSettings{env: env, logs: s.errors, mustExist: true}, func(_ config.Config, db *database.DB, _ *slog.Logger) error {
		e.DB = db
		return server.EraseUser(ctx, e)
	})
}
