package graph

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/lib/pq"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"taskql/graph/scalar"
	"taskql/internal/account"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

var errOutage = errors.New("dial tcp 10.0.0.1:5432: connection refused")

func TestPresentError(t *testing.T) {
	t.Parallel()
	_, notAnInt := scalar.UnmarshalInt("x")
	tests := map[string]struct {
		err           error
		code, message string
		retryAfter    any
		logged        string
	}{
		"no session":    {err: viewer.NotAuthenticated(), code: "UNAUTHENTICATED", message: "Not authenticated"},
		"a bad one":     {err: &viewer.Refusal{Message: "Invalid session"}, code: "UNAUTHENTICATED", message: "Invalid session"},
		"auth outage":   {err: &viewer.Refusal{Message: "down", Unavailable: true, RetryAfter: 1500 * time.Millisecond}, code: "SERVICE_UNAVAILABLE", message: "down", retryAfter: 2},
		"a key limit":   {err: &viewer.Refusal{Message: "limit", Unavailable: true, RateLimited: true, RetryAfter: time.Minute}, code: "RATE_LIMITED", message: "limit", retryAfter: 60},
		"forbidden":     {err: permitted(viewer.AccessRead, ast.Mutation), code: "FORBIDDEN", message: `This API key may not change anything: it lacks the permission "write" for "tasks".`},
		"no such task":  {err: fmt.Errorf("x: %w", workspace.ErrNotFound), code: "NOT_FOUND", message: "There is no such thing."},
		"no such user":  {err: account.ErrNotFound, code: "NOT_FOUND", message: "There is no such thing."},
		"an argument":   {err: &task.InputError{Argument: "first", Message: "first must be 1"}, code: "BAD_USER_INPUT", message: "first must be 1"},
		"too many ids":  {err: badInput("ids takes at most %d", 100), code: "BAD_USER_INPUT", message: "ids takes at most 100"},
		"a scalar":      {err: notAnInt, code: "BAD_USER_INPUT", message: "ids[2] must be a whole number"},
		"an outage":     {err: fmt.Errorf("reading: %w", errOutage), code: "SERVICE_UNAVAILABLE", retryAfter: 5, logged: "connection refused"},
		"a busy one":    {err: fmt.Errorf("createTask: %w: %w", workspace.ErrBusy, context.DeadlineExceeded), code: "SERVICE_UNAVAILABLE", message: "Too many changes at once: try again in a moment, with the same idempotencyKey.", retryAfter: 5, logged: "take too long"},
		"a deadline":    {err: context.DeadlineExceeded, code: "SERVICE_UNAVAILABLE", retryAfter: 5, logged: "deadline"},
		"the database":  {err: fmt.Errorf("reading: %w", &pq.Error{Code: "42P01", Message: "relation tasks does not exist"}), code: "INTERNAL", logged: "relation tasks does not exist"},
		"a panic":       {err: &panicked{value: "nil map"}, code: "INTERNAL", logged: "nil map"},
		"anything":      {err: errors.New("secret detail"), code: "INTERNAL", logged: "secret detail"},
		"no code":       {err: gqlerror.Errorf("must not be null"), code: "INTERNAL", logged: "must not be null"},
		"erased member": {err: fmt.Errorf("createTask: %w", workspace.ErrErased), code: "UNAUTHENTICATED", message: "User not found"},
		"erased user":   {err: fmt.Errorf("createTask: %w", workspace.ErrNoWorkspace), code: "UNAUTHENTICATED", message: "User not found"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			a := &API{config: Config{
				Unavailable: func(err error) bool { return errors.Is(err, errOutage) },
				RequestID:   func(context.Context) string { return "r-1" },
				Log:         slog.New(slog.NewTextHandler(&log, nil)),
			}}
			path := ast.Path{ast.PathName("nodes"), ast.PathName("ids"), ast.PathIndex(2)}
			got := a.PresentError(t.Context(), gqlerror.WrapPath(path, tt.err))
			if got.Extensions["code"] != tt.code || got.Extensions["retryAfter"] != tt.retryAfter {
				t.Errorf("extensions are %v, want code %s and retryAfter %v", got.Extensions, tt.code, tt.retryAfter)
			}
			if tt.message != "" && got.Message != tt.message {
				t.Errorf("message is %q, want %q", got.Message, tt.message)
			}
			if tt.code == "INTERNAL" && (!strings.Contains(got.Message, "r-1") || got.Extensions["requestId"] != "r-1") {
				t.Errorf("%q %v: no request id", got.Message, got.Extensions)
			}
			if tt.logged != "" && (strings.Contains(got.Message, tt.logged) || strings.Count(log.String(), tt.logged) != 1) {
				t.Errorf("%q should be in the log once and not be shown: %q, %q", tt.logged, got.Message, log.String())
			}
			if tt.logged == "" && log.Len() > 0 {
				t.Errorf("logged %q", log.String())
			}
			if got.Path.String() != path.String() {
				t.Errorf("path is %s, want %s", got.Path, path)
			}
		})
	}
}

