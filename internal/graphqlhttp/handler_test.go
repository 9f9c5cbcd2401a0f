package graphqlhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
)

const (
	acceptJSON    = "application/json"
	acceptGraphQL = "application/graphql-response+json"
)

// request is one HTTP request in a table; zero fields take what a plain client sends.
type request struct {
	method      string
	accept      string
	contentType string
	body        string
	header      http.Header
}

// query is a request for a document.
func query(document string) request {
	body, _ := json.Marshal(map[string]any{"query": document})
	return request{body: string(body)}
}

func (q request) as(accept string) request { q.accept = accept; return q }

// send runs a request and checks what holds for every answer.
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

// parsed is an answer's body.
type parsed struct {
	Errors []struct {
		Message    string
		Extensions map[string]any
	}
	Data *json.RawMessage
}

func parse(t *testing.T, body []byte) (parsed, bool) {
	t.Helper()
	var p parsed
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &p) != nil || json.Unmarshal(body, &members) != nil {
		t.Fatalf("unreadable: %s", body)
	}
	_, hasData := members["data"]
	return p, hasData
}

func TestRequests(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 20000)
	tests := []struct {
		name   string
		q      request
		status int
		code   string // "" for success
	}{
		{"a query", query("{ hello }"), 200, ""},
		{"a query as graphql-response", query("{ hello }").as(acceptGraphQL), 200, ""},
		{"a mutation", query(`mutation { rename(to: "x") }`), 200, ""},
		{"charset utf-8", request{contentType: "application/json; charset=UTF-8", body: `{"query":"{hello}"}`}, 200, ""},
		{"charset utf8 in quotes", request{contentType: `application/json;charset="utf8"`, body: `{"query":"{hello}"}`}, 200, ""},
		{"nulls", request{body: `{"query":"{hello}","variables":null,"operationName":null,"extensions":null}`}, 200, ""},
		{"unknown members", request{body: `{"query":"{hello}","documentId":"x","id":1}`}, 200, ""},
		{"white space around", request{body: "\r\n\t {\"query\":\"{hello}\"} \n"}, 200, ""},
		{"an operation by name", request{body: `{"query":"query A {hello} query B {hello}","operationName":"B"}`}, 200, ""},

		{"PUT", request{method: http.MethodPut, body: `{"query":"{hello}"}`}, 405, CodeMethodNotAllowed},
		{"HEAD", request{method: http.MethodHead}, 405, CodeMethodNotAllowed},
		{"PATCH", request{method: http.MethodPatch, body: `{"query":"{hello}"}`}, 405, CodeMethodNotAllowed},
		{"QUERY", request{method: "QUERY", body: `{"query":"{hello}"}`}, 405, CodeMethodNotAllowed},
		{"nothing acceptable", query("{hello}").as("text/html"), 406, CodeNotAcceptable},
		{"another charset acceptable", query("{hello}").as("application/json; charset=latin1"), 406, CodeNotAcceptable},
		{"a form", request{contentType: "application/x-www-form-urlencoded", body: "query={hello}"}, 415, CodeUnsupportedMediaType},
		{"text", request{contentType: "text/plain", body: `{"query":"{hello}"}`}, 415, CodeUnsupportedMediaType},
		{"the answer's type", request{contentType: acceptGraphQL, body: `{"query":"{hello}"}`}, 415, CodeUnsupportedMediaType},
		{"a broken type", request{contentType: "application/json; x", body: `{"query":"{hello}"}`}, 415, CodeUnsupportedMediaType},
		{"latin1", request{contentType: "application/json; charset=latin1", body: `{"query":"{hello}"}`}, 415, CodeUnsupportedMediaType},
		{"two types", request{body: `{"query":"{hello}"}`, header: http.Header{"Content-Type": {"application/json", "text/plain"}}}, 415, CodeUnsupportedMediaType},
		{"no type", request{body: `{"query":"{hello}"}`, header: http.Header{"Content-Type": nil}}, 415, CodeUnsupportedMediaType},
		{"a compressed body", request{body: "x", header: http.Header{"Content-Encoding": {"gzip"}}}, 415, CodeUnsupportedMediaType},
		{"a body compressed twice", request{body: "x", header: http.Header{"Content-Encoding": {"identity, gzip"}}}, 415, CodeUnsupportedMediaType},
		{"two encodings", request{body: "x", header: http.Header{"Content-Encoding": {"identity", "br"}}}, 415, CodeUnsupportedMediaType},
		{"not compressed", request{body: `{"query":"{hello}"}`, header: http.Header{"Content-Encoding": {"Identity"}}}, 200, ""},
		{"an upload", request{contentType: "multipart/form-data; boundary=x", body: "--x"}, 415, CodeUnsupportedMediaType},
		{"a bare document", request{contentType: "application/graphql", body: "{hello}"}, 415, CodeUnsupportedMediaType},
		{"a bare document as JSON", request{contentType: "application/graphql+json", body: "{hello}"}, 415, CodeUnsupportedMediaType},
		{"no body", request{}, 400, CodeBadRequest},
		{"two queries", request{body: `{"query":"{hello}","query":"{hunter2}"}`}, 400, CodeBadRequest},
		{"a variable twice", request{body: `{"query":"{hello}","variables":{"hunter2":1,"hunter2":2}}`}, 400, CodeBadRequest},
		{"the same name twice, escaped", request{body: `{"query":"{hello}","quer\u0079":"{hunter2}"}`}, 400, CodeBadRequest},
		{"200 levels", request{body: `{"query":"{hello}","more":` + strings.Repeat("[", 199) + strings.Repeat("]", 199) + `}`}, 200, ""},
		{"201 levels", request{body: `{"query":"{hello}","variables":{"a":` + strings.Repeat("[", 199) + strings.Repeat("]", 199) + `}}`}, 400, CodeBadRequest},
		{"201 levels of objects", request{body: `{"query":"{hello}","extensions":` + strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 201)}, 400, CodeBadRequest},
		{"201 levels where nobody looks", request{body: `{"query":"{hello}","more":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`}, 400, CodeBadRequest},
		{"invalid UTF-8", request{body: "{\"query\":\"{hello} #\xff\"}"}, 400, CodeBadRequest},
		{"half a surrogate", request{body: `{"query":"{hello} #\ud800"}`}, 400, CodeBadRequest},
		{"a byte order mark", request{body: "\ufeff{\"query\":\"{hello}\"}"}, 400, CodeBadRequest},
		{"a number for documentId", request{body: `{"documentId":7}`}, 400, CodeBadRequest},
		{"a blank body", request{body: " \n"}, 400, CodeBadRequest},
		{"broken JSON", request{body: `{"query":"hunter2`}, 400, CodeBadRequest},
		{"trailing JSON", request{body: `{"query":"{hello}"}{"query":"hunter2"}`}, 400, CodeBadRequest},
		{"trailing text", request{body: `{"query":"{hello}"} hunter2`}, 400, CodeBadRequest},
		{"a batch", request{body: `[{"query":"{hello}"}]`}, 400, CodeBadRequest},
		{"a string", request{body: `"hunter2"`}, 400, CodeBadRequest},
		{"null", request{body: `null`}, 400, CodeBadRequest},
		{"bottomless JSON", request{body: `{"query":"{hello}","variables":{"a":` + deep}, 400, CodeBadRequest},
		{"no query", request{body: `{"variables":{}}`}, 400, CodeBadRequest},
		{"a query in capitals", request{body: `{"QUERY":"{hello}"}`}, 400, CodeBadRequest},
		{"an empty query", request{body: `{"query":""}`}, 400, CodeBadRequest},
		{"a null query", request{body: `{"query":null}`}, 400, CodeBadRequest},
		{"a number for the query", request{body: `{"query":1}`}, 400, CodeBadRequest},
		{"an object for the query", request{body: `{"query":{"hunter2":1}}`}, 400, CodeBadRequest},
		{"an array for variables", request{body: `{"query":"{hello}","variables":["hunter2"]}`}, 400, CodeBadRequest},
		{"a string for variables", request{body: `{"query":"{hello}","variables":"hunter2"}`}, 400, CodeBadRequest},
		{"a number for operationName", request{body: `{"query":"{hello}","operationName":7}`}, 400, CodeBadRequest},
		{"an array for extensions", request{body: `{"query":"{hello}","extensions":[]}`}, 400, CodeBadRequest},
		{"too long", request{body: `{"query":"` + strings.Repeat(" ", 1<<20) + `"}`}, 413, CodePayloadTooLarge},
		{"longer than it says", request{body: `{"query":"` + strings.Repeat(" ", 1<<20) + `"}`, header: http.Header{"Unknown-Length": {"1"}}}, 413, CodePayloadTooLarge},
	}
	h := newHandler(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := send(t, unknownLength(h), tt.q)
			if w.Code != tt.status {
				t.Fatalf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			p, hasData := parse(t, w.Body.Bytes())
			if hasData != (tt.code == "") {
				t.Errorf("data key: %v in %s", hasData, w.Body)
			}
			if tt.code != "" && (len(p.Errors) != 1 || p.Errors[0].Extensions["code"] != tt.code) {
				t.Errorf("want code %s: %s", tt.code, w.Body)
			}
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Errorf("the body is echoed: %s", w.Body)
			}
			if tt.status == 405 && w.Header().Get("Allow") != "GET, POST" {
				t.Errorf("Allow: %q", w.Header().Get("Allow"))
			}
		})
	}
}

