// Package graph is the API: what clients see. Its schema is written by hand in graph/schema; a resolver takes the
// viewer from the context, calls the domain once and returns the result.
package graph

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"taskql/graph/generated"
	"taskql/graph/scalar"
	"taskql/graph/selection"
	"taskql/internal/live"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

//go:generate go run taskql/graph/generate

// Config configures the API. Services, Unavailable, RequestID and Log are required.
type Config struct {
	Services Services
	// Unavailable reports whether an error is an outage of the database rather than a bug.
	Unavailable func(error) bool
	// NothingDone reports whether an outage's error proves that the database has done nothing. Nil: none does.
	NothingDone func(error) bool
	// UserBusy reports whether an outage's error is due to the user's own other requests. Nil: none is.
	UserBusy func(error) bool
	// ReadOnly reports whether an outage's error says that the database accepts no changes. Nil: none does.
	ReadOnly func(error) bool
	// RequestID returns the request's id, for the client to quote and the operator to search for.
	RequestID func(context.Context) string
	Log       *slog.Logger
	// Hub runs subscriptions. If it is nil, they are refused.
	Hub *live.Hub
	// ResultTimeout is how long one result of a subscription may take. Default: 10 s.
	ResultTimeout time.Duration
	// ResponseBytes is how long the data of a response may be. Default: 8 MiB.
	ResponseBytes int
	// MaxErrors is how many errors of one result of a subscription a client sees. Default: 20.
	MaxErrors int
	// FieldByField leaves all execution to gqlgen. The answers are the same and take several times as long: it shows
	// whether the executor is at fault if an answer is wrong.
	FieldByField bool
}

// API is the executable schema with the functions that a transport has to call.
type API struct {
	// Schema executes operations. Its resolvers rely on Authorize, PresentError and Recover.
	Schema graphql.ExecutableSchema
	// Scalars check values, by the scalar's name, for a transport that checks variables before it executes.
	Scalars map[string]func(any) error

	schema *schema
	config Config
}

// New returns the API for the services of c. It fails if one is missing.
func New(c Config) (*API, error) {
	if !c.Services.allSet() || c.Unavailable == nil || c.RequestID == nil || c.Log == nil {
		return nil, errors.New("graph: Config is incomplete")
	}
	c.ResultTimeout = cmp.Or(c.ResultTimeout, defaultResultTimeout)
	c.MaxErrors = cmp.Or(c.MaxErrors, defaultMaxErrors)
	resolver := &Resolver{services: c.Services}
	executable := &schema{
		ExecutableSchema: generated.NewExecutableSchema(generated.Config{Schema: Schema(), Resolvers: resolver}),
		resolver:         resolver, responseBytes: cmp.Or(c.ResponseBytes, defaultResponseBytes), fieldByField: c.FieldByField,
	}
	grown := func(ctx context.Context, r *rootField, length int) error { return r.meter.grown(ctx, length) }
	executable.compiler = selection.NewCompiler(executable.Schema(), grown, objectTypes()...)
	executable.plans = selection.NewCache(executable.compile)
	return &API{
		Schema:  executable,
		schema:  executable,
		Scalars: scalar.Checks(),
		config:  c,
	}, nil
}

// Resolver resolves the fields of the schema.
type Resolver struct{ services Services }

// resolving returns the root field that is being resolved. The error says why nobody is asking.
func resolving(ctx context.Context) (*rootField, error) {
	r, ok := rootFieldOf(ctx)
	if !ok {
		return nil, errNoRootField
	}
	return r, r.viewerErr
}

// selectedOf returns what is selected of the root field's values of a type.
func (r *rootField) selectedOf(typ string) *set { return r.plan.Set(typ) }

// page returns what has to be read of the page that the root field returns.
func (r *rootField) page(typ string) task.Selection {
	return pageSelected(r.selectedOf(typ)).Selection
}

// orNil returns nil if there is no such object: the contract's answer is null.
func orNil[T any](object *T, err error) (*T, error) {
	if errors.Is(err, workspace.ErrNotFound) {
		return nil, nil //nolint:nilnil // As above.
	}
	return object, err
}

// orders converts the argument orderBy.
func orders(by []*task.Order) []task.Order {
	all := make([]task.Order, len(by))
	for i, o := range by {
		all[i] = *o
	}
	return all
}
