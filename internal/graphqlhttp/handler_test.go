package graphqlhttp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

const (
	acceptJSON    = "application/json"
	acceptGraphQL = "application/graphql-response+json"
)

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
			p, hasData := parseResponse(t, w.Body.Bytes())
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

func TestNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	w := send(t, newHandler(t), request{body: `{"query":"query($n:Int){number(value:$n)}","variables":{"n":9007199254740993}}`})
	if !strings.Contains(w.Body.String(), "9007199254740993") {
		t.Errorf("got %s", w.Body)
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
			p, _ := parseResponse(t, w.Body.Bytes())
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
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

// FuzzServe checks that no request makes the handler panic, and that every response is JSON with a known status.
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

// The URL of a POST doesn't count, so that a proxy can't be shown another query than the one that is executed.
func TestPOSTIgnoresTheURL(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/graphql?query={hello}", strings.NewReader(`{}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	newHandler(t).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestOPTIONS(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	newHandler(t).ServeHTTP(w, httptest.NewRequest(http.MethodOptions, "/graphql", http.NoBody))
	if w.Code != http.StatusNoContent || w.Header().Get("Allow") != "GET, POST" || w.Body.Len() != 0 {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}
