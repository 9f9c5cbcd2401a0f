package listdiff_test

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/internal/listdiff"
)

// list makes a list of a text: a lower-case letter is an element, and the same letter in upper case is it with other content.
func list(text string) []listdiff.Entry {
	entries := make([]listdiff.Entry, len(text))
	for i, c := range []byte(text) {
		entries[i] = listdiff.Entry{ID: uuid.UUID{c | 0x20}, Digest: [8]byte{c}}
	}
	return entries
}

// text writes a list as list reads it.
func text(entries []listdiff.Entry) string {
	var b []byte
	for _, e := range entries {
		b = append(b, e.Digest[0])
	}
	return string(b)
}

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// apply does what clients do with a patch: take out all of Left and Placed, then put Placed in, one after the other.
func apply(t failer, from []listdiff.Entry, p listdiff.Patch, to []listdiff.Entry) []listdiff.Entry {
	t.Helper()
	out := slices.Clone(from)
	remove := func(id uuid.UUID) {
		out = slices.DeleteFunc(out, func(e listdiff.Entry) bool { return e.ID == id })
	}
	for _, id := range p.Left {
		if !slices.ContainsFunc(from, func(e listdiff.Entry) bool { return e.ID == id }) {
			t.Fatalf("%s left, and was not in the list", id)
		}
		remove(id)
	}
	for _, placed := range p.Placed {
		remove(to[placed.Index].ID)
	}
	for _, placed := range p.Placed {
		at := 0
		if placed.Index > 0 {
			after := to[placed.Index-1].ID
			if at = 1 + slices.IndexFunc(out, func(e listdiff.Entry) bool { return e.ID == after }); at == 0 {
				t.Fatalf("element %d goes after one that is not in the list yet", placed.Index)
			}
		}
		out = slices.Insert(out, at, to[placed.Index])
	}
	return out
}

// diffs are lists, and what the patch from one to the other has.
var diffs = []struct { //nolint:gochecknoglobals // A table.
	name, from, to string
	// left and placed are the elements of the patch: each that is placed follows the first letter of its reason.
	left, placed string
}{
	{"nothing", "abc", "abc", "", ""},
	{"both empty", "", "", "", ""},
	{"from empty", "", "ab", "", "ea eb"},
	{"to empty", "ab", "", "ab", ""},
	{"one enters at the top", "bc", "abc", "", "ea"},
	{"one enters at the end", "ab", "abc", "", "ec"},
	{"one leaves", "abc", "ac", "b", ""},
	{"one leaves, another enters", "abc", "acd", "b", "ed"},
	{"one changes", "abc", "aBc", "", "uB"},
	{"all change", "abc", "ABC", "", "uA uB uC"},
	{"the first moves to the end", "abcd", "bcda", "", "ma"},
	{"the last moves to the top", "abcd", "dabc", "", "md"},
	{"reversed", "abc", "cba", "", "mb ma"},
	{"two swap, one has changed", "ab", "bA", "", "mA"},
	{"two swap, other has changed", "ab", "Ba", "", "mB"},
	{"it moves and changes", "abcd", "bcAd", "", "mA"},
	{"it moves, others change", "abcd", "bCdA", "", "uC mA"},
	{"one moves between new ones", "abc", "xbyaz", "c", "ex ey ma ez"},
	{"others", "abc", "def", "abc", "ed ee ef"},
	{"changes before and after", "abxcd", "AbycD", "x", "uA ey uD"},
	{"length counts before content", "abc", "BCa", "", "uB uC ma"},
}

func TestDiff(t *testing.T) {
	t.Parallel()
	for _, tt := range diffs {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			from, to := list(tt.from), list(tt.to)
			p := listdiff.Diff(from, to)
			var left, placed string
			for _, id := range p.Left {
				left += string(id[:1])
			}
			for i, q := range p.Placed {
				if i > 0 {
					placed += " "
				}
				placed += strings.ToLower(string(q.Reason[:1])) + text(to[q.Index:q.Index+1])
			}
			if diff := cmp.Diff([]string{tt.left, tt.placed}, []string{left, placed}); diff != "" {
				t.Errorf("left and placed (-want +got):\n%s", diff)
			}
			if got := text(apply(t, from, p, to)); got != tt.to {
				t.Errorf("applied to %s it makes %s, want %s", tt.from, got, tt.to)
			}
		})
	}
}

var update = flag.Bool("update", false, "write the patches for examples/sync instead of comparing them") //nolint:gochecknoglobals // A flag.

