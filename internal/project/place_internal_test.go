package project

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/uuid"

	"taskql/internal/fracindex"
)

// Among 20 things, 10,000 moves to the same place keep the order and bounded keys.
func TestPlaceOfManyMoves(t *testing.T) {
	t.Parallel()
	keys, _ := fracindex.EndN(1, nil, 20)
	items := make([]item, len(keys))
	for i, key := range keys {
		items[i] = item{id: uuid.New(), position: key}
	}
	crowded := 0
	for move := range 10_000 {
		moved, anchor := items[len(items)-1], items[5].id.String() // The last one always goes behind the sixth.
		key, crowd, errs := MoveInput{AfterID: &anchor}.place("thing", moved.id, items, move+2)
		if len(errs) > 0 || key == nil || len(key) > fracindex.MaxLength {
			t.Fatalf("move %d: %v, a key of %d bytes", move, errs, len(key))
		}
		rest := items[:len(items)-1]
		if crowd != nil {
			crowded++
			rest = crowd
		}
		moved.position = key
		items = slices.Insert(slices.Clone(rest), 6, moved)
		if !slices.IsSortedFunc(items, func(a, b item) int { return bytes.Compare(a.position, b.position) }) {
			t.Fatalf("move %d: the keys are not in order", move)
		}
	}
	if crowded == 0 {
		t.Error("no move has given the others new keys: there are too few")
	}
}
