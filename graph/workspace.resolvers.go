package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/internal/access"
	"taskql/internal/account"
	"taskql/internal/history"
	"taskql/internal/keyset"
	"taskql/internal/project"
	"taskql/internal/task"
	"taskql/internal/viewer"
)

func (r *memberResolver) Person(ctx context.Context, obj *viewer.Member) (*account.Person, error) {
	return personOf(obj), nil
}

func (r *projectResolver) Workspace(ctx context.Context, obj *ent.Project) (*access.Workspace, error) {
	return loaded[*access.Workspace](ctx, obj)
}

func (r *queryResolver) Workspaces(ctx context.Context) ([]*access.Workspace, error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	return root.workspaces(ctx)
}

func (r *queryResolver) Workspace(ctx context.Context, id string) (*access.Workspace, error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	return root.workspace(ctx, id)
}

func (r *tagResolver) Workspace(ctx context.Context, obj *ent.Tag) (*access.Workspace, error) {
	return loaded[*access.Workspace](ctx, obj)
}

func (r *taskResolver) Workspace(ctx context.Context, obj *ent.Task) (*access.Workspace, error) {
	return loaded[*access.Workspace](ctx, obj)
}

func (r *workspaceResolver) Members(ctx context.Context, obj *access.Workspace) ([]*viewer.Member, error) {
	return loaded[[]*viewer.Member](ctx, obj)
}

func (r *workspaceResolver) Tasks(ctx context.Context, obj *access.Workspace, first *int, after *string, last *int, before *string, filter *model.TaskFilter, orderBy []*keyset.OrderBy[task.OrderField], scope task.Scope) (*task.Page, error) {
	return loaded[*task.Page](ctx, obj)
}

func (r *workspaceResolver) Tags(ctx context.Context, obj *access.Workspace, first *int, after *string, last *int, before *string, search *string) (*keyset.Page[*ent.Tag], error) {
	return loaded[*task.TagPage](ctx, obj)
}

func (r *workspaceResolver) Projects(ctx context.Context, obj *access.Workspace, first *int, after *string, last *int, before *string, scope project.Scope) (*keyset.Page[*ent.Project], error) {
	return loaded[*project.Page](ctx, obj)
}

func (r *workspaceResolver) Activity(ctx context.Context, obj *access.Workspace, first *int, after *string, filter *model.ActivityFilter) (*keyset.Page[*history.Activity], error) {
	return loaded[*history.Page](ctx, obj)
}

func (r *Resolver) Member() generated.MemberResolver { return &memberResolver{r} }

func (r *Resolver) Workspace() generated.WorkspaceResolver { return &workspaceResolver{r} }

type (
	memberResolver    struct{ *Resolver }
	workspaceResolver struct{ *Resolver }
)
