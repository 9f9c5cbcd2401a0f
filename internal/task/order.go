package task

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/internal/keyset"
)

// OrderField is a field that lists of tasks can be sorted by: one of taskOrders.
type OrderField string

// Order is one term of a list's order.
type Order = keyset.OrderBy[OrderField]

// taskOrders are the orders of lists of tasks. Their prefix is empty because they were the first.
var taskOrders = keyset.Orders[*ent.Task, OrderField]{ //nolint:gochecknoglobals // A table.
	ID:      func(t *ent.Task) uuid.UUID { return t.ID },
	Default: Order{Field: "CREATED_AT", Direction: keyset.Descending},
	Fields: map[OrderField][]keyset.Column[*ent.Task]{
		"CREATED_AT":   {keyset.Time(enttask.FieldCreatedAt, func(t *ent.Task) time.Time { return t.CreatedAt })},
		"UPDATED_AT":   {keyset.Time(enttask.FieldUpdatedAt, func(t *ent.Task) time.Time { return t.UpdatedAt })},
		"COMPLETED_AT": {keyset.NullTime(enttask.FieldCompletedAt, func(t *ent.Task) *time.Time { return t.CompletedAt })},
		"DUE": {
			keyset.NullTime(enttask.FieldDueDate, func(t *ent.Task) *time.Time { return t.DueDate }),
			keyset.NullTime(enttask.FieldDueSort, func(t *ent.Task) *time.Time { return t.DueSort }),
		},
		"PRIORITY": {keyset.SmallInt(enttask.FieldPriority, func(t *ent.Task) int { return t.Priority })},
		"TITLE":    {keyset.Bytes(enttask.FieldTitleKey, func(t *ent.Task) []byte { return t.TitleKey })},
		"MANUAL":   {keyset.Bytes(enttask.FieldPosition, func(t *ent.Task) []byte { return t.Position })},
	},
}

// OrderFields returns the fields that lists of tasks can be sorted by, sorted by name.
func OrderFields() []OrderField { return slices.Sorted(maps.Keys(taskOrders.Fields)) }

// manualOrder returns the order of subtasks.
func manualOrder() keyset.Order[*ent.Task] {
	o, err := taskOrders.By([]Order{{Field: "MANUAL"}})
	if err != nil {
		panic(err) // The table above has the field.
	}
	return o
}

// tagOrder returns the order of tags, which is by name.
func tagOrder() keyset.Order[*ent.Tag] {
	return keyset.NewOrder("tags by name", func(t *ent.Tag) uuid.UUID { return t.ID },
		keyset.Term[*ent.Tag]{Columns: []keyset.Column[*ent.Tag]{keyset.Bytes(enttag.FieldNameKey, func(t *ent.Tag) []byte { return t.NameKey })}})
}
