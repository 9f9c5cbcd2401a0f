// Package server is the HTTP server: routes, middlewares, health, logs, and draining. It makes the services of the other
// packages from the configuration and connects them.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	_ "taskql/ent/runtime" // ties the schema's defaults and privacy rules to ent's code
	"taskql/internal/betterauth"
	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/playground"
	"taskql/internal/telemetry"
	"taskql/internal/ticket"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Version identifies the build.
type Version struct {
	Version string
	Commit  string
}

// Config configures New. Config, DB and Log are required.
type Config struct {
	Config config.Config
	// DB is the open, migrated database. The server doesn't close it.
	DB *database.DB
	// Migrations is the result of migrating the database, for the log.
	Migrations database.MigrationResult
	Version    Version
	Log        *slog.Logger
	// Telemetry receives traces and metrics. It may be nil.
	Telemetry *telemetry.Telemetry
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Server is the whole server.
type Server struct {
	cfg     config.Config
	log     *slog.Logger
	handler http.Handler
	cleanup func(context.Context)
	// removals erases users that the auth server's events or the operator named.
	removals func(context.Context)
	// reminders fires reminders.
	reminders func(context.Context)
	// auth is the authenticator of the auth server. It is nil with the embedded sign-in.
	auth     *betterauth.Authenticator
	live     *liveUpdates
	streams  *streams
	draining atomic.Bool
}

// New returns a server, and logs what is about to run. If the embedded sign-in is on, New creates its tables. The error is the
// database's, or names what the configuration lacks.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.DB == nil || cfg.Log == nil {
		return nil, errors.New("server: DB and Log are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	logStart(ctx, cfg)
	s := &Server{cfg: cfg.Config, log: cfg.Log, live: newLiveUpdates(cfg)}
	routes, err := s.routes(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := cfg.Telemetry.WatchPool(cfg.DB.SQL.Stats, cfg.DB.AcquireTimeouts); err != nil {
		return nil, fmt.Errorf("setting up telemetry: %w", err)
	}
	if err := cfg.Telemetry.WatchLive(func() telemetry.LiveStats { return s.live.stats(cfg.Config, s.streams) }); err != nil {
		return nil, fmt.Errorf("setting up telemetry: %w", err)
	}
	s.handler, err = newHandler(handlerConfig{
		cfg: cfg.Config, log: cfg.Log, now: cfg.Now, draining: &s.draining, telemetry: cfg.Telemetry,
	}, routes)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Handler returns the server's HTTP handler, for tests and for other listeners.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve serves requests on listener until ctx ends, and then drains: /health is 503, and accepted requests are answered within
// the configured SHUTDOWN_TIMEOUT, and streams are ended. Serve returns nil after a clean drain. It closes the listener in any case. It must be called
// once only.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	s.log.LogAttrs(ctx, slog.LevelInfo, "server started", slog.String("address", listener.Addr().String()))
	s.logURL(ctx, listener.Addr())
	var background sync.WaitGroup
	background.Go(func() { s.cleanup(ctx) })
	background.Go(func() { s.removals(ctx) })
	background.Go(func() { s.reminders(ctx) })
	background.Go(func() { s.warnAboutAuthServer(ctx) })
	// While requests are answered that were accepted before ctx ended, their changes are told.
	untilDrained, drained := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { s.live.run(untilDrained) })
	defer background.Wait() // The caller closes the database next.
	defer drained()
	server := &gracefulServer{handler: s.handler, log: s.log, timeout: s.cfg.ShutdownTimeout, draining: &s.draining, streams: &s.streams.registry}
	return server.run(ctx, listener)
}

// routes makes the services, and the handlers of the paths on them.
func (s *Server) routes(ctx context.Context, cfg Config) (routes, error) {
	budgets, err := newBudgets(cfg)
	if err != nil {
		return routes{}, err
	}
	services, err := s.services(cfg, budgets)
	if err != nil {
		return routes{}, err
	}
	s.streams = newStreams(cfg)
	signIn, sessions, err := newAuth(ctx, cfg, s.live.hub)
	if err != nil {
		return routes{}, err
	}
	if signIn == nil {
		s.auth = sessions
	}
	hook, err := newHook(cfg, services.Tasks, services.Accounts, sessions, s.live.hub)
	if err != nil {
		return routes{}, err
	}
	users := authenticator{
		organizations: newOrganizations(cfg.Config, sessions),
		authenticate:  countSessions(cfg.Telemetry, sessions.Authenticate),
		viewer: func(ctx context.Context, session *betterauth.Session) (viewer.Viewer, error) {
			services.Reminders.InUse() // Every request and every check of a stream's session comes by here.
			return services.Accounts.Viewer(ctx, session)
		},
		csrf:        csrf{origins: cfg.Config.CORSOrigins, public: cfg.Config.PublicURL},
		refusals:    newRefusalLog(cfg.Log, cfg.Now),
		log:         cfg.Log,
		credentials: sessions.Credentials,
		sessionTTL:  cfg.Config.SessionCacheTTL,
		spend:       budgets.spend(),
		reserve:     int(cfg.Config.RateLimit) / reserveShare,
		now:         cfg.Now,
		tickets: tickets{
			service: ticket.New(workspace.NewDatabase(cfg.DB.Driver(), cfg.DB.QueryRaw).Client, cfg.Now),
			timeout: cfg.Config.LimitOperationTime,
		},
	}
	api, err := newAPI(cfg, services, s.streams, &users, s.live.hub)
	if err != nil {
		return routes{}, err
	}
	r := routes{
		graphql: chain(api, withClientAddress(cfg.Config.TrustedProxies), refuseForeignSockets(users.csrf), users.middleware),
		ticket:  chain(http.HandlerFunc(users.issueTicket), withClientAddress(cfg.Config.TrustedProxies), users.middleware),
		health:  &health{ping: cfg.DB.Ping, now: cfg.Now, draining: &s.draining},
		auth:    signIn,
		hook:    hook,
	}
	if cfg.Config.Playground {
		r.playground, err = playground.Handler(playground.Config{
			Endpoint: graphqlPath, SignIn: signIn != nil, Organizations: signIn != nil && cfg.Config.Organizations,
		})
		if err != nil {
			return routes{}, fmt.Errorf("setting up the playground: %w", err)
		}
	}
	return r, nil
}
