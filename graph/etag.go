package graph

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/internal/account"
	"taskql/internal/viewer"
)

// Validator is what the answers to an operation depend on, beside the operation and the schema: always the viewer, and what
// its fields say. What can't be told of a field is taken for granted.
type Validator struct {
	api *API
	// tasks: the viewer's tasks and tags, which the workspace's version stands for.
	tasks bool
	// user: the viewer's own row, which no version covers.
	user bool
	// clock: the moment and the viewer's day, which turn what is overdue.
	clock bool
}

// Validator finds what an operation with its variables depends on.
func (a *API) Validator(operation *graphql.OperationContext) *Validator {
	s := &Validator{api: a}
	for _, value := range operation.Variables {
		s.clock = s.clock || hasClockFilter(value)
	}
	s.selections(operation.Operation.SelectionSet, map[string]bool{})
	return s
}

// turning are the fields that the clock changes. It also changes what the filters in clockFilters find.
var turning = map[string]bool{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"Task.overdue":            true,
	"TaskFacets.overdue":      true,
	"TaskFacets.dueToday":     true,
	"TaskFacets.dueNext7Days": true,
}

// selections looks at all fields, each fragment once, whatever @skip and @include say.
func (s *Validator) selections(set ast.SelectionSet, seen map[string]bool) {
	for _, selection := range set {
		switch sel := selection.(type) {
		case *ast.Field:
			s.field(sel)
			s.selections(sel.SelectionSet, seen)
		case *ast.InlineFragment:
			s.selections(sel.SelectionSet, seen)
		case *ast.FragmentSpread:
			if !seen[sel.Name] {
				seen[sel.Name] = true
				s.selections(sel.Definition.SelectionSet, seen)
			}
		}
	}
}

func (s *Validator) field(f *ast.Field) {
	switch name := f.Definition.Type.Name(); {
	case f.ObjectDefinition.Name == "Query" && public[f.Name]:
		s.user = s.user || name == "User"
	case name == "User":
		s.user = true
	case name == "Node": // It may be anything.
		s.user, s.tasks = true, true
	case f.ObjectDefinition.Name != "User" || !isLeaf(f):
		s.tasks = true
	}
	s.clock = s.clock || turning[f.ObjectDefinition.Name+"."+f.Name]
	for _, argument := range f.Arguments {
		s.clock = s.clock || writesClockFilter(argument.Value)
	}
}

func isLeaf(f *ast.Field) bool { return len(f.SelectionSet) == 0 }

// writesClockFilter reports whether a value of the document has a field that is in clockFilters.
func writesClockFilter(value *ast.Value) bool {
	for _, child := range value.Children {
		if clockFilters[child.Name] || writesClockFilter(child.Value) {
			return true
		}
	}
	return false
}

// hasClockFilter reports whether a variable's value has a member that is in clockFilters.
func hasClockFilter(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if clockFilters[name] || hasClockFilter(member) {
				return true
			}
		}
	case []any:
		for _, element := range value {
			if hasClockFilter(element) {
				return true
			}
		}
	}
	return false
}

// AppendState appends the state that an answer given now depends on: where two are the same, so are the answers, until the
// moment that Until says. It returns false where the request has no viewer, or the state can't be read.
func (s *Validator) AppendState(ctx context.Context, b []byte, now time.Time) ([]byte, bool) {
	v, err := viewer.FromContext(ctx)
	if err != nil || !v.Access.MayRead() {
		return b, false
	}
	b = appendPart(appendPart(b, v.UserID), v.WorkspaceID)
	if s.tasks {
		version, err := s.api.config.Tasks.Version(ctx, v)
		if err != nil {
			return b, false
		}
		b = binary.AppendVarint(b, int64(version))
	}
	if s.user {
		row, err := s.api.config.Accounts.User(ctx, v, v.UserID)
		if err != nil && !errors.Is(err, account.ErrNotFound) {
			return b, false
		}
		text, err := json.Marshal(row)
		if err != nil {
			return b, false
		}
		b = appendPart(b, string(text))
	}
	if s.clock {
		// Where the clocks go back over midnight, a day comes twice.
		b = now.In(v.Location).AppendFormat(appendPart(b, v.Location.String()), time.DateOnly)
	}
	return b, true
}

// appendPart appends a text so that it can't be taken for a part of the next.
func appendPart(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// Until returns the moment from which on the clock may make another answer of the same state; zero for never.
func (s *Validator) Until(ctx context.Context, now time.Time) (time.Time, bool) {
	if !s.clock {
		return time.Time{}, true
	}
	v, err := viewer.FromContext(ctx)
	if err != nil {
		return time.Time{}, false
	}
	turn, err := s.api.config.Tasks.NextTurn(ctx, v, now)
	return turn, err == nil
}
