package graph

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/access"
	"taskql/internal/history"
	"taskql/internal/project"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// A root field acts in one workspace: all that is selected below an object of a workspace is in the same. So rootField.viewer acts in
// that workspace. If the values of a root field are in several, they are groups, each with its viewer, and are loaded one group
// after the other.

// workspaceType is the name of the type of a workspace.
const workspaceType = "Workspace"

// group are those values of a root field that are in one workspace.
type group struct {
	viewer viewer.Viewer
	values []any
}

// addToGroup adds a value that is in the workspace of v.
func (r *rootField) addToGroup(v viewer.Viewer, value any) {
	if w, ok := value.(*access.Workspace); ok {
		v = w.Viewer
	}
	i := slices.IndexFunc(r.groups, func(g group) bool { return g.viewer.WorkspaceID == v.WorkspaceID })
	if i < 0 {
		i = len(r.groups)
		r.groups = append(r.groups, group{viewer: v})
	}
	r.groups[i].values = append(r.groups[i].values, value)
}

// place is what of a mutation's input says in which workspace it acts: the workspace's id if there is one, else the ids of objects in
// one of the tables.
type place struct {
	workspaceID *string
	// field is the input's with the ids, if it is a list.
	field string
	ids   []string
	table string
}

func inWorkspace(id *string) place { return place{workspaceID: id} }
func atTask(id string) place       { return place{ids: []string{id}, table: workspace.TableTasks} }
func atTasks(ids []string) place {
	return place{field: "ids", ids: ids, table: workspace.TableTasks}
}
func atTag(id string) place      { return place{ids: []string{id}, table: workspace.TableTags} }
func atReminder(id string) place { return place{ids: []string{id}, table: workspace.TableReminders} }
func atProject(id string) place  { return place{ids: []string{id}, table: workspace.TableProjects} }
func atSection(id string) place  { return place{ids: []string{id}, table: workspace.TableSections} }

// ofNewTask is the place of a new task: the workspace that is named, else its parent's, section's or project's.
func ofNewTask(in task.CreateInput) place {
	switch {
	case in.WorkspaceID != nil:
		return inWorkspace(in.WorkspaceID)
	case in.ParentID != nil:
		return atTask(*in.ParentID)
	case in.SectionID != nil:
		return atSection(*in.SectionID)
	case in.ProjectID != nil:
		return atProject(*in.ProjectID)
	default:
		return place{}
	}
}

// enter makes the viewer act in the workspace that an input names. It returns violations if there is no such workspace, or if the ids are in several.
func (r *rootField) enter(ctx context.Context, at place) (workspace.Violations, error) {
	var errs workspace.Violations
	if at.workspaceID != nil {
		v, err := r.resolver.services.Access.Workspace(ctx, r.viewer, *at.workspaceID)
		if errors.Is(err, workspace.ErrNotFound) {
			errs.Add(workspace.CodeNotFound, "workspaceId", "There is no such workspace: send an id that workspaces lists, or leave it out for your own.")
			return errs, nil
		}
		r.viewer = v
		return nil, err
	}
	if at.table == "" || !viewer.HasMemberships(ctx) {
		return nil, nil
	}
	found, err := r.resolver.services.Access.Find(ctx, r.viewer, at.ids, at.table)
	if err != nil {
		return nil, err
	}
	r.viewer = found.Viewer
	for i, id := range workspace.CanonicalIDs(at.ids) {
		if slices.Contains(found.Elsewhere, id) {
			errs.Add(workspace.CodeInvalid, workspace.Element(at.field, i), "This one is in another workspace than the first: name those of one workspace in each request.")
		}
	}
	return errs, nil
}

// payload is the result of a mutation.
type payload[T any] interface {
	*T
	Refuse(errs []*workspace.UserError)
}

// mutateAt resolves a mutation: it calls the domain with the input, and the viewer as it acts in the workspace that the input names. A
// request that was carried out before in another one gets its first answer from there.
func mutateAt[In, Out any, P payload[Out]](
	ctx context.Context, at place, in In, call func(context.Context, viewer.Viewer, In) (*Out, error),
) (*Out, error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	own := root.viewer
	errs, err := root.enter(ctx, at)
	if err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		return refused[Out, P](errs), nil
	}
	out, err := call(ctx, root.viewer, in)
	if elsewhere := (*workspace.ElsewhereError)(nil); errors.As(err, &elsewhere) {
		root.viewer, err = root.resolver.services.Access.Workspace(ctx, own, workspace.NodeID(elsewhere.WorkspaceID))
		if errors.Is(err, workspace.ErrNotFound) {
			errs.Add(workspace.CodeNotFound, "", "This request was carried out before, in a workspace of which you are no longer a member.")
			return refused[Out, P](errs), nil
		}
		if err != nil {
			return nil, err
		}
		out, err = call(ctx, root.viewer, in)
	}
	if _, shared := workspace.OrganizationOf(root.viewer.WorkspaceID); shared && errors.Is(err, workspace.ErrNoWorkspace) {
		return nil, &viewer.Refusal{Message: "This workspace is being deleted: try again later.", Unavailable: true, RetryAfter: time.Minute}
	}
	return out, err
}

