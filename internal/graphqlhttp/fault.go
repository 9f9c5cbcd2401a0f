package graphqlhttp

import (
	"fmt"
	"maps"
	"net/http"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// requestFault is a request that is refused before its document is read. Its message is safe to show.
type requestFault struct {
	status  int
	code    string
	message string
	header  http.Header
	// extensions stand beside the code.
	extensions map[string]any
	// read is how many bytes of the request were read for it.
	read int
	// prepaid is what was taken for them from the client's budget while they arrived.
	prepaid int
}

// write sends the fault. Its status, where it has one, is the same for both media types, as the client's HTTP is at
// fault.
func (f *requestFault) write(w http.ResponseWriter, as mediaType) {
	err := gqlerror.Errorf("%s", f.message)
	err.Extensions = map[string]any{"code": f.code}
	maps.Copy(err.Extensions, f.extensions)
	answer{errors: gqlerror.List{err}, status: f.status, header: f.header}.write(w, as)
}

func badRequest(message string) *requestFault {
	return &requestFault{status: http.StatusBadRequest, code: CodeBadRequest, message: message}
}

func methodNotAllowed() *requestFault {
	return &requestFault{
		status:  http.StatusMethodNotAllowed,
		code:    CodeMethodNotAllowed,
		message: "Send GraphQL requests by POST, queries also by GET.",
		header:  http.Header{"Allow": {allowedMethods}},
	}
}

// mutationOverGET is the error of a mutation that came by GET. Its status is 405 for both media types.
func mutationOverGET() *gqlerror.Error {
	err := gqlerror.Errorf("Send mutations by POST: GET is for queries.")
	err.Extensions = map[string]any{"code": CodeMethodNotAllowed}
	return err
}

func uriTooLong() *requestFault {
	return &requestFault{
		status:  http.StatusRequestURITooLong,
		code:    CodeURITooLong,
		message: fmt.Sprintf("The URL's query is longer than %d bytes: send the request by POST.", maxURLBytes),
	}
}

// The faults of requests that name a document have no status of their own: such a request is well-formed, and clients
// that speak application/json expect 200. Apollo's and urql's clients go by the message as well as by the code.

func persistedQueryNotFound() *requestFault {
	return &requestFault{code: CodePersistedQueryNotFound, message: "PersistedQueryNotFound"}
}

func persistedQueryNotSupported() *requestFault {
	return &requestFault{code: CodePersistedQueryNotSupported, message: "PersistedQueryNotSupported"}
}

func persistedQueryIDRequired() *requestFault {
	return &requestFault{
		code:    CodePersistedQueryIDRequired,
		message: "This server runs trusted documents only: send documentId or extensions.persistedQuery.sha256Hash instead of query.",
	}
}

func notAcceptable() *requestFault {
	return &requestFault{
		status:  http.StatusNotAcceptable,
		code:    CodeNotAcceptable,
		message: fmt.Sprintf("The Accept header must allow %s or %s, in UTF-8.", mediaGraphQL, mediaJSON),
	}
}

// unsupportedEncoding tells a client that compressed its body not to (RFC 9110, section 15.5.16).
func unsupportedEncoding() *requestFault {
	fault := unsupportedMediaType("Compressed request bodies are not supported.")
	fault.header = http.Header{"Accept-Encoding": {"identity"}}
	return fault
}

func unsupportedMediaType(message string) *requestFault {
	return &requestFault{status: http.StatusUnsupportedMediaType, code: CodeUnsupportedMediaType, message: message}
}

func payloadTooLarge(limit int64) *requestFault {
	return &requestFault{
		status:  http.StatusRequestEntityTooLarge,
		code:    CodePayloadTooLarge,
		message: fmt.Sprintf("The request body is longer than %d bytes.", limit),
	}
}

// requestTimeout tells a client that its body took longer to arrive than the HTTP server's ReadTimeout. The connection
// can't be used again, as the rest of the body may still arrive.
func requestTimeout() *requestFault {
	return &requestFault{
		status:  http.StatusRequestTimeout,
		code:    CodeRequestTimeout,
		message: "The request body did not arrive in time: send it again, over a faster connection or in parts.",
		header:  http.Header{"Connection": {"close"}},
	}
}

// introspectionOff is the error of an operation that asks for the schema where it is not to be had.
func introspectionOff() *gqlerror.Error {
	err := gqlerror.Errorf("Introspection is off on this server.")
	err.Extensions = map[string]any{"code": errcode.ValidationFailed}
	return err
}

// subscriptionOverPOST is the error of a subscription: an answer by POST or GET holds one result.
func subscriptionOverPOST() *gqlerror.Error {
	err := gqlerror.Errorf("Subscriptions can't be sent by plain POST or GET.")
	err.Extensions = map[string]any{"code": CodeSubscriptionNotSupported}
	return err
}
