package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

// Project is a list that tasks are put into.
type Project struct{ ent.Schema }

// Mixin of the Project.
func (Project) Mixin() []ent.Mixin { return []ent.Mixin{versioned{}} }

// Fields of the Project.
func (Project) Fields() []ent.Field {
	return []ent.Field{
		field.String("name").SchemaType(text),
		field.String("description").SchemaType(text).Optional().Nillable(),
		field.String("color").SchemaType(text).
			Comment("#rrggbb, in lower case."),
		field.Bytes("position").
			Comment("The manual order within the workspace: a fractional index, compared byte by byte."),
		field.Time("archived_at").Optional().Nillable().
			Comment("When it was archived; null if it is not."),
		field.Time("deleted_at").Optional().Nillable().
			Comment("When it was put into the trash; null if it is not there. Its tasks that went along have its id as trashed_with."),
	}
}

// Indexes of the Project: a workspace has few, so that all orders and scopes are read through one.
func (Project) Indexes() []ent.Index {
	return []ent.Index{index.Fields("workspace_id", "position", "id").StorageKey("projects_by_position")}
}

// Section is a part of a project.
type Section struct{ ent.Schema }

// Mixin of the Section.
func (Section) Mixin() []ent.Mixin { return []ent.Mixin{versioned{}} }

// Fields of the Section.
func (Section) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("project_id", uuid.UUID{}).Immutable(),
		field.String("name").SchemaType(text),
		field.Bytes("position").
			Comment("The manual order within the project: a fractional index, compared byte by byte."),
	}
}

// Edges of the Section.
func (Section) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("project", Project.Type).Field("project_id").Unique().Required().Immutable().
			Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

// Indexes of the Section: the sections of a project, and the foreign key.
func (Section) Indexes() []ent.Index {
	return []ent.Index{index.Fields("project_id", "position", "id").StorageKey("sections_by_project")}
}
