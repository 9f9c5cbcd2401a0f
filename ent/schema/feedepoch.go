package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
)

// FeedEpoch is the history that the database is at. It has one row. Package feed says when it changes.
type FeedEpoch struct{ ent.Schema }

// Mixin of the FeedEpoch.
func (FeedEpoch) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the FeedEpoch.
func (FeedEpoch) Fields() []ent.Field {
	return []ent.Field{
		field.Int("id").Immutable().
			Comment("Always 1."),
		field.Bytes("epoch").
			Comment("8 random bytes, which are in the tokens of clients."),
		field.String("cluster").SchemaType(text).Optional().
			Comment("PostgreSQL's system identifier and the database's; empty or null if it is not known."),
		field.String("timeline").SchemaType(text).Optional().
			Comment("PostgreSQL's timeline, in hexadecimal; empty or null if it is not known."),
		field.Time("created_at").Default(time.Now).
			Comment("When the epoch began."),
	}
}

// Annotations of the FeedEpoch.
func (FeedEpoch) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("feed_epochs")}
}
