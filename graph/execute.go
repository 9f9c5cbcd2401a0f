package graph

import (
	"bytes"
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/graph/generated"
	"taskql/internal/task"
)

// Most operations have one root field. What gqlgen makes to run several beside each other, and what the field's selection
// asks of the database, is then the same at every request: the first is left out, the second is kept with the plan.

// schema gives each operation what it keeps while it runs, and the plans that its root fields are written by.
type schema struct {
	graphql.ExecutableSchema

	resolver *Resolver
	plans    *plans // nil: gqlgen executes field by field.
	// responseBytes is the longest response.
	responseBytes int
}

// execution is what an operation keeps while it runs.
type execution struct {
	loads

	size responseSize

	// plan writes the operation's only root field; nil where it has several, or one that is gqlgen's to write.
	plan *plan
	root graphql.CollectedField
}

type executionKey struct{}

// in returns the context that the operation's resolvers get.
func (e *execution) in(ctx context.Context) context.Context {
	return context.WithValue(task.WithTakeText(ctx, e.size.takeText), executionKey{}, e)
}

// Exec implements graphql.ExecutableSchema.
func (s schema) Exec(ctx context.Context) graphql.ResponseHandler {
	op, e := graphql.GetOperationContext(ctx), &execution{size: responseSize{limit: int64(s.responseBytes)}}
	if s.plans != nil && op.Operation.Operation != ast.Subscription {
		if root, ok := onlyField(op.Operation); ok {
			e.plan, e.root = s.plans.For(op, root), root
		}
		if e.plan != nil {
			return s.execSingle(op, e)
		}
		s.resolver.withPlans(op, s.plans)
	}
	e.size.bound(op)
	next := s.ExecutableSchema.Exec(e.in(ctx))
	return func(ctx context.Context) *graphql.Response {
		return e.size.check(op, next(e.in(ctx)))
	}
}

// onlyField returns the operation's root field, where there is one and nothing decides whether it is there.
func onlyField(operation *ast.OperationDefinition) (graphql.CollectedField, bool) {
	if len(operation.SelectionSet) != 1 {
		return graphql.CollectedField{}, false
	}
	f, ok := operation.SelectionSet[0].(*ast.Field)
	if !ok || len(f.Directives) > 0 || f.ObjectDefinition == nil {
		return graphql.CollectedField{}, false
	}
	return graphql.CollectedField{Field: f, Selections: f.SelectionSet}, true
}

// execSingle executes an operation of one root field, and answers byte for byte as gqlgen does.
func (s schema) execSingle(op *graphql.OperationContext, e *execution) graphql.ResponseHandler {
	next := op.ResolverMiddleware
	op.ResolverMiddleware = func(ctx context.Context, resolve graphql.Resolver) (any, error) {
		value, err := next(ctx, resolve)
		if err != nil || value == nil || graphql.GetFieldContext(ctx).Parent != nil {
			return e.size.orNull(value, err)
		}
		return s.resolver.write(ctx, e.plan, value), nil
	}
	done := false
	return func(ctx context.Context) *graphql.Response {
		if done {
			return nil
		}
		done = true
		value, ok := generated.Root(e.in(ctx), s.ExecutableSchema, op, e.root)
		if !ok { // A test says that there is none such.
			return graphql.ErrorResponse(ctx, "unknown root field")
		}
		return e.size.check(op, &graphql.Response{Data: dataOf(e.root, e.size.encode(ctx, value))})
	}
}

// dataOf is the response's data of one root field. A null that may not be goes up to the data itself (section 6.4.4).
func dataOf(root graphql.CollectedField, value graphql.Marshaler) []byte {
	if value == graphql.RequiredNull || value == graphql.Null && root.Definition.Type.NonNull {
		return []byte("null")
	}
	if w, ok := value.(*written); ok && w.data {
		w.done = true
		return append(w.json, '}') // The response's from now on, until Release.
	}
	b := bytes.NewBuffer(beginData(nil, root.Alias))
	value.MarshalGQL(b)
	return append(b.Bytes(), '}')
}

// beginData begins the data of one root field.
func beginData(b []byte, alias string) []byte {
	b = append(b, `{"`...)
	b = append(b, alias...)
	return append(b, `":`...)
}

// Release takes the data of a response back once that is sent, for the next one to be written into. Nobody may use it any
// more.
func (*API) Release(data []byte) {
	if cap(data) >= firstWritten {
		(&written{json: data}).release()
	}
}

// notes are what a root field's selection asks for. They are kept with its plan: nothing of them depends on the request.
type notes struct {
	wanted

	// bare says that the rows are all that is selected: nothing has to be loaded beside them.
	bare bool
}

// wanted is what a selection wants of rows.
type wanted struct {
	// columns are those of one task or tag.
	columns []string
	// page is the same of a page of them.
	page task.Selection
}

// notesOf returns the notes of an operation's only root field.
func notesOf(w *walker, e *execution) *notes {
	known, _ := e.plan.Note(func() any {
		n := &notes{wanted: w.read(e.root.Definition.Type.Name(), e.root.Selections), bare: bare(e.root.Selections, map[string]bool{})}
		// They are several requests': who appends to them must get a copy.
		n.columns, n.page.Columns = slices.Clip(n.columns), slices.Clip(n.page.Columns)
		n.page.Facets, n.page.TagColumns = slices.Clip(n.page.Facets), slices.Clip(n.page.TagColumns)
		return n
	}).(*notes)
	return known
}

// wanted returns what is wanted of the root field that is being resolved.
func (w *walker) wanted(selected ast.SelectionSet, typ string) wanted {
	if w.notes != nil {
		return w.notes.wanted
	}
	return w.read(typ, selected)
}

// read looks at a selection of one type.
func (w *walker) read(typ string, selected ast.SelectionSet) wanted {
	switch typ {
	case "Task":
		return wanted{columns: w.ofTasks(w.ofTask(selected))}
	case "Tag":
		return wanted{columns: columns(tagColumns, w.ofTag(selected))}
	case "TaskConnection":
		return wanted{page: w.ofPage(selected)}
	case "TagConnection":
		return wanted{page: w.ofTagPage(selected)}
	default:
		return wanted{}
	}
}

// needsNothing says that nothing has to be loaded for what is selected below the root field.
func (w *walker) needsNothing() bool { return w.notes != nil && w.notes.bare }

// loadedFields are those whose values are read for all rows at once.
var loadedFields = []string{"tags", "parent", "subtasks", "subtaskProgress", "openTaskCount"} //nolint:gochecknoglobals // A constant, if Go had constant slices.

// bare says that none of those fields is selected anywhere, whatever @skip and @include say. It looks at each fragment once.
func bare(selected ast.SelectionSet, seen map[string]bool) bool {
	return !slices.ContainsFunc(selected, func(s ast.Selection) bool {
		switch s := s.(type) {
		case *ast.Field:
			return slices.Contains(loadedFields, s.Name) || !bare(s.SelectionSet, seen)
		case *ast.InlineFragment:
			return !bare(s.SelectionSet, seen)
		case *ast.FragmentSpread:
			if seen[s.Name] {
				return false
			}
			seen[s.Name] = true
			return !bare(s.Definition.SelectionSet, seen)
		}
		return true
	})
}
