// Package config reads the environment variables into a typed, validated Config. The name, type, default and meaning of
// a variable are in the struct's tags, which the parser, the help text and the tables in docs/configuration.md are
// derived from. It imports none of our packages.
package config

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Environment is the kind of deployment. It decides the defaults and which variables are required.
type Environment string

// The environments. Test has the defaults of Development.
const (
	Development Environment = "development"
	Test        Environment = "test"
	Production  Environment = "production"
)

// LogFormat is the format of log lines.
type LogFormat string

// The log formats: key=value for people, or one JSON object per line for machines.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Config is the configuration of the server. Only Load returns a valid one.
//
// The tags: env is the variable's name; envDefault is its default, or devDefault outside of production and prodDefault
// in production; min, max and oneof bound the value. The help prints group and help as they are, shown instead of the
// default, and kind instead of the Go type.
type Config struct {
	Environment Environment `env:"ENVIRONMENT" group:"Server" shown:"development; production on Railway" oneof:"development,test,production" help:"Decides the defaults below and which variables are required. test has the defaults of development."`
	Host        string      `env:"HOST" group:"Server" kind:"address" shown:"all addresses" help:"The address to listen on. If empty, the server listens on all addresses, IPv6 included."`
	Port        int         `env:"PORT" group:"Server" envDefault:"8000" min:"1" max:"65535" help:"The port to listen on."`

	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" group:"Server" envDefault:"20s" min:"1s" max:"10m" help:"How long requests in progress may take to finish after SIGTERM or SIGINT."`

	DatabaseURL       Secret        `env:"DATABASE_URL" group:"Database" kind:"URL" devDefault:"sqlite:taskql.db" prodDefault:"required" help:"A postgres://, postgresql:// or sqlite: URL. schema=NAME (or currentSchema=NAME) puts the tables into that PostgreSQL schema. Several hosts (host1:5432,host2:5432) are tried until one accepts changes. If the host is public, the server certificate is verified, unless sslmode says otherwise; sslmode=no-verify turns that off."`
	DirectDatabaseURL Secret        `env:"DIRECT_DATABASE_URL" group:"Database" kind:"URL" shown:"DATABASE_URL" help:"The database without the connection pooler, for migrations, and for the one connection on which a replica hears of the changes of others (LISTEN). Set it if DATABASE_URL leads to a pooler."`
	DBMaxOpenConns    int           `env:"DB_MAX_OPEN_CONNS" group:"Database" envDefault:"10" min:"1" max:"1000" help:"The maximum number of open connections. One user's requests use at most half of them. /health uses one additional connection."`
	DBMaxIdleConns    int           `env:"DB_MAX_IDLE_CONNS" group:"Database" envDefault:"10" min:"1" max:"1000" help:"The maximum number of idle connections kept open."`
	DBConnMaxLifetime time.Duration `env:"DB_CONN_MAX_LIFETIME" group:"Database" envDefault:"30m" min:"1s" max:"24h" help:"The age at which a connection is closed."`
	DBConnMaxIdleTime time.Duration `env:"DB_CONN_MAX_IDLE_TIME" group:"Database" envDefault:"4m" min:"1s" max:"24h" help:"How long a connection may be idle before it is closed. Neon suspends a database that has had no connection for 5 minutes."`
	DBWait            time.Duration `env:"DB_WAIT" group:"Database" envDefault:"5s" min:"100ms" max:"30s" help:"How long a statement waits for a connection. After that, the client gets SERVICE_UNAVAILABLE with Retry-After."`
	// DBStatementCache is auto, on or off.
	DBStatementCache     string `env:"DB_STATEMENT_CACHE" group:"Database" envDefault:"auto" oneof:"auto,on,off" help:"Whether prepared statements are kept on PostgreSQL connections. auto turns this off if it finds a pooler that shares sessions between clients. on is correct behind a pooler only if that pooler tracks prepared statements (PgBouncer 1.21 or later with max_prepared_statements)."`
	DBStatementCacheSize int    `env:"DB_STATEMENT_CACHE_SIZE" group:"Database" envDefault:"256" min:"1" max:"10000" help:"The maximum number of prepared statements kept per connection."`

	// The limits of a workspace.
	LimitTasks            int `env:"LIMIT_TASKS" group:"Limits" envDefault:"100000" min:"1" max:"10000000" help:"The maximum number of tasks in a workspace, including the trash."`
	LimitTags             int `env:"LIMIT_TAGS" group:"Limits" envDefault:"500" min:"1" max:"10000" help:"The maximum number of tags in a workspace."`
	LimitTagsPerTask      int `env:"LIMIT_TAGS_PER_TASK" group:"Limits" envDefault:"50" min:"1" max:"500" help:"The maximum number of tags on a task."`
	LimitSubtasks         int `env:"LIMIT_SUBTASKS" group:"Limits" envDefault:"1000" min:"1" max:"100000" help:"The maximum number of subtasks of one task."`
	LimitProjects         int `env:"LIMIT_PROJECTS" group:"Limits" envDefault:"500" min:"1" max:"10000" help:"The maximum number of projects in a workspace, including those that are archived or in the trash."`
	LimitSections         int `env:"LIMIT_SECTIONS" group:"Limits" envDefault:"50" min:"1" max:"500" help:"The maximum number of sections of one project."`
	LimitIdempotencyKeys  int `env:"LIMIT_IDEMPOTENCY_KEYS" group:"Limits" envDefault:"10000" min:"100" max:"100000" help:"The maximum number of idempotency keys that are remembered for a workspace. If there are more within 24 hours, the oldest are forgotten."`
	LimitIdempotencyBytes int `env:"LIMIT_IDEMPOTENCY_BYTES" group:"Limits" envDefault:"16777216" min:"1048576" max:"1073741824" help:"The maximum length of those keys and their answers, in bytes. An answer has a task's fields; a bulk mutation's has those of all its tasks. The newest key is remembered whatever its length."`
	LimitHistoryBytes     int `env:"LIMIT_HISTORY_BYTES" group:"Limits" envDefault:"16777216" min:"1048576" max:"1073741824" help:"The maximum length of the old descriptions in a workspace's history, in bytes. Beyond it the oldest are forgotten before HISTORY_DAYS have passed; the rest of the history stays."`

	// The limits of streams: event streams and WebSockets.
	LimitStreams      int `env:"LIMIT_STREAMS" group:"Limits" envDefault:"100" min:"1" max:"10000" help:"The maximum number of event streams and WebSockets that a user may have open. Clients that are not signed in are counted by their address."`
	LimitStreamsTotal int `env:"LIMIT_STREAMS_TOTAL" group:"Limits" envDefault:"10000" min:"1" max:"1000000" help:"The maximum number of event streams and WebSockets of this process. Each takes a file descriptor and about 8 kB. All together have at most four times as many subscriptions."`

	LimitSubscriptions int `env:"LIMIT_SUBSCRIPTIONS" group:"Limits" envDefault:"100" min:"1" max:"10000" help:"The maximum number of subscriptions of one WebSocket. An event stream has one."`

	// The limits of a request, a document and a response.
	LimitBodyBytes          int           `env:"LIMIT_BODY_BYTES" group:"Limits" envDefault:"1048576" min:"1024" max:"104857600" help:"The maximum length of a GraphQL request body, in bytes."`
	LimitDocumentBytes      int           `env:"LIMIT_DOCUMENT_BYTES" group:"Limits" envDefault:"65536" min:"1024" max:"1048576" help:"The maximum length of a GraphQL document, in bytes."`
	LimitTokens             int           `env:"LIMIT_TOKENS" group:"Limits" envDefault:"2000" min:"100" max:"20000" help:"The maximum number of lexical tokens in a document. Comments count. Clients that are not signed in get half of it."`
	LimitDepth              int           `env:"LIMIT_DEPTH" group:"Limits" envDefault:"12" min:"1" max:"100" help:"How deep fields may be nested. Introspection has its own limit."`
	LimitAliases            int           `env:"LIMIT_ALIASES" group:"Limits" envDefault:"30" min:"1" max:"1000" help:"The maximum number of aliases in a document."`
	LimitRootFields         int           `env:"LIMIT_ROOT_FIELDS" group:"Limits" envDefault:"20" min:"1" max:"1000" help:"The maximum number of root fields in an operation."`
	LimitDirectives         int           `env:"LIMIT_DIRECTIVES" group:"Limits" envDefault:"50" min:"1" max:"1000" help:"The maximum number of directives in a document."`
	LimitDirectivesPerPlace int           `env:"LIMIT_DIRECTIVES_PER_PLACE" group:"Limits" envDefault:"4" min:"1" max:"100" help:"The maximum number of directives on one field, fragment, variable or operation."`
	LimitCost               int           `env:"LIMIT_COST" group:"Limits" envDefault:"5000" min:"100" max:"1000000" help:"The maximum cost of an operation. A field costs 1, a description 4; a page costs its size times the cost of one element."`
	LimitResponseBytes      int           `env:"LIMIT_RESPONSE_BYTES" group:"Limits" envDefault:"8388608" min:"65536" max:"104857600" help:"The maximum length of a response's data, in bytes. A page of 100 tasks whose descriptions have 10,000 characters each takes 1 to 4 MB."`
	LimitErrors             int           `env:"LIMIT_ERRORS" group:"Limits" envDefault:"20" min:"1" max:"1000" help:"The maximum number of errors in a response."`
	LimitOperationTime      time.Duration `env:"LIMIT_OPERATION_TIME" group:"Limits" envDefault:"10s" min:"1s" max:"50s" help:"How long a GraphQL operation may take, counted from when its request has been read. Before that, the session check has the same limit of its own (5s for the auth server), and a request must arrive within 60 seconds."`
	// LimitStatementTime is PostgreSQL's statement_timeout. That is a setting of a session, so it can't be used with a
	// pooler, whose clients share sessions.
	LimitStatementTime time.Duration `env:"LIMIT_STATEMENT_TIME" group:"Limits" envDefault:"5s" min:"100ms" max:"60s" help:"How long PostgreSQL may take for one statement. Not applied if DATABASE_URL leads to a connection pooler or sets statement_timeout itself."`

	// RateLimit is the cost per minute that a signed-in user may spend; other clients may spend a tenth of it. 0 means
	// no limit.
	RateLimit RateLimit `env:"RATE_LIMIT" group:"Limits" kind:"number or off" envDefault:"100000" help:"The cost that a signed-in user may spend per minute, 10 to 1000000000; it may be spent all at once. Clients that are not signed in get a tenth of it per address. off means no limit."`
	// TrustedProxies is 1 by default on Railway.
	TrustedProxies int `env:"TRUSTED_PROXIES" group:"Limits" envDefault:"0" shown:"0; 1 on Railway" min:"0" max:"10" help:"How many of your proxies are in front of the server and append to X-Forwarded-For. The client address is the entry at that position from the right. If the number is too high, clients can choose their own address."`

	// AuthServerURL is the Better Auth server's base URL, without a trailing slash. If it has a path, AuthBasePath does
	// not apply. If it is empty, the server uses the embedded development sign-in, which is allowed neither in
	// production nor on Railway.
	AuthServerURL string `env:"AUTH_SERVER_URL" group:"Sessions" kind:"URL" devDefault:"the embedded sign-in" prodDefault:"required" help:"The URL of the Better Auth server. As in Better Auth's own baseURL, a path is used as it is, and without one AUTH_BASE_PATH is appended. In production it must be https, unless the host is private or loopback. Required on Railway, in every environment."`
	AuthBasePath  string `env:"AUTH_BASE_PATH" group:"Sessions" kind:"path" envDefault:"/api/auth" help:"The auth server's basePath, if AUTH_SERVER_URL has no path. / is for endpoints without a base path."`
	AuthJWKSPath  string `env:"AUTH_JWKS_PATH" group:"Sessions" kind:"path" envDefault:"/jwks" help:"The jwt plugin's jwks.jwksPath: where below the base path its keys are."`
	// JWTSecret is the auth server's secret, from JWT_SECRET or BETTER_AUTH_SECRET. If it is empty, the embedded
	// sign-in generates one.
	JWTSecret                Secret        `env:"JWT_SECRET" group:"Sessions" devDefault:"generated once, kept in the database" prodDefault:"required" help:"The auth server's BETTER_AUTH_SECRET, exactly the same text. At least 32 characters; in production, shorter secrets, repeated patterns and well-known placeholders are refused. Required if AUTH_SERVER_URL is set."`
	BetterAuthSecret         Secret        `env:"BETTER_AUTH_SECRET" group:"Sessions" shown:"JWT_SECRET" help:"Another name for JWT_SECRET: the one that Better Auth uses."`
	SessionCacheTTL          time.Duration `env:"SESSION_CACHE_TTL" group:"Sessions" envDefault:"15s" min:"1s" max:"10m" help:"How long an answer of the auth server is cached. A session that was signed out stays valid here for at most this long."`
	JWTAlgorithm             string        `env:"JWT_ALGORITHM" group:"Sessions" envDefault:"HS256" oneof:"HS256,HS384,HS512" help:"The algorithm accepted for session data that is signed with the secret."`
	AccessTokenExpireMinutes int           `env:"ACCESS_TOKEN_EXPIRE_MINUTES" group:"Sessions" envDefault:"15" min:"1" max:"1440" help:"How long a locally verified session or JWT is trusted after it was issued, in minutes."`
	RefreshTokenExpireDays   int           `env:"REFRESH_TOKEN_EXPIRE_DAYS" group:"Sessions" envDefault:"7" min:"1" max:"3650" help:"How long a session is accepted after it was created or last refreshed, in days."`

	// AuthCookiePrefix and AuthCookieName are without __Secure-. If both are set, the name applies to the session
	// cookie.
	AuthCookiePrefix string `env:"AUTH_COOKIE_PREFIX" group:"Sessions" kind:"name" envDefault:"better-auth" help:"The auth server's advanced.cookiePrefix. The session cookie is then called PREFIX.session_token."`
	AuthCookieName   string `env:"AUTH_COOKIE_NAME" group:"Sessions" kind:"name" shown:"PREFIX.session_token" help:"The full name of the session cookie, if the auth server chooses its own. A __Secure- prefix may be left out: it is found anyway. A __Host- prefix belongs to the name."`
	// AuthAPIKeyHeader is empty if the variable is off.
	AuthAPIKeyHeader string `env:"AUTH_API_KEY_HEADER" group:"Sessions" kind:"name" envDefault:"x-api-key" help:"The header that holds API keys, as in apiKeyHeaders of the auth server's apiKey plugin. off ignores API keys."`
	// AuthTokenPattern is compiled by TokenPattern.
	AuthTokenPattern string `env:"AUTH_TOKEN_PATTERN" group:"Sessions" kind:"pattern" shown:"[A-Za-z0-9]{32}" help:"What the auth server's session tokens look like, if its hooks make tokens of their own: a regular expression in Go's syntax for the whole token, such as sess_[A-Za-z0-9]{32}. server doctor suggests one."`
	// AuthIssuers are the accepted issuers (iss) of JWTs. The default is AuthServerURL's origin.
	AuthIssuers []string `env:"AUTH_ISSUER" group:"Sessions" kind:"list" shown:"AUTH_SERVER_URL's origin" help:"The issuers of the tokens from the jwt plugin, separated by commas: the origin of the auth server's baseURL, or the plugin's jwt.issuer. Set it if AUTH_SERVER_URL is not the auth server's own baseURL. With baseURL.allowedHosts there is one issuer for each host."`
	// AuthAudiences are the accepted audiences (aud) of JWTs. The default is AuthIssuers.
	AuthAudiences    []string `env:"AUTH_AUDIENCE" group:"Sessions" kind:"list" shown:"AUTH_ISSUER" help:"The audiences of these tokens, separated by commas: the plugin's jwt.audience. A token needs one of them."`
	TrustSessionData bool     `env:"TRUST_SESSION_DATA" group:"Sessions" envDefault:"off" help:"Whether the auth server's cookie cache (session_data) is accepted without asking the auth server. A session that was signed out then stays valid until that cookie expires."`
	// AuthStateless forwards session_data to the auth server.
	AuthStateless   bool          `env:"AUTH_STATELESS" group:"Sessions" envDefault:"off" help:"Whether Better Auth has no database, so that the session is in session_data only. The auth server then answers from that cookie. If it has a database, leave this off: a session that was signed out would stay valid until that cookie expires."`
	SessionStaleTTL time.Duration `env:"SESSION_STALE_TTL" group:"Sessions" envDefault:"2m" min:"0s" max:"1h" help:"How much longer a cached session stays valid while the auth server can't be reached."`
	StreamRecheck   time.Duration `env:"STREAM_RECHECK" group:"Sessions" envDefault:"5m" min:"10s" max:"24h" help:"How often the sessions of event streams and WebSockets are checked while nothing is sent to them. Before something is sent, SESSION_CACHE_TTL applies. At most 5 are checked per second, and JWTs when they expire."`
	// UserProvisioning is auto or strict.
	UserProvisioning string `env:"USER_PROVISIONING" group:"Sessions" envDefault:"auto" oneof:"auto,strict" help:"auto creates a row for a user who is seen for the first time. strict refuses users without a row: User not found."`

	// AuthHookSecret signs the auth server's events. If it is empty, events are not accepted.
	AuthHookSecret Secret `env:"AUTH_HOOK_SECRET" group:"Sessions" shown:"" help:"The key with which the auth server signs its events: deleted and banned users, anonymous ones who registered, and ended sessions (erasure.md). Any text of at least 32 characters except JWT_SECRET, the same on both servers. If it is not set, POST /hooks/better-auth answers 404."`

	// Organizations is off for a server that never asks for memberships.
	Organizations  bool           `env:"ORGANIZATIONS" group:"Organizations" envDefault:"on" help:"Whether the members of an organization share a workspace. Needs Better Auth's organization plugin; without it, users have their personal workspaces. off never asks the auth server about organizations."`
	WorkspaceRoles WorkspaceRoles `env:"WORKSPACE_ROLES" group:"Organizations" kind:"roles" envDefault:"owner,admin:ADMIN;member:WRITE" help:"What the roles of an organization's members allow in its workspace. READ allows reading, WRITE also changing tasks, tags, sections and projects, ADMIN also deleting projects and purging. Of several roles the strongest counts. A role that is not listed allows READ."`

	CORSOrigins   Origins `env:"CORS_ORIGINS" group:"API" kind:"origins" devDefault:"http://localhost:3000,http://localhost:5173" prodDefault:"required" help:"The origins of the frontends, separated by commas. In https://*.example.com the * stands for one label. A * alone is refused, and so is a * where anybody can take a name, as in https://*.vercel.app. Apps are listed exactly, as in capacitor://localhost."`
	Playground    bool    `env:"PLAYGROUND" group:"API" devDefault:"on" prodDefault:"off" help:"Whether / serves the query editor."`
	Introspection bool    `env:"INTROSPECTION" group:"API" devDefault:"on" prodDefault:"off" help:"Whether clients may read the schema. If off, error messages contain no suggestions either."`

	// TrustedDocuments is off, allow or only; see TrustedOnly.
	TrustedDocuments     string `env:"TRUSTED_DOCUMENTS" group:"API" envDefault:"off" oneof:"off,allow,only" help:"\x60allow\x60 lets clients send the hash of a document in TRUSTED_DOCUMENTS_FILE instead of its text; the document limits do not apply to it. \x60only\x60 also refuses all other documents. Outside production it works like \x60allow\x60."`
	TrustedDocumentsFile string `env:"TRUSTED_DOCUMENTS_FILE" group:"API" kind:"path" shown:"" help:"The manifest that your client's build writes: a JSON object from hash to document, as Relay's persistConfig writes it, or Apollo's persisted query manifest. It is read and checked at startup."`
	APQ                  bool   `env:"APQ" group:"API" envDefault:"off" help:"Automatic persisted queries: whether clients such as Apollo may register documents by their SHA-256. Each process keeps up to 8 MiB of them."`

	FeedDays    int `env:"FEED_DAYS" group:"API" envDefault:"90" min:"1" max:"3650" help:"For how many days clients with a copy of a workspace can be told what was deleted for good. A client that was offline for longer loads everything again."`
	HistoryDays int `env:"HISTORY_DAYS" group:"API" envDefault:"90" min:"1" max:"3650" help:"For how many days the history of tasks is kept: who changed what, and the values before. It is what changes are undone by."`

	// PublicURL is the URL at which browsers reach this server.
	PublicURL string `env:"PUBLIC_URL" group:"API" kind:"URL" shown:"https://RAILWAY_PUBLIC_DOMAIN" help:"The URL at which browsers reach this server: the frontend's own origin if it proxies /graphql. It counts as same-origin, and the server uses it to check whether cookies can work."`

	LogLevel  slog.Level `env:"LOG_LEVEL" group:"Logs" kind:"text" envDefault:"info" shown:"info" oneof:"debug,info,warning,warn,error" help:"The lowest level that is logged."`
	LogFormat LogFormat  `env:"LOG_FORMAT" group:"Logs" devDefault:"text" prodDefault:"json" oneof:"text,json" help:"text is for people, json for log collectors."`
	// DebugAddr is the host:port of profiles and metrics, which must be private. If it is empty, they are not served.
	DebugAddr string `env:"DEBUG_ADDR" group:"Logs" kind:"address" shown:"off" help:"The address for Go's profiles (/debug/pprof/) and Prometheus metrics (/metrics), such as 127.0.0.1:6060. It must be a loopback or private address, because everyone who can reach it can read them."`

	RailwayEnvironment     string `env:"RAILWAY_ENVIRONMENT" group:"Set by Railway" shown:"" help:"If it is set, ENVIRONMENT defaults to production, and the embedded sign-in is refused."`
	RailwayEnvironmentName string `env:"RAILWAY_ENVIRONMENT_NAME" group:"Set by Railway" shown:"" help:"The same, under Railway's newer name."`
	RailwayPublicDomain    string `env:"RAILWAY_PUBLIC_DOMAIN" group:"Set by Railway" shown:"" help:"The domain of this service. It is the default of PUBLIC_URL."`

	// Warnings are problems with which the server can run. They contain no secret. See also Topology and PoolerWarning.
	Warnings []string `env:"-"`
}

// Production reports whether the configuration is a production one.
func (c Config) Production() bool { return c.Environment == Production }

// OnRailway reports whether the process runs on Railway.
func (c Config) OnRailway() bool { return c.RailwayEnvironment != "" || c.RailwayEnvironmentName != "" }

// TrustedOnly reports whether documents that are not in the manifest are refused. Outside of production they never are,
// because people try queries out there.
func (c Config) TrustedOnly() bool { return c.TrustedDocuments == "only" && c.Production() }

// SecureAuth reports whether the auth server's URL is https, so that its cookies have the prefix __Secure-.
func (c Config) SecureAuth() bool { return strings.HasPrefix(c.AuthServerURL, "https://") }

// EmbeddedSignIn reports whether the server answers /api/auth itself, which it does neither in production nor on
// Railway.
func (c Config) EmbeddedSignIn() bool {
	return c.AuthServerURL == "" && !c.Production() && !c.OnRailway()
}

// Problem is an invalid variable, with a message that continues after the variable's name and says what to do. It never
// contains a secret.
type Problem struct {
	Variable string
	Message  string
}

// Problems lists everything that is wrong with the environment. Load returns it as its error.
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

// Error lists the problems, one per line.
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