// TestPatchesForClients: the tests of the client in examples/sync apply patches that Diff has made.
func TestPatchesForClients(t *testing.T) {
	t.Parallel()
	type edge struct {
		Node struct {
			ID    string `json:"id"`
			Title string `json:"title"`
		} `json:"node"`
	}
	type placement struct {
		Why     listdiff.Reason `json:"why"`
		AfterID *string         `json:"afterId"`
		Edge    edge            `json:"edge"`
	}
	type patch struct {
		Fresh  bool        `json:"fresh"`
		Left   []string    `json:"left"`
		Placed []placement `json:"placed"`
	}
	type example struct {
		Name  string `json:"name"`
		From  string `json:"from"`
		To    string `json:"to"`
		Patch patch  `json:"patch"`
	}
	var examples []example
	for _, tt := range diffs {
		e := example{tt.name, tt.from, tt.to, patch{Left: []string{}, Placed: []placement{}}}
		to := list(tt.to)
		diff := listdiff.Diff(list(tt.from), to)
		for _, id := range diff.Left {
			e.Patch.Left = append(e.Patch.Left, string(id[:1]))
		}
		for _, placed := range diff.Placed {
			p := placement{Why: placed.Reason}
			p.Edge.Node.ID, p.Edge.Node.Title = string(to[placed.Index].ID[:1]), text(to[placed.Index:placed.Index+1])
			if placed.Index > 0 {
				before := string(to[placed.Index-1].ID[:1])
				p.AfterID = &before
			}
			e.Patch.Placed = append(e.Patch.Placed, p)
		}
		examples = append(examples, e)
	}
	got, err := json.MarshalIndent(examples, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "../../examples/sync/test/patches.json"
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not what Diff makes: run this test with -update (-want +got):\n%s", file, diff)
	}
}

// draw draws a list of some of a few elements.
func draw(t *rapid.T, label string) []listdiff.Entry {
	ids := rapid.Permutation([]byte("abcdefghij")).Draw(t, label)
	ids = ids[:rapid.IntRange(0, len(ids)).Draw(t, label+" length")]
	for i := range ids {
		if rapid.IntRange(0, 3).Draw(t, label+" content") == 0 {
			ids[i] -= 0x20
		}
	}
	return list(string(ids))
}

// A patch makes the new list, names each element once, and has as few moves and placements as there can be.
func TestDiffOfRandomLists(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from, to := draw(t, "from"), draw(t, "to")
		p := listdiff.Diff(from, to)
		if diff := cmp.Diff(to, apply(t, from, p, to)); diff != "" {
			t.Fatalf("the patch makes another list (-want +got):\n%s", diff)
		}
		moved, entered := 0, 0
		for i, placed := range p.Placed {
			if i > 0 && placed.Index <= p.Placed[i-1].Index {
				t.Fatalf("placed are not in the order of the list: %v", p.Placed)
			}
			was := slices.IndexFunc(from, func(e listdiff.Entry) bool { return e.ID == to[placed.Index].ID })
			switch {
			case (placed.Reason == listdiff.Entered) != (was < 0):
				t.Fatalf("element %d is placed for the reason %s", placed.Index, placed.Reason)
			case placed.Reason == listdiff.Entered:
				entered++
			case placed.Reason == listdiff.Updated && from[was] == to[placed.Index]:
				t.Fatalf("element %d has not changed", placed.Index)
			case placed.Reason == listdiff.Moved:
				moved++
			}
		}
		leastMoved, leastPlaced := least(from, to)
		if moved != leastMoved || len(p.Placed)-entered != leastPlaced {
			t.Fatalf("%d moves and %d placements, want %d and %d: %s to %s", moved, len(p.Placed)-entered, leastMoved, leastPlaced, text(from), text(to))
		}
	})
}

// least tries which elements can stay, and returns how many at least have to move, and then how many have to be placed.
func least(from, to []listdiff.Entry) (moved, placed int) { //nolint:nonamedreturns // They are alike.
	var common [][2]int
	for i, e := range to {
		if was := slices.IndexFunc(from, func(f listdiff.Entry) bool { return f.ID == e.ID }); was >= 0 {
			common = append(common, [2]int{was, i})
		}
	}
	moved, placed = len(common), len(common)
	for choice := range 1 << len(common) {
		last, m, p := -1, 0, 0
		for i, c := range common {
			switch {
			case choice>>i&1 == 0:
				m, p = m+1, p+1
			case c[0] < last:
				m = len(common) + 1 // They can't all stay.
			default:
				last = c[0]
				if from[c[0]] != to[c[1]] {
					p++
				}
			}
		}
		if m < moved || m == moved && p < placed {
			moved, placed = m, p
		}
	}
	return moved, placed
}

func BenchmarkDiff(b *testing.B) {
	from := make([]listdiff.Entry, 100)
	for i := range from {
		from[i].ID = uuid.New()
	}
	to := slices.Clone(from)
	for name, change := range map[string]func(){
		"nothing":              func() {},
		"one moves to the end": func() { to = append(to[1:], to[0]) },
		"reversed":             func() { slices.Reverse(to) },
		"others": func() {
			for i := range to {
				to[i].ID = uuid.New()
			}
		},
	} {
		to = slices.Clone(from)
		change()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				listdiff.Diff(from, to)
			}
		})
	}
}
