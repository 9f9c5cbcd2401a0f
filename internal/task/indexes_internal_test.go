package task

import (
	"slices"
	"testing"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"

	"taskql/ent/schema"
	enttask "taskql/ent/task"
)

// Every order of a list has an index of active tasks.
func TestOrdersHaveIndexes(t *testing.T) {
	t.Parallel()
	for field := range taskOrders.Fields {
		o, err := taskOrders.By([]Order{{Field: field}})
		if err != nil {
			t.Fatal(err)
		}
		columns := append([]string{enttask.FieldWorkspaceID}, o.Columns()...)
		if !slices.ContainsFunc(schema.Task{}.Indexes(), func(i ent.Index) bool {
			return slices.Equal(i.Descriptor().Fields, columns) && indexWhere(i) == "deleted_at IS NULL AND hidden_at IS NULL"
		}) {
			t.Errorf("the order %s has no index: add listedBy with its columns to Indexes in ent/schema/task.go", field)
		}
	}
}

// indexWhere returns the condition of a partial index, "" if there is none.
func indexWhere(i ent.Index) string {
	for _, a := range i.Descriptor().Annotations {
		if a, ok := a.(*entsql.IndexAnnotation); ok {
			return a.Where
		}
	}
	return ""
}
