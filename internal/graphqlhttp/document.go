package graphqlhttp

import (
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
)

const (
	// cachedBytes bounds the memory of all cached documents.
	cachedBytes = 8 << 20
	// maxCachedText is the length of the longest document that is cached. Longer ones are rare, except from clients that
	// want to fill the memory, and parsing them costs a millisecond.
	maxCachedText = 16 << 10
)

// document is a parsed document with what is known about its operations.
type document struct {
	tree *ast.QueryDocument
	// valid is whether it has been validated. After that only admitted changes.
	valid bool
	// nonNullUses are the operations' uses of nullable variables that can't be null.
	nonNullUses map[*ast.OperationDefinition][]nonNullUse
	// uses counts the uses of all variables, for operations that use a variable more than once.
	uses map[*ast.OperationDefinition][]variableUse

	mu sync.Mutex
	// admitted are the operations that passed the limits before.
	admitted map[*ast.OperationDefinition]admission
}

// admission is what is known about an operation that passed the limits.
type admission struct {
	cost int
	// fixed is whether the cost is the same for all variables.
	fixed bool
}

func (d *document) admission(operation *ast.OperationDefinition) (admission, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, ok := d.admitted[operation]
	return found, ok
}

func (d *document) admit(operation *ast.OperationDefinition, a admission) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.admitted == nil {
		d.admitted = map[*ast.OperationDefinition]admission{}
	}
	d.admitted[operation] = a
}

// documentCache holds valid documents by their text.
type documentCache struct {
	byText *byteLRU[*document]
}

func newDocumentCache() documentCache {
	return documentCache{byText: newByteLRU[*document](cachedBytes)}
}

// get returns the document of the operation if it was validated before, else nil.
func (c documentCache) get(op *operation) *document {
	if op.trusted != nil {
		return op.trusted.document
	}
	found, _ := c.byText.get(op.query)
	return found
}

// add caches a valid document, unless it is too long.
func (c documentCache) add(text string, d *document) {
	if len(text) <= maxCachedText {
		c.byText.add(text, d, sizeOf(d))
	}
}
