package graph_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/graph"
	"taskql/internal/project"
	"taskql/internal/reminder"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

// TestEveryKeyIsRemembered sends each mutation with an idempotency key, with each argument that takes an id, and then again, with the
// ids in capitals: the answer is the first one's, and nothing changes. The same key with another argument, or for another mutation, is
// refused.
func TestEveryKeyIsRemembered(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		schema := schemaOf(t)
		f := &isolation{api: newAPI(t, db), client: db.Client, schema: schema}
		bystander, _ := f.newUser(t)
		users := &keyedUsers{f: f, ready: map[string]*keyedUser{}}
		keyed := mutationsWith(schema, "idempotencyKey")
		for _, field := range schema.Mutation.Fields {
			if !slices.Contains(keyed, field) && unversionedMutations[field.Name] == "" {
				t.Errorf("%s takes no idempotencyKey", field.Name)
			}
		}
		for _, field := range keyed {
			for _, path := range append([]string{""}, idPaths(schema, field.Arguments)...) {
				r, first := users.accepted(t, field, path)
				if r == nil {
					t.Errorf("%s(%s:) is refused for every object, so this test finds nothing", field.Name, path)
					continue
				}
				f.checkRepeat(t, r, first, bystander)
				if path == "" {
					f.checkReuse(t, r, keyed)
				}
			}
		}
	})
}

// keyedRequest is a mutation with an idempotency key.
type keyedRequest struct {
	user, key string
	field     *ast.FieldDefinition
	// path is that of the argument with id. Other required arguments that take an id have other.
	path, id, other string
}

func (r *keyedRequest) String() string { return r.field.Name + "(" + r.path + ":)" }

// send sends the request and returns the answer.
func (f *isolation) send(t *testing.T, r keyedRequest) string {
	t.Helper()
	return f.mutate(t, r.user, r.field, r.path, r.id, r.other, fmt.Sprintf("idempotencyKey: %q", r.key))
}

// mutate sends a mutation with an id at a path of its arguments and one more field of its input, and returns the answer.
func (f *isolation) mutate(t *testing.T, user string, field *ast.FieldDefinition, path, id, other, more string) string {
	t.Helper()
	input := strings.TrimSuffix(arguments(t, f.schema, field.Arguments, path, id, other), "})") + " " + more + "})"
	return f.ask(t, user, "mutation { r: "+field.Name+input+selectAll(f.schema, f.schema.Types[field.Type.Name()], 2)+" }", "")
}

// keyedUsers are users for keyedRequests.
type keyedUsers struct {
	f *isolation
	// ready are users whose workspaces no request has changed, by what their task does.
	ready map[string]*keyedUser
}

// keyedUser is a user with two rows of each type. The first task's state is one of taskStates.
type keyedUser struct {
	name       string
	own, other map[string]string
}

const repeats, inTrash, repeatsNot = "repeats", "is in the trash", "does not repeat"

// get returns a user for a task's state.
func (k *keyedUsers) get(t *testing.T, state string) *keyedUser {
	t.Helper()
	if user := k.ready[state]; user != nil && !k.f.changed(t, user.name) {
		return user
	}
	name, own := k.f.newUser(t)
	id := uuid.MustParse(own["Task"])
	task := k.f.client.Task.UpdateOneID(id)
	switch state {
	case inTrash:
		task.SetDeletedAt(time.Unix(0, k.f.api.now.Load())).SetTrashedWith(id)
	case repeatsNot:
		task.ClearRecurrenceID().ClearOccurrenceNumber()
	}
	task.SetVersion(0).ExecX(k.f.api.signIn(t.Context(), name))
	k.ready[state] = &keyedUser{name: name, own: own, other: k.f.rows(t, name)}
	return k.ready[state]
}

// accepted sends a mutation until it is not refused, each time for other objects. It returns that request and its answer; nil if it is refused for all of them.
func (k *keyedUsers) accepted(t *testing.T, field *ast.FieldDefinition, path string) (*keyedRequest, string) {
	t.Helper()
	f := k.f
	ids, others := []string{"Task"}, []string{"Task"} // Those that most mutations take are tried first.
	for _, typ := range slices.Sorted(maps.Keys(nodeRows)) {
		if typ == "Task" {
			continue
		}
		if path != "" { // Without a path there is no id.
			ids = append(ids, typ)
		}
		if path == "" || len(idPaths(f.schema, field.Arguments)) > 1 { // With one path there is no other.
			others = append(others, typ)
		}
	}
	for _, typ := range ids {
		for _, other := range others {
			for _, state := range []string{repeats, inTrash, repeatsNot} {
				user := k.get(t, state)
				r := keyedRequest{user: user.name, key: uuid.NewString(), field: field, path: path, id: user.own[typ], other: user.other[other]}
				if path == "" {
					r.other = user.own[other]
				}
				if f.isNewID(field, path) {
					r.id = uuid.NewString()
				}
				if answer := f.send(t, r); strings.Contains(answer, `"userErrors":[]`) && !strings.Contains(answer, `"code"`) {
					delete(k.ready, state)
					return &r, answer
				}
			}
		}
	}
	return nil, ""
}