func refused[Out any, P payload[Out]](errs workspace.Violations) *Out {
	out := new(Out)
	P(out).Refuse(errs)
	return out
}

// get resolves a root field that reads an object by its id, which is in the viewer's own workspace or in an organization's.
func get[T any](ctx context.Context, r *rootField, id, table string, read func(viewer.Viewer) (*T, error)) (*T, error) {
	object, err := read(r.viewer)
	if !errors.Is(err, workspace.ErrNotFound) || !viewer.HasMemberships(ctx) {
		return orNil(object, err)
	}
	found, err := r.resolver.services.Access.Find(ctx, r.viewer, []string{id}, table)
	if err != nil || found.Viewer.WorkspaceID == r.viewer.WorkspaceID {
		return nil, err
	}
	r.viewer = found.Viewer
	return orNil(read(r.viewer))
}

// errNotMember is a workspace.ErrNotFound for the argument workspaceId.
var errNotMember = fmt.Errorf("workspaceId: %w", workspace.ErrNotFound)

// actIn makes the viewer act in the workspace with an id of the API, if one is given. The error is errNotMember unless the user is a
// member.
func (r *rootField) actIn(ctx context.Context, id *string) error {
	if id == nil {
		return nil
	}
	v, err := r.resolver.services.Access.Workspace(ctx, r.viewer, *id)
	if errors.Is(err, workspace.ErrNotFound) {
		return errNotMember
	}
	if err == nil {
		r.viewer = v
	}
	return err
}

// workspaces returns all workspaces of the viewer.
func (r *rootField) workspaces(ctx context.Context) ([]*access.Workspace, error) {
	viewers, err := r.resolver.services.Access.All(ctx, r.viewer)
	if err != nil {
		return nil, err
	}
	all, err := r.resolver.services.Access.Read(ctx, viewers...)
	for _, w := range all {
		r.addToGroup(w.Viewer, w)
	}
	return all, err
}

// workspace returns the workspace with an id of the API; nil if the viewer is no member.
func (r *rootField) workspace(ctx context.Context, id string) (*access.Workspace, error) {
	if err := r.actIn(ctx, &id); err != nil {
		return orNil[access.Workspace](nil, err)
	}
	return r.ownWorkspace(ctx)
}

