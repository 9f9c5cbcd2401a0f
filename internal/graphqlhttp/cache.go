package graphqlhttp

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	// cachedBytes bounds the memory of all parsed documents together.
	cachedBytes = 8 << 20
	// maxKeptText is the longest document that is kept, in bytes: longer ones are rare, except from those who want to fill
	// the memory, and parsing costs a millisecond.
	maxKeptText = 16 << 10
	// entryBytes is what an entry costs beside its value: its places in the list and in the map.
	entryBytes = 200
	// widest is the share of the bound that one value may take: a few long ones must not push all others out.
	widest = 16
	// entries bounds the number, for the library's sake. The bytes are what counts.
	entries = 1 << 20
)

// byteLRU keeps the values used last, as many as fit into a number of bytes. It never holds more. It may be used by
// many goroutines.
type byteLRU[V any] struct {
	limit int64

	mu   sync.Mutex
	kept *simplelru.LRU[string, sized[V]]
	held int64
}

// sized is a value with what it takes.
type sized[V any] struct {
	value V
	bytes int64
}

func newByteLRU[V any](limit int64) *byteLRU[V] {
	c := &byteLRU[V]{limit: limit}
	kept, err := simplelru.NewLRU(entries, func(_ string, gone sized[V]) { c.held -= gone.bytes })
	if err != nil { // only for a size below 1
		panic(err)
	}
	c.kept = kept
	return c
}

