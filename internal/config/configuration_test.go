package config

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of variables into docs/configuration.md") //nolint:gochecknoglobals // A flag.

// TestConfigurationDocs checks that the tables in docs/configuration.md are those that WriteMarkdown writes.
func TestConfigurationDocs(t *testing.T) {
	t.Parallel()
	const path, begin, end = "../../docs/configuration.md", "<!-- variables -->\n", "<!-- /variables -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %s", path, begin)
	}
	var want bytes.Buffer
	if err := WriteMarkdown(&want); err != nil {
		t.Fatal(err)
	}
	if got == want.String() {
		return
	}
	if !*update {
		t.Fatalf("the tables in %s differ from the code; run: go test ./internal/config -run ConfigurationDocs -update", path)
	}
	if err := os.WriteFile(path, []byte(before+begin+want.String()+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestConfigurationDocsRequired checks that the page's introduction names every variable that production requires.
func TestConfigurationDocsRequired(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	intro, _, _ := strings.Cut(string(page), "<!-- variables -->")
	_, problems := LoadPartial(map[string]string{"ENVIRONMENT": "production"})
	for _, problem := range problems {
		if !strings.Contains(intro, "`"+problem.Variable+"`") {
			t.Errorf("the introduction doesn't name %s, which production requires", problem.Variable)
		}
	}
	if len(problems) == 0 {
		t.Error("production requires nothing")
	}
}
