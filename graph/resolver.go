// Package graph is the API: what clients see. Its schema is written by hand in graph/schema; a resolver takes the
// viewer from the context, makes one call of the domain and returns what it says.
package graph

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"github.com/99designs/gqlgen/graphql"

	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/graph/scalar"
	"taskql/graph/selection"
	"taskql/internal/account"
	"taskql/internal/task"
)

//go:generate go run github.com/99designs/gqlgen generate

// maxNodes is how many ids one nodes field takes.
const maxNodes = 100

// Config is what the API works with. Everything is required, but ResponseBytes and FieldByField.
type Config struct {
	Tasks    *task.Service
	Accounts *account.Service
	// Unavailable reports whether an error is an outage of the database rather than a bug.
	Unavailable func(error) bool
	// NothingDone reports whether an error of Unavailable's proves that the database has done nothing. Where it is nil, none does.
	NothingDone func(error) bool
	// UserBusy reports whether an error of Unavailable's is due to the user's own other requests. If it is nil, no error is.
	UserBusy func(error) bool
	// ReadOnly reports whether an error of Unavailable's says that the database accepts no changes. If it is nil, no error does.
	ReadOnly func(error) bool
	// RequestID returns the request's id, for the client to quote and the operator to search for.
	RequestID func(context.Context) string
	Log       *slog.Logger
	// ResponseBytes is how long the data of a response may be. Default: 8 MiB.
	ResponseBytes int
	// FieldByField leaves all answers to gqlgen's own execution. They are the same, and take several times as long: it is
	// there to tell whose fault a wrong one is.
	FieldByField bool
}

// API is the executable schema together with what must stand around it.
type API struct {
	// Schema is what an executor runs. Its resolvers rely on Authorize, PresentError and Recover being in place.
	Schema graphql.ExecutableSchema
	// Scalars say what is wrong with a value, by the scalar's name, for a transport that asks before it executes.
	Scalars map[string]func(any) error

	config Config
}

// New returns the API on c's services.
func New(c Config) (*API, error) {
	if c.Tasks == nil || c.Accounts == nil || c.Unavailable == nil || c.RequestID == nil || c.Log == nil {
		return nil, errors.New("graph: Config is incomplete")
	}
	resolver := &Resolver{tasks: c.Tasks, accounts: c.Accounts}
	executable := schema{
		ExecutableSchema: generated.NewExecutableSchema(generated.Config{Schema: Schema(), Resolvers: resolver}),
		resolver:         resolver, responseBytes: cmp.Or(c.ResponseBytes, defaultResponseBytes),
	}
	if !c.FieldByField {
		executable.plans = selection.NewPlans(executable.Schema(), writtenTypes()...)
		executable.plans.Watch(func(ctx context.Context, w *walker, length int) error { return w.meter.grown(ctx, length) })
	}
	return &API{
		Schema:  executable,
		Scalars: scalar.Checks(),
		config:  c,
	}, nil
}

// Resolver holds what resolvers need.
type Resolver struct {
	tasks    *task.Service
	accounts *account.Service
}

// nodes returns what has those ids, in their order, with nil for what does not exist.
func (r *Resolver) nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	w, path, selected, err := r.walk(ctx)
	if err != nil {
		return nil, err
	}
	tasks, err := r.tasks.GetMany(ctx, w.viewer, ids, w.ofTasks(w.ofTask(selected))...)
	if err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return tasks[id] != nil })
	tags, err := r.tasks.Tags(ctx, w.viewer, rest, columns(tagColumns, w.ofTag(selected))...)
	if err != nil {
		return nil, err
	}
	found := map[string]model.Node{}
	for id, t := range tasks {
		found[id] = t
	}
	for id, t := range tags {
		found[id] = t
	}
	if slices.Contains(rest, w.viewer.UserID) {
		user, err := r.accounts.User(ctx, w.viewer, w.viewer.UserID)
		if err != nil && !errors.Is(err, account.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			found[w.viewer.UserID] = user
		}
	}
	nodes := make([]model.Node, len(ids))
	for i, id := range ids {
		nodes[i] = found[id]
	}
	err = w.loadTasks(ctx, path, slices.Collect(maps.Values(tasks)), selected)
	if err == nil {
		err = w.loadTags(ctx, path, slices.Collect(maps.Values(tags)), selected)
	}
	return nodes, err
}

// orders reads the argument orderBy.
func orders(by []*task.Order) []task.Order {
	all := make([]task.Order, len(by))
	for i, o := range by {
		all[i] = *o
	}
	return all
}
