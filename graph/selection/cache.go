package selection

import (
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

// Cache keeps the plans of operations as long as their documents are in memory: if the transport drops a document from its
// cache, its plans go as well. It is safe for concurrent use.
type Cache[P any] struct {
	compile func(*graphql.OperationContext) P

	mu        sync.RWMutex
	documents map[weak.Pointer[ast.QueryDocument]]*document[P]
}

// NewCache returns a cache of what compile returns. That depends on the operation and the variables of @skip and @include
// alone, and must not refer to the document.
func NewCache[P any](compile func(*graphql.OperationContext) P) *Cache[P] {
	return &Cache[P]{compile: compile, documents: map[weak.Pointer[ast.QueryDocument]]*document[P]{}}
}

// Documents returns how many documents have plans, for tests of memory.
func (c *Cache[P]) Documents() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.documents)
}

// document keeps the plans of one document. It must not refer to the *ast.QueryDocument, which would then never be
// collected.
type document[P any] struct {
	// conditions are the variables that @skip and @include depend on.
	conditions []string

	mu    sync.RWMutex
	plans map[key]P
}

// key is what a plan depends on, within a document.
type key struct {
	operation  *ast.OperationDefinition
	conditions uint64
}

// Get returns the plan of an operation.
func (c *Cache[P]) Get(operation *graphql.OperationContext) P {
	d := c.document(operation.Doc)
	if len(d.conditions) > maxConditions {
		return c.compile(operation)
	}
	k := key{operation.Operation, d.values(operation.Variables)}
	d.mu.RLock()
	plan, ok := d.plans[k]
	full := len(d.plans) >= maxPlans
	d.mu.RUnlock()
	if ok {
		return plan
	}
	plan = c.compile(operation)
	if !full {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.plans[k] = plan
	}
	return plan
}

// document returns what is kept of a document.
func (c *Cache[P]) document(doc *ast.QueryDocument) *document[P] {
	at := weak.Make(doc)
	c.mu.RLock()
	d, ok := c.documents[at]
	c.mu.RUnlock()
	if ok {
		return d
	}
	made := &document[P]{conditions: conditionsOf(doc), plans: map[key]P{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.documents[at]; ok {
		return d // Another request was faster.
	}
	c.documents[at] = made
	runtime.AddCleanup(doc, c.forget, at)
	return made
}

func (c *Cache[P]) forget(at weak.Pointer[ast.QueryDocument]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.documents, at)
}

// values returns the values of the conditions, a bit each. A variable of another operation counts as false.
func (d *document[P]) values(variables map[string]any) uint64 {
	var bits uint64
	for i, name := range d.conditions {
		if value, _ := variables[name].(bool); value {
			bits |= 1 << i
		}
	}
	return bits
}

// conditionsOf lists the variables that decide what is selected.
func conditionsOf(doc *ast.QueryDocument) []string {
	var names []string
	directives := func(all ast.DirectiveList) {
		for _, d := range all {
			for _, a := range d.Arguments {
				if a.Value != nil && a.Value.Kind == ast.Variable && !slices.Contains(names, a.Value.Raw) {
					names = append(names, a.Value.Raw)
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
