package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"

	"taskql/internal/config"
)

// debugHandler serves what only operators may see: Go's profiles under /debug/pprof/, and metrics unless they are nil. It must
// not be reachable through the public listener.
func debugHandler(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	if metrics != nil {
		mux.Handle("/metrics", metrics)
	}
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", notFound) // Arguments may be secret.
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// refuseUnknownHosts answers with 403 if the Host header could be the name of an attacker's web page. Such a page could make
// its name resolve to the server's address (DNS rebinding) and then read everything here.
func refuseUnknownHosts(cfg config.Config, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !cfg.IsDebugHost(r.Host) {
			http.Error(w, "Profiles and metrics are not served under this host name, because a web page could use one to read them. "+
				"Use the server's address, as in http://"+cfg.DebugAddr+".", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServeDebug serves profiles, and metrics unless they are nil, on the configured DEBUG_ADDR in the background until ctx ends.
// Without a DEBUG_ADDR it does nothing. It returns an error if it can't listen on the address.
func ServeDebug(ctx context.Context, cfg config.Config, metrics http.Handler, log *slog.Logger) error {
	if cfg.DebugAddr == "" {
		return nil
	}
	listener, err := listen(ctx, cfg.DebugAddr)
	if err != nil {
		return fmt.Errorf("DEBUG_ADDR: %w", err)
	}
	server := &http.Server{
		Handler: refuseUnknownHosts(cfg, debugHandler(metrics)), ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			log.LogAttrs(ctx, slog.LevelError, "the debug listener failed", slog.String("error", err.Error()))
		}
	}()
	log.LogAttrs(ctx, slog.LevelInfo, "serving profiles", slog.String("address", listener.Addr().String()))
	return nil
}
