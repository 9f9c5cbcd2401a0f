package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

// Tag is a label that tasks carry.
type Tag struct{ ent.Schema }

// Mixin of the Tag.
func (Tag) Mixin() []ent.Mixin {
	return []ent.Mixin{versioned{constraint: "tags_workspaces_tags"}}
}

// Fields of the Tag.
func (Tag) Fields() []ent.Field {
	return []ent.Field{
		field.String("name").SchemaType(text),
		field.Bytes("name_key").StructTag(`json:"-"`).
			Comment("What makes the name unique, and sorts it: without regard to case, invisible characters and spacing, the same on every database."),
		field.String("color").SchemaType(text).
			Comment("#rrggbb, in lower case."),
	}
}

// Edges of the Tag.
func (Tag) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("tasks", Task.Type).Ref("tags").Through("task_tags", TaskTag.Type),
	}
}

// Indexes of the Tag.
func (Tag) Indexes() []ent.Index {
	return []ent.Index{index.Fields("workspace_id", "name_key").Unique().StorageKey("tags_by_name")}
}

// TaskTag says that a task carries a tag.
type TaskTag struct{ ent.Schema }

// Mixin of the TaskTag.
func (TaskTag) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the TaskTag.
func (TaskTag) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("task_id", uuid.UUID{}).Immutable(),
		field.UUID("tag_id", uuid.UUID{}).Immutable(),
		field.String("workspace_id").SchemaType(text).Immutable(),
	}
}

// Edges of the TaskTag.
func (TaskTag) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("task", Task.Type).Field("task_id").Unique().Required().Immutable().
			Annotations(entsql.OnDelete(entsql.Cascade)),
		edge.To("tag", Tag.Type).Field("tag_id").Unique().Required().Immutable().
			Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

// Indexes of the TaskTag: the way from a tag to its tasks, also for the foreign key. The primary key serves the other.
func (TaskTag) Indexes() []ent.Index {
	return []ent.Index{index.Fields("tag_id", "task_id").StorageKey("task_tags_by_tag")}
}

// Annotations of the TaskTag.
func (TaskTag) Annotations() []schema.Annotation {
	return []schema.Annotation{field.ID("task_id", "tag_id"), entsql.Table("task_tags")}
}
