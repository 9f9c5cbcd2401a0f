package graphqlhttp

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// Limits apply to every document that is not trusted, and to every response. Zero is the default.
type Limits struct {
	// DocumentBytes is the longest document. Default: 64 KiB.
	DocumentBytes int
	// Tokens is the most lexical tokens of a document, comments included. Default: 2,000.
	Tokens int
	// TokensSignedOut is the limit for clients that are not signed in. Default: half of Tokens.
	TokensSignedOut int
	// Depth is how deep fields may nest. Default: 12. Below __schema and __type the count starts again and may reach
	// maxIntrospectionDepth, because the tools' introspection queries nest ofType.
	Depth int
	// Aliases is the most aliases of a document. Default: 30.
	Aliases int
	// RootFields is the most root fields of an operation, those of fragments included. Default: 20.
	RootFields int
	// Directives is the most directives of a document. Default: 50.
	Directives int
	// DirectivesPerPlace is the most directives on one field, fragment, operation or variable. Default: 4.
	DirectivesPerPlace int
	// Cost is the most that an operation may cost by Config.Price. Default: 5,000.
	Cost int
	// InputDepth is how deep lists and objects may nest in variables and in the document's values. Default: 32.
	InputDepth int
	// InputValues is the most values in a request's variables. Those in lists and objects count once for each use of their
	// variable. Default: 10,000.
	InputValues int
	// Errors is the most errors of a response. Default: 20.
	Errors int
}

const (
	// maxIntrospectionDepth is how deep fields may nest below __schema and __type. graphql-js's own query has 15.
	maxIntrospectionDepth = 20
	// maxRepeats is the most pairs of fields with the same response name in a document. Validation compares each such pair,
	// which takes about 75 ns: a document that repeats one field throughout would take 150 ms of CPU.
	maxRepeats = 100_000
	// maxUnknownFields is the most fields of a validated document that the schema doesn't have: for each, validation searches
	// the whole schema for a name to suggest.
	maxUnknownFields = 50
)

func (l Limits) withDefaults() Limits {
	l.Tokens = cmp.Or(l.Tokens, 2_000)
	return Limits{
		DocumentBytes:      cmp.Or(l.DocumentBytes, 64<<10),
		Tokens:             l.Tokens,
		TokensSignedOut:    min(cmp.Or(l.TokensSignedOut, max(l.Tokens/2, 1)), l.Tokens),
		Depth:              cmp.Or(l.Depth, 12),
		Aliases:            cmp.Or(l.Aliases, 30),
		RootFields:         cmp.Or(l.RootFields, 20),
		Directives:         cmp.Or(l.Directives, 50),
		DirectivesPerPlace: cmp.Or(l.DirectivesPerPlace, 4),
		Cost:               cmp.Or(l.Cost, 5_000),
		InputDepth:         cmp.Or(l.InputDepth, 32),
		InputValues:        cmp.Or(l.InputValues, 10_000),
		Errors:             cmp.Or(l.Errors, 20),
	}
}

// limiter checks operations against the limits before they are validated: validation takes quadratic time for some.
type limiter struct {
	limits   Limits
	schema   *ast.Schema
	price    Price
	signedIn func(context.Context) bool
	cache    documentCache
}

// newLimiter returns a limiter. Documents in the cache need not be parsed again.
func newLimiter(cfg Config, cache documentCache) *limiter {
	l := &limiter{limits: cfg.Limits.withDefaults(), schema: cfg.Schema.Schema(), price: cfg.Price, signedIn: cfg.SignedIn, cache: cache}
	if l.signedIn == nil {
		l.signedIn = func(context.Context) bool { return true }
	}
	if l.price == nil {
		l.price = func(*ast.Definition, *ast.FieldDefinition) FieldPrice { return FieldPrice{} }
	}
	return l
}

