package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

// Member is a user of an organization's workspace as last seen, so that whoever has left is still named. It gives nobody access: the
// auth server says who is a member now.
type Member struct{ ent.Schema }

// Mixin of the Member.
func (Member) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the Member.
func (Member) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Immutable(),
		field.String("workspace_id").SchemaType(text).Immutable(),
		field.String("user_id").SchemaType(text).Immutable().
			Comment("The auth server's id. The user may never have used this server."),
		field.String("name").SchemaType(text).
			Comment("As last seen. The user's own row, if there is one, is newer."),
		field.String("image").SchemaType(text).Optional().Nillable(),
		field.Time("updated_at").Default(time.Now),
	}
}

// Edges of the Member.
func (Member) Edges() []ent.Edge { return []ent.Edge{ownedBy("")} }

// Indexes of the Member: also the workspaces of a user, to erase the user from them.
func (Member) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("workspace_id", "user_id").Unique().StorageKey("members_by_workspace"),
		index.Fields("user_id").StorageKey("members_by_user"),
	}
}
