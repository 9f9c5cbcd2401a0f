package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"taskql/graph"
	"taskql/internal/account"
	"taskql/internal/betterauth"
	"taskql/internal/database"
	"taskql/internal/graphqlhttp"
	"taskql/internal/hooks"
	"taskql/internal/live"
	"taskql/internal/task"
	"taskql/internal/viewer"
)

// hookCodes maps the statuses of refused events to values of extensions.code.
var hookCodes = map[int]string{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	http.StatusBadRequest:            graphqlhttp.CodeBadRequest,
	http.StatusUnauthorized:          graph.CodeUnauthenticated,
	http.StatusNotFound:              codeNotFound,
	http.StatusRequestEntityTooLarge: graphqlhttp.CodePayloadTooLarge,
	http.StatusUnprocessableEntity:   graph.CodeBadUserInput,
	http.StatusInternalServerError:   codeInternal,
	http.StatusServiceUnavailable:    graph.CodeServiceUnavailable,
}

// newHook returns the handler of the auth server's events.
func newHook(cfg Config, tasks *task.Service, accounts *account.Service, sessions *betterauth.Authenticator, hub *live.Hub) (http.Handler, error) {
	limit := cfg.Config.LimitOperationTime
	endStreams := func(userID string) {
		sessions.Forget(userID)
		hub.EndUser(userID)
	}
	hook, err := hooks.New(hooks.Config{
		Secret: cfg.Config.AuthHookSecret.Reveal(),
		UserDeleted: func(ctx context.Context, userID string) (bool, error) {
			defer endStreams(userID)
			return inTime(viewer.AsSystem(ctx), limit, func(ctx context.Context) (bool, error) {
				return tasks.RemoveUser(ctx, task.Removal{UserID: userID})
			})
		},
		UserLinked: func(ctx context.Context, from, to string) (bool, error) {
			return inTime(viewer.AsSystem(ctx), limit, func(ctx context.Context) (bool, error) {
				if err := accounts.Ensure(ctx, to); err != nil && !errors.Is(err, account.ErrNotFound) {
					return false, err
				}
				defer endStreams(from)
				return tasks.RemoveUser(ctx, task.Removal{UserID: from, MoveTo: to})
			})
		},
		UserBanned:   endStreams,
		SessionEnded: func(userID string) { checkSessions(sessions, hub, userID) },
		Temporary:    func(err error) bool { return database.IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded) },
		WriteError: func(w http.ResponseWriter, r *http.Request, status int, message string) {
			writeError(w, r, status, hookCodes[status], message)
		},
		OnRefused: newEventLog(cfg.Log, cfg.Now).write,
		OnAccepted: func(ctx context.Context, attrs ...slog.Attr) {
			cfg.Log.LogAttrs(ctx, slog.LevelInfo, "event accepted", append(attrs, slog.String("request_id", RequestID(ctx)))...)
		},
		Now: cfg.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the auth server's events: %w", err)
	}
	return hook, nil
}

// inTime runs what an event asks for, for so long at most. If the time is over, the error is context.DeadlineExceeded: PostgreSQL's own is
// that the statement was cancelled.
func inTime(ctx context.Context, limit time.Duration, run func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	known, err := run(ctx)
	if ended := ctx.Err(); err != nil && ended != nil {
		err = fmt.Errorf("%w: %w", ended, err)
	}
	return known, err
}

// newEventLog returns the log of refused events.
func newEventLog(log *slog.Logger, now func() time.Time) *refusalLog {
	return &refusalLog{log: log, now: now, message: "event refused", level: eventLevel, reasons: map[string]*refusalCount{}}
}

// eventLevel returns the level of the line for a refused event. It is a warning if the event may be the auth server's, because
// that event is lost unless somebody acts. What anybody may send is only information.
func eventLevel(reason string) slog.Level {
	switch reason {
	case hooks.ReasonOff, hooks.ReasonMissing, hooks.ReasonTooLarge:
		return slog.LevelInfo
	default:
		return slog.LevelWarn
	}
}
