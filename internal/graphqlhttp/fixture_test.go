package graphqlhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// request is an HTTP request in a table of tests. Zero fields mean what a plain client sends.
type request struct {
	method      string
	accept      string
	contentType string
	body        string
	header      http.Header
}

// query returns a request for a document.
func query(document string) request {
	body, _ := json.Marshal(map[string]any{"query": document})
	return request{body: string(body)}
}

func (q request) as(accept string) request { q.accept = accept; return q }

// send sends a request and checks what must be true of every response.
func send(t *testing.T, h http.Handler, q request) *httptest.ResponseRecorder {
	t.Helper()
	method, contentType := q.method, q.contentType
	if method == "" {
		method = http.MethodPost
	}
	if contentType == "" {
		contentType = "application/json"
	}
	r := httptest.NewRequest(method, "/graphql", strings.NewReader(q.body))
	r.Header.Set("Content-Type", contentType)
	if q.accept != "" {
		r.Header.Set("Accept", q.accept)
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	w := &countingRecorder{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, r)
	if w.writes != 1 {
		t.Errorf("%d writes, want 1", w.writes)
	}
	if got := w.Header().Get("Content-Length"); got != strconv.Itoa(w.Body.Len()) {
		t.Errorf("Content-Length %q for %d bytes", got, w.Body.Len())
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Vary") != "Accept" {
		t.Errorf("headers: %v", w.Header())
	}
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("not JSON: %s", w.Body)
	}
	return w.ResponseRecorder
}

type countingRecorder struct {
	*httptest.ResponseRecorder
	writes int
}

func (w *countingRecorder) Write(b []byte) (int, error) {
	w.writes++
	return w.ResponseRecorder.Write(b)
}

// parsedResponse is the body of a response.
type parsedResponse struct {
	Errors []struct {
		Message    string
		Extensions map[string]any
	}
	Data *json.RawMessage
}

func parseResponse(t *testing.T, body []byte) (parsedResponse, bool) {
	t.Helper()
	var p parsedResponse
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &p) != nil || json.Unmarshal(body, &members) != nil {
		t.Fatalf("unreadable: %s", body)
	}
	_, hasData := members["data"]
	return p, hasData
}

// unknownLength hides the length of requests that have the header Unknown-Length, as in chunked requests.
func unknownLength(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Unknown-Length") != "" {
			r.ContentLength = -1
		}
		h.ServeHTTP(w, r)
	})
}

// body returns a request with the members.
func body(t *testing.T, members map[string]any) request {
	t.Helper()
	encoded, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return request{body: string(encoded)}
}

// schemaWithoutCalls is a schema without the mock's list of calls, which would keep their documents in memory.
type schemaWithoutCalls struct{ graphql.ExecutableSchema }

func (s schemaWithoutCalls) Exec(ctx context.Context) graphql.ResponseHandler {
	schema, op := s.Schema(), graphql.GetOperationContext(ctx)
	return func(ctx context.Context) *graphql.Response { return resolve(ctx, schema, op) }
}

// heap returns the bytes in use on the heap.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// codedError is an error of the test schema's domain.
type codedError struct {
	code  string
	extra map[string]any
}

func (e codedError) Error() string { return "refused: " + e.code }

// present is the test schema's presenter.
func present(_ context.Context, err error) *gqlerror.Error {
	var coded codedError
	if errors.As(err, &coded) {
		shown := &gqlerror.Error{Message: coded.Error(), Extensions: map[string]any{"code": coded.code}}
		for name, value := range coded.extra {
			shown.Extensions[name] = value
		}
		return shown
	}
	var own *gqlerror.Error
	if errors.As(err, &own) && own.Extensions["code"] != nil {
		return own
	}
	return internalError()
}

// recovered is the test schema's Recover. The client must not see the panic's value.
func recovered(_ context.Context, value any) error { return fmt.Errorf("panic: %v", value) }

// testSchema is a schema with a field for each way an operation can end.
func testSchema() *graphql.ExecutableSchemaMock {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `
		type Query {
			"The argument, or world."
			hello(name: String): String!
			number(value: Int): Int
			broken: String
			bubbles: String!
			panics: String
			echo(input: EchoInput): String
			mood(is: Mood): String
			many(of: [ManyInput]): Int
		}
		enum Mood { CHEERFUL }
		input EchoInput { text: String }
		input ManyInput { and: [ManyInput!] text: String }
		type Mutation { rename(to: String!): String! }
		type Subscription { ticks: Int! }
	`})
	return &graphql.ExecutableSchemaMock{
		SchemaFunc:     func() *ast.Schema { return schema },
		ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) { return 0, false },
		ExecFunc: func(ctx context.Context) graphql.ResponseHandler {
			op := graphql.GetOperationContext(ctx)
			return func(ctx context.Context) *graphql.Response { return resolve(ctx, schema, op) }
		},
	}
}

// resolve executes an operation of the test schema.
func resolve(ctx context.Context, schema *ast.Schema, op *graphql.OperationContext) *graphql.Response {
	var data bytes.Buffer
	separator := byte('{')
	for _, field := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Query", "Mutation"}) {
		value := resolveField(ctx, schema, op, field)
		if value == nil && field.Definition.Type.NonNull {
			return &graphql.Response{Data: []byte("null")}
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&data, "%c%q:%s", separator, field.Alias, encoded)
		separator = ','
	}
	data.WriteByte('}')
	return &graphql.Response{Data: data.Bytes()}
}

func resolveField(ctx context.Context, schema *ast.Schema, op *graphql.OperationContext, field graphql.CollectedField) any {
	args := field.ArgumentMap(op.Variables)
	switch field.Name {
	case "__typename":
		return field.ObjectDefinition.Name
	case "__type":
		if op.DisableIntrospection {
			graphql.AddError(ctx, codedError{code: "INTROSPECTION_DISABLED"})
			return nil
		}
		name, _ := args["name"].(string)
		return map[string]any{"name": schema.Types[name].Name}
	case "hello":
		if name, ok := args["name"].(string); ok {
			return "Hello, " + name
		}
		return "Hello, world"
	case "number":
		return args["value"]
	case "rename":
		return args["to"]
	case "broken", "bubbles":
		graphql.AddError(ctx, codedError{code: "BROKEN"})
		return nil
	case "panics":
		panic("the password is hunter2")
	default:
		return nil
	}
}

// checkInt is the test schema's Int: a whole number of any size.
func checkInt(value any) error {
	number, ok := value.(json.Number)
	if _, err := number.Int64(); !ok || err != nil {
		return errors.New("must be a whole number")
	}
	return nil
}

// newHandler returns a handler of the test schema with a changed Config.
func newHandler(t testing.TB, changes ...func(*Config)) *Handler {
	t.Helper()
	cfg := Config{
		Schema: testSchema(), PresentError: present, Recover: recovered, Introspection: true, MaxBodyBytes: 1 << 20,
		Scalars: map[string]CheckScalar{"Int": checkInt},
	}
	for _, change := range changes {
		change(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// refusing refuses every operation with err before it is executed.
func refusing(err error) func(*Config) {
	return func(cfg *Config) {
		cfg.AroundOperations = append(cfg.AroundOperations, func(ctx context.Context, _ graphql.OperationHandler) graphql.ResponseHandler {
			return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{present(ctx, err)}})
		})
	}
}
