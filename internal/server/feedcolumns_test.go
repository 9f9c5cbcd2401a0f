package server

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestFeedColumnsAreAppended: tokens that clients keep have a bit for each column of each kind, by its index, and places between
// kinds by their order. A new column is the last one of its kind, and a new kind the last one. -update writes what is new into the
// file; nothing in it ever changes or goes.
func TestFeedColumnsAreAppended(t *testing.T) {
	t.Parallel()
	const file, most = "testdata/feedcolumns.txt", 64
	s, _ := newServer(t, map[string]string{})
	t.Cleanup(s.live.hub.Close)
	text, err := os.ReadFile(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	known := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(text) == 0 {
		known = nil
	}
	var lines []string
	for i, kind := range s.live.workspaces.FeedKinds() {
		if kind.Order != i+1 || len(kind.Columns) > most {
			t.Errorf("%s has the place %d, want %d, and %d columns", kind.Kind, kind.Order, i+1, len(kind.Columns))
		}
		lines = append(lines, fmt.Sprintf("%s %s", kind.Kind, strings.Join(kind.Columns, " ")))
	}
	for i, line := range known {
		if i >= len(lines) || lines[i] != line && !strings.HasPrefix(lines[i], line+" ") {
			t.Fatalf("line %d is %q no longer: tokens from before would mean something else", i+1, line)
		}
	}
	if now := strings.Join(lines, "\n") + "\n"; now != string(text) {
		if !*update {
			t.Fatalf("%s lacks what is new: run this test with -update", file)
		}
		if err := os.WriteFile(file, []byte(now), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
