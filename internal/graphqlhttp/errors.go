package graphqlhttp

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Codes in errors' extensions.code that this package gives or acts on.
const (
	// CodeBadRequest: the body is not a GraphQL request.
	CodeBadRequest = "BAD_REQUEST"
	// CodeMethodNotAllowed: the HTTP method is neither POST nor GET, or a mutation came by GET.
	CodeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	// CodeNotAcceptable: the Accept header allows none of the media types of a response.
	CodeNotAcceptable = "NOT_ACCEPTABLE"
	// CodeUnsupportedMediaType: the body is not application/json in UTF-8.
	CodeUnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE"
	// CodePayloadTooLarge: the body is longer than the limit.
	CodePayloadTooLarge = "PAYLOAD_TOO_LARGE"
	// CodeRequestTimeout: the body did not arrive in time.
	CodeRequestTimeout = "REQUEST_TIMEOUT"
	// CodeURITooLong: the URL of a GET is longer than the limit.
	CodeURITooLong = "URI_TOO_LONG"
	// CodePersistedQueryNotFound: the server knows no document by the id or hash. Apollo Client and urql then send the
	// document beside its hash.
	CodePersistedQueryNotFound = "PERSISTED_QUERY_NOT_FOUND"
	// CodePersistedQueryNotSupported: the server knows no documents by id or hash. Apollo Client then stops sending hashes.
	CodePersistedQueryNotSupported = "PERSISTED_QUERY_NOT_SUPPORTED"
	// CodePersistedQueryIDRequired: only trusted documents are executed, and the request has a document instead of an id.
	CodePersistedQueryIDRequired = "PERSISTED_QUERY_ID_REQUIRED"
	// CodeSubscriptionNotSupported: a subscription came by plain POST or GET, whose responses hold one result.
	CodeSubscriptionNotSupported = "SUBSCRIPTION_NOT_SUPPORTED"
	// CodeBadUserInput: the scalar refuses the value.
	CodeBadUserInput = "BAD_USER_INPUT"
	// CodeUnauthenticated: the schema's code for an operation that needs a session.
	CodeUnauthenticated = "UNAUTHENTICATED"
	// CodeForbidden: the schema's code for an operation that the session may not execute.
	CodeForbidden = "FORBIDDEN"
	// CodeTooManyStreams: the client has too many streams open.
	CodeTooManyStreams = "TOO_MANY_STREAMS"
	// CodeServiceUnavailable: the schema's code for an outage. Its extension retryAfter, in seconds, becomes
	// the Retry-After header.
	CodeServiceUnavailable = "SERVICE_UNAVAILABLE"
	// CodeInternal: the schema's code for a bug.
	CodeInternal = "INTERNAL"
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
	// CodeTooManyDirectives: the document, or one node of it, has more directives than are allowed.
	CodeTooManyDirectives = "TOO_MANY_DIRECTIVES"
	// CodeTooRepetitive: the document selects the same response names over and over.
	CodeTooRepetitive = "TOO_REPETITIVE"
	// CodeTooExpensive: the operation costs more than is allowed.
	CodeTooExpensive = "TOO_EXPENSIVE"
	// CodeInputTooComplex: the variables, or the values in the document, nest too deep or are too many.
	CodeInputTooComplex = "INPUT_TOO_COMPLEX"
)

// CodeRateLimited is the code of a refusal because the client's budget is used up. Its extension retryAfter is when to try
// again, in seconds.
const CodeRateLimited = "RATE_LIMITED"

// messageRestarting is the message to clients of streams when the server stops.
const messageRestarting = "The server is restarting: connect again."

// requestError is the error of a request that is refused before its document is read. Its message is safe to show.
type requestError struct {
	code    string
	message string
	// extensions are the error's, beside the code.
	extensions map[string]any
	// status and header are those of a response over HTTP. A status applies to both media types, since the client's use of
	// HTTP is wrong. 0: the media type decides.
	status int
	header http.Header
}

// response returns the response over HTTP.
func (e *requestError) response() response {
	err := gqlerror.Errorf("%s", e.message)
	err.Extensions = map[string]any{"code": e.code}
	maps.Copy(err.Extensions, e.extensions)
	return response{result: result{errors: gqlerror.List{err}}, status: e.status, header: e.header}
}

func badRequest(message string) *requestError {
	return &requestError{status: http.StatusBadRequest, code: CodeBadRequest, message: message}
}

func methodNotAllowed() *requestError {
	return &requestError{
		status:  http.StatusMethodNotAllowed,
		code:    CodeMethodNotAllowed,
		message: "Send GraphQL requests by POST, queries also by GET.",
		header:  http.Header{"Allow": {allowedMethods}},
	}
}

// singleConnection is the error of a request of graphql-sse's single connection mode, whose requests would have to find the
// process that holds the stream.
func singleConnection() *requestError {
	return badRequest("An event stream has one operation here: use graphql-sse with distinct connections (singleConnection: false), " +
		"or a WebSocket with the subprotocol graphql-transport-ws, which carries many operations.")
}

// reservationRefused is the error of a PUT, with which the single connection mode begins.
func reservationRefused() *requestError {
	err := methodNotAllowed()
	err.message = singleConnection().message
	return err
}

// restarting is the error of a stream that is opened while the server stops.
func restarting() *gqlerror.Error {
	err := gqlerror.Errorf(messageRestarting)
	err.Extensions = map[string]any{"code": CodeServiceUnavailable, "retryAfter": 1}
	return err
}

// mutationOverGET is the error of a mutation that came by GET. Its status is 405 for both media types.
func mutationOverGET() *gqlerror.Error {
	err := gqlerror.Errorf("Send mutations by POST: GET is for queries.")
	err.Extensions = map[string]any{"code": CodeMethodNotAllowed}
	return err
}

