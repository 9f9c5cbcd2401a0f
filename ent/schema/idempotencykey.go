package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

// IdempotencyKey remembers what a mutation answered, so that the same request again gets the same answer and
// has no second effect. It is written in the mutation's own transaction.
type IdempotencyKey struct{ ent.Schema }

// Mixin of the IdempotencyKey.
func (IdempotencyKey) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the IdempotencyKey.
func (IdempotencyKey) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Immutable().
			Comment("UUIDv7: old keys are found by it without another index."),
		field.String("workspace_id").SchemaType(text).Immutable().
			Comment("The personal workspace of the user who sent it, so that a key is unique for its user, whichever workspace the mutation changes."),
		field.String("changed_workspace_id").SchemaType(text).Optional().Nillable().Immutable().
			Comment("The workspace that the mutation has changed; null if it is the same."),
		field.String("key").SchemaType(text).Immutable().
			Comment("The client's, opaque."),
		field.Bytes("request_hash").
			Comment("SHA-256 of the mutation's name and its input."),
		field.String("answer").SchemaType(text).
			Comment("What the mutation answered the first time, as JSON that nobody queries."),
		field.Int("version").Optional().Nillable().NonNegative().Immutable().
			Comment("The version that the mutation answered; null if the release before stored the answer."),
		field.Time("created_at").Default(time.Now),
	}
}

// Edges of the IdempotencyKey.
func (IdempotencyKey) Edges() []ent.Edge {
	return []ent.Edge{
		ownedBy("idempotency_keys_workspaces_idempotency_keys"),
	}
}

// Indexes of the IdempotencyKey.
func (IdempotencyKey) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("workspace_id", "key").Unique(),
		// The answers of an organization's workspace, to forget what is deleted for good.
		index.Fields("changed_workspace_id").StorageKey("idempotency_keys_changed").
			Annotations(entsql.IndexWhere("changed_workspace_id IS NOT NULL")),
	}
}
