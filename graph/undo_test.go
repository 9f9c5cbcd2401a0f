package graph_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/database/schemadiff/migrate"
	"taskql/internal/reminder"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// undoable are inputs of the mutations that can be undone. Each changes something in the workspace that undoFixture.prepare makes, and
// $name stands for the id of its object of that name.
var undoable = map[string][]string{ //nolint:gochecknoglobals // A table.
	"createTask": {
		`{id: $new, title: "new"}`,
		`{id: $new, title: "new", description: "text", priority: HIGH, due: {date: "2026-12-01"}, tagIds: [$x, $y], parentId: $p}`,
		`{id: $new, title: "new", projectId: $home}`,
		`{id: $new, title: "new", sectionId: $shelf}`,
		`{id: $new, title: "new", due: {date: "2026-12-01"}, recurrence: {rule: "FREQ=DAILY", mode: AFTER_COMPLETION, catchUp: EACH}}`,
		`{id: $new, title: "new", assigneeId: $me}`,
	},
	"updateTask": {
		`{id: $a, title: "new"}`,
		`{id: $a, description: "new"}`,
		`{id: $a, description: null}`,
		`{id: $b, description: "new"}`,
		`{id: $a, priority: URGENT}`,
		`{id: $a, due: {at: {at: "2026-12-24T17:00:00Z", timeZone: "Asia/Karachi"}}}`,
		`{id: $a, due: null}`,
		`{id: $a, assigneeId: $me}`,
		`{id: $b, assigneeId: null}`,
		`{id: $b, due: {date: "2026-12-01"}}`,
		`{id: $a, tagIds: [$y, $z]}`,
		`{id: $a, addTagIds: [$y], removeTagIds: [$x]}`,
		`{id: $t, title: "in the trash"}`,
		`{id: $a, recurrence: {rule: "FREQ=WEEKLY"}}`,
		`{id: $daily, recurrence: {rule: "FREQ=WEEKLY"}}`,
		`{id: $daily, due: {date: "2026-11-25"}, recurrence: {rule: "FREQ=WEEKLY", mode: AFTER_COMPLETION, catchUp: EACH}}`,
		`{id: $daily, recurrence: null}`,
		`{id: $daily, due: null}`,
		`{id: $p, projectId: $home}`,
		`{id: $a, sectionId: $shelf, title: "new"}`,
		`{id: $shelved, sectionId: null}`,
		`{id: $shelved, projectId: $archived}`,
		`{id: $hidden, projectId: null}`,
		`{id: $a, title: "new", description: "new", priority: null, due: {date: "2027-01-01"}, addTagIds: [$y, $z]}`,
	},
	"completeTask": {
		`{id: $a}`, `{id: $p}`, `{id: $t}`,
		`{id: $daily}`, `{id: $late}`, `{id: $each}`, `{id: $last}`, `{id: $after}`, `{id: $dailyInTrash}`,
	},
	"reopenTask": {`{id: $done}`, `{id: $dailyDone}`, `{id: $lateDone}`, `{id: $lastDone}`, `{id: $touched}`},
	"skipOccurrence": {
		`{id: $daily, number: 1}`, `{id: $late, number: 1}`, `{id: $each, number: 1}`, `{id: $last, number: 1}`, `{id: $after, number: 1}`,
	},
	"moveTask": {
		`{id: $a, afterId: $b}`,
		`{id: $a, beforeId: $c}`,
		`{id: $a}`,
		`{id: $b, parentId: $p}`,
		`{id: $p2, parentId: null}`,
		`{id: $p2, parentId: null, beforeId: $a}`,
		`{id: $p3, beforeId: $p1}`,
		`{id: $p1, parentId: $a}`,
		`{id: $p, projectId: $home}`,
		`{id: $p, sectionId: $shelf, beforeId: $a}`,
		`{id: $shelved, projectId: null}`,
		`{id: $shelved, parentId: $p}`,
		`{id: $p2, parentId: $shelved}`,
		`{id: $below_shelved, parentId: null, projectId: $archived}`,
	},
	"deleteTask": {`{id: $a}`, `{id: $p}`, `{id: $p2}`, `{id: $daily}`, `{id: $lateDone}`},
	"restoreTask": {
		`{id: $binned}`,
		`{id: $binned1}`,
		`{id: $t}`,
		`{id: $orphan}`,
		`{id: $dailyInTrash}`,
	},
	"updateTasks": {
		`{ids: [$a, $b, $c], patch: {priority: MEDIUM}}`,
		`{ids: [$a, $b, $t], patch: {due: {date: "2026-12-31"}}}`,
		`{ids: [$a, $p, $p1, $shelved], patch: {projectId: $archived}}`,
		`{ids: [$a, $shelved, $hidden], patch: {sectionId: $shelf}}`,
		`{ids: [$a, $b], patch: {due: null, addTagIds: [$y], removeTagIds: [$x, $z]}}`,
		`{ids: [$a, $b, $c], patch: {assigneeId: $me}}`,
	},
	"completeTasks": {`{ids: [$a, $b, $done, $p1]}`, `{ids: [$a, $daily, $late, $last, $lateDone]}`},
	"reopenTasks":   {`{ids: [$done, $done2, $a]}`, `{ids: [$dailyDone, $lastDone, $touched, $done]}`},
	"deleteTasks":   {`{ids: [$a, $p, $p2, $t]}`, `{ids: [$daily, $dailyDone, $a]}`, `{ids: [$p21, $p]}`},
	"restoreTasks":  {`{ids: [$binned1, $binned, $t]}`, `{ids: [$t, $orphan, $a]}`, `{ids: [$orphan, $above]}`},
}