// isNewID reports whether the argument at a path is the id of what the mutation creates.
func (f *isolation) isNewID(field *ast.FieldDefinition, path string) bool {
	return path == "input.id" && !f.schema.Types[field.Arguments.ForName("input").Type.Name()].Fields.ForName("id").Type.NonNull
}

// checkRepeat sends an accepted request again, with the ids in capitals. Of the other users, it compares one's rows and all
// versions.
func (f *isolation) checkRepeat(t *testing.T, r *keyedRequest, first, bystander string) {
	t.Helper()
	before := readState(t, f.client, r.user, bystander)
	capitals := *r
	capitals.id, capitals.other = inCapitals(r.id), inCapitals(r.other)
	if again := f.send(t, capitals); again != first {
		t.Errorf("%s with the same key and the ids in capitals returns\n%s\nand not\n%s", r, again, first)
	}
	if checkVersions(t, before, readState(t, f.client, r.user, bystander)) != 0 {
		t.Errorf("%s with the same key and the ids in capitals was carried out twice", r)
	}
	n := f.client.IdempotencyKey.Query().Where(workspace.Scope(f.api.users[r.user])).CountX(f.api.signIn(t.Context(), r.user))
	if n != 1 {
		t.Errorf("%s has stored %d keys, not 1: Change.IdempotencyKey is missing", r, n)
	}
}

// inCapitals returns a UUID in capitals. Other ids are opaque.
func inCapitals(id string) string {
	if _, ok := workspace.ParseID(id); ok {
		return strings.ToUpper(id)
	}
	return id
}

// checkReuse sends the key of an accepted request again with each other argument, and with each other mutation.
func (f *isolation) checkReuse(t *testing.T, r *keyedRequest, keyed []*ast.FieldDefinition) {
	t.Helper()
	check := func(reused keyedRequest) {
		t.Helper()
		if answer := f.send(t, reused); !strings.Contains(answer, `"KEY_REUSED"`) {
			t.Errorf("the key of %s is not refused for %s, so the Change's Name or Input lacks what is different: %s", r, &reused, answer)
		}
	}
	for _, path := range leafPaths(f.schema, r.field.Arguments, func(*ast.Type) bool { return true }) {
		if path != "input.idempotencyKey" {
			reused := *r
			reused.path, reused.id = path, uuid.NewString()
			if path == "input.workspaceId" { // Without a workspace no key is looked up.
				reused.id = workspace.NodeID(r.user)
			}
			check(reused)
		}
	}
	for _, field := range keyed {
		if field != r.field {
			reused := *r
			reused.field = field
			check(reused)
		}
	}
}

// TestEveryIfVersionIsChecked sends each mutation that takes ifVersion with another version than its object has: it is refused as STALE.
func TestEveryIfVersionIsChecked(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		schema := schemaOf(t)
		f := &isolation{api: newAPI(t, db), client: db.Client, schema: schema}
		for _, field := range mutationsWith(schema, "ifVersion") {
			f.checkRefused(t, field, "STALE", "ifVersion: 9999", func(own map[string]string, typ string) string { return own[typ] })
		}
	})
}

// TestEveryTakenIDIsRefused sends each mutation that takes the id of a new object with one that another has, the user's or somebody
// else's: it is refused as TAKEN.
func TestEveryTakenIDIsRefused(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		schema := schemaOf(t)
		f := &isolation{api: newAPI(t, db), client: db.Client, schema: schema}
		_, foreign := f.newUser(t)
		for _, field := range mutationsWith(schema, "id") {
			if f.isNewID(field, "input.id") {
				f.checkRefused(t, field, "TAKEN", "", func(own map[string]string, typ string) string { return own[typ] })
				f.checkRefused(t, field, "TAKEN", "", func(own map[string]string, typ string) string { return strings.ToUpper(own[typ]) })
				f.checkRefused(t, field, "TAKEN", "", func(_ map[string]string, typ string) string { return foreign[typ] })
			}
		}
	})
}

