package graph_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/ent"
	entproject "taskql/ent/project"
	"taskql/internal/reminder"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// nodeRows makes a row of each type that implements Node, and returns its id.
var nodeRows = map[string]func(ctx context.Context, c *ent.Client, v viewer.Viewer) string{ //nolint:gochecknoglobals // A table.
	"User":      func(_ context.Context, _ *ent.Client, v viewer.Viewer) string { return v.UserID },
	"Workspace": func(_ context.Context, _ *ent.Client, v viewer.Viewer) string { return workspace.NodeID(v.WorkspaceID) },
	"Person":    func(_ context.Context, _ *ent.Client, v viewer.Viewer) string { return "person/" + v.UserID },
	// A task that repeats, whose second occurrence is open.
	"Task": func(ctx context.Context, c *ent.Client, v viewer.Viewer) string {
		series := makeSeries(ctx, c, v)
		return c.Task.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetTitle("secret").SetPosition([]byte{1}).
			SetRecurrenceID(series).SetOccurrenceNumber(2).SaveX(ctx).ID.String()
	},
	"Tag": func(ctx context.Context, c *ent.Client, v viewer.Viewer) string {
		key := uuid.New()
		return c.Tag.Create().SetID(key).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetName(key.String()).SetNameKey(key[:]).SetColor("#16a34a").SaveX(ctx).ID.String()
	},
	"Project": func(ctx context.Context, c *ent.Client, v viewer.Viewer) string {
		return makeProject(ctx, c, v, 0).String()
	},
	"Section": func(ctx context.Context, c *ent.Client, v viewer.Viewer) string {
		// All sections of a user are in one project.
		project, err := c.Project.Query().Where(workspace.Scope(v), entproject.Position([]byte("a1"))).FirstID(ctx)
		if err != nil {
			project = makeProject(ctx, c, v, 1)
		}
		id := uuid.New()
		c.Section.Create().SetID(id).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetProjectID(project).
			SetName("secret").SetPosition([]byte("a" + id.String()[:1])).ExecX(ctx)
		c.Task.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetTitle("secret").SetPosition([]byte{2}).
			SetProjectID(project).SetSectionID(id).ExecX(ctx)
		return id.String()
	},
	"Reminder": func(ctx context.Context, c *ent.Client, v viewer.Viewer) string {
		task, at := uuid.New(), time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
		c.Task.Create().SetID(task).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetTitle("secret").SetPosition([]byte{1}).SetHasReminders(true).ExecX(ctx)
		return c.Reminder.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetUserID(v.UserID).SetTaskID(task).SetVersion(0).
			SetRemindAt(at).SetFiredAt(at).SetState(reminder.Fired).SaveX(ctx).ID.String()
	},
	"Recurrence": func(ctx context.Context, c *ent.Client, v viewer.Viewer) string {
		return makeSeries(ctx, c, v).String()
	},
}

// makeProject makes a project with a task.
func makeProject(ctx context.Context, c *ent.Client, v viewer.Viewer, i int) uuid.UUID {
	id := c.Project.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetName("secret").SetColor("#16a34a").
		SetPosition([]byte(fmt.Sprint("a", i))).SaveX(ctx).ID
	c.Task.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetTitle("secret").SetPosition([]byte{2}).SetProjectID(id).ExecX(ctx)
	return id
}

// makeSeries makes a series whose second occurrence is open.
func makeSeries(ctx context.Context, c *ent.Client, v viewer.Viewer) uuid.UUID {
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	id := c.Recurrence.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetRule("FREQ=DAILY;COUNT=9").
		SetMode("SCHEDULE").SetCatchUp("EACH").SetStartDate(at).SetLastNumber(2).SaveX(ctx).ID
	for i, outcome := range []string{"COMPLETED", "OPEN"} {
		c.Occurrence.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetRecurrenceID(id).SetNumber(i + 1).
			SetDueDate(at.AddDate(0, 0, i)).SetOutcome(outcome).SaveX(ctx)
	}
	return id
}

// TestIsolationOfRootFields asks each root field, as another user, for objects that are somebody else's, by every argument that
// takes an id: the answer is the same as for a missing id. The arguments are derived from the schema.
func TestIsolationOfRootFields(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		schema := schemaOf(t)
		f := &isolation{api: newAPI(t, db, "alice", "early"), client: db.Client, schema: schema}
		early := f.askLists(t, "early")
		alice := f.rows(t, "alice")
		f.checkLists(t, alice, early)
		before := readState(t, db.Client, "alice")
		f.tryAll(t, alice, schema.Query, schema.Mutation, schema.Types["Workspace"])
		after := readState(t, db.Client, "alice")
		f.tryOrganization(t)
		for key, r := range before.rows {
			if after.rows[key] != r {
				t.Errorf("another user has changed %s from %v to %v", key, r, after.rows[key])
			}
		}
	})
}