// notUndoable are the other mutations, each with an input that changes something, and why it can't be undone.
var notUndoable = map[string]struct{ input, why string }{ //nolint:gochecknoglobals // A table.
	"purgeTask":        {`{id: $t}`, "the task is gone for good"},
	"emptyTrash":       {`{}`, "the tasks are gone for good"},
	"createProject":    {`{name: "new"}`, "not a change of tasks"},
	"updateProject":    {`{id: $home, name: "new"}`, "not a change of tasks"},
	"archiveProject":   {`{id: $home}`, "unarchiveProject does it"},
	"unarchiveProject": {`{id: $archived}`, "archiveProject does it"},
	"moveProject":      {`{id: $home}`, "not a change of tasks"},
	"deleteProject":    {`{id: $home}`, "restoreProject does it"},
	"restoreProject":   {`{id: $bin}`, "deleteProject does it"},
	"createSection":    {`{projectId: $home, name: "new"}`, "not a change of tasks"},
	"updateSection":    {`{id: $shelf, name: "new"}`, "not a change of tasks"},
	"moveSection":      {`{id: $shelf}`, "not a change of tasks"},
	"deleteSection":    {`{id: $shelf}`, "the section is gone for good"},
	"createTag":        {`{name: "new"}`, "not a change of tasks"},
	"updateTag":        {`{id: $x, name: "new"}`, "not a change of tasks"},
	"deleteTag":        {`{id: $x}`, "the tag is gone for good"},
	"setReminders":     {`{taskId: $a, reminders: []}`, "reminders are private, and not in the history"},
	"createReminder":   {`{taskId: $a, reminder: {at: "2026-12-21T00:00:00Z"}}`, "as setReminders"},
	"deleteReminder":   {`{id: $r}`, "as setReminders"},
	"snoozeReminder":   {`{id: $r, until: "2026-12-20T00:00:00Z"}`, "as setReminders"},
	"dismissReminder":  {`{id: $r}`, "as setReminders"},
	"updateViewer":     {`{timeZone: "Asia/Karachi"}`, "it is in no workspace, and takes no version"},
}

// targetFields are the fields of inputs that say which object is changed and how, but are no changes.
var targetFields = []string{"id", "ids", "number", "ifVersion", "idempotencyKey", "errorPolicy", "workspaceId"} //nolint:gochecknoglobals // A table.

