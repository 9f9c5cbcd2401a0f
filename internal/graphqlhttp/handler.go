// Package graphqlhttp serves a gqlgen schema over HTTP after the GraphQL-over-HTTP specification
// (https://graphql.github.io/graphql-over-http/draft/). It replaces gqlgen's own transports, which
// ignore q-values, echo bad bodies, take trailing JSON, and always answer with a data key. It knows
// nothing of the schema it serves.
package graphqlhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// OperationInfo is what a request asks for, as far as a log may know it.
type OperationInfo struct {
	// Name is the operation's name as the client wrote it; empty if it has none. It has only letters, digits and
	// underscores, but the client chooses its length.
	Name string
	// Type is query, mutation or subscription; empty if the document could not be read.
	Type string
}

// Config is what a Handler is made of. Schema, PresentError, Recover and MaxBodyBytes are required.
type Config struct {
	// Schema is the gqlgen schema to serve.
	Schema graphql.ExecutableSchema
	// PresentError turns any error of an operation into what the client sees.
	PresentError graphql.ErrorPresenterFunc
	// Recover turns a panic's value into an error, which then goes to PresentError.
	Recover graphql.RecoverFunc
	// AroundOperations run around each operation, the first outermost. They may refuse it. They don't see a GET whose client
	// has the answer already, which was not refused then: see ConditionalRequests.
	AroundOperations []graphql.OperationMiddleware
	// Introspection lets clients read the schema. Where it is off, validation messages suggest no names.
	Introspection bool
	// MaxBodyBytes is the longest request body.
	MaxBodyBytes int64
	// Timeout is how long an operation may take from when its request has been read. 0: without end.
	Timeout time.Duration
	// WriteTimeout is when the answer must have been sent, counted from when the request's body has been read. It replaces
	// the HTTP server's, which counts from when the headers have been read, unless the body took less than a second. 0: the
	// HTTP server's.
	WriteTimeout time.Duration
	// Limits bound documents and answers. Zero fields take their defaults.
	Limits Limits
	// Price says what the schema's fields cost. Nil: 1 each.
	Price Price
	// SignedIn tells whether the client is signed in, who may send longer documents. Nil: everybody is.
	SignedIn func(context.Context) bool
	// Spend, where set, keeps the clients' budgets.
	Spend Spend
	// ReportCost puts extensions.cost into every answer. Otherwise clients ask for it with the header GraphQL-Cost.
	ReportCost bool
	// Scalars check the values of the schema's scalars, by name, before an operation runs: the built-in ones too. A scalar
	// without one is checked when its field's turn comes.
	Scalars map[string]CheckScalar
	// TrustedDocuments are those that clients may name by id, see ParseManifest.
	TrustedDocuments []TrustedDocument
	// TrustedOnly refuses every other document.
	TrustedOnly bool
	// AutomaticPersistedQueries lets clients have their documents kept by their SHA-256, as Apollo's do.
	AutomaticPersistedQueries bool
	// ConditionalRequests lets clients ask whether an answer that they have still holds.
	ConditionalRequests ConditionalRequests
	// Page, where set, is the path of a page for people. A browser that opens the endpoint is sent there.
	Page string
	// Observe, where set, is called once an operation is parsed and valid, before it runs.
	Observe func(ctx context.Context, op OperationInfo)
	// Release, where set, is called with an executed operation's data, once that is sent and nobody uses it any more.
	Release func(data []byte)
	// Answered, where set, is called with what each answer says, before it is sent.
	Answered func(ctx context.Context, sum Summary)
}

// Summary is an answer, as far as those who count may know it.
type Summary struct {
	// Codes are its errors' codes, empty where an error has none.
	Codes []string
	// Operation is what was asked for, as far as a request that was refused tells.
	Operation OperationInfo
	// Cost is what the operation cost, 0 where it did not come to that.
	Cost int
}

