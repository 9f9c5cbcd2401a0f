// Package betterauth speaks Better Auth's protocol from the side of a server that trusts it: it finds the session cookie
// or bearer token in a request, checks signatures without any network, and asks the auth server whose session it is.
// What it learns is kept for a short while. It is written against Better Auth 1.7 and imports nothing of ours.
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
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

// Defaults of Config, for fields left at zero.
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

// How a request authenticates.
const (
	SchemeCookie = "cookie"
	SchemeBearer = "bearer"
	SchemeJWT    = "jwt"
	SchemeAPIKey = "api_key"
)

const (
	// refusalTTL is how long a refusal of the auth server's is remembered.
	refusalTTL = 5 * time.Second
	// patience is how long a request whose session is past its TTL waits for the auth server before it goes on with
	// what was known. The question stays under way, and its answer counts from then on.
	patience = time.Second
)

// Session is what the auth server says of a token. It may be shared between requests: read it, never change it.
type Session struct {
	// ID is the session's own id: neither the token nor a secret. "" in a JWT's.
	ID string
	// UserID is the auth server's id for the user: opaque text, never to be parsed.
	UserID string
	// ExpiresAt is when the session ends unless the auth server extends it. It is zero if customSession leaves it out, and
	// for an API key without an end.
	ExpiresAt time.Time
	// CreatedAt and UpdatedAt are zero where the auth server does not tell.
	CreatedAt, UpdatedAt time.Time
	// ImpersonatedBy is the id of the administrator who acts as the user (Better Auth's admin plugin), "" if nobody does.
	// It is at most maxImpersonator bytes long.
	ImpersonatedBy string
	// User is the session's user; User.ID equals UserID.
	User User
	// AsOf is when the auth server told this, at the latest. A JWT may be minutes old.
	AsOf time.Time
	// Permissions are an API key's, nil if it has none or the session is no key's.
	Permissions Permissions
	// Scheme is how the request authenticated: SchemeCookie, SchemeBearer, SchemeJWT or SchemeAPIKey. Browsers send only
	// cookies of their own accord. Where a request has both, it is what the auth server went by.
	Scheme string
	// TokenHash is a short hash of the token, for the log: Refusal.TokenHash of the same token is the same.
	TokenHash string
}

// User is the auth server's user. CreatedAt and UpdatedAt are zero if it does not tell them; Image is nil if there
// is no image or one of over 64 kB. Name is cut after 1 kB, at the end of a character. Email is "" if it is longer.
type User struct {
	ID, Name, Email      string
	EmailVerified        bool
	Image                *string
	CreatedAt, UpdatedAt time.Time
	// Missing are the fields that the auth server left out, as a JWT may: that they are empty here says nothing.
	Missing ProfileFields
}