// Every mutation of the schema can be undone, or is listed as one that can't. After an undo the rows are as they were before the change,
// and after the undo of the undo as they were after it.
func TestUndoOfEveryMutation(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		f := &undoFixture{api: newAPI(t, db), client: db.Client}
		schema := schemaOf(t)
		for _, field := range schema.Mutation.Fields {
			inputs, other := undoable[field.Name], notUndoable[field.Name]
			switch {
			case field.Name == "undoChange": // Each undo below is undone.
			case len(inputs) > 0:
				used := usage{schema: schema, names: map[string]bool{}}
				for _, input := range inputs {
					f.prepare(t)
					f.checkUndo(t, field.Name, input)
					used.add(t, "mutation { "+field.Name+"(input: "+idName.ReplaceAllString(input, `"$1"`)+") { version } }")
				}
				in := schema.Types[field.Arguments.ForName("input").Type.Name()]
				for _, at := range in.Fields {
					if !slices.Contains(targetFields, at.Name) && !used.names[in.Name+"."+at.Name] {
						t.Errorf("%s.%s is never undone: add an input to undoable", in.Name, at.Name)
					}
				}
			case other.why != "":
				f.prepare(t)
				f.checkNotUndoable(t, field.Name, other.input)
			default:
				t.Errorf("add inputs of %s to undoable, or say in notUndoable why it can't be undone", field.Name)
			}
		}
	})
}

// undoFixture makes workspaces and undoes changes of them.
type undoFixture struct {
	api    *api
	client *ent.Client
	users  int
	user   string
}

