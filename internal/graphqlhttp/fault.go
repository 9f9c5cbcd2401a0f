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
}

// write sends the fault. Its status is the same for both media types, as the client's HTTP is at fault.
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
		message: "Send GraphQL requests by POST.",
		header:  http.Header{"Allow": {http.MethodPost}},
	}
}

func notAcceptable() *requestFault {
	return &requestFault{
		status:  http.StatusNotAcceptable,
		code:    CodeNotAcceptable,
		message: fmt.Sprintf("The Accept header must allow %s or %s, in UTF-8.", mediaGraphQL, mediaJSON),
	}
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

// introspectionOff is the error of an operation that asks for the schema where it is not to be had.
func introspectionOff() *gqlerror.Error {
	err := gqlerror.Errorf("Introspection is off on this server.")
	err.Extensions = map[string]any{"code": errcode.ValidationFailed}
	return err
}

// subscriptionOverPOST is the error of a subscription: an answer by POST holds one result.
func subscriptionOverPOST() *gqlerror.Error {
	err := gqlerror.Errorf("Subscriptions can't be sent by plain POST.")
	err.Extensions = map[string]any{"code": CodeSubscriptionNotSupported}
	return err
}
