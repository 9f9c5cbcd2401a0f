package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/graph/scalar"
	"taskql/internal/account"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// The values of a top-level error's extensions.code. (GRAPHQL_PARSE_FAILED and GRAPHQL_VALIDATION_FAILED are the
// executor's; the codes of requests that are not GraphQL are the transport's.)
const (
	CodeUnauthenticated    = "UNAUTHENTICATED"
	CodeForbidden          = "FORBIDDEN"
	CodeNotFound           = "NOT_FOUND"
	CodeBadUserInput       = "BAD_USER_INPUT"
	CodeRateLimited        = "RATE_LIMITED"
	CodeServiceUnavailable = "SERVICE_UNAVAILABLE"
	CodeInternal           = "INTERNAL"
	CodeResponseTooLarge   = "RESPONSE_TOO_LARGE"
)

// retryAfter is how long a client is told to wait if nothing better is known.
const retryAfter = 5 * time.Second

// inputError is the error of an argument that a resolver refuses by itself.
type inputError struct{ message string }

func (e *inputError) Error() string { return e.message }

func badInput(format string, args ...any) error {
	return &inputError{message: fmt.Sprintf(format, args...)}
}

// isSignedOut reports whether err says that nobody is signed in, rather than that the session can't be checked.
func isSignedOut(err error) bool {
	var r *viewer.Refusal
	return errors.As(err, &r) && !r.Unavailable
}

// PresentError decides what a client sees of an error. An error that it does not know is INTERNAL: it is logged once, with
// the request's id, and shown without its text.
func (a *API) PresentError(ctx context.Context, err error) *gqlerror.Error {
	var shown *gqlerror.Error
	if !errors.As(err, &shown) {
		shown = gqlerror.WrapPath(graphql.GetPath(ctx), err)
	}
	code, message, extensions := a.translate(ctx, shown)
	if code == "" {
		return shown
	}
	out := &gqlerror.Error{Message: message, Path: shown.Path, Locations: shown.Locations, Extensions: map[string]any{"code": code}}
	maps.Copy(out.Extensions, extensions)
	return out
}

// translate returns the code, the message and the other extensions that a client sees; no code if the error is shown as it
// is.
func (a *API) translate(ctx context.Context, err *gqlerror.Error) (string, string, map[string]any) {
	var (
		refusal  *viewer.Refusal
		argument *task.InputError
		value    *scalar.Error
		own      *inputError
		denied   *forbidden
		debt     *workspace.DebtError
	)
	switch {
	case errors.As(err, &refusal):
		code, extensions := translateRefusal(refusal)
		return code, refusal.Message, extensions
	case errors.As(err, &debt):
		return CodeRateLimited, "Changes that were made at the same time have used up your budget, and nothing has changed: try again later.", retryIn(debt.RetryAfter)
	case errors.As(err, &denied):
		return CodeForbidden, denied.message, nil
	case errors.Is(err, viewer.ErrMembersUnknown):
		return CodeForbidden, "The auth server does not tell the members of this organization with these credentials: ask with the cookie or the token of a session.", nil
	case errors.As(err, &argument):
		return CodeBadUserInput, argument.Message, map[string]any{"argument": argument.Argument}
	case errors.As(err, &own):
		return CodeBadUserInput, own.message, nil
	case errors.As(err, &value):
		return CodeBadUserInput, lastName(err.Path) + " " + value.Error(), nil
	case errors.Is(err, errNotMember):
		return CodeNotFound, "workspaceId must be the id of a workspace in which you are a member, as workspaces lists them.", nil
	case errors.Is(err, workspace.ErrNotFound), errors.Is(err, account.ErrNotFound):
		return CodeNotFound, "There is no such thing.", nil
	case errors.Is(err, workspace.ErrNoWorkspace), errors.Is(err, workspace.ErrErased):
		return CodeUnauthenticated, "User not found", nil // As the next request is answered.
	case errors.Is(err, workspace.ErrBusy):
		a.config.Log.LogAttrs(ctx, slog.LevelWarn, "workspace busy", a.attributes(ctx, err)...)
		return CodeServiceUnavailable, "Too many changes at once: try again in a moment, with the same idempotencyKey.", retryIn(0)
	case a.config.Unavailable(err), errors.Is(err, context.DeadlineExceeded), timedOut(ctx, err):
		if reports(a.config.UserBusy, err) {
			a.config.Log.LogAttrs(ctx, slog.LevelWarn, "user busy", a.attributes(ctx, err)...)
		} else {
			a.config.Log.LogAttrs(ctx, slog.LevelWarn, "database unavailable", a.attributes(ctx, err)...)
		}
		return CodeServiceUnavailable, a.unreachable(ctx, err), retryIn(0)
	case err.Extensions["code"] != nil:
		return "", "", nil // The executor's own.
	case errors.Is(err, context.Canceled), errors.Is(ctx.Err(), context.Canceled): // PostgreSQL's error is another one.
		a.config.Log.LogAttrs(ctx, slog.LevelDebug, "the client is gone", a.attributes(ctx, err)...)
	default:
		a.config.Log.LogAttrs(ctx, slog.LevelError, "internal error", a.attributes(ctx, err)...)
	}
	id := a.config.RequestID(ctx)
	return CodeInternal, "Something went wrong on our side. Quote request " + id + " when you report it.", map[string]any{"requestId": id}
}

