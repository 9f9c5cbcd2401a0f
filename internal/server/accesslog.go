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
// and passed on. If the answer is a stream that takes over the connection, the line is written when it begins, and streams
// writes another one when it has ended.
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
			if response.hijacked && r.Header["Upgrade"] != nil {
				response.recordStatus(http.StatusSwitchingProtocols)
			}
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
		durationAttr(took),
		slog.String("request_id", info.requestID),
	)
	return info.appendAttrs(attrs)
}

// durationAttr is how long something took.
func durationAttr(took time.Duration) slog.Attr {
	return slog.Float64("duration_ms", float64(took.Microseconds())/1000)
}

// appendAttrs appends what is known of the operation and the user.
func (i *requestInfo) appendAttrs(attrs []slog.Attr) []slog.Attr {
	for _, optional := range [...]slog.Attr{
		slog.String("operation", truncate(i.operationName)),
		slog.String("operation_type", i.operationType),
		slog.String("error_code", i.errorCodes),
		slog.String("user_id", i.userID),
		slog.String("impersonated_by", i.impersonatedBy),
	} {
		if optional.Value.String() != "" {
			attrs = append(attrs, optional)
		}
	}
	return attrs
}

// truncate shortens a client's text for the log.
func truncate(s string) string { return s[:min(len(s), maxLogged)] }