// unknownLength hides a request's length where its header asks for that, as chunked requests do.
func unknownLength(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Unknown-Length") != "" {
			r.ContentLength = -1
		}
		h.ServeHTTP(w, r)
	})
}

// TestOutcomes is the table of statuses: each way an operation can go, in both media types.
func TestOutcomes(t *testing.T) {
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
				p, hasData := parse(t, w.Body.Bytes())
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

// TestMessages: what gqlgen says badly is said so that a client can act on it.
func TestMessages(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"query":"query A {hello} query B {hello}"}`:                                    "The document has 2 operations: say which one in operationName.",
		`{"query":"query A {hello}","operationName":"C"}`:                                `The document has no operation named "C".`,
		`{"query":"query A {hello}","operationName":"` + strings.Repeat("C", 600) + `"}`: "CCC…",
	} {
		p, _ := parse(t, send(t, newHandler(t), request{body: body}).Body.Bytes())
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

func TestNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	w := send(t, newHandler(t), request{body: `{"query":"query($n:Int){number(value:$n)}","variables":{"n":9007199254740993}}`})
	if !strings.Contains(w.Body.String(), "9007199254740993") {
		t.Errorf("got %s", w.Body)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	var document strings.Builder
	for i := range 40 {
		fmt.Fprintf(&document, " nope%d", i)
	}
	h := newHandler(t, func(cfg *Config) { cfg.Limits = Limits{RootFields: 100, Errors: 7} })
	p, _ := parse(t, send(t, h, query("{"+document.String()+"}")).Body.Bytes())
	if len(p.Errors) != 7 {
		t.Errorf("%d errors, want 7", len(p.Errors))
	}
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	documents := map[string]string{
		"field":    `{ helo }`,
		"argument": `{ hello(nam: "x") }`,
		"type":     `query($x: Strin) { hello }`,
		"enum":     `{ mood(is: CHERFUL) }`,
		"input":    `{ echo(input: {tex: "x"}) }`,
		"leaf":     `{ hello { x } }`,
	}
	for name, document := range documents {
		for _, on := range []bool{true, false} {
			w := send(t, newHandler(t, func(cfg *Config) { cfg.Introspection = on }), query(document))
			p, _ := parse(t, w.Body.Bytes())
			if len(p.Errors) == 0 || p.Errors[0].Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" {
				t.Errorf("%s: not refused: %s", name, w.Body)
			}
			if suggests := strings.Contains(w.Body.String(), "Did you mean"); suggests && !on {
				t.Errorf("%s: suggests without introspection: %s", name, w.Body)
			}
		}
	}
	w := send(t, newHandler(t, func(cfg *Config) { cfg.Introspection = false }), query(`{ __type(name: "Query") { name } }`))
	if strings.Contains(w.Body.String(), "Query") {
		t.Errorf("introspection is off, but answered %s", w.Body)
	}
	for _, document := range []string{
		`{ __schema { types { name } } }`, `{ a: __type(name: "Query") { name } }`, `{ ...f } fragment f on Query { ... { __schema { types { name } } } }`,
	} {
		w := send(t, newHandler(t, func(cfg *Config) { cfg.Introspection = false }), query(document))
		if got := w.Body.String(); !strings.Contains(got, "Introspection is off") || strings.Contains(got, `"data"`) || !strings.Contains(got, "GRAPHQL_VALIDATION_FAILED") {
			t.Errorf("%s: answered %s", document, got)
		}
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []OperationInfo
	h := newHandler(t, func(cfg *Config) {
		cfg.Observe = func(_ context.Context, op OperationInfo) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, op)
		}
	})
	send(t, h, query("query Greet { hello }"))
	send(t, h, query(`mutation { rename(to: "x") }`))
	send(t, h, query("{ nope }"))
	if want := []OperationInfo{{"Greet", "query"}, {"", "mutation"}}; len(seen) != 2 || seen[0] != want[0] || seen[1] != want[1] {
		t.Errorf("got %v, want %v", seen, want)
	}
}

func TestAroundOperations(t *testing.T) {
	t.Parallel()
	var order []string
	around := func(name string) graphql.OperationMiddleware {
		return func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
			order = append(order, name)
			return next(ctx)
		}
	}
	send(t, newHandler(t, func(cfg *Config) { cfg.AroundOperations = []graphql.OperationMiddleware{around("a"), around("b")} }), query("{hello}"))
	if strings.Join(order, "") != "ab" {
		t.Errorf("order %v", order)
	}
}

func TestContextEnded(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithTimeout(t.Context(), 0)
	defer cancelLate()
	for ctx, want := range map[context.Context]int{gone: statusClientGone, late: http.StatusServiceUnavailable} {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(`{"query":"{hello}"}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		newHandler(t).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%v: status %d, want %d", ctx.Err(), w.Code, want)
		}
	}
}

