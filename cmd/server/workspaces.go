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

const workspacesHelp = `list the workspaces of organizations (docs/organizations.md); exits with 0, with 1 on an error
  --personal       list the personal workspaces instead
  --export ID      write a workspace as JSON, without what is private to its members
  --delete ID      erase the workspace of an organization that is no longer needed
  --yes            delete; without it, the command reports what there is and changes nothing`

// manageWorkspaces runs the command workspaces. It writes the result to standard output, and the log to standard error.
func manageWorkspaces(ctx context.Context, env map[string]string, args []string, s streams) error {
	var exported, deleted string
	var personal, confirmed bool
	flags := flag.NewFlagSet("workspaces", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&personal, "personal", false, "")
	flags.StringVar(&exported, "export", "", "")
	flags.StringVar(&deleted, "delete", "", "")
	flags.BoolVar(&confirmed, "yes", false, "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || exported != "" && deleted != "" ||
		personal && exported+deleted != "" || confirmed && deleted == "" {
		return fmt.Errorf("%w: workspaces takes --personal, or --export ID, or --delete ID with or without --yes", errUsage)
	}
	return withDatabase(ctx, databaseSettings{env: env, logs: s.errors, mustExist: true}, func(_ config.Config, db *database.DB, _ *slog.Logger) error {
		w := server.Workspaces{DB: db, Out: s.out, Progress: s.errors}
		var err error
		switch {
		case exported != "":
			err = w.Export(ctx, exported)
		case deleted != "":
			err = w.Delete(ctx, deleted, confirmed)
		default:
			err = w.List(ctx, personal)
		}
		return err //nolint:wrapcheck // It says what was done.
	})
}
