package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"taskql/ent"
	entworkspace "taskql/ent/workspace"
	"taskql/graph"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// TestEveryTypeIsInChanges: a page of the feed has a list of each type with versions, with its rows, and tells which of them are gone
// by a GoneKind of the type's name.
func TestEveryTypeIsInChanges(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		schema := schemaOf(t)
		f := &isolation{api: newAPI(t, db), client: db.Client, schema: schema}
		for _, def := range schema.GetPossibleTypes(schema.Types["Node"]) {
			if def.Fields.ForName("version") == nil || def.Name == "Workspace" { // A copy is of one workspace.
				continue
			}
			list, kind := listOf(schema, def), strings.ToUpper(def.Name)
			if list == "" || schema.Types["GoneKind"].EnumValues.ForName(kind) == nil {
				t.Errorf("ChangePage has no list of %s, or GoneKind lacks %s", def.Name, kind)
				continue
			}
			user, own := f.newUser(t)
			var p struct{ Changes map[string]any }
			f.api.data(t, user, "{ changes { token gone { id } "+list+" { id } } }", nil, &p)
			if !strings.Contains(fmt.Sprint(p.Changes[list]), own[def.Name]) {
				t.Errorf("the rows of %s are missing in changes.%s: call AddFeedKinds, and see changedKinds in changes.go", def.Name, list)
			}
			gone := bury(t, db.Client, f.api.users[user], kind)
			f.api.data(t, user, fmt.Sprintf("{ changes(after: %q) { gone { kind id } %s { id } } }", p.Changes["token"], list), nil, &p)
			if got := fmt.Sprint(p.Changes["gone"]); !strings.Contains(got, gone) || !strings.Contains(got, kind) {
				t.Errorf("a tombstone of %s is missing in changes.gone, which has %v: call AddFeedKinds with this Kind", kind, got)
			}
		}
	})
}

// listOf returns the field of ChangePage that is a list of a type; "" if there is none.
func listOf(schema *ast.Schema, def *ast.Definition) string {
	for _, f := range schema.Types["ChangePage"].Fields {
		if f.Type.Elem != nil && f.Type.Name() == def.Name {
			return f.Name
		}
	}
	return ""
}

// bury writes the tombstone of an object, with the next version of the workspace. It returns the object's id.
func bury(t *testing.T, client *ent.Client, v viewer.Viewer, kind string) string {
	t.Helper()
	ctx, id := viewer.AsSystem(t.Context()), uuid.New()
	client.Workspace.Update().Where(entworkspace.ID(v.WorkspaceID)).AddVersion(1).AddFeedVersion(1).ExecX(ctx)
	version := client.Workspace.GetX(ctx, v.WorkspaceID).Version
	client.Tombstone.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(version).SetKind(kind).SetObjectID(id).ExecX(ctx)
	return id.String()
}

// TestFieldsOfChanges: the fields that can't be selected in changes are those of notInChanges. A new field that is loaded or computed
// belongs there, unless it is marked with OfRow in the table of output fields.
func TestFieldsOfChanges(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	all := rules.NewDefaultRules()
	for _, rule := range graph.Rules() {
		all.AddRule(rule.Name, rule.RuleFunc)
	}
	var refused []string
	var walk func(path []string, typ *ast.Definition)
	walk = func(path []string, typ *ast.Definition) {
		for _, f := range typ.Fields {
			names, below := append(slices.Clone(path), f.Name), schema.Types[f.Type.Name()]
			document := "{ " + strings.Join(names, " { ") + strings.Repeat(" }", len(names))
			if below.IsCompositeType() {
				document = "{ " + strings.Join(names, " { ") + " { __typename }" + strings.Repeat(" }", len(names))
			}
			_, errs := gqlparser.LoadQueryWithRules(schema, document, all)
			switch {
			case errs == nil && below.IsCompositeType() && len(names) <= 3:
				walk(names, below)
			case errs == nil:
			case len(errs) > 1 || !strings.Contains(errs[0].Message, typ.Name+"."+f.Name+" can't be selected in changes"):
				t.Errorf("%s: %v", document, errs)
			default:
				refused = append(refused, typ.Name+"."+f.Name)
			}
		}
	}
	walk([]string{"changes"}, schema.Types["ChangePage"])
	slices.Sort(refused)
	if got, want := slices.Compact(refused), slices.Sorted(slices.Values(notInChanges)); !slices.Equal(got, want) {
		t.Errorf("refused are %q, want %q", got, want)
	}
}
