package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// secret must not appear in any message.
const secret = "hunter2-mQ0cXoV3r9pT1bZ7yH5kD2sJ8wE4uA6f"

// production returns the variables that production requires, with the changes.
func production(changes map[string]string) map[string]string {
	environ := map[string]string{
		"ENVIRONMENT":     "production",
		"DATABASE_URL":    "postgres://app:" + secret + "@db.example.com/tasks",
		"AUTH_SERVER_URL": "https://auth.example.com",
		"JWT_SECRET":      secret,
		"CORS_ORIGINS":    "https://app.example.com",
	}
	maps.Copy(environ, changes)
	return environ
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Environment: Development, Port: 8000, ShutdownTimeout: 20 * time.Second,
		DatabaseURL: "sqlite:taskql.db", DirectDatabaseURL: "sqlite:taskql.db",
		DBMaxOpenConns: 10, DBMaxIdleConns: 10, DBConnMaxLifetime: 30 * time.Minute, DBConnMaxIdleTime: 4 * time.Minute, DBWait: 5 * time.Second,
		DBStatementCache: "auto", DBStatementCacheSize: 256,
		FeedDays: 90, HistoryDays: 90, LimitTasks: 100_000, LimitTags: 500, LimitTagsPerTask: 50, LimitSubtasks: 1_000, LimitProjects: 500, LimitSections: 50, LimitStreams: 100, LimitStreamsTotal: 10_000, LimitSubscriptions: 100, StreamRecheck: 5 * time.Minute,
		LimitBodyBytes: 1 << 20, LimitDocumentBytes: 64 << 10, LimitTokens: 2_000, LimitDepth: 12, LimitAliases: 30,
		LimitRootFields: 20, LimitDirectives: 50, LimitDirectivesPerPlace: 4, LimitCost: 5_000, LimitErrors: 20, LimitResponseBytes: 8 << 20, LimitIdempotencyKeys: 10_000, LimitIdempotencyBytes: 16 << 20, LimitHistoryBytes: 16 << 20,
		LimitOperationTime: 10 * time.Second, LimitStatementTime: 5 * time.Second, RateLimit: 100_000,
		SessionCacheTTL: 15 * time.Second, JWTAlgorithm: "HS256", AccessTokenExpireMinutes: 15, RefreshTokenExpireDays: 7,
		AuthBasePath: "/api/auth", AuthJWKSPath: "/jwks",
		AuthCookiePrefix: "better-auth", AuthAPIKeyHeader: "x-api-key", SessionStaleTTL: 2 * time.Minute, UserProvisioning: "auto",
		Organizations: true, WorkspaceRoles: WorkspaceRoles{"owner": WorkspaceAdmin, "admin": WorkspaceAdmin, "member": WorkspaceWrite},
		CORSOrigins: origins(t, "http://localhost:3000,http://localhost:5173"), Playground: true, Introspection: true, TrustedDocuments: "off",
		LogLevel: slog.LevelInfo, LogFormat: LogText,
	}
	if diff := cmp.Diff(want, cfg, cmp.AllowUnexported(Origins{}), cmp.AllowUnexported(originPattern{})); diff != "" {
		t.Errorf("development's defaults (-want +got):\n%s", diff)
	}
	if !cfg.EmbeddedSignIn() {
		t.Error("development without AUTH_SERVER_URL should have the embedded sign-in")
	}

	prod, err := Load(production(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(prod.AuthIssuers, []string{"https://auth.example.com"}) || prod.TrustSessionData || !prod.SecureAuth() {
		t.Errorf("production's defaults: %+v", prod)
	}
	if prod.Playground || prod.Introspection || prod.LogFormat != LogJSON || prod.EmbeddedSignIn() || len(prod.Warnings) != 0 {
		t.Errorf("production's defaults: %+v", prod)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	is := func(check func(Config) bool) func(Config) bool { return check }
	tests := []struct {
		name    string
		environ map[string]string
		want    func(Config) bool
	}{
		{"empty values count as unset", map[string]string{"PORT": "", "AUTH_SERVER_URL": "  ", "ENVIRONMENT": ""}, is(func(c Config) bool { return c.Port == 8000 && c.Environment == Development })},
		{"values are trimmed", map[string]string{"PORT": " 9000\n"}, is(func(c Config) bool { return c.Port == 9000 })},
		{"the secret is not trimmed", map[string]string{"JWT_SECRET": secret + "\n"}, is(func(c Config) bool { return c.JWTSecret == secret+"\n" && len(c.Warnings) == 1 })},
		{"test takes development's defaults", map[string]string{"ENVIRONMENT": "TEST"}, is(func(c Config) bool { return c.Environment == Test && c.Playground && c.EmbeddedSignIn() })},
		{"Railway means production", production(map[string]string{"ENVIRONMENT": "", "RAILWAY_ENVIRONMENT": "staging"}), Config.Production},
		{"Railway's newer name means production", production(map[string]string{"ENVIRONMENT": "", "RAILWAY_ENVIRONMENT_NAME": "production"}), Config.Production},
		{"Railway with another environment", production(map[string]string{"ENVIRONMENT": "development", "RAILWAY_ENVIRONMENT": "pr-1"}), is(func(c Config) bool { return !c.Production() && !c.EmbeddedSignIn() })},
		{"warning is warn", map[string]string{"LOG_LEVEL": "Warning"}, is(func(c Config) bool { return c.LogLevel == slog.LevelWarn })},
		{"warn", map[string]string{"LOG_LEVEL": "warn"}, is(func(c Config) bool { return c.LogLevel == slog.LevelWarn })},
		{"debug in capitals", map[string]string{"LOG_LEVEL": "DEBUG"}, is(func(c Config) bool { return c.LogLevel == slog.LevelDebug })},
		{"switches", map[string]string{"PLAYGROUND": "False", "INTROSPECTION": "off"}, is(func(c Config) bool { return !c.Playground && !c.Introspection })},
		{"trusted documents", map[string]string{"TRUSTED_DOCUMENTS": "Only", "TRUSTED_DOCUMENTS_FILE": "m.json", "APQ": "on"}, is(func(c Config) bool { return c.TrustedDocuments == "only" && c.APQ && !c.TrustedOnly() })},
		{"switched on in production", production(map[string]string{"PLAYGROUND": "true"}), is(func(c Config) bool { return c.Playground })},
		{"the other name of the secret", production(map[string]string{"JWT_SECRET": "", "BETTER_AUTH_SECRET": secret}), is(func(c Config) bool { return c.JWTSecret == secret })},
		{"both names with one value", production(map[string]string{"BETTER_AUTH_SECRET": secret}), is(func(c Config) bool { return c.JWTSecret == secret })},
		{"a random secret", production(map[string]string{"JWT_SECRET": "mQ0cXoV3r9pT1bZ7yH5kD2sJ8wE4uA6f+GxN/LiRq0M="}), Config.Production},
		{"eight different characters in no order", production(map[string]string{"JWT_SECRET": "01122736455463721177126736455463727160"}), Config.Production},
		{"a pattern of 17 characters", production(map[string]string{"JWT_SECRET": strings.Repeat("0123456789abcdefg", 2)}), Config.Production},
		{"a secret with a dollar and braces in it", production(map[string]string{"JWT_SECRET": secret + "a${b}c"}), Config.Production},
		{"a password with a dollar and braces in it", production(map[string]string{"DATABASE_URL": "postgres://u:pa${word}ss@host/db"}), is(func(c Config) bool { return c.DatabaseURL == "postgres://u:pa${word}ss@host/db" })},
		{"a header with a dollar and braces in it", production(map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer SECRET${X},x=${y}z"}), Config.Production},
		{"a database by its socket", production(map[string]string{"DATABASE_URL": "postgres://u:p@/d?host=/var/run/postgresql"}), Config.Production},
		{"two database hosts", production(map[string]string{"DATABASE_URL": "postgres://u:p@a:5432,b/d"}), Config.Production},
		{"an IPv6 auth server", production(map[string]string{"AUTH_SERVER_URL": "http://[::1]:3001"}), Config.Production},
		{"a reference in a variable that is not ours", map[string]string{"PS1": "${{x}}"}, func(c Config) bool { return !c.Production() }},
		{"a database URL in quotes", production(map[string]string{"DATABASE_URL": `"postgresql+asyncpg://u:p@h/d"`}), is(func(c Config) bool { return c.DatabaseURL == `"postgresql+asyncpg://u:p@h/d"` })},
		{"migrations take another URL", production(map[string]string{"DIRECT_DATABASE_URL": "postgres://direct/d"}), is(func(c Config) bool { return c.DirectDatabaseURL == "postgres://direct/d" })},
		{"migrations take the same URL", production(nil), is(func(c Config) bool { return c.DirectDatabaseURL == c.DatabaseURL })},
		{"a trailing slash on the auth server", production(map[string]string{"AUTH_SERVER_URL": "https://auth.example.com/"}), is(func(c Config) bool { return c.AuthServerURL == "https://auth.example.com" })},
		{"the auth server's base path", production(map[string]string{"AUTH_SERVER_URL": "https://example.com/api/auth/"}), is(func(c Config) bool { return c.AuthServerURL == "https://example.com/api/auth" })},
		{"paths of the auth server", production(map[string]string{"AUTH_BASE_PATH": "/", "AUTH_JWKS_PATH": "/.well-known/jwks.json"}), is(func(c Config) bool { return c.AuthBasePath == "/" && c.AuthJWKSPath == "/.well-known/jwks.json" })},
		{"http to a private auth server", production(map[string]string{"AUTH_SERVER_URL": "http://auth.railway.internal:3000"}), is(func(c Config) bool { return c.AuthServerURL == "http://auth.railway.internal:3000" })},
		{"an algorithm in small letters", map[string]string{"JWT_ALGORITHM": "hs512"}, is(func(c Config) bool { return c.JWTAlgorithm == "HS512" })},
		{"a cookie prefix", map[string]string{"AUTH_COOKIE_PREFIX": "my-app"}, is(func(c Config) bool { return c.AuthCookiePrefix == "my-app" })},
		{"API keys by default", map[string]string{}, is(func(c Config) bool { return c.AuthAPIKeyHeader == "x-api-key" })},
		{"a header for API keys", map[string]string{"AUTH_API_KEY_HEADER": "X-Tasks-Key"}, is(func(c Config) bool { return c.AuthAPIKeyHeader == "x-tasks-key" })},
		{"no API keys", map[string]string{"AUTH_API_KEY_HEADER": "OFF"}, is(func(c Config) bool { return c.AuthAPIKeyHeader == "" })},
		{"a cookie name", map[string]string{"AUTH_COOKIE_NAME": "__Secure-sid"}, is(func(c Config) bool { return c.AuthCookieName == "__Secure-sid" })},
		{"a host cookie", map[string]string{"AUTH_COOKIE_NAME": "__Host-sid"}, is(func(c Config) bool { return c.AuthCookieName == "__Host-sid" })},
		{"a host prefix", map[string]string{"AUTH_COOKIE_PREFIX": "__Host-app"}, is(func(c Config) bool { return c.AuthCookiePrefix == "__Host-app" })},
		{"session tokens of another format", map[string]string{"AUTH_TOKEN_PATTERN": "a|sess_[a-z]{4}"}, is(func(c Config) bool {
			pattern := c.TokenPattern()
			return pattern.MatchString("sess_abcd") && pattern.MatchString("a") && !pattern.MatchString("ab") && !pattern.MatchString("xsess_abcd") && !pattern.MatchString("sess_abcd\n")
		})},
		{"Better Auth's own session tokens", nil, is(func(c Config) bool { return c.TokenPattern() == nil })},
		{"the issuer is the auth server's origin", production(map[string]string{"AUTH_SERVER_URL": "https://Example.com:443/auth"}), is(func(c Config) bool {
			return slices.Equal(c.AuthIssuers, []string{"https://example.com"}) && slices.Equal(c.AuthAudiences, c.AuthIssuers)
		})},
		{"an issuer of one's own", production(map[string]string{"AUTH_ISSUER": "my-issuer"}), is(func(c Config) bool { return slices.Equal(c.AuthIssuers, []string{"my-issuer"}) })},
		{"two issuers, and an audience", production(map[string]string{"AUTH_ISSUER": "https://a.example.com, https://b.example.com,", "AUTH_AUDIENCE": "api"}), is(func(c Config) bool {
			return slices.Equal(c.AuthIssuers, []string{"https://a.example.com", "https://b.example.com"}) && slices.Equal(c.AuthAudiences, []string{"api"})
		})},
		{"trust", map[string]string{"TRUST_SESSION_DATA": "true", "AUTH_SERVER_URL": "http://localhost:3000", "JWT_SECRET": secret}, is(func(c Config) bool { return c.TrustSessionData && len(c.Warnings) == 0 })},
		{"no stale sessions", map[string]string{"SESSION_STALE_TTL": "0"}, is(func(c Config) bool { return c.SessionStaleTTL == 0 })},
		{"strict provisioning", map[string]string{"USER_PROVISIONING": "Strict"}, is(func(c Config) bool { return c.UserProvisioning == "strict" })},
		{"Railway's public domain", production(map[string]string{"RAILWAY_PUBLIC_DOMAIN": "Api.up.railway.app"}), is(func(c Config) bool { return c.PublicURL == "https://api.up.railway.app" })},
		{"internationalised names", production(map[string]string{"PUBLIC_URL": "https://BÜCHER.example:443/x", "AUTH_SERVER_URL": "https://bücher.example:8443"}), is(func(c Config) bool {
			return c.PublicURL == "https://xn--bcher-kva.example" && slices.Equal(c.AuthIssuers, []string{"https://xn--bcher-kva.example:8443"})
		})},
		{"a public URL of one's own", production(map[string]string{"RAILWAY_PUBLIC_DOMAIN": "api.up.railway.app", "PUBLIC_URL": "https://App.example.com:443/graphql"}), is(func(c Config) bool { return c.PublicURL == "https://app.example.com" })},
		{"no rate limit", map[string]string{"RATE_LIMIT": "Off"}, is(func(c Config) bool { return c.RateLimit == 0 })},
		{"a rate limit", map[string]string{"RATE_LIMIT": "500"}, is(func(c Config) bool { return c.RateLimit == 500 })},
		{"Railway is one proxy", production(map[string]string{"RAILWAY_ENVIRONMENT": "production"}), is(func(c Config) bool { return c.TrustedProxies == 1 })},
		{"Railway behind another proxy", production(map[string]string{"RAILWAY_ENVIRONMENT": "production", "TRUSTED_PROXIES": "2"}), is(func(c Config) bool { return c.TrustedProxies == 2 })},
		{"Railway's address not believed", production(map[string]string{"RAILWAY_ENVIRONMENT": "production", "TRUSTED_PROXIES": "0"}), is(func(c Config) bool { return c.TrustedProxies == 0 })},
		{"an IPv6 host in brackets", map[string]string{"HOST": "[::1]"}, is(func(c Config) bool { return c.Host == "::1" })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := Load(tt.environ)
			if err != nil {
				t.Fatal(err)
			}
			if !tt.want(cfg) {
				t.Errorf("got %+v", cfg)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ map[string]string
		want    []string // "VARIABLE part of the message", in order
	}{
		{"everything missing in production", map[string]string{"ENVIRONMENT": "production"}, []string{"DATABASE_URL is required in production", "AUTH_SERVER_URL is required in production", "JWT_SECRET is required in production", "CORS_ORIGINS is required in production"}},
		{"everything missing on Railway", map[string]string{"RAILWAY_ENVIRONMENT": "production"}, []string{"DATABASE_URL is", "AUTH_SERVER_URL is", "JWT_SECRET is", "CORS_ORIGINS is"}},
		{"references that Railway resolved to nothing", production(map[string]string{"DATABASE_URL": "", "JWT_SECRET": " "}), []string{"DATABASE_URL is required in production; set it to the PostgreSQL URL (it is set, but empty: if it is a reference", "JWT_SECRET is required with AUTH_SERVER_URL; set it to the auth server's BETTER_AUTH_SECRET (it is set, but empty"}},
		{"no embedded sign-in on Railway, whatever ENVIRONMENT says", map[string]string{"RAILWAY_ENVIRONMENT": "x", "ENVIRONMENT": "development"}, []string{"AUTH_SERVER_URL is required on Railway"}},
		{"nor under its newer name", map[string]string{"RAILWAY_ENVIRONMENT_NAME": "x", "ENVIRONMENT": "test"}, []string{"AUTH_SERVER_URL is required on Railway"}},
		{"an unknown environment", production(map[string]string{"ENVIRONMENT": "prod"}), []string{`ENVIRONMENT must be development, test or production, not "prod"`}},
		{"several at once, in order", map[string]string{"PORT": "x", "LOG_LEVEL": "loud", "DB_MAX_OPEN_CONNS": "0", "SHUTDOWN_TIMEOUT": "20"}, []string{`PORT must be a whole number, not "x"`, "SHUTDOWN_TIMEOUT must be a duration with its unit", `DB_MAX_OPEN_CONNS must be 1 to 1000, not 0`, "LOG_LEVEL must be debug, info, warning, warn or error"}},
		{"a rate limit in words", map[string]string{"RATE_LIMIT": "lots"}, []string{`RATE_LIMIT must be 10 to 1000000000, or off, not "lots"`}},
		{"a rate limit of nothing", map[string]string{"RATE_LIMIT": "0"}, []string{"RATE_LIMIT must be 10 to"}},
		{"proxies by name", map[string]string{"TRUSTED_PROXIES": "10.0.0.0/8"}, []string{"TRUSTED_PROXIES must be a whole number"}},
		{"port 0", map[string]string{"PORT": "0"}, []string{"PORT must be 1 to 65535, not 0"}},
		{"port 65536", map[string]string{"PORT": "65536"}, []string{"PORT must be 1 to 65535"}},
		{"a negative duration", map[string]string{"SESSION_CACHE_TTL": "-1s"}, []string{"SESSION_CACHE_TTL must be 1s to 10m, not -1s"}},
		{"an endless duration", map[string]string{"SHUTDOWN_TIMEOUT": "48h"}, []string{"SHUTDOWN_TIMEOUT must be 1s to 10m"}},
		{"a switch", map[string]string{"PLAYGROUND": "maybe"}, []string{"PLAYGROUND must be on or off"}},
		{"an asymmetric algorithm", map[string]string{"JWT_ALGORITHM": "RS256"}, []string{"JWT_ALGORITHM must be HS256, HS384 or HS512"}},
		{"a log format", map[string]string{"LOG_FORMAT": "xml"}, []string{"LOG_FORMAT must be text or json"}},
		{"a host with a port", map[string]string{"HOST": "localhost:80"}, []string{"HOST must be an address"}},
		{"another database", map[string]string{"DATABASE_URL": "mysql://u:" + secret + "@h/d"}, []string{"DATABASE_URL must be a URL such as postgres://"}},
		{"a database without a place", map[string]string{"DATABASE_URL": "postgres://"}, []string{"DATABASE_URL has no host"}},
		{"a SQLite URL without a file", map[string]string{"DATABASE_URL": "sqlite://"}, []string{"DATABASE_URL must be"}},
		{"a wrong direct URL", map[string]string{"DIRECT_DATABASE_URL": secret}, []string{"DIRECT_DATABASE_URL must be"}},
		{"an auth server without a secret", map[string]string{"AUTH_SERVER_URL": "http://localhost:3000"}, []string{"JWT_SECRET is required with AUTH_SERVER_URL"}},
		{"an auth server of another scheme", map[string]string{"AUTH_SERVER_URL": "ftp://x", "JWT_SECRET": secret}, []string{"AUTH_SERVER_URL must be an http or https URL"}},
		{"an auth server without a scheme", map[string]string{"AUTH_SERVER_URL": "auth.example.com", "JWT_SECRET": secret}, []string{"AUTH_SERVER_URL must be an http or https URL"}},
		{"an auth server with a password", map[string]string{"AUTH_SERVER_URL": "https://u:" + secret + "@x", "JWT_SECRET": secret}, []string{"AUTH_SERVER_URL must be a plain URL"}},
		{"an unreadable auth server with a password", map[string]string{"AUTH_SERVER_URL": "https://u:" + secret + "@x:y", "JWT_SECRET": secret}, []string{"AUTH_SERVER_URL must be an http"}},
		{"plain http to the internet in production", production(map[string]string{"AUTH_SERVER_URL": "http://auth.example.com"}), []string{"AUTH_SERVER_URL must begin with https://"}},
		{"two secrets", production(map[string]string{"BETTER_AUTH_SECRET": "another"}), []string{"JWT_SECRET and BETTER_AUTH_SECRET are both set and differ"}},
		{"a short secret in production", production(map[string]string{"JWT_SECRET": strings.Repeat("x", 31)}), []string{"JWT_SECRET has fewer than 32 characters: anyone who guesses it can sign in as anybody; use the auth server's BETTER_AUTH_SECRET"}},
		{"a short secret under its other name", production(map[string]string{"JWT_SECRET": "", "BETTER_AUTH_SECRET": "hunter2"}), []string{"BETTER_AUTH_SECRET has fewer than 32"}},
		{"one character again and again", production(map[string]string{"JWT_SECRET": strings.Repeat("a", 32)}), []string{"JWT_SECRET has fewer than 8 different characters: anyone who guesses it can sign in as anybody; use the auth server's BETTER_AUTH_SECRET"}},
		{"a word again and again", production(map[string]string{"JWT_SECRET": strings.Repeat("secret", 8)}), []string{"JWT_SECRET has fewer than 8 different"}},
		{"seven characters in no order", production(map[string]string{"JWT_SECRET": "112273645546372717712673645546372716"}), []string{"JWT_SECRET has fewer than 8 different"}},
		{"hexadecimal digits twice", production(map[string]string{"JWT_SECRET": strings.Repeat("0123456789abcdef", 2)}), []string{"JWT_SECRET repeats a pattern of at most 16 characters"}},
		{"a longer word, and a part of it", production(map[string]string{"BETTER_AUTH_SECRET": strings.Repeat("pätternwords-", 4)[:50], "JWT_SECRET": ""}), []string{"BETTER_AUTH_SECRET repeats a pattern"}},
		{"the placeholder of the deployment guide", production(map[string]string{"JWT_SECRET": "the very BETTER_AUTH_SECRET of the auth server"}), []string{"JWT_SECRET is a placeholder"}},
		{"Better Auth's default secret", production(map[string]string{"JWT_SECRET": "better-auth-secret-12345678901234567890"}), []string{"JWT_SECRET is a placeholder"}},
		{"a template's secret", production(map[string]string{"JWT_SECRET": "your-secret-key"}), []string{"JWT_SECRET is a placeholder"}},
		{"another template's secret", production(map[string]string{"JWT_SECRET": "Change_me_in_production_please_123"}), []string{"JWT_SECRET is a placeholder"}},
		{"a short secret of events", production(map[string]string{"AUTH_HOOK_SECRET": secret[:31]}), []string{"AUTH_HOOK_SECRET has fewer than 32 characters: anyone who guesses it can erase any user; make one with `openssl rand -base64 32`"}},
		{"one secret for sessions and events", production(map[string]string{"AUTH_HOOK_SECRET": secret}), []string{"AUTH_HOOK_SECRET must differ from JWT_SECRET"}},
		{"an encoded secret of events", map[string]string{"AUTH_HOOK_SECRET": "whsec_" + secret}, []string{"AUTH_HOOK_SECRET must not begin with whsec_"}},
		{"a reference that Railway left", production(map[string]string{"JWT_SECRET": "${{auth.BETTER_AUTH_SECRET}}"}), []string{"JWT_SECRET contains a reference that was not resolved"}},
		{"references in several variables", production(map[string]string{"DATABASE_URL": "${{hunter2.DATABASE_URL}}", "AUTH_SERVER_URL": "https://${{hunter2.URL}}", "CORS_ORIGINS": "https://a.example.com,${{hunter2.URL}}", "PORT": "${{hunter2}}", "OTEL_EXPORTER_OTLP_ENDPOINT": "${{hunter2.URL}}"}), []string{"OTEL_EXPORTER_OTLP_ENDPOINT contains a ref", "PORT contains a ref", "DATABASE_URL contains a ref", "AUTH_SERVER_URL contains a ref", "CORS_ORIGINS contains a ref"}},
		{"an environment by reference", production(map[string]string{"ENVIRONMENT": "${{hunter2.ENVIRONMENT}}"}), []string{"ENVIRONMENT contains a reference"}},
		{"empty braces", production(map[string]string{"DATABASE_URL": "${}"}), []string{"DATABASE_URL contains a reference"}},
		{"a line of a .env file that nothing expanded", map[string]string{"DATABASE_URL": "postgres://${PGUSER}@h/${PGDATABASE}"}, []string{"DATABASE_URL contains a reference"}},
		{"a shell's default", map[string]string{"PORT": "${PORT:-8000}"}, []string{"PORT contains a reference"}},
		{"a secret that is a shell's reference", map[string]string{"JWT_SECRET": "${SECRET}"}, []string{"JWT_SECRET contains a reference"}},
		{"an empty reference in a URL", production(map[string]string{"AUTH_SERVER_URL": "https://", "CORS_ORIGINS": "https://app.example.com,https://"}), []string{"AUTH_SERVER_URL has no host: if it is a reference, it resolved to nothing", "CORS_ORIGINS has no host"}},
		{"an empty reference before a port", production(map[string]string{"AUTH_SERVER_URL": "http://:3001", "PUBLIC_URL": "https://:8000/x"}), []string{"AUTH_SERVER_URL has no host: if it is a reference", "PUBLIC_URL has no host"}},
		{"a database URL of empty references", production(map[string]string{"DATABASE_URL": "postgres://:@:/", "DIRECT_DATABASE_URL": "postgres:///"}), []string{"DATABASE_URL has no host: if it is a reference", "DIRECT_DATABASE_URL has no host"}},
		{"a database URL without its host", production(map[string]string{"DATABASE_URL": "postgresql+asyncpg://u:" + secret + "@:5432/d"}), []string{"DATABASE_URL has no host"}},
		{"a database URL whose parameter host is empty", production(map[string]string{"DATABASE_URL": "postgres://u@/d?host="}), []string{"DATABASE_URL has no host"}},
		{"a collector without its host", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://:4318"}, []string{"OTEL_EXPORTER_OTLP_ENDPOINT has no host"}},
		{"a password that is a shell's reference", production(map[string]string{"DATABASE_URL": "postgres://u:${PGPASSWORD}@h/d"}), []string{"DATABASE_URL contains a reference"}},
		{"a host that is a shell's reference, beside a password with braces", production(map[string]string{"DATABASE_URL": "postgres://u:hunter2${word}@${PGHOST}/d"}), []string{"DATABASE_URL contains a reference"}},
		{"a user by default, with a password", production(map[string]string{"DATABASE_URL": "postgres://${PGUSER:-app}:hunter2@h/d"}), []string{"DATABASE_URL contains a reference"}},
		{"Railway's reference within a password", production(map[string]string{"DATABASE_URL": "postgres://u:hunter2${{db.PASSWORD}}@h/d"}), []string{"DATABASE_URL contains a reference"}},
		{"a header that is a shell's reference", map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "x=hunter2,authorization=Bearer%20${TOKEN}"}, []string{"OTEL_EXPORTER_OTLP_HEADERS contains a reference"}},
		{"Railway's reference within a header", map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "x=hunter2${{a.TOKEN}}"}, []string{"OTEL_EXPORTER_OTLP_HEADERS contains a reference"}},
		{"every origin", production(map[string]string{"CORS_ORIGINS": "*"}), []string{"CORS_ORIGINS * can't be used, because browsers refuse it"}},
		{"the null origin", map[string]string{"CORS_ORIGINS": "http://localhost:3000,null"}, []string{"CORS_ORIGINS null can't be used"}},
		{"a cookie prefix with its value", map[string]string{"AUTH_COOKIE_PREFIX": "better-auth=x"}, []string{"AUTH_COOKIE_PREFIX must be the name of a cookie"}},
		{"a cookie name with blanks", map[string]string{"AUTH_COOKIE_NAME": "a b"}, []string{"AUTH_COOKIE_NAME must be the name of a cookie"}},
		{"a token pattern that is none", map[string]string{"AUTH_TOKEN_PATTERN": "sess_[a-z"}, []string{"AUTH_TOKEN_PATTERN must be a regular expression in Go's syntax, as in sess_[A-Za-z0-9]{32}"}},
		{"a token pattern with a stray parenthesis", map[string]string{"AUTH_TOKEN_PATTERN": "a)|(b"}, []string{"AUTH_TOKEN_PATTERN must be a regular expression"}},
		{"a token pattern that matches nothing", map[string]string{"AUTH_TOKEN_PATTERN": "[a-z]*"}, []string{`AUTH_TOKEN_PATTERN must not match ""`}},
		{"a token pattern that matches dont_remember", map[string]string{"AUTH_TOKEN_PATTERN": ".+"}, []string{`AUTH_TOKEN_PATTERN must not match "true"`}},
		{"a token pattern that is too long", map[string]string{"AUTH_TOKEN_PATTERN": strings.Repeat("a", 201)}, []string{"AUTH_TOKEN_PATTERN must have at most 200 characters"}},
		{"paths that are none", map[string]string{"AUTH_BASE_PATH": "https://auth.example.com/auth", "AUTH_JWKS_PATH": "/../jwks"}, []string{"AUTH_BASE_PATH must be a path that begins with /, as in /api/auth", "AUTH_JWKS_PATH must be a path that begins with /, as in /jwks"}},
		{"issuers without commas", map[string]string{"AUTH_ISSUER": "https://a.example.com https://b.example.com"}, []string{"AUTH_ISSUER must be a list separated by commas"}},
		{"audiences without commas", map[string]string{"AUTH_AUDIENCE": "a b"}, []string{"AUTH_AUDIENCE must be a list separated by commas"}},
		{"a header with a value", map[string]string{"AUTH_API_KEY_HEADER": "x-api-key: abc"}, []string{"AUTH_API_KEY_HEADER must be the name of a header"}},
		{"a header of another meaning", map[string]string{"AUTH_API_KEY_HEADER": "Authorization"}, []string{"AUTH_API_KEY_HEADER must not be authorization"}},
		{"a long stale time", map[string]string{"SESSION_STALE_TTL": "2h"}, []string{"SESSION_STALE_TTL must be 0s to 1h"}},
		{"an unknown provisioning", map[string]string{"USER_PROVISIONING": "maybe"}, []string{`USER_PROVISIONING must be auto or strict, not "maybe"`}},
		{"a public URL without a scheme", map[string]string{"PUBLIC_URL": "app.example.com"}, []string{"PUBLIC_URL must be an http or https URL"}},
		{"a public URL with a password", map[string]string{"PUBLIC_URL": "https://u:" + secret + "@x"}, []string{"PUBLIC_URL must be"}},
		{"no origin among the commas", production(map[string]string{"CORS_ORIGINS": ", ,"}), []string{"CORS_ORIGINS names no origin"}},
		{"a database URL among the origins", map[string]string{"CORS_ORIGINS": "postgres://u:" + secret + "@h/d"}, []string{"CORS_ORIGINS holds an item with an @"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(tt.environ)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			if len(problems) != len(tt.want) {
				t.Fatalf("got %d problems, want %d:\n%v", len(problems), len(tt.want), err)
			}
			for i, want := range tt.want {
				if got := problems[i].Variable + " " + problems[i].Message; !strings.HasPrefix(got, want) {
					t.Errorf("got  %q\nwant %q", got, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ map[string]string
		want    []string
	}{
		{"a short secret", map[string]string{"JWT_SECRET": "short"}, []string{"JWT_SECRET has fewer than 32"}},
		{"31 characters", map[string]string{"JWT_SECRET": strings.Repeat("x", 31)}, []string{"JWT_SECRET has fewer than 32"}},
		{"a placeholder", map[string]string{"BETTER_AUTH_SECRET": "better-auth-secret-12345678901234567890"}, []string{"BETTER_AUTH_SECRET is a placeholder"}},
		{"32 characters", map[string]string{"JWT_SECRET": secret[8:]}, nil},
		{"one character 32 times", map[string]string{"JWT_SECRET": strings.Repeat("x", 32)}, []string{"JWT_SECRET has fewer than 8 different characters"}},
		{"a secret too short for HS384", map[string]string{"JWT_ALGORITHM": "HS384", "JWT_SECRET": (secret + secret)[:47]}, []string{"JWT_ALGORITHM is HS384, which needs a secret of at least 48 bytes, and JWT_SECRET has fewer"}},
		{"one just long enough for HS384", map[string]string{"JWT_ALGORITHM": "HS384", "JWT_SECRET": (secret + secret)[:48]}, nil},
		{"a secret too short for HS512, under its other name", map[string]string{"JWT_ALGORITHM": "HS512", "BETTER_AUTH_SECRET": (secret + secret)[:63]}, []string{"JWT_ALGORITHM is HS512, which needs a secret of at least 64 bytes, and BETTER_AUTH_SECRET has fewer"}},
		{"one just long enough for HS512, in bytes", map[string]string{"JWT_ALGORITHM": "HS512", "JWT_SECRET": "öäüßéèêëñçæøåþðœ0123456789abcdef" + strings.Repeat("ü", 8)}, nil},
		{"HS512 for the embedded sign-in", map[string]string{"JWT_ALGORITHM": "HS512"}, nil},
		{"a quoted secret", map[string]string{"JWT_SECRET": `"` + secret + `"`}, []string{"JWT_SECRET begins or ends with a quote"}},
		{"SQLite in production", production(map[string]string{"DATABASE_URL": "sqlite:/data/t.db"}), []string{"DATABASE_URL names a SQLite file"}},
		{"a direct URL beside SQLite", map[string]string{"DIRECT_DATABASE_URL": "postgres://h/d"}, []string{"DIRECT_DATABASE_URL is set although"}},
		{"more idle than open", map[string]string{"DB_MAX_OPEN_CONNS": "5"}, []string{"DB_MAX_IDLE_CONNS is above"}},
		{"plain http from the internet", production(map[string]string{"CORS_ORIGINS": "http://app.example.com:8080"}), []string{"CORS_ORIGINS lists http://app.example.com:8080"}},
		{"plain http from this machine", production(map[string]string{"CORS_ORIGINS": "https://a.b,http://localhost:3000"}), nil},
		{"two base paths", map[string]string{"AUTH_SERVER_URL": "http://localhost:3000/auth", "AUTH_BASE_PATH": "/auth", "JWT_SECRET": secret}, []string{"AUTH_BASE_PATH does not apply, because AUTH_SERVER_URL has a path"}},
		{"a prefix beside a name", map[string]string{"AUTH_COOKIE_NAME": "sid", "AUTH_COOKIE_PREFIX": "app"}, []string{"AUTH_COOKIE_PREFIX applies only"}},
		{"stateless without an auth server", map[string]string{"AUTH_STATELESS": "on"}, []string{"AUTH_STATELESS is on, but"}},
		{"trust without session data", map[string]string{"TRUST_SESSION_DATA": "on"}, []string{"TRUST_SESSION_DATA is on, but"}},
		{"the nearest", map[string]string{"LIMIT_TASK": "1"}, []string{"LIMIT_TASK is set, but the server doesn't know it; should it be LIMIT_TASKS?"}},
		{"slips", map[string]string{"DATABASE_URI": "x", "CORS_ORIGIN": "x", "AUTH_URL": "x", "BETTER_AUTH_SECRETS": secret}, []string{"AUTH_URL is set, but the server doesn't know it; should it be AUTH_SERVER_URL?", "BETTER_AUTH_SECRETS is set", "CORS_ORIGIN is set", "DATABASE_URI is set"}},
		{"a slip beside the right name", production(map[string]string{"CORS_ORIGIN": "x", "BETTER_AUTH_URL": "x"}), nil},
		{"strangers", map[string]string{"HOSTNAME": "x", "PATH": "x", "HOME": "x", "PORTS": "x", "NODE_VERSION": "x"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := Load(tt.environ)
			if err != nil {
				t.Fatal(err)
			}
			if len(cfg.Warnings) != len(tt.want) {
				t.Fatalf("got %q, want %q", cfg.Warnings, tt.want)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(cfg.Warnings[i], want) || strings.Contains(cfg.Warnings[i], secret) {
					t.Errorf("got %q, want %q", cfg.Warnings[i], want)
				}
			}
		})
	}
}

// TestLoadPartial checks that valid variables are returned beside the problems of others.
func TestLoadPartial(t *testing.T) {
	t.Parallel()
	cfg, problems := LoadPartial(production(map[string]string{"CORS_ORIGINS": "*", "JWT_SECRET": ""}))
	if _, found := problems.Of("CORS_ORIGINS"); !found || len(problems) != 2 {
		t.Errorf("got %v", problems)
	}
	if _, found := problems.Of("DATABASE_URL"); found || cfg.AuthServerURL != "https://auth.example.com" || cfg.DatabaseURL == "" {
		t.Errorf("got %+v", cfg)
	}
}

func TestPrivateHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "auth": true, "127.0.0.1": true, "::1": true, "10.1.2.3": true, "192.168.0.9": true,
		"172.16.0.1": true, "fd12::1": true, "fe80::1": true, "::ffff:10.0.0.1": true, "a.railway.internal": true, "x.internal": true, "printer.local": true, "a.localhost": true,
		"example.com": false, "8.8.8.8": false, "172.32.0.1": false, "2001:db8::1": false, "internal.example.com": false, "evil-internal.com": false, "railway.internal.evil.com": false, "::ffff:8.8.8.8": false,
	} {
		if got := isPrivateHost(host); got != want {
			t.Errorf("isPrivateHost(%q) = %v", host, got)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	cfg, err := Load(production(map[string]string{"BETTER_AUTH_SECRET": secret, "DIRECT_DATABASE_URL": "postgres://u:" + secret + "@direct/d"}))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		fmt.Fprintf(&out, verb+verb+"\n", cfg, cfg.JWTSecret)
	}
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", cfg, "secret", cfg.JWTSecret)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", cfg, "secret", cfg.JWTSecret)
	if strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
	if cfg.JWTSecret.Reveal() != secret || Secret("").String() != "" {
		t.Error("Reveal gives the secret, and an empty secret shows as empty")
	}
}

func TestTagsAreComplete(t *testing.T) {
	t.Parallel()
	for _, v := range variables() {
		if v.Name == "" || v.Group == "" || v.Help == "" || v.Kind == "" || !strings.HasSuffix(v.Help, ".") {
			t.Errorf("incomplete: %+v", v)
		}
		if (v.Min == "") != (v.Max == "") || (v.Kind == "number" && v.Min == "") || (v.Kind == "duration" && v.Min == "") {
			t.Errorf("%s has no bounds", v.Name)
		}
		if v.Min != "" && bound(v.Min, v.Kind == "duration") >= bound(v.Max, v.Kind == "duration") {
			t.Errorf("%s has impossible bounds", v.Name)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var help, markdown bytes.Buffer
	if err := errors.Join(WriteHelp(&help), WriteMarkdown(&markdown)); err != nil {
		t.Fatal(err)
	}
	for _, v := range variables() {
		if !strings.Contains(help.String(), "  "+v.Name+" ") {
			t.Errorf("help lacks %s", v.Name)
		}
		if !strings.Contains(markdown.String(), "| `"+v.Name+"` | "+v.Kind+" | ") {
			t.Errorf("the table lacks %s", v.Name)
		}
	}
	for line := range strings.Lines(help.String()) {
		if len(line) > 120 || strings.TrimRight(line, " \n")+"\n" != line {
			t.Errorf("not readable: %q", line)
		}
	}
	for line := range strings.Lines(markdown.String()) {
		if line == "\n" || strings.HasPrefix(line, "### ") {
			continue
		}
		if strings.Count(line, "|")-strings.Count(line, `\|`) != 5 {
			t.Errorf("not a row of four cells: %q", line)
		}
	}
}

func TestHealthURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ host, port, want string }{
		{"", "", "http://127.0.0.1:8000/health"},
		{"", "9000", "http://127.0.0.1:9000/health"},
		{"0.0.0.0", " 80 ", "http://127.0.0.1:80/health"},
		{"::", "80", "http://127.0.0.1:80/health"},
		{"[::1]", "80", "http://[::1]:80/health"},
		{"10.0.0.7", "80", "http://10.0.0.7:80/health"},
		{"localhost", "80", "http://localhost:80/health"},
	} {
		if got := HealthURL(map[string]string{"HOST": tt.host, "PORT": tt.port}); got != tt.want {
			t.Errorf("HOST=%s PORT=%s: got %s, want %s", tt.host, tt.port, got, tt.want)
		}
	}
}
