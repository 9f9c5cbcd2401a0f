package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/graph"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// The authorization matrix asks each root field of the schema as each kind of user, with each kind of credentials, for objects of each
// kind of workspace. Nothing in it changes anything, so all cells have the same rows.

// matrixRow is a root field of the matrix.
type matrixRow struct {
	// fields are the field with its arguments and what is selected, once or several times. <Task> is the id of a task in the workspace
	// that the cell is about, <own Task> of one in the user's own, and so on.
	fields []string
	// allowed is what a mutation is answered by those who may send it: the code and the path of the user error that keeps it from
	// changing anything, or "" if it succeeds and has nothing to change.
	allowed string
	// shows is what a field without an id shows, for those that don't show the user's own workspace.
	shows matrixShows
}

// matrixShows is which workspaces' texts a field without an id shows.
type matrixShows int

const (
	showsOwn matrixShows = iota
	showsAll
	showsNothing
)

// matrix has a row for each root field.
var matrix = map[string]matrixRow{ //nolint:gochecknoglobals // A table.
	"Query.activity":          {fields: []string{`activity { nodes { task { title } } }`}},
	"Query.firedReminders":    {fields: []string{`firedReminders { nodes { task { title } } }`}, shows: showsNothing},
	"Query.previewRecurrence": {fields: []string{`previewRecurrence(input: {start: {date: "2026-11-30"}, recurrence: {rule: "FREQ=DAILY"}, first: 1}) { rule }`}, shows: showsNothing},
	"Query.projects":          {fields: []string{`projects(scope: ALL, first: 5) { nodes { name sections { name } tasks(first: 5) { nodes { title } } } }`}},
	"Query.tags":              {fields: []string{`tags { nodes { name } }`}},
	"Query.tasks":             {fields: []string{`tasks(scope: ALL) { nodes { title tags { name } project { name } section { name } } }`}},
	"Query.viewer":            {fields: []string{`viewer { name }`}},
	"Query.workspaces":        {fields: []string{`workspaces { name tasks(scope: ALL) { nodes { title } } tags { nodes { name } } projects(first: 5) { nodes { name } } activity { nodes { task { title } } } }`}, shows: showsAll},

	"Query.task":    {fields: []string{`task(id: "<Task>") { title tags { name } project { name } reminders { state } workspace { id name } activity { nodes { task { title } } } }`}},
	"Query.tag":     {fields: []string{`tag(id: "<Tag>") { name workspace { id } }`}},
	"Query.project": {fields: []string{`project(id: "<Project>") { name sections { name } tasks { nodes { title } } }`}},
	"Query.workspace": {fields: []string{
		`workspace(id: "<Workspace>") { projects(first: 5) { nodes { name workspace { name } } } }`,
		`workspace(id: "<Workspace>") { id name tasks(scope: ALL, first: 5) { nodes { title subtasks { nodes { title } } } } tags { nodes { name } } activity { nodes { task { title } } } }`,
	}},
	"Query.changes": {fields: []string{`changes(workspaceId: "<Workspace>") { tasks { title } tags { name } projects { name } sections { name } }`}},
	"Query.node": {fields: []string{
		`node(id: "<Task>") { id ... on Task { title } }`, `node(id: "<Tag>") { id ... on Tag { name } }`, `node(id: "<Project>") { id ... on Project { name } }`,
		`node(id: "<Section>") { id ... on Section { name project { name } } }`, `node(id: "<Reminder>") { id ... on Reminder { task { title } } }`,
		`node(id: "<Recurrence>") { id ... on Recurrence { rule occurrences { nodes { task { title } } } } }`,
		`node(id: "<Workspace>") { id ... on Workspace { name tasks { nodes { title } } } }`, `node(id: "<User>") { id ... on User { name } }`,
		`node(id: "<Person>") { id ... on Person { name } }`,
	}},
	"Query.nodes": {fields: []string{
		`nodes(ids: ["<Task>", "<Section>", "<Reminder>", "<Workspace>", "<Recurrence>"]) { id ... on Task { title } ... on Section { name } ... on Workspace { name } }`,
	}},

	"Subscription.changes":  {fields: []string{`changes(workspaceId: "<Workspace>") { tasks { title } tags { name } }`}},
	"Subscription.taskList": {fields: []string{`taskList(workspaceId: "<Workspace>") { placed { edge { node { title tags { name } } } } }`}},

	"Mutation.updateViewer": {fields: []string{`updateViewer(input: {timeZone: "UTC"})`}, shows: showsNothing},

	"Mutation.createTask": {fields: []string{
		`createTask(input: {id: "<own Task>", title: "new", workspaceId: "<Workspace>"})`, `createTask(input: {id: "<own Task>", title: "new", parentId: "<Task>"})`,
		`createTask(input: {id: "<own Task>", title: "new", projectId: "<Project>"})`, `createTask(input: {id: "<own Task>", title: "new", sectionId: "<Section>"})`,
	}, allowed: "TAKEN input.id"},
	"Mutation.updateTask":     {fields: []string{`updateTask(input: {id: "<Task>", ifVersion: 9999, title: "new", tagIds: ["<Tag>"]})`}, allowed: "STALE input.ifVersion"},
	"Mutation.completeTask":   {fields: []string{`completeTask(input: {id: "<Task>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.reopenTask":     {fields: []string{`reopenTask(input: {id: "<Task>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.moveTask":       {fields: []string{`moveTask(input: {id: "<Task>", afterId: "<Done>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.deleteTask":     {fields: []string{`deleteTask(input: {id: "<Task>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.restoreTask":    {fields: []string{`restoreTask(input: {id: "<Task>"})`}},
	"Mutation.purgeTask":      {fields: []string{`purgeTask(input: {id: "<Task>"})`}, allowed: "INVALID input.id"},
	"Mutation.emptyTrash":     {fields: []string{`emptyTrash(input: {workspaceId: "<Workspace>"})`}},
	"Mutation.skipOccurrence": {fields: []string{`skipOccurrence(input: {id: "<Task>", number: 1, ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.undoChange":     {fields: []string{`undoChange(input: {version: 9999, workspaceId: "<Workspace>"})`}, allowed: "NOT_FOUND input.version"},
	"Mutation.updateTasks":    {fields: []string{`updateTasks(input: {ids: ["<Task>"], patch: {addTagIds: ["<Tag>"]}})`}},
	"Mutation.completeTasks":  {fields: []string{`completeTasks(input: {ids: ["<Done>"]})`}},
	"Mutation.reopenTasks":    {fields: []string{`reopenTasks(input: {ids: ["<Task>"]})`}},
	"Mutation.deleteTasks":    {fields: []string{`deleteTasks(input: {ids: ["<Task>", "no id"]})`}, allowed: "NOT_FOUND input.ids.1"},
	"Mutation.restoreTasks":   {fields: []string{`restoreTasks(input: {ids: ["<Task>", "<Done>"]})`}},

	"Mutation.createTag": {fields: []string{`createTag(input: {id: "<own Tag>", name: "new", workspaceId: "<Workspace>"})`}, allowed: "TAKEN input.id"},
	"Mutation.updateTag": {fields: []string{`updateTag(input: {id: "<Tag>", ifVersion: 9999, name: "new"})`}, allowed: "STALE input.ifVersion"},
	"Mutation.deleteTag": {fields: []string{`deleteTag(input: {id: "<Tag>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},

	"Mutation.createProject":    {fields: []string{`createProject(input: {id: "<own Project>", name: "new", workspaceId: "<Workspace>"})`}, allowed: "TAKEN input.id"},
	"Mutation.updateProject":    {fields: []string{`updateProject(input: {id: "<Project>", ifVersion: 9999, name: "new"})`}, allowed: "STALE input.ifVersion"},
	"Mutation.archiveProject":   {fields: []string{`archiveProject(input: {id: "<Project>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.unarchiveProject": {fields: []string{`unarchiveProject(input: {id: "<Project>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.moveProject":      {fields: []string{`moveProject(input: {id: "<Project>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.deleteProject":    {fields: []string{`deleteProject(input: {id: "<Project>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.restoreProject":   {fields: []string{`restoreProject(input: {id: "<Project>"})`}},
	"Mutation.createSection":    {fields: []string{`createSection(input: {id: "<own Section>", projectId: "<Project>", name: "new"})`}, allowed: "TAKEN input.id"},
	"Mutation.updateSection":    {fields: []string{`updateSection(input: {id: "<Section>", ifVersion: 9999, name: "new"})`}, allowed: "STALE input.ifVersion"},
	"Mutation.moveSection":      {fields: []string{`moveSection(input: {id: "<Section>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.deleteSection":    {fields: []string{`deleteSection(input: {id: "<Section>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},

	"Mutation.setReminders":    {fields: []string{`setReminders(input: {taskId: "<Done>", reminders: []})`}},
	"Mutation.createReminder":  {fields: []string{`createReminder(input: {id: "<own Reminder>", taskId: "<Done>", reminder: {at: "2097-01-01T00:00:00Z"}})`}, allowed: "TAKEN input.id"},
	"Mutation.deleteReminder":  {fields: []string{`deleteReminder(input: {id: "<Reminder>", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.snoozeReminder":  {fields: []string{`snoozeReminder(input: {id: "<Reminder>", until: "2099-01-01T00:00:00Z", ifVersion: 9999})`}, allowed: "STALE input.ifVersion"},
	"Mutation.dismissReminder": {fields: []string{`dismissReminder(input: {id: "<Dismissed>"})`}},
}

// matrixUsers are the kinds of users, by what they may do in the organization's workspace.
var matrixUsers = []struct { //nolint:gochecknoglobals // A table.
	name string
	// authRole is the role at the auth server, and "" for users who are not members.
	authRole string
	role     viewer.Role
}{
	{"stranger", "", viewer.RoleNone},
	{"former", "", viewer.RoleNone},
	{"elsewhere", "", viewer.RoleNone}, // A member of another organization.
	{"reader", "member", viewer.RoleRead},
	{"writer", "admin", viewer.RoleWrite},
	{"owner", "owner", viewer.RoleAdmin},
}

// matrixTTL is SESSION_CACHE_TTL: longer than a test.
const matrixTTL = 5 * time.Minute

// matrixPlace is a workspace with an object of each type, whose texts all have the place's name.
type matrixPlace struct {
	name string
	ids  map[string]string // by the name in <>
}

// missing returns a place with ids of no object. The one of the workspace is of the same kind as the place's.
func (p matrixPlace) missing() matrixPlace {
	kind, _, _ := strings.Cut(p.ids["Workspace"], "/")
	p = matrixPlace{name: "missing", ids: map[string]string{"Workspace": kind + "/" + uuid.NewString(), "User": uuid.NewString(), "Person": "person/" + uuid.NewString()}}
	for _, name := range []string{"Task", "Done", "Tag", "Project", "Section", "Reminder", "Dismissed", "Repeated", "Recurrence"} {
		p.ids[name] = uuid.NewString()
	}
	return p
}

// matrixFixture is the matrix on one database.
type matrixFixture struct {
	*team
	*teamServer

	users map[string]*testkit.AuthClient
	// places are the users' own workspaces, by the user, and the organization's.
	own          map[string]matrixPlace
	organization matrixPlace
	// reminders have the ids of the users' own reminders in the organization's workspace.
	reminders map[string]matrixPlace
	// strange are places that no user of the matrix may see.
	strange []matrixPlace
}

// TestAuthorizationMatrix asks each root field of the schema.
//
//   - The user's own workspace is the user's alone. Of the organization's, members see all, and change what their role allows
//     (testkit.NeededRoles). A role that doesn't suffice is FORBIDDEN.
//   - To others, the objects of a workspace are as missing: the answers are the same bytes, after the same statements and the same
//     number of requests to the auth server.
//
// Objects that are named by more arguments than one are tried by graph.TestIsolationOfRootFields.
func TestAuthorizationMatrix(t *testing.T) {
	t.Parallel()
	checkMatrix(t)
	f := newTeam(t, testkit.BetterAuthOptions{})
	users := map[string]*testkit.AuthClient{}
	for _, u := range matrixUsers {
		users[u.name] = f.signUp(t, u.name, "own of "+u.name)
	}
	colleague, other := f.signUp(t, "colleague", "the organization"), f.signUp(t, "other", "another user")
	organization := f.client.Create(t, users["owner"], "the organization")
	for _, u := range matrixUsers {
		if u.authRole != "" && u.authRole != "owner" {
			f.client.Join(t, users["owner"], organization, users[u.name], u.name+"@example.com", u.authRole)
		}
	}
	f.client.Join(t, users["owner"], organization, users["former"], "former@example.com", "admin")
	f.client.Join(t, users["owner"], organization, colleague, "colleague@example.com", "admin")
	elsewhere, another := f.client.Create(t, users["elsewhere"], "elsewhere"), f.client.Create(t, other, "another organization")

	var all []*matrixFixture
	names := map[*matrixFixture]string{}
	for name, address := range testkit.Databases(t) {
		m := &matrixFixture{
			team: f, teamServer: f.serve(t, address(t), map[string]string{"WORKSPACE_ROLES": teamRoles, "SESSION_CACHE_TTL": matrixTTL.String(), "SESSION_STALE_TTL": "0s"}), users: users,
			own: map[string]matrixPlace{}, reminders: map[string]matrixPlace{},
		}
		for name, user := range users {
			m.own[name] = m.fill(t, "own of "+name, user, "personal/"+user.UserID)
		}
		m.organization = m.fill(t, "the organization", colleague, "organization/"+organization)
		for name, user := range users {
			if name != "stranger" && name != "elsewhere" {
				m.reminders[name] = m.remind(t, user, m.organization)
			}
		}
		m.fill(t, "elsewhere", users["elsewhere"], "organization/"+elsewhere)
		m.strange = []matrixPlace{m.fill(t, "another user", other, "personal/"+other.UserID), m.fill(t, "another organization", other, "organization/"+another)}
		all, names[m] = append(all, m), name
	}
	f.client.Call(t, users["owner"], "organization.removeMember", map[string]any{"organizationId": organization, "memberIdOrEmail": "former@example.com"})
	for _, m := range all {
		t.Run(names[m], func(t *testing.T) {
			t.Parallel()
			m.stopClock() // What the server asks Better Auth must not depend on how long the test takes.
			m.advance(matrixTTL)
			m.test(t)
			m.testCold(t)
		})
	}
}

// checkMatrix checks that the matrix has the root fields of the schema.
func checkMatrix(t *testing.T) {
	t.Helper()
	schema, fields := graph.Schema(), map[string]bool{}
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, field := range root.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			name := root.Name + "." + field.Name
			fields[name] = true
			if len(matrix[name].fields) == 0 {
				t.Errorf("add %s to matrix", name)
			}
			_, ok := testkit.NeededRoles[field.Name]
			if root == schema.Mutation && !ok {
				t.Errorf("add %s to testkit.NeededRoles", field.Name)
			}
		}
	}
	for name := range matrix {
		if !fields[name] {
			t.Errorf("%s is no root field: remove it from matrix", name)
		}
	}
	for _, typ := range schema.GetPossibleTypes(schema.Types["Node"]) {
		asked := func(field string) bool { return strings.Contains(field, `"<`+typ.Name+`>"`) }
		if !slices.ContainsFunc(matrix["Query.node"].fields, asked) {
			t.Errorf("add a node(id:) of %s to matrix", typ.Name)
		}
	}
}

// credentials are the headers by which a user sends requests.
func (m *matrixFixture) credentials(t *testing.T, user string) map[string]http.Header {
	t.Helper()
	all := map[string]http.Header{"cookie": m.users[user].Header()}
	if raceEnabled { // It is slow, and what the kinds of credentials share is the same.
		return all
	}
	all["bearer"], all["JWT"] = bearer(m.users[user].Token), bearer(m.users[user].JWT(t))
	return all
}

func (m *matrixFixture) test(t *testing.T) {
	t.Helper()
	before := m.rows(t)
	for _, u := range matrixUsers {
		for credential, header := range m.credentials(t, u.name) {
			// The user and the members are known then, and that a former member has left.
			m.post(t, header, `{ workspaces { id } workspace(id: "`+m.organization.ids["Workspace"]+`") { id } }`)
			for _, name := range slices.Sorted(maps.Keys(matrix)) {
				for _, field := range matrix[name].fields {
					c := m.cell(name, u.name, u.role, header, field)
					c.at = credential + ", " + c.at
					c.test(t)
				}
			}
		}
	}
	if diff := cmp.Diff(before, m.rows(t)); diff != "" {
		t.Errorf("the matrix has changed rows:\n%s", diff)
	}
}

// testCold asks some fields when nothing is cached: the auth server gets as many requests about missing objects as about strange ones.
func (m *matrixFixture) testCold(t *testing.T) {
	t.Helper()
	for _, u := range matrixUsers {
		if u.role != viewer.RoleNone {
			continue
		}
		for _, name := range []string{"Query.task", "Query.nodes", "Query.workspace", "Query.changes", "Mutation.updateTask", "Mutation.createTag"} {
			c := m.cell(name, u.name, u.role, m.users[u.name].Header(), matrix[name].fields[0])
			cold := func(place matrixPlace) matrixAnswer {
				m.advance(matrixTTL)
				return c.create(t, place)
			}
			c.compare(t, append(slices.Clone(m.strange), m.organization), cold)
		}
	}
}

// cell returns the cell of a root field.
func (m *matrixFixture) cell(name, user string, role viewer.Role, header http.Header, field string) *matrixCell {
	c := &matrixCell{matrixFixture: m, row: matrix[name], user: user, role: role, header: header, at: user + ", " + field}
	c.operation, c.name, _ = strings.Cut(strings.ToLower(name[:1])+name[1:], ".")
	c.field = strings.ReplaceAll(field, "<own ", "<own "+user+" ")
	return c
}

// matrixCell is a root field that a user asks.
type matrixCell struct {
	*matrixFixture

	row             matrixRow
	operation, name string
	field           string
	user            string
	role            viewer.Role
	header          http.Header
	at              string // for messages
}

// matrixAnswer is the answer to a cell, and what it cost. The ids are replaced by their names.
type matrixAnswer struct {
	Answer     string
	Statements []string
	Requests   int64
}

func (c *matrixCell) test(t *testing.T) {
	t.Helper()
	own := c.own[c.user]
	if !strings.Contains(strings.ReplaceAll(c.field, "<own ", ""), "<") {
		c.check(t, own, c.ask(t, own).Answer, true)
		return
	}
	c.check(t, own, c.ask(t, own).Answer, true)
	strange := c.strange
	if member := c.role != viewer.RoleNone && !strings.Contains(c.field, "<User>"); member {
		place := c.reminders[c.user]
		c.check(t, place, c.ask(t, place).Answer, c.operation != "mutation" || c.role >= testkit.NeededRoles[c.name])
	} else {
		strange = append(slices.Clone(strange), c.organization)
		if own, ok := c.reminders[c.user]; ok { // A former member's own.
			strange = append(strange, own)
		}
	}
	c.compare(t, strange, func(place matrixPlace) matrixAnswer { return c.create(t, place) })
}

// compare compares what is asked about places that the user may not see with what is asked about missing objects.
func (c *matrixCell) compare(t *testing.T, places []matrixPlace, ask func(matrixPlace) matrixAnswer) {
	t.Helper()
	missing := map[string]matrixAnswer{} // by the kind of the workspace
	for _, place := range places {
		kind, _, _ := strings.Cut(place.ids["Workspace"], "/")
		if _, ok := missing[kind]; !ok {
			missing[kind] = ask(place.missing())
			if answer := missing[kind].Answer; c.shown(answer) != "" || !slices.ContainsFunc([]string{"NOT_FOUND", `{"r":null}`, `{"r":[null,`}, func(text string) bool { return strings.Contains(answer, text) }) {
				t.Errorf("%s: for missing ids: %s", c.at, answer)
			}
		}
		if diff := cmp.Diff(missing[kind], ask(place)); diff != "" {
			t.Errorf("%s: in %s is something else than if it is missing (-missing +strange):\n%s", c.at, place.name, diff)
		}
	}
}

// check checks the answer about a place that the user may see.
func (c *matrixCell) check(t *testing.T, place matrixPlace, answer string, allowed bool) {
	t.Helper()
	if c.operation == "mutation" {
		want := c.row.allowed
		if !allowed {
			want = "FORBIDDEN"
		}
		if got := outcome(t, answer); got != want {
			t.Errorf("%s in %s: got %q, want %q: %s", c.at, place.name, got, want, answer)
		}
		return
	}
	want := place.name
	if !strings.Contains(c.field, "<") {
		switch {
		case c.row.shows == showsNothing:
			want = ""
		case c.row.shows == showsAll && c.role != viewer.RoleNone:
			want += ", " + c.organization.name
		case c.row.shows == showsAll && c.user == "elsewhere":
			want = "elsewhere, " + want
		}
	}
	if got := c.shown(answer); got != want || strings.Contains(answer, `"errors"`) {
		t.Errorf("%s in %s: shows %q, want %q: %s", c.at, place.name, got, want, answer)
	}
}

// outcome returns the code and the paths of a mutation's errors.
func outcome(t testing.TB, answer string) string {
	t.Helper()
	type userError struct {
		Code  string
		Field []string
	}
	var body struct {
		Data struct {
			R struct{ UserErrors []userError }
		}
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.Unmarshal([]byte(answer), &body); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	var all []string
	for _, e := range body.Data.R.UserErrors {
		all = append(all, strings.TrimSpace(e.Code+" "+strings.Join(e.Field, ".")))
	}
	for _, e := range body.Errors {
		all = append(all, e.Extensions.Code)
	}
	return strings.Join(all, ", ")
}

// shown returns the names of the places whose texts are in an answer, sorted.
func (c *matrixCell) shown(answer string) string {
	places := append([]matrixPlace{c.organization, {name: "elsewhere"}}, c.strange...)
	for _, place := range c.own {
		places = append(places, place)
	}
	var names []string
	for _, place := range places {
		if strings.Contains(answer, `"`+place.name+`"`) {
			names = append(names, place.name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// ask sends the field with the ids of a place. What it creates has the id of an object of the user's own.
func (c *matrixCell) ask(t testing.TB, place matrixPlace) matrixAnswer {
	t.Helper()
	return c.askWith(t, place, c.own[c.user].ids)
}

// create is ask with new ids for what the field creates.
func (c *matrixCell) create(t testing.TB, place matrixPlace) matrixAnswer {
	t.Helper()
	return c.askWith(t, place, place.missing().ids)
}

func (c *matrixCell) askWith(t testing.TB, place matrixPlace, own map[string]string) matrixAnswer {
	t.Helper()
	var ids, names []string
	for name, id := range place.ids {
		ids, names = append(ids, "<"+name+">", id), append(names, id, "<"+name+">")
	}
	for name, id := range own {
		ids, names = append(ids, "<own "+c.user+" "+name+">", id), append(names, id, "<own "+name+">")
	}
	field := strings.NewReplacer(ids...).Replace(c.field)
	if strings.Contains(field, "<") {
		t.Fatalf("%s: there is no id for %s", c.at, field)
	}
	if c.operation == "mutation" {
		field += " { userErrors { code field message } }"
	}
	c.statements.take()
	requests := c.requests.Load()
	answer := c.post(t, c.header, c.operation+" { r: "+field+" }")
	return matrixAnswer{strings.NewReplacer(names...).Replace(answer), sorted(c.statements.take()), c.requests.Load() - requests}
}

// post sends an operation and returns the answer. Of a subscription it returns the first result.
func (m *matrixFixture) post(t testing.TB, header http.Header, document string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": document})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.url+graphqlPath, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = with(header, "Content-Type", mediaJSON, "Accept", mediaGraphQL)
	stream := strings.HasPrefix(document, "subscription")
	if stream {
		r.Header.Set("Accept", "text/event-stream")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if !stream {
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			return data
		}
	}
	t.Fatalf("no result of %s", document)
	return ""
}

// fill makes objects in a workspace of a user, and returns them.
func (m *matrixFixture) fill(t testing.TB, name string, user *testkit.AuthClient, workspaceID string) matrixPlace {
	t.Helper()
	m.post(t, user.Header(), "{ workspaces { id } changes { token } }") // It makes the rows of the user, the workspaces and the feed.
	p := matrixPlace{ids: map[string]string{"Workspace": workspaceID}}.missing()
	p.name, p.ids["Workspace"], p.ids["User"], p.ids["Person"] = name, workspaceID, user.UserID, "person/"+user.UserID
	text := strings.NewReplacer("NAME", fmt.Sprintf("%q", name), "WORKSPACE", fmt.Sprintf("%q", workspaceID)).Replace
	for _, mutation := range []string{
		`createTag(input: {id: "Tag", name: NAME, workspaceId: WORKSPACE})`,
		`createProject(input: {id: "Project", name: NAME, workspaceId: WORKSPACE})`,
		`createSection(input: {id: "Section", projectId: "Project", name: NAME})`,
		`createTask(input: {id: "Task", title: NAME, tagIds: ["Tag"], sectionId: "Section", due: {date: "2026-11-30"}, recurrence: {rule: "FREQ=DAILY"}})`,
		`createTask(input: {id: "Done", title: NAME, workspaceId: WORKSPACE})`,
		`completeTask(input: {id: "Done"})`,
		`createTask(input: {id: "Repeated", title: NAME, workspaceId: WORKSPACE, due: {date: "2026-11-30"}, recurrence: {rule: "FREQ=DAILY"}})`,
		`completeTask(input: {id: "Repeated"})`,
	} {
		mutation = text(mutation)
		for name, id := range p.ids {
			mutation = strings.ReplaceAll(mutation, `"`+name+`"`, `"`+id+`"`)
		}
		if answer := m.post(t, user.Header(), "mutation { r: "+mutation+" { userErrors { code field message } } }"); outcome(t, answer) != "" {
			t.Fatalf("%s: %s", mutation, answer)
		}
	}
	var answer struct {
		Data struct {
			Task struct{ Recurrence struct{ ID string } }
		}
	}
	if err := json.Unmarshal([]byte(m.post(t, user.Header(), `{ task(id: "`+p.ids["Repeated"]+`") { recurrence { id } } }`)), &answer); err != nil {
		t.Fatal(err)
	}
	p.ids["Recurrence"] = answer.Data.Task.Recurrence.ID
	return m.remind(t, user, p)
}

// remind sets two reminders of the user at a place's task and dismisses one. It returns the place with their ids.
func (m *matrixFixture) remind(t testing.TB, user *testkit.AuthClient, p matrixPlace) matrixPlace {
	t.Helper()
	var answer struct {
		Data struct {
			SetReminders struct {
				Task struct{ Reminders []struct{ ID string } }
			}
		}
	}
	body := m.post(t, user.Header(), `mutation { setReminders(input: {taskId: "`+p.ids["Task"]+`", reminders: [{at: "2098-01-01T00:00:00Z"}, {at: "2099-01-01T00:00:00Z"}]}) {
		task { reminders { id } } userErrors { message } } }`)
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Data.SetReminders.Task.Reminders) != 2 {
		t.Fatalf("%v: %s", err, body)
	}
	p.ids = maps.Clone(p.ids)
	p.ids["Reminder"], p.ids["Dismissed"] = answer.Data.SetReminders.Task.Reminders[0].ID, answer.Data.SetReminders.Task.Reminders[1].ID
	if answer := m.post(t, user.Header(), `mutation { r: dismissReminder(input: {id: "`+p.ids["Dismissed"]+`"}) { userErrors { code field } } }`); outcome(t, answer) != "" {
		t.Fatal(answer)
	}
	return p
}

// rows returns all rows as text, by table.
func (m *matrixFixture) rows(t *testing.T) map[string][]string {
	t.Helper()
	all := testkit.AllRows(t, m.db)
	if len(all) < 10 || len(all["tasks"]) == 0 {
		t.Fatalf("%d tables", len(all))
	}
	return all
}

// BenchmarkMissingAndForbidden asks for objects that are missing, and for those of an organization that the user is not in, by turns. It
// reports the median and the 99th percentile of each, in µs. The user is in another organization: then there is most to do.
func BenchmarkMissingAndForbidden(b *testing.B) {
	f := newTeam(b, testkit.BetterAuthOptions{})
	user, other := f.signUp(b, "elsewhere", "Elsewhere"), f.signUp(b, "other", "Other")
	f.client.Create(b, user, "elsewhere")
	organization := f.client.Create(b, other, "another organization")
	for database, address := range testkit.Databases(b) {
		m := &matrixFixture{team: f, teamServer: f.serve(b, address(b), map[string]string{"SESSION_CACHE_TTL": "10m"}), users: map[string]*testkit.AuthClient{"elsewhere": user}}
		m.own = map[string]matrixPlace{"elsewhere": m.fill(b, "own of elsewhere", user, "personal/"+user.UserID)}
		foreign := m.fill(b, "another organization", other, "organization/"+organization)
		places := [...]matrixPlace{foreign.missing(), foreign} // The same ids each time: neither document is new.
		for _, name := range []string{"Query.task", "Query.node", "Query.workspace", "Mutation.updateTask"} {
			c := m.cell(name, "elsewhere", viewer.RoleNone, user.Header(), matrix[name].fields[0])
			b.Run(database+"/"+name, func(b *testing.B) {
				took := [2][]float64{}
				for i := range b.N {
					for turn := range took {
						begun := time.Now()
						c.ask(b, places[(i+turn)%2])
						took[(i+turn)%2] = append(took[(i+turn)%2], float64(time.Since(begun).Nanoseconds())/1000)
					}
				}
				for i, what := range []string{"missing", "forbidden"} {
					slices.Sort(took[i])
					b.ReportMetric(took[i][len(took[i])/2], what+"-median-µs")
					b.ReportMetric(took[i][len(took[i])*99/100], what+"-p99-µs")
				}
			})
		}
	}
}
