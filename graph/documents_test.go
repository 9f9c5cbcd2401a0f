package graph_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// documents makes random documents that are valid.
type documents struct {
	*rand.Rand

	schema    *ast.Schema
	known     *strings.Replacer
	fragments []string
	types     []string // of the fragments
	variables map[string]any
	budget    int
	// inChanges reports whether a page of the feed is being selected, in which not all fields may be.
	inChanges bool
	// target is a path of fields, as targetsOf lists them, that the document has to select. Nil: any.
	target []string
}

// rootArguments are the arguments that root fields are asked with. Mutations are those that change nothing: they are
// refused, or repeat what is done.
var rootArguments = map[string][]string{ //nolint:gochecknoglobals // A table.
	"Query.viewer":         {""},
	"Query.changes":        {"", "(first: 3)", "(first: 1000)", "(first: 0)", `(after: "no token")`, `(workspaceId: "personal/alice")`, `(workspaceId: "organization/alice")`, `(workspaceId: "other")`},
	"Query.node":           {`(id: "<leaf>")`, `(id: "<root>")`, `(id: "<tag>")`, `(id: "<user>")`, `(id: "no id")`},
	"Query.nodes":          {`(ids: ["<leaf>", "<tag>", "gone", "organization/alice", "<root>", "<user>", "person/alice-1", "<leaf>"])`},
	"Query.firedReminders": {"", "(first: 1)", "(first: 0)", `(after: "no cursor")`},
	"Query.activity": {
		"", "(first: 2)", `(filter: {taskId: "<leaf>"})`, `(filter: {actorId: "person/<user>", actions: [CREATED, CHANGED]})`, `(filter: {since: null})`, "(first: 0)",
		`(after: "<cursor>")`,
	},
	"Query.project":    {`(id: "<project>")`, `(id: "no id")`},
	"Query.projects":   {"", "(first: 1)", "(first: 0)", "(last: 1, scope: ALL)", "(scope: ARCHIVED)"},
	"Query.tag":        {`(id: "<tag>")`},
	"Query.workspaces": {""},
	"Query.workspace":  {`(id: "personal/alice")`, `(id: "personal/other")`, `(id: "organization/alice")`},
	"Query.tags":       {"(first: 2)", "(first: 1)", "(first: 0)"},
	"Query.task":       {`(id: "<leaf>")`, `(id: "<root>")`, `(id: "00000000-0000-4000-8000-000000000009")`},
	"Query.tasks": {
		"", "(first: 3, scope: ALL)", `(first: 2, after: "<cursor>")`, "(last: 2)", "(filter: {completed: true}, scope: ALL)", "(orderBy: [{field: DUE}], first: 4)", "(first: 0)",
	},
	"Query.previewRecurrence": {
		`(input: {start: {date: "2026-11-30"}, recurrence: {rule: "FREQ=MONTHLY;BYMONTHDAY=30;SKIP=BACKWARD"}, first: 3})`,
		`(input: {start: {at: {at: "2026-11-30T09:00:00Z"}}, recurrence: {rule: "FREQ=DAILY", mode: AFTER_COMPLETION}})`,
		`(input: {start: {date: "2026-11-30"}, recurrence: {rule: "FREQ=HOURLY"}, first: 0})`,
	},
	"Subscription.changes": {"(first: 3)", "", `(workspaceId: "other")`},
	"Subscription.taskList": {
		"", `(first: 3, scope: ALL, have: "")`, "(first: 100, filter: {completed: true}, scope: ALL)", "(orderBy: [{field: DUE}], first: 4)", "(first: 0)", `(workspaceId: "other")`,
	},
	"Mutation.createTask":       {`(input: {title: " "})`},
	"Mutation.updateTask":       {`(input: {id: "<root>", ifVersion: 9999, title: "new"})`},
	"Mutation.completeTask":     {`(input: {id: "<done>"})`, `(input: {id: "no id"})`},
	"Mutation.reopenTask":       {`(input: {id: "<root>"})`},
	"Mutation.moveTask":         {`(input: {id: "<root>", ifVersion: 9999})`},
	"Mutation.deleteTask":       {`(input: {id: "<trash>"})`},
	"Mutation.restoreTask":      {`(input: {id: "<root>"})`},
	"Mutation.purgeTask":        {`(input: {id: "<root>"})`},
	"Mutation.emptyTrash":       {`(input: {idempotencyKey: " "})`},
	"Mutation.skipOccurrence":   {`(input: {id: "<root>", number: 1})`},
	"Mutation.updateTasks":      {`(input: {ids: ["<root>", "no id"], patch: {}, errorPolicy: SKIP_FAILED})`},
	"Mutation.completeTasks":    {`(input: {ids: ["<done>"]})`, `(input: {ids: ["<done>", "no id"]})`},
	"Mutation.reopenTasks":      {`(input: {ids: ["<root>", "<leaf>", "no id"], errorPolicy: SKIP_FAILED})`},
	"Mutation.deleteTasks":      {`(input: {ids: ["<trash>"]})`},
	"Mutation.restoreTasks":     {`(input: {ids: ["<root>", "<leaf>"]})`},
	"Mutation.undoChange":       {`(input: {version: 9999})`},
	"Mutation.createProject":    {`(input: {name: " "})`},
	"Mutation.updateProject":    {`(input: {id: "<project>"})`, `(input: {id: "<project>", ifVersion: 9999, name: "new"})`},
	"Mutation.archiveProject":   {`(input: {id: "no id"})`, `(input: {id: "<project>", ifVersion: 9999})`},
	"Mutation.unarchiveProject": {`(input: {id: "<project>"})`},
	"Mutation.moveProject":      {`(input: {id: "<project>", ifVersion: 9999})`},
	"Mutation.deleteProject":    {`(input: {id: "<project>", ifVersion: 9999})`},
	"Mutation.restoreProject":   {`(input: {id: "<project>"})`},
	"Mutation.createSection":    {`(input: {projectId: "no id", name: "new"})`},
	"Mutation.updateSection":    {`(input: {id: "<section>"})`},
	"Mutation.moveSection":      {`(input: {id: "<section>", ifVersion: 9999})`},
	"Mutation.deleteSection":    {`(input: {id: "gone"})`},
	"Mutation.createTag":        {`(input: {name: " "})`},
	"Mutation.updateTag":        {`(input: {id: "<tag>", ifVersion: 9999, name: "new"})`},
	"Mutation.deleteTag":        {`(input: {id: "gone"})`},
	"Mutation.setReminders":     {`(input: {taskId: "<root>", reminders: [{at: "2026-11-20T00:00:00Z"}]})`, `(input: {taskId: "no id", reminders: []})`},
	"Mutation.createReminder":   {`(input: {id: "<reminder>", taskId: "<root>", reminder: {at: "2026-11-20T00:00:00Z"}})`, `(input: {taskId: "<root>", reminder: {minutesBefore: -1}})`},
	"Mutation.deleteReminder":   {`(input: {id: "<reminder>", ifVersion: 9999})`, `(input: {id: "gone"})`},
	"Mutation.snoozeReminder":   {`(input: {id: "<reminder>", until: "2026-11-20T00:00:00Z"})`, `(input: {id: "<reminder>", until: "2026-12-20T00:00:00Z", ifVersion: 9999})`},
	"Mutation.dismissReminder":  {`(input: {id: "no id"})`, `(input: {id: "<dismissed>"})`},
	"Mutation.updateViewer":     {`(input: {})`, `(input: {timeZone: "Nowhere"})`},
}

