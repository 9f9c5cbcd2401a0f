// Package devauth is the development sign-in: a small auth server inside this server. It answers sign-up, sign-in,
// sign-out, get-session and the organization plugin's requests as Better Auth 1.7 does, so that Better Auth's client works
// and sessions are checked as in production. It has neither e-mail nor rate limits and does not replace an auth server.
// Its error messages say more than Better Auth's in three cases: for an unknown path, an untrusted origin, and a request
// without an origin. It limits the lengths of what organizations store, and the number of organizations that a user
// belongs to. What makes Better Auth fail with 500, such as a name with U+0000, is refused with 400. Users see the
// invitations to their address although no address is ever verified.
package devauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"entgo.io/ent/dialect"
)

// Prefix is the path that a Server is mounted at, with a trailing slash.
const Prefix = "/api/auth/"

// Better Auth's defaults.
const (
	sessionTTL      = 7 * 24 * time.Hour
	shortSessionTTL = 24 * time.Hour // without rememberMe
	// updateAge is the age at which a session is extended.
	updateAge = 24 * time.Hour
)

// Config configures a Server. DB and Dialect are required.
type Config struct {
	// DB stores users, sessions and the secret, in tables whose names start with devauth_.
	DB *sql.DB
	// Dialect is the dialect of DB: ent's dialect.Postgres or dialect.SQLite.
	Dialect string
	// Secret signs the cookies. If it is empty, one is generated at the first start and stored in DB.
	Secret string
	// TrustedOrigins reports whether pages of an origin such as "http://localhost:3000" may sign in here. The server's
	// own origin always may. If it is nil, no other may.
	TrustedOrigins func(origin string) bool
	// OnError is called with the code of each error response, except those of Transport. It may be nil.
	OnError func(ctx context.Context, code string)
	// SignedOut is called with each user who has signed out. It may be nil.
	SignedOut func(userID string)
	// MembershipChanged is called with each user who has joined or left an organization, or whose role in one has changed.
	// It may be nil.
	MembershipChanged func(userID string)
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Log receives errors. If it is nil, nothing is logged.
	Log *slog.Logger
}

// Server answers the requests of Better Auth's clients. It is safe for concurrent use, also by several processes with
// one database.
type Server struct {
	endpoints []endpoint
	store     *store
	passwords *passwords
	secret    string
	trusted   func(origin string) bool
	onError   func(context.Context, string)
	signedOut func(userID string)
	now       func() time.Time
	log       *slog.Logger

	membershipChanged func(userID string)
}