// check parses the operation's document and sets its cost, or returns the limit that it exceeds. The document may have no
// operation of the name.
//
// A trusted document was written by the operator: no limit applies to it, but it is charged. The limits on variables, which
// come from the client, always apply.
func (l *limiter) check(ctx context.Context, op *operation) *gqlerror.Error {
	if err := l.checkVariables(op); err != nil {
		return err
	}
	d, err := l.parse(ctx, op)
	if err != nil {
		return err
	}
	definition := d.tree.Operations.ForName(op.name)
	op.document, op.definition = d, definition
	before, again := d.admission(definition)
	if again && before.fixed {
		op.cost = before.cost
		return nil
	}
	a := newAnalysis(l.schema, l.price, d.tree, op.variables)
	found := a.operation(definition)
	if op.trusted == nil {
		if !again { // What the text holds doesn't depend on the variables.
			a.countText()
		}
		if err := l.checkAnalysis(a, found); err != nil {
			return err
		}
	}
	op.cost = found.cost
	if definition != nil {
		d.admit(definition, admission{cost: found.cost, fixed: !a.usedVariable})
	}
	return nil
}

// parse returns the operation's document, or the error of its syntax or size. If it isn't cached, no other goroutine has it.
func (l *limiter) parse(ctx context.Context, op *operation) (*document, *gqlerror.Error) {
	d := l.cache.get(op)
	if op.trusted == nil {
		if err := l.checkLength(ctx, op.query, d != nil); err != nil {
			return nil, err
		}
	}
	if d != nil {
		return d, nil
	}
	tree, err := parseDocument(op.query)
	if err != nil {
		return nil, err
	}
	return &document{tree: tree}, nil
}

// checkLength checks a document's bytes and tokens. A cached document is within the limit for clients that are signed in.
func (l *limiter) checkLength(ctx context.Context, text string, cached bool) *gqlerror.Error {
	if len(text) > l.limits.DocumentBytes {
		return exceeded(CodeDocumentTooLarge, len(text), l.limits.DocumentBytes, "The document has %s bytes, at most %s are allowed.")
	}
	limit := l.limits.Tokens
	if !l.signedIn(ctx) {
		limit = l.limits.TokensSignedOut
	}
	if cached && limit == l.limits.Tokens {
		return nil
	}
	if n := countTokens(text); n > limit {
		return exceeded(CodeTooManyTokens, n, limit, "The document has %s tokens, at most %s are allowed"+l.signInHint(limit)+".")
	}
	return nil
}

func (l *limiter) signInHint(tokens int) string {
	if tokens < l.limits.Tokens {
		return fmt.Sprintf(" without signing in (signed in: %s)", grouped(l.limits.Tokens))
	}
	return ""
}

// checkAnalysis returns the first limit that the counts of the document or of its operation exceed.
func (l *limiter) checkAnalysis(a *analysis, found operationCost) *gqlerror.Error {
	limit := l.limits
	switch {
	case a.inputDepth > limit.InputDepth:
		return exceeded(CodeInputTooComplex, a.inputDepth, limit.InputDepth, "Values nest %s deep, at most %s are allowed.")
	case found.depth > limit.Depth:
		return exceeded(CodeTooDeep, found.depth, limit.Depth, "Fields nest %s deep, at most %s are allowed.")
	case found.introspection > maxIntrospectionDepth:
		return exceeded(CodeTooDeep, found.introspection, maxIntrospectionDepth, "Fields nest %s deep in introspection, at most %s are allowed.")
	case a.aliases > limit.Aliases:
		return exceeded(CodeTooManyAliases, a.aliases, limit.Aliases, "The document has %s aliases, and at most %s are allowed.")
	case found.rootFields > limit.RootFields:
		return exceeded(CodeTooManyRootFields, found.rootFields, limit.RootFields, "The operation has %s root fields, at most %s are allowed: send the rest in another request.")
	case a.directives > limit.Directives:
		return exceeded(CodeTooManyDirectives, a.directives, limit.Directives, "The document has %s directives, at most %s are allowed.")
	case a.directivesPerNode > limit.DirectivesPerPlace:
		return exceeded(CodeTooManyDirectives, a.directivesPerNode, limit.DirectivesPerPlace, "One place of the document has %s directives, at most %s are allowed.")
	case found.cost > limit.Cost:
		return l.tooExpensive(found)
	}
	name, count, pairs := a.repeats()
	if pairs > maxRepeats {
		err := exceeded(CodeTooRepetitive, pairs, maxRepeats, "The document repeats fields (%s pairs of the same name to compare, at most %s are allowed)")
		err.Message += fmt.Sprintf(", %q alone %s times: select each once in a place.", name, grouped(count))
		return err
	}
	if a.unknownFields > maxUnknownFields {
		err := exceeded(errcode.ValidationFailed, a.unknownFields, maxUnknownFields, "The document has %s fields that the schema does not have, and the limit for a full report is %s")
		err.Message += ": the first is " + a.firstUnknown + "."
		return err
	}
	return nil
}

