package betterauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The defaults of Config.
const (
	DefaultCacheSize    = 10_000
	DefaultTimeout      = 5 * time.Second
	DefaultBasePath     = "/api/auth"
	DefaultJWKSPath     = "/jwks"
	DefaultCookiePrefix = "better-auth"
	DefaultAlgorithm    = "HS256"
	DefaultMaxTokenAge  = 15 * time.Minute
	DefaultStaleTTL     = 2 * time.Minute
)

// refusalTTL is how long the auth server's refusal of a session is cached.
const refusalTTL = 5 * time.Second

// Config configures an Authenticator. BaseURL and Secret are required.
type Config struct {
	// BaseURL is the auth server's address, http or https, as in its own baseURL: a path is used as it is, and without
	// one BasePath is appended. A trailing slash makes no difference.
	BaseURL string
	// BasePath is the auth server's basePath, "/" for none. It applies if BaseURL has no path. The default is
	// DefaultBasePath.
	BasePath string
	// JWKSPath is the jwt plugin's jwks.jwksPath, below the base path. The default is DefaultJWKSPath.
	JWKSPath string
	// Secret is the auth server's secret, with which cookies are signed.
	Secret string
	// CookiePrefix is the auth server's advanced.cookiePrefix. The default is DefaultCookiePrefix.
	CookiePrefix string
	// CookieName is the full name of the session cookie, if the auth server sets one
	// (advanced.cookies.session_token.name). The name with __Secure- in front is accepted too. By default the name is
	// made of CookiePrefix.
	CookieName string
	// APIKeyHeader is the header that contains API keys, the api-key plugin's apiKeyHeaders. If it is empty, API keys
	// are ignored.
	APIKeyHeader string
	// Issuers are the accepted issuers (iss) of the jwt plugin's tokens. The default is the origin of BaseURL.
	Issuers []string
	// Audiences are the accepted audiences (aud) of the jwt plugin's tokens; a token needs one of them. The default is
	// Issuers.
	Audiences []string
	// TrustSessionData accepts a valid session_data cookie beside a valid session cookie without asking the auth
	// server. A session that was signed out then remains valid until that cookie expires (5 minutes by default) or
	// reaches MaxTokenAge. If it is false, session_data is ignored.
	TrustSessionData bool
	// Stateless is for an auth server without a database, whose sessions exist in session_data only. A verified
	// session_data cookie is then forwarded with the session cookie, and the auth server may answer from it. With any
	// other auth server, a session would remain valid after its sign-out until that cookie expires.
	Stateless bool
	// Algorithm is the only algorithm accepted for session_data that is signed with Secret: HS256, HS384 or HS512. The
	// default is DefaultAlgorithm.
	Algorithm string
	// MaxTokenAge is how long session_data or a JWT is trusted after it was issued. The default is DefaultMaxTokenAge.
	MaxTokenAge time.Duration
	// MaxSessionAge is how long a session is accepted after it was created or last refreshed. Zero means no limit.
	MaxSessionAge time.Duration
	// CacheTTL is how long a session is cached. A session that was signed out remains valid here for at most that long,
	// as long as the auth server answers within a second. Zero means that every request asks the auth server.
	CacheTTL time.Duration
	// StaleTTL is how much longer a cached session is used while the auth server is unavailable, but never past the
	// session's end. The default is DefaultStaleTTL; a negative value means not at all.
	StaleTTL time.Duration
	// CacheSize is the number of cached sessions. The default is DefaultCacheSize.
	CacheSize int
	// Timeout is the longest that one request to the auth server may take. The default is DefaultTimeout.
	Timeout time.Duration
	// Transport sends the requests to the auth server. The default is a copy of http.DefaultTransport, tuned for one
	// host.
	Transport http.RoundTripper
	// WrapTransport wraps the transport, for example to measure its requests. It may be nil.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// ObserveLookup is called with the result of each lookup in the cache of sessions. It must be fast. It may be nil.
	ObserveLookup func(Lookup)
	// TokenPattern matches session tokens. It keeps other values that are signed with the same secret, such as the
	// dont_remember cookie's, from being accepted as tokens. The default is Better Auth's own format: 32 ASCII letters
	// and digits.
	TokenPattern *regexp.Regexp
	// ClientAddress returns the address that a request comes from, given the context of Authenticate. With it, made-up
	// bearer tokens from one address don't delay those from others. It may be nil.
	ClientAddress func(context.Context) string
	// Now is the clock. The default is time.Now. Timeouts and the circuit breaker use the real clock.
	Now func() time.Time
	// Log receives a warning each time the auth server can't be asked. If it is nil, nothing is logged.
	Log *slog.Logger
}

// Authenticator authenticates requests. It is safe for concurrent use.
type Authenticator struct {
	cookieNames   [2]cookieNames
	signer        *signer
	secret        []byte
	algorithm     jose.SignatureAlgorithm
	decryptionKey []byte
	issuers       []string
	audiences     []string
	tokenPattern  *regexp.Regexp
	trustData     bool
	stateless     bool
	maxTokenAge   time.Duration
	maxSessionAge time.Duration
	root          *url.URL
	jwksPath      string
	client        *client
	keys          *keySet
	sessions      *lookups[*Session]
	organizations *organizationClient
	warnClaim     sync.Once
	forgotten     *forgottenUsers
	apiKeyHeader  string
	keyDetails    *endpoint
	observe       func(Lookup)
	tokenSlots    *addressSlots
	retrySlots    chan struct{}
	clientAddress func(context.Context) string
	timeout       time.Duration
	now           func() time.Time
	log           *slog.Logger
}

