package graph

import (
	"context"

	"taskql/ent"
	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/internal/feed"
	"taskql/internal/keyset"
	"taskql/internal/project"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

func (r *changePageResolver) Projects(ctx context.Context, obj *feed.Page) ([]*ent.Project, error) {
	return changedProjects(obj), nil
}

func (r *changePageResolver) Sections(ctx context.Context, obj *feed.Page) ([]*ent.Section, error) {
	return changedSections(obj), nil
}

func (r *mutationResolver) CreateProject(ctx context.Context, input project.CreateInput) (*project.Result, error) {
	return mutateAt(ctx, inWorkspace(input.WorkspaceID), input, r.services.Projects.Create)
}

func (r *mutationResolver) UpdateProject(ctx context.Context, input model.UpdateProjectInput) (*project.Result, error) {
	return mutateAt(ctx, atProject(input.ID), convert[project.UpdateInput](input), r.services.Projects.Update)
}

func (r *mutationResolver) ArchiveProject(ctx context.Context, input workspace.TargetInput) (*project.Result, error) {
	return mutateAt(ctx, atProject(input.ID), input, r.services.Tasks.ArchiveProject)
}

func (r *mutationResolver) UnarchiveProject(ctx context.Context, input workspace.TargetInput) (*project.Result, error) {
	return mutateAt(ctx, atProject(input.ID), input, r.services.Tasks.UnarchiveProject)
}

func (r *mutationResolver) MoveProject(ctx context.Context, input project.MoveInput) (*project.Result, error) {
	return mutateAt(ctx, atProject(input.ID), input, r.services.Projects.Move)
}

func (r *mutationResolver) DeleteProject(ctx context.Context, input workspace.TargetInput) (*project.Result, error) {
	return mutateAt(ctx, atProject(input.ID), input, r.services.Tasks.DeleteProject)
}

func (r *mutationResolver) RestoreProject(ctx context.Context, input workspace.TargetInput) (*project.Result, error) {
	return mutateAt(ctx, atProject(input.ID), input, r.services.Tasks.RestoreProject)
}

func (r *mutationResolver) CreateSection(ctx context.Context, input project.CreateSectionInput) (*project.SectionResult, error) {
	return mutateAt(ctx, atProject(input.ProjectID), input, r.services.Projects.CreateSection)
}

func (r *mutationResolver) UpdateSection(ctx context.Context, input model.UpdateSectionInput) (*project.SectionResult, error) {
	return mutateAt(ctx, atSection(input.ID), convert[project.UpdateSectionInput](input), r.services.Projects.UpdateSection)
}

func (r *mutationResolver) MoveSection(ctx context.Context, input project.MoveInput) (*project.SectionResult, error) {
	return mutateAt(ctx, atSection(input.ID), input, r.services.Projects.MoveSection)
}

func (r *mutationResolver) DeleteSection(ctx context.Context, input workspace.TargetInput) (*task.DeleteSectionResult, error) {
	return mutateAt(ctx, atSection(input.ID), input, r.services.Tasks.DeleteSection)
}

func (r *projectResolver) Sections(ctx context.Context, obj *ent.Project) ([]*ent.Section, error) {
	return loaded[[]*ent.Section](ctx, obj)
}

func (r *projectResolver) Tasks(ctx context.Context, obj *ent.Project, first *int, after *string, last *int, before *string, filter *model.TaskFilter, orderBy []*keyset.OrderBy[task.OrderField], scope task.Scope) (*task.Page, error) {
	return loaded[*task.Page](ctx, obj)
}

func (r *projectResolver) OpenTaskCount(ctx context.Context, obj *ent.Project) (int, error) {
	return loaded[int](ctx, obj)
}

func (r *projectResolver) Position(ctx context.Context, obj *ent.Project) (string, error) {
	return string(obj.Position), nil
}

func (r *projectCountResolver) Project(ctx context.Context, obj *task.ProjectCount) (*ent.Project, error) {
	return loaded[*ent.Project](ctx, obj)
}

func (r *queryResolver) Project(ctx context.Context, id string) (*ent.Project, error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	return get(ctx, root, id, workspace.TableProjects, func(v viewer.Viewer) (*ent.Project, error) {
		return r.services.Projects.Get(ctx, v, id, root.selectedOf("Project").Columns...)
	})
}

func (r *queryResolver) Projects(ctx context.Context, first *int, after *string, last *int, before *string, scope project.Scope) (*keyset.Page[*ent.Project], error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	page := root.page("ProjectConnection")
	return r.services.Projects.List(ctx, root.viewer, project.ListInput{
		First: first, After: after, Last: last, Before: before, Scope: scope, Columns: page.Columns, CountsOnly: page.CountsOnly,
	})
}

func (r *sectionResolver) Project(ctx context.Context, obj *ent.Section) (*ent.Project, error) {
	return loaded[*ent.Project](ctx, obj)
}

func (r *sectionResolver) OpenTaskCount(ctx context.Context, obj *ent.Section) (int, error) {
	return loaded[int](ctx, obj)
}

func (r *sectionResolver) Position(ctx context.Context, obj *ent.Section) (string, error) {
	return string(obj.Position), nil
}

func (r *taskResolver) Project(ctx context.Context, obj *ent.Task) (*ent.Project, error) {
	return loaded[*ent.Project](ctx, obj)
}

func (r *taskResolver) Section(ctx context.Context, obj *ent.Task) (*ent.Section, error) {
	return loaded[*ent.Section](ctx, obj)
}

func (r *Resolver) Project() generated.ProjectResolver { return &projectResolver{r} }

func (r *Resolver) ProjectCount() generated.ProjectCountResolver { return &projectCountResolver{r} }

func (r *Resolver) Section() generated.SectionResolver { return &sectionResolver{r} }

type (
	projectResolver      struct{ *Resolver }
	projectCountResolver struct{ *Resolver }
	sectionResolver      struct{ *Resolver }
)
