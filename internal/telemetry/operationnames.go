package telemetry

import "sync"

const (
	// maxNames is how many names of operations are told apart. Each is a series of its own in the collector, for good.
	maxNames = 100
	// maxName is the longest name that is taken, in bytes.
	maxName = 64
	// otherName stands for the rest. It is no name of GraphQL's, so that no client can choose it.
	otherName = "(other)"
	// noName stands for an operation without one.
	noName = "(anonymous)"
)

// names are the clients' names of operations that are told apart: the first so many that come.
type names struct {
	limit int

	mu    sync.RWMutex
	known map[string]struct{}
}

func newNames(limit int) *names { return &names{limit: limit, known: map[string]struct{}{}} }

// of returns the name, or what stands for it. Only where learn is set is a new one taken: strangers must not use up the
// room.
func (n *names) of(name string, learn bool) string {
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
