package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"taskql/internal/betterauth"
)

// The rate and the burst of lines for each reason. A flood of forged cookies must not become a flood of lines, nor hide other
// reasons.
const (
	refusalsPerSecond = 10
	refusalsBurst     = 20
)

// refusalLog logs refused sessions, preflights or events, with a rate limit for each reason. A line reports how many lines of
// its reason were suppressed before it.
type refusalLog struct {
	log *slog.Logger
	now func() time.Time
	// message is the message of each line.
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

// newPreflightLog returns the log of refused preflights. All are warnings, because a page can't use the API.
func newPreflightLog(log *slog.Logger, now func() time.Time) *refusalLog {
	warn := func(string) slog.Level { return slog.LevelWarn }
	return &refusalLog{log: log, now: now, message: "preflight refused", level: warn, reasons: map[string]*refusalCount{}}
}

// write logs a refusal. The reason must be one of a few constants, because the log keeps a counter for each.
func (l *refusalLog) write(ctx context.Context, reason string, attrs ...slog.Attr) {
	suppressed, ok := l.allow(reason)
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

// refusalLevel returns the level of a reason's lines. Most reasons are ordinary, such as an expired session. A warning is for
// the operator to act on: the secret, the issuer or the origins may be configured wrongly, or the auth server is down or
// fails for a user.
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

// allow reports whether a line of the reason may be written now, and how many were suppressed since the last one.
func (l *refusalLog) allow(reason string) (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count, ok := l.reasons[reason]
	if !ok {
		count = &refusalCount{limit: rate.NewLimiter(refusalsPerSecond, refusalsBurst)}
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
