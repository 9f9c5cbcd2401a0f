package graphqlhttp

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// headerCost is the request header by which a client asks for extensions.cost (GraphQL-Cost: report), as net/http spells it:
// with another spelling each look-up would allocate.
const headerCost = "Graphql-Cost"

// Spend takes a cost from the client's budget. A cost of 0 asks whether anything is left. If force is set, the cost is taken
// even if the budget is too small, and the client is then in debt: the work has been done already.
type Spend func(ctx context.Context, cost int, force bool) Balance

// Balance is what is left of a client's budget.
type Balance struct {
	// OK is whether the cost was taken.
	OK bool
	// Remaining is what is left, never negative.
	Remaining int
	// RetryAfter is when the cost can be taken, if it was not.
	RetryAfter time.Duration
}

const (
	// refusalCost is what a refused request costs, in addition to lengthCost.
	refusalCost = 10
	// bytesPerCost is how many bytes of a document cost 1, for parsing and validating it.
	bytesPerCost = 64
	// bytesReadPerCost is how many bytes of a request cost 1, whatever they hold.
	bytesReadPerCost = 1024
)

// budget charges clients for their requests.
type budget struct {
	spend Spend // nil: there are no budgets
	// documentBytes is the longest document: one that is longer is refused before more of it is read.
	documentBytes int
}

// lengthCost is the least that an operation costs: for the length of its document and of the whole request.
func lengthCost(document string, bytesRead int) int {
	return max(1, len(document)/bytesPerCost, bytesRead/bytesReadPerCost)
}

// exhausted returns an error if the client has nothing left. Transports ask before they read a request.
func (b budget) exhausted(ctx context.Context) *requestError {
	if b.spend == nil {
		return nil
	}
	balance := b.spend(ctx, 0, false)
	if balance.OK {
		return nil
	}
	return budgetUsedUp(balance)
}

// chargeArrived charges for the bytes of a request that have arrived, if they aren't paid yet.
func (b budget) chargeArrived(ctx context.Context, op *operation, arrived int) *requestError {
	if b.spend == nil {
		return nil
	}
	cost := arrived/bytesReadPerCost - op.bytesCost
	balance := b.spend(ctx, cost, false)
	if !balance.OK {
		return budgetUsedUp(balance)
	}
	op.bytesCost += cost
	return nil
}

// charge charges for an operation that is about to be executed, or returns the error that the budget is too small.
func (b budget) charge(ctx context.Context, op *operation) *gqlerror.Error {
	op.cost = max(op.cost, lengthCost(op.query, op.bytesRead))
	op.charged = true
	if b.spend == nil {
		return nil
	}
	due := max(0, op.cost-op.bytesCost)
	balance := b.spend(ctx, due, false)
	if !balance.OK { // Getting here took work, which a client with an almost empty budget must not get for free.
		b.chargeRefusal(ctx, op)
		balance = b.spend(ctx, due, false)
	}
	op.hasBudget, op.remaining = true, balance.Remaining
	if balance.OK {
		return nil
	}
	err := gqlerror.Errorf("The operation costs %s and %s are left: wait %s.", grouped(op.cost), grouped(balance.Remaining), seconds(balance))
	err.Extensions = map[string]any{"code": CodeRateLimited, "retryAfter": balance.seconds(), "cost": op.cost, "remaining": balance.Remaining}
	return err
}

// chargeRefusal charges for an operation that is refused.
func (b budget) chargeRefusal(ctx context.Context, op *operation) {
	if b.spend != nil {
		examined := op.query[:min(len(op.query), b.documentBytes)]
		b.spend(ctx, refusalCost+max(0, lengthCost(examined, op.bytesRead)-op.bytesCost), true)
	}
}

// chargeRequestError charges for a request that is refused before its document is read.
func (b budget) chargeRequestError(ctx context.Context, op *operation, err *requestError) {
	if b.spend == nil || err.code == CodeRateLimited {
		return
	}
	b.spend(ctx, refusalCost+max(0, op.bytesRead/bytesReadPerCost-op.bytesCost), true)
}

// report puts extensions.cost into the result of an operation that came to a charge, if the client is to see it.
func (b budget) report(ctx context.Context, op *operation, result *graphql.Response) {
	if result == nil || !op.reportCost || !op.charged {
		return
	}
	if op.hasBudget && op.definition.Operation == ast.Mutation { // What it has stored may have cost more.
		op.remaining = b.spend(ctx, 0, false).Remaining
	}
	cost := map[string]any{"requested": op.cost}
	if op.hasBudget {
		cost["remaining"] = op.remaining
	}
	if result.Extensions == nil {
		result.Extensions = map[string]any{}
	}
	result.Extensions["cost"] = cost
}

// budgetUsedUp is the error of a client that has nothing left.
func budgetUsedUp(balance Balance) *requestError {
	return &requestError{
		status:     http.StatusTooManyRequests,
		code:       CodeRateLimited,
		message:    fmt.Sprintf("Your requests of the last minute used up their budget: wait %s.", seconds(balance)),
		header:     http.Header{"Retry-After": {strconv.Itoa(balance.seconds())}},
		extensions: map[string]any{"retryAfter": balance.seconds()},
	}
}

// seconds returns when to try again, rounded up, at least 1.
func (b Balance) seconds() int { return max(1, int(math.Ceil(b.RetryAfter.Seconds()))) }

func seconds(b Balance) string {
	if b.seconds() == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", b.seconds())
}