func uriTooLong() *requestError {
	return &requestError{
		status:  http.StatusRequestURITooLong,
		code:    CodeURITooLong,
		message: fmt.Sprintf("The URL's query is longer than %d bytes: send the request by POST.", maxURLBytes),
	}
}

// The errors of requests that name a document have no status: such a request is well-formed, and clients that accept
// application/json expect 200. Apollo's and urql's clients check the message as well as the code.

func persistedQueryNotFound() *requestError {
	return &requestError{code: CodePersistedQueryNotFound, message: "PersistedQueryNotFound"}
}

func persistedQueryNotSupported() *requestError {
	return &requestError{code: CodePersistedQueryNotSupported, message: "PersistedQueryNotSupported"}
}

func persistedQueryIDRequired() *requestError {
	return &requestError{
		code:    CodePersistedQueryIDRequired,
		message: "This server runs trusted documents only: send documentId or extensions.persistedQuery.sha256Hash instead of query.",
	}
}

func notAcceptable() *requestError {
	return &requestError{
		status:  http.StatusNotAcceptable,
		code:    CodeNotAcceptable,
		message: fmt.Sprintf("The Accept header must allow %s or %s, in UTF-8.", mediaGraphQL, mediaJSON),
	}
}

// unsupportedEncoding is the error of a compressed body (RFC 9110, section 15.5.16).
func unsupportedEncoding() *requestError {
	err := unsupportedMediaType("Compressed request bodies are not supported.")
	err.header = http.Header{"Accept-Encoding": {"identity"}}
	return err
}

func unsupportedMediaType(message string) *requestError {
	return &requestError{status: http.StatusUnsupportedMediaType, code: CodeUnsupportedMediaType, message: message}
}

func payloadTooLarge(limit int64) *requestError {
	return &requestError{
		status:  http.StatusRequestEntityTooLarge,
		code:    CodePayloadTooLarge,
		message: fmt.Sprintf("The request body is longer than %d bytes.", limit),
	}
}

// requestTimeout is the error of a body that took longer to arrive than the HTTP server's ReadTimeout. The connection can't
// be used again, since the rest of the body may still arrive.
func requestTimeout() *requestError {
	return &requestError{
		status:  http.StatusRequestTimeout,
		code:    CodeRequestTimeout,
		message: "The request body did not arrive in time: send it again, over a faster connection or in parts.",
		header:  http.Header{"Connection": {"close"}},
	}
}

// introspectionOff is the error of an operation that asks for the schema if introspection is off.
func introspectionOff() *gqlerror.Error {
	err := gqlerror.Errorf("Introspection is off on this server.")
	err.Extensions = map[string]any{"code": errcode.ValidationFailed}
	return err
}

// subscriptionNotSupported is the error of a subscription sent by POST or GET if the response can hold only one result.
func subscriptionNotSupported() *gqlerror.Error {
	err := gqlerror.Errorf("A response of this media type holds one result, and a subscription has many: accept text/event-stream " +
		"or multipart/mixed;subscriptionSpec=1.0, or open a WebSocket with the subprotocol graphql-transport-ws.")
	err.Extensions = map[string]any{"code": CodeSubscriptionNotSupported}
	return err
}

// tooManySubscriptions is the error of a subscription on a WebSocket that has as many as it may.
func tooManySubscriptions(limit int) *gqlerror.Error {
	err := gqlerror.Errorf("The connection has %d subscriptions, as many as it may: end one that nobody looks at.", limit)
	err.Extensions = map[string]any{"code": CodeTooManyStreams}
	return err
}

// internalError is the error to show if PresentError doesn't return one.
func internalError() *gqlerror.Error {
	err := gqlerror.Errorf("Internal error")
	err.Extensions = map[string]any{"code": CodeInternal}
	return err
}

// maxMessage is the most bytes of an error's message, which may quote what the client sent.
const maxMessage = 500

// presentable returns the first errors of the list, at most limit. It truncates long messages, and corrects the columns of
// syntax errors in block strings: gqlparser counts them from the string's last line, so that they can be 0 or less.
func presentable(errs gqlerror.List, limit int) gqlerror.List {
	errs = errs[:min(len(errs), limit)]
	for _, err := range errs {
		for i := range err.Locations {
			err.Locations[i].Column = max(err.Locations[i].Column, 1)
		}
		if len(err.Message) > maxMessage {
			cut := []rune(err.Message[:maxMessage])
			err.Message = string(slices.DeleteFunc(cut, func(r rune) bool { return r == '\uFFFD' })) + "…"
		}
	}
	return errs
}

// compareErrors orders errors as their fields are in the document, then by path, so that a response doesn't depend on which of
// gqlgen's goroutines was first. Errors that belong to no field are last.
func compareErrors(a, b *gqlerror.Error) int {
	if len(a.Locations) == 0 || len(b.Locations) == 0 {
		return cmp.Compare(len(b.Locations), len(a.Locations))
	}
	return cmp.Or(
		cmp.Compare(a.Locations[0].Line, b.Locations[0].Line),
		cmp.Compare(a.Locations[0].Column, b.Locations[0].Column),
		slices.CompareFunc(a.Path, b.Path, func(x, y ast.PathElement) int {
			index, isIndex := x.(ast.PathIndex)
			other, otherIsIndex := y.(ast.PathIndex)
			if isIndex && otherIsIndex {
				return cmp.Compare(index, other)
			}
			return cmp.Compare(fmt.Sprint(x), fmt.Sprint(y))
		}),
	)
}
