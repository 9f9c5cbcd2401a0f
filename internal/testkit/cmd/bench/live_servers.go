package main

import (
	"cmp"
	"context"
	"net/http"
	"os"

	"taskql/internal/testkit/bench"
)

// credential is what a user signs in with: one of two headers.
type credential struct{ authorization, cookie string }

// credential returns what a user signs in with at a server. It is made once.
func (r *liveRun) credential(s *server, user string) (credential, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.credentials[user]; ok {
		return known, nil
	}
	if r.getSession {
		r.credentials[user] = credential{cookie: bench.Cookie(user, s.secret)}
		return r.credentials[user], nil
	}
	token, err := r.issuer.Token(user)
	if err != nil {
		return credential{}, err
	}
	r.credentials[user] = credential{authorization: "Bearer " + token}
	return r.credentials[user], nil
}

// start starts a server with an auth server of its own.
func (r *liveRun) start(ctx context.Context) (*server, error) {
	clear(r.credentials) // They are of another auth server.
	s, err := r.startAt(ctx)
	if err == nil {
		r.issuer.URL = "http://" + s.auth.Addr().String()
	}
	return s, err
}

// startBeside starts another replica, with the first one's auth server.
func (r *liveRun) startBeside(ctx context.Context, first *server) (*server, error) {
	return r.startAt(ctx, "AUTH_SERVER_URL="+r.issuer.URL, "JWT_SECRET="+first.secret)
}

func (r *liveRun) startAt(ctx context.Context, more ...string) (*server, error) {
	auth := http.NewServeMux()
	auth.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		r.asked.Add(1)
		bench.GetSession(w, q)
	})
	auth.HandleFunc("/api/auth/jwks", r.issuer.ServeKeys)
	return startWith(ctx, r.database.url, connectionsEach, auth, nil, append(more, "LIMIT_STREAMS=10000", "LIMIT_STREAMS_TOTAL=100000",
		// The default, instead of bench load's: it decides how often the sessions of streams are checked.
		"SESSION_CACHE_TTL=15s", "STREAM_RECHECK="+cmp.Or(os.Getenv("STREAM_RECHECK"), "5m"))...)
}