// notInChanges are the fields that can't be selected in changes, because they can change without a new version of their object.
var notInChanges = []string{ //nolint:gochecknoglobals // A table.
	"Task.overdue", "Task.subtasks", "Task.subtaskProgress", "Task.reminders", "Task.activity", "Tag.openTaskCount", "Task.workspace", "Tag.workspace", "Project.workspace",
	"Project.sections", "Project.tasks", "Project.openTaskCount", "Section.openTaskCount",
	"Task.occurrence", "Recurrence.remaining", "Recurrence.next", "Recurrence.occurrences",
}

// targetsOf returns for each field of the schema a path of fields that leads to it from a root field, and ends with it.
// Each is named Type.field.
func targetsOf(t *testing.T, schema *ast.Schema) [][]string {
	t.Helper()
	var targets [][]string
	seen := map[string]bool{"Query": true, "Mutation": true, "Subscription": true}
	type place struct {
		def  *ast.Definition
		path []string
	}
	var last []place // In changes, some fields of other types can't be selected.
	for queue := []place{{def: schema.Query}, {def: schema.Mutation}, {def: schema.Subscription}}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		for _, f := range at.def.Fields {
			name := at.def.Name + "." + f.Name
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			if len(at.path) == 0 && len(rootArguments[name]) == 0 {
				t.Errorf("%s is never asked for: add arguments for it to rootArguments", name)
				continue
			}
			path := append(slices.Clone(at.path), name)
			targets = append(targets, path)
			def := schema.Types[f.Type.Name()]
			below := []*ast.Definition{def}
			if def.Kind == ast.Union {
				below = append(below, schema.GetPossibleTypes(def)...)
			}
			for _, def := range below {
				if def.IsCompositeType() && !seen[def.Name] {
					seen[def.Name] = true
					if def.Name == "ChangePage" {
						last = append(last, place{def, path})
						continue
					}
					queue = append(queue, place{def, path})
				}
			}
		}
		if len(queue) == 1 {
			queue, last = append(queue, last...), nil
		}
	}
	for _, def := range schema.Types {
		if def.IsCompositeType() && !def.BuiltIn && !seen[def.Name] {
			t.Errorf("no path of fields leads to the type %s", def.Name)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return targets
}

// add notes the fields that a document selects.
func (u *usage) add(t *testing.T, document string) {
	t.Helper()
	parsed, err := gqlparser.LoadQueryWithRules(u.schema, document, nil)
	if err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	u.document(parsed, nil)
}

// document returns a random document and its variables.
func (g *documents) document() (string, map[string]any) {
	g.budget, g.variables = 60, map[string]any{"yes": g.IntN(2) == 0, "no": g.IntN(2) == 0}
	if g.IntN(3) == 0 {
		delete(g.variables, "no") // Its default, then.
	}
	// Fragments first, so that later ones and the operation can spread them; never in a circle.
	for range g.IntN(4) {
		on := []string{"Task", "Task", "Tag", "TaskConnection", "TaskEdge", "PageInfo", "Node", "User", "UserError"}[g.IntN(9)]
		body := g.selections(on, 2)
		g.fragments, g.types = append(g.fragments, fmt.Sprintf("fragment F%d on %s %s", len(g.fragments), on, body)), append(g.types, on)
	}
	kind, roots := g.roots()
	typenames := ""
	if g.IntN(4) == 0 && kind != "subscription" {
		typenames = "u: __typename @skip(if: $yes) v: __typename @include(if: $no) "
	}
	operation := fmt.Sprintf("%s R(VARIABLES) { %s%s }", kind, typenames, strings.Join(roots, " "))
	spread := []string{operation}
	for i := len(g.fragments) - 1; i >= 0; i-- { // Those that nobody spreads would be invalid.
		if strings.Contains(strings.Join(spread, " "), fmt.Sprintf("...F%d ", i)) {
			spread = append(spread, g.fragments[i])
		}
	}
	text := strings.Join(spread, "\n")
	var declared []string
	for name, declaration := range map[string]string{"$yes": "$yes: Boolean!", "$no": "$no: Boolean = true"} {
		if strings.Contains(text, name) {
			declared = append(declared, declaration)
		}
	}
	text = strings.Replace(text, "VARIABLES", strings.Join(declared, ", "), 1)
	return g.known.Replace(strings.Replace(text, "R()", "R", 1)), g.variables
}

// roots returns the kind of the operation and its root fields. They select the target if there is one.
func (g *documents) roots() (string, []string) {
	if g.target != nil {
		g.budget = 5 // The document is far from every limit: it is answered.
		typ, name, _ := strings.Cut(g.target[0], ".")
		return strings.ToLower(typ), []string{g.root(typ, name, g.target[1:])}
	}
	kind, names := "Query", []string{"viewer", "node", "nodes", "tag", "tags", "task", "tasks", "tasks", "tasks", "changes", "activity"}
	if g.IntN(6) == 0 {
		kind, names = "Mutation", nil
		for _, f := range g.schema.Mutation.Fields {
			names = append(names, f.Name)
		}
	}
	if g.IntN(6) == 0 {
		return "subscription", []string{g.root("Subscription", g.pick("changes", "taskList", "taskList"), nil)}
	}
	var roots []string
	for range 1 + max(0, g.IntN(5)-1) {
		roots = append(roots, g.root(kind, g.pick(names...), nil))
	}
	return strings.ToLower(kind), roots
}

// root returns a root field, and what leads to the target below it. Its key names its arguments, so that equal keys can be
// merged.
func (g *documents) root(typ, name string, target []string) string {
	arguments := rootArguments[typ+"."+name]
	i, directive := g.IntN(len(arguments)), ""
	if target == nil {
		directive = g.directive()
	} else {
		i = 0
	}
	root := fmt.Sprintf("%s%d: %s%s%s", name, i, name, arguments[i], directive)
	if def := g.schema.Types[g.schema.Types[typ].Fields.ForName(name).Type.Name()]; def.IsCompositeType() {
		const depth = 4
		g.inChanges = name == "changes"
		root += g.selections(def.Name, depth, target...)
	}
	return root
}

func (g *documents) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g *documents) directive() string {
	if g.IntN(8) > 0 {
		return ""
	}
	return g.pick(" @skip(if: $yes)", " @include(if: $yes)", " @skip(if: $no)", " @include(if: $no)", " @skip(if: false)", " @include(if: true)", " @include(if: $yes) @skip(if: $no)")
}

