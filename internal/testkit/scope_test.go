package testkit_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// scopedByHand are the files that may compare workspace_id, and why.
var scopedByHand = map[string]string{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"internal/access":              "makes the rows of organizations' members",
	"internal/task/columns.go":     "names every column",
	"internal/history/insert.go":   "names every column",
	"internal/recurrence/rows.go":  "names every column",
	"internal/workspace":           "decides what the scope of a query is",
	"internal/task/transfer.go":    "looks for tasks whose parents are in another workspace",
	"internal/doctor/database.go":  "looks for the overdue reminders of all workspaces",
	"internal/reminder/columns.go": "names every column",
	"internal/project/columns.go":  "names every column",
	"internal/reminder/fire.go":    "fires the reminders of all workspaces",
	"internal/importer/source.go":  "reads another program's database",
}

// comparesWorkspace finds a condition on workspace_id in SQL. An assignment in SET is not one.
var comparesWorkspace = regexp.MustCompile(`(?i)(set\s+)?\bworkspace_id\b"?\s*(=|<|>|!=|\bin\b|\bnot\b|\bis\b|\blike\b|\bbetween\b)|[=<>]\s*"?(\w+"?\."?)?workspace_id\b`)

// TestQueriesAreScopedInOnePlace finds conditions on workspace_id, ent's or in SQL, outside of internal/workspace.
func TestQueriesAreScopedInOnePlace(t *testing.T) {
	t.Parallel()
	const root = "../.."
	used := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, root+"/"))
		switch {
		case entry.IsDir() && slices.Contains([]string{".git", "node_modules", "ent", "testdata", "testkit"}, entry.Name()):
			return filepath.SkipDir
		case filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		for _, found := range workspaceConditions(t, path) {
			place := name
			if scopedByHand[place] == "" {
				place = filepath.ToSlash(filepath.Dir(name))
			}
			if used[place] = true; scopedByHand[place] == "" {
				t.Errorf("%s compares workspace_id: use workspace.Scope or workspace.Condition", found)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for place := range scopedByHand {
		if !used[place] {
			t.Errorf("%s compares no workspace_id any more: remove it from scopedByHand", place)
		}
	}
}

// workspaceConditions returns the places in a file that compare workspace_id.
func workspaceConditions(t *testing.T, path string) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if ast.IsGenerated(file) {
		return nil
	}
	entities, harmless := entEntities(file), map[ast.Expr]bool{}
	var found []string
	note := func(node ast.Node, what string) {
		found = append(found, fmt.Sprintf("%s: %s", files.Position(node.Pos()), what))
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.SelectorExpr:
			of, _ := node.X.(*ast.Ident)
			name := node.Sel.Name
			if of == nil || !entities[of.Name] || harmless[node] {
				return true
			}
			if strings.HasPrefix(name, "WorkspaceID") || strings.HasPrefix(name, "HasWorkspace") || name == "FieldWorkspaceID" {
				note(node, of.Name+"."+name)
			}
		case *ast.KeyValueExpr:
			harmless[node.Key] = true // It is the column of a value.
		case *ast.CallExpr:
			if call, ok := node.Fun.(*ast.SelectorExpr); ok && call.Sel.Name == "Select" {
				for _, arg := range node.Args { // It reads the column.
					harmless[arg] = true
				}
			}
		case *ast.BasicLit:
			text, err := strconv.Unquote(node.Value)
			if node.Kind != token.STRING || err != nil {
				return true
			}
			if text == "workspace_id" {
				note(node, text)
			}
			for _, match := range comparesWorkspace.FindAllStringSubmatch(text, -1) {
				if match[1] == "" {
					note(node, match[0])
				}
			}
		}
		return true
	})
	return found
}

// entEntities returns the names by which a file imports ent's packages.
func entEntities(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, imported := range file.Imports {
		path, ok := strings.CutPrefix(strings.Trim(imported.Path.Value, `"`), "taskql/ent/")
		if !ok {
			continue
		}
		name := path
		if imported.Name != nil {
			name = imported.Name.Name
		}
		names[name] = true
	}
	return names
}
