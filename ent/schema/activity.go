package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

// Activity is what one change did to one task. It is written in the change's own transaction, and kept for HISTORY_DAYS.
type Activity struct{ ent.Schema }

// Mixin of the Activity.
func (Activity) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the Activity.
func (Activity) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Immutable().
			Comment("UUIDv7, with the time of the change: old activities are found by it without another index."),
		field.String("workspace_id").SchemaType(text).Immutable(),
		field.Int("version").NonNegative().Immutable().
			Comment("The workspace's version that the change made."),
		field.UUID("task_id", uuid.UUID{}).Immutable().
			Comment("No foreign key, which each change would pay for: purging a task deletes its activities."),
		field.String("actor_id").SchemaType(text).Optional().Nillable().Immutable().
			Comment("The user who made the change; null if the server did."),
		field.String("via").SchemaType(text).Immutable().
			Comment("An ActorKind of the API."),
		field.String("action").SchemaType(text).Immutable().
			Comment("An ActivityAction of the API."),
		field.String("changes").SchemaType(text).Optional().Nillable().Immutable().
			Comment("What was changed, as JSON that nobody queries; null if the action says it all. Package history has its fields."),
		field.String("old_description").SchemaType(text).Optional().Nillable().
			Comment("The description before the change, if that changed it: the one after it is that before the next such change."),
		field.Bool("describes").Default(false).Immutable().
			Comment("Whether the change changed the description."),
		field.Time("at").Default(time.Now).Immutable(),
	}
}

// Edges of the Activity.
func (Activity) Edges() []ent.Edge { return []ent.Edge{ownedBy("")} }

// Indexes of the Activity: a workspace's activities by version, and a task's.
func (Activity) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("workspace_id", "version", "task_id").Unique().StorageKey("activities_by_version"),
		index.Fields("workspace_id", "task_id", "version").StorageKey("activities_by_task"),
	}
}