// TestTakenIDsComeFirst sends each mutation that takes the id of a new object with one that the workspace has, if there are other
// reasons to refuse it: the workspace is full, or what else the input names is gone. Only the id is named, so that a client whose
// idempotency key was forgotten finds out that its change was made.
func TestTakenIDsComeFirst(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		schema := schemaOf(t)
		api := newAPIWith(t, db, func(c *graph.Config, now func() time.Time) {
			db.Now = now
			workspaces := testkit.Workspaces(t, db)
			var err error
			if c.Services.Tasks, err = task.New(task.Config{
				Workspaces: workspaces, Reminders: c.Services.Reminders, Limits: task.Limits{Tasks: 1, Tags: 1},
			}); err != nil {
				t.Fatal(err)
			}
			if c.Services.Projects, err = project.New(project.Config{
				Workspaces: workspaces, Limits: project.Limits{Projects: 1, Sections: 1},
			}); err != nil {
				t.Fatal(err)
			}
		})
		f := &isolation{api: api, client: db.Client, schema: schema}
		user, own := f.newUser(t)
		ctx, reminded := api.signIn(t.Context(), user), uuid.MustParse(own["Task"])
		db.Client.Workspace.UpdateOneID(user).SetTaskCount(1).SetProjectCount(1).ExecX(ctx)
		for i := range reminder.MaxPerTask {
			db.Client.Reminder.Create().SetID(uuid.New()).SetWorkspaceID(user).SetUserID(user).SetTaskID(reminded).SetVersion(0).
				SetRemindAt(time.Unix(int64(i), 0)).SetState(reminder.Dismissed).ExecX(ctx)
		}
		section := db.Client.Section.GetX(ctx, uuid.MustParse(own["Section"]))
		// What each mutation has made, and the object in which it is, if it needs one.
		made := map[string]struct{ id, in string }{
			"createTask":     {own["Task"], ""},
			"createTag":      {own["Tag"], ""},
			"createProject":  {own["Project"], ""},
			"createSection":  {own["Section"], section.ProjectID.String()},
			"createReminder": {own["Reminder"], own["Task"]},
		}
		taken := regexp.MustCompile(`"userErrors":\[\{"code":"TAKEN","message":"[^"]*","field":\["input","id"\]\}\]`)
		for _, field := range mutationsWith(schema, "id") {
			if !f.isNewID(field, "input.id") {
				continue
			}
			m, ok := made[field.Name]
			if !ok {
				t.Errorf("add %s to this test", field.Name)
			}
			check := func(code, in, more string) {
				t.Helper()
				if answer := f.mutate(t, user, field, "input.id", uuid.NewString(), in, more); !strings.Contains(answer, `"code":"`+code+`"`) {
					t.Errorf("%s is not refused as %s, so this test finds nothing: %s", field.Name, code, answer)
				}
				if answer := f.mutate(t, user, field, "input.id", m.id, in, more); !taken.MatchString(answer) {
					t.Errorf("%s doesn't say that the id is taken, and only that, but %s", field.Name, answer)
				}
			}
			check("LIMIT_EXCEEDED", m.in, "")
			if m.in != "" {
				check("NOT_FOUND", uuid.NewString(), "")
			}
			if field.Name == "createTask" {
				check("NOT_FOUND", "", fmt.Sprintf("parentId: %q", uuid.NewString()))
			}
		}
	})
}

// checkRefused sends a mutation for an object of each type: one has to be refused with a code.
func (f *isolation) checkRefused(t *testing.T, field *ast.FieldDefinition, code, more string, target func(own map[string]string, typ string) string) {
	t.Helper()
	user, own := f.newUser(t)
	var answers []string
	for typ := range nodeRows {
		id := target(own, typ)
		for _, other := range []string{id, own["Project"], own["Task"]} { // A new section needs a project, and a new reminder a task.
			answer := f.mutate(t, user, field, "input.id", id, other, more)
			if strings.Contains(answer, `"code":"`+code+`"`) {
				return
			}
			answers = append(answers, answer)
		}
	}
	t.Errorf("%s is refused as %s for no object:\n%s", field.Name, code, strings.Join(answers, "\n"))
}

// mutationsWith returns the mutations whose input has a field.
func mutationsWith(schema *ast.Schema, field string) []*ast.FieldDefinition {
	var found []*ast.FieldDefinition
	for _, f := range schema.Mutation.Fields {
		if input := f.Arguments.ForName("input"); input != nil && schema.Types[input.Type.Name()].Fields.ForName(field) != nil {
			found = append(found, f)
		}
	}
	return found
}
