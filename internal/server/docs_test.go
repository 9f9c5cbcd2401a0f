package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestReasonsAreDocumented compares the table in docs/authentication.md with the reasons in the code.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(doc), "## Refusal reasons and what to do")
	if !ok {
		t.Fatal("the section is gone")
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|(.*)$").FindAllStringSubmatch(table, -1) {
		documented = append(documented, row[1])
		if cells := strings.Count(row[2], " |"); cells != 3 {
			t.Errorf("%s has %d cells, want client, cause and cure", row[1], cells)
		}
	}
	want := append(reasons(t), reasonCSRF, reasonUserErased, reasonTicket)
	slices.Sort(want)
	slices.Sort(documented)
	if !slices.Equal(want, documented) {
		t.Errorf("the document has %q\nthe code has   %q", documented, want)
	}
	text, _, _ := strings.Cut(table, "are logged as")
	_, text, _ = strings.Cut(text, "\nThe reasons ")
	var warnings []string
	for _, match := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(text, -1) {
		warnings = append(warnings, match[1])
	}
	slices.Sort(warnings)
	want = slices.DeleteFunc(want, func(reason string) bool { return refusalLevel(reason) != slog.LevelWarn })
	if !slices.Equal(want, warnings) {
		t.Errorf("the document has the warnings %q\nthe code has                %q", warnings, want)
	}
}

// reasons returns the constants of type Reason in betterauth's source.
func reasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../betterauth/refusal.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != "Reason" {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, value)
		return true
	})
	return found
}
