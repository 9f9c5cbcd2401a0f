package graph

import (
	"encoding/binary"
	"runtime"
	"testing"
	"unique"

	"taskql/internal/live"
)

// What is kept of a list of 50 tasks is small, and kept once for all subscriptions that have the same.
func TestListPositions(t *testing.T) { //nolint:paralleltest // It reads the heap's size.
	text := func(n int) string {
		b := make([]byte, digestBytes+50*entryBytes)
		binary.BigEndian.PutUint64(b[digestBytes:], uint64(n))
		return string(b)
	}
	heap := func() int64 { // Signed: what other tests left may be collected in the meantime.
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const lists, subscriptions = 500, 20
	positions := make([]live.Position, 0, lists*subscriptions)
	before := heap()
	for n := range lists {
		for range subscriptions {
			positions = append(positions, live.Position(listPosition{list: unique.Make(text(n))}))
		}
	}
	each := (heap() - before) / lists
	t.Logf("%d bytes for a list of 50 tasks that has %d subscriptions", each, subscriptions)
	if most := int64(3 << 10); each > most {
		t.Errorf("%d bytes for a list, want at most %d", each, most)
	}
	if positions[0] != positions[1] || positions[0] == positions[subscriptions] {
		t.Error("positions are equal if and only if the lists are")
	}
	if p, ok := positions[subscriptions].(listPosition); !ok || len(p.entries()) != 50 || p.entries()[0].ID[7] != 1 {
		t.Errorf("the entries of %v are not those that were kept", positions[subscriptions])
	}
	runtime.KeepAlive(positions)
}
