package graph_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/reminder"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// shape is a request and how many statements it takes, whatever the number of rows.
type shape struct {
	name, query string
	statements  int
	// lacks are columns that nobody asked for.
	lacks []string
}

var shapes = []shape{ //nolint:gochecknoglobals // A table.
	{"a page", `{ tasks { nodes { id title } } }`, 1, []string{"description", "search_text", "due_date", "version"}},
	{"a page, whole, with cursors", `{ tasks { edges { cursor node { title priority due { date } overdue } } pageInfo { hasNextPage hasPreviousPage } } }`, 1, []string{"description"}},
	{"a page in the middle", `{ tasks(first: 3, after: "<cursor>") { nodes { id } pageInfo { hasNextPage hasPreviousPage } } }`, 2, nil},
	{"by due, those with and without", `{ tasks(orderBy: [{field: DUE}]) { nodes { id } } }`, 2, nil},
	{"only counts", `{ tasks { totalCount facets { open completed overdue dueToday dueNext7Days noDue } } }`, 2, []string{"title"}},
	{"the sidebar", `{ tasks(first: 1) { totalCount nodes { id } facets { open overdue byPriority { priority count } byTag { count tag { name color openTaskCount } } } } }`, 6, nil},
	{"tags", `{ tasks { edges { node { tags { name } } } } }`, 2, []string{"color"}},
	{"everything around a task", `{ tasks { nodes { tags { name openTaskCount } parent { title } subtasks { nodes { title } } subtaskProgress { done total } } } }`, 6, nil},
	{"the same in nodes and edges", `{ tasks { nodes { ...f } edges { node { ...f subtasks { totalCount } } } } } fragment f on Task { tags { name } parent { id } }`, 6, nil},
	{"three levels", `{ tasks(filter: {parent: {isNull: true}}) { nodes { subtasks { nodes { tags { name } subtasks { nodes { tags { name } } } } } } } }`, 5, nil},
	{"aliases", `{ tasks { nodes { a: subtasks(first: 1) { nodes { id } } b: subtasks(first: 2) { nodes { id } } c: subtasks { totalCount } } } }`, 4, nil},
	{"pages of subtasks", `{ tasks { nodes { subtasks(first: 1, after: "<manual>") { totalCount pageInfo { hasNextPage hasPreviousPage } facets { open byPriority { count } byTag { tag { openTaskCount } } } nodes { id } } } } }`, 8, nil},
	{"left out", `query($no: Boolean = false) { tasks { nodes { id tags @include(if: $no) { name } ... @skip(if: true) { parent { id } } } } }`, 1, nil},
	{"up two levels", `{ task(id: "<leaf>") { parent { tags { name } parent { tags { name } } } } }`, 5, nil},
	{"nodes of all kinds", `{ nodes(ids: ["<leaf>", "<root>", "<tag>", "<user>", "<user>", "no id"]) { id ... on Task { tags { name } } ... on Tag { openTaskCount } ... on User { name } } }`, 5, nil},
	{"a node", `{ node(id: "<root>") { ... on Task { subtasks { nodes { tags { name } } } } } }`, 3, nil},
	{"a list of tags", `{ tags { totalCount nodes { name openTaskCount } edges { node { openTaskCount } } } }`, 4, nil},
	{"all, by title", `{ tasks(scope: ALL, orderBy: [{field: TITLE}]) { nodes { title tags { name } } } }`, 2, nil},
	{"all, by due", `{ tasks(scope: ALL, first: 100, orderBy: [{field: DUE}]) { nodes { id } } }`, 2, nil},
	{"the trash", `{ tasks(scope: TRASH) { totalCount nodes { parent { title } } } }`, 2, nil},
	{"backward", `{ tasks(last: 100) { edges { node { parent { id } tags { name } } } pageInfo { hasNextPage hasPreviousPage } } }`, 3, nil},
	{"the same root field twice", `{ tasks { nodes { tags { name } } } tasks { nodes { tags { color } parent { id } } totalCount } }`, 4, nil},
	{"aliased root fields", `{ a: tasks { nodes { tags { name } } } b: tasks(first: 2) { nodes { tags { name } } } }`, 4, nil},
	{"fragments that overlap", `{ tasks { ...a ...b } } fragment a on TaskConnection { nodes { subtasks { nodes { id } } } } fragment b on TaskConnection { nodes { subtasks { nodes { tags { name } } } ...c } } fragment c on Task { subtasks { totalCount } }`, 4, nil},
	{"an interface's fragments", `{ nodes(ids: [<roots>]) { ... on Node { id } ... on Task { parent { id } subtasks { edges { node { parent { id } } } } } } }`, 3, nil},
	{"up and down again", `{ tasks { nodes { parent { subtasks { nodes { parent { tags { name } } } } } } } }`, 5, nil},
	{"progress on three levels", `{ tasks { nodes { subtaskProgress { done } parent { subtaskProgress { total } } subtasks { nodes { subtaskProgress { done total } } } } } }`, 6, nil},
	{"only counts of subtasks", `{ tasks { nodes { subtasks { totalCount facets { open noDue } } } } }`, 3, nil},
	{"tags of facets of subtasks", `{ tasks { nodes { subtasks { facets { byTag { count tag { name openTaskCount } } } } } } }`, 3, nil},
	{"variables", `query($n: Int = 3, $yes: Boolean = true) { tasks { nodes { subtasks(first: $n) { nodes { id } } tags @include(if: $yes) { name } } } }`, 3, nil},
	{"a null argument", `{ tasks { nodes { subtasks(first: null, after: null) { pageInfo { endCursor } } } } }`, 2, nil},
	{"cursors of subtasks", `{ tasks { edges { cursor node { subtasks { edges { cursor } pageInfo { hasPreviousPage hasNextPage } } } } } }`, 2, nil},
	{"four levels down", `{ tasks(filter: {parent: {isNull: true}}) { nodes { subtasks { nodes { subtasks { nodes { subtasks { nodes { tags { openTaskCount } } } } } } } } } }`, 4, nil},
	{"aliased tags", `{ tasks { nodes { a: tags { openTaskCount } b: tags { n: openTaskCount name } } } }`, 5, nil},
	{"the viewer beside it", `{ viewer { id name } tasks { nodes { overdue due { date at timeZone } } } }`, 2, nil},
	{"one's own id a hundred times", `{ nodes(ids: [<users>]) { id ... on User { email } } }`, 1, nil},
	{"a search", `{ tasks(filter: {search: "", tags: {any: ["<tag>"]}, not: {parent: {isNull: true}}}) { totalCount nodes { tags { name } } } }`, 3, nil},
	{"reminders", `{ tasks(first: 100) { nodes { reminders { at state dayBefore { days time } task { tags { name } } } } } }`, 4, []string{"description", "minutes_before"}},
	{"those that have fired", `{ firedReminders { nodes { firedAt task { title } } } }`, 2, []string{"description", "minutes_before"}},
	{"series", `{ tasks { nodes { recurrence { rule remaining next { date } occurrences { totalCount nodes { task { title } } } } occurrence { outcome task { id } } } } }`, 8, nil},
	{"projects", `{ projects { totalCount nodes { name openTaskCount sections { name openTaskCount } tasks(first: 5) { totalCount nodes { title section { name } } } } } }`, 8, []string{"description"}},
	{"tasks of projects from the end", `{ projects { nodes { tasks(last: 2, scope: ALL, filter: {completed: false}, orderBy: [{field: DUE}, {field: TITLE}]) { nodes { id } pageInfo { hasPreviousPage } } } } }`, 2, nil},
	{"projects of tasks", `{ tasks { nodes { project { name sections { name } } section { name project { name } } } facets { byProject { count project { name openTaskCount } } } } }`, 8, []string{"archived_at"}},
	{"a tag", `{ tag(id: "<tag>") { name openTaskCount } }`, 2, nil},
}