// prepare makes a workspace in which each input of undoable changes something.
func (f *undoFixture) prepare(t *testing.T) {
	t.Helper()
	f.users++
	f.user = fmt.Sprint("user-", f.users)
	f.api.now.Store(time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC).UnixNano())
	f.api.users[f.user] = testkit.MakeViewer(t, f.client, f.user)
	for _, request := range strings.Split(strings.TrimSpace(`
		createTag {id: $x, name: "x"}
		createTag {id: $y, name: "y"}
		createTag {id: $z, name: "z"}
		createProject {id: $home, name: "home"}
		createSection {id: $shelf, projectId: $home, name: "shelf"}
		createSection {id: $shelf2, projectId: $home, name: "shelf2"}
		createProject {id: $archived, name: "archived"}
		createTask {id: $hidden, title: "hidden", projectId: $archived}
		archiveProject {id: $archived}
		createTask {id: $shelved, title: "shelved", sectionId: $shelf}
		createTask {id: $below_shelved, title: "below_shelved", parentId: $shelved}
		createProject {id: $bin, name: "bin"}
		createTask {id: $binned, title: "binned", projectId: $bin}
		createTask {id: $binned1, title: "binned1", parentId: $binned}
		deleteProject {id: $bin}
		createTask {id: $a, title: "a", description: "text", priority: LOW, due: {date: "2026-11-30"}, tagIds: [$x]}
		setReminders {taskId: $a, reminders: [{at: "2026-12-20T00:00:00Z"}]}
		createTask {id: $b, title: "b", tagIds: [$z], assigneeId: $me}
		createTask {id: $c, title: "c"}
		createTask {id: $p, title: "p"}
		createTask {id: $p1, title: "p1", parentId: $p}
		createTask {id: $p2, title: "p2", parentId: $p}
		createTask {id: $p3, title: "p3", parentId: $p}
		createTask {id: $p21, title: "p21", parentId: $p2}
		createTask {id: $done, title: "done"}
		completeTask {id: $done}
		createTask {id: $done2, title: "done2"}
		completeTask {id: $done2}
		createTask {id: $t, title: "t"}
		createTask {id: $t1, title: "t1", parentId: $t}
		deleteTask {id: $t}
		createTask {id: $above, title: "above"}
		createTask {id: $orphan, title: "orphan", parentId: $above}
		createTask {id: $below, title: "below", parentId: $orphan}
		deleteTask {id: $orphan}
		deleteTask {id: $above}
		createTask {id: $daily, title: "daily", description: "text", tagIds: [$x], due: {date: "2026-11-23"}, recurrence: {rule: "FREQ=DAILY"}}
		createTask {id: $daily1, title: "daily1", tagIds: [$y], parentId: $daily}
		createTask {id: $daily11, title: "daily11", parentId: $daily1}
		createTask {id: $late, title: "late", due: {date: "2026-11-10"}, recurrence: {rule: "FREQ=DAILY;INTERVAL=2;COUNT=20"}}
		createTask {id: $each, title: "each", due: {at: {at: "2026-11-10T10:00:00Z"}}, recurrence: {rule: "FREQ=DAILY", catchUp: EACH}}
		createTask {id: $last, title: "last", due: {date: "2026-11-23"}, recurrence: {rule: "FREQ=DAILY;COUNT=1"}}
		createTask {id: $after, title: "after", due: {date: "2026-11-20"}, recurrence: {rule: "FREQ=WEEKLY", mode: AFTER_COMPLETION}}
		createTask {id: $dailyDone, title: "dailyDone", due: {date: "2026-11-23"}, recurrence: {rule: "FREQ=DAILY"}}
		createTask {id: $dailyDone1, title: "dailyDone1", parentId: $dailyDone}
		completeTask {id: $dailyDone}
		createTask {id: $lateDone, title: "lateDone", due: {date: "2026-11-10"}, recurrence: {rule: "FREQ=DAILY;INTERVAL=2;COUNT=20"}}
		completeTask {id: $lateDone}
		createTask {id: $lastDone, title: "lastDone", due: {date: "2026-11-23"}, recurrence: {rule: "FREQ=DAILY;COUNT=1"}}
		completeTask {id: $lastDone}
		createTask {id: $touched, title: "touched", due: {date: "2026-11-23"}, recurrence: {rule: "FREQ=DAILY"}}
		completeTask {id: $touched}
		updateTask {id: $touchedNext, title: "next"}
		createTask {id: $dailyInTrash, title: "dailyInTrash", due: {date: "2026-11-23"}, recurrence: {rule: "FREQ=DAILY"}}
		deleteTask {id: $dailyInTrash}`), "\n") {
		name, input, _ := strings.Cut(strings.TrimSpace(request), " ")
		if before, after, ok := strings.Cut(input, "$touchedNext"); ok { // The server has chosen the id of the next occurrence.
			input = before + `"` + f.next(t, "touched") + `"` + after
		}
		f.change(t, name, input)
	}
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	f.client.Reminder.Create().SetID(uuid.MustParse(f.id("r"))).SetWorkspaceID(f.user).SetUserID(f.user).SetTaskID(uuid.MustParse(f.id("a"))).SetVersion(0).
		SetRemindAt(at).SetFiredAt(at).SetState(reminder.Fired).SetCreatedAt(at).SetUpdatedAt(at).ExecX(viewer.AsSystem(t.Context()))
}

// next returns the id of the second occurrence of a task's series.
func (f *undoFixture) next(t *testing.T, name string) string {
	t.Helper()
	ctx := f.api.signIn(t.Context(), f.user)
	series := f.client.Task.GetX(ctx, uuid.MustParse(f.id(name))).RecurrenceID
	return f.client.Task.Query().Where(enttask.RecurrenceID(*series), enttask.OccurrenceNumber(2)).OnlyIDX(ctx).String()
}

// idName is the name of an object in an input.
var idName = regexp.MustCompile(`\$(\w+)`)

// id returns the id of the workspace's object of that name; that of the user as a person if it is me.
func (f *undoFixture) id(name string) string {
	if name == "me" {
		return workspace.PersonID(f.user)
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(f.user+" "+name)).String()
}

// mutationAnswer is what is selected of a mutation's payload.
type mutationAnswer struct {
	Version   *int
	Tasks     []struct{ ID, Title string }
	Conflicts []struct {
		Task             struct{ ID string }
		Field            string
		ChangedByVersion int
	}
	UserErrors []struct {
		Code, Message string
		Field         []string
	}
}