// If the client is gone, PostgreSQL says that the statement was canceled. That is no error to look for.
func TestPresentErrorOfACanceledRequest(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := &API{config: Config{
		Unavailable: func(error) bool { return false }, RequestID: func(context.Context) string { return "r-1" },
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := a.PresentError(ctx, &pq.Error{Code: "57014"}); got.Extensions["code"] != "INTERNAL" || log.Len() > 0 {
		t.Errorf("%v, logged %q", got, log.String())
	}
}

// If the time of an operation is over, PostgreSQL says that the statement was canceled, and database/sql that the transaction is over.
// Clients are told to try again. A panic stays what it is.
func TestPresentErrorOfAnOperationOutOfTime(t *testing.T) {
	t.Parallel()
	a := &API{config: Config{
		Unavailable: func(error) bool { return false }, RequestID: func(context.Context) string { return "r-1" },
		Log: slog.New(slog.DiscardHandler),
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for err, want := range map[error]string{
		&pq.Error{Code: "57014"}:                 "SERVICE_UNAVAILABLE",
		fmt.Errorf("reading: %w", sql.ErrTxDone): "SERVICE_UNAVAILABLE",
		&panicked{"a bug"}:                       "INTERNAL",
		&gqlerror.Error{Extensions: map[string]any{"code": "GRAPHQL_VALIDATION_FAILED"}}: "GRAPHQL_VALIDATION_FAILED",
	} {
		if got := a.PresentError(ctx, err); got.Extensions["code"] != want {
			t.Errorf("%v is %v, want %s", err, got.Extensions, want)
		}
	}
}

// What the executor says of a document keeps its own code and words.
func TestPresentErrorKeepsTheExecutors(t *testing.T) {
	t.Parallel()
	err := &gqlerror.Error{Message: "Cannot query field", Extensions: map[string]any{"code": "GRAPHQL_VALIDATION_FAILED"}}
	a := &API{config: Config{Unavailable: func(error) bool { return false }}}
	if got := a.PresentError(t.Context(), err); got != err {
		t.Errorf("got %v", got)
	}
}

// What kept the database from doing it is said, unless it may have been done.
func TestWhyTheDatabaseDidNothing(t *testing.T) {
	t.Parallel()
	busy, readOnly, broken := errors.New("busy"), errors.New("read-only"), errors.New("broken")
	among := func(list ...error) func(error) bool {
		return func(err error) bool {
			return slices.ContainsFunc(list, func(e error) bool { return errors.Is(err, e) })
		}
	}
	var log bytes.Buffer
	a := &API{config: Config{
		Unavailable: among(busy, readOnly, broken), NothingDone: among(busy, readOnly), UserBusy: among(busy), ReadOnly: among(readOnly),
		RequestID: func(context.Context) string { return "r-1" },
		Log:       slog.New(slog.NewTextHandler(&log, nil)),
	}}
	for err, want := range map[error]string{
		busy:     "Too many of your requests are being answered at once: try again in a moment.",
		readOnly: "The database accepts no changes just now, and nothing has changed: try again in a moment.",
		broken:   "The database can't be reached just now, and the change may have happened: try again in a moment with the same idempotencyKey, or look first if it had none.",
	} {
		log.Reset()
		ctx := graphql.WithOperationContext(t.Context(), &graphql.OperationContext{Operation: &ast.OperationDefinition{Operation: ast.Mutation}})
		if got := a.PresentError(ctx, err); got.Message != want || got.Extensions["code"] != CodeServiceUnavailable {
			t.Errorf("%v: %q, %v", err, got.Message, got.Extensions)
		}
		if got := strings.Contains(log.String(), "user busy"); got != errors.Is(err, busy) {
			t.Errorf("%v is logged as %s", err, &log)
		}
	}
}

// Of a change whose fate nobody knows the client is told so; of what has surely not happened, and of what only reads, not.
func TestWhatAnOutageMeans(t *testing.T) {
	t.Parallel()
	errRefused := fmt.Errorf("%w, and nothing was sent", errOutage)
	a := &API{config: Config{
		Unavailable: func(err error) bool { return errors.Is(err, errOutage) },
		NothingDone: func(err error) bool { return errors.Is(err, errRefused) },
		RequestID:   func(context.Context) string { return "r-1" },
		Log:         slog.New(slog.DiscardHandler),
	}}
	for _, tt := range []struct {
		operation ast.Operation
		err       error
		below     bool
		want      bool
	}{
		{ast.Mutation, errOutage, false, true},
		{ast.Mutation, errRefused, false, false},
		{ast.Mutation, errRefused, true, true},
		{ast.Query, errOutage, false, false},
	} {
		ctx := graphql.WithOperationContext(t.Context(), &graphql.OperationContext{Operation: &ast.OperationDefinition{Operation: tt.operation}})
		ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Field: graphql.CollectedField{Field: &ast.Field{Alias: "createTask"}}})
		if tt.below {
			ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Field: graphql.CollectedField{Field: &ast.Field{Alias: "task"}}})
		}
		if got := a.PresentError(ctx, tt.err).Message; strings.Contains(got, "may have happened") != tt.want {
			t.Errorf("%s, %v, below the root %t: %q", tt.operation, tt.err, tt.below, got)
		}
	}
}
