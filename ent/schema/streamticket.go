package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// StreamTicket stands for a session for half a minute, so that a page can open a stream to which its cookies don't get. The row
// is of no use without the ticket, which is not stored.
type StreamTicket struct{ ent.Schema }

// Mixin of the StreamTicket.
func (StreamTicket) Mixin() []ent.Mixin { return []ent.Mixin{net{}} }

// Fields of the StreamTicket.
func (StreamTicket) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").SchemaType(text).NotEmpty().Immutable().
			Comment("Derived from the ticket."),
		field.Bytes("sealed").Immutable().
			Comment("The session's credentials, encrypted with another key that is derived from the ticket."),
		field.Time("expires_at").Immutable(),
	}
}

// Indexes of the StreamTicket.
func (StreamTicket) Indexes() []ent.Index { return []ent.Index{index.Fields("expires_at")} }
