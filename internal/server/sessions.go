package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"taskql/internal/betterauth"
	"taskql/internal/config"
	"taskql/internal/devauth"
	"taskql/internal/live"
)

// embeddedAuthURL stands for the URL of the embedded sign-in, which is reached without a network.
const embeddedAuthURL = "http://localhost"

// SessionConfig returns the configuration of betterauth. Package doctor uses it too.
func SessionConfig(cfg config.Config) betterauth.Config {
	const day = 24 * time.Hour
	stale := cfg.SessionStaleTTL
	if stale == 0 {
		stale = -1 // For betterauth, 0 means its default.
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

// newAuth returns the authenticator: of the auth server, or of the embedded sign-in. In the second case it also returns the
// handler of the sign-in, which is nil otherwise.
func newAuth(ctx context.Context, cfg Config, hub *live.Hub) (http.Handler, *betterauth.Authenticator, error) {
	var authenticator *betterauth.Authenticator
	settings := SessionConfig(cfg.Config)
	settings.Now, settings.Log = cfg.Now, cfg.Log
	settings.ClientAddress = func(ctx context.Context) string { return infoOf(ctx).address }
	var handler http.Handler
	if cfg.Config.EmbeddedSignIn() {
		embedded, err := devauth.New(ctx, devauth.Config{
			DB:             cfg.DB.SQL,
			Dialect:        cfg.DB.Dialect,
			Secret:         settings.Secret,
			TrustedOrigins: cfg.Config.CORSOrigins.Allows,
			OnError:        func(ctx context.Context, code string) { infoOf(ctx).addErrorCode(code) },
			SignedOut:      func(userID string) { checkSessions(authenticator, hub, userID) },
			Now:            cfg.Now,
			Log:            cfg.Log,

			MembershipChanged: func(userID string) { checkSessions(authenticator, hub, userID) },
		})
		if err != nil {
			return nil, nil, fmt.Errorf("setting up the embedded sign-in: %w", err)
		}
		handler = embedded
		settings.BaseURL, settings.Secret, settings.Transport = embeddedAuthURL, embedded.Secret(), embedded.Transport()
		// The embedded sign-in has Better Auth's default names and paths.
		settings.CookiePrefix, settings.CookieName, settings.BasePath, settings.JWKSPath = "", "", "", ""
		settings.TokenPattern, settings.Stateless = nil, false
		settings.APIKeyHeader = "" // It has no API keys.
	}
	measureSessions(cfg.Telemetry, &settings)
	var err error
	authenticator, err = betterauth.New(settings)
	if err != nil {
		return nil, nil, fmt.Errorf("setting up sessions: %w", err)
	}
	return handler, authenticator, nil
}

// checkSessions has all sessions of a user checked again, because one of them has ended or a membership has changed.
func checkSessions(sessions *betterauth.Authenticator, hub *live.Hub, userID string) {
	sessions.Forget(userID)
	hub.VerifyUser(userID)
}
