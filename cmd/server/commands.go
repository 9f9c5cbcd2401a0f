package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/doctor"
	"taskql/internal/server"
)

// The linker sets these, with -X main.version=… -X main.commit=….
var (
	version string
	commit  string //nolint:gochecknoglobals // The linker can set nothing else.
)

// migrate migrates the database.
func migrate(ctx context.Context, env map[string]string, logs io.Writer) error {
	return withDatabase(ctx, databaseSettings{env: env, logs: logs, check: server.CheckTrustedDocuments}, func(_ config.Config, db *database.DB, log *slog.Logger) error {
		result, err := db.Migrate(ctx)
		if err != nil {
			return fmt.Errorf("migrating the database: %w", err)
		}
		log.LogAttrs(ctx, slog.LevelInfo, "migrated", slog.String("database", db.String()),
			slog.Any("applied", result.Applied), slog.Int64("schema_version", result.Version))
		return nil
	})
}

// migrationStatus prints the migrations and whether they are applied. It changes nothing.
func migrationStatus(ctx context.Context, env map[string]string, stdout, logs io.Writer) error {
	return withDatabase(ctx, databaseSettings{env: env, logs: logs, mustExist: true}, func(_ config.Config, db *database.DB, _ *slog.Logger) error {
		if err := db.WriteMigrationStatus(ctx, stdout); err != nil {
			return fmt.Errorf("listing the migrations: %w", err)
		}
		return nil
	})
}

// maxCredential is the length in bytes of the longest session read from standard input: several times what a header may hold.
const maxCredential = 256 << 10

// runDoctor runs the doctor, with the session or API key in the arguments.
func runDoctor(ctx context.Context, env map[string]string, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	credential, apiKey := flags.String("cookie", "", ""), flags.String("api-key", "", "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || *credential == "-" && *apiKey == "-" {
		return fmt.Errorf("%w: doctor takes --cookie VALUE and --api-key KEY, one of which may be -, and nothing else", errUsage)
	}
	for _, given := range []*string{credential, apiKey} {
		if *given != "-" {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(stdin, maxCredential))
		if err != nil {
			return fmt.Errorf("reading the session from standard input: %w", err)
		}
		*given = strings.TrimSpace(string(text))
	}
	return doctor.Run(ctx, doctor.Config{
		Environ: env, Sessions: server.SessionConfig, TrustedDocuments: server.CheckTrustedDocuments, Credential: *credential, APIKey: *apiKey,
		Out: stdout,
	})
}

// buildVersion returns the version that the linker set, or the one that Go recorded.
func buildVersion() server.Version {
	v := server.Version{Version: version, Commit: commit}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		if v.Commit == "" && setting.Key == "vcs.revision" {
			v.Commit = setting.Value
		}
	}
	return v
}

func printVersion(w io.Writer) error {
	v := buildVersion()
	if v.Commit == "" {
		v.Commit = "unknown"
	}
	if _, err := fmt.Fprintf(w, "taskql %s\ncommit %s\n%s\n", v.Version, v.Commit, runtime.Version()); err != nil {
		return fmt.Errorf("printing the version: %w", err)
	}
	return nil
}

func help(w io.Writer) error {
	if _, err := io.WriteString(w, usage()+"\nEverything is configured by environment variables (docs/configuration.md):\n"); err != nil {
		return fmt.Errorf("printing the help: %w", err)
	}
	return config.WriteHelp(w)
}