// Config is what New needs.
type Config struct {
	// BaseURL is the auth server's address, http or https, as its own baseURL: a path is where its endpoints are; without
	// one BasePath is appended. A slash at the end makes no difference.
	BaseURL string
	// BasePath is the auth server's basePath, "/" for none. It applies if BaseURL has no path. "": DefaultBasePath.
	BasePath string
	// JWKSPath is the jwt plugin's jwks.jwksPath, below the base path. "": DefaultJWKSPath.
	JWKSPath string
	// Secret is the auth server's secret: cookies are signed with it. Required.
	Secret string
	// CookiePrefix is what the auth server's cookies begin with, its advanced.cookiePrefix. "": DefaultCookiePrefix.
	CookiePrefix string
	// CookieName is the session cookie's full name, where the auth server gives it its own
	// (advanced.cookies.session_token.name). It is also tried with __Secure- in front. "": the prefix decides.
	CookieName string
	// APIKeyHeader is the header that holds API keys, the api-key plugin's apiKeyHeaders. "": API keys are ignored.
	APIKeyHeader string
	// Issuers are the accepted iss of the jwt plugin's tokens. Empty: the origin of BaseURL.
	Issuers []string
	// Audiences are the accepted aud of the jwt plugin's tokens, of which a token has to have one. Empty: the issuers.
	Audiences []string
	// TrustSessionData lets a valid session_data cookie beside a valid session cookie sign in without asking the auth
	// server. A session that was signed out then passes until that cookie's own expiry (5 minutes by default) or
	// MaxTokenAge. Off: session_data is not even looked at.
	TrustSessionData bool
	// Stateless is for an auth server without a database: the session is in session_data and nowhere else. It is passed
	// on together with the session token if it verifies, and the auth server may answer from it. A session of any other
	// auth server would outlive its sign-out by as long as that cookie is valid.
	Stateless bool
	// Algorithm is the only one accepted for session_data signed with Secret: HS256, HS384 or HS512. "":
	// DefaultAlgorithm.
	Algorithm string
	// MaxTokenAge is the longest that session_data or a JWT is trusted since it was issued. Zero: DefaultMaxTokenAge.
	MaxTokenAge time.Duration
	// MaxSessionAge is the age since its creation or last refresh at which a session is refused. Zero: none.
	MaxSessionAge time.Duration
	// CacheTTL is how long an answer of the auth server is believed, and so the longest that a signed-out session still
	// passes here, as long as the auth server answers within a second. Zero: every request asks.
	CacheTTL time.Duration
	// StaleTTL is how much longer it is believed while the auth server is unavailable. Never past the session's own
	// end. Zero: DefaultStaleTTL; negative: not at all.
	StaleTTL time.Duration
	// CacheSize is the number of sessions kept. Zero: DefaultCacheSize.
	CacheSize int
	// Timeout is the longest that one question to the auth server may take. Zero: DefaultTimeout.
	Timeout time.Duration
	// Transport carries the questions. Nil: a copy of http.DefaultTransport, tuned for one host.
	Transport http.RoundTripper
	// WrapTransport, where set, puts something around what carries the questions, such as what measures them.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// ObserveLookup, where set, is told what each look into the cache of sessions found. It must be quick.
	ObserveLookup func(Lookup)
	// TokenPattern is what a session token looks like. It keeps other values signed with the same secret, such as the
	// dont_remember cookie's, from passing as tokens. Nil: 32 ASCII letters and digits, Better Auth's own shape.
	TokenPattern *regexp.Regexp
	// ClientAddress, where set, returns the address that a request comes from, by the context of Authenticate. Made-up
	// bearer tokens from one address then don't hold up those from others.
	ClientAddress func(context.Context) string
	// Now is the clock. Nil: time.Now. Time-outs and the breaker's rests go by the real one.
	Now func() time.Time
	// Log receives a warning each time the auth server could not be asked. Nil: nothing is logged.
	Log *slog.Logger
}

// Lookup is what a look into the cache of sessions found.
type Lookup string

// The results of a look into the cache.
const (
	// LookupHit: a session that needs no question.
	LookupHit Lookup = "hit"
	// LookupRefused: a refusal of a moment ago.
	LookupRefused Lookup = "refused"
	// LookupMiss: nothing, so that the auth server, or session_data where it is trusted, has to tell.
	LookupMiss Lookup = "miss"
	// LookupStale: a session that is past its time, used after a miss because the auth server is slow or unavailable.
	LookupStale Lookup = "stale"
)

// Authenticator finds out whose session a request carries. It is safe for use by many goroutines.
type Authenticator struct {
	jars          [2]jar
	signer        *signer
	secret        []byte
	algorithm     jose.SignatureAlgorithm
	decryptionKey []byte
	issuers       []string
	audiences     []string
	tokenShape    *regexp.Regexp
	trust         bool
	stateless     bool
	maxTokenAge   time.Duration
	maxSessionAge time.Duration
	root          *url.URL
	jwksPath      string
	client        *client
	keys          *keySet
	cache         *cache
	apiKeyHeader  string
	keyDetails    *endpoint
	observe       func(Lookup)
	flights       singleflight.Group
	rawSlots      *slotTable
	retries       chan struct{}
	clientAddress func(context.Context) string
	timeout       time.Duration
	now           func() time.Time
	log           *slog.Logger
}