// tooExpensive returns the error of a cost over the limit. If a smaller page of one field would do, it says its size.
func (l *limiter) tooExpensive(found operationCost) *gqlerror.Error {
	err := exceeded(CodeTooExpensive, found.cost, l.limits.Cost, "Cost is %s, at most %s are allowed")
	if fit := found.fitting(l.limits.Cost); fit != "" {
		err.Message += "; " + fit + " would fit"
	}
	err.Message += "."
	return err
}

// checkVariables checks how deep the client's JSON nests and how many values it has. Execution reads them by reflection, one
// by one. Decoding may have counted more than it kept.
func (l *limiter) checkVariables(op *operation) *gqlerror.Error {
	depth, values := 0, 0
	for _, value := range op.variables {
		d, n := measure(value)
		depth, values = max(depth, d), values+n
	}
	values = max(values, op.values)
	switch {
	case depth > l.limits.InputDepth:
		return exceeded(CodeInputTooComplex, depth, l.limits.InputDepth, "Values nest %s deep in the variables, at most %s are allowed.")
	case values > l.limits.InputValues:
		return exceeded(CodeInputTooComplex, values, l.limits.InputValues, "The variables hold %s values, at most %s are allowed.")
	}
	return nil
}

// checkUses checks how many values of the variables execution copies.
func (l *limiter) checkUses(op *operation, variables map[string]any) *gqlerror.Error {
	if n := valuesUsed(op.document.uses[op.definition], variables); n > l.limits.InputValues {
		return exceeded(CodeInputTooComplex, n, l.limits.InputValues, "The variables hold %s values, counted for each use of a variable, at most %s are allowed.")
	}
	return nil
}

// measure returns how deep lists and objects nest in a value and how many values it consists of, itself included. The decoder
// has bounded the depth.
func measure(value any) (int, int) {
	depth, values := 0, 1
	below := func(child any) {
		d, n := measure(child)
		depth, values = max(depth, d+1), values+n
	}
	switch value := value.(type) {
	case []any:
		depth = 1
		for _, child := range value {
			below(child)
		}
	case map[string]any:
		depth = 1
		for _, child := range value {
			below(child)
		}
	}
	return depth, values
}

// countTokens counts a document's lexical tokens, comments included. It stops at an error, which the parser reports.
func countTokens(text string) int {
	lex := lexer.New(&ast.Source{Input: text})
	for n := 0; ; n++ {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return n
		}
	}
}

// exceeded returns the error of a limit that is exceeded. The format takes the actual figure and the limit.
func exceeded(code string, actual, limit int, format string) *gqlerror.Error {
	err := gqlerror.Errorf(format, grouped(actual), grouped(limit))
	err.Extensions = map[string]any{"code": code, "actual": actual, "limit": limit}
	return err
}

// grouped formats a number as 12,345. Sums stop at maxSum.
func grouped(n int) string {
	if n >= maxSum {
		return "over " + grouped(maxSum-1)
	}
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}
