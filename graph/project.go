package graph

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	entproject "taskql/ent/project"
	entsection "taskql/ent/section"
	"taskql/graph/generated"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/keyset"
	"taskql/internal/project"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

func findProjects(ctx context.Context, r *rootField, ids, columns []string) (map[string]model.Node, error) {
	return asNodes(r.resolver.services.Projects.GetMany(ctx, r.viewer, ids, columns...))
}

func findSections(ctx context.Context, r *rootField, ids, columns []string) (map[string]model.Node, error) {
	return asNodes(r.resolver.services.Projects.Sections(ctx, r.viewer, ids, columns...))
}

func projectTypes() []objectType {
	types := []objectType{
		selection.Of[ent.Project]("Project", fields{
			"id":            leaf(func(b []byte, p *ent.Project) []byte { return selection.AppendUUID(b, p.ID) }).From(entproject.FieldID),
			"version":       integer(func(p *ent.Project) int { return p.Version }).From(entproject.FieldVersion),
			"workspace":     selection.LoadedObject(loadWorkspaces[ent.Project]),
			"name":          text(func(p *ent.Project) string { return p.Name }).From(entproject.FieldName),
			"description":   nullable(func(p *ent.Project) *string { return p.Description }, selection.AppendString).From(entproject.FieldDescription),
			"color":         text(func(p *ent.Project) string { return p.Color }).From(entproject.FieldColor),
			"archivedAt":    nullable(func(p *ent.Project) *time.Time { return p.ArchivedAt }, selection.AppendDateTime).From(entproject.FieldArchivedAt),
			"deletedAt":     nullable(func(p *ent.Project) *time.Time { return p.DeletedAt }, selection.AppendDateTime).From(entproject.FieldDeletedAt),
			"sections":      selection.LoadedList(loadSectionsOfProjects),
			"tasks":         selection.LoadedObject(loadTasksOfProjects),
			"openTaskCount": selection.LoadedLeaf(loadOpenTasksOfProjects, appendInt),
			"position":      text(func(p *ent.Project) string { return string(p.Position) }).From(entproject.FieldPosition),
			"createdAt":     moment(func(p *ent.Project) time.Time { return p.CreatedAt }).From(entproject.FieldCreatedAt),
			"updatedAt":     moment(func(p *ent.Project) time.Time { return p.UpdatedAt }).From(entproject.FieldUpdatedAt),
		}).Row(entproject.FieldID),
	}
	for _, verb := range []string{"Create", "Update", "Archive", "Unarchive", "Move", "Delete", "Restore"} {
		types = append(types, selection.Of[project.Result](verb+"ProjectPayload", fields{
			"project":    object(func(r *project.Result) *ent.Project { return r.Project }),
			"version":    nullable((*project.Result).Version, appendInt),
			"userErrors": list(func(r *project.Result) []*workspace.UserError { return r.UserErrors }),
		}))
	}
	return slices.Concat(types, connectionTypes[ent.Project]("Project"))
}

func sectionTypes() []objectType {
	types := []objectType{
		selection.Of[ent.Section]("Section", fields{
			"id":            leaf(func(b []byte, s *ent.Section) []byte { return selection.AppendUUID(b, s.ID) }).From(entsection.FieldID),
			"version":       integer(func(s *ent.Section) int { return s.Version }).From(entsection.FieldVersion),
			"project":       selection.LoadedObject(loadProjectsOfSections).From(entsection.FieldProjectID).OfRow(),
			"name":          text(func(s *ent.Section) string { return s.Name }).From(entsection.FieldName),
			"openTaskCount": selection.LoadedLeaf(loadOpenTasksOfSections, appendInt).From(entsection.FieldProjectID),
			"position":      text(func(s *ent.Section) string { return string(s.Position) }).From(entsection.FieldPosition),
			"createdAt":     moment(func(s *ent.Section) time.Time { return s.CreatedAt }).From(entsection.FieldCreatedAt),
			"updatedAt":     moment(func(s *ent.Section) time.Time { return s.UpdatedAt }).From(entsection.FieldUpdatedAt),
		}).Row(entsection.FieldID),
		selection.Of[task.DeleteSectionResult]("DeleteSectionPayload", fields{
			"deletedSectionId": nullable(func(r *task.DeleteSectionResult) *string { return r.DeletedSectionID }, selection.AppendString),
			"version":          nullable((*task.DeleteSectionResult).Version, appendInt),
			"userErrors":       list(func(r *task.DeleteSectionResult) []*workspace.UserError { return r.UserErrors }),
		}),
	}
	for _, verb := range []string{"Create", "Update", "Move"} {
		types = append(types, selection.Of[project.SectionResult](verb+"SectionPayload", fields{
			"section":    object(func(r *project.SectionResult) *ent.Section { return r.Section }),
			"version":    nullable((*project.SectionResult).Version, appendInt),
			"userErrors": list(func(r *project.SectionResult) []*workspace.UserError { return r.UserErrors }),
		}))
	}
	return types
}

// eachID returns the ids of the values, each once. Values without an id are left out.
func eachID[T any](values []*T, id func(*T) *uuid.UUID) []uuid.UUID {
	seen := make(map[uuid.UUID]bool, len(values))
	ids := make([]uuid.UUID, 0, len(values))
	for _, v := range values {
		if u := id(v); u != nil && !seen[*u] {
			seen[*u], ids = true, append(ids, *u)
		}
	}
	return ids
}

