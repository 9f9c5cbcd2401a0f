package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"taskql/internal/config"
	"taskql/internal/graphqlhttp"
	"taskql/internal/telemetry"
)

const (
	graphqlPath = "/graphql"
	healthPath  = "/health"
	authPath    = "/api/auth/"
	hookPath    = "/hooks/better-auth"
	// playgroundPath is the folder of the page's files.
	playgroundPath = "/playground/"
	// minCompressed is the length in bytes of the shortest answer that is compressed. Shorter ones fit into a packet anyway.
	minCompressed = 1024
)

// routes are the handlers of the paths. A path whose handler is nil is not served.
type routes struct {
	graphql    http.Handler
	ticket     http.Handler
	health     http.Handler
	auth       http.Handler
	hook       http.Handler
	playground http.Handler
}

// handlerConfig configures newHandler.
type handlerConfig struct {
	cfg      config.Config
	log      *slog.Logger
	now      func() time.Time
	draining *atomic.Bool
	// telemetry may be nil.
	telemetry *telemetry.Telemetry
}

// newHandler returns the handler of all requests: the routes within the middlewares. Their order matters, because each
// middleware sees the answers of those after it.
func newHandler(c handlerConfig, r routes) (http.Handler, error) {
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed), gzhttp.ContentTypeFilter(isCompressed))
	if err != nil {
		return nil, fmt.Errorf("setting up compression: %w", err)
	}
	return chain(
		r.mux(),
		closeWhileDraining(c.draining),
		withCORS(c.cfg.CORSOrigins, newPreflightLog(c.log, c.now)),
		withRequestInfo,
		c.telemetry.HTTP(telemetry.HTTPConfig{Route: routeOf, Silent: isProbe, Record: recordStatus}),
		withAccessLog(c.log, c.now),
		withRecover(c.log),
		withSecurityHeaders(c.cfg.Production()),
		func(next http.Handler) http.Handler { return compress(next) },
		refuseRepeated(c.cfg.AuthAPIKeyHeader),
	), nil
}

// isCompressed reports whether answers of a content type are compressed. Those of streams are not: the results would wait in
// the compressor for more.
func isCompressed(contentType string) bool {
	return !graphqlhttp.IsStream(contentType) && gzhttp.DefaultContentTypeFilter(contentType)
}

// mux maps paths to handlers. Handlers check the method, so that a wrong one is answered with 405 and not with 404.
func (r routes) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/", notFound)
	mux.Handle(graphqlPath, r.graphql)
	mux.Handle(ticketPath, allowMethods(r.ticket, http.MethodPost))
	mux.Handle(healthPath, allowMethods(r.health, http.MethodGet, http.MethodHead))
	mux.Handle(hookPath, allowMethods(r.hook, http.MethodPost))
	if r.auth != nil {
		mux.Handle(authPath, r.auth)
	}
	if r.playground != nil {
		page := allowMethods(r.playground, http.MethodGet, http.MethodHead)
		mux.Handle("/{$}", page)
		mux.Handle(playgroundPath, page)
	}
	return mux
}