// New returns an Authenticator. It makes no connection. The error names the field of Config that is wrong, and holds
// neither the secret nor the address.
func New(cfg Config) (*Authenticator, error) {
	root, err := parseBase(cfg.BaseURL, cfg.BasePath)
	if err != nil {
		return nil, fmt.Errorf("reading the auth server's address: %w", err)
	}
	if err := cfg.complete(root); err != nil {
		return nil, err
	}
	sessions, err := newCache(cfg.CacheSize, cfg.CacheTTL, cfg.StaleTTL, refusalTTL)
	if err != nil {
		return nil, fmt.Errorf("making the session cache: %w", err)
	}
	decryptionKey, err := newDecryptionKey(cfg.Secret)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of session_data: %w", err)
	}
	questions, probes := cfg.newHTTPClient(), cfg.newHTTPClient()
	at := func(path string, limit int, by *http.Client) *endpoint {
		return &endpoint{url: root.JoinPath(path).String(), limit: limit, http: by, now: cfg.Now}
	}
	question := at("get-session", maxSmallAnswer, questions)
	if cfg.Stateless {
		question.url += statelessQuery
	} else {
		question.url += questionQuery
	}
	return &Authenticator{
		jars:          newJars(cfg.CookiePrefix, cfg.CookieName),
		signer:        newSigner(cfg.Secret),
		secret:        []byte(cfg.Secret),
		algorithm:     jose.SignatureAlgorithm(cfg.Algorithm),
		decryptionKey: decryptionKey,
		issuers:       cfg.Issuers,
		audiences:     cfg.Audiences,
		tokenShape:    cfg.TokenPattern,
		trust:         cfg.TrustSessionData,
		stateless:     cfg.Stateless,
		maxTokenAge:   cfg.MaxTokenAge,
		maxSessionAge: cfg.MaxSessionAge,
		root:          root,
		jwksPath:      cfg.JWKSPath,
		client:        newClient(question, at("ok", maxSmallAnswer, probes), at("get-session", maxSmallAnswer, probes), cfg.Timeout, cfg.Log),
		keys:          newKeySet(at(cfg.JWKSPath, maxJWKS, probes), cfg.Timeout, cfg.Log),
		cache:         sessions,
		apiKeyHeader:  http.CanonicalHeaderKey(cfg.APIKeyHeader),
		keyDetails:    at("api-key/get", maxSmallAnswer, questions),
		observe:       cfg.ObserveLookup,
		rawSlots:      newSlotTable(),
		retries:       make(chan struct{}, maxRetries),
		clientAddress: cfg.ClientAddress,
		timeout:       cfg.Timeout,
		now:           cfg.Now,
		log:           cfg.Log,
	}, nil
}

