package graph_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/ent"
	"taskql/graph"
	"taskql/internal/reminder"
	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

// leftToGqlgen are the fields without an entry on purpose: an operation with one of them is executed by gqlgen.
var leftToGqlgen = []string{} //nolint:gochecknoglobals // A table.

// Every field of the schema's object types has an entry in the table of fields, or is left to gqlgen on purpose; and every
// entry has a field.
func TestEveryFieldHasAnEntry(t *testing.T) {
	t.Parallel()
	api := apiOf(t, func(*graph.Config) {})
	for _, field := range api.WithoutField() {
		t.Errorf("%s has an entry in the table of fields and is not in the schema: add it to graph/schema, or remove the entry", field)
	}
	for _, field := range api.WithoutEntry() {
		if !slices.Contains(leftToGqlgen, field) {
			t.Errorf("%s has no entry in the table of output fields (graph/fields.go or its entity's file), so gqlgen executes every operation with it: add one, or list the field in leftToGqlgen", field)
		}
	}
}

// TestColumnsSuffice asks for each field of a row by itself, which reads the columns of its entry alone, and for all fields
// at once, which reads all columns: the values are the same.
func TestColumnsSuffice(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		client := db.Client
		a := newAPI(t, db, "alice")
		rows := wholeRows(t, client, a)
		client.Workspace.UpdateOneID("alice").SetVersion(100).ExecX(a.signIn(t.Context(), "alice"))
		schema := schemaOf(t)
		for _, def := range schema.GetPossibleTypes(schema.Types["Node"]) {
			typ := def.Name
			if def.Fields.ForName("version") == nil || typ == "Workspace" {
				continue // It is read whole.
			}
			if len(rows[typ]) == 0 {
				t.Errorf("add rows of %s to wholeRows", typ)
			}
			var all []string
			selections := map[string]column{}
			for _, f := range schema.Types[typ].Fields {
				below := scalarsOf(schema, schema.Types[f.Type.Name()])
				if below == nil && schema.Types[f.Type.Name()].IsCompositeType() {
					continue // A connection, which needs no column but the id.
				}
				if below == nil {
					all = append(all, f.Name)
					selections[f.Name] = column{f.Name, ""}
					continue
				}
				all = append(all, f.Name+" { "+strings.Join(below, " ")+" }")
				for _, name := range below {
					selections[f.Name+" { "+name+" }"] = column{f.Name, name}
				}
			}
			for selection, of := range selections {
				hasValue := false
				for _, id := range rows[typ] {
					want := of.in(rootObject(t, a, node(typ, id, strings.Join(all, " "))))
					got := of.in(rootObject(t, a, node(typ, id, selection)))
					if !cmp.Equal(got, want) {
						t.Errorf("%s.%s alone is %v, with all columns %v: its entry lacks a column", typ, selection, got, want)
					}
					hasValue = hasValue || !slices.Contains([]any{nil, false, 0.0, "", "NONE"}, want)
				}
				if !hasValue {
					t.Errorf("%s.%s is null or zero in every row of the test: its entry lacks a column, or wholeRows a value", typ, selection)
				}
			}
		}
	})
}

// node returns a document that selects of the object with that id.
func node(typ, id, selection string) string {
	return fmt.Sprintf("{ r: node(id: %q) { ... on %s { %s } } }", id, typ, selection)
}

// scalarsOf lists the fields of an object type that have no selections; nil for any other type.
func scalarsOf(schema *ast.Schema, def *ast.Definition) []string {
	var names []string
	for _, f := range def.Fields {
		if !schema.Types[f.Type.Name()].IsCompositeType() {
			names = append(names, f.Name)
		}
	}
	return names
}

// column is a field of an object, or a field below it.
type column struct{ field, below string }

// in returns the column's value in an object, that of the first element of a list.
func (c column) in(object map[string]any) any {
	value := object[c.field]
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	if below, ok := value.(map[string]any); ok {
		value = below[c.below]
	}
	return value
}

// rootObject returns the object that is the answer's root field r.
func rootObject(t *testing.T, a *api, document string) map[string]any {
	t.Helper()
	var response struct{ Data struct{ R map[string]any } }
	body := answer(t, a, document, nil)
	if err := json.Unmarshal(body, &response); err != nil || len(response.Data.R) == 0 {
		t.Fatalf("%s: %s", document, body)
	}
	return response.Data.R
}

