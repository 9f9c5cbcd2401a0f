package graphqlhttp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// pipeline takes an operation through these steps, whichever transport brings it. Each step reads and fills the operation,
// whose fields say which step sets them (operation.go).
//
//	1  decode        get.go, post.go, decode.go          read the request into an operation
//	2  find          documents.go, manifest.go           find its document: sent, trusted or persisted
//	3  check limits  limits.go, parse.go, document.go    parse the document, unless it is cached; compute its cost; refuse
//	                 cost.go, arguments.go, textcount.go   what is too long, too deep or too expensive
//	4  validate      validate.go, coerce.go,             check the document against the schema, and the variables against
//	                 variableuse.go                        their types
//	5  compare       conditional.go                      does the client have this response already?
//	6  charge        charge.go                           take the cost from the client's budget
//	7  execute       execute.go, stream.go               execute it, or start it if it is a subscription
//	8  encode        encode.go, response.go,             write a result as JSON, with the status and headers of HTTP, or a
//	                 eventstream.go                        stream of results
//
// Limits come before validation, since validation itself is what some documents attack. The charge comes after it, since a
// refused operation costs less than an executed one.
//
// A GET that the client has the response to, and that was answered lately, never gets here (isUnchanged in conditional.go).
//
// Steps 1 and 8 are a transport's: it fills an operation, calls run, and encodes what next returns (see Handler.serve). Steps
// 2 to 7 are run's. A transport of streams also gives the operation a sink, to which a subscription's results go.
type pipeline struct {
	store       *documentStore
	limiter     *limiter
	validator   *documentValidator
	conditional *conditionalRequests // nil: clients can't send conditional requests
	budget      budget
	executor    *executor

	schema             *ast.Schema
	allowIntrospection bool
	timeout            time.Duration
	observe            func(context.Context, OperationInfo)
	answered           func(context.Context, Summary)
}

func newPipeline(cfg Config) (*pipeline, error) {
	store, err := newDocumentStore(cfg)
	if err != nil {
		return nil, err
	}
	schema, cache := cfg.Schema.Schema(), newDocumentCache()
	p := &pipeline{
		store: store, limiter: newLimiter(cfg, cache), conditional: newConditionalRequests(cfg.ConditionalRequests),
		validator: newValidator(schema, cfg.Scalars, cfg.Rules, cfg.Introspection), executor: newExecutor(cfg, store),
		schema: schema, allowIntrospection: cfg.Introspection, timeout: cfg.Timeout, observe: cfg.Observe, answered: cfg.Answered,
	}
	p.validator.cache = cache
	p.budget = budget{spend: cfg.Spend, documentBytes: p.limiter.limits.DocumentBytes}
	if p.observe == nil {
		p.observe = func(context.Context, OperationInfo) {}
	}
	if p.answered == nil {
		p.answered = func(context.Context, Summary) {}
	}
	return p, nil
}

// startClock returns a context that ends when the operation's time is over. A transport calls it once the request has been
// read.
func (p *pipeline) startClock(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, p.timeout)
}

// run takes a decoded operation through the steps up to its results, which next returns. If it started a subscription, it
// sets op.stream, and the results go to op.sink. The error is that of a request without a document.
func (p *pipeline) run(ctx context.Context, op *operation) *requestError {
	if err := p.store.find(op); err != nil {
		return err
	}
	refused := p.recovering(ctx, func() *graphql.Response {
		if errs := p.prepare(ctx, op); len(errs) > 0 {
			return p.executor.refusal(ctx, op, presentable(errs, p.limiter.limits.Errors))
		}
		p.observe(ctx, op.info())
		switch {
		case op.definition.Operation == ast.Subscription:
			return p.executor.subscribeTo(ctx, op)
		case !op.conditional.isNotModified():
			op.results = p.executor.start(ctx, op)
		}
		return nil
	})
	if refused != nil {
		op.results = only(refused)
	}
	return nil
}

// next returns an operation's next result. After the last one, and once the operation's context has ended, it returns nil.
func (p *pipeline) next(ctx context.Context, op *operation) *graphql.Response {
	result := p.recovering(ctx, op.results)
	p.budget.report(ctx, op, result)
	return result
}

// prepare takes an operation up to its execution, or returns why it is refused.
func (p *pipeline) prepare(ctx context.Context, op *operation) gqlerror.List {
	errs := p.check(ctx, op)
	if len(errs) > 0 {
		p.budget.chargeRefusal(ctx, op)
		return errs
	}
	p.conditional.compare(ctx, op)
	if err := p.budget.charge(ctx, op); err != nil {
		return gqlerror.List{err}
	}
	return nil
}

// check returns what is wrong with the operation.
func (p *pipeline) check(ctx context.Context, op *operation) gqlerror.List {
	if err := p.limiter.check(ctx, op); err != nil {
		return gqlerror.List{err}
	}
	variables, errs := p.validator.check(op)
	if len(errs) > 0 {
		return errs
	}
	if err := p.limiter.checkUses(op, variables); err != nil {
		return gqlerror.List{err}
	}
	op.context = p.executor.operationContext(op, variables)
	if err := p.executor.unsupported(op); err != nil {
		return gqlerror.List{err}
	}
	if !p.allowIntrospection && p.introspects(op) {
		return gqlerror.List{introspectionOff()}
	}
	return nil
}

// introspects reports whether a query asks for the schema. gqlgen would report an internal error for each such field if
// introspection is off.
func (p *pipeline) introspects(op *operation) bool {
	if op.definition.Operation != ast.Query || !strings.Contains(op.query, "__") {
		return false
	}
	for _, field := range graphql.CollectFields(op.context, op.definition.SelectionSet, []string{p.schema.Query.Name}) {
		if field.Name == "__schema" || field.Name == "__type" {
			return true
		}
	}
	return false
}

// recovering returns what fn returns, with a bounded number of errors in the order of the document, or the response to fn's
// panic. (gqlgen recovers from panics of resolvers itself.) A panic of Recover or PresentError goes on to the server.
func (p *pipeline) recovering(ctx context.Context, fn func() *graphql.Response) *graphql.Response {
	var resp *graphql.Response
	func() {
		defer func() {
			value := recover()
			if value == nil {
				return
			}
			if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(value)
			}
			resp = p.executor.recovered(ctx, value)
		}()
		resp = fn()
	}()
	if resp != nil {
		slices.SortStableFunc(resp.Errors, compareErrors)
		resp.Errors = resp.Errors[:min(len(resp.Errors), p.limiter.limits.Errors)]
	}
	return resp
}

// refuse charges and reports a request that is refused before its document is read.
func (p *pipeline) refuse(ctx context.Context, op *operation, err *requestError) {
	p.budget.chargeRequestError(ctx, op, err)
	p.answered(ctx, Summary{Codes: []string{err.code}, Operation: op.info()})
}
