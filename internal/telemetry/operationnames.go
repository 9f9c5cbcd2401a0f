package telemetry

import "sync"

const (
	// maxNames is how many operation names are labels. Each one is a time series in the collector, which it keeps.
	maxNames = 100
	// maxName is the length in bytes of the longest name that is a label.
	maxName = 64
	// otherName is the label of all other names. It is not a valid name in GraphQL, so that no client can send it.
	otherName = "(other)"
	// noName is the label of operations without a name.
	noName = "(anonymous)"
)

// operationNames maps the names of operations, which clients choose, to a bounded number of labels: the first names that come.
type operationNames struct {
	limit int

	mu    sync.RWMutex
	known map[string]struct{}
}

func newOperationNames(limit int) *operationNames {
	return &operationNames{limit: limit, known: map[string]struct{}{}}
}

// label returns the label for a name. It adds a new name only if learn is set: clients that are not signed in must not use up
// the limit.
func (n *operationNames) label(name string, learn bool) string {
	if name == "" {
		return noName
	}
	n.mu.RLock()
	_, ok := n.known[name]
	n.mu.RUnlock()
	switch {
	case ok:
		return name
	case !learn || len(name) > maxName:
		return otherName
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.known[name]; !ok && len(n.known) >= n.limit {
		return otherName
	}
	n.known[name] = struct{}{}
	return name
}
