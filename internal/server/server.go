// Package server is the HTTP server: routes, CORS, compression, health, logs, and the drain at the end. It builds
// the other packages' parts from the configuration and connects them.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"taskql/ent"
	_ "taskql/ent/runtime" // ties the schema's defaults and privacy rules to ent's code
	"taskql/graph"
	"taskql/graph/scalar"
	"taskql/internal/account"
	"taskql/internal/betterauth"
	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/devauth"
	"taskql/internal/graphqlhttp"
	"taskql/internal/playground"
	"taskql/internal/task"
	"taskql/internal/telemetry"
)

const (
	// embeddedAuthURL stands for the embedded sign-in's address, which is reached without a network.
	embeddedAuthURL = "http://localhost"
)

// Version says which build runs.
type Version struct {
	Version string
	Commit  string
}

// Config is what a Server is made of. All but Now and Migrations is required.
type Config struct {
	Config config.Config
	// DB is the open, migrated database. The server doesn't close it.
	DB *database.DB
	// Migrations is what the start changed in the database, for the log.
	Migrations database.MigrationResult
	Version    Version
	Log        *slog.Logger
	// Telemetry measures. Nil: nothing is measured.
	Telemetry *telemetry.Telemetry
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Server is the whole server, ready to serve.
type Server struct {
	cfg     config.Config
	log     *slog.Logger
	handler http.Handler
	upkeep  func(context.Context)
	// removals erases users whom the auth server's events or the operator named.
	removals func(context.Context)
	// auth checks sessions against the auth server. Nil with the embedded sign-in.
	auth     *betterauth.Authenticator
	draining atomic.Bool
}

// New builds the server from its parts and logs what is about to run. If the embedded sign-in is on, New makes its
// tables. The error is the database's, or says what is missing in the configuration.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.DB == nil || cfg.Log == nil {
		return nil, errors.New("server: DB and Log are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	logMilestones(ctx, cfg)
	s := &Server{cfg: cfg.Config, log: cfg.Log}
	to, err := s.routes(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := cfg.Telemetry.WatchPool(cfg.DB.SQL.Stats, cfg.DB.AcquireTimeouts); err != nil {
		return nil, fmt.Errorf("setting up telemetry: %w", err)
	}
	around := face{cfg: cfg.Config, log: cfg.Log, now: cfg.Now, draining: &s.draining, telemetry: cfg.Telemetry}
	s.handler, err = around.handler(to)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Handler returns the server's HTTP handler, for tests and for other listeners.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers requests on listener until ctx ends, then drains: /health turns 503, what was accepted is
// answered, within the configured SHUTDOWN_TIMEOUT. It returns nil after a clean drain, and closes the
// listener in any case. Call it once.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	s.log.LogAttrs(ctx, slog.LevelInfo, "server started", slog.String("address", listener.Addr().String()))
	s.logURL(ctx, listener.Addr())
	var background sync.WaitGroup
	background.Go(func() { s.upkeep(ctx) })
	background.Go(func() { s.removals(ctx) })
	background.Go(func() { s.warnOfAuthServer(ctx) })
	defer background.Wait() // The database is closed after this.
	run := &serving{handler: s.handler, log: s.log, timeout: s.cfg.ShutdownTimeout, draining: &s.draining}
	return run.run(ctx, listener)
}

// logMilestones writes the lines that an operator looks for after a deployment.
func logMilestones(ctx context.Context, cfg Config) {
	cfg.Log.LogAttrs(ctx, slog.LevelInfo, "starting taskql",
		slog.String("version", cfg.Version.Version), slog.String("commit", cfg.Version.Commit),
		slog.String("environment", string(cfg.Config.Environment)), slog.String("database", cfg.DB.String()))
	if advice := cfg.Config.PoolerWarning(); advice != "" {
		cfg.Log.LogAttrs(ctx, slog.LevelWarn, "configuration", slog.String("warning", advice))
	}
	warnOfCookies(ctx, cfg)
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

// warnOfCookies writes a line for each reason why browsers can't share a cookie, with the origins that it applies to.
func warnOfCookies(ctx context.Context, cfg Config) {
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

// logURL writes the last line of a start: where to open the playground or, if that is off, where the API is.
func (s *Server) logURL(ctx context.Context, address net.Addr) {
	name, url := "Playground", baseURL(s.cfg, address)
	if !s.cfg.Playground {
		name, url = "GraphQL", url+graphqlPath
	}
	message, attrs := name+": "+url, []slog.Attr(nil) // for people
	if s.cfg.LogFormat == config.LogJSON {
		message, attrs = name, []slog.Attr{slog.String("url", url)}
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, message, attrs...) //nolint:sloglint // People want to click on the address.
}

// warnOfAuthServer logs a warning if the auth server can't be reached or is not Better Auth. That is no reason not to
// start: it may be starting as well.
func (s *Server) warnOfAuthServer(ctx context.Context) {
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

// routes builds the handlers of the paths.
func (s *Server) routes(ctx context.Context, cfg Config) (routes, error) {
	client := ent.NewClient(ent.Driver(cfg.DB.Driver()))
	accounts, err := account.New(account.Config{
		Client: client, Provisioning: account.Provisioning(cfg.Config.UserProvisioning),
		Timeout: cfg.Config.LimitOperationTime, Now: cfg.Now,
	})
	if err != nil {
		return routes{}, fmt.Errorf("setting up accounts: %w", err)
	}
	tasks, err := task.New(task.Config{
		Client: client, Dialect: cfg.DB.Dialect, QueryRaw: cfg.DB.QueryRaw, Now: cfg.Now, Log: cfg.Log, Closed: accounts.Forget,
		Limits: task.Limits{
			Tasks: cfg.Config.LimitTasks, Tags: cfg.Config.LimitTags, TagsPerTask: cfg.Config.LimitTagsPerTask,
			Subtasks: cfg.Config.LimitSubtasks, Keys: cfg.Config.LimitIdempotencyKeys, KeyBytes: cfg.Config.LimitIdempotencyBytes,
		},
	})
	if err != nil {
		return routes{}, fmt.Errorf("setting up tasks: %w", err)
	}
	s.upkeep, s.removals = tasks.Upkeep, tasks.RunRemovals
	hook, err := newHook(cfg, tasks, accounts)
	if err != nil {
		return routes{}, err
	}
	api, err := newAPI(cfg, tasks, accounts)
	if err != nil {
		return routes{}, err
	}
	auth, authenticator, err := newAuth(ctx, cfg)
	if err != nil {
		return routes{}, err
	}
	if auth == nil {
		s.auth = authenticator
	}
	who := identify{
		authenticate: countSessions(cfg.Telemetry, authenticator.Authenticate),
		viewer:       accounts.Viewer,
		csrf:         csrf{origins: cfg.Config.CORSOrigins, public: cfg.Config.PublicURL},
		refusals:     newRefusalLog(cfg.Log, cfg.Now),
		log:          cfg.Log,
	}
	to := routes{
		graphql: chain(api, withClientAddress(cfg.Config.TrustedProxies), who.around),
		health:  &health{ping: cfg.DB.Ping, now: cfg.Now, draining: &s.draining},
		auth:    auth,
		hook:    hook,
	}
	if cfg.Config.Playground {
		to.playground, err = playground.Handler(playground.Config{Endpoint: graphqlPath, SignIn: auth != nil})
		if err != nil {
			return routes{}, fmt.Errorf("setting up the playground: %w", err)
		}
	}
	return to, nil
}

// newAPI builds the GraphQL endpoint.
func newAPI(cfg Config, tasks *task.Service, accounts *account.Service) (*graphqlhttp.Handler, error) {
	api, err := graph.New(graph.Config{
		Tasks:       tasks,
		Accounts:    accounts,
		Unavailable: database.IsUnavailable, NothingDone: database.NothingDone,
		UserBusy: database.IsUserBusy, ReadOnly: database.IsReadOnly,
		RequestID:     RequestID,
		Log:           cfg.Log,
		ResponseBytes: cfg.Config.LimitResponseBytes,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the API: %w", err)
	}
	spend, err := newBudgets(cfg)
	if err != nil {
		return nil, err
	}
	trusted, err := trustedDocuments(cfg.Config)
	if err != nil {
		return nil, err
	}
	page := ""
	if cfg.Config.Playground {
		page = "/"
	}
	handler, err := graphqlhttp.New(graphqlhttp.Config{
		TrustedDocuments: trusted,
		TrustedOnly:      cfg.Config.TrustedOnly(),

		AutomaticPersistedQueries: cfg.Config.APQ && !cfg.Config.TrustedOnly(),
		Page:                      page,
		Schema:                    api.Schema,
		PresentError:              api.PresentError,
		Recover:                   api.Recover,
		Release:                   api.Release,
		AroundOperations:          measured(cfg.Telemetry, api.Authorize),
		Introspection:             cfg.Config.Introspection,
		Scalars:                   api.Scalars,
		MaxBodyBytes:              int64(cfg.Config.LimitBodyBytes),
		Timeout:                   cfg.Config.LimitOperationTime,
		WriteTimeout:              writeTimeout,
		Limits:                    limitsOf(cfg.Config),
		Price:                     price,
		SignedIn:                  signedIn,
		Spend:                     spend,
		ReportCost:                cfg.Config.Environment == config.Development,
		ConditionalRequests:       validation(cfg, api),
		Observe:                   observe,
		Answered:                  answered(cfg.Telemetry),
	})
	if err != nil {
		return nil, fmt.Errorf("setting up GraphQL over HTTP: %w", err)
	}
	return handler, nil
}

// validation lets clients ask whether an answer still holds. A build that can't be told from the next one, such as one of
// changed sources, names itself anew at each start.
func validation(cfg Config, api *graph.API) graphqlhttp.ConditionalRequests {
	build := cfg.Version.Version + " " + cfg.Version.Commit
	if cfg.Version.Commit == "" || strings.HasSuffix(cfg.Version.Version, "-dirty") {
		build = rand.Text()
	}
	return graphqlhttp.ConditionalRequests{
		Validator: func(operation *graphql.OperationContext) graphqlhttp.Validator { return api.Validator(operation) },
		Build:     build,
		Now:       cfg.Now,
	}
}

// CheckTrustedDocuments returns all that is wrong with the manifest of trusted documents, nil where nothing is or there
// is none. It needs no database, so that a bad one is found before that is touched.
func CheckTrustedDocuments(cfg config.Config) error {
	documents, err := trustedDocuments(cfg)
	if unfit := graphqlhttp.CheckTrusted(graph.Schema(), scalar.Checks(), documents); unfit != nil {
		err = errors.Join(err, fmt.Errorf("checking TRUSTED_DOCUMENTS_FILE %s: %w", cfg.TrustedDocumentsFile, unfit))
	}
	return err
}

// trustedDocuments reads the manifest, where there is one. Beside an error come those documents that it could read.
func trustedDocuments(cfg config.Config) ([]graphqlhttp.TrustedDocument, error) {
	if cfg.TrustedDocuments == "off" {
		return nil, nil
	}
	manifest, err := os.ReadFile(cfg.TrustedDocumentsFile)
	if err != nil {
		return nil, fmt.Errorf("reading TRUSTED_DOCUMENTS_FILE: %w", err)
	}
	trusted, err := graphqlhttp.ParseManifest(manifest)
	if err != nil {
		return trusted, fmt.Errorf("reading TRUSTED_DOCUMENTS_FILE %s: %w", cfg.TrustedDocumentsFile, err)
	}
	return trusted, nil
}

// observe notes the operation for the access log.
func observe(ctx context.Context, op graphqlhttp.OperationInfo) {
	t := traceOf(ctx)
	t.operationName, t.operationType = op.Name, op.Type
}

// Sessions is what the configuration says of sessions, in betterauth's terms. (Diagnosis asks with the same.)
func Sessions(cfg config.Config) betterauth.Config {
	const day = 24 * time.Hour
	stale := cfg.SessionStaleTTL
	if stale == 0 {
		stale = -1 // betterauth's zero is its default
	}
	return betterauth.Config{
		APIKeyHeader:     cfg.AuthAPIKeyHeader,
		BaseURL:          cfg.AuthServerURL,
		BasePath:         cfg.AuthBasePath,
		JWKSPath:         cfg.AuthJWKSPath,
		Secret:           cfg.JWTSecret.Reveal(),
		CookiePrefix:     cfg.AuthCookiePrefix,
		CookieName:       cfg.AuthCookieName,
		Issuers:          cfg.AuthIssuers,
		Audiences:        cfg.AuthAudiences,
		TokenPattern:     cfg.TokenPattern(),
		TrustSessionData: cfg.TrustSessionData,
		Stateless:        cfg.AuthStateless,
		Algorithm:        cfg.JWTAlgorithm,
		MaxTokenAge:      time.Duration(cfg.AccessTokenExpireMinutes) * time.Minute,
		MaxSessionAge:    time.Duration(cfg.RefreshTokenExpireDays) * day,
		CacheTTL:         cfg.SessionCacheTTL,
		StaleTTL:         stale,
		Timeout:          min(betterauth.DefaultTimeout, cfg.LimitOperationTime),
	}
}

// newAuth builds what checks sessions: against the auth server, or against the embedded sign-in, whose
// handler is then the first result, else nil.
func newAuth(ctx context.Context, cfg Config) (http.Handler, *betterauth.Authenticator, error) {
	settings := Sessions(cfg.Config)
	settings.Now, settings.Log = cfg.Now, cfg.Log
	settings.ClientAddress = func(ctx context.Context) string { return traceOf(ctx).address }
	var handler http.Handler
	if cfg.Config.EmbeddedSignIn() {
		embedded, err := devauth.New(ctx, devauth.Config{
			DB:             cfg.DB.SQL,
			Dialect:        cfg.DB.Dialect,
			Secret:         settings.Secret,
			TrustedOrigins: cfg.Config.CORSOrigins.Allows,
			OnError:        func(ctx context.Context, code string) { traceOf(ctx).failed(code) },
			Now:            cfg.Now,
			Log:            cfg.Log,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("setting up the embedded sign-in: %w", err)
		}
		handler = embedded
		settings.BaseURL, settings.Secret, settings.Transport = embeddedAuthURL, embedded.Secret(), embedded.Transport()
		// It has Better Auth's own names and paths.
		settings.CookiePrefix, settings.CookieName, settings.BasePath, settings.JWKSPath = "", "", "", ""
		settings.TokenPattern, settings.Stateless = nil, false
		settings.APIKeyHeader = "" // It has no API keys.
	}
	measureSessions(cfg.Telemetry, &settings)
	authenticator, err := betterauth.New(settings)
	if err != nil {
		return nil, nil, fmt.Errorf("setting up sessions: %w", err)
	}
	return handler, authenticator, nil
}
