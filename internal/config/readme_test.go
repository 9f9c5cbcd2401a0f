package config

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of variables into README.md") //nolint:gochecknoglobals // A flag.

// README's table of variables is printed from the struct: one fact, one place.
func TestReadmeTable(t *testing.T) {
	t.Parallel()
	const path, begin, end = "../../README.md", "<!-- variables -->\n", "<!-- /variables -->\n"
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README has no %s", begin)
	}
	var want bytes.Buffer
	if err := WriteMarkdown(&want); err != nil {
		t.Fatal(err)
	}
	if got == want.String() {
		return
	}
	if !*update {
		t.Fatal("README's table of variables is not config's: go test ./internal/config -run Readme -update")
	}
	if err := os.WriteFile(path, []byte(before+begin+want.String()+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}