// related returns the loaded object of a value; nil if the value has no id.
func related[T, V any](found map[uuid.UUID]*V, id func(*T) *uuid.UUID) func(*T) *V {
	return func(v *T) *V {
		if u := id(v); u != nil {
			return found[*u]
		}
		return nil
	}
}

func projectID(p *ent.Project) *uuid.UUID            { return &p.ID }
func sectionID(s *ent.Section) *uuid.UUID            { return &s.ID }
func projectOfSection(s *ent.Section) *uuid.UUID     { return &s.ProjectID }
func projectOfTask(t *ent.Task) *uuid.UUID           { return t.ProjectID }
func sectionOfTask(t *ent.Task) *uuid.UUID           { return t.SectionID }
func projectOfCount(c *task.ProjectCount) *uuid.UUID { return c.ProjectID }

// loadProjects loads the projects of the values.
func loadProjects[T any](ctx context.Context, r *rootField, f *selected, values []*T, id func(*T) *uuid.UUID) (func(*T) *ent.Project, error) {
	found, err := r.resolver.services.Projects.ByID(ctx, r.viewer, eachID(values, id), f.Set().Columns)
	return related(found, id), err
}

func loadProjectsOfTasks(ctx context.Context, r *rootField, f *selected, tasks []*ent.Task) (func(*ent.Task) *ent.Project, error) {
	return loadProjects(ctx, r, f, tasks, projectOfTask)
}

func loadProjectsOfSections(ctx context.Context, r *rootField, f *selected, sections []*ent.Section) (func(*ent.Section) *ent.Project, error) {
	return loadProjects(ctx, r, f, sections, projectOfSection)
}

func loadProjectsOfCounts(ctx context.Context, r *rootField, f *selected, counts []*task.ProjectCount) (func(*task.ProjectCount) *ent.Project, error) {
	return loadProjects(ctx, r, f, counts, projectOfCount)
}

func loadSectionsOfTasks(ctx context.Context, r *rootField, f *selected, tasks []*ent.Task) (func(*ent.Task) *ent.Section, error) {
	found, err := r.resolver.services.Projects.SectionsByID(ctx, r.viewer, eachID(tasks, sectionOfTask), f.Set().Columns)
	return related(found, sectionOfTask), err
}

func loadSectionsOfProjects(ctx context.Context, r *rootField, f *selected, projects []*ent.Project) (func(*ent.Project) []*ent.Section, error) {
	sections, err := r.resolver.services.Projects.SectionsOf(ctx, r.viewer, eachID(projects, projectID), f.Set().Columns)
	return func(p *ent.Project) []*ent.Section { return sections[p.ID] }, err
}

func loadOpenTasksOfProjects(ctx context.Context, r *rootField, _ *selected, projects []*ent.Project) (func(*ent.Project) int, error) {
	counts, err := r.resolver.services.Tasks.OpenTasksOfProjects(ctx, r.viewer, eachID(projects, projectID))
	return func(p *ent.Project) int { return counts[p.ID] }, err
}

func loadOpenTasksOfSections(ctx context.Context, r *rootField, _ *selected, sections []*ent.Section) (func(*ent.Section) int, error) {
	counts, err := r.resolver.services.Tasks.OpenTasksOfSections(ctx, r.viewer, eachID(sections, sectionID), eachID(sections, projectOfSection))
	return func(s *ent.Section) int { return counts[s.ID] }, err
}

func loadTasksOfProjects(ctx context.Context, r *rootField, f *selected, projects []*ent.Project) (func(*ent.Project) *task.Page, error) {
	in, err := taskListArguments(ctx, r, "Project.tasks", f)
	if err != nil {
		return nil, err
	}
	p := pageSelected(f.Set())
	in.Selection = p.Selection
	pages, err := r.resolver.services.Tasks.ProjectTasks(ctx, r.viewer, eachID(projects, projectID),
		task.ProjectTasksInput{ListInput: in, Total: p.total, Previous: p.previous})
	return func(p *ent.Project) *task.Page { return pages[p.ID] }, located(f.Path, err)
}

// taskListArguments returns the arguments of a field, named as in generated.FieldArguments, that is a list of tasks with the arguments
// of Query.tasks. The error is ErrFallback if they are invalid: gqlgen says what is wrong with them.
func taskListArguments(ctx context.Context, r *rootField, name string, f *selected) (task.ListInput, error) {
	args, err := generated.FieldArguments[name](new(generated.Execution), ctx, f.ArgumentMap(r.operation.Variables))
	if err != nil {
		return task.ListInput{}, selection.ErrFallback
	}
	filter, err := filterOf(argument[*model.TaskFilter](args, "filter"))
	if err != nil {
		return task.ListInput{}, located(f.Path, err)
	}
	return task.ListInput{
		First: argument[*int](args, "first"), After: argument[*string](args, "after"),
		Last: argument[*int](args, "last"), Before: argument[*string](args, "before"),
		Filter: filter, OrderBy: orders(argument[[]*keyset.OrderBy[task.OrderField]](args, "orderBy")),
		Scope: argument[task.Scope](args, "scope"),
	}, nil
}

// argument returns a converted argument; the zero value if it is absent.
func argument[T any](args map[string]any, name string) T {
	value, _ := args[name].(T)
	return value
}
