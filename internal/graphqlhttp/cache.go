package graphqlhttp

import (
	"context"
	"reflect"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/vektah/gqlparser/v2/ast"
)

const (
	// cachedBytes bounds the memory of all parsed documents together.
	cachedBytes = 16 << 20
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
	parsed *byteLRU[*ast.QueryDocument]
}

func newDocumentCache() documentCache {
	return documentCache{parsed: newByteLRU[*ast.QueryDocument](cachedBytes)}
}

// Get implements graphql.Cache. A trusted document is the one parsed at the start.
func (c documentCache) Get(ctx context.Context, text string) (*ast.QueryDocument, bool) {
	if req := requestOf(ctx); req.trusted != nil {
		return req.trusted.document, true
	}
	return c.parsed.get(text)
}

// Add implements graphql.Cache.
func (c documentCache) Add(_ context.Context, text string, document *ast.QueryDocument) {
	c.parsed.add(text, document, sizeOf(document))
}

// sizeOf estimates what a parsed document takes in memory besides its text, which it shares.
func sizeOf(document *ast.QueryDocument) int64 {
	m := estimate{}
	for _, operation := range document.Operations {
		m.add(sizeFor[ast.OperationDefinition]())
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