// New creates missing tables, deletes expired sessions, and reads or generates the secret. Several processes may do so
// at once. The error is about an invalid configuration or from the database.
func New(ctx context.Context, cfg Config) (*Server, error) {
	switch {
	case cfg.DB == nil:
		return nil, errors.New("the development sign-in needs a database")
	case cfg.Dialect != dialect.Postgres && cfg.Dialect != dialect.SQLite:
		return nil, fmt.Errorf("the development sign-in does not know the dialect %q", cfg.Dialect)
	}
	s := &Server{
		endpoints: endpoints(),
		store:     newStore(cfg.DB, cfg.Dialect),
		passwords: newPasswords(),
		secret:    cfg.Secret,
		trusted:   cfg.TrustedOrigins,
		onError:   cfg.OnError,
		signedOut: cfg.SignedOut,
		now:       cfg.Now,
		log:       cfg.Log,

		membershipChanged: cfg.MembershipChanged,
	}
	if s.trusted == nil {
		s.trusted = func(string) bool { return false }
	}
	if s.onError == nil {
		s.onError = func(context.Context, string) {}
	}
	if s.signedOut == nil {
		s.signedOut = func(string) {}
	}
	if s.membershipChanged == nil {
		s.membershipChanged = func(string) {}
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.store.createTables(ctx); err != nil {
		return nil, fmt.Errorf("creating the development sign-in's tables: %w", err)
	}
	if err := s.store.deleteExpired(ctx, s.now()); err != nil {
		return nil, fmt.Errorf("deleting expired sessions: %w", err)
	}
	if s.secret == "" {
		secret, err := s.store.getOrSet(ctx, "secret", rand.Text()+rand.Text())
		if err != nil {
			return nil, fmt.Errorf("storing the development sign-in's secret: %w", err)
		}
		s.secret = secret
	}
	return s, nil
}

// Secret returns the secret that signs the cookies: that of the configuration, else the generated one of 52 random
// characters.
func (s *Server) Secret() string { return s.secret }

// endpoint handles one method and path. The result of handle is the response's JSON; nil is null.
type endpoint struct {
	method, path string

	handle func(*Server, *call) (any, error)
	// readsBody is whether the body is read.
	readsBody bool
	// signsIn is whether the endpoint signs in. Such endpoints are protected against other sites' forms, even without a
	// cookie.
	signsIn bool
	// schema validates the body, and query the parameters of the URL.
	schema, query schema
	// signedOut returns the response for a request of nobody who is signed in. If it is nil, anybody may send requests.
	signedOut func() *apiError
}

// endpoints returns all endpoints. docs/development.md lists them too.
func endpoints() []endpoint {
	return append([]endpoint{
		{method: http.MethodGet, path: "/ok", handle: (*Server).ok},
		{method: http.MethodPost, path: "/sign-up/email", handle: (*Server).signUp, readsBody: true, signsIn: true, schema: signUpSchema()},
		{method: http.MethodPost, path: "/sign-in/email", handle: (*Server).signIn, readsBody: true, signsIn: true, schema: signInSchema()},
		{method: http.MethodGet, path: "/get-session", handle: (*Server).getSession},
		{method: http.MethodPost, path: "/sign-out", handle: (*Server).signOut, readsBody: true, schema: signOutSchema()},
	}, organizationEndpoints()...)
}

// Endpoints returns the method and path of each endpoint, as in "GET /api/auth/ok".
func Endpoints() []string {
	var list []string
	for _, end := range endpoints() {
		list = append(list, end.method+" "+strings.TrimSuffix(Prefix, "/")+end.path)
	}
	return list
}

// route returns the endpoint for a method and path. As in Better Auth, a wrong method is an unknown path.
func (s *Server) route(method, path string) (endpoint, bool) {
	if method == http.MethodPost && path == "/get-session" {
		return endpoint{handle: (*Server).postSession}, true // Better Auth has this endpoint, and refuses it.
	}
	for _, end := range s.endpoints {
		if end.method == method && end.path == path {
			return end, true
		}
	}
	return endpoint{}, false
}

// call is a request to an endpoint.
type call struct {
	*http.Request
	header http.Header // of the response
	body   body
	query  body // the parameters of the URL
	// signedInUser is who sent the request; nil if that doesn't matter to the endpoint.
	*signedInUser
}

// ServeHTTP implements http.Handler, for requests whose paths start with Prefix.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if failure := s.serve(w, r); failure != nil {
		s.onError(r.Context(), failure.Code)
	}
}

// serve answers a request. It returns the response if that is an error, nil otherwise.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) *apiError {
	path, _ := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(Prefix, "/"))
	end, ok := s.route(r.Method, path)
	if !ok {
		failure := unknownPath()
		s.write(w, failure.status, failure)
		return failure
	}
	response, err := s.respond(end, &call{Request: r, header: w.Header(), query: queryOf(r)}, w)
	if err != nil {
		failure := s.asAPIError(r, err)
		s.write(w, failure.status, failure)
		return failure
	}
	s.write(w, http.StatusOK, response)
	return nil
}

// respond returns the response of an endpoint. It takes the steps in Better Auth's order: read the body, check the
// origin, validate the body and the URL's parameters, protect against forms, look for the session, handle.
func (s *Server) respond(end endpoint, c *call, w http.ResponseWriter) (any, error) {
	if end.readsBody {
		body, err := readBody(w, c.Request)
		if err != nil {
			return nil, err
		}
		c.body = body
	}
	if err := s.checkOrigins(c); err != nil {
		return nil, err
	}
	if err := cmp.Or(end.schema.check("body", c.body), end.query.check("query", c.query)); err != nil {
		return nil, err
	}
	if end.signsIn {
		if err := s.checkForm(c.Request); err != nil {
			return nil, err
		}
	}
	if end.signedOut != nil {
		found, err := s.findSession(c)
		switch {
		case err != nil:
			return nil, err
		case found == nil:
			return nil, end.signedOut()
		}
		c.signedInUser = found
	}
	return end.handle(s, c)
}

// asAPIError returns the apiError in err's chain. It logs any other error, which the client doesn't see.
func (s *Server) asAPIError(r *http.Request, err error) *apiError {
	var known *apiError
	if errors.As(err, &known) {
		return known
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "development sign-in failed",
		slog.String("path", r.URL.Path), slog.String("error", err.Error()))
	return newError(http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "Internal Server Error")
}

// write writes a response as JSON.
func (s *Server) write(w http.ResponseWriter, status int, response any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if failure, ok := response.(*apiError); ok && failure.Message == "" {
		return
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(response); err != nil {
		s.log.LogAttrs(context.Background(), slog.LevelDebug, "the sign-in answer can't be written", slog.String("error", err.Error()))
	}
}
