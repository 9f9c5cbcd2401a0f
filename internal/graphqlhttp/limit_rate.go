package graphqlhttp

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// CodeRateLimited is the code of a refusal where the client's budget is used up; its extension retryAfter says for how many seconds.
const CodeRateLimited = "RATE_LIMITED"

// HeaderCost is the request header by which a client asks for extensions.cost: GraphQL-Cost: report.
const HeaderCost = "GraphQL-Cost"

// Spend takes a cost from the client's budget. A cost of 0 asks whether anything is left. A forced one is taken also
// where the budget is too small, which is then in debt: the work is done already.
type Spend func(ctx context.Context, cost int, force bool) Balance

// Balance is what is left of a client's budget.
type Balance struct {
	// OK is whether the cost was taken.
	OK bool
	// Remaining is what is left, never negative.
	Remaining int
	// RetryAfter is when the cost can be taken, where it was not.
	RetryAfter time.Duration
}

const (
	// refusalCost is what a request costs that is refused, beside lengthCost.
	refusalCost = 10
	// bytesPerCost is how much of a document costs 1: the least that it costs to parse and validate.
	bytesPerCost = 64
	// bytesReadPerCost is the same for all that was read, whatever it holds.
	bytesReadPerCost = 1024
)

// lengthCost is the least that an operation costs: for its document, and for what was read of the client.
func lengthCost(document string, read int) int {
	return max(1, len(document)/bytesPerCost, read/bytesReadPerCost)
}

// bill is what a request costs its client.
type bill struct {
	report    bool
	paid      bool
	requested int
	remaining int
	budget    bool // whether there is one
}

// reports tells whether the answer says what it cost.
func (h *Handler) reports(r *http.Request) bool {
	return h.reportCost || r.Header.Get(HeaderCost) != ""
}

// attach puts extensions.cost into the response of an operation that was paid for.
func (b *bill) attach(resp *graphql.Response) {
	if resp == nil || !b.report || !b.paid {
		return
	}
	cost := map[string]any{"requested": b.requested}
	if b.budget {
		cost["remaining"] = b.remaining
	}
	if resp.Extensions == nil {
		resp.Extensions = map[string]any{}
	}
	resp.Extensions["cost"] = cost
}

// charge takes the cost of an operation that is about to run, or says that there is not enough.
func (h *Handler) charge(ctx context.Context, params *graphql.RawParams, cost int) *gqlerror.Error {
	req := requestOf(ctx)
	cost = max(cost, lengthCost(params.Query, req.read))
	b := &req.bill
	b.requested, b.paid = cost, true
	if h.spend == nil {
		return nil
	}
	left := max(0, cost-req.prepaid)
	balance := h.spend(ctx, left, false)
	if !balance.OK { // Getting here took work, which else a client with an almost empty budget would have for free.
		h.chargeRefusal(ctx, params)
		balance = h.spend(ctx, left, false)
	}
	b.budget, b.remaining = true, balance.Remaining
	if balance.OK {
		return nil
	}
	err := gqlerror.Errorf("The operation costs %s and %s are left: wait %s.", grouped(cost), grouped(balance.Remaining), seconds(balance))
	err.Extensions = map[string]any{"code": CodeRateLimited, "retryAfter": balance.seconds(), "cost": cost, "remaining": balance.Remaining}
	return err
}

// chargeRefusal takes the cost of a document that was looked at for nothing.
func (h *Handler) chargeRefusal(ctx context.Context, params *graphql.RawParams) {
	if h.spend != nil {
		looked := params.Query[:min(len(params.Query), h.limiter.limits.DocumentBytes)]
		req := requestOf(ctx)
		h.spend(ctx, refusalCost+max(0, lengthCost(looked, req.read)-req.prepaid), true)
	}
}

// chargeFault takes the cost of a request that holds no operation.
func (h *Handler) chargeFault(r *http.Request, fault *requestFault) {
	if h.spend == nil || fault.code == CodeRateLimited {
		return
	}
	h.spend(r.Context(), refusalCost+max(0, fault.read/bytesReadPerCost-fault.prepaid), true)
}

// chargeArrived takes the cost of what has arrived of a body, as far as it isn't paid yet.
func (h *Handler) chargeArrived(ctx context.Context, arrived int, prepaid *int) *requestFault {
	if h.spend == nil {
		return nil
	}
	cost := arrived/bytesReadPerCost - *prepaid
	balance := h.spend(ctx, cost, false)
	if !balance.OK {
		return budgetUsedUp(balance)
	}
	*prepaid += cost
	return nil
}

// exhausted refuses a request of a client who has nothing left, before its body is read.
func (h *Handler) exhausted(ctx context.Context) *requestFault {
	if h.spend == nil {
		return nil
	}
	balance := h.spend(ctx, 0, false)
	if balance.OK {
		return nil
	}
	return budgetUsedUp(balance)
}

func budgetUsedUp(balance Balance) *requestFault {
	return &requestFault{
		status:     http.StatusTooManyRequests,
		code:       CodeRateLimited,
		message:    fmt.Sprintf("Your requests of the last minute used up their budget: wait %s.", seconds(balance)),
		header:     http.Header{"Retry-After": {strconv.Itoa(balance.seconds())}},
		extensions: map[string]any{"retryAfter": balance.seconds()},
	}
}

// seconds is when to come again, rounded up, at least 1.
func (b Balance) seconds() int { return max(1, int(math.Ceil(b.RetryAfter.Seconds()))) }

func seconds(b Balance) string {
	if b.seconds() == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", b.seconds())
}
