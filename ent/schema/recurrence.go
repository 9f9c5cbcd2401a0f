package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

// Recurrence is how a task repeats: a series of occurrences, each of which is a task of its own. At most one of them is open.
type Recurrence struct{ ent.Schema }

// Mixin of the Recurrence.
func (Recurrence) Mixin() []ent.Mixin { return []ent.Mixin{versioned{}} }

// Fields of the Recurrence.
func (Recurrence) Fields() []ent.Field {
	return []ent.Field{
		field.String("rule").SchemaType(text).
			Comment("An RFC 5545 rule in canonical form."),
		field.String("mode").SchemaType(text).
			Comment("A RecurrenceMode of the API."),
		field.String("catch_up").SchemaType(text).
			Comment("A CatchUp of the API."),
		field.Time("start_date").SchemaType(map[string]string{dialect.Postgres: "date"}).
			Comment("The day of the first occurrence by this rule, midnight UTC in Go; of a moment, its day in time_zone."),
		field.Time("start_at").Optional().Nillable().
			Comment("The moment of the first occurrence by this rule; null if the series has days."),
		field.String("time_zone").Optional().Nillable().SchemaType(text).
			Comment("The time zone of a series that has moments; else null."),
		field.Int("first_number").Default(1).Annotations(entsql.Default("1")).
			Comment("The number of the first occurrence by this rule: COUNT counts from there. It is less than 1 if so many were missed that the log lacks some."),
		field.Int("last_number").Default(1).NonNegative().Annotations(entsql.Default("1")).
			Comment("The number of the last occurrence so far: the open one, unless the series has ended."),
		field.Time("ended_at").Optional().Nillable().
			Comment("When the series ended; null while it goes on. It also has ended while its open occurrence is in the trash."),
		field.Bool("unused").Default(false).Annotations(entsql.Default("false")).
			Comment("Whether no task is left. Such a series has ended, and is deleted once that can't be undone any more."),
	}
}

// Indexes of the Recurrence: those of every versioned entity, and the unused ones of all workspaces, which are removed.
func (Recurrence) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("ended_at").StorageKey("recurrences_unused").Annotations(entsql.IndexWhere("unused")),
	}
}

// Occurrence is one occurrence of a series. Its task is the one of its series that has its number.
type Occurrence struct{ ent.Schema }

// Mixin of the Occurrence.
func (Occurrence) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the Occurrence.
func (Occurrence) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Immutable(),
		field.String("workspace_id").SchemaType(text).Immutable(),
		field.UUID("recurrence_id", uuid.UUID{}).Immutable(),
		field.Int("number").Positive().Immutable().
			Comment("From 1 on, without gaps."),
		field.Time("due_date").SchemaType(map[string]string{dialect.Postgres: "date"}).
			Comment("The day on which the rule put it, midnight UTC in Go; of a moment, its day in due_time_zone."),
		field.Time("due_at").Optional().Nillable().
			Comment("The moment at which the rule put it; null if the series has days."),
		field.String("due_time_zone").Optional().Nillable().SchemaType(text),
		field.String("outcome").SchemaType(text).
			Comment("An OccurrenceOutcome of the API."),
		field.Time("at").Optional().Nillable().
			Comment("When it was completed, skipped or found missed; null while it is open."),
		field.Int("version").Default(0).NonNegative().Annotations(entsql.Default("0")).
			Comment("The workspace's version that changed this row last; 0 if that was another workspace."),
	}
}

// Edges of the Occurrence.
func (Occurrence) Edges() []ent.Edge {
	return []ent.Edge{
		ownedBy(""),
		edge.To("recurrence", Recurrence.Type).Field("recurrence_id").Unique().Required().Immutable().
			Annotations(entsql.OnDelete(entsql.Cascade)),
	}
}

// Indexes of the Occurrence: the log of a series, which also serves the foreign key, and the foreign key of the workspace.
func (Occurrence) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("recurrence_id", "number").Unique().StorageKey("occurrences_by_number"),
		index.Fields("workspace_id", "id").StorageKey("occurrences_by_workspace"),
	}
}

// Annotations of the Occurrence.
func (Occurrence) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("occurrences")}
}
