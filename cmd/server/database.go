package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/server"
	"taskql/internal/telemetry"
)

// errLogged reports that an error is in the log already.
var errLogged = errors.New("see the log")

// databaseSettings configures withDatabase.
type databaseSettings struct {
	env  map[string]string
	logs io.Writer
	// mustExist makes a missing SQLite file an error.
	mustExist bool
	// check, if set, checks the rest of the configuration before the database is opened.
	check func(config.Config) error
	// telemetry, if set, starts the telemetry.
	telemetry func(config.Config, *slog.Logger) (*telemetry.Telemetry, error)
	// serves is set for the server, of which the log says that it has stopped.
	serves bool
}

// withDatabase loads the configuration, opens the database, calls do and closes the database. It logs the error, so that the
// reason for the exit is in the log too, and returns it wrapped in errLogged.
func withDatabase(ctx context.Context, s databaseSettings, do func(config.Config, *database.DB, *slog.Logger) error) error {
	cfg, problems := config.LoadPartial(s.env, database.CheckURL)
	log, flush := server.NewLogger(s.logs, cfg)
	defer flush()
	if len(problems) > 0 {
		return configurationError(ctx, log, cfg, problems)
	}
	for _, warning := range cfg.Warnings {
		log.LogAttrs(ctx, slog.LevelWarn, "configuration", slog.String("warning", warning))
	}
	if err := openDatabase(ctx, cfg, log, s, do); err != nil {
		reason := slog.String("error", err.Error())
		switch {
		case ctx.Err() != nil:
			log.LogAttrs(ctx, slog.LevelInfo, "ended by a signal", reason)
		case s.serves:
			log.LogAttrs(ctx, slog.LevelError, "the server has stopped", reason)
		default:
			log.LogAttrs(ctx, slog.LevelError, "the command has failed", reason)
		}
		return fmt.Errorf("%w: %w", errLogged, err)
	}
	return nil
}

// configurationError reports the problems of the configuration: with LOG_FORMAT=text as an error that main prints as a list,
// otherwise as lines in the log.
func configurationError(ctx context.Context, log *slog.Logger, cfg config.Config, problems config.Problems) error {
	if cfg.LogFormat == config.LogText {
		return problems
	}
	for _, problem := range problems {
		log.LogAttrs(ctx, slog.LevelError, "configuration",
			slog.String("variable", problem.Variable), slog.String("error", problem.Variable+" "+problem.Message))
	}
	return fmt.Errorf("%w: %w", errLogged, problems)
}

// openDatabase opens the database, calls do and closes the database.
func openDatabase(
	ctx context.Context, cfg config.Config, log *slog.Logger, s databaseSettings,
	do func(config.Config, *database.DB, *slog.Logger) error,
) error {
	if s.check != nil {
		if err := s.check(cfg); err != nil {
			return err
		}
	}
	dbConfig := databaseConfig(cfg)
	if s.telemetry != nil {
		tel, err := s.telemetry(cfg, log)
		if err != nil {
			return fmt.Errorf("setting up telemetry: %w", err)
		}
		log, dbConfig.OpenPool = slog.New(tel.LogHandler(log.Handler())), tel.OpenPool
	}
	dbConfig.MustExist, dbConfig.Log = s.mustExist, log
	db, err := database.Open(ctx, dbConfig)
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	err = do(cfg, db, log)
	if closeErr := db.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("closing the database: %w", closeErr))
	}
	return err
}

// databaseConfig returns the configuration of the database.
func databaseConfig(cfg config.Config) database.Config {
	statement := cfg.LimitStatementTime
	cache := database.StatementCache(cfg.DBStatementCache)
	if cfg.Pooled() {
		statement = 0
		if cache == database.CacheAuto {
			cache = database.CacheOff // Sessions are known to be shared.
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
