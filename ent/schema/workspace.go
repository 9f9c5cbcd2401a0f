package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/field"
)

// Workspace is the unit of authorization, ordering and limits. Every row of a user's data carries its id, and
// every index starts with it.
type Workspace struct{ ent.Schema }

// Mixin of the Workspace.
func (Workspace) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the Workspace.
func (Workspace) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").SchemaType(text).NotEmpty().Immutable().
			Comment("A personal workspace has its user's id, and an organization's is organization/ and its id; opaque text."),
		field.String("kind").SchemaType(text).Default("PERSONAL").Immutable().Annotations(entsql.Default("PERSONAL")).
			Comment("A WorkspaceKind of the API."),
		field.String("name").SchemaType(text).Default("").Annotations(entsql.Default("")).
			Comment("The organization's name as it was last seen; empty for a personal workspace."),
		field.Int("version").Default(0).NonNegative().Annotations(entsql.Default("0")).
			Comment("The number of the last change. Every write increments it first, which also locks the workspace."),
		field.Int("keys_version").Default(0).NonNegative().Annotations(entsql.Default("0")).
			Comment("Up to this version, all keys of texts are those that this release makes. Later rows may have those of the release before."),
		field.Int("task_count").Default(0).NonNegative().Annotations(entsql.Default("0")).
			Comment("How many tasks there are, the trash included. The write path keeps it, so that the limit costs no count."),
		field.Int("project_count").Default(0).NonNegative().Annotations(entsql.Default("0")).
			Comment("How many projects there are, those that are archived or in the trash included, as task_count."),
		field.Int("idempotency_key_count").Default(0).NonNegative().Annotations(entsql.Default("0")).
			Comment("How many idempotency keys are remembered. The write path keeps it, and clean-up corrects it."),
		field.Int("idempotency_key_bytes").Default(0).NonNegative().Annotations(entsql.Default("0")).
			Comment("How many bytes those keys and their answers have."),
		field.Int("history_bytes").Default(0).NonNegative().Annotations(entsql.Default("0")).
			Comment("How many bytes the descriptions in its activities have, or more: those that were deleted with their tasks may be counted."),
		field.Int("feed_version").Default(0).NonNegative().Annotations(entsql.Default("0")).
			Comment("The version that a release that writes tombstones made last. If it is not version, the release before has changed the workspace since, and may have left no tombstones."),
		field.Int("feed_floor").Default(0).NonNegative().Annotations(entsql.Default("0")).
			Comment("Up to this version, tombstones may be missing."),
		field.Time("closed_at").Optional().Nillable().
			Comment("When its user began to be erased: from then on it can't be written to."),
		field.Time("created_at").Default(time.Now).Immutable(),
	}
}
