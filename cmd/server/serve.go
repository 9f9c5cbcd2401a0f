package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/doctor"
	"taskql/internal/server"
	"taskql/internal/telemetry"
)

// The linker sets these, with -X main.version=… -X main.commit=….
var (
	version string
	commit  string //nolint:gochecknoglobals // The linker can set nothing else.
)

// errLogged reports that an error is in the log already.
var errLogged = errors.New("see the log")

// serve migrates and serves until ctx ends. Logs go to logs. A signal before the port is open ends it as cleanly as a
// later one.
func serve(ctx context.Context, env map[string]string, logs io.Writer) error {
	serving := false
	var watch *telemetry.Telemetry
	start := func(cfg config.Config, log *slog.Logger) (*telemetry.Telemetry, error) {
		var err error
		watch, err = telemetry.Start(ctx, telemetry.Config{
			Environ: env, Version: buildVersion().Version, Prometheus: cfg.DebugAddr != "", Log: log,
		})
		return watch, err
	}
	check := func(cfg config.Config) error {
		if err := server.CheckTrustedDocuments(cfg); err != nil {
			return err
		}
		return server.CheckPort(ctx, cfg)
	}
	err := withDatabase(ctx, settings{env: env, logs: logs, check: check, telemetry: start}, func(cfg config.Config, db *database.DB, log *slog.Logger) error {
		defer endTelemetry(ctx, watch, log)
		tuneMemory(ctx, env, log)
		if err := server.ServeDebug(ctx, cfg, watch.Handler(), log); err != nil {
			return err
		}
		migrations, err := db.Migrate(ctx)
		if err != nil {
			return fmt.Errorf("migrating the database: %w", err)
		}
		srv, err := server.New(ctx, server.Config{
			Config: cfg, DB: db, Migrations: migrations, Version: buildVersion(), Telemetry: watch, Log: log,
		})
		if err != nil {
			return err
		}
		listener, err := server.Listen(ctx, cfg)
		if err != nil {
			return err
		}
		serving = true
		return srv.Serve(ctx, listener)
	})
	if err != nil && !serving && ctx.Err() != nil {
		return nil //nolint:nilerr // It was told to end, and has said so in the log.
	}
	return err
}

// telemetryGrace is how long the last spans and measurements may take to reach the collector.
const telemetryGrace = 3 * time.Second

// endTelemetry sends what is left, after the last request and whatever ended the server.
func endTelemetry(ctx context.Context, watch *telemetry.Telemetry, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), telemetryGrace)
	defer cancel()
	if err := watch.Shutdown(ctx); err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "telemetry can't be sent", slog.String("error", err.Error()))
	}
}

// migrate brings the database up to date and ends.
func migrate(ctx context.Context, env map[string]string, logs io.Writer) error {
	return withDatabase(ctx, settings{env: env, logs: logs, check: server.CheckTrustedDocuments}, func(_ config.Config, db *database.DB, log *slog.Logger) error {
		result, err := db.Migrate(ctx)
		if err != nil {
			return fmt.Errorf("migrating the database: %w", err)
		}
		log.LogAttrs(ctx, slog.LevelInfo, "migrated", slog.String("database", db.String()),
			slog.Any("applied", result.Applied), slog.Int64("schema_version", result.Version))
		return nil
	})
}

// migrationStatus prints the list of migrations and changes nothing.
func migrationStatus(ctx context.Context, env map[string]string, stdout, logs io.Writer) error {
	return withDatabase(ctx, settings{env: env, logs: logs, mustExist: true}, func(_ config.Config, db *database.DB, _ *slog.Logger) error {
		if err := db.WriteMigrationStatus(ctx, stdout); err != nil {
			return fmt.Errorf("listing the migrations: %w", err)
		}
		return nil
	})
}

// maxCredential is the longest text taken for a session, in bytes: several times what a header may hold.
const maxCredential = 256 << 10