// sharedShapes are shapes in a workspace of an organization, in which each task of the top level has an assignee and a creator of its own.
var sharedShapes = []shape{ //nolint:gochecknoglobals // A table.
	{"workspaces", `{ workspaces { id name role version } }`, 2, nil},
	{"members", `{ workspace(id: "<workspace>") { members { role person { name image } } } }`, 2, []string{"search_text"}},
	{"members of all workspaces", `{ workspaces { members { role person { id } } } }`, 4, nil},
	{"a page with people", `{ workspace(id: "<workspace>") { tasks { nodes { title assignee { name image } createdBy { name } } } } }`, 3, []string{"description"}},
	{"people on three levels", `{ workspace(id: "<workspace>") { tasks { nodes { assignee { name } parent { assignee { name } createdBy { id } } subtasks { nodes { createdBy { name } } } } } } }`, 5, nil},
	{"people of facets", `{ workspace(id: "<workspace>") { tasks { facets { byAssignee { count assignee { name } } byProject { count project { name } } } } } }`, 5, nil},
	{"people of the history", `{ workspace(id: "<workspace>") { activity { nodes { actor { person { name } } task { assignee { name } } } } } }`, 4, nil},
	{"projects", `{ workspace(id: "<workspace>") { projects { totalCount nodes { name openTaskCount sections { name openTaskCount } tasks(first: 5) { totalCount nodes { title section { name } assignee { name } } } } } } }`, 10, []string{"description"}},
	{"projects of tasks", `{ workspace(id: "<workspace>") { tasks { nodes { project { name workspace { role } sections { name } } section { name } } } } }`, 6, []string{"archived_at"}},
	{"a task", `{ task(id: "<root>") { workspace { name } project { name } assignee { name } } }`, 6, nil},
	{"nodes of two workspaces", `{ nodes(ids: [<roots>, "<workspace>", <people>]) { id ... on Task { assignee { name } tags { name } } ... on Person { name } } }`, 12, nil},
	{"reminders that have fired", `{ firedReminders { nodes { firedAt task { title assignee { name } workspace { id } } } } }`, 6, []string{"minutes_before"}},
	{"a mutation", `mutation { reopenTask(input: {id: "<root>"}) { task { assignee { name } project { name } workspace { id } } } }`, 7, nil},
}

