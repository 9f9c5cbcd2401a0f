package graph_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskql/internal/task"
)

// The domain's inputs have the fields of the schema's inputs, and no others.
func TestInputsAreTheSchemas(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	for name, input := range map[string]any{
		"CreateTaskInput": task.CreateInput{}, "UpdateTaskInput": task.UpdateInput{}, "TaskPatch": task.Patch{},
		"UpdateTasksInput": task.UpdateManyInput{}, "MoveTaskInput": task.MoveInput{},
		"CreateTagInput": task.CreateTagInput{}, "UpdateTagInput": task.UpdateTagInput{},
	} {
		var want, got []string
		for _, f := range schema.Types[name].Fields {
			want = append(want, strings.ToLower(f.Name))
		}
		for _, f := range reflect.VisibleFields(reflect.TypeOf(input)) {
			if !f.Anonymous {
				got = append(got, strings.ToLower(f.Name))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s of the schema and %T differ (-schema +domain):\n%s", name, input, diff)
		}
	}
}
