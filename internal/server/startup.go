package server

import (
	"context"
	"log/slog"
	"net"
	"strings"

	"taskql/internal/betterauth"
	"taskql/internal/config"
)

// logStart logs what an operator looks for after a deployment.
func logStart(ctx context.Context, cfg Config) {
	cfg.Log.LogAttrs(ctx, slog.LevelInfo, "starting taskql",
		slog.String("version", cfg.Version.Version), slog.String("commit", cfg.Version.Commit),
		slog.String("environment", string(cfg.Config.Environment)), slog.String("database", cfg.DB.String()))
	if advice := cfg.Config.PoolerWarning(); advice != "" {
		cfg.Log.LogAttrs(ctx, slog.LevelWarn, "configuration", slog.String("warning", advice))
	}
	warnAboutCookies(ctx, cfg)
	applied := "none"
	if len(cfg.Migrations.Applied) > 0 {
		applied = strings.Join(cfg.Migrations.Applied, ", ")
	}
	cfg.Log.LogAttrs(ctx, slog.LevelInfo, "migrations",
		slog.String("applied", applied), slog.Int64("schema_version", cfg.Migrations.Version), slog.Bool("database_ahead", cfg.Migrations.Ahead))
	if cfg.Config.EmbeddedSignIn() {
		cfg.Log.LogAttrs(ctx, slog.LevelInfo, "embedded development sign-in is on: AUTH_SERVER_URL is not set")
	}
}

// warnAboutCookies logs each reason why browsers can't share the cookie, with the origins that it applies to.
func warnAboutCookies(ctx context.Context, cfg Config) {
	var reasons []string
	origins := map[string][]string{}
	for _, t := range cfg.Config.Topology() {
		if t.Works {
			continue
		}
		if origins[t.Detail] == nil {
			reasons = append(reasons, t.Detail)
		}
		origins[t.Detail] = append(origins[t.Detail], t.Origin)
	}
	for _, reason := range reasons {
		cfg.Log.LogAttrs(ctx, slog.LevelWarn, "cookies can't work", slog.String("origin", strings.Join(origins[reason], ", ")),
			slog.String("because", reason), slog.String("cure", config.CookieFix))
	}
}

// logURL logs the last line of a start: the URL of the playground or, if that is off, of the API.
func (s *Server) logURL(ctx context.Context, address net.Addr) {
	name, url := "Playground", baseURL(s.cfg, address)
	if !s.cfg.Playground {
		name, url = "GraphQL", url+graphqlPath
	}
	message, attrs := name+": "+url, []slog.Attr(nil)
	if s.cfg.LogFormat == config.LogJSON {
		message, attrs = name, []slog.Attr{slog.String("url", url)}
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, message, attrs...) //nolint:sloglint // In a terminal people want to click on the URL.
}

// warnAboutAuthServer logs a warning if the auth server can't be reached or is not Better Auth. The server runs all the same,
// because the auth server may be starting too.
func (s *Server) warnAboutAuthServer(ctx context.Context) {
	if s.auth == nil {
		return
	}
	step := s.auth.Reachable(ctx)
	if step.Status != betterauth.StatusFailure || ctx.Err() != nil {
		return
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "the auth server is not usable; requests with a session get SERVICE_UNAVAILABLE",
		slog.String("url", s.auth.Address("ok")), slog.String("error", step.Detail), slog.String("hint", step.Fix))
}
