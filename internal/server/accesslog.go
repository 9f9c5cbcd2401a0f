package server

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	// accessMessage is the message of the access log's lines.
	accessMessage = "request"
	// maxLogged is how many bytes of a client's text are logged.
	maxLogged = 200
)

// withAccessLog logs a line for each answer, with the codes of its errors whatever its status: an answer in application/json
// has status 200 even if the operation failed. The line has no cookies, tokens, query strings or variables. A panic is logged
// and passed on.
func withAccessLog(log *slog.Logger, now func() time.Time) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			response, start := wrapWriter(w), now()
			defer func() {
				level := accessLevel(r, response.status)
				if log.Enabled(r.Context(), level) {
					end := now()
					line := slog.NewRecord(end, level, accessMessage, 0)
					line.AddAttrs(accessAttrs(r, response, end.Sub(start))...)
					_ = log.Handler().Handle(r.Context(), line) // slog.Logger ignores the error too.
				}
			}()
			next.ServeHTTP(response, r)
			response.recordStatus(http.StatusOK) // net/http sends it if the handler wrote nothing.
		})
	}
}

// accessLevel returns the level of an answer's line. Health probes would hide the other requests.
func accessLevel(r *http.Request, status int) slog.Level {
	switch {
	case r.URL.Path == healthPath:
		return slog.LevelDebug
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// accessAttrs returns a line's attributes, without empty ones.
func accessAttrs(r *http.Request, response *responseWriter, took time.Duration) []slog.Attr {
	info := infoOf(r.Context())
	const most = 11
	attrs := append(make([]slog.Attr, 0, most),
		slog.String("method", truncate(r.Method)),
		slog.String("path", truncate(r.URL.Path)),
		slog.Int("status", response.status),
		slog.Int64("bytes", response.bytes),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", info.requestID),
	)
	for _, optional := range [...]slog.Attr{
		slog.String("operation", truncate(info.operationName)),
		slog.String("operation_type", info.operationType),
		slog.String("error_code", info.errorCodes),
		slog.String("user_id", info.userID),
		slog.String("impersonated_by", info.impersonatedBy),
	} {
		if optional.Value.String() != "" {
			attrs = append(attrs, optional)
		}
	}
	return attrs
}

// truncate shortens a client's text for the log.
func truncate(s string) string { return s[:min(len(s), maxLogged)] }
