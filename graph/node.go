package graph

import (
	"context"
	"errors"
	"slices"

	"taskql/graph/model"
	"taskql/internal/account"
)

// maxNodes is how many ids one nodes field takes.
const maxNodes = 100

// nodeType is a type that implements Node.
type nodeType struct {
	name string
	// find returns the viewer's objects of the type that have one of the ids, with those columns. It leaves out what
	// doesn't exist.
	find func(ctx context.Context, r *rootField, ids, columns []string) (map[string]model.Node, error)
}

// nodeTypes are all of the schema that implement Node, in the order in which an id is looked up.
var nodeTypes = []nodeType{ //nolint:gochecknoglobals // A constant, if Go had constant slices.
	{"Task", func(ctx context.Context, r *rootField, ids, columns []string) (map[string]model.Node, error) {
		return asNodes(r.resolver.tasks.GetMany(ctx, r.viewer, ids, columns...))
	}},
	{"Tag", func(ctx context.Context, r *rootField, ids, columns []string) (map[string]model.Node, error) {
		return asNodes(r.resolver.tasks.Tags(ctx, r.viewer, ids, columns...))
	}},
	{"User", func(ctx context.Context, r *rootField, ids, _ []string) (map[string]model.Node, error) {
		if !slices.Contains(ids, r.viewer.UserID) {
			return nil, nil //nolint:nilnil // Nobody sees other users.
		}
		user, err := r.resolver.accounts.User(ctx, r.viewer, r.viewer.UserID)
		if errors.Is(err, account.ErrNotFound) {
			return nil, nil //nolint:nilnil // It doesn't exist.
		}
		return map[string]model.Node{r.viewer.UserID: user}, err
	}},
}

func asNodes[T any](objects map[string]*T, err error) (map[string]model.Node, error) {
	nodes := make(map[string]model.Node, len(objects))
	for id, object := range objects {
		nodes[id] = object
	}
	return nodes, err
}

// nodes returns the objects with the ids, in the order of the ids, and nil for what doesn't exist.
func nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	r, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	found := make(map[string]model.Node, len(ids))
	rest := ids
	for _, t := range nodeTypes {
		objects, err := t.find(ctx, r, rest, r.selectedOf(t.name).Columns)
		if err != nil {
			return nil, err
		}
		for id, object := range objects {
			found[id] = object
		}
		rest = slices.DeleteFunc(slices.Clone(rest), func(id string) bool { return objects[id] != nil })
	}
	all := make([]model.Node, len(ids))
	for i, id := range ids {
		all[i] = found[id]
	}
	return all, nil
}
