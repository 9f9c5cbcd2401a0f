// Package config reads the environment into one typed, validated Config. Everything known of a variable
// (name, type, default, meaning) stands in the struct's tags: the parser, the help text and the README's
// table all read it there. It imports nothing of ours.
package config

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Environment is the kind of deployment: it decides defaults and what is required.
type Environment string

// The three environments. Test takes development's defaults.
const (
	Development Environment = "development"
	Test        Environment = "test"
	Production  Environment = "production"
)

// LogFormat is how log lines are written.
type LogFormat string

// The two log formats: key=value text for people, one JSON object a line for machines.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Config is the server's whole configuration. Load alone makes a valid one.
//
// The tags: env is the variable, envDefault its default everywhere, devDefault and prodDefault those outside
// and in production, shown replaces the default in help, min, max and oneof bound the value, kind names its
// type in help where the Go type doesn't, group and help are printed as they are.
type Config struct {
	Environment Environment `env:"ENVIRONMENT" group:"Server" shown:"development; production on Railway" oneof:"development,test,production" help:"Decides the defaults below and what is required. test takes development's defaults."`
	Host        string      `env:"HOST" group:"Server" kind:"address" shown:"all addresses" help:"The address to listen on. Empty listens on all, IPv6 included."`
	Port        int         `env:"PORT" group:"Server" envDefault:"8000" min:"1" max:"65535" help:"The port to listen on."`

	// ShutdownTimeout bounds how long requests in flight may take to finish after SIGTERM.
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" group:"Server" envDefault:"20s" min:"1s" max:"10m" help:"How long requests in flight may take to finish after SIGTERM or SIGINT."`

	DatabaseURL       Secret        `env:"DATABASE_URL" group:"Database" kind:"URL" devDefault:"sqlite:taskql.db" prodDefault:"required" help:"postgres://, postgresql:// or sqlite:. The certificate of a PostgreSQL with a public name is verified, unless sslmode says otherwise; no-verify leaves that out."`
	DirectDatabaseURL Secret        `env:"DIRECT_DATABASE_URL" group:"Database" kind:"URL" shown:"DATABASE_URL" help:"For migrations, where DATABASE_URL leads to a connection pooler."`
	DBMaxOpenConns    int           `env:"DB_MAX_OPEN_CONNS" group:"Database" envDefault:"10" min:"1" max:"1000" help:"The most connections open at once, besides one for /health."`
	DBMaxIdleConns    int           `env:"DB_MAX_IDLE_CONNS" group:"Database" envDefault:"10" min:"1" max:"1000" help:"The most idle connections kept."`
	DBConnMaxLifetime time.Duration `env:"DB_CONN_MAX_LIFETIME" group:"Database" envDefault:"30m" min:"1s" max:"24h" help:"A connection is closed at this age."`
	DBConnMaxIdleTime time.Duration `env:"DB_CONN_MAX_IDLE_TIME" group:"Database" envDefault:"4m" min:"1s" max:"24h" help:"An idle connection is closed after this. Neon sleeps after 5 minutes without one."`
	DBWait            time.Duration `env:"DB_WAIT" group:"Database" envDefault:"5s" min:"100ms" max:"30s" help:"How long a statement waits for a connection at most, free or new. Then the client is told to come back: SERVICE_UNAVAILABLE, Retry-After."`
	// DBStatementCache is auto, on or off.
	DBStatementCache     string `env:"DB_STATEMENT_CACHE" group:"Database" envDefault:"auto" oneof:"auto,on,off" help:"Keep prepared statements on PostgreSQL's connections. auto keeps none behind a pooler that shares sessions; on is for one that tracks statements (PgBouncer 1.21 or later with max_prepared_statements), and wrong behind any other."`
	DBStatementCacheSize int    `env:"DB_STATEMENT_CACHE_SIZE" group:"Database" envDefault:"256" min:"1" max:"10000" help:"The most prepared statements kept on one connection."`

	// The limits of a workspace.
	LimitTasks       int `env:"LIMIT_TASKS" group:"Limits" envDefault:"100000" min:"1" max:"10000000" help:"The most tasks of a workspace, the trash included."`
	LimitTags        int `env:"LIMIT_TAGS" group:"Limits" envDefault:"500" min:"1" max:"10000" help:"The most tags of a workspace."`
	LimitTagsPerTask int `env:"LIMIT_TAGS_PER_TASK" group:"Limits" envDefault:"50" min:"1" max:"500" help:"The most tags of a task."`
	LimitSubtasks    int `env:"LIMIT_SUBTASKS" group:"Limits" envDefault:"1000" min:"1" max:"100000" help:"The most subtasks of a parent."`

	// The limits of a request, a document and an answer.
	LimitBodyBytes          int           `env:"LIMIT_BODY_BYTES" group:"Limits" envDefault:"1048576" min:"1024" max:"104857600" help:"The longest body of a GraphQL request, in bytes."`
	LimitDocumentBytes      int           `env:"LIMIT_DOCUMENT_BYTES" group:"Limits" envDefault:"65536" min:"1024" max:"1048576" help:"The longest GraphQL document, in bytes."`
	LimitTokens             int           `env:"LIMIT_TOKENS" group:"Limits" envDefault:"2000" min:"100" max:"20000" help:"The most lexical tokens of a document, comments counted; half of it for clients that are not signed in."`
	LimitDepth              int           `env:"LIMIT_DEPTH" group:"Limits" envDefault:"12" min:"1" max:"100" help:"How deep fields may nest. Introspection has a depth of its own."`
	LimitAliases            int           `env:"LIMIT_ALIASES" group:"Limits" envDefault:"30" min:"1" max:"1000" help:"The most aliases of a document."`
	LimitRootFields         int           `env:"LIMIT_ROOT_FIELDS" group:"Limits" envDefault:"20" min:"1" max:"1000" help:"The most root fields of an operation."`
	LimitDirectives         int           `env:"LIMIT_DIRECTIVES" group:"Limits" envDefault:"50" min:"1" max:"1000" help:"The most directives of a document."`
	LimitDirectivesPerPlace int           `env:"LIMIT_DIRECTIVES_PER_PLACE" group:"Limits" envDefault:"4" min:"1" max:"100" help:"The most directives on one field, fragment, variable or operation."`
	LimitCost               int           `env:"LIMIT_COST" group:"Limits" envDefault:"5000" min:"100" max:"1000000" help:"The most that an operation may cost. A field costs 1, a page its size times what is selected on each element."`
	LimitErrors             int           `env:"LIMIT_ERRORS" group:"Limits" envDefault:"20" min:"1" max:"1000" help:"The most errors of an answer."`
	LimitOperationTime      time.Duration `env:"LIMIT_OPERATION_TIME" group:"Limits" envDefault:"10s" min:"1s" max:"50s" help:"How long a GraphQL request may take, its session included."`
	// LimitStatementTime is PostgreSQL's statement_timeout. It needs a session, so a pooler in between goes without.
	LimitStatementTime time.Duration `env:"LIMIT_STATEMENT_TIME" group:"Limits" envDefault:"5s" min:"100ms" max:"60s" help:"How long PostgreSQL may take for one statement. Not where DATABASE_URL leads to a connection pooler or has a statement_timeout of its own."`

	// RateLimit is the cost a minute that a user may spend; a signed-out address a tenth of it. 0 is off.
	RateLimit RateLimit `env:"RATE_LIMIT" group:"Limits" kind:"number or off" envDefault:"100000" help:"The cost that a signed-in user may spend a minute, all at once if need be; 10 to 1000000000. A client that is not signed in has a tenth for its address. off is no limit."`
	// TrustedProxies is how many proxies in front append to X-Forwarded-For. Load makes it 1 on Railway.
	TrustedProxies int `env:"TRUSTED_PROXIES" group:"Limits" envDefault:"0" shown:"0; 1 on Railway" min:"0" max:"10" help:"How many proxies of yours stand in front of the server and append to X-Forwarded-For: the client's address is read that far from the right. Wrong figures let clients choose their address."`

	// AuthServerURL is the Better Auth server's base URL without a trailing slash or /api/auth. Empty means
	// the embedded development sign-in, which Load allows neither in production nor on Railway.
	AuthServerURL string `env:"AUTH_SERVER_URL" group:"Sessions" kind:"URL" devDefault:"the embedded sign-in" prodDefault:"required" help:"The Better Auth server. https in production, unless the host is private or loopback. Required on Railway."`
	// JWTSecret is the auth server's secret; Load also puts BETTER_AUTH_SECRET here. Empty means that the
	// embedded sign-in makes its own.
	JWTSecret        Secret `env:"JWT_SECRET" group:"Sessions" devDefault:"made once, kept in the database" prodDefault:"required" help:"The auth server's secret, at least 32 characters. Required with AUTH_SERVER_URL."`
	BetterAuthSecret Secret `env:"BETTER_AUTH_SECRET" group:"Sessions" shown:"JWT_SECRET" help:"Another name for JWT_SECRET: Better Auth's own."`
	// SessionCacheTTL is how long an answer of the auth server is trusted, and so the longest that a
	// signed-out session goes on here.
	SessionCacheTTL time.Duration `env:"SESSION_CACHE_TTL" group:"Sessions" envDefault:"15s" min:"1s" max:"10m" help:"How long an answer of the auth server is remembered: a session that signed out ends here within this."`
	JWTAlgorithm    string        `env:"JWT_ALGORITHM" group:"Sessions" envDefault:"HS256" oneof:"HS256,HS384,HS512" help:"The algorithm accepted for session data signed with the secret."`
	// AccessTokenExpireMinutes is the longest that a locally verified session is trusted since it was issued.
	AccessTokenExpireMinutes int `env:"ACCESS_TOKEN_EXPIRE_MINUTES" group:"Sessions" envDefault:"15" min:"1" max:"1440" help:"Minutes a locally verified session is trusted since it was issued."`
	// RefreshTokenExpireDays is the oldest session accepted since its creation or last refresh.
	RefreshTokenExpireDays int `env:"REFRESH_TOKEN_EXPIRE_DAYS" group:"Sessions" envDefault:"7" min:"1" max:"3650" help:"Days since its creation or last refresh after which a session is refused."`

	// AuthCookiePrefix and AuthCookieName name the session cookie without the __Secure- that may stand in front.
	// The name counts where both are given.
	AuthCookiePrefix string `env:"AUTH_COOKIE_PREFIX" group:"Sessions" kind:"name" envDefault:"better-auth" help:"The auth server's advanced.cookiePrefix: the session cookie is PREFIX.session_token."`
	AuthCookieName   string `env:"AUTH_COOKIE_NAME" group:"Sessions" kind:"name" shown:"PREFIX.session_token" help:"The session cookie's whole name, where the auth server sets one. A __Secure- in front is found by itself."`
	// AuthIssuer is what a JWT's iss and aud have to be. Load makes it AuthServerURL's origin where it is not given.
	AuthIssuer string `env:"AUTH_ISSUER" group:"Sessions" shown:"AUTH_SERVER_URL's origin" help:"The issuer and audience of the jwt plugin's tokens. Set it where AUTH_SERVER_URL is not the auth server's own baseURL."`
	// TrustSessionData lets a signed session_data cookie stand for an answer of the auth server.
	TrustSessionData bool `env:"TRUST_SESSION_DATA" group:"Sessions" envDefault:"off" help:"Believe the auth server's cookie cache (session_data) without asking. A session that signed out goes on until that cookie expires."`
	// SessionStaleTTL is how much longer than SessionCacheTTL a session goes on while the auth server is down.
	SessionStaleTTL time.Duration `env:"SESSION_STALE_TTL" group:"Sessions" envDefault:"2m" min:"0s" max:"1h" help:"How much longer a remembered session goes on while the auth server can't be asked."`
	// UserProvisioning is auto or strict.
	UserProvisioning string `env:"USER_PROVISIONING" group:"Sessions" envDefault:"auto" oneof:"auto,strict" help:"auto makes a user's row on first sight; strict refuses users without one: User not found."`

	CORSOrigins   Origins `env:"CORS_ORIGINS" group:"API" kind:"origins" devDefault:"http://localhost:3000" prodDefault:"required" help:"Origins of the frontends, separated by commas; https://*.example.com stands for one label. * is refused."`
	Playground    bool    `env:"PLAYGROUND" group:"API" devDefault:"on" prodDefault:"off" help:"The query editor at /."`
	Introspection bool    `env:"INTROSPECTION" group:"API" devDefault:"on" prodDefault:"off" help:"Lets clients read the schema. Off also takes suggestions out of error messages."`

	// TrustedDocuments is off, allow or only; TrustedDocumentsFile is the manifest. See TrustedOnly.
	TrustedDocuments     string `env:"TRUSTED_DOCUMENTS" group:"API" envDefault:"off" oneof:"off,allow,only" help:"allow lets clients name the documents of TRUSTED_DOCUMENTS_FILE by their hash, free of the limits on documents; only refuses all others too, in production: elsewhere it is allow."`
	TrustedDocumentsFile string `env:"TRUSTED_DOCUMENTS_FILE" group:"API" kind:"path" shown:"" help:"The manifest that the client's build writes: JSON from hash to document as Relay's persistConfig has it, or Apollo's persisted query manifest. Read and checked at the start."`
	// APQ lets clients register documents by their hash.
	APQ bool `env:"APQ" group:"API" envDefault:"off" help:"Automatic persisted queries: keeps documents that clients register by their SHA-256, as Apollo's do, 8 MiB of them in each process."`

	// PublicURL is where browsers reach this server: the frontend's origin, where that proxies /graphql.
	PublicURL string `env:"PUBLIC_URL" group:"API" kind:"URL" shown:"https://RAILWAY_PUBLIC_DOMAIN" help:"Where browsers reach this server: the frontend's own origin where it proxies /graphql. Checks whether cookies can work, and counts as same-origin."`

	LogLevel  slog.Level `env:"LOG_LEVEL" group:"Logs" kind:"text" envDefault:"info" shown:"info" oneof:"debug,info,warning,warn,error" help:"The least serious line that is written."`
	LogFormat LogFormat  `env:"LOG_FORMAT" group:"Logs" devDefault:"text" prodDefault:"json" oneof:"text,json" help:"text for people, json for machines."`
	// DebugAddr is where profiles and metrics are served, as host:port; empty for nowhere. Load takes private addresses alone.
	DebugAddr string `env:"DEBUG_ADDR" group:"Logs" kind:"address" shown:"nowhere" help:"Where Go's profiles (/debug/pprof/) and metrics for Prometheus (/metrics) are served, as in 127.0.0.1:6060. Only a loopback or private address is taken, since anybody who reaches it may read them."`

	RailwayEnvironment     string `env:"RAILWAY_ENVIRONMENT" group:"Set by Railway" shown:"" help:"Where it is set, ENVIRONMENT is production unless it says otherwise, and the embedded sign-in is refused."`
	RailwayEnvironmentName string `env:"RAILWAY_ENVIRONMENT_NAME" group:"Set by Railway" shown:"" help:"The same, under Railway's newer name."`
	RailwayPublicDomain    string `env:"RAILWAY_PUBLIC_DOMAIN" group:"Set by Railway" shown:"" help:"The domain of this service, for PUBLIC_URL."`

	// Warnings are what the operator should know of the variables but the server can live with. They hold no
	// secret. See also Topology and PoolerAdvice.
	Warnings []string `env:"-"`
}

