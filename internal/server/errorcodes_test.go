package server

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"taskql/graph/generated"
)

var update = flag.Bool("update", false, "write docs/errors.md and testdata/feedcolumns.txt") //nolint:gochecknoglobals // A flag.

func TestErrorDocs(t *testing.T) {
	t.Parallel()
	const path = "../../docs/errors.md"
	var want bytes.Buffer
	if err := WriteErrors(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/errors.md differs from the code; run: go test ./internal/server -run ErrorDocs -update")
	}
}

// TestEveryCodeIsExplained: the constants named Code… of the packages that answer clients are explained.
func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	explained := map[string]bool{}
	for _, c := range append(ErrorCodes(), UserErrorCodes()...) {
		if len(c.Cause) < 20 || len(c.Fix) < 10 {
			t.Errorf("%s is not explained", c.Code)
		}
		explained[c.Code] = true
	}
	found := 0
	for _, room := range []string{"../../graph", "../graphqlhttp", "../server", "../task", "../ratelimit"} {
		for name, code := range codesIn(t, room) {
			found++
			if !explained[code] {
				t.Errorf("%s in %s is %s, which docs/errors.md does not explain: write it into errorcodes.go", name, room, code)
			}
		}
	}
	if found < 25 {
		t.Errorf("found %d codes only", found)
	}
	users := map[string]bool{}
	for _, c := range UserErrorCodes() {
		users[c.Code] = true
	}
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	for _, value := range schema.Types["UserErrorCode"].EnumValues {
		if !users[value.Name] {
			t.Errorf("UserErrorCode.%s is not explained", value.Name)
		}
		delete(users, value.Name)
	}
	for code := range users {
		t.Errorf("%s is no UserErrorCode", code)
	}
}

// codesIn returns the codes among the constants of a folder's packages.
func codesIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	isCode := regexp.MustCompile(`^[cC]ode[A-Z]`)
	codes := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Names) != len(spec.Values) {
				return true
			}
			for i, name := range spec.Names {
				literal, ok := spec.Values[i].(*ast.BasicLit)
				if ok && literal.Kind == token.STRING && isCode.MatchString(name.Name) {
					codes[name.Name], err = strconv.Unquote(literal.Value)
				}
			}
			return true
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return codes
}
