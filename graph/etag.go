package graph

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/internal/account"
	"taskql/internal/viewer"
)

// Validator is what the answers to an operation depend on, beside the operation and the schema: always the viewer, and what
// its fields say.
type Validator struct {
	api *API
	dependencies
}

// dependencies are what the value of a selection depends on.
type dependencies struct {
	// workspace reports a dependency on the viewer's tasks and tags, which the workspace's version covers.
	workspace bool
	// user reports a dependency on the viewer's own row, which no version covers.
	user bool
	// feed reports a dependency on the database's history, which tokens contain.
	feed bool
	// clock reports a dependency on the moment and the viewer's day, which decide what is overdue.
	clock bool
	// elsewhere reports that it may depend on other workspaces, if the user belongs to organizations: it finds objects by id, names
	// workspaces, or lists reminders.
	elsewhere bool
	// list reports that it lists the workspaces, so that a new membership counts at once.
	list bool
	// next reports a dependency on what follows open occurrences, which the clock changes at other moments.
	next bool
}

// Validator returns what an operation with its variables depends on. It compiles nothing: the client hasn't paid yet.
func (a *API) Validator(operation *graphql.OperationContext) *Validator {
	v := &Validator{api: a}
	for _, value := range operation.Variables {
		v.clock = v.clock || hasFilter(value, clockFilters)
	}
	v.add(a.schema, operation.Operation.SelectionSet, map[string]bool{})
	return v
}

// add adds what a selection set depends on, whatever @skip and @include say. It visits each fragment once: compiling visits
// them each time they are spread.
func (d *dependencies) add(s *schema, set ast.SelectionSet, visited map[string]bool) {
	for _, selected := range set {
		switch selected := selected.(type) {
		case *ast.Field:
			d.addField(s, selected)
			d.add(s, selected.SelectionSet, visited)
		case *ast.InlineFragment:
			d.add(s, selected.SelectionSet, visited)
		case *ast.FragmentSpread:
			if !visited[selected.Name] {
				visited[selected.Name] = true
				d.add(s, selected.Definition.SelectionSet, visited)
			}
		}
	}
}

// addField adds what the value of a field depends on, but not what is selected of it.
func (d *dependencies) addField(s *schema, f *ast.Field) {
	d.clock = d.clock || anyFilter(f.Arguments, clockFilters)
	for _, parent := range s.objectTypes(f.ObjectDefinition) {
		d.clock = d.clock || f.Name != "__typename" && parent.MayChangeWithTime(f.Name)
		d.next = d.next || f.Name == "next" && parent.Name() == recurrenceType
	}
	d.elsewhere = d.elsewhere || f.Arguments.ForName("workspaceId") != nil || f.Definition.Type.Name() == "ReminderConnection" ||
		f.ObjectDefinition == s.Schema().Query && (f.Arguments.ForName("id") != nil || f.Arguments.ForName("ids") != nil)
	if f.Definition.Type.Name() == workspaceType { // Its name may be the user's.
		d.elsewhere, d.user = true, true
		d.list = d.list || f.Definition.Type.Elem != nil
	}
	for _, value := range s.objectTypes(s.Schema().Types[f.Definition.Type.Name()]) {
		d.feed = d.feed || value.Name() == changePage
		d.user = d.user || !value.Versioned()
		d.workspace = d.workspace || value.Versioned()
	}
}

// objectTypes returns the entries of the object types that an object of a type may have.
func (s *schema) objectTypes(def *ast.Definition) []objectType {
	var types []objectType
	for _, possible := range s.Schema().GetPossibleTypes(def) {
		if t, ok := s.compiler.Type(possible.Name); ok {
			types = append(types, t)
		}
	}
	return types
}

func anyFilter(arguments ast.ArgumentList, filters map[string]bool) bool {
	return slices.ContainsFunc(arguments, func(a *ast.Argument) bool { return writesFilter(a.Value, filters) })
}

// writesFilter reports whether a value of the document has a field that is one of the filters.
func writesFilter(value *ast.Value, filters map[string]bool) bool {
	for _, child := range value.Children {
		if filters[child.Name] || writesFilter(child.Value, filters) {
			return true
		}
	}
	return false
}

// hasFilter reports whether a variable's value has a member that is one of the filters.
func hasFilter(value any, filters map[string]bool) bool {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if filters[name] || hasFilter(member, filters) {
				return true
			}
		}
	case []any:
		for _, element := range value {
			if hasFilter(element, filters) {
				return true
			}
		}
	}
	return false
}

// AppendState appends the state that an answer given now depends on. If two states are the same, so are the answers, until
// the moment that Until returns. It returns false if the request has no viewer, if the state can't be read, and if the answer may
// depend on the workspaces of organizations, in which the viewer's role may change at any time.
func (d *Validator) AppendState(ctx context.Context, b []byte, now time.Time) ([]byte, bool) {
	v, err := viewer.FromContext(ctx)
	if err != nil || !v.Access.MayRead() || d.elsewhere && d.mayBeMember(ctx) {
		return b, false
	}
	b = appendPart(appendPart(b, v.UserID), v.WorkspaceID)
	if d.workspace {
		version, err := d.api.config.Services.Tasks.Version(ctx, v)
		if err != nil {
			return b, false
		}
		b = binary.AppendVarint(b, int64(version))
	}
	if d.feed {
		epoch, err := d.api.config.Services.Feed.Epoch(ctx)
		if err != nil {
			return b, false
		}
		b = append(b, epoch[:]...)
	}
	if d.user {
		row, err := d.api.config.Services.Accounts.User(ctx, v, v.UserID)
		if err != nil && !errors.Is(err, account.ErrNotFound) {
			return b, false
		}
		text, err := json.Marshal(row)
		if err != nil {
			return b, false
		}
		b = appendPart(b, string(text))
	}
	if d.clock {
		// A day comes twice if the clocks go back over midnight.
		b = now.In(v.Location).AppendFormat(appendPart(b, v.Location.String()), time.DateOnly)
	}
	return b, true
}

// mayBeMember reports whether the user belongs to an organization, or that can't be found out now.
func (d *Validator) mayBeMember(ctx context.Context) bool {
	memberships := viewer.MembershipsOf(ctx)
	find := memberships.Organizations
	if d.list {
		find = memberships.RecentOrganizations
	}
	organizations, err := find(ctx)
	return err != nil || len(organizations) > 0
}

// appendPart appends a text after its length, so that it can't be mistaken for a part of the next.
func appendPart(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// Until returns the moment after which the clock may change the answer of the same state; zero if it never does.
func (d *Validator) Until(ctx context.Context, now time.Time) (time.Time, bool) {
	if !d.clock {
		return time.Time{}, true
	}
	v, err := viewer.FromContext(ctx)
	if err != nil {
		return time.Time{}, false
	}
	next, err := d.api.config.Services.nextChange(ctx, v, now, d.next)
	return next, err == nil
}

// nextChange returns the last moment until which the clock changes nothing of v's tasks, and, if series is set, nothing of what
// follows their occurrences.
func (s Services) nextChange(ctx context.Context, v viewer.Viewer, now time.Time, series bool) (time.Time, error) {
	next, err := s.Tasks.NextChange(ctx, v, now)
	if err != nil || !series {
		return next, err
	}
	return s.Recurrences.NextChange(ctx, v, now, next)
}