// payloads are what is selected of a mutation that changes nothing, and how many statements that takes more than the
// mutation by itself.
var payloads = []shape{ //nolint:gochecknoglobals // A table.
	{"a payload", `mutation { reopenTask(input: {id: "<root>"}) { task { id … } } }`, 4, nil},
	{"a bulk payload", `mutation { reopenTasks(input: {ids: [<roots>]}) { results { task { id … } } } }`, 4, nil},
}

const payload = `tags { name } subtaskProgress { done } subtasks { nodes { tags { name } } }`

// The number of statements depends on a request's shape alone.
func TestStatements(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		db := testkit.Database(statements)
		a := newAPI(t, db, "small", "large")
		known := map[string]*strings.Replacer{"small": family(t, db, a.users["small"], 2), "large": family(t, db, a.users["large"], 12)}
		ask := func(user, query string) []string {
			t.Helper()
			statements.Take()
			status, body := a.ask(t, user, known[user].Replace(query), nil)
			if status != 200 || strings.Contains(string(body), `"errors"`) {
				t.Fatalf("%s: %d %s", query, status, body)
			}
			return statements.Take()
		}
		var table strings.Builder
		report := func(s shape, user string, got []string, n int) {
			t.Helper()
			fmt.Fprintf(&table, "%2d  %-6s %s\n", n, user, s.name)
			if n != s.statements {
				t.Errorf("%s (%s): %d statements, want %d:\n%s", s.name, user, n, s.statements, strings.Join(got, "\n"))
			}
			for _, column := range s.lacks {
				if strings.Contains(strings.Join(got, "\n"), column) {
					t.Errorf("%s: %s is read", s.name, column)
				}
			}
		}
		for _, user := range []string{"small", "large"} {
			for _, s := range shapes {
				got := ask(user, s.query)
				report(s, user, got, len(got))
			}
			for _, s := range payloads {
				bare := ask(user, strings.ReplaceAll(s.query, "…", ""))
				got := ask(user, strings.ReplaceAll(s.query, "…", payload))
				report(s, user, got, len(got)-len(bare))
			}
		}
		t.Logf("statements:\n%s", table.String())
	})
}

