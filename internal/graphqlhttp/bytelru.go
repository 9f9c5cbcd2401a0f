package graphqlhttp

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// entryBytes is what an entry takes beside its key and value: its places in the list and in the map.
	entryBytes = 200
	// maxShare is the part of the limit that one value may take: a few large ones must not evict all others.
	maxShare = 16
	// maxEntries bounds the number of entries, because the library needs a bound. The bytes are the real limit.
	maxEntries = 1 << 20
)

// byteLRU is a least-recently-used cache that is bounded in bytes. It is safe for concurrent use.
type byteLRU[V any] struct {
	limit int64

	mu    sync.Mutex
	cache *simplelru.LRU[string, sized[V]]
	bytes int64
}

// sized is a value with its size.
type sized[V any] struct {
	value V
	bytes int64
}

func newByteLRU[V any](limit int64) *byteLRU[V] {
	c := &byteLRU[V]{limit: limit}
	cache, err := simplelru.NewLRU(maxEntries, func(_ string, evicted sized[V]) { c.bytes -= evicted.bytes })
	if err != nil { // only for a size below 1
		panic(err)
	}
	c.cache = cache
	return c
}

func (c *byteLRU[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.cache.Get(key)
	return found.value, ok
}

// add adds a value whose size is given without its key, and evicts the least recently used ones to make room. It does
// nothing if the value is too large.
func (c *byteLRU[V]) add(key string, value V, bytes int64) {
	bytes += int64(len(key)) + entryBytes
	if bytes > c.limit/maxShare {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cache.Remove(key)
	for c.bytes+bytes > c.limit {
		c.cache.RemoveOldest()
	}
	c.cache.Add(key, sized[V]{value: value, bytes: bytes})
	c.bytes += bytes
}
