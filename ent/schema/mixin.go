// Package schema is the data model: what is stored, how it is indexed and what refers to what. Rules live in
// internal/task.
package schema

import (
	"context"

	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/schema/mixin"

	"taskql/ent/privacy"
	"taskql/internal/viewer"
)

// text is the type of strings in PostgreSQL. ent would write varchar, which is the same without a limit.
var text = map[string]string{dialect.Postgres: "text"} //nolint:gochecknoglobals // A constant, if Go had constant maps.

// net is the last of three layers of authorization, below the list of public root fields and the rules of the domain: without
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