// TestStatementsOfOrganizations is TestStatements for a workspace that is shared, and people.
func TestStatementsOfOrganizations(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		db := testkit.Database(statements)
		a := newAPI(t, db, "small", "large")
		a.organizations = &testkit.Organizations{}
		known := map[string]*strings.Replacer{}
		for user, n := range map[string]int{"small": 2, "large": 12} {
			known[user] = organizationOf(t, db, a, user, n)
		}
		var table strings.Builder
		for _, user := range []string{"small", "large"} {
			for _, s := range sharedShapes {
				query := known[user].Replace(s.query)
				statements.Take()
				status, body := a.ask(t, user, query, nil)
				got := statements.Take()
				if status != 200 || strings.Contains(string(body), `"errors"`) {
					t.Fatalf("%s: %d %s", query, status, body)
				}
				fmt.Fprintf(&table, "%2d  %-6s %s\n", len(got), user, s.name)
				if len(got) != s.statements {
					t.Errorf("%s (%s): %d statements, want %d:\n%s", s.name, user, len(got), s.statements, strings.Join(got, "\n"))
				}
				for _, column := range s.lacks {
					if strings.Contains(strings.Join(got, "\n"), column) {
						t.Errorf("%s: %s is read", s.name, column)
					}
				}
			}
		}
		t.Logf("statements:\n%s", table.String())
	})
}

// organizationOf makes an organization of a user with n other members and a family of tasks, and knows some by name.
func organizationOf(t *testing.T, db workspace.Database, a *api, user string, n int) *strings.Replacer {
	t.Helper()
	a.organizations.Set(user, user, viewer.RoleWrite)
	var people []string
	for i := range n {
		member := fmt.Sprintf("%s-%d", user, i)
		a.organizations.Set(user, member, viewer.RoleRead)
		people = append(people, `"`+workspace.PersonID(member)+`"`)
	}
	in := a.users[user].In(workspace.OrganizationID(user), viewer.RoleWrite)
	ctx := a.signIn(t.Context(), user)
	a.ask(t, user, `{ workspaces { members { role } } }`, nil)
	known := family(t, db, in, n)
	for i, task := range db.Client.Task.Query().Where(enttask.WorkspaceID(in.WorkspaceID)).Order(enttask.ByID()).AllX(ctx) {
		member := fmt.Sprintf("%s-%d", user, i%n)
		task.Update().SetAssigneeID(member).SetCreatedBy(member).ExecX(ctx)
		db.Client.Activity.Create().SetID(uuid.New()).SetWorkspaceID(in.WorkspaceID).SetVersion(i).SetTaskID(task.ID).SetActorID(member).SetVia("SESSION").
			SetAction("CREATED").ExecX(ctx)
	}
	return strings.NewReplacer("<root>", known.Replace("<root>"), "<roots>", known.Replace("<roots>"), "<workspace>", workspace.NodeID(in.WorkspaceID), "<people>", strings.Join(people, ", "))
}

// The descriptions of a history are long: those before changes and those after them are read if they are selected.
func TestStatementsOfDescriptions(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		a := newAPI(t, testkit.Database(statements), "alice")
		const id = "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d"
		a.data(t, "alice", `mutation { createTask(input: {id: "`+id+`", title: "t", description: "one"}) { version } }`, nil, new(any))
		a.data(t, "alice", `mutation { updateTask(input: {id: "`+id+`", description: "two"}) { version } }`, nil, new(any))
		a.data(t, "alice", `mutation { updateTask(input: {id: "`+id+`", description: "three"}) { version } }`, nil, new(any))
		for _, c := range []struct {
			selected string
			old, new bool
		}{{"field", false, false}, {"fromText", true, false}, {"toText", false, true}, {"fromText toText", true, true}} {
			for _, page := range []string{"activity { nodes { … } }", "tasks { nodes { activity { edges { node { … } } } } }"} {
				document := strings.Replace("{ "+page+" }", "…", "changes { ... on TextChange { "+c.selected+" } }", 1)
				statements.Take()
				_, body := a.ask(t, "alice", document, nil)
				taken := strings.NewReplacer("`", "", `"`, "").Replace(strings.Join(statements.Take(), "\n"))
				if strings.Contains(taken, "activities.old_description") != c.old || strings.Contains(taken, "LEFT JOIN") != c.new {
					t.Errorf("%s:\n%s", document, taken)
				}
				for text, want := range map[string]bool{`"fromText":"one"`: c.old, `"fromText":"two"`: c.old, `"toText":"two"`: c.new, `"toText":"three"`: c.new} {
					if strings.Contains(string(body), text) != want {
						t.Errorf("%s: %s", document, body)
					}
				}
			}
		}
	})
}

