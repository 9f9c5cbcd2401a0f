package task

import (
	"slices"
	"testing"
)

// TestFeedColumnsAreAppended: tokens that clients keep have a bit for each column, by its index. A new column goes to the end of
// its table in columns.go, and of these lists.
func TestFeedColumnsAreAppended(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"tags": {"id", "workspace_id", "version", "name", "name_key", "color", "created_at", "updated_at"},
		"tasks": {
			"id", "workspace_id", "version", "title", "description", "completed", "completed_at", "priority", "due_date", "due_at",
			"due_time_zone", "due_sort", "parent_id", "position", "title_key", "search_text", "created_at", "updated_at", "deleted_at",
			"trashed_with", "recurrence_id", "occurrence_number", "has_reminders",
		},
	}
	order := map[string]int{"tags": 1, "tasks": 2}
	for _, kind := range (&Service{}).feedKinds() {
		if !slices.Equal(kind.Columns, want[kind.Table]) || len(kind.Columns) > 64 {
			t.Errorf("the columns of %s are %q, want %q", kind.Table, kind.Columns, want[kind.Table])
		}
		if kind.Order != order[kind.Table] {
			t.Errorf("%s has the place %d, want %d", kind.Table, kind.Order, order[kind.Table])
		}
	}
}
