package graphqlhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
)

// readParams reads and decodes the body.
func readParams(w http.ResponseWriter, r *http.Request, limit int64) (*graphql.RawParams, *requestFault) {
	if r.ContentLength > limit {
		return nil, payloadTooLarge(limit)
	}
	start := graphql.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, payloadTooLarge(limit)
	case err != nil:
		return nil, badRequest("The request body could not be read to its end.")
	}
	params, fault := decodeParams(body)
	if fault != nil {
		return nil, fault
	}
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	return params, nil
}

// decodeParams decodes a request (GraphQL over HTTP, section "Request Parameters"). Names are matched
// exactly, which encoding/json would not do for a struct; unknown ones are ignored, as the specification
// leaves them to extensions. Messages never repeat the body.
func decodeParams(body []byte) (*graphql.RawParams, *requestFault) {
	if fault := checkShape(body); fault != nil {
		return nil, fault
	}
	if fault := checkBody(body); fault != nil {
		return nil, fault
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, badRequest("The request body is not valid JSON.")
	}
	params := &graphql.RawParams{}
	for _, member := range []struct {
		name   string
		target any
		fault  string
	}{
		{"query", &params.Query, "query must be a string."},
		{"operationName", &params.OperationName, "operationName must be a string."},
		{"variables", &params.Variables, "variables must be an object."},
		{"extensions", &params.Extensions, "extensions must be an object."},
	} {
		if !decodeMember(members[member.name], member.target) {
			return nil, badRequest(member.fault)
		}
	}
	if params.Query == "" {
		return nil, badRequest("query is missing: send the GraphQL document in it.")
	}
	return params, nil
}

// checkShape gives clear messages for bodies that are JSON but not a request.
func checkShape(body []byte) *requestFault {
	body = bytes.TrimLeft(body, " \t\r\n")
	switch {
	case len(body) == 0:
		return badRequest("The request body is empty.")
	case body[0] == '[':
		return badRequest("Batches are not supported: send one operation a request.")
	case body[0] != '{':
		return badRequest("The request body must be a JSON object.")
	}
	return nil
}

// decodeMember decodes one member; an absent one and null leave the target as it is. Numbers keep their
// digits, so that large integers and decimals reach the schema's scalars unharmed.
func decodeMember(raw json.RawMessage, target any) bool {
	if raw == nil {
		return true
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	return decoder.Decode(target) == nil
}