// Handler answers GraphQL requests sent by POST, queries also by GET. It is an http.Handler.
type Handler struct {
	executor     executor
	schema       *ast.Schema
	validator    *validator
	introspect   bool
	maxBodyBytes int64
	timeout      time.Duration
	writeTimeout time.Duration
	limiter      *limiter
	spend        Spend
	reportCost   bool
	documents    *documents
	revalidation *revalidation // nil: clients can't ask whether answers still hold
	page         string
	observe      func(context.Context, OperationInfo)
	answered     func(context.Context, Summary)
	release      func([]byte)
}

// promptBody is how long a body may take to arrive without a new write deadline, which costs more than it is worth then.
const promptBody = time.Second

// New returns a handler. It fails where something required is missing, and with all problems at once where trusted
// documents don't fit the schema.
func New(cfg Config) (*Handler, error) {
	switch {
	case cfg.Schema == nil:
		return nil, errors.New("graphqlhttp: Schema is required")
	case cfg.PresentError == nil || cfg.Recover == nil:
		return nil, errors.New("graphqlhttp: PresentError and Recover are required")
	case cfg.MaxBodyBytes <= 0:
		return nil, errors.New("graphqlhttp: MaxBodyBytes must be positive")
	}
	documents, err := newDocuments(cfg)
	if err != nil {
		return nil, err
	}
	h := &Handler{
		documents: documents, page: cfg.Page, revalidation: newRevalidation(cfg.ConditionalRequests),
		executor: newExecutor(cfg, documents), schema: cfg.Schema.Schema(), introspect: cfg.Introspection,
		validator:    newValidator(cfg.Schema.Schema(), cfg.Scalars, cfg.Introspection),
		maxBodyBytes: cfg.MaxBodyBytes, timeout: cfg.Timeout, writeTimeout: cfg.WriteTimeout, observe: cfg.Observe,
		limiter: newLimiter(cfg, newDocumentCache()), spend: cfg.Spend, reportCost: cfg.ReportCost, answered: cfg.Answered,
		release: cfg.Release,
	}
	if h.observe == nil {
		h.observe = func(context.Context, OperationInfo) {}
	}
	return h, nil
}

// allowedMethods are those that can carry a request. HEAD is none: an operation would run for an answer that nobody
// reads.
const allowedMethods = http.MethodGet + ", " + http.MethodPost

// ServeHTTP answers one request: negotiate, read, execute, write.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.answersWithoutBody(w, r) {
		return
	}
	ctx := r.Context()
	if r.Method == http.MethodGet { // It has no body, so it has been read.
		timed, cancel := h.startClock(ctx)
		defer cancel()
		ctx = timed
	}
	found, done := h.answersUnchanged(ctx, w, r)
	if done {
		return
	}
	began := time.Now()
	as, req, fault := h.receive(w, r)
	if h.writeTimeout > 0 && (fault != nil || time.Since(began) > promptBody) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.writeTimeout)) // Tests have writers without deadlines.
	}
	if fault != nil {
		h.chargeFault(r, fault)
		if h.answered != nil {
			h.answered(r.Context(), Summary{Codes: []string{fault.code}, Operation: req.named()})
		}
		fault.write(w, as)
		return
	}
	req.bill.report = h.reports(r)
	if !req.get {
		timed, cancel := h.startClock(ctx)
		defer cancel()
		ctx = timed
	}
	ctx = withRequest(ctx, req)
	if req.asked = h.ask(r, as, req.bill.report); req.asked != nil {
		req.asked.state = found
	}
	resp := h.execute(ctx, &req.params)
	req.bill.attach(resp)
	answer, unchanged := answer{}, resp == nil && req.asked != nil && req.asked.holds
	if !unchanged {
		answer = answerOf(ctx, resp)
	}
	if h.answered != nil {
		h.answered(r.Context(), summary(answer, req))
	}
	if unchanged {
		req.asked.writeUnchanged(w)
		return
	}
	h.revalidation.keep(req.asked, &answer, w.Header())
	answer.write(w, as)
	if h.release != nil && resp != nil {
		h.release(resp.Data)
	}
}

