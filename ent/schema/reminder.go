package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

// Reminder reminds one user of one task, and nobody else may see it. It is set by a moment (remind_at), or relative to the task's
// due: by minutes_before, or by days_before and time_of_day.
type Reminder struct{ ent.Schema }

// Mixin of the Reminder.
func (Reminder) Mixin() []ent.Mixin { return []ent.Mixin{versioned{}} }

// Fields of the Reminder.
func (Reminder) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("task_id", uuid.UUID{}).Immutable(),
		field.String("user_id").SchemaType(text).Immutable().
			Comment("Its owner."),
		field.Time("remind_at").Optional().Nillable().
			Comment("The moment that it is set to; null if it is relative."),
		field.Int("minutes_before").Optional().Nillable().
			Comment("How long before the due moment; null if it is set otherwise."),
		field.Int("days_before").Optional().Nillable().
			Comment("How many days before the due day; null if it is set otherwise."),
		field.Int("time_of_day").Optional().Nillable().
			Comment("The minute of that day in the owner's time zone; null unless days_before is set."),
		field.Time("fire_at").Optional().Nillable().
			Comment("When it fires next; null if it will not, so also unless it is WAITING."),
		field.Time("fired_at").Optional().Nillable().
			Comment("When it fired last."),
		field.String("time_zone").Optional().Nillable().SchemaType(text).
			Comment("The owner's time zone that fire_at was computed in; null unless days_before is set."),
		field.Time("snoozed_until").Optional().Nillable().
			Comment("Until when it is snoozed, which goes before what it was set by; null if it is not."),
		field.String("state").SchemaType(text).
			Comment("A ReminderState of the API."),
	}
}

// Edges of the Reminder.
func (Reminder) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("task", Task.Type).Field("task_id").Unique().Required().Immutable().
			Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

// Indexes of the Reminder.
func (Reminder) Indexes() []ent.Index {
	return []ent.Index{
		// The reminders of tasks, and the foreign key.
		index.Fields("task_id", "user_id").StorageKey("reminders_by_task"),
		// Those that fire next, of all workspaces.
		index.Fields("fire_at").StorageKey("reminders_by_fire_at").Annotations(entsql.IndexWhere("fire_at IS NOT NULL")),
		// A user's that have fired and are not dismissed.
		index.Fields("workspace_id", "user_id", "fired_at", "id").StorageKey("reminders_fired").
			Annotations(entsql.IndexWhere("state = 'FIRED'")),
	}
}
