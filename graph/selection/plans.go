package selection

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"weak"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

const (
	// maxPlans is the most plans kept for a document. A client that sends every combination of twenty variables to
	// @skip must not fill the memory.
	maxPlans = 32
	// maxConditions is the most variables of @skip and @include in a document: a plan's key has a bit for each.
	maxConditions = 64
)

// Plans compiles selections, and keeps them as long as their document is in memory: where the transport drops a document
// from its cache, its plans go as well. It is safe for concurrent use.
type Plans[S any] struct {
	types  map[string]Type[S]
	schema *ast.Schema
	grown  Grown[S]

	mu        sync.RWMutex
	documents map[weak.Pointer[ast.QueryDocument]]*document[S]
}

// NewPlans returns plans for the types' fields. Types that are left out are gqlgen's.
func NewPlans[S any](schema *ast.Schema, types ...Type[S]) *Plans[S] {
	p := &Plans[S]{schema: schema, types: map[string]Type[S]{}, documents: map[weak.Pointer[ast.QueryDocument]]*document[S]{}}
	for _, t := range types {
		p.types[t.name] = t
	}
	return p
}

// Grown is called after each element of a list with how long the JSON is by then. An error ends the encoding, and is the
// error of Append.
type Grown[S any] func(ctx context.Context, s S, length int) error

// Watch has grown called for what the plans append. Call it before the first For.
func (p *Plans[S]) Watch(grown Grown[S]) { p.grown = grown }

// Knows reports whether a field of a type is written here.
func (p *Plans[S]) Knows(typ, field string) bool {
	_, ok := p.types[typ].fields[field]
	return ok
}

// Documents is how many documents have plans, for tests of memory.
func (p *Plans[S]) Documents() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.documents)
}

// document keeps the plans of one document. It must not hold the *ast.QueryDocument, whose end is its own.
type document[S any] struct {
	// conditions are the variables that @skip and @include depend on.
	conditions []string

	mu    sync.RWMutex
	plans map[key]*Plan[S]
}

// key is what a root field's merged selection depends on, within a document. The operation counts, because a fragment
// may be the first that selects a field in several.
type key struct {
	operation  *ast.OperationDefinition
	field      *ast.Field
	conditions uint64
}

// For returns the plan of a root field, nil where its value is gqlgen's to execute.
func (p *Plans[S]) For(operation *graphql.OperationContext, root graphql.CollectedField) *Plan[S] {
	d := p.document(operation.Doc)
	conditions, ok := d.values(operation.Variables)
	if !ok {
		return nil
	}
	k := key{operation.Operation, root.Field, conditions}
	d.mu.RLock()
	plan, ok := d.plans[k]
	full := len(d.plans) >= maxPlans
	d.mu.RUnlock()
	if ok || full {
		return plan
	}
	plan = compiler[S]{types: p.types, grown: p.grown, schema: p.schema, operation: operation}.plan(root)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plans[k] = plan
	return plan
}

// document returns what is kept of a document.
func (p *Plans[S]) document(doc *ast.QueryDocument) *document[S] {
	at := weak.Make(doc)
	p.mu.RLock()
	d, ok := p.documents[at]
	p.mu.RUnlock()
	if ok {
		return d
	}
	made := &document[S]{conditions: conditionsOf(doc), plans: map[key]*Plan[S]{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if d, ok := p.documents[at]; ok {
		return d // Another request was faster.
	}
	p.documents[at] = made
	runtime.AddCleanup(doc, p.forget, at)
	return made
}

func (p *Plans[S]) forget(at weak.Pointer[ast.QueryDocument]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.documents, at)
}

// values are the values of the conditions, a bit each; not ok where one is no boolean or there are too many.
func (d *document[S]) values(variables map[string]any) (uint64, bool) {
	if len(d.conditions) > maxConditions {
		return 0, false
	}
	var bits uint64
	for i, name := range d.conditions {
		value, ok := variables[name].(bool)
		if !ok {
			return 0, false
		}
		if value {
			bits |= 1 << i
		}
	}
	return bits, true
}

// conditionsOf lists the variables that decide what is selected.
func conditionsOf(doc *ast.QueryDocument) []string {
	var names []string
	directives := func(all ast.DirectiveList) {
		for _, d := range all {
			for _, a := range d.Arguments {
				if a.Value != nil && a.Value.Kind == ast.Variable && !slices.Contains(names, a.Value.Raw) {
					names = append(names, string([]byte(a.Value.Raw)))
				}
			}
		}
	}
	var selections func(ast.SelectionSet)
	selections = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				directives(s.Directives)
				selections(s.SelectionSet)
			case *ast.InlineFragment:
				directives(s.Directives)
				selections(s.SelectionSet)
			case *ast.FragmentSpread:
				directives(s.Directives)
			}
		}
	}
	for _, o := range doc.Operations {
		selections(o.SelectionSet)
	}
	for _, f := range doc.Fragments {
		selections(f.SelectionSet)
	}
	return names
}
