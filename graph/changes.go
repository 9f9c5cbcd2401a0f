package graph

import (
	"context"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"

	"taskql/ent"
	"taskql/graph/selection"
	"taskql/internal/feed"
	"taskql/internal/workspace"
)

// changePage is the name of the type of a page of the feed.
const changePage = "ChangePage"

// changedKinds are the kinds of the feed, by the fields of a page that have their rows. A kind needs an entry here, one in
// changeTypes, and a resolver.
var changedKinds = map[string]workspace.Kind{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"tags":        workspace.KindTag,
	"tasks":       workspace.KindTask,
	"recurrences": workspace.KindRecurrence,
	"reminders":   workspace.KindReminder,
	"projects":    workspace.KindProject,
	"sections":    workspace.KindSection,
}

func changedTags(p *feed.Page) []*ent.Tag   { return feed.Rows[ent.Tag](p, workspace.KindTag) }
func changedTasks(p *feed.Page) []*ent.Task { return feed.Rows[ent.Task](p, workspace.KindTask) }
func changedRecurrences(p *feed.Page) []*ent.Recurrence {
	return feed.Rows[ent.Recurrence](p, workspace.KindRecurrence)
}

func changedReminders(p *feed.Page) []*ent.Reminder {
	return feed.Rows[ent.Reminder](p, workspace.KindReminder)
}

func changedProjects(p *feed.Page) []*ent.Project {
	return feed.Rows[ent.Project](p, workspace.KindProject)
}

func changedSections(p *feed.Page) []*ent.Section {
	return feed.Rows[ent.Section](p, workspace.KindSection)
}

// changeTypes are the types of a page of the feed.
func changeTypes() []objectType {
	return []objectType{
		selection.Of[feed.Page](changePage, fields{
			"reset":       nullable(func(p *feed.Page) *feed.ResetReason { return p.Reset }, selection.AppendString),
			"gone":        list(func(p *feed.Page) []*workspace.Gone { return p.Gone }),
			"tags":        list(changedTags),
			"tasks":       list(changedTasks),
			"recurrences": list(changedRecurrences),
			"reminders":   list(changedReminders),
			"projects":    list(changedProjects),
			"sections":    list(changedSections),
			"token":       text(func(p *feed.Page) string { return p.Token }),
			"version":     integer(func(p *feed.Page) int { return p.Version }),
			"complete":    boolean(func(p *feed.Page) bool { return p.Complete }),
		}).Derive(feedSelection),
		selection.Of[workspace.Gone]("Gone", fields{
			"kind":    text(func(g *workspace.Gone) workspace.Kind { return g.Kind }),
			"id":      leaf(func(b []byte, g *workspace.Gone) []byte { return selection.AppendUUID(b, g.ID) }),
			"version": integer(func(g *workspace.Gone) int { return g.Version }),
		}),
	}
}

// feedSelection derives from the selection set of a page what has to be read of the feed.
func feedSelection(s *set) any {
	f := &feed.Selection{Gone: s.Selects("gone"), Kinds: map[workspace.Kind]feed.Columns{}}
	for name, kind := range changedKinds {
		if s.Selects(name) {
			rows := s.Below(name)
			f.Kinds[kind] = feed.Columns{Names: columnsOf(rows), Nested: nestedIn(rows, "")}
		}
	}
	return f
}

// nestedIn returns the paths of the columns that the sets select of other rows, such as tags.name, after a prefix. Aliases and the
// order of fields make no difference.
func nestedIn(sets []*set, prefix string) []string {
	var names, paths []string
	for _, s := range sets {
		for i := range s.Fields {
			if f := &s.Fields[i]; f.Loads() && !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	for _, name := range names {
		var below []*set
		for _, s := range sets {
			below = append(below, s.Below(name)...)
		}
		columns := columnsOf(below)
		if columns == nil {
			columns = []string{"*"}
		}
		for _, column := range columns {
			paths = append(paths, prefix+name+"."+column)
		}
		paths = append(paths, nestedIn(below, prefix+name+".")...)
	}
	return paths
}

// textShare divides the limit of a response's length to give that of the long texts on a page of the feed, so that a page is cut
// before it is too long for a response, whatever its texts become as JSON.
const textShare = 8

// changes resolves the root field changes, of a query and of a subscription. What is selected below the page is loaded in the
// snapshot that the page is read in.
func (r *Resolver) changes(ctx context.Context, after *string, first *int, workspaceID *string) (*feed.Page, error) {
	root, err := resolving(ctx)
	if err != nil {
		return nil, err
	}
	if err := root.actIn(ctx, workspaceID); err != nil {
		return nil, err
	}
	selected, ok := root.selectedOf(changePage).Derived.(*feed.Selection)
	if !ok {
		return nil, errNoEntry
	}
	request := feed.Request{
		After: after, First: first, Selection: selected,
		TextBytes: int(root.meter.size.limit / textShare),
	}
	return r.services.Feed.Page(ctx, root.viewer, request, func(ctx context.Context, p *feed.Page) error {
		root.values.Reset()
		root.preloaded = true
		return root.plan.Load(ctx, root, p)
	})
}

// Rules are the rules of validation that this schema adds to those of GraphQL.
func Rules() []core.Rule {
	types := map[string]objectType{}
	for _, t := range objectTypes() {
		types[t.Name()] = t
	}
	return []core.Rule{{Name: "ChangesFollowVersions", RuleFunc: func(observers *core.Events, addError core.AddErrFunc) {
		observers.OnOperation(func(w *core.Walker, operation *ast.OperationDefinition) {
			c := changesRule{schema: w.Schema, types: types, addError: addError, visited: map[fragmentPlace]bool{}}
			c.check(operation.SelectionSet, false)
		})
	}}}
}

// changesRule refuses fields in a page of the feed whose values can change without their objects' getting a new version: a copy
// would keep the old ones. Which they are follows from the table of output fields.
type changesRule struct {
	schema   *ast.Schema
	types    map[string]objectType
	addError core.AddErrFunc
	visited  map[fragmentPlace]bool
}

// fragmentPlace is a fragment that is spread in a page of the feed, or elsewhere.
type fragmentPlace struct {
	name   string
	inPage bool
}

func (c *changesRule) check(selected ast.SelectionSet, inPage bool) {
	for _, s := range selected {
		switch s := s.(type) {
		case *ast.Field:
			if s.Definition == nil {
				continue // Another rule says so.
			}
			if inPage && !c.followsVersion(s) {
				c.addError(core.Message("%s.%s can't be selected in changes: it can change without a new version, so copies would become wrong. Ask for it in another field.",
					s.ObjectDefinition.Name, s.Name), core.At(s.Position))
			}
			c.check(s.SelectionSet, inPage || s.Definition.Type.Name() == changePage)
		case *ast.InlineFragment:
			c.check(s.SelectionSet, inPage)
		case *ast.FragmentSpread:
			place := fragmentPlace{s.Name, inPage}
			if s.Definition != nil && !c.visited[place] {
				c.visited[place] = true
				c.check(s.Definition.SelectionSet, inPage)
			}
		}
	}
}

// followsVersion reports whether the field can't change without a new version of its object.
func (c *changesRule) followsVersion(f *ast.Field) bool {
	if f.Name == "__typename" || f.ObjectDefinition == nil {
		return true
	}
	for _, possible := range c.schema.GetPossibleTypes(f.ObjectDefinition) {
		if t, ok := c.types[possible.Name]; ok && t.Has(f.Name) && !t.FollowsVersion(f.Name) {
			return false
		}
	}
	return true
}
