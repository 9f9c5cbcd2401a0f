package live

import (
	"math"
	"strings"
	"testing"
)

func TestPayload(t *testing.T) {
	t.Parallel()
	p, added := newPayload(7), map[uint64]uint64{}
	for hash := uint64(math.MaxUint64); p.add(hash, int(hash>>20)); hash -= 12345 {
		added[hash] = hash >> 20
	}
	if n := len(p.String()); n > maxPayload || n < maxPayload-30 || len(added) < 300 {
		t.Errorf("%d changes in %d bytes", len(added), n)
	}
	sender, ok := readPayload(p.String(), func(hash, version uint64) {
		if v, found := added[hash]; !found || v != version {
			t.Errorf("%d has the version %d, want %d", hash, version, v)
		}
		delete(added, hash)
	})
	if sender != 7 || !ok || len(added) > 0 {
		t.Errorf("sender %d, %t, %d changes missing", sender, ok, len(added))
	}
}

// FuzzPayload: anybody may have sent a notification who can use the database.
func FuzzPayload(f *testing.F) {
	p := newPayload(1 << 60)
	p.add(42, 1000)
	p.add(1<<63, math.MaxInt)
	f.Add(p.String())
	f.Add(p.String()[:30])
	f.Add(newPayload(0).String())
	f.Add("")
	f.Add(strings.Repeat("/", 80))
	f.Fuzz(func(t *testing.T, text string) {
		again, count := newPayload(0), 0
		sender, ok := readPayload(text, func(hash, version uint64) {
			if count++; version <= math.MaxInt {
				again.add(hash, int(version))
			}
		})
		if count > len(text)/12 {
			t.Errorf("%d changes in %d bytes", count, len(text))
		}
		if ok {
			if got, ok := readPayload(newPayload(sender).String(), nil); got != sender || !ok {
				t.Errorf("sender %d, read again as %d, %t", sender, got, ok)
			}
		}
		h := NewHints(HintsConfig{})
		h.Watch("a", true)
		h.received(text)
	})
}
