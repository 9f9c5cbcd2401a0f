package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

// Tombstone says that an object of a workspace was deleted for good, so that clients with a copy of the workspace can be told. It is
// written in the transaction that deletes the object, and kept for FEED_DAYS.
type Tombstone struct{ ent.Schema }

// Mixin of the Tombstone.
func (Tombstone) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the Tombstone.
func (Tombstone) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Immutable().
			Comment("UUIDv7, with the time of the deletion: old tombstones are found by it without another index."),
		field.String("workspace_id").SchemaType(text).Immutable(),
		field.Int("version").NonNegative().Immutable().
			Comment("The workspace's version that deleted the object."),
		field.String("kind").SchemaType(text).Immutable().
			Comment("What the object was: a workspace.Kind."),
		field.UUID("object_id", uuid.UUID{}).Immutable().
			Comment("The id that the object had."),
		field.String("user_id").SchemaType(text).Optional().Nillable().Immutable().
			Comment("The only user who may be told, if nobody else could see the object; else null."),
	}
}

// Edges of the Tombstone.
func (Tombstone) Edges() []ent.Edge { return []ent.Edge{ownedBy("")} }

// Indexes of the Tombstone: the order in which clients read them.
func (Tombstone) Indexes() []ent.Index {
	return []ent.Index{index.Fields("workspace_id", "version", "kind", "object_id").Unique().StorageKey("tombstones_by_version")}
}
