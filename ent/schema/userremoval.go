package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema/field"
)

// UserRemoval says that a user is to be erased, or was a short while ago. While it is pending, it holds the plain ids that
// the work needs. Afterwards it holds none, and keeps a session that is still accepted from making the user's row again.
type UserRemoval struct{ ent.Schema }

// Mixin of the UserRemoval.
func (UserRemoval) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the UserRemoval.
func (UserRemoval) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").SchemaType(text).NotEmpty().Immutable().
			Comment("SHA-256 of the user's id, in hexadecimal."),
		field.String("user_id").SchemaType(text).Optional().Nillable().
			Comment("The user's id while the removal is pending; then null."),
		field.String("move_to").SchemaType(text).Optional().Nillable().
			Comment("The user who gets the tasks and tags before the rest is erased; null if they are erased, too."),
		field.Time("created_at").Default(time.Now).
			Comment("When the removal was asked for."),
		field.Time("finished_at").Optional().Nillable().
			Comment("When the last row was erased; null while the removal is pending."),
	}
}