// tryAll asks the fields of types for another user's objects.
func (f *isolation) tryAll(t *testing.T, foreign map[string]string, types ...*ast.Definition) {
	t.Helper()
	for _, of := range types {
		for _, field := range of.Fields {
			for _, path := range idPaths(f.schema, field.Arguments) {
				switch {
				case of == f.schema.Mutation && f.isNewID(field, path): // It is tried by TestEveryTakenIDIsRefused.
				case f.api.organizations != nil && (of == f.schema.Query && strings.Contains(path, ".") || field.Name+"."+path == "createTask.input.tagIds"):
					// It is about the personal workspace.
				default:
					f.try(t, of, field, path, foreign)
				}
			}
		}
	}
}

// tryOrganization does the same with objects of an organization that the other users don't belong to. They have their own objects in
// organizations of their own.
func (f *isolation) tryOrganization(t *testing.T) {
	t.Helper()
	f.api.organizations, f.last = &testkit.Organizations{}, ""
	foreign := f.rowsOfOrganization(t, "alice")
	before := readState(t, f.client, "organization/alice")
	f.tryAll(t, foreign, f.schema.Query, f.schema.Mutation, f.schema.Types["Workspace"])
	if !maps.Equal(before.rows, readState(t, f.client, "organization/alice").rows) {
		t.Error("others have changed an organization's rows")
	}
}

// rowsOfOrganization is rows for the workspace of an organization that nobody else belongs to.
func (f *isolation) rowsOfOrganization(t *testing.T, user string) map[string]string {
	t.Helper()
	f.api.organizations.Set(user, user, viewer.RoleAdmin)
	in := workspace.OrganizationID(user)
	if _, body := f.api.ask(t, user, "{ workspaces { id } }", nil); !strings.Contains(string(body), in) {
		t.Fatalf("%s is no member: %s", user, body)
	}
	v := f.api.users[user]
	f.api.users[user] = v.In(in, viewer.RoleAdmin)
	rows := f.rows(t, user)
	f.api.users[user] = v
	return rows
}

// isolation is what TestIsolationOfRootFields works with.
type isolation struct {
	api    *api
	client *ent.Client
	schema *ast.Schema
	users  int
	// last is the user of lastUser, with the ids of the user's rows.
	last    string
	lastIDs map[string]string
}

// lastUser returns the user that it returned before if no request has changed the user's workspace since, else a new one.
func (f *isolation) lastUser(t *testing.T) (string, map[string]string) {
	t.Helper()
	if f.last == "" || f.changed(t, f.last) {
		f.last, f.lastIDs = f.newUser(t)
	}
	return f.last, f.lastIDs
}

// changed reports whether a request has changed a workspace since its user's rows were made.
func (f *isolation) changed(t *testing.T, user string) bool {
	t.Helper()
	id := user
	if f.api.organizations != nil {
		id = workspace.OrganizationID(user)
	}
	return f.client.Workspace.GetX(f.api.signIn(t.Context(), user), id).Version != 1
}

// newUser makes a user with a row of each type, in an organization if there are any.
func (f *isolation) newUser(t *testing.T) (string, map[string]string) {
	t.Helper()
	f.users++
	name := fmt.Sprint("user-", f.users)
	f.api.users[name] = testkit.MakeViewer(t, f.client, name)
	if f.api.organizations != nil {
		return name, f.rowsOfOrganization(t, name)
	}
	return name, f.rows(t, name)
}

