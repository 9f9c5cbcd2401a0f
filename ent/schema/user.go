package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/field"
)

// User is this server's copy of a user of the auth server, made on first sight and refreshed from the session.
// The auth server owns the original: nothing here refers to its tables.
type User struct{ ent.Schema }

// Mixin of the User.
func (User) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the User.
func (User) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").SchemaType(text).NotEmpty().Immutable().
			Comment("The auth server's id: opaque text, never a UUID to be parsed."),
		field.String("name").SchemaType(text),
		field.String("email").SchemaType(text).
			Comment("Not unique: the auth server decides who may share an address."),
		field.String("image").SchemaType(text).Optional().Nillable(),
		field.String("time_zone").SchemaType(text).Default("UTC").Annotations(entsql.Default("UTC")).
			Comment("IANA name. It decides what today means."),
		field.Time("created_at").Default(time.Now).Immutable().
			Comment("When the user signed up at the auth server."),
		field.Time("updated_at").Default(time.Now).
			Comment("When this copy was last changed."),
	}
}
