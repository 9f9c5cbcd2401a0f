package testkit_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentReferences checks that the files, tests and make targets that the developers' documents mention exist, so
// that no checklist promises a test that has been removed.
func TestDocumentReferences(t *testing.T) {
	t.Parallel()
	const root = "../.."
	tests, targets := testNames(t, root), map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(read(t, root+"/Makefile"), -1) {
		targets[match[1]] = true
	}
	code := regexp.MustCompile("(?s)```.*?```|`[^`]+`")
	target := regexp.MustCompile(`\bmake\s+([a-z-]+)`)
	isTest := regexp.MustCompile(`^Test[A-Z]\w+$`)
	isFile := regexp.MustCompile(`^\.?\w[\w./*-]*/[\w./*-]*$|^[\w-]+\.(go|md|yml|mod)$`)
	for _, document := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", ".github/pull_request_template.md"} {
		for _, span := range code.FindAllString(read(t, filepath.Join(root, document)), -1) {
			for _, match := range target.FindAllStringSubmatch(span, -1) {
				if !targets[match[1]] {
					t.Errorf("%s names make %s, and there is no such target", document, match[1])
				}
			}
			switch name := strings.Trim(span, "`"); {
			case isTest.MatchString(name):
				if !tests[name] {
					t.Errorf("%s names %s, and there is no such test", document, name)
				}
			case isFile.MatchString(name) && !strings.HasPrefix(name, "bin/"): // bin/ is built.
				if found, err := filepath.Glob(filepath.Join(root, name)); err != nil || len(found) == 0 {
					t.Errorf("%s names %s, which is not there", document, name)
				}
			}
		}
	}
}

// TestArchitectureListsThePackages checks that ARCHITECTURE.md describes every package below internal.
func TestArchitectureListsThePackages(t *testing.T) {
	t.Parallel()
	text := read(t, "../../ARCHITECTURE.md")
	for name := range mayImport {
		folder, ok := strings.CutPrefix(name, "internal/")
		if ok && !regexp.MustCompile(`(?m)^  `+folder+`/ +\S`).MatchString(text) {
			t.Errorf("ARCHITECTURE.md does not list %s", name)
		}
	}
}

// testNames returns the names of the tests of all packages.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			for _, match := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(read(t, path), -1) {
				names[match[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