// send sends a mutation and returns its payload.
func (f *undoFixture) send(t *testing.T, name, input, selected string) mutationAnswer {
	t.Helper()
	input = idName.ReplaceAllStringFunc(input, func(s string) string { return `"` + f.id(s[1:]) + `"` })
	document := "mutation { r: " + name + "(input: " + input + ") { " + selected + " } }"
	_, body := f.api.ask(t, f.user, document, nil)
	var r struct {
		Data   struct{ R *mutationAnswer }
		Errors json.RawMessage
	}
	if err := json.Unmarshal(body, &r); err != nil || r.Errors != nil || r.Data.R == nil {
		t.Fatalf("%s: %v\n%s", document, err, body)
	}
	return *r.Data.R
}

// change makes a change and returns its version.
func (f *undoFixture) change(t *testing.T, name, input string) int {
	t.Helper()
	before := f.version(t)
	r := f.send(t, name, input, "version userErrors { code message field }")
	if len(r.UserErrors) > 0 || r.Version == nil || *r.Version != before+1 {
		t.Fatalf("%s(input: %s) at version %d: %+v", name, input, before, r)
	}
	return *r.Version
}

const undoSelection = "version tasks { id title } conflicts { task { id } field changedByVersion } userErrors { code message field }"

// undo undoes a change, and returns the version of the undo.
func (f *undoFixture) undo(t *testing.T, what string, version int) int {
	t.Helper()
	r := f.send(t, "undoChange", fmt.Sprintf("{version: %d}", version), undoSelection)
	if len(r.UserErrors) > 0 || len(r.Conflicts) > 0 || len(r.Tasks) == 0 || r.Version == nil || *r.Version != f.version(t) || *r.Version <= version {
		t.Fatalf("undoing %s at version %d: %+v", what, version, r)
	}
	return *r.Version
}

// version returns the version of the workspace.
func (f *undoFixture) version(t *testing.T) int {
	t.Helper()
	return f.client.Workspace.GetX(f.api.signIn(t.Context(), f.user), f.user).Version
}

// checkUndo makes a change, undoes it, undoes that, and undoes that.
func (f *undoFixture) checkUndo(t *testing.T, name, input string) {
	t.Helper()
	what := name + "(input: " + input + ")"
	before := f.rows(t, nil)
	var created []string
	if name == "createTask" {
		created = []string{f.id("new")}
	}
	did := f.change(t, name, input)
	after := f.rows(t, nil)
	if cmp.Equal(before, after) {
		t.Fatalf("%s changes nothing", what)
	}
	undid := f.undo(t, what, did)
	// What was created is in the trash now. It leaves all else as it was.
	if diff := cmp.Diff(before, f.rows(t, created)); diff != "" {
		t.Errorf("after the undo of %s the rows are not those before (-before +now):\n%s", what, diff)
	}
	inTrash := f.rows(t, nil)
	redid := f.undo(t, "the undo of "+what, undid)
	if diff := cmp.Diff(after, f.rows(t, nil)); diff != "" {
		t.Errorf("after the redo of %s the rows are not those after (-after +now):\n%s", what, diff)
	}
	f.undo(t, "the redo of "+what, redid)
	if diff := cmp.Diff(inTrash, f.rows(t, nil)); diff != "" {
		t.Errorf("after the second undo of %s the rows are not those after the first (-first +now):\n%s", what, diff)
	}
}

// nameNext gives names to the next occurrences among rows and the tasks below them, whose ids differ from time to time, and removes their
// positions.
func (f *undoFixture) nameNext(rows []map[string]any, names map[string]string) {
	for range 3 { // Levels.
		for _, row := range rows {
			id, number, above := fmt.Sprint(row["id"]), row["occurrence_number"], names[fmt.Sprint(row["parent_id"])]
			switch {
			case row["table"] != "tasks" || names[id] != "":
				continue
			case number != nil && fmt.Sprint(number) != "1" && uuid.MustParse(id).Version() == 7:
				names[id] = fmt.Sprintf("occurrence %v of %v", number, row["recurrence_id"])
			case above != "":
				names[id] = fmt.Sprintf("%v below %s", row["title"], above)
			default:
				continue
			}
			delete(row, "position")
		}
	}
}

