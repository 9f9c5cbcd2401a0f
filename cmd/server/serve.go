package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/server"
	"taskql/internal/telemetry"
)

// serve migrates the database and serves until ctx ends. It logs to logs. If ctx ends before the port is open, serve returns nil
// too.
func serve(ctx context.Context, env map[string]string, logs io.Writer) error {
	serving := false
	var tel *telemetry.Telemetry
	start := func(cfg config.Config, log *slog.Logger) (*telemetry.Telemetry, error) {
		var err error
		tel, err = telemetry.Start(ctx, telemetry.Config{
			Environ: env, Version: buildVersion().Version, Prometheus: cfg.DebugAddr != "", Log: log,
		})
		return tel, err
	}
	check := func(cfg config.Config) error {
		if err := server.CheckTrustedDocuments(cfg); err != nil {
			return err
		}
		return server.CheckPort(ctx, cfg)
	}
	err := withDatabase(ctx, databaseSettings{env: env, logs: logs, check: check, telemetry: start, serves: true}, func(cfg config.Config, db *database.DB, log *slog.Logger) error {
		defer shutdownTelemetry(ctx, tel, log)
		tuneMemory(ctx, env, log)
		go manageMemory(ctx, env["GOGC"] == "")
		if err := server.ServeDebug(ctx, cfg, tel.Handler(), log); err != nil {
			return err
		}
		migrations, err := db.Migrate(ctx)
		if err != nil {
			return fmt.Errorf("migrating the database: %w", err)
		}
		srv, err := server.New(ctx, server.Config{
			Config: cfg, DB: db, Migrations: migrations, Version: buildVersion(), Telemetry: tel, Log: log,
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
		return nil //nolint:nilerr // A signal ended it, which is in the log.
	}
	return err
}

// telemetryGrace is how long the last spans and metrics may take to reach the collector.
const telemetryGrace = 3 * time.Second

// shutdownTelemetry sends what is left, after the last request. ctx may have ended.
func shutdownTelemetry(ctx context.Context, tel *telemetry.Telemetry, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), telemetryGrace)
	defer cancel()
	if err := tel.Shutdown(ctx); err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "telemetry can't be sent", slog.String("error", err.Error()))
	}
}
