package graph

import (
	"context"
	"slices"

	"taskql/graph/model"
)

// maxNodes is how many ids one nodes field takes.
const maxNodes = 100

func asNodes[T any](objects map[string]*T, err error) (map[string]model.Node, error) {
	nodes := make(map[string]model.Node, len(objects))
	for id, object := range objects {
		nodes[id] = object
	}
	return nodes, err
}

// nodes returns the objects with the ids, in the order of the ids, and nil for what doesn't exist. Those that are not the viewer's own
// are looked up in the workspaces of organizations.
func nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	r, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	found := make(map[string]model.Node, len(ids))
	rest, err := r.find(ctx, ids, found)
	if err != nil {
		return nil, err
	}
	viewers, in, err := r.resolver.services.Access.Places(ctx, r.viewer, rest, tables...)
	if err != nil {
		return nil, err
	}
	for _, v := range viewers {
		r.viewer = v
		if _, err := r.find(ctx, in[v.WorkspaceID], found); err != nil {
			return nil, err
		}
	}
	all := make([]model.Node, len(ids))
	for i, id := range ids {
		all[i] = found[id]
	}
	return all, nil
}

// find adds the objects with the ids that are in the viewer's workspace to those that were found. It returns the other ids.
func (r *rootField) find(ctx context.Context, ids []string, found map[string]model.Node) ([]string, error) {
	rest := ids
	for _, e := range entities {
		objects, err := e.find(ctx, r, rest, r.selectedOf(e.name).Columns)
		if err != nil {
			return nil, err
		}
		for id, object := range objects {
			found[id] = object
			r.addToGroup(r.viewer, object)
		}
		rest = slices.DeleteFunc(slices.Clone(rest), func(id string) bool { return objects[id] != nil })
	}
	return rest, nil
}
