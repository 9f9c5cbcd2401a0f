package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/importer"
)

// streams are the standard streams of a command.
type streams struct {
	in          io.Reader
	out, errors io.Writer
}

// maxURL is the length in bytes of the longest database URL read from standard input.
const maxURL = 64 << 10

// importTasks runs the command import. It writes the report to standard output, and the log to standard error.
func importTasks(ctx context.Context, env map[string]string, args []string, s streams) error {
	c, err := importConfig(args, s.in)
	if err != nil {
		return err
	}
	c.Out, c.Progress, c.Terminal = s.out, s.errors, isTerminal(s.errors)
	var incomplete error
	err = withDatabase(ctx, databaseSettings{env: env, logs: s.errors, mustExist: true}, func(cfg config.Config, db *database.DB, log *slog.Logger) error {
		if !c.DryRun {
			if _, err := db.Migrate(ctx); err != nil {
				return fmt.Errorf("migrating the database: %w", err)
			}
		}
		c.DB, c.Log = db, log
		c.MaxTasks, c.MaxTags, c.MaxTagsPerTask, c.MaxProjects = cfg.LimitTasks, cfg.LimitTags, cfg.LimitTagsPerTask, cfg.LimitProjects
		err := importer.Run(ctx, c)
		if errors.Is(err, importer.ErrIncomplete) {
			incomplete = err // withDatabase must not log it: the import has not failed.
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return incomplete
}

// importConfig parses the command's flags.
func importConfig(args []string, in io.Reader) (importer.Config, error) {
	var c importer.Config
	flags := flag.NewFlagSet("import", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.From, "from", "", "")
	flags.BoolVar(&c.DryRun, "dry-run", false, "")
	flags.BoolVar(&c.Verbose, "verbose", false, "")
	flags.Func("user", "", func(id string) error {
		c.Users = append(c.Users, id)
		return nil
	})
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || c.From == "" {
		return importer.Config{}, fmt.Errorf("%w: import takes --from URL or --from -, --dry-run, --user ID and --verbose", errUsage)
	}
	if c.From == "-" {
		text, err := io.ReadAll(io.LimitReader(in, maxURL))
		if err != nil {
			return importer.Config{}, fmt.Errorf("reading the address from standard input: %w", err)
		}
		c.From = strings.TrimSpace(string(text))
	}
	return c, nil
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
