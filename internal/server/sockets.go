package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/graph"
	"taskql/internal/config"
	"taskql/internal/graphqlhttp"
	"taskql/internal/telemetry"
	"taskql/internal/viewer"
)

// operationMessage is the message of the log's line for an operation over a WebSocket.
const operationMessage = "operation"

// sockets are what operations over WebSockets need of the server.
type sockets struct {
	users *authenticator
	log   *slog.Logger
	now   func() time.Time
	// telemetry may be nil.
	telemetry *telemetry.Telemetry
}

// config returns the configuration of WebSockets.
func (s *sockets) config(cfg config.Config) graphqlhttp.SocketConfig {
	headers := []string{"Authorization"}
	if cfg.AuthAPIKeyHeader != "" {
		headers = append(headers, cfg.AuthAPIKeyHeader)
	}
	return graphqlhttp.SocketConfig{
		Authenticate: s.authenticate, CredentialHeaders: headers, Subscriptions: cfg.LimitSubscriptions, Around: s.around,
		Panicked: s.panicked,
	}
}

// authenticate returns a stream's context for the credentials in the payload of connection_init. A ticket comes before the
// others. If there are none, and the cookie's session could not be checked when the connection was opened, the client is told to
// try again: it would be signed out as long as the connection lasts.
func (s *sockets) authenticate(ctx context.Context, credentials graphqlhttp.Credentials) (context.Context, *gqlerror.Error) {
	header := credentials.Header
	if len(header) == 0 && credentials.Ticket == "" {
		_, err := viewer.FromContext(ctx)
		var refusal *viewer.Refusal
		if errors.As(err, &refusal) && refusal.Unavailable {
			return nil, graph.RefusalError(refusal)
		}
		return ctx, nil
	}
	if credentials.Ticket != "" {
		var refusal *viewer.Refusal
		if header, refusal = s.users.redeem(ctx, credentials.Ticket); refusal != nil {
			return nil, graph.RefusalError(refusal)
		}
	}
	session, err := s.users.authenticate(ctx, header)
	v, refusal := s.users.resolveViewer(ctx, session, err)
	if refusal != nil {
		return nil, graph.RefusalError(refusal)
	}
	info := *infoOf(ctx) // The former context counts for whoever it was.
	info.setViewer(v)
	stream := s.users.newStream(info, header, session, v)
	stream.start = s.now()
	if former, ok := ctx.(*streamContext); ok {
		stream.start = former.start
	}
	return stream, nil
}

// around gives an operation what a request over HTTP has: a session that was verified lately, and a line in the log.
func (s *sockets) around(ctx context.Context, run func(context.Context)) {
	info := *infoOf(ctx) // Each operation has its own name and errors.
	ctx = context.WithValue(ctx, requestInfoKey{}, &info)
	ctx, end := s.telemetry.SocketOperation(ctx)
	start := s.now()
	defer end()
	defer func() {
		s.log.LogAttrs(ctx, info.operationLevel(), operationMessage,
			info.appendAttrs([]slog.Attr{durationAttr(s.now().Sub(start)), slog.String("request_id", info.requestID)})...)
	}()
	run(verified(ctx))
}

// panicked logs a panic with its stack.
func (s *sockets) panicked(ctx context.Context, value any) {
	s.log.LogAttrs(ctx, slog.LevelError, "panic", slog.Any("panic", value),
		slog.String("request_id", RequestID(ctx)), slog.String("stack", string(debug.Stack())))
}

// operationLevel returns the level of the operation's line. It is that of a request whose answer has the status of the errors.
func (i *requestInfo) operationLevel() slog.Level {
	for code := range strings.SplitSeq(i.errorCodes, ",") {
		if code == graph.CodeInternal || code == graph.CodeServiceUnavailable {
			return slog.LevelError
		}
	}
	return slog.LevelInfo
}

// refuseForeignSockets refuses WebSockets of pages that CORS doesn't allow: browsers don't apply CORS to WebSockets.
func refuseForeignSockets(rules csrf) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header["Upgrade"] != nil && rules.refuses(r) {
				message, fix := explainCSRF(r)
				writeError(w, r, http.StatusForbidden, codeCSRFRefused, message+" "+fix)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
