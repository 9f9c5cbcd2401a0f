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

// text is a string's type on PostgreSQL, where ent's own would be varchar without a limit: the same, but not what is
// meant.
var text = map[string]string{dialect.Postgres: "text"} //nolint:gochecknoglobals // A constant, if Go had constant maps.

// net is the last of three layers of authorization, under the root-field gate and the rules of internal/task:
// where no viewer is in the context, there are no rows. It does not bound a query by workspace; that is done in
// one place, in internal/task.
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
