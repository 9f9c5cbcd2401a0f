package graphqlhttp

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// Codes of the limits, in errors' extensions.code. Each has extensions limit and actual beside it.
const (
	// CodeDocumentTooLarge: the document has more bytes than are allowed.
	CodeDocumentTooLarge = "DOCUMENT_TOO_LARGE"
	// CodeTooManyTokens: the document has more lexical tokens than are allowed, comments counted.
	CodeTooManyTokens = "TOO_MANY_TOKENS"
	// CodeTooDeep: the operation nests fields deeper than is allowed.
	CodeTooDeep = "TOO_DEEP"
	// CodeTooManyAliases: the document has more aliases than are allowed.
	CodeTooManyAliases = "TOO_MANY_ALIASES"
	// CodeTooManyRootFields: the operation has more root fields than are allowed.
	CodeTooManyRootFields = "TOO_MANY_ROOT_FIELDS"
	// CodeTooManyDirectives: the document, or one place of it, has more directives than are allowed.
	CodeTooManyDirectives = "TOO_MANY_DIRECTIVES"
	// CodeTooRepetitive: the document selects the same response names over and over.
	CodeTooRepetitive = "TOO_REPETITIVE"
	// CodeTooExpensive: the operation costs more than is allowed.
	CodeTooExpensive = "TOO_EXPENSIVE"
	// CodeInputTooComplex: the variables, or the values in the document, nest too deep or are too many.
	CodeInputTooComplex = "INPUT_TOO_COMPLEX"
)

// Limits hold for every document that is not trusted, and for every answer. Zero takes the default.
type Limits struct {
	// DocumentBytes is the longest document. Default: 64 KiB.
	DocumentBytes int
	// Tokens is the most lexical tokens of a document, comments counted. Default: 2,000.
	Tokens int
	// TokensSignedOut is the same for clients that are not signed in. Default: half of Tokens.
	TokensSignedOut int
	// Depth is how deep fields may nest. Default: 12. Below __schema and __type the count starts anew and goes to
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
	// Cost is the most that an operation may cost, by Config.Price. Default: 5,000.
	Cost int
	// InputDepth is how deep lists and objects may nest in variables and in the document's values. Default: 32.
	InputDepth int
	// InputValues is the most values in a request's variables, lists and objects counted as often as the operation uses
	// them. Default: 10,000.
	InputValues int
	// Errors is the most errors of an answer. Default: 20.
	Errors int
}