// TestTimeout: an operation ends with its own time, whether its request came by GET or POST.
func TestTimeout(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(cfg *Config) { cfg.Timeout = time.Nanosecond })
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/graphql?query={hello}", nil),
		httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"{hello}"}`)),
	} {
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d", r.Method, w.Code)
		}
	}
}

func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(cfg *Config) { cfg.Introspection = false })
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			send(t, h, query(fmt.Sprintf("{ hello nope%d }", i)))
			send(t, h, query(`{ hello }`))
		})
	}
	wg.Wait()
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{
		{},
		{Schema: testSchema()},
		{Schema: testSchema(), PresentError: present, Recover: recovered},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestNegotiate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ accept, want string }{
		{"", acceptJSON},
		{" ", acceptJSON},
		{"*/*", acceptJSON},
		{"application/*", acceptJSON},
		{acceptJSON, acceptJSON},
		{acceptGraphQL, acceptGraphQL},
		{"APPLICATION/GraphQL-Response+JSON", acceptGraphQL},
		{acceptGraphQL + "; charset=utf-8", acceptGraphQL},
		{acceptGraphQL + ", application/json;q=0.9", acceptGraphQL},
		{acceptGraphQL + ", application/graphql+json, application/json, text/event-stream, multipart/mixed", acceptGraphQL},
		{"application/json, " + acceptGraphQL, acceptJSON},
		{"application/json;q=0.5, " + acceptGraphQL + ";q=0.6", acceptGraphQL},
		{acceptGraphQL + ";q=0.3, */*;q=0.8", acceptJSON},
		{acceptGraphQL + ";q=0, */*", acceptJSON},
		{"application/json;q=0, */*", acceptGraphQL},
		{"*/*, " + acceptGraphQL, acceptGraphQL},
		{"multipart/mixed;deferSpec=20220824," + acceptGraphQL + ",application/json;q=0.9", acceptGraphQL},
		{"text/html, */*;q=0.1", acceptJSON},
		{"text/html", ""},
		{"*/*;q=0", ""},
		{"application/json;q=0", ""},
		{"application/json;q=2", ""},
		{"application/json;q=x", ""},
		{"application/json;q=NaN", ""},
		{"application/json;charset=latin1", ""},
		{";;;,", ""},
	} {
		got, ok := negotiate([]string{tt.accept})
		if ok != (tt.want != "") || (ok && string(got) != tt.want) {
			t.Errorf("Accept %q: got %q, %v, want %q", tt.accept, got, ok, tt.want)
		}
	}
	if got, ok := negotiate([]string{"text/html", acceptGraphQL}); !ok || got != mediaGraphQL {
		t.Error("every line of Accept counts")
	}
}

// FuzzDecode: no body brings the decoder down, none is echoed, and what is taken is valid JSON with a query.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"query":"{hello}"}`, `{"query":"{a}","variables":{"n":1e400},"extensions":{}}`, `[{}]`, `{"query":null}`, `{}{}`, "\xff", `{"query":"\ud800"}`, `{"query":"a","query":"b"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, op := &decoder{maxValues: len(body)}, &operation{}
		d.body.Write(body)
		if err := d.request(op); err != nil {
			if err.status != http.StatusBadRequest || err.code != CodeBadRequest || len(err.message) > 120 {
				t.Fatalf("%+v", err)
			}
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) || !utf8.ValidString(op.query) {
			t.Fatalf("took %q", body)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("took %q: %v", body, err)
		}
		if raw, ok := members["variables"]; ok { // What the standard library makes of them.
			var want map[string]any
			standard := json.NewDecoder(bytes.NewReader(raw))
			standard.UseNumber()
			if err := standard.Decode(&want); err != nil || !reflect.DeepEqual(want, op.variables) {
				t.Fatalf("%q: variables %v, want %v, %v", body, op.variables, want, err)
			}
		}
	})
}

// FuzzServe: no request brings the handler down, and every answer is JSON of a known status.
func FuzzServe(f *testing.F) {
	f.Add("POST", acceptGraphQL, "application/json", "", []byte(`{"query":"{hello}"}`))
	f.Add("POST", "*/*;q=0.1", "application/json;charset=utf-8", "", []byte(`{"query":"query($a:Int){number(value:$a)}","variables":{"a":1.5}}`))
	f.Add("GET", "text/html,*/*;q=0.1", "", "query=%7Bhello%7D&variables={}&extensions={\"persistedQuery\":{\"version\":1,\"sha256Hash\":\"x\"}}", []byte(nil))
	f.Add("GET", acceptGraphQL, "", "documentId=x&query=%7Bhello%7D&operationName=%ff", []byte(nil))
	h := newHandler(f, func(cfg *Config) { cfg.AutomaticPersistedQueries = true })
	known := map[int]bool{200: true, 400: true, 405: true, 406: true, 413: true, 414: true, 415: true, 500: true}
	f.Fuzz(func(t *testing.T, method, accept, contentType, query string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Method, r.URL.RawQuery = method, query
		r.Header = http.Header{"Accept": {accept}, "Content-Type": {contentType}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if method == http.MethodOptions && w.Code == http.StatusNoContent {
			return
		}
		if !known[w.Code] || !json.Valid(w.Body.Bytes()) || w.Code == 500 && !strings.Contains(query+string(body), "panics") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