func (c *byteLRU[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.kept.Get(key)
	return found.value, ok
}

// add keeps a value of so many bytes, its key not counted, and drops those that were not used for longest. A value too
// large is not kept.
func (c *byteLRU[V]) add(key string, value V, bytes int64) {
	bytes += int64(len(key)) + entryBytes
	if bytes > c.limit/widest {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept.Remove(key)
	for c.held+bytes > c.limit {
		c.kept.RemoveOldest()
	}
	c.kept.Add(key, sized[V]{value: value, bytes: bytes})
	c.held += bytes
}

// documentCache keeps parsed and validated documents by their text.
type documentCache struct {
	parsed *byteLRU[*knownDocument]
}

// knownDocument is a parsed document with what is known of its operations.
type knownDocument struct {
	document *ast.QueryDocument
	// valid says that it was validated. Nothing but admitted changes after that.
	valid bool
	// usages are those of its operations that have any.
	usages map[*ast.OperationDefinition][]usage
	// uses are of all variables of those operations that use one more than once.
	uses map[*ast.OperationDefinition][]variableUse

	mu sync.Mutex
	// admitted are the operations that have been held to the limits, and passed.
	admitted map[*ast.OperationDefinition]admission
}

// nullError returns the error of a variable that is null but must not be, or nil.
func (d *knownDocument) nullError(operation *ast.OperationDefinition, variables map[string]any) *gqlerror.Error {
	for _, u := range d.usages[operation] {
		if value, ok := variables[u.variable.Variable]; ok && value == nil {
			err := invalidValue{message: fmt.Sprintf("$%s can't be null: %s takes %s", u.variable.Variable, u.place, u.wants), code: CodeBadUserInput}
			return err.at(u.position)
		}
	}
	return nil
}

// valuesUsed counts the values in lists and objects as often as they are used: executing makes a copy for each use. It is
// 0 where none is used more than once: the variables' values themselves are counted on admission.
func (d *knownDocument) valuesUsed(operation *ast.OperationDefinition, variables map[string]any) int {
	sum, repeated := 0, false
	for _, u := range d.uses[operation] {
		value := variables[u.variable]
		switch value.(type) {
		case []any, map[string]any:
			_, values := measure(value)
			sum, repeated = add(sum, times(values, u.times)), repeated || u.times > 1
		}
	}
	if !repeated {
		return 0
	}
	return sum
}

// admission is what the limits need not look at again.
type admission struct {
	// cost is the operation's where it is fixed: the variables don't change it.
	cost  int
	fixed bool
}

func (d *knownDocument) admission(operation *ast.OperationDefinition) (admission, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, ok := d.admitted[operation]
	return found, ok
}

func (d *knownDocument) admit(operation *ast.OperationDefinition, a admission) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.admitted == nil {
		d.admitted = map[*ast.OperationDefinition]admission{}
	}
	d.admitted[operation] = a
}

func newDocumentCache() documentCache {
	return documentCache{parsed: newByteLRU[*knownDocument](cachedBytes)}
}

// known returns what is kept of a document, nil where it is not. A trusted document is the one parsed at the start.
func (c documentCache) known(ctx context.Context, text string) *knownDocument {
	if req := requestOf(ctx); req.trusted != nil {
		return req.trusted.known
	}
	known, _ := c.parsed.get(text)
	return known
}

// add keeps a valid document, unless it is too long.
func (c documentCache) add(text string, document *knownDocument) {
	if len(text) <= maxKeptText {
		c.parsed.add(text, document, sizeOf(document))
	}
}

// operationBytes is what an operation takes in one of a knownDocument's maps: maps grow by doubling.
const operationBytes = 2 * (8 + 16 + 1)

// sizeOf estimates what a parsed document takes in memory besides its text, which it shares.
func sizeOf(known *knownDocument) int64 {
	m, document := estimate{bytes: sizeFor[knownDocument]()}, known.document
	for _, operation := range document.Operations {
		m.add(sizeFor[ast.OperationDefinition]() + 3*operationBytes)
		m.bytes += 2 * sizeFor[variableUse]() * int64(len(known.uses[operation]))
		for _, u := range known.usages[operation] {
			m.bytes += 2*sizeFor[usage]() + int64(len(u.place)+len(u.wants))
		}
		for _, variable := range operation.VariableDefinitions {
			m.add(sizeFor[ast.VariableDefinition]() + sizeFor[ast.Type]() + sizeFor[ast.Position]())
			m.value(variable.DefaultValue)
			m.directives(variable.Directives)
		}
		m.directives(operation.Directives)
		m.selections(operation.SelectionSet)
	}
	for _, fragment := range document.Fragments {
		m.add(sizeFor[ast.FragmentDefinition]())
		m.directives(fragment.Directives)
		m.selections(fragment.SelectionSet)
	}
	return m.bytes
}

// estimate adds up a document's nodes. Each is counted with its position and its place in a list; lists grow by
// doubling, so that a place may be there twice.
type estimate struct{ bytes int64 }

func (m *estimate) add(node int64) {
	const place, position = 2 * 16, 48
	m.bytes += node + place + position
}

func (m *estimate) selections(set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			m.add(sizeFor[ast.Field]())
			m.arguments(s.Arguments)
			m.directives(s.Directives)
			m.selections(s.SelectionSet)
		case *ast.InlineFragment:
			m.add(sizeFor[ast.InlineFragment]())
			m.directives(s.Directives)
			m.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			m.add(sizeFor[ast.FragmentSpread]())
			m.directives(s.Directives)
		}
	}
}

func (m *estimate) arguments(arguments ast.ArgumentList) {
	for _, argument := range arguments {
		m.add(sizeFor[ast.Argument]())
		m.value(argument.Value)
	}
}

func (m *estimate) directives(directives ast.DirectiveList) {
	for _, directive := range directives {
		m.add(sizeFor[ast.Directive]())
		m.arguments(directive.Arguments)
	}
}

func (m *estimate) value(value *ast.Value) {
	if value == nil {
		return
	}
	m.add(sizeFor[ast.Value]() + int64(len(value.Raw))) // A string with escapes is a copy.
	for _, child := range value.Children {
		m.add(sizeFor[ast.ChildValue]())
		m.value(child.Value)
	}
}

func sizeFor[T any]() int64 { return int64(reflect.TypeFor[T]().Size()) } //nolint:gosec // No type is that large.