// startClock returns a context that ends when the operation's time is over.
func (h *Handler) startClock(ctx context.Context) (context.Context, context.CancelFunc) {
	if h.timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, h.timeout)
}

// summary sums up an answer and its request.
func summary(a answer, req *incoming) Summary {
	s := Summary{Cost: req.bill.requested, Operation: req.named()}
	for _, err := range a.errors {
		code, _ := err.Extensions["code"].(string)
		s.Codes = append(s.Codes, code)
	}
	return s
}

// answersWithoutBody handles what is no GraphQL request but a fair question: OPTIONS, and a browser at the bare
// endpoint.
func (h *Handler) answersWithoutBody(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", allowedMethods)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet && h.page != "" && r.URL.RawQuery == "" && prefersPage(r.Header.Values("Accept")):
		w.Header().Set("Location", h.page)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Add("Vary", "Accept")
		w.WriteHeader(http.StatusSeeOther)
	default:
		return false
	}
	return true
}

// receive reads a request up to where it could be executed. The media type is that of the answer in any case. Beside a
// fault, the request has what could be read of it, or is nil.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request) (mediaType, *incoming, *requestFault) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return mediaJSON, nil, methodNotAllowed()
	}
	as, ok := negotiate(r.Header.Values("Accept"))
	if !ok {
		return mediaJSON, nil, notAcceptable()
	}
	if fault := h.exhausted(r.Context()); fault != nil {
		return as, nil, fault
	}
	prepaid := 0
	req, read, fault := h.read(w, r, &prepaid)
	if fault == nil {
		req.read, req.prepaid = read, prepaid
		fault = h.documents.find(req)
	}
	if fault != nil {
		fault.read, fault.prepaid = read, prepaid
	}
	return as, req, fault
}

// read decodes the request from the URL of a GET, else from the body, and says how many bytes it read. A POST's URL
// doesn't count. What a long body costs while it arrives is added to prepaid.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, prepaid *int) (*incoming, int, *requestFault) {
	if r.Method == http.MethodGet {
		req, fault := readURL(r.URL.RawQuery)
		return req, min(len(r.URL.RawQuery), maxURLBytes), fault
	}
	if fault := checkContentType(r.Header); fault != nil {
		return nil, 0, fault
	}
	return readBody(w, r, h.maxBodyBytes, h.limiter.limits.InputValues, func(arrived int) *requestFault {
		return h.chargeArrived(r.Context(), arrived, prepaid)
	})
}

// execute runs one operation to its single response, nil where its context ended. A panic outside of the
// resolvers, which gqlgen recovers itself, ends here.
func (h *Handler) execute(ctx context.Context, params *graphql.RawParams) *graphql.Response {
	var resp *graphql.Response
	func() {
		defer func() {
			if p := recover(); p != nil {
				resp = h.recovered(ctx, p)
			}
		}()
		resp = h.run(ctx, params)
	}()
	if resp != nil {
		resp.Errors = resp.Errors[:min(len(resp.Errors), h.limiter.limits.Errors)]
	}
	return resp
}

// run holds the document to the limits, parses, validates, charges and executes. It returns nil if the client has the
// answer already.
func (h *Handler) run(ctx context.Context, params *graphql.RawParams) *graphql.Response {
	operation, errs := h.prepare(ctx, params, Trusted(ctx))
	if len(errs) > 0 {
		tidy(errs)
		ctx = graphql.WithOperationContext(ctx, &graphql.OperationContext{RawQuery: params.Query})
		return h.executor.refusal(ctx, errs[:min(len(errs), h.limiter.limits.Errors)])
	}
	ctx = graphql.WithOperationContext(ctx, operation)
	h.observe(ctx, OperationInfo{Name: operation.Operation.Name, Type: string(operation.Operation.Operation)})
	if a := requestOf(ctx).asked; a != nil && a.holds {
		return nil
	}
	return h.executor.execute(ctx)
}