// Production reports whether the configuration is a production one.
func (c Config) Production() bool { return c.Environment == Production }

// OnRailway reports whether the process runs on Railway.
func (c Config) OnRailway() bool { return c.RailwayEnvironment != "" || c.RailwayEnvironmentName != "" }

// TrustedOnly reports whether documents outside of the manifest are refused: never outside of production, where people
// try queries out.
func (c Config) TrustedOnly() bool { return c.TrustedDocuments == "only" && c.Production() }

// SecureAuth reports whether the auth server is reached by https, and its cookies so bear the __Secure- name.
func (c Config) SecureAuth() bool { return strings.HasPrefix(c.AuthServerURL, "https://") }

// EmbeddedSignIn reports whether the server answers /api/auth itself. Never in production, never on Railway.
func (c Config) EmbeddedSignIn() bool {
	return c.AuthServerURL == "" && !c.Production() && !c.OnRailway()
}

// Problem is one thing wrong with the environment: the variable, and what to do about it. It never holds
// the value of a secret.
type Problem struct {
	Variable string
	Message  string
}

// Problems is everything wrong with the environment at once. Load returns it as its error.
type Problems []Problem

// Of returns the problem of a variable, and whether there is one.
func (p Problems) Of(variable string) (Problem, bool) {
	for _, problem := range p {
		if problem.Variable == variable {
			return problem, true
		}
	}
	return Problem{}, false
}

// Error lists the problems, one a line.
func (p Problems) Error() string {
	var b strings.Builder
	if len(p) == 1 {
		b.WriteString("the configuration has a problem:")
	} else {
		fmt.Fprintf(&b, "the configuration has %d problems:", len(p))
	}
	for _, problem := range p {
		fmt.Fprintf(&b, "\n  %s %s", problem.Variable, problem.Message)
	}
	return b.String()
}