// rows makes a row of each type for a user, and returns their ids. The task has the tag and a subtask, and its title was changed by
// version 1.
func (f *isolation) rows(t *testing.T, user string) map[string]string {
	t.Helper()
	ctx, v, ids := f.api.signIn(t.Context(), user), f.api.users[user], map[string]string{}
	tx, err := f.client.Tx(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := tx.Client()
	for _, def := range f.schema.GetPossibleTypes(f.schema.Types["Node"]) {
		if nodeRows[def.Name] == nil {
			t.Fatalf("add %s to nodeRows, so that other users try to see one", def.Name)
		}
		ids[def.Name] = nodeRows[def.Name](ctx, c, v)
	}
	task := uuid.MustParse(ids["Task"])
	c.TaskTag.Create().SetTaskID(task).SetTagID(uuid.MustParse(ids["Tag"])).SetWorkspaceID(v.WorkspaceID).SaveX(ctx)
	c.Task.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetTitle("secret").SetPosition([]byte{1}).SetParentID(task).SetAssigneeID(v.UserID).SaveX(ctx)
	c.Activity.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(1).SetTaskID(task).SetActorID(v.UserID).SetVia("SESSION").
		SetAction("CHANGED").SetChanges(`{"title":["before","secret"]}`).SaveX(ctx)
	c.Workspace.UpdateOneID(v.WorkspaceID).SetVersion(1).SetFeedVersion(1).SaveX(ctx)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// try asks a root field, or a field of the user's workspace, with an id at a path of its arguments. A required id elsewhere is one of the user's own. An object is
// tried if it makes a difference to its owner, and one has to.
func (f *isolation) try(t *testing.T, root *ast.Definition, field *ast.FieldDefinition, path string, alice map[string]string) {
	t.Helper()
	name, tried := root.Name+"."+field.Name+"("+path+":)", false
	others := slices.Sorted(maps.Keys(alice))
	if !strings.Contains(arguments(t, f.schema, field.Arguments, path, "", "other"), "other") {
		others = others[:1] // It is not in the request.
	}
	for _, other := range others {
		ask := func(target func(own map[string]string) string) string {
			user, own := f.lastUser(t)
			id := target(own)
			document := "{ r: " + field.Name + arguments(t, f.schema, field.Arguments, path, id, own[other]) +
				selectAll(f.schema, f.schema.Types[field.Type.Name()], 3) + " }"
			if root.Name == "Workspace" {
				document = `{ workspace(id: "` + own[root.Name] + `") ` + document + ` }`
			} else {
				document = strings.ToLower(root.Name) + " " + document
			}
			return f.ask(t, user, document, id)
		}
		missing := ask(func(map[string]string) string { return uuid.NewString() })
		for typ := range alice {
			if missing == ask(func(own map[string]string) string { return own[typ] }) {
				continue
			}
			tried = true
			if diff := cmp.Diff(missing, ask(func(map[string]string) string { return alice[typ] })); diff != "" {
				t.Errorf("%s returns something else for another user's %s than for a missing id (-missing +foreign):\n%s", name, typ, diff)
			}
		}
	}
	if !tried {
		t.Errorf("%s: no object makes a difference to its owner, so this test finds nothing", name)
	}
}

// ask returns the answer to a document, with the ids in it replaced.
func (f *isolation) ask(t *testing.T, user, document, id string) string {
	t.Helper()
	_, body := f.api.ask(t, user, document, nil)
	if strings.Contains(string(body), "GRAPHQL_VALIDATION_FAILED") {
		t.Fatalf("the test's own document is invalid:\n%s\n%s", document, body)
	}
	return (&placeholders{values: []string{id, user}, names: []string{"<the id>", "<the user>"}}).replace(strings.ReplaceAll(string(body), `"`+id+`"`, `"<the id>"`))
}

// askLists returns the answers to the queries that need no arguments.
func (f *isolation) askLists(t *testing.T, user string) map[string]string {
	t.Helper()
	answers := map[string]string{}
	for _, field := range f.schema.Query.Fields {
		required := func(a *ast.ArgumentDefinition) bool { return a.Type.NonNull && a.DefaultValue == nil }
		if !strings.HasPrefix(field.Name, "__") && !slices.ContainsFunc(field.Arguments, required) {
			_, body := f.api.ask(t, user, "{ r: "+field.Name+selectAll(f.schema, f.schema.Types[field.Type.Name()], 3)+" }", nil)
			answers[field.Name] = string(body)
		}
	}
	return answers
}

// checkLists checks that alice sees her rows in the lists, and that another user sees what was there before she had any.
func (f *isolation) checkLists(t *testing.T, alice, early map[string]string) {
	t.Helper()
	if diff := cmp.Diff(early, f.askLists(t, "early")); diff != "" {
		t.Errorf("another user's rows change the lists:\n%s", diff)
	}
	for name, answer := range f.askLists(t, "alice") {
		sees := false
		for _, id := range alice {
			sees = sees || strings.Contains(answer, id)
		}
		if !sees {
			t.Errorf("Query.%s shows none of the user's own rows, so this test finds nothing: %s", name, answer)
		}
	}
}

// idPaths returns the paths of the arguments that take an id or a list of ids.
func idPaths(schema *ast.Schema, arguments ast.ArgumentDefinitionList) []string {
	return leafPaths(schema, arguments, func(typ *ast.Type) bool { return typ.Name() == "ID" })
}

// leafPaths returns the paths of the arguments that are no input objects, and whose types are wanted.
func leafPaths(schema *ast.Schema, arguments ast.ArgumentDefinitionList, wanted func(*ast.Type) bool) []string {
	var paths []string
	var walk func(prefix string, typ *ast.Type, above []string)
	walk = func(prefix string, typ *ast.Type, above []string) {
		def := schema.Types[typ.Name()]
		switch {
		case def.Kind != ast.InputObject && wanted(typ):
			paths = append(paths, prefix)
		case !slices.Contains(above, def.Name): // A filter contains filters.
			for _, f := range def.Fields {
				walk(prefix+"."+f.Name, f.Type, append(slices.Clone(above), def.Name))
			}
		}
	}
	for _, a := range arguments {
		walk(a.Name, a.Type, nil)
	}
	return paths
}

// scalarValues are values of scalars.
var scalarValues = map[string]string{ //nolint:gochecknoglobals // A table.
	"String": `"x"`, "Int": "1", "Boolean": "true", "Color": `"#16a34a"`, "Date": `"2026-11-30"`, "DateTime": `"2026-11-30T00:00:00Z"`, "TimeZone": `"UTC"`, "LocalTime": `"09:00"`, "SyncToken": `""`, "ListState": `""`,
}

// arguments returns arguments with id at the path, and what is required besides. Any other required id is own.
func arguments(t *testing.T, schema *ast.Schema, list ast.ArgumentDefinitionList, path, id, own string) string {
	t.Helper()
	var value func(typ *ast.Type, path string) string
	value = func(typ *ast.Type, rest string) string {
		if typ.Elem != nil {
			return "[" + value(typ.Elem, rest) + "]"
		}
		switch def := schema.Types[typ.Name()]; {
		case rest == "here" && (def.Name == "ID" || def.Name == "String"):
			return fmt.Sprintf("%q", id)
		case rest == "here" && def.Name == "Int":
			return "2"
		case rest == "here" && def.Name == "DateTime":
			return `"2026-12-01T00:00:00Z"` // Another one than that of scalarValues.
		case rest == "here" && def.Kind == ast.Enum:
			return def.EnumValues[len(def.EnumValues)-1].Name
		case def.Name == "ID":
			return fmt.Sprintf("%q", own)
		case def.Kind == ast.Enum:
			return def.EnumValues[0].Name
		case def.Kind == ast.InputObject:
			var fields []string
			for _, f := range def.Fields {
				below, on := step(rest, f.Name)
				switch {
				case f.Name == "rule" && below == "here":
					fields = append(fields, `rule: "FREQ=WEEKLY"`)
				case f.Name == "rule":
					fields = append(fields, `rule: "FREQ=DAILY"`)
				case f.Name == "recurrence" && on: // It needs a due.
					fields = append(fields, `due: {date: "2026-11-30"}`, f.Name+": "+value(f.Type, below))
				case on || f.Type.NonNull && f.DefaultValue == nil:
					fields = append(fields, f.Name+": "+value(f.Type, below))
				}
			}
			if f := def.Fields[0]; len(fields) == 0 && def.Directives.ForName("oneOf") != nil {
				fields = append(fields, f.Name+": "+value(f.Type, ""))
			}
			return "{" + strings.Join(fields, ", ") + "}"
		case scalarValues[def.Name] == "":
			t.Fatalf("add a value of %s to scalarValues", def.Name)
		}
		return scalarValues[typ.Name()]
	}
	var parts []string
	for _, a := range list {
		if below, on := step(path, a.Name); on || a.Type.NonNull && a.DefaultValue == nil {
			parts = append(parts, a.Name+": "+value(a.Type, below))
		}
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// step returns the rest of a path after its first name, "here" at its end, and whether its first name is that.
func step(path, name string) (string, bool) {
	first, rest, more := strings.Cut(path, ".")
	if first != name {
		return "", false
	}
	if !more {
		rest = "here"
	}
	return rest, true
}

// selectAll selects all of a type that does not depend on the time, but for fields with required arguments, to a depth.
func selectAll(schema *ast.Schema, def *ast.Definition, depth int, except ...string) string {
	var parts []string
	if def.Name == "ChangePage" {
		except = notInChanges
	}
	for _, f := range def.Fields {
		below := schema.Types[f.Type.Name()]
		switch {
		case strings.HasPrefix(f.Name, "__") || below.Name == "DateTime" || slices.Contains(except, def.Name+"."+f.Name):
		case !below.IsCompositeType():
			parts = append(parts, f.Name)
		case depth > 0 && below.Kind == ast.Object:
			parts = append(parts, f.Name+selectAll(schema, below, depth-1, except...))
		}
	}
	if def.Kind == ast.Interface {
		for _, possible := range schema.GetPossibleTypes(def) {
			parts = append(parts, "... on "+possible.Name+" { "+possible.Name+": __typename }")
		}
	}
	if len(parts) == 0 {
		return " { __typename }"
	}
	return " { " + strings.Join(parts, " ") + " }"
}
