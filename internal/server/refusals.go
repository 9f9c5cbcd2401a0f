package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"taskql/internal/betterauth"
)

// How many lines a second a reason may have, and how many at once. A flood of forged cookies must not become a flood
// of lines, nor hide other reasons.
const (
	refusalsPerSecond = 10
	refusalsAtOnce    = 20
)

// refusalLog writes one line for each refused session or preflight, so many a second for each reason. The next line that is
// written says how many were not.
type refusalLog struct {
	log *slog.Logger
	now func() time.Time
	// message is each line's.
	message string
	level   func(reason string) slog.Level

	mu      sync.Mutex
	reasons map[string]*refusalCount
}

type refusalCount struct {
	limit      *rate.Limiter
	suppressed int
}

func newRefusalLog(log *slog.Logger, now func() time.Time) *refusalLog {
	return &refusalLog{log: log, now: now, message: "session refused", level: refusalLevel, reasons: map[string]*refusalCount{}}
}

// newPreflightLog returns the log of refused preflights. All are warnings: a page can't use the API.
func newPreflightLog(log *slog.Logger, now func() time.Time) *refusalLog {
	warn := func(string) slog.Level { return slog.LevelWarn }
	return &refusalLog{log: log, now: now, message: "preflight refused", level: warn, reasons: map[string]*refusalCount{}}
}

// write logs a refusal. The reasons are few and ours, since each is remembered.
func (l *refusalLog) write(ctx context.Context, reason string, attrs ...slog.Attr) {
	suppressed, ok := l.take(reason)
	if !ok {
		return
	}
	attrs = append([]slog.Attr{slog.String("reason", reason)}, attrs...)
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	if id := RequestID(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	l.log.LogAttrs(ctx, l.level(reason), l.message, attrs...) //nolint:sloglint // One of a few constants.
}

// refusalLevel is the level of a reason's lines. Most reasons are ordinary, such as an expired session. A warning is for
// the operator to act on: the secret, the issuer or the origins may be set wrong, or the auth server is down or fails for
// a user.
func refusalLevel(reason string) slog.Level {
	switch reason {
	case string(betterauth.ReasonBadSignature), string(betterauth.ReasonUnknownKey), string(betterauth.ReasonWrongIssuer),
		string(betterauth.ReasonUnavailable), string(betterauth.ReasonSessionUnusable), string(betterauth.ReasonAPIKeyPermissions),
		reasonCSRF:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// take reports whether a line may be written now, and how many of its reason were not since the last.
func (l *refusalLog) take(reason string) (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count, ok := l.reasons[reason]
	if !ok {
		count = &refusalCount{limit: rate.NewLimiter(refusalsPerSecond, refusalsAtOnce)}
		l.reasons[reason] = count
	}
	if !count.limit.AllowN(l.now(), 1) {
		count.suppressed++
		return 0, false
	}
	suppressed := count.suppressed
	count.suppressed = 0
	return suppressed, true
}
