package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"taskql/internal/config"
	"taskql/internal/telemetry"
)

const (
	graphqlPath = "/graphql"
	healthPath  = "/health"
	authPath    = "/api/auth/"
	hookPath    = "/hooks/better-auth"
	// playgroundPath is where the page's files are.
	playgroundPath = "/playground/"
	// minCompressed is the shortest answer worth compressing, in bytes: less fits one packet anyway.
	minCompressed = 1024
)

// routes are the handlers of the paths. A nil one is not served.
type routes struct {
	graphql    http.Handler
	health     http.Handler
	auth       http.Handler
	hook       http.Handler
	playground http.Handler
}

// face is what stands around the routes.
type face struct {
	cfg      config.Config
	log      *slog.Logger
	now      func() time.Time
	draining *atomic.Bool
	// telemetry measures; nil for nothing.
	telemetry *telemetry.Telemetry
}

// handler builds the whole HTTP handler. The order of the chain matters: each layer sees the answers of all
// that stand within.
func (f face) handler(to routes) (http.Handler, error) {
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed))
	if err != nil {
		return nil, fmt.Errorf("setting up compression: %w", err)
	}
	return chain(
		to.mux(),
		closeWhileDraining(f.draining),
		withCORS(f.cfg.CORSOrigins, newPreflightLog(f.log, f.now)),
		withRequestID,
		f.telemetry.HTTP(routeOf, isProbe),
		withAccessLog(f.log, f.now),
		withRecover(f.log),
		withSecurityHeaders(f.cfg.Production()),
		func(next http.Handler) http.Handler { return compress(next) },
		refuseRepeated(f.cfg.AuthAPIKeyHeader),
	), nil
}

// mux maps paths to handlers. Methods are the handlers' business, so that a wrong one is 405 and not 404.
func (to routes) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/", notFound)
	mux.Handle(graphqlPath, to.graphql)
	mux.Handle(healthPath, only(to.health, http.MethodGet, http.MethodHead))
	mux.Handle(hookPath, only(to.hook, http.MethodPost))
	if to.auth != nil {
		mux.Handle(authPath, to.auth)
	}
	if to.playground != nil {
		page := only(to.playground, http.MethodGet, http.MethodHead)
		mux.Handle("/{$}", page)
		mux.Handle(playgroundPath, page)
	}
	return mux
}
