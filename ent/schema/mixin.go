// Package schema is the data model: what is stored, how it is indexed and what refers to what. Rules live in
// internal/task.
package schema

import (
	"context"
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"entgo.io/ent/schema/mixin"
	"github.com/google/uuid"

	"taskql/ent/privacy"
	"taskql/internal/viewer"
)

// text is the type of strings in PostgreSQL. ent would write varchar, which is the same without a limit.
var text = map[string]string{dialect.Postgres: "text"} //nolint:gochecknoglobals // A constant, if Go had constant maps.

// net is the last of four layers of authorization, below the list of public root fields, the access to workspaces and the rules of the domain: without
// a viewer in the context, queries and mutations are denied. It does not scope queries to a workspace: workspace.Scope does.
type net struct{ mixin.Schema }

// Policy denies every query and mutation without a viewer (or the system) in the context.
func (net) Policy() ent.Policy {
	rule := privacy.ContextQueryMutationRule(func(ctx context.Context) error {
		if viewer.MayRead(ctx) {
			return privacy.Skip
		}
		return privacy.Denyf("no viewer in the context")
	})
	return privacy.Policy{
		Query:    privacy.QueryPolicy{rule},
		Mutation: privacy.MutationPolicy{rule},
	}
}

// versioned is the mixin of entities that belong to a workspace and have versions. It includes net.
type versioned struct {
	net

	// constraint names the foreign key of the workspace. It is set only for tables whose foreign key has an older name.
	constraint string
}

// Fields of every versioned entity.
func (versioned) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Immutable().
			Comment("A UUIDv7 if the server made it, so that new rows are stored side by side; any UUID if the client did."),
		field.String("workspace_id").SchemaType(text).Immutable(),
		field.Int("version").NonNegative().
			Comment("The workspace's version at this row's last change."),
		field.Time("created_at").Default(time.Now).Immutable(),
		field.Time("updated_at").Default(time.Now),
	}
}

// Edges of every versioned entity.
func (v versioned) Edges() []ent.Edge { return []ent.Edge{ownedBy(v.constraint)} }

// Indexes of every versioned entity: what has changed since a version, and all rows of a workspace.
func (versioned) Indexes() []ent.Index {
	return []ent.Index{index.Fields("workspace_id", "version", "id")}
}

// ownedBy returns the edge to the workspace, with which the row is deleted. The constraint is as in versioned.
func ownedBy(constraint string) ent.Edge {
	e := edge.To("workspace", Workspace.Type).Field("workspace_id").Unique().Required().Immutable().
		Annotations(entsql.OnDelete(entsql.Cascade))
	if constraint != "" {
		e.StorageKey(edge.Symbol(constraint))
	}
	return e
}
