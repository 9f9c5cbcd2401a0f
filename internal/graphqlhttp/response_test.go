package graphqlhttp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// TestStatuses is the table of statuses: each way an operation can end, in both media types.
func TestStatuses(t *testing.T) {
	t.Parallel()
	internal := func(cfg *Config) {
		cfg.AroundOperations = append(cfg.AroundOperations, func(context.Context, graphql.OperationHandler) graphql.ResponseHandler { panic("hunter2") })
	}
	tests := []struct {
		name          string
		q             request
		change        func(*Config)
		json, graphQL int
		code          string
		data          string // "" for no data key
	}{
		{"success", query("{ hello }"), nil, 200, 200, "", `{"hello":"Hello, world"}`},
		{"a syntax error", query("{"), nil, 200, 400, "GRAPHQL_PARSE_FAILED", ""},
		{"an unknown field", query("{ nope }"), nil, 200, 400, "GRAPHQL_VALIDATION_FAILED", ""},
		{"no operation", query("fragment f on Query { hello }"), nil, 200, 400, "GRAPHQL_VALIDATION_FAILED", ""},
		{"an unknown operation", request{body: `{"query":"query A {hello} query B {hello}","operationName":"C"}`}, nil, 200, 400, "GRAPHQL_VALIDATION_FAILED", ""},
		{"a wrong variable", request{body: `{"query":"query($n:Int){number(value:$n)}","variables":{"n":"x"}}`}, nil, 200, 400, "GRAPHQL_VALIDATION_FAILED", ""},
		{"too many tokens", query("{" + strings.Repeat(" hello", 2000) + "}"), nil, 200, 400, CodeTooManyTokens, ""},
		{"a subscription", query("subscription { ticks }"), nil, 200, 400, CodeSubscriptionNotSupported, ""},
		{"partial data", query("{ hello broken }"), nil, 200, 200, "BROKEN", `{"hello":"Hello, world","broken":null}`},
		{"a null up to the root", query("{ bubbles }"), nil, 200, 200, "BROKEN", "null"},
		{"a panic in execution", query("{ panics }"), nil, 200, 500, CodeInternal, ""},
		{"a panic before execution", query("{ hello }"), internal, 200, 500, CodeInternal, ""},
		{"nobody signed in", query("{ hello }"), refusing(codedError{code: CodeUnauthenticated}), 200, 401, CodeUnauthenticated, ""},
		{"an outage", query("{ hello }"), refusing(codedError{code: CodeServiceUnavailable}), 503, 503, CodeServiceUnavailable, ""},
		{"another refusal", query("{ hello }"), refusing(codedError{code: "TOO_COMPLEX"}), 200, 400, "TOO_COMPLEX", ""},
	}
	for _, tt := range tests {
		for _, accept := range []string{acceptJSON, acceptGraphQL} {
			t.Run(tt.name+" as "+accept, func(t *testing.T) {
				t.Parallel()
				change := tt.change
				if change == nil {
					change = func(*Config) {}
				}
				w := send(t, newHandler(t, change), tt.q.as(accept))
				want := map[string]int{acceptJSON: tt.json, acceptGraphQL: tt.graphQL}[accept]
				if w.Code != want {
					t.Errorf("status %d, want %d: %s", w.Code, want, w.Body)
				}
				if got := w.Header().Get("Content-Type"); got != accept+"; charset=utf-8" {
					t.Errorf("Content-Type %q", got)
				}
				p, hasData := parseResponse(t, w.Body.Bytes())
				if hasData != (tt.data != "") || (hasData && !strings.Contains(w.Body.String(), `"data":`+tt.data)) {
					t.Errorf("want data %q: %s", tt.data, w.Body)
				}
				if (tt.code == "") != (len(p.Errors) == 0) || (tt.code != "" && p.Errors[0].Extensions["code"] != tt.code) {
					t.Errorf("want code %q: %s", tt.code, w.Body)
				}
				if strings.Contains(w.Body.String(), "hunter2") {
					t.Errorf("a panic is shown: %s", w.Body)
				}
			})
		}
	}
}

