package server

import (
	"context"
	"fmt"
	"net/http"

	"github.com/vektah/gqlparser/v2/ast"

	"taskql/graph"
	"taskql/internal/config"
	"taskql/internal/graphqlhttp"
	"taskql/internal/ratelimit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

const (
	// budgetUsers and budgetAddresses are how many budgets are kept, at about 230 bytes each: 9 MB in all. Package ratelimit
	// says why there are two tables, and why a flood of keys gains nothing.
	budgetUsers     = 20_000
	budgetAddresses = 20_000
	// signedOutShare divides a user's budget to give that of an address.
	signedOutShare = 10
)

// limitsOf returns the limits on documents and responses.
func limitsOf(cfg config.Config) graphqlhttp.Limits {
	return graphqlhttp.Limits{
		DocumentBytes:      cfg.LimitDocumentBytes,
		Tokens:             cfg.LimitTokens,
		Depth:              cfg.LimitDepth,
		Aliases:            cfg.LimitAliases,
		RootFields:         cfg.LimitRootFields,
		Directives:         cfg.LimitDirectives,
		DirectivesPerPlace: cfg.LimitDirectivesPerPlace,
		Cost:               cfg.LimitCost,
		Errors:             cfg.LimitErrors,
	}
}

// price returns what a field costs.
func price(parent *ast.Definition, field *ast.FieldDefinition) graphqlhttp.FieldPrice {
	return graphqlhttp.FieldPrice(graph.CostOf(parent, field))
}

// signedIn reports whether the request has a viewer.
func signedIn(ctx context.Context) bool {
	_, err := viewer.FromContext(ctx)
	return err == nil
}

// budgets are the budgets of users and of client addresses.
type budgets struct{ users, addresses *ratelimit.Table }

// newBudgets returns the budgets of clients. A user has one for all sessions; clients that are not signed in share their address's. It
// returns nil if there is no limit.
func newBudgets(cfg Config) (*budgets, error) {
	perMinute := int(cfg.Config.RateLimit)
	if perMinute == 0 {
		return nil, nil //nolint:nilnil // No limit is no budget.
	}
	users, err := ratelimit.New(ratelimit.Config{PerMinute: perMinute, Size: budgetUsers, Now: cfg.Now})
	if err != nil {
		return nil, fmt.Errorf("setting up the rate limit: %w", err)
	}
	addresses, err := ratelimit.New(ratelimit.Config{PerMinute: max(perMinute/signedOutShare, 1), Size: budgetAddresses, Now: cfg.Now})
	if err != nil {
		return nil, fmt.Errorf("setting up the rate limit: %w", err)
	}
	return &budgets{users, addresses}, nil
}

// spend returns the function that spends from clients' budgets; nil if there is no limit.
func (b *budgets) spend() graphqlhttp.Spend {
	if b == nil {
		return nil
	}
	return func(ctx context.Context, cost int, force bool) graphqlhttp.Balance {
		table, key := b.addresses, infoOf(ctx).address
		if v, err := viewer.FromContext(ctx); err == nil {
			table, key = b.users, v.UserID
		}
		take := table.Take
		if force {
			take = table.Owe
		}
		return graphqlhttp.Balance(take(key, cost))
	}
}

// ofUsers returns the budgets of users; nil if there is no limit.
func (b *budgets) ofUsers() workspace.Budget {
	if b == nil {
		return nil
	}
	return userBudgets{b.users}
}

// userBudgets implements workspace.Budget.
type userBudgets struct{ *ratelimit.Table }

func (b userBudgets) Owe(userID string, points int) { b.Table.Owe(userID, points) }

// withClientAddress sets the address that a request comes from, for budgets.
func withClientAddress(proxies int) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			infoOf(r.Context()).address = ratelimit.ClientAddress(r, proxies)
			next.ServeHTTP(w, r)
		})
	}
}
