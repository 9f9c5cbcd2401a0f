package testkit_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// TestDocumentLinks checks that the links between the project's Markdown files, and to their headings, are valid.
func TestDocumentLinks(t *testing.T) {
	t.Parallel()
	const root = "../.."
	link := regexp.MustCompile(`(?:\]\(|src(?:set)?=")([^)\s"]+)[)"]`)
	code := regexp.MustCompile("(?s)```.*?```")
	for _, file := range documents(t, root) {
		text := code.ReplaceAllString(read(t, file), "")
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, err := url.Parse(match[1])
			if err != nil {
				t.Errorf("%s: %s: %v", file, match[1], err)
				continue
			}
			if target.IsAbs() {
				continue
			}
			to := file
			if target.Path != "" {
				to = filepath.Join(filepath.Dir(file), target.Path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s, which is not there", file, match[1])
				continue
			}
			if target.Fragment != "" && !headings(read(t, to))[target.Fragment] {
				t.Errorf("%s links to %s, and there is no such heading", file, match[1])
			}
		}
	}
}

// documents returns the project's Markdown files.
func documents(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 3 {
		t.Fatalf("only %q found", files)
	}
	return files
}

// headings returns the anchors that GitHub generates for the headings of a file.
func headings(text string) map[string]bool {
	found := map[string]bool{}
	plain := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, match := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		name := plain.ReplaceAllString(strings.ToLower(match[1]), "")
		found[strings.ReplaceAll(name, " ", "-")] = true
	}
	return found
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDependenciesAreExplained compares docs/dependencies.md with go.mod's direct requirements.
func TestDependenciesAreExplained(t *testing.T) {
	t.Parallel()
	text := read(t, "../../go.mod")
	file, err := modfile.Parse("go.mod", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(read(t, "../../docs/dependencies.md"), -1) {
		explained[row[1]] = true
	}
	for _, required := range file.Require {
		if required.Indirect {
			continue
		}
		if !explained[required.Mod.Path] {
			t.Errorf("docs/dependencies.md doesn't say what %s is for", required.Mod.Path)
		}
		delete(explained, required.Mod.Path)
	}
	for path := range explained {
		t.Errorf("docs/dependencies.md explains %s, which go.mod doesn't require", path)
	}
}
