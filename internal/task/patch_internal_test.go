package task

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"taskql/ent"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// Every field of a Patch has an entry in patchFields: without one it would be accepted and ignored.
func TestPatchFieldsAreThePatchs(t *testing.T) {
	t.Parallel()
	looked := []string{"AddTagIDs", "RemoveTagIDs", "ProjectID", "SectionID"} // They name rows, which are looked up.
	for field := range reflect.TypeFor[Patch]().Fields() {
		if slices.Contains(looked, field.Name) {
			continue
		}
		var p Patch
		reflect.ValueOf(&p).Elem().FieldByIndex(field.Index).FieldByName("Set").SetBool(true)
		var errs workspace.Violations
		if got, err := new(Service).checkPatch(t.Context(), &errs, "", p, viewer.Viewer{}); err != nil || len(got.edits) != 1 {
			t.Errorf("a patch with %s alone makes %d edits: patchFields needs an entry for it", field.Name, len(got.edits))
		}
	}
}

// The JSON of an input, of which an idempotency key's hash is made, has no field that the request leaves out, except those
// of the first release. Otherwise a request that is repeated during a deployment would be refused.
func TestAbsentFieldsAreNotHashed(t *testing.T) {
	t.Parallel()
	for want, input := range map[string]any{
		`{"title":""}`: CreateInput{},
		`{"id":"","title":{"set":false,"value":null},"description":{"set":false,"value":null}}`: UpdateInput{},
		`{}`: Patch{},
	} {
		got, err := json.Marshal(input)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("the empty %T is hashed as %s, want %s: new fields need omitempty or omitzero in their JSON tags", input, got, want)
		}
	}
}

// An edit names every column that it sets: another would be returned to the client and not stored.
func TestEditsNameTheirColumns(t *testing.T) {
	t.Parallel()
	priority, zone, description, person := PriorityUrgent, "Asia/Karachi", "some", workspace.PersonID("ada")
	in := CreateInput{
		Title: "title", Description: &description, Priority: &priority, AssigneeID: &person,
		Due: &DueInput{At: &MomentInput{At: time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC), TimeZone: &zone}},
	}
	elsewhere := []string{"ID", "WorkspaceID", "ParentID", "ProjectID", "SectionID", "TagIDs", "Recurrence", "IdempotencyKey"} // Not set by edits.
	for field, value := range reflect.ValueOf(in).Fields() {
		if value.IsZero() && !slices.Contains(elsewhere, field.Name) {
			t.Errorf("the input has no %s", field.Name)
		}
	}
	var errs workspace.Violations
	edits := []edit{textsEdit(in.Title, in.Description)}
	for _, f := range patchFields {
		edits = append(edits, f.ofCreate(&errs, &in, viewer.Viewer{Location: time.UTC}))
	}
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, e := range edits {
		var before, after ent.Task
		e.set(&after)
		if !e.differs(&before) {
			t.Errorf("an edit of %v does not differ from an empty task", e.columns)
		}
		for _, c := range taskColumns.columns {
			if changes := !sameValue(c.value(&before), c.value(&after)); changes && !slices.Contains(slices.Concat(e.columns, e.derived), c.name) {
				t.Errorf("an edit of %v sets %s, which it does not name", e.columns, c.name)
			}
		}
	}
}