// prepare brings an operation to where it can run, paid for, or returns why it can't.
func (h *Handler) prepare(ctx context.Context, params *graphql.RawParams, trusted bool) (*graphql.OperationContext, gqlerror.List) {
	operation, cost, errs := h.valid(ctx, params, trusted)
	if len(errs) > 0 {
		h.chargeRefusal(ctx, params)
		return nil, errs
	}
	if h.revalidation.read(ctx, operation) {
		cost = unchangedCost
	}
	if err := h.charge(ctx, params, cost); err != nil {
		return nil, gqlerror.List{err}
	}
	return operation, nil
}

// valid returns an operation that is valid with its variables, and its cost, or why it isn't. The limits come first, since
// validation itself is what some documents attack. A trusted document skips the limits on documents.
func (h *Handler) valid(ctx context.Context, params *graphql.RawParams, trusted bool) (*graphql.OperationContext, int, gqlerror.List) {
	document, cost, err := h.limiter.admit(ctx, params, trusted)
	if err != nil {
		return nil, 0, gqlerror.List{err}
	}
	if !document.valid {
		if errs := h.validator.validate(document); len(errs) > 0 {
			return nil, 0, errs
		}
		h.limiter.documents.add(params.Query, document)
	}
	definition := operationOf(document.document, params.OperationName)
	if definition == nil {
		return nil, 0, gqlerror.List{noOperation(document.document, params.OperationName)}
	}
	variables, err := h.validator.coercer.variables(definition, params.Variables)
	if err == nil {
		err = document.nullError(definition, variables)
	}
	if err == nil {
		err = h.limiter.checkUses(document, definition, variables)
	}
	if err != nil {
		return nil, 0, gqlerror.List{err}
	}
	operation := h.executor.operation(params, document.document, definition, variables)
	if err := h.refuse(ctx, operation); err != nil {
		return nil, 0, gqlerror.List{err}
	}
	return operation, cost, nil
}

// noOperation says why no operation of the document can be picked.
func noOperation(document *ast.QueryDocument, name string) *gqlerror.Error {
	if name == "" {
		return validationError(nil, fmt.Sprintf("The document has %d operations: say which one in operationName.", len(document.Operations)))
	}
	return validationError(nil, "The document has no operation named "+strconv.Quote(name)+".")
}

// refuse returns why a valid operation is not run here, if it is not.
func (h *Handler) refuse(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	switch operation.Operation.Operation {
	case ast.Subscription:
		return subscriptionOverPOST()
	case ast.Mutation:
		// Foreign pages and prefetching browsers can send a GET (GraphQL over HTTP, section "GET").
		if requestOf(ctx).get {
			return mutationOverGET()
		}
	case ast.Query:
	}
	if h.introspect || operation.Operation.Operation != ast.Query || !strings.Contains(operation.RawQuery, "__") {
		return nil
	}
	// gqlgen would refuse each such field as if it were a bug of the schema's.
	for _, field := range graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{h.schema.Query.Name}) {
		if field.Name == "__schema" || field.Name == "__type" {
			return introspectionOff()
		}
	}
	return nil
}

// recovered turns a panic's value into a response without data. A panic of Recover or PresentError itself
// goes on to the server.
func (h *Handler) recovered(ctx context.Context, p any) *graphql.Response {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	return h.executor.recovered(ctx, p)
}

// maxMessage is the most bytes of an error's message: it may quote what the client sent.
const maxMessage = 500

// tidy cuts long messages, and corrects the columns of syntax errors at block strings: gqlparser counts them from the
// string's last line, so that they can be 0 or less.
func tidy(errs gqlerror.List) {
	for _, err := range errs {
		for i := range err.Locations {
			err.Locations[i].Column = max(err.Locations[i].Column, 1)
		}
		if len(err.Message) > maxMessage {
			cut := []rune(err.Message[:maxMessage])
			err.Message = string(slices.DeleteFunc(cut, func(r rune) bool { return r == '\uFFFD' })) + "…"
		}
	}
}