// timedOut reports whether err, which is not the executor's own, came when the operation's time was over. It may not say so: for PostgreSQL
// the statement was cancelled, and for database/sql the transaction is over.
func timedOut(ctx context.Context, err *gqlerror.Error) bool {
	var panicked *panicked
	return errors.Is(ctx.Err(), context.DeadlineExceeded) && err.Extensions["code"] == nil && !errors.As(err, &panicked)
}

// translateRefusal returns the code of a refusal, and the other extensions.
func translateRefusal(refusal *viewer.Refusal) (string, map[string]any) {
	switch {
	case refusal.RateLimited:
		return CodeRateLimited, retryIn(refusal.RetryAfter)
	case refusal.Unavailable:
		return CodeServiceUnavailable, retryIn(refusal.RetryAfter)
	default:
		return CodeUnauthenticated, nil
	}
}

// RefusalError returns what a client sees of a refusal outside of an operation.
func RefusalError(refusal *viewer.Refusal) *gqlerror.Error {
	code, extensions := translateRefusal(refusal)
	err := &gqlerror.Error{Message: refusal.Message, Extensions: map[string]any{"code": code}}
	maps.Copy(err.Extensions, extensions)
	return err
}

// unreachable returns the message for an outage of the database. It tells clients if a mutation may have happened.
func (a *API) unreachable(ctx context.Context, err error) string {
	// An error below the root field comes after the mutation.
	mayHaveHappened := !reports(a.config.NothingDone, err) || len(graphql.GetPath(ctx)) > 1
	if mayHaveHappened && graphql.HasOperationContext(ctx) {
		if op := graphql.GetOperationContext(ctx).Operation; op != nil && op.Operation == ast.Mutation {
			return "The database can't be reached just now, and the change may have happened: try again in a moment with the same idempotencyKey, or look first if it had none."
		}
	}
	switch {
	case reports(a.config.UserBusy, err):
		return "Too many of your requests are being answered at once: try again in a moment."
	case reports(a.config.ReadOnly, err):
		return "The database accepts no changes just now, and nothing has changed: try again in a moment."
	default:
		return "The database can't be reached just now: try again in a moment."
	}
}

// reports calls a function that may be nil.
func reports(f func(error) bool, err error) bool { return f != nil && f(err) }

// lastName returns the name of the argument or input field at the end of a path, as in title or ids[2].
func lastName(path ast.Path) string {
	index := ""
	for _, element := range slices.Backward(path) {
		switch element := element.(type) {
		case ast.PathName:
			return string(element) + index
		case ast.PathIndex:
			index = fmt.Sprintf("[%d]", int(element)) + index
		}
	}
	return "the value"
}

func retryIn(d time.Duration) map[string]any {
	if d <= 0 {
		d = retryAfter
	}
	return map[string]any{"retryAfter": int(math.Ceil(d.Seconds()))}
}

func (a *API) attributes(ctx context.Context, err error) []slog.Attr {
	return []slog.Attr{
		slog.String("request_id", a.config.RequestID(ctx)),
		slog.String("path", graphql.GetPath(ctx).String()),
		slog.String("error", err.Error()),
	}
}

// panicked is the error of a panic in a resolver.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// Recover logs a panic's stack; PresentError makes it INTERNAL.
func (a *API) Recover(ctx context.Context, value any) error {
	a.config.Log.LogAttrs(ctx, slog.LevelError, "panic in a resolver",
		slog.String("request_id", a.config.RequestID(ctx)), slog.String("stack", string(debug.Stack())))
	return &panicked{value: value}
}