// complete checks the configuration and fills in the defaults.
func (cfg *Config) complete(root *url.URL) error {
	switch {
	case cfg.Secret == "":
		return errors.New("the auth server's secret is empty")
	case cfg.CacheTTL < 0 || cfg.CacheSize < 0 || cfg.Timeout < 0 || cfg.MaxTokenAge < 0 || cfg.MaxSessionAge < 0:
		return errors.New("CacheTTL, CacheSize, Timeout, MaxTokenAge and MaxSessionAge may not be negative")
	case strings.Contains(cfg.JWKSPath, ".."):
		return errors.New("JWKSPath may not have parent directories in it")
	case strings.ContainsAny(cfg.CookiePrefix+cfg.CookieName, "=;, \t\"\r\n"):
		return errors.New("CookiePrefix or CookieName is not the name of a cookie")
	}
	switch cfg.Algorithm {
	case "":
		cfg.Algorithm = DefaultAlgorithm
	case "HS256", "HS384", "HS512":
	default:
		return errors.New("the algorithm must be HS256, HS384 or HS512")
	}
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
	return nil
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Authenticate finds the session in the request's headers. Signatures are checked first, so that a forged cookie costs
// no network. Concurrent requests with one token ask the auth server once. A bearer token comes before the cookie, as
// at Better Auth: one that is no good leaves the cookie in force, an unknown raw one does not.
//
// The error is a *Refusal (use errors.As). Where ctx ends first, that is an unavailable one which wraps ctx's error.
func (a *Authenticator) Authenticate(ctx context.Context, h http.Header) (*Session, error) {
	session, refusal := a.authenticateKey(ctx, h)
	if refusal != nil {
		return nil, refusal
	}
	return session, nil
}

func (a *Authenticator) authenticate(ctx context.Context, h http.Header) (*Session, *Refusal) {
	q := question{bearer: a.bearer(h)}
	var denied *Refusal
	switch q.bearer.kind {
	case bearerJWT:
		session, refusal := a.jwtSession(ctx, q.bearer.token)
		if refusal != nil && errors.Is(refusal.Err, errNoKeys) && a.client.health.check(ctx, time.Now().Add(-freshAnswer)) == nil {
			refusal = refuse(ReasonUnknownKey).because(errNoKeys).of(SchemeJWT, "", q.bearer.token)
		}
		// While nobody knows whose the JWT is, the cookie might be somebody else's.
		if refusal == nil || refusal.Unavailable && !errors.Is(refusal.Err, errNoKeys) {
			return session, refusal
		}
		q.bearer, denied = bearer{}, refusal
	case bearerBad:
		denied = refuseToken(q.bearer.reason).of(SchemeBearer, "", q.bearer.token)
		q.bearer = bearer{}
	case bearerNone, bearerRaw, bearerSigned:
	}
	var refusal *Refusal
	q.cookie, refusal = a.cookie(h)
	if refusal != nil && q.bearer.kind == bearerNone {
		if denied != nil {
			return nil, denied
		}
		return nil, refusal
	}
	session, refusal := a.lookUp(ctx, h, q)
	if refusal == nil || refusal.Unavailable || q.bearer.kind != bearerNone {
		return session, refusal
	}
	// A browser that went from https to http on one host keeps the dead __Secure- cookie beside the live plain one.
	if other, ok := a.otherCookie(h, q.cookie); ok {
		if session, otherRefusal := a.lookUp(ctx, h, question{cookie: other}); otherRefusal == nil {
			return session, nil
		}
	}
	return nil, refusal
}

// question is what the auth server is asked about: a session cookie, a bearer token, or both, or an API key.
type question struct {
	cookie cookie
	bearer bearer
	data   string // the session_data that goes along
	apiKey string // It is asked about alone.
}

func (q question) key() cacheKey {
	if q.apiKey != "" {
		return newKey(SchemeAPIKey, q.apiKey)
	}
	if q.bearer.kind == bearerNone {
		return newKey(q.cookie.jar.session, q.cookie.token, q.data)
	}
	kind := "raw"
	if q.bearer.kind == bearerSigned {
		kind = "signed"
	}
	return newKey(q.cookie.jar.session, q.cookie.token, kind, q.bearer.token)
}

// about completes a refusal.
func (q question) about(r *Refusal) *Refusal {
	if q.apiKey != "" {
		return r.of(SchemeAPIKey, "", q.apiKey)
	}
	if q.bearer.kind != bearerNone {
		return r.of(SchemeBearer, "", q.bearer.token)
	}
	return r.of(SchemeCookie, q.cookie.jar.session, q.cookie.token)
}

// scheme says what of it the answer is about, and the token of that: the auth server may not know bearer tokens.
// "": about neither.
func (q question) scheme(token string) (string, string) {
	switch {
	case q.apiKey != "" && (token == q.apiKey || token == ""):
		return SchemeAPIKey, q.apiKey
	case q.bearer.kind != bearerNone && (token == q.bearer.token || token == "" && q.cookie.token == ""):
		return SchemeBearer, q.bearer.token
	case q.cookie.token != "" && (token == q.cookie.token || token == ""):
		return SchemeCookie, q.cookie.token
	default:
		return "", ""
	}
}

// lookUp finds the session in the cache, in session_data or at the auth server, in this order.
func (a *Authenticator) lookUp(ctx context.Context, h http.Header, q question) (*Session, *Refusal) {
	now := a.now()
	q.data = a.dataToPassOn(ctx, h, q, now)
	key := q.key()
	if session, ok := a.cache.get(key, now); ok {
		a.observe(LookupHit)
		return session, nil
	}
	refusal := a.cache.getRefusal(key, now)
	if refusal != nil && !refusal.Unavailable {
		a.observe(LookupRefused)
		return nil, q.about(refusal)
	}
	if refusal == nil {
		a.observe(LookupMiss)
	}
	if a.trust && q.bearer.kind == bearerNone && q.apiKey == "" {
		if session := a.trusted(ctx, h, q.cookie, now); session != nil {
			return session, nil
		}
	}
	if refusal != nil {
		return a.withoutAnswer(key, q, now, refusal)
	}
	session, refusal := a.ask(ctx, h, key, q)
	if refusal != nil {
		return nil, q.about(refusal)
	}
	return session, nil
}

// withoutAnswer uses what is known of a session about which the auth server could not answer a moment ago.
func (a *Authenticator) withoutAnswer(key cacheKey, q question, now time.Time, refusal *Refusal) (*Session, *Refusal) {
	if session, ok := a.cache.getStale(key, now); ok {
		a.observe(LookupStale)
		return session, nil
	}
	a.observe(LookupRefused)
	return nil, q.about(refusal)
}

// outcome is what a flight brings back.
type outcome struct {
	session *Session
	refusal *Refusal
}

// ask puts the question to the auth server, together with everyone who asks the same at this moment. A session that is
// past its time is used where the auth server is in trouble.
func (a *Authenticator) ask(ctx context.Context, h http.Header, key cacheKey, q question) (*Session, *Refusal) {
	if ctx.Err() != nil {
		return nil, unavailable(context.Cause(ctx), 0)
	}
	header := a.questionHeader(h, q)
	flight := a.flights.DoChan(string(key[:]), func() (any, error) {
		// The first caller may go away while others wait for the same answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
		defer cancel()
		session, refusal := a.resolve(ctx, key, q, header)
		return outcome{session, refusal}, nil
	})
	stale, known := a.cache.getStale(key, a.now())
	var slow <-chan time.Time
	if known {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		slow = timer.C
	}
	select {
	case <-ctx.Done():
		return nil, unavailable(context.Cause(ctx), 0)
	case <-slow:
		a.observe(LookupStale)
		return stale, nil
	case result := <-flight:
		found, ok := result.Val.(outcome)
		switch {
		case !ok:
			return nil, unavailable(result.Err, 0)
		case found.refusal == nil:
			return found.session, nil
		case found.refusal.Unavailable && known:
			a.observe(LookupStale)
			return stale, nil
		}
		own := *found.refusal // Each caller completes its own.
		return nil, &own
	}
}

// questionHeader is all that goes to the auth server of the client's request. A bearer goes as a bearer, and the cookie
// along with it: which of them counts is the auth server's decision.
func (a *Authenticator) questionHeader(h http.Header, q question) http.Header {
	header := http.Header{}
	if q.apiKey != "" {
		header.Set(a.apiKeyHeader, q.apiKey)
	}
	if q.cookie.token != "" {
		header.Set("Cookie", a.forward(h, q.cookie, q.data))
	}
	if q.bearer.kind != bearerNone {
		header.Set("Authorization", a.bearerHeader(q.bearer))
	}
	return header
}

// resolve asks the auth server, and keeps or drops what is known of the token accordingly.
func (a *Authenticator) resolve(ctx context.Context, key cacheKey, q question, header http.Header) (*Session, *Refusal) {
	asked := a.now()
	// Another flight may have landed between the caller's look and this one's start.
	if session, ok := a.cache.get(key, asked); ok {
		return session, nil
	}
	if refusal := a.cache.getRefusal(key, asked); refusal != nil {
		return nil, refusal
	}
	// A token that was good a moment ago is not made up. If it had to wait for a slot, a flood of made-up ones would
	// keep it alive after it was revoked.
	_, known := a.cache.getStale(key, asked)
	mayBeMadeUp := (q.bearer.kind == bearerRaw || q.apiKey != "") && !known
	again := a.cache.failedBefore(key, asked)
	release, refusal := a.admit(ctx, again, mayBeMadeUp)
	if refusal != nil {
		return nil, refusal
	}
	st, refusal := a.getSession(ctx, q, header, again)
	if refusal == nil {
		refusal = a.judge(st, q)
	}
	release(refusal)
	switch {
	case refusal == nil:
		st.session.AsOf = asked
		a.cache.put(key, st.session, st.end(a.maxSessionAge), asked)
		return st.session, nil
	case refusal.Reason == ReasonAPIKeyRateLimited:
		a.cache.limit(key, *refusal, asked)
		a.log.LogAttrs(ctx, slog.LevelWarn, "an API key has reached its own limit", slog.Any("refusal", q.about(refusal)))
	case !refusal.Unavailable:
		a.cache.refuse(key, *refusal, asked, mayBeMadeUp && refusal.isUnknown())
	case refusal.Reason == ReasonSessionUnusable:
		refusal.RetryAfter = a.cache.fail(key, *refusal, a.now())
		a.log.LogAttrs(ctx, slog.LevelWarn, "the auth server fails for a session", slog.Any("refusal", q.about(refusal)))
	case !refusal.spared():
		a.log.LogAttrs(ctx, slog.LevelWarn, "auth server unavailable", slog.Any("refusal", refusal))
	}
	return nil, refusal
}

// judge says whether the answer is one to the question, and its session one to use. It writes down the scheme and the
// token's hash.
func (a *Authenticator) judge(st statement, q question) *Refusal {
	scheme, token := q.scheme(st.token)
	if scheme == "" { // As a shared cache before the auth server would.
		return unusable(errors.New("the auth server answered with another session than was asked about"), 0)
	}
	st.session.Scheme, st.session.TokenHash = scheme, shortHash(token)
	if reason := st.refusal(a.maxSessionAge, a.now()); reason != "" {
		return refuse(reason)
	}
	return nil
}