// checkNotUndoable makes a change, and tries to undo it.
func (f *undoFixture) checkNotUndoable(t *testing.T, name, input string) {
	t.Helper()
	if unversionedMutations[name] != "" {
		before := f.version(t)
		f.send(t, name, input, "userErrors { code message field }")
		if now := f.version(t); now != before {
			t.Errorf("%s takes a version: %d became %d", name, before, now)
		}
		return
	}
	version := f.change(t, name, input)
	before := f.rows(t, nil)
	r := f.send(t, "undoChange", fmt.Sprintf("{version: %d}", version), undoSelection)
	if len(r.UserErrors) != 1 || r.UserErrors[0].Code != "INVALID" || !slices.Equal(r.UserErrors[0].Field, []string{"input", "version"}) || r.Version != nil {
		t.Errorf("undoing %s: %+v, want INVALID at version", name, r)
	}
	if diff := cmp.Diff(before, f.rows(t, nil)); diff != "" || f.version(t) != version {
		t.Errorf("the refused undo of %s has changed rows:\n%s", name, diff)
	}
}

// ignoredColumns are those of versions and times of changes, in all tables.
var ignoredColumns = []string{"version", "updated_at", "created_at"} //nolint:gochecknoglobals // A table.

// rows returns the rows of the workspace, except those of the tasks that were created and are in the trash. Of a time at which
// something was done, it tells only whether it is set. The ids of next occurrences are replaced by their series and numbers.
func (f *undoFixture) rows(t *testing.T, created []string) []string {
	t.Helper()
	var all []map[string]any
	names := map[string]string{}
	for _, table := range migrate.Tables {
		switch table.Name {
		case "tasks", "tags", "task_tags", "recurrences", "occurrences", "reminders", "projects", "sections":
		default:
			continue
		}
		eachRow(t, f.client, table, []string{f.user}, func(values map[string]any) {
			row := map[string]any{"table": table.Name}
			for column, value := range values {
				switch v := value.(type) {
				case []byte:
					value = string(v)
				case time.Time:
					value = v.UTC().String()
				}
				if !slices.Contains(ignoredColumns, column) {
					row[column] = value
				}
			}
			for _, column := range []string{"completed_at", "deleted_at", "ended_at", "at"} {
				if row[column] != nil {
					row[column] = "set"
				}
			}
			if unused := fmt.Sprint(row["unused"]); unused == "true" || unused == "1" {
				return // It is kept for an undo.
			}
			all = append(all, row)
		})
	}
	f.nameNext(all, names)
	createdSeries := map[string]bool{}
	for _, row := range all {
		if slices.Contains(created, fmt.Sprint(row["id"])) && row["recurrence_id"] != nil {
			createdSeries[fmt.Sprint(row["recurrence_id"])] = true
		}
	}
	var rows []string
	for _, row := range all {
		id, task := fmt.Sprint(row["id"]), fmt.Sprint(row["task_id"])
		if slices.Contains(created, id) || slices.Contains(created, task) {
			if row["table"] == "tasks" && row["deleted_at"] == nil {
				t.Errorf("what was created is not in the trash: %v", row)
			}
			continue
		}
		if series := fmt.Sprint(row["recurrence_id"]); row["table"] == "recurrences" && createdSeries[id] || createdSeries[series] {
			continue
		}
		if row["table"] == "occurrences" {
			delete(row, "id")
		}
		encoded, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		text := string(encoded)
		for id, name := range names {
			text = strings.ReplaceAll(text, id, name)
		}
		rows = append(rows, text)
	}
	slices.Sort(rows)
	return rows
}