// family makes n tasks with two subtasks each, and those with one each, all of them with tags; it knows some by name.
func family(t *testing.T, db workspace.Database, v viewer.Viewer, n int) *strings.Replacer {
	t.Helper()
	client := db.Client
	ctx := viewer.NewContext(t.Context(), v)
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	var tags []uuid.UUID
	for _, name := range []string{"home", "work"} {
		tag, err := client.Tag.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetName(name).SetNameKey([]byte(name)).SetColor("#16a34a").Save(ctx)
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, tag.ID)
	}
	made := 0
	var project, section uuid.UUID // Each task of the top level has its own.
	add := func(parent *uuid.UUID) uuid.UUID {
		made++
		// The ids have the order of creation, so that the last tasks, which have reminders, are on the first page.
		q := client.Task.Create().SetID(uuid.Must(uuid.NewV7())).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetTitle(fmt.Sprint("Task ", made)).
			SetPosition([]byte{byte(made)}).SetNillableParentID(parent).SetCreatedAt(at).SetUpdatedAt(at)
		if made%2 == 0 {
			q.SetDueDate(at).SetDueSort(time.Time{})
		}
		if parent == nil {
			q.SetRecurrenceID(makeSeries(ctx, client, v)).SetOccurrenceNumber(2)
			project = client.Project.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetName("project").SetColor("#16a34a").
				SetPosition([]byte{byte(made)}).SaveX(ctx).ID
			section = client.Section.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetProjectID(project).SetName("section").
				SetPosition([]byte("a0")).SaveX(ctx).ID
		}
		q.SetProjectID(project).SetSectionID(section)
		task, err := q.Save(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			if err := client.TaskTag.Create().SetTaskID(task.ID).SetTagID(tag).SetWorkspaceID(v.WorkspaceID).Exec(ctx); err != nil {
				t.Fatal(err)
			}
		}
		return task.ID
	}
	var root, leaf uuid.UUID
	var roots []string
	for range n {
		root = add(nil)
		roots = append(roots, `"`+root.String()+`"`)
		for range 2 {
			child := add(&root)
			leaf = add(&child)
		}
	}
	remind := func(task uuid.UUID, state string, kind func(*ent.ReminderCreate)) string {
		q := client.Reminder.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetUserID(v.UserID).SetTaskID(task).SetVersion(0).
			SetState(state).SetCreatedAt(at).SetUpdatedAt(at)
		if kind(q); state == reminder.Fired {
			q.SetFiredAt(at)
		}
		return q.SaveX(ctx).ID.String()
	}
	reminding := remind(root, reminder.Fired, func(q *ent.ReminderCreate) { q.SetRemindAt(at) })
	remind(leaf, reminder.Fired, func(q *ent.ReminderCreate) { q.SetMinutesBefore(10) })
	dismissed := remind(leaf, reminder.Dismissed, func(q *ent.ReminderCreate) { q.SetDaysBefore(1).SetTimeOfDay(540) })
	cursor := func(query string) string {
		a := newAPI(t, db)
		a.users[v.UserID] = v
		_, body := a.ask(t, v.UserID, query, nil)
		var answer struct {
			Data struct {
				Tasks struct{ PageInfo struct{ EndCursor string } }
			}
		}
		if err := json.Unmarshal(body, &answer); err != nil || answer.Data.Tasks.PageInfo.EndCursor == "" {
			t.Fatalf("%s: %v", body, err)
		}
		return answer.Data.Tasks.PageInfo.EndCursor
	}
	return strings.NewReplacer(
		"<root>", root.String(), "<leaf>", leaf.String(), "<tag>", tags[0].String(), "<user>", v.UserID, "<project>", project.String(), "<section>", section.String(), "<reminder>", reminding, "<dismissed>", dismissed, "<done>", ids(1).String(), "<trash>", ids(2).String(), "<users>", strings.Repeat(`"`+v.UserID+`", `, 100), "<roots>", strings.Join(roots, ", "),
		"<cursor>", cursor(`{ tasks(first: 2) { pageInfo { endCursor } } }`),
		"<manual>", cursor(`{ tasks(first: 2, orderBy: [{field: MANUAL}]) { pageInfo { endCursor } } }`),
	)
}

