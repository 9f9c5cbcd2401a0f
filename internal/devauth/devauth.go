// Package devauth is the development sign-in: a small auth server inside ours, which answers sign-up, sign-in,
// sign-out and get-session as Better Auth 1.7 does, so that its official client works and sessions take the same way
// through the server as in production. It has neither e-mail nor rate limits and is no substitute for an auth server.
// It says more than Better Auth in three cases: to a path that it doesn't have, to an origin that it doesn't trust, and
// to a request without an origin.
package devauth

import (
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
	sessionLife      = 7 * 24 * time.Hour
	shortSessionLife = 24 * time.Hour
	// updateAge is how old a session must be before it is extended.
	updateAge = 24 * time.Hour
)

// Config is what New needs.
type Config struct {
	// DB keeps users, sessions and the secret, in tables of its own whose names start with devauth_. Required.
	DB *sql.DB
	// Dialect of DB: ent's dialect.Postgres or dialect.SQLite.
	Dialect string
	// Secret signs the cookies. "": one is made at the first start and kept in DB.
	Secret string
	// TrustedOrigins reports whether pages of an origin, as in "http://localhost:3000", may sign in here. The server's
	// own origin may in any case. Nil: no other.
	TrustedOrigins func(origin string) bool
	// OnError is called with the code of each error response, except those of Transport. It may be nil.
	OnError func(ctx context.Context, code string)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Log receives what goes wrong. Nil: nothing is logged.
	Log *slog.Logger
}

// Server answers Better Auth's requests. It is safe for use by many goroutines and processes.
type Server struct {
	endpoints []endpoint
	store     *store
	passwords *passwords
	secret    string
	trusted   func(origin string) bool
	onError   func(context.Context, string)
	now       func() time.Time
	log       *slog.Logger
}

// New makes the tables where they are missing, deletes sessions that have expired, and reads or makes the secret.
// Several processes may do so at once. The error is the database's.
func New(ctx context.Context, cfg Config) (*Server, error) {
	switch {
	case cfg.DB == nil:
		return nil, errors.New("the development sign-in needs a database")
	case cfg.Dialect != dialect.Postgres && cfg.Dialect != dialect.SQLite:
		return nil, fmt.Errorf("the development sign-in does not know the dialect %q", cfg.Dialect)
	}
	s := &Server{
		endpoints: endpoints(),
		store:     &store{db: cfg.DB, dialect: cfg.Dialect},
		passwords: newPasswords(),
		secret:    cfg.Secret,
		trusted:   cfg.TrustedOrigins,
		onError:   cfg.OnError,
		now:       cfg.Now,
		log:       cfg.Log,
	}
	if s.trusted == nil {
		s.trusted = func(string) bool { return false }
	}
	if s.onError == nil {
		s.onError = func(context.Context, string) {}
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.store.createTables(ctx); err != nil {
		return nil, fmt.Errorf("making the development sign-in's tables: %w", err)
	}
	if err := s.store.deleteExpired(ctx, s.now()); err != nil {
		return nil, fmt.Errorf("deleting expired sessions: %w", err)
	}
	if s.secret == "" {
		secret, err := s.store.settle(ctx, "secret", rand.Text()+rand.Text())
		if err != nil {
			return nil, fmt.Errorf("keeping the development sign-in's secret: %w", err)
		}
		s.secret = secret
	}
	return s, nil
}

// Secret is what the cookies are signed with: Config's, else the one in the database, 52 random characters.
func (s *Server) Secret() string { return s.secret }

// endpoint answers one route. A nil answer is JSON's null.
type endpoint struct {
	method, path string

	handle func(*Server, *call) (any, error)
	// readsBody: get-session ignores it.
	readsBody bool
	// signsIn endpoints are guarded against other sites' forms even if there is no cookie yet.
	signsIn bool
	// schema of the body.
	schema schema
}

// endpoints lists the routes. docs/development.md has the same list.
func endpoints() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "/ok", handle: (*Server).ok},
		{method: http.MethodPost, path: "/sign-up/email", handle: (*Server).signUp, readsBody: true, signsIn: true, schema: signUpSchema()},
		{method: http.MethodPost, path: "/sign-in/email", handle: (*Server).signIn, readsBody: true, signsIn: true, schema: signInSchema()},
		{method: http.MethodGet, path: "/get-session", handle: (*Server).getSession},
		{method: http.MethodPost, path: "/sign-out", handle: (*Server).signOut, readsBody: true, schema: signOutSchema()},
	}
}

// Endpoints lists what the development sign-in has, as in "GET /api/auth/ok".
func Endpoints() []string {
	var list []string
	for _, end := range endpoints() {
		list = append(list, end.method+" "+strings.TrimSuffix(Prefix, "/")+end.path)
	}
	return list
}

// route finds the endpoint. Like Better Auth it treats a wrong method as an unknown path.
func (s *Server) route(method, path string) (endpoint, bool) {
	if method == http.MethodPost && path == "/get-session" {
		return endpoint{handle: (*Server).postSession}, true // Better Auth knows it, and refuses it.
	}
	for _, end := range s.endpoints {
		if end.method == method && end.path == path {
			return end, true
		}
	}
	return endpoint{}, false
}

// call is a request on its way through an endpoint.
type call struct {
	*http.Request
	header http.Header // of the answer
	body   body
}

// ServeHTTP answers a request whose path starts with Prefix.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if refusal := s.serve(w, r); refusal != nil {
		s.onError(r.Context(), refusal.Code)
	}
}

// serve answers a request and returns the answer if it is an error, else nil.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) *refusal {
	path, _ := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(Prefix, "/"))
	end, ok := s.route(r.Method, path)
	if !ok {
		refusal := unknownPath()
		s.write(w, refusal.status, refusal)
		return refusal
	}
	answer, err := s.answer(end, &call{Request: r, header: w.Header()}, w)
	if err != nil {
		refusal := s.refusalOf(r, err)
		s.write(w, refusal.status, refusal)
		return refusal
	}
	s.write(w, http.StatusOK, answer)
	return nil
}

// answer takes the steps in Better Auth's order: body, origin, schema, form guard, handler.
func (s *Server) answer(end endpoint, c *call, w http.ResponseWriter) (any, error) {
	if end.readsBody {
		parsed, err := readBody(w, c.Request)
		if err != nil {
			return nil, err
		}
		c.body = parsed
	}
	if err := s.checkOrigins(c); err != nil {
		return nil, err
	}
	if err := end.schema.check(c.body); err != nil {
		return nil, err
	}
	if end.signsIn {
		if err := s.checkForm(c.Request); err != nil {
			return nil, err
		}
	}
	return end.handle(s, c)
}

func (s *Server) refusalOf(r *http.Request, err error) *refusal {
	var known *refusal
	if errors.As(err, &known) {
		return known
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "development sign-in failed",
		slog.String("path", r.URL.Path), slog.String("error", err.Error()))
	return refuse(http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "Internal Server Error")
}

func (s *Server) write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		s.log.LogAttrs(context.Background(), slog.LevelDebug, "the sign-in answer can't be written", slog.String("error", err.Error()))
	}
}