// selections selects some fields of a type, among them those that lead to the target.
func (g *documents) selections(name string, depth int, target ...string) string {
	def := g.schema.Types[name]
	var parts []string
	if len(target) > 0 {
		typ, field, _ := strings.Cut(target[0], ".")
		f := g.schema.Types[typ].Fields.ForName(field)
		part := g.key(g.schema.Types[typ], f) + field
		if below := g.schema.Types[f.Type.Name()]; below.IsCompositeType() {
			part += g.selections(below.Name, 1, target[1:]...)
		}
		if typ != name { // A member of a union.
			part = "... on " + typ + " { " + part + " }"
		}
		parts = append(parts, part)
	}
	for range 1 + g.IntN(5) {
		g.budget--
		switch n := g.IntN(10); {
		case n == 0:
			parts = append(parts, g.pick("__typename", "typed: __typename")+g.directive())
		case n == 1 && depth > 0:
			on := name
			if possible := g.related(def); len(possible) > 0 {
				on = g.pick(possible...)
			}
			condition := " on " + on
			if g.IntN(4) == 0 {
				condition, on = "", name
			}
			parts = append(parts, "..."+condition+g.directive()+g.selections(on, depth-1))
		case n == 2 && len(g.fragments) > 0 && !g.inChanges:
			i := g.IntN(len(g.fragments))
			if g.types[i] == name || slices.Contains(g.related(def), g.types[i]) {
				parts = append(parts, fmt.Sprintf("...F%d %s", i, g.directive()))
			}
		default:
			if f := g.field(def, depth); f != "" {
				parts = append(parts, f)
			}
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "__typename")
	}
	return " { " + strings.Join(parts, " ") + " }"
}