// ownWorkspace returns the workspace in which the viewer acts.
func (r *rootField) ownWorkspace(ctx context.Context) (*access.Workspace, error) {
	all, err := r.resolver.services.Access.Read(ctx, r.viewer)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

// findWorkspaces finds workspaces, each in its own group.
func findWorkspaces(ctx context.Context, r *rootField, ids, _ []string) (map[string]model.Node, error) {
	var viewers []viewer.Viewer
	for _, id := range ids {
		switch v, err := r.resolver.services.Access.Workspace(ctx, r.viewer, id); {
		case errors.Is(err, workspace.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			viewers = append(viewers, v)
		}
	}
	nodes := map[string]model.Node{}
	if len(viewers) == 0 {
		return nodes, nil
	}
	all, err := r.resolver.services.Access.Read(ctx, viewers...)
	for _, w := range all {
		nodes[w.ID] = w
	}
	return nodes, err
}

func workspaceTypes() []objectType {
	return []objectType{
		selection.Of[access.Workspace](workspaceType, fields{
			"id":       text(func(w *access.Workspace) string { return w.ID }),
			"kind":     text(func(w *access.Workspace) access.Kind { return w.Kind }),
			"name":     text(func(w *access.Workspace) string { return w.Name }),
			"role":     leaf(func(b []byte, w *access.Workspace) []byte { return selection.AppendString(b, w.Role.String()) }),
			"version":  integer(func(w *access.Workspace) int { return w.Version }),
			"members":  selection.LoadedList(loadMembersOfWorkspaces),
			"tasks":    selection.LoadedObject(loadTasksOfWorkspaces),
			"tags":     selection.LoadedObject(loadTagsOfWorkspaces),
			"projects": selection.LoadedObject(loadProjectsOfWorkspaces),
			"activity": selection.LoadedObject(loadActivityOfWorkspaces),
		}),
		selection.Of[viewer.Member]("Member", fields{
			"person": object(personOf),
			"role":   leaf(func(b []byte, m *viewer.Member) []byte { return selection.AppendString(b, m.Role.String()) }),
		}).Unversioned(),
	}
}

// loadWorkspaces is the loader of the workspace of objects, which are all in the one in which the viewer acts.
func loadWorkspaces[T any](ctx context.Context, r *rootField, _ *selected, _ []*T) (func(*T) *access.Workspace, error) {
	w, err := r.ownWorkspace(ctx)
	return func(*T) *access.Workspace { return w }, err
}

// loadPages is the loader of a list of workspaces. It reads each with the arguments of the field, which read takes as their resolver
// would. The error is ErrFallback if they are invalid: gqlgen says what is wrong with them.
func loadPages[P any](
	ctx context.Context, r *rootField, f *selected, workspaces []*access.Workspace,
	read func(v viewer.Viewer, arguments map[string]any) (*P, error),
) (func(*access.Workspace) *P, error) {
	arguments, err := generated.FieldArguments[workspaceType+"."+f.Name](&generated.Execution{}, ctx, f.ArgumentMap(r.operation.Variables))
	if err != nil {
		return nil, selection.ErrFallback
	}
	pages := make(map[*access.Workspace]*P, len(workspaces))
	for _, w := range workspaces {
		if pages[w], err = read(w.Viewer, arguments); err != nil {
			return nil, located(f.Path, err)
		}
	}
	return func(w *access.Workspace) *P { return pages[w] }, nil
}

func loadTasksOfWorkspaces(ctx context.Context, r *rootField, f *selected, workspaces []*access.Workspace) (func(*access.Workspace) *task.Page, error) {
	in, err := taskListArguments(ctx, r, workspaceType+".tasks", f)
	if err != nil {
		return nil, err
	}
	in.Selection = pageSelected(f.Set()).Selection
	return loadPages(ctx, r, f, workspaces, func(v viewer.Viewer, _ map[string]any) (*task.Page, error) {
		return r.resolver.services.Tasks.List(ctx, v, in)
	})
}

func loadTagsOfWorkspaces(ctx context.Context, r *rootField, f *selected, workspaces []*access.Workspace) (func(*access.Workspace) *task.TagPage, error) {
	return loadPages(ctx, r, f, workspaces, func(v viewer.Viewer, args map[string]any) (*task.TagPage, error) {
		return r.resolver.services.Tasks.ListTags(ctx, v, task.TagListInput{
			First: argument[*int](args, "first"), After: argument[*string](args, "after"),
			Last: argument[*int](args, "last"), Before: argument[*string](args, "before"),
			Search: argument[*string](args, "search"), Selection: pageSelected(f.Set()).Selection,
		})
	})
}

func loadProjectsOfWorkspaces(ctx context.Context, r *rootField, f *selected, workspaces []*access.Workspace) (func(*access.Workspace) *project.Page, error) {
	return loadPages(ctx, r, f, workspaces, func(v viewer.Viewer, args map[string]any) (*project.Page, error) {
		page := pageSelected(f.Set())
		return r.resolver.services.Projects.List(ctx, v, project.ListInput{
			First: argument[*int](args, "first"), After: argument[*string](args, "after"),
			Last: argument[*int](args, "last"), Before: argument[*string](args, "before"),
			Scope: argument[project.Scope](args, "scope"), Columns: page.Columns, CountsOnly: page.CountsOnly,
		})
	})
}

func loadMembersOfWorkspaces(ctx context.Context, r *rootField, _ *selected, workspaces []*access.Workspace) (func(*access.Workspace) []*viewer.Member, error) {
	members := make(map[*access.Workspace][]*viewer.Member, len(workspaces))
	for _, w := range workspaces {
		list, err := r.resolver.services.Access.Members(ctx, w.Viewer)
		if err != nil {
			return nil, err
		}
		members[w] = list
	}
	return func(w *access.Workspace) []*viewer.Member { return members[w] }, nil
}

func loadActivityOfWorkspaces(ctx context.Context, r *rootField, f *selected, workspaces []*access.Workspace) (func(*access.Workspace) *history.Page, error) {
	return loadPages(ctx, r, f, workspaces, func(v viewer.Viewer, args map[string]any) (*history.Page, error) {
		by, err := activityFilterOf(argument[*model.ActivityFilter](args, "filter"))
		if err != nil {
			return nil, err
		}
		in := activityInput(f.Set())
		in.First, in.After = argument[*int](args, "first"), argument[*string](args, "after")
		return r.resolver.services.History.List(ctx, v, by, in)
	})
}