const (
	// maxIntrospectionDepth is how deep fields may nest below __schema and __type. graphql-js's own query has 15.
	maxIntrospectionDepth = 20
	// maxRepeats is the most pairs of fields with one response name in a document. Validation compares each such pair,
	// at some 75 ns; a document of nothing but one field would take 150 ms of CPU.
	maxRepeats = 100_000
	// maxUnknownFields is the most fields that the schema doesn't have which validation is asked to find: for each it
	// looks through the whole schema for a name to suggest.
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

// limiter holds documents to the limits, before they are validated: validation is quadratic in places.
type limiter struct {
	limits    Limits
	schema    *ast.Schema
	price     Price
	signedIn  func(context.Context) bool
	documents documentCache
}

// newLimiter returns the limiter of a handler. The documents are those that the executor keeps: they are valid, and
// need not be parsed again.
func newLimiter(cfg Config, documents documentCache) *limiter {
	l := &limiter{limits: cfg.Limits.withDefaults(), schema: cfg.Schema.Schema(), price: cfg.Price, signedIn: cfg.SignedIn, documents: documents}
	if l.signedIn == nil {
		l.signedIn = func(context.Context) bool { return true }
	}
	if l.price == nil {
		l.price = func(*ast.Definition, *ast.FieldDefinition) FieldPrice { return FieldPrice{} }
	}
	return l
}

// admit returns the document and what its operation costs, or why it is not even validated. The document may be without the
// operation.
//
// A trusted document is one that the operator wrote: no limit holds for it, but it costs what it costs. Limits on
// what comes from the client, which are the variables, hold in any case.
func (l *limiter) admit(ctx context.Context, params *graphql.RawParams, trusted bool) (*knownDocument, int, *gqlerror.Error) {
	req := requestOf(ctx)
	if err := l.checkVariables(params.Variables, req.values); err != nil {
		return nil, 0, err
	}
	document, err := l.parse(ctx, params.Query, trusted)
	if err != nil {
		return nil, 0, err
	}
	operation := operationOf(document.document, params.OperationName)
	req.operation = operation
	before, again := document.admission(operation)
	if again && before.fixed {
		return document, before.cost, nil
	}
	w := newWalk(l.schema, l.price, document.document, params.Variables)
	found := w.operation(operation)
	if !trusted {
		if !again { // What the text holds is the same for all variables.
			w.document()
		}
		if err := l.check(w, found); err != nil {
			return nil, 0, err
		}
	}
	if operation != nil {
		document.admit(operation, admission{cost: found.cost, fixed: !w.asked})
	}
	return document, found.cost, nil
}

// parse returns the document, or what is wrong with its syntax or size. One that is not kept yet is nobody else's.
func (l *limiter) parse(ctx context.Context, text string, trusted bool) (*knownDocument, *gqlerror.Error) {
	tokens := l.limits.Tokens
	if !l.signedIn(ctx) {
		tokens = l.limits.TokensSignedOut
	}
	if trusted {
		tokens = 0
	} else if len(text) > l.limits.DocumentBytes {
		return nil, passed(CodeDocumentTooLarge, len(text), l.limits.DocumentBytes, "The document has %s bytes, at most %s are allowed.")
	}
	known := l.documents.known(ctx, text)
	if !trusted && (known == nil || tokens < l.limits.Tokens) { // A cached one was within the limit when it was parsed.
		if n := countTokens(text); n > tokens {
			return nil, passed(CodeTooManyTokens, n, tokens, "The document has %s tokens, at most %s are allowed"+l.signInHint(tokens)+".")
		}
	}
	if known != nil {
		return known, nil
	}
	document, err := parseDocument(text)
	if err != nil {
		return nil, err
	}
	return &knownDocument{document: document}, nil
}

func (l *limiter) signInHint(tokens int) string {
	if tokens < l.limits.Tokens {
		return fmt.Sprintf(" without signing in (signed in: %s)", grouped(l.limits.Tokens))
	}
	return ""
}

// check holds what the walk counted against the limits.
func (l *limiter) check(w *walk, found operationCount) *gqlerror.Error {
	limit := l.limits
	switch {
	case w.inputDepth > limit.InputDepth:
		return passed(CodeInputTooComplex, w.inputDepth, limit.InputDepth, "Values nest %s deep, at most %s are allowed.")
	case found.depth > limit.Depth:
		return passed(CodeTooDeep, found.depth, limit.Depth, "Fields nest %s deep, at most %s are allowed.")
	case found.introspection > maxIntrospectionDepth:
		return passed(CodeTooDeep, found.introspection, maxIntrospectionDepth, "Fields nest %s deep in introspection, at most %s are allowed.")
	case w.aliases > limit.Aliases:
		return passed(CodeTooManyAliases, w.aliases, limit.Aliases, "The document has %s aliases, and at most %s are allowed.")
	case found.rootFields > limit.RootFields:
		return passed(CodeTooManyRootFields, found.rootFields, limit.RootFields, "The operation has %s root fields, at most %s are allowed: send the rest in another request.")
	case w.directives > limit.Directives:
		return passed(CodeTooManyDirectives, w.directives, limit.Directives, "The document has %s directives, at most %s are allowed.")
	case w.directivesPerPlace > limit.DirectivesPerPlace:
		return passed(CodeTooManyDirectives, w.directivesPerPlace, limit.DirectivesPerPlace, "One place of the document has %s directives, at most %s are allowed.")
	case found.cost > limit.Cost:
		return l.tooExpensive(found)
	}
	name, most, pairs := w.repeats()
	if pairs > maxRepeats {
		err := passed(CodeTooRepetitive, pairs, maxRepeats, "The document repeats fields (%s pairs of the same name to compare, at most %s are allowed)")
		err.Message += fmt.Sprintf(", %q alone %s times: select each once in a place.", name, grouped(most))
		return err
	}
	if w.unknownFields > maxUnknownFields {
		err := passed(errcode.ValidationFailed, w.unknownFields, maxUnknownFields, "The document has %s fields that the schema does not have, and the limit for a full report is %s")
		err.Message += ": the first is " + w.firstUnknown + "."
		return err
	}
	return nil
}

// tooExpensive says the cost and, where a smaller page of one field would do, its size.
func (l *limiter) tooExpensive(found operationCount) *gqlerror.Error {
	err := passed(CodeTooExpensive, found.cost, l.limits.Cost, "Cost is %s, at most %s are allowed")
	if fit := found.fitting(l.limits.Cost); fit != "" {
		err.Message += "; " + fit + " would fit"
	}
	err.Message += "."
	return err
}

// checkVariables bounds what the client's JSON nests and holds. Executing compares it with the schema by reflection,
// value by value. What was counted may be more than what was kept.
func (l *limiter) checkVariables(variables map[string]any, counted int) *gqlerror.Error {
	depth, values := 0, 0
	for _, value := range variables {
		d, n := measure(value)
		depth, values = max(depth, d), values+n
	}
	return l.checkInput(depth, max(values, counted))
}

func (l *limiter) checkInput(depth, values int) *gqlerror.Error {
	switch {
	case depth > l.limits.InputDepth:
		return passed(CodeInputTooComplex, depth, l.limits.InputDepth, "Values nest %s deep in the variables, at most %s are allowed.")
	case values > l.limits.InputValues:
		return passed(CodeInputTooComplex, values, l.limits.InputValues, "The variables hold %s values, at most %s are allowed.")
	}
	return nil
}

// checkUses bounds the values that executing copies out of the variables.
func (l *limiter) checkUses(document *knownDocument, operation *ast.OperationDefinition, variables map[string]any) *gqlerror.Error {
	if n := document.valuesUsed(operation, variables); n > l.limits.InputValues {
		return passed(CodeInputTooComplex, n, l.limits.InputValues, "The variables hold %s values, counted for each use of a variable, at most %s are allowed.")
	}
	return nil
}

// measure returns how deep lists and objects nest in a value and how many values it is made of, itself included.
// JSON's decoder has bounded the depth.
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

// maxBodyValues bounds a body before it is decoded: a megabyte of values takes longer to decode than its commas to count.
const maxBodyValues = 50_000

// tooManyValues counts the commas in a body of JSON, those in its strings left out. It need not be valid.
func tooManyValues(body []byte) bool {
	if bytes.Count(body, []byte{','}) <= maxBodyValues {
		return false
	}
	commas, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++
		case !inString && c == ',':
			commas++
		}
	}
	return commas > maxBodyValues
}

// countTokens counts a document's lexical tokens, comments included. What can't be read ends it: the parser says why.
func countTokens(text string) int {
	lex := lexer.New(&ast.Source{Input: text})
	for n := 0; ; n++ {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return n
		}
	}
}

// operationOf picks the operation as the executor does; nil where there is none.
func operationOf(document *ast.QueryDocument, name string) *ast.OperationDefinition {
	return document.Operations.ForName(name)
}

// passed is the error of a limit that was passed. The format takes the figure and the limit.
func passed(code string, actual, limit int, format string) *gqlerror.Error {
	err := gqlerror.Errorf(format, grouped(actual), grouped(limit))
	err.Extensions = map[string]any{"code": code, "actual": actual, "limit": limit}
	return err
}

// grouped writes a number as 12,345. Sums stop at maxSum.
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