// related are the types and interfaces that a fragment inside of the type may be on.
func (g *documents) related(def *ast.Definition) []string {
	var names []string
	for _, d := range append(slices.Clone(g.schema.GetImplements(def)), g.schema.GetPossibleTypes(def)...) {
		names = append(names, d.Name)
	}
	return names
}

// key returns an alias for a field, unless it can be selected beside the fields of the same name of other nodes. A task's has none.
func (g *documents) key(def *ast.Definition, f *ast.FieldDefinition) string {
	nodes := g.schema.GetPossibleTypes(g.schema.Types["Node"])
	conflicts := func(other *ast.Definition) bool {
		same := other.Fields.ForName(f.Name)
		return same != nil && same.Type.String() != f.Type.String()
	}
	if def.Name == "Task" || !slices.Contains(nodes, def) || !slices.ContainsFunc(nodes, conflicts) {
		return ""
	}
	return strings.ToLower(def.Name) + "_" + f.Name + ": "
}

func (g *documents) field(def *ast.Definition, depth int) string {
	var choice ast.FieldList
	for _, f := range def.Fields {
		composite := g.schema.Types[f.Type.Name()].IsCompositeType()
		// A page of the feed has no workspace, but a fragment on Node may be about one.
		if g.inChanges && (slices.Contains(notInChanges, def.Name+"."+f.Name) || def.Name == "Workspace" && composite) {
			continue
		}
		if !strings.HasPrefix(f.Name, "__") && (!composite || depth > 0 && g.budget > 0) {
			choice = append(choice, f)
		}
	}
	if len(choice) == 0 {
		return "__typename"
	}
	f := choice[g.IntN(len(choice))]
	key, args := g.key(def, f), ""
	if f.Name == "subtasks" { // A key stands for its arguments: equal ones must be mergeable.
		n := g.IntN(12)
		if n < 9 {
			n %= 4
		}
		key, args = fmt.Sprintf("subtasks%d: ", n), []string{
			"", "(first: 1)", `(first: 2, after: "<manual>")`, "(first: 2)", "", "", "", "", "", "(first: 0)", `(after: "<cursor>")`, "(first: null)",
		}[n]
	} else if f.Name == "activity" {
		n := g.IntN(6)
		key, args = fmt.Sprintf("activity%d: ", n), []string{"", "(first: 1)", "(first: 3)", "", "(first: 0)", `(after: "<cursor>")`}[n]
	} else if key == "" && g.IntN(4) == 0 {
		key = f.Name + g.pick("A", "B") + ": "
	}
	out := key + f.Name + args + g.directive()
	if g.schema.Types[f.Type.Name()].IsCompositeType() {
		out += g.selections(f.Type.Name(), depth-1)
	}
	return out
}