// Messages of gqlgen that don't help clients are replaced.
func TestMessages(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"query":"query A {hello} query B {hello}"}`:                                    "The document has 2 operations: say which one in operationName.",
		`{"query":"query A {hello}","operationName":"C"}`:                                `The document has no operation named "C".`,
		`{"query":"query A {hello}","operationName":"` + strings.Repeat("C", 600) + `"}`: "CCC…",
	} {
		p, _ := parseResponse(t, send(t, newHandler(t), request{body: body}).Body.Bytes())
		if len(p.Errors) != 1 || !strings.HasSuffix(p.Errors[0].Message, want) || p.Errors[0].Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" {
			t.Errorf("%.70s: %+v, want %s", body, p.Errors, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		extra any
		want  string
	}{{nil, "5"}, {12, "12"}, {int64(7), "7"}, {2.5, "2"}, {0, "1"}, {"x", "5"}} {
		h := newHandler(t, refusing(codedError{code: CodeServiceUnavailable, extra: map[string]any{"retryAfter": tt.extra}}))
		for _, accept := range []string{acceptJSON, acceptGraphQL} {
			if got := send(t, h, query("{hello}").as(accept)).Header().Get("Retry-After"); got != tt.want {
				t.Errorf("retryAfter %v as %s: got %q, want %q", tt.extra, accept, got, tt.want)
			}
		}
	}
	if got := send(t, newHandler(t), query("{hello}")).Header().Get("Retry-After"); got != "" {
		t.Errorf("Retry-After %q on success", got)
	}
}

// Data that is too long to be copied is sent in its place.
func TestLongData(t *testing.T) {
	t.Parallel()
	for _, length := range []int{2, maxPooledBytes, maxPooledBytes + 1, 3 * maxPooledBytes} {
		data := `"` + strings.Repeat("x", length-2) + `"`
		for name, tt := range map[string]struct {
			response response
			want     string
		}{
			"alone":           {response{}, `{"data":` + data + `}`},
			"with extensions": {response{result: result{extensions: map[string]any{"a": 1}}}, `{"data":` + data + `,"extensions":{"a":1}}`},
			"with errors and extensions": {
				response{result: result{errors: gqlerror.List{gqlerror.Errorf("no")}, extensions: map[string]any{"a": 1}}},
				`{"errors":[{"message":"no"}],"data":` + data + `,"extensions":{"a":1}}`,
			},
			"that has an extension which is no JSON": {
				response{result: result{extensions: map[string]any{"a": func() {}}}}, `{"errors":[{"message":"Internal error","extensions":{"code":"INTERNAL"}}]}`,
			},
		} {
			tt.response.data = json.RawMessage(data)
			w := httptest.NewRecorder()
			tt.response.write(w, mediaJSON)
			if got := w.Body.String(); got != tt.want || w.Header().Get("Content-Length") != strconv.Itoa(len(tt.want)) {
				t.Errorf("%d bytes %s: Content-Length %s, %d bytes, want %d: %.200s", length, name, w.Header().Get("Content-Length"), len(got), len(tt.want), got)
			}
		}
	}
}

// A client can't know whether a mutation that was given up changed anything. The message says how to find out.
func TestAbandonedMutation(t *testing.T) {
	t.Parallel()
	for kind, changed := range map[ast.Operation]bool{ast.Query: false, ast.Mutation: true} {
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		<-ctx.Done()
		a := responseTo(ctx, &operation{definition: &ast.OperationDefinition{Operation: kind}}, nil)
		message := a.errors[0].Message
		if a.status != http.StatusServiceUnavailable || !strings.HasPrefix(message, "The operation was given up.") || strings.Contains(message, "idempotencyKey") != changed {
			t.Errorf("%s: %d %s", kind, a.status, message)
		}
	}
}