// examine runs the doctor, with the session that the arguments name.
func examine(ctx context.Context, env map[string]string, args []string, stdin io.Reader, stdout io.Writer) error {
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

// settings are what a command works with.
type settings struct {
	env  map[string]string
	logs io.Writer
	// mustExist makes it an error that a SQLite file is missing.
	mustExist bool
	// check, where set, looks at the rest of what was configured before the database is touched.
	check func(config.Config) error
	// telemetry, where set, starts to measure.
	telemetry func(config.Config, *slog.Logger) (*telemetry.Telemetry, error)
}

// withDatabase loads the configuration, opens the database for the time of do and closes it. An error is logged, so that
// whoever reads the log by machine sees why the process ended.
func withDatabase(ctx context.Context, s settings, do func(config.Config, *database.DB, *slog.Logger) error) error {
	cfg, problems := config.LoadPartial(s.env, database.CheckURL)
	log, flush := server.NewLogger(s.logs, cfg)
	defer flush()
	if len(problems) > 0 {
		return refuse(ctx, log, cfg, problems)
	}
	for _, warning := range cfg.Warnings {
		log.LogAttrs(ctx, slog.LevelWarn, "configuration", slog.String("warning", warning))
	}
	if err := openAnd(ctx, cfg, log, s, do); err != nil {
		if ctx.Err() != nil {
			log.LogAttrs(ctx, slog.LevelInfo, "ended by a signal", slog.String("error", err.Error()))
		} else {
			log.LogAttrs(ctx, slog.LevelError, "the server has stopped", slog.String("error", err.Error()))
		}
		return fmt.Errorf("%w: %w", errLogged, err)
	}
	return nil
}

// refuse reports the problems of the configuration: to people as a list, which main prints, to machines as lines of the
// log.
func refuse(ctx context.Context, log *slog.Logger, cfg config.Config, problems config.Problems) error {
	if cfg.LogFormat == config.LogText {
		return problems
	}
	for _, problem := range problems {
		log.LogAttrs(ctx, slog.LevelError, "configuration",
			slog.String("variable", problem.Variable), slog.String("error", problem.Variable+" "+problem.Message))
	}
	return fmt.Errorf("%w: %w", errLogged, problems)
}

func openAnd(
	ctx context.Context, cfg config.Config, log *slog.Logger, s settings,
	do func(config.Config, *database.DB, *slog.Logger) error,
) error {
	if s.check != nil {
		if err := s.check(cfg); err != nil {
			return err
		}
	}
	settings := databaseConfig(cfg)
	if s.telemetry != nil {
		watch, err := s.telemetry(cfg, log)
		if err != nil {
			return fmt.Errorf("setting up telemetry: %w", err)
		}
		log, settings.OpenPool = slog.New(watch.LogHandler(log.Handler())), watch.OpenPool
	}
	settings.MustExist, settings.Log = s.mustExist, log
	db, err := database.Open(ctx, settings)
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	err = do(cfg, db, log)
	if closing := db.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("closing the database: %w", closing))
	}
	return err
}

// databaseConfig is what the configuration says of the database.
func databaseConfig(cfg config.Config) database.Config {
	statement := cfg.LimitStatementTime
	cache := database.StatementCache(cfg.DBStatementCache)
	if cfg.Pooled() {
		statement = 0
		if cache == database.CacheAuto {
			cache = database.CacheOff // There is no need to ask.
		}
	}
	return database.Config{
		StatementTimeout:   statement,
		StatementCache:     cache,
		StatementCacheSize: cfg.DBStatementCacheSize,
		URL:                cfg.DatabaseURL.Reveal(),
		DirectURL:          cfg.DirectDatabaseURL.Reveal(),
		MaxOpenConns:       cfg.DBMaxOpenConns,
		MaxIdleConns:       cfg.DBMaxIdleConns,
		ConnMaxLifetime:    cfg.DBConnMaxLifetime,
		ConnMaxIdleTime:    cfg.DBConnMaxIdleTime,
		AcquireTimeout:     cfg.DBWait,
	}
}

// buildVersion is what the linker was told, else what Go noted of the checkout.
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