// wholeRows makes rows that have a value in every column between them, and returns their ids.
func wholeRows(t *testing.T, client *ent.Client, a *api) map[string][]string {
	t.Helper()
	ctx, v := a.signIn(t.Context(), "alice"), a.users["alice"]
	now := time.Unix(0, a.now.Load()).UTC()
	day, at := now.Truncate(24*time.Hour), now.Add(-time.Hour)
	create := func(i int) *ent.TaskCreate {
		return client.Task.Create().SetID(ids(i)).SetWorkspaceID(v.WorkspaceID).SetVersion(i).SetTitle(fmt.Sprint("Task ", i)).SetDescription("text").
			SetPosition([]byte{byte(i)}).SetPriority(i).SetDueDate(day).SetDueSort(at).SetDueAt(at).SetDueTimeZone("Asia/Karachi").SetCreatedAt(at).SetUpdatedAt(now)
	}
	tag := client.Tag.Create().SetID(ids(9)).SetWorkspaceID(v.WorkspaceID).SetVersion(9).SetName("home").SetNameKey([]byte("home")).SetColor("#16a34a").
		SetCreatedAt(at).SetUpdatedAt(now).SaveX(ctx)
	// A task that is overdue since an hour, with a subtask, which has one that is done and one that is in the trash, too. The
	// last is the parent of another.
	client.User.UpdateOneID(v.UserID).SetImage("https://example.com/alice.png").ExecX(ctx)
	create(1).SetAssigneeID(v.UserID).SaveX(ctx)
	create(2).SetParentID(ids(1)).SaveX(ctx)
	create(3).SetParentID(ids(2)).SetCompleted(true).SetCompletedAt(at).SaveX(ctx)
	create(4).SetParentID(ids(2)).SetCompleted(true).SetCompletedAt(at).SetDeletedAt(now).SaveX(ctx)
	create(5).SetPriority(0).SetParentID(ids(4)).SaveX(ctx)
	project := client.Project.Create().SetID(ids(30)).SetWorkspaceID(v.WorkspaceID).SetVersion(30).SetName("project").SetDescription("text").SetColor("#16a34a").
		SetPosition([]byte("a0")).SetArchivedAt(at).SetDeletedAt(now).SetCreatedAt(at).SetUpdatedAt(now).SaveX(ctx)
	section := client.Section.Create().SetID(ids(31)).SetWorkspaceID(v.WorkspaceID).SetVersion(31).SetProjectID(project.ID).SetName("section").
		SetPosition([]byte("a0")).SetCreatedAt(at).SetUpdatedAt(now).SaveX(ctx)
	client.Task.UpdateOneID(ids(1)).SetProjectID(project.ID).SetSectionID(section.ID).ExecX(ctx)
	for i := range 4 {
		client.TaskTag.Create().SetTaskID(ids(i + 1)).SetTagID(tag.ID).SetWorkspaceID(v.WorkspaceID).SaveX(ctx)
	}
	remind := func(i int, change func(*ent.ReminderCreate)) string {
		q := client.Reminder.Create().SetID(ids(20 + i)).SetWorkspaceID(v.WorkspaceID).SetUserID(v.UserID).SetTaskID(ids(i)).SetVersion(i).
			SetState(reminder.Waiting).SetFireAt(now).SetFiredAt(at).SetCreatedAt(at).SetUpdatedAt(now)
		change(q)
		return q.SaveX(ctx).ID.String()
	}
	reminders := []string{
		remind(1, func(q *ent.ReminderCreate) { q.SetMinutesBefore(10) }),
		remind(2, func(q *ent.ReminderCreate) { q.SetDaysBefore(1).SetTimeOfDay(540) }),
		remind(4, func(q *ent.ReminderCreate) { q.SetMinutesBefore(20) }),
	}
	// A series with moments, of which the third occurrence is open: that of the second task.
	client.Recurrence.Create().SetID(ids(8)).SetWorkspaceID(v.WorkspaceID).SetVersion(8).SetRule("FREQ=DAILY;COUNT=5").SetMode("SCHEDULE").
		SetCatchUp("NEXT_FUTURE").SetStartDate(day.AddDate(0, 0, -2)).SetStartAt(at.AddDate(0, 0, -2)).SetTimeZone("Asia/Karachi").
		SetFirstNumber(1).SetLastNumber(3).SetCreatedAt(at).SetUpdatedAt(now).SaveX(ctx)
	// One that has ended.
	client.Recurrence.Create().SetID(ids(7)).SetWorkspaceID(v.WorkspaceID).SetVersion(7).SetRule("FREQ=DAILY").SetMode("SCHEDULE").
		SetCatchUp("EACH").SetStartDate(day).SetEndedAt(now).SetCreatedAt(at).SetUpdatedAt(now).SaveX(ctx)
	for i, outcome := range []string{"COMPLETED", "SKIPPED", "OPEN"} {
		o := client.Occurrence.Create().SetID(uuid.New()).SetWorkspaceID(v.WorkspaceID).SetRecurrenceID(ids(8)).SetNumber(i + 1).
			SetDueDate(day.AddDate(0, 0, i-2)).SetDueAt(at.AddDate(0, 0, i-2)).SetDueTimeZone("Asia/Karachi").SetOutcome(outcome)
		if outcome != "OPEN" {
			o.SetAt(now)
		}
		o.SaveX(ctx)
	}
	client.Task.UpdateOneID(ids(4)).SetRecurrenceID(ids(7)).SetOccurrenceNumber(1).SaveX(ctx)
	for i, number := range []int{3, 1} {
		client.Task.UpdateOneID(ids(2 + i)).SetRecurrenceID(ids(8)).SetOccurrenceNumber(number).SaveX(ctx)
	}
	return map[string][]string{
		"Task": {ids(1).String(), ids(2).String(), ids(3).String(), ids(4).String(), ids(5).String()}, "Tag": {tag.ID.String()},
		"Project": {project.ID.String()}, "Section": {section.ID.String()},
		"Reminder": reminders, "Recurrence": {ids(8).String(), ids(7).String()},
	}
}
