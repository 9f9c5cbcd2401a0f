package devauth

import (
	"context"
	"errors"
	"testing"
)

func TestPasswords(t *testing.T) {
	p := newPasswords()
	hash, err := p.hash(t.Context(), "caf\u00e9 au lait")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		password string
		want     bool
	}{
		"same":              {"caf\u00e9 au lait", true},
		"accent decomposed": {"cafe\u0301 au lait", true},
		"other":             {"cafe au lait", false},
		"empty":             {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := p.match(t.Context(), test.password, hash); err != nil || got != test.want {
				t.Errorf("%t, %v, want %t", got, err, test.want)
			}
		})
	}
}

func TestPasswordsWaitForASlot(t *testing.T) {
	p := newPasswords()
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.hash(ctx, "correct horse"); !errors.Is(err, context.Canceled) {
		t.Errorf("hash: %v", err)
	}
	if _, err := p.match(ctx, "correct horse", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("match: %v", err)
	}
	if len(p.slots) != cap(p.slots) {
		t.Error("a slot was given back that was not taken")
	}
}

func BenchmarkHash(b *testing.B) {
	p := newPasswords()
	for b.Loop() {
		if _, err := p.hash(b.Context(), "correct horse"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		if len(id) != 32 || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}