// TestStatementsOfEveryType: whatever type of the schema is read, only the columns are read that are selected, no rows are read if a
// list is only counted, and an index has the order of each list.
func TestStatementsOfEveryType(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		statements := &testkit.StatementRecorder{Driver: driver}
		db, schema := testkit.Database(statements), schemaOf(t)
		f := &isolation{api: newAPI(t, db), client: db.Client, schema: schema}
		user, own := f.newUser(t)
		ask := func(format, selection string) []string {
			t.Helper()
			statements.Take()
			f.ask(t, user, strings.Replace(format, "…", selection, 1), "")
			return statements.Take()
		}
		checkColumns := func(format string, of *ast.Definition) {
			t.Helper()
			computed := func(name string) bool { return slices.Contains(notInChanges, of.Name+"."+name) }
			all := strings.Join(slices.DeleteFunc(scalarsOf(schema, of), computed), " ")
			ask(format, "id") // The first time more is read.
			if narrow := ask(format, "id"); slices.Equal(narrow, ask(format, all)) {
				t.Errorf("%s reads all columns, also if only the id is selected:\n%s", format, strings.Join(narrow, "\n"))
			}
		}
		for _, def := range schema.GetPossibleTypes(schema.Types["Node"]) {
			if def.Fields.ForName("version") != nil && def.Name != "Workspace" { // A workspace has little to read, and is in no feed.
				checkColumns(node(def.Name, own[def.Name], "…"), def)
				checkColumns("{ changes { "+listOf(schema, def)+" { … } } }", def)
			}
		}
		for _, field := range schema.Query.Fields {
			page := schema.Types[field.Type.Name()]
			if page.Fields.ForName("totalCount") == nil {
				continue
			}
			checkColumns("{ "+field.Name+" { nodes { … } } }", schema.Types[page.Fields.ForName("nodes").Type.Name()])
			if got := ask("{ "+field.Name+" { … } }", "totalCount"); len(got) != 1 {
				t.Errorf("%s reads more than a number if only totalCount is selected:\n%s", field.Name, strings.Join(got, "\n"))
			}
			for _, arguments := range ordersOf(schema, field) {
				if driver.Dialect() == dialect.SQLite {
					checkPlans(t, db.Client, field.Name+arguments, ask("{ "+field.Name+arguments+" { … } }", "nodes { id }"))
				}
			}
		}
	})
}

// ordersOf returns the arguments with which a root field has each of its orders.
func ordersOf(schema *ast.Schema, field *ast.FieldDefinition) []string {
	orders := []string{"(first: 1)"}
	if by := field.Arguments.ForName("orderBy"); by != nil {
		for _, value := range schema.Types[schema.Types[by.Type.Name()].Fields.ForName("field").Type.Name()].EnumValues {
			orders = append(orders, "(first: 1, orderBy: [{field: "+value.Name+"}])")
		}
	}
	return orders
}

// checkPlans checks that SQLite sorts no rows for the statements of a list.
func checkPlans(t *testing.T, client *ent.Client, list string, statements []string) {
	t.Helper()
	for _, statement := range statements {
		for _, step := range testkit.SQLitePlan(t, client, statement) {
			if strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s has no index of its order, so all rows are sorted:\n%s", list, statement)
			}
		}
	}
}