// New returns an Authenticator. It opens no connection. The error names the invalid field of the configuration, and
// contains neither the secret nor the address.
func New(cfg Config) (*Authenticator, error) {
	root, err := parseBase(cfg.BaseURL, cfg.BasePath)
	if err != nil {
		return nil, fmt.Errorf("reading the auth server's address: %w", err)
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults(root)
	decryptionKey, err := newDecryptionKey(cfg.Secret)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of session_data: %w", err)
	}
	// Probes have connections of their own: hanging requests for sessions may occupy all others, and a probe that
	// waited for them would fail.
	requests, probes := cfg.newHTTPClient(), cfg.newHTTPClient()
	at := func(path string, limit int, client *http.Client) *endpoint {
		return &endpoint{url: root.JoinPath(path).String(), limit: limit, http: client, now: cfg.Now}
	}
	getSession := at("get-session", maxSmallResponse, requests)
	if cfg.Stateless {
		getSession.url += statelessQuery
	} else {
		getSession.url += sessionQuery
	}
	a := &Authenticator{
		cookieNames:   newCookieNames(cfg.CookiePrefix, cfg.CookieName),
		signer:        newSigner(cfg.Secret),
		secret:        []byte(cfg.Secret),
		algorithm:     jose.SignatureAlgorithm(cfg.Algorithm),
		decryptionKey: decryptionKey,
		issuers:       cfg.Issuers,
		audiences:     cfg.Audiences,
		tokenPattern:  cfg.TokenPattern,
		trustData:     cfg.TrustSessionData,
		stateless:     cfg.Stateless,
		maxTokenAge:   cfg.MaxTokenAge,
		maxSessionAge: cfg.MaxSessionAge,
		root:          root,
		jwksPath:      cfg.JWKSPath,
		client:        newClient(getSession, at("ok", maxSmallResponse, probes), at("get-session", maxSmallResponse, probes), cfg.Timeout, cfg.Log),
		keys:          newKeySet(at(cfg.JWKSPath, maxJWKS, probes), cfg.Timeout, cfg.Log),
		apiKeyHeader:  http.CanonicalHeaderKey(cfg.APIKeyHeader),
		keyDetails:    at("api-key/get", maxSmallResponse, requests),
		organizations: &organizationClient{
			list:    at("organization/list", maxSmallResponse, requests),
			role:    at("organization/get-active-member-role", maxSmallResponse, requests),
			members: at("organization/list-members", maxSmallResponse, requests),
		},
		observe:       cfg.ObserveLookup,
		tokenSlots:    newAddressSlots(),
		retrySlots:    make(chan struct{}, maxRetries),
		clientAddress: cfg.ClientAddress,
		timeout:       cfg.Timeout,
		now:           cfg.Now,
		log:           cfg.Log,
	}
	if err := a.makeCaches(&cfg); err != nil {
		return nil, fmt.Errorf("making the caches: %w", err)
	}
	return a, nil
}

// makeCaches makes the caches of what the auth server says.
func (a *Authenticator) makeCaches(cfg *Config) error {
	var err error
	if a.forgotten, err = newForgottenUsers(cfg.CacheSize); err != nil {
		return err
	}
	sessions, err := newCache[*Session](cfg.CacheSize, cfg.CacheTTL, cfg.StaleTTL, a.forgotten)
	if err != nil {
		return err
	}
	a.sessions = &lookups[*Session]{cache: sessions, auth: a, observe: cfg.ObserveLookup}
	found, err := newCache[*memberships](cfg.CacheSize, cfg.CacheTTL, cfg.StaleTTL, a.forgotten)
	if err != nil {
		return err
	}
	a.organizations.lookups = &lookups[*memberships]{cache: found, auth: a, observe: func(Lookup) {}}
	return nil
}

// validate reports the first field that is invalid. BaseURL is checked by parseBase.
func (cfg *Config) validate() error {
	switch {
	case cfg.Secret == "":
		return errors.New("the auth server's secret is empty")
	case min(cfg.CacheTTL, cfg.Timeout, cfg.MaxTokenAge, cfg.MaxSessionAge) < 0 || cfg.CacheSize < 0:
		return errors.New("CacheTTL, CacheSize, Timeout, MaxTokenAge and MaxSessionAge must not be negative")
	case strings.Contains(cfg.JWKSPath, ".."):
		return errors.New("JWKSPath must not contain parent directories")
	case strings.ContainsAny(cfg.CookiePrefix+cfg.CookieName, "=;, \t\"\r\n"):
		return errors.New("CookiePrefix or CookieName is not a valid cookie name")
	}
	switch cfg.Algorithm {
	case "", "HS256", "HS384", "HS512":
		return nil
	default:
		return errors.New("the algorithm must be HS256, HS384 or HS512")
	}
}

// setDefaults sets the fields that are not set.
func (cfg *Config) setDefaults(root *url.URL) {
	cfg.Algorithm = orDefault(cfg.Algorithm, DefaultAlgorithm)
	if len(cfg.Issuers) == 0 {
		cfg.Issuers = []string{origin(root)}
	}
	if len(cfg.Audiences) == 0 {
		cfg.Audiences = cfg.Issuers
	}
	cfg.JWKSPath = orDefault(cfg.JWKSPath, DefaultJWKSPath)
	cfg.CacheSize = orDefault(cfg.CacheSize, DefaultCacheSize)
	cfg.Timeout = orDefault(cfg.Timeout, DefaultTimeout)
	cfg.MaxTokenAge = orDefault(cfg.MaxTokenAge, DefaultMaxTokenAge)
	cfg.StaleTTL = max(orDefault(cfg.StaleTTL, DefaultStaleTTL), 0)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ClientAddress == nil {
		cfg.ClientAddress = func(context.Context) string { return "" }
	}
	if cfg.ObserveLookup == nil {
		cfg.ObserveLookup = func(Lookup) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

// orDefault returns v, or the default if v is the zero value.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
