package graphqlhttp

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// get sends a GET with parameters, given as alternating names and values.
func get(t *testing.T, h http.Handler, accept string, pairs ...string) *httptest.ResponseRecorder {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return getRaw(t, h, accept, values.Encode())
}

func getRaw(t *testing.T, h http.Handler, accept, query string) *httptest.ResponseRecorder {
	t.Helper()
	at := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = query
		h.ServeHTTP(w, r)
	})
	return send(t, at, request{method: http.MethodGet, accept: accept, header: http.Header{"Content-Type": nil}})
}

func TestGET(t *testing.T) {
	t.Parallel()
	const mutation = `mutation M { rename(to: "x") }`
	tests := []struct {
		name          string
		pairs         []string
		json, graphQL int
		code          string // "" for success
	}{
		{"a query", []string{"query", "{ hello }"}, 200, 200, ""},
		{"all parameters", []string{"query", "query A($n:Int){number(value:$n)} query B{hello}", "operationName", "A", "variables", `{"n":7}`, "extensions", `{"a":1}`}, 200, 200, ""},
		{"empty ones", []string{"query", "{hello}", "operationName", "", "variables", "", "extensions", ""}, 200, 200, ""},
		{"null ones", []string{"query", "{hello}", "variables", "null", "extensions", "null"}, 200, 200, ""},
		{"unknown ones", []string{"query", "{hello}", "x", "1", "x", "2"}, 200, 200, ""},
		{"a mutation", []string{"query", mutation}, 405, 405, CodeMethodNotAllowed},
		{"a mutation by name", []string{"query", "query Q {hello} " + mutation, "operationName", "M"}, 405, 405, CodeMethodNotAllowed},
		{"a query beside a mutation", []string{"query", "query Q {hello} " + mutation, "operationName", "Q"}, 200, 200, ""},
		{"a subscription", []string{"query", "subscription { ticks }"}, 200, 400, CodeSubscriptionNotSupported},
		{"a syntax error", []string{"query", "{"}, 200, 400, "GRAPHQL_PARSE_FAILED"},
		{"nothing", nil, 400, 400, CodeBadRequest},
		{"two queries", []string{"query", "{hello}", "query", "{hunter2}"}, 400, 400, CodeBadRequest},
		{"broken variables", []string{"query", "{hello}", "variables", `{"hunter2`}, 400, 400, CodeBadRequest},
		{"a list for variables", []string{"query", "{hello}", "variables", `["hunter2"]`}, 400, 400, CodeBadRequest},
		{"variables and more", []string{"query", "{hello}", "variables", `{} {}`}, 400, 400, CodeBadRequest},
		{"a variable twice", []string{"query", "{hello}", "variables", `{"a":1,"a":2}`}, 400, 400, CodeBadRequest},
		{"deep variables", []string{"query", "{hello}", "variables", `{"a":` + strings.Repeat("[", 5000)}, 400, 400, CodeBadRequest},
		{"invalid UTF-8", []string{"query", "{hello} #\xff"}, 400, 400, CodeBadRequest},
		{"a long one", []string{"query", "{hello} #" + strings.Repeat("a", maxURLBytes)}, 414, 414, CodeURITooLong},
	}
	h := newHandler(t)
	for _, tt := range tests {
		for accept, status := range map[string]int{acceptJSON: tt.json, acceptGraphQL: tt.graphQL} {
			t.Run(tt.name+" as "+accept, func(t *testing.T) {
				t.Parallel()
				w := get(t, h, accept, tt.pairs...)
				p, hasData := parseResponse(t, w.Body.Bytes())
				if w.Code != status || hasData != (tt.code == "") || (tt.code != "" && p.Errors[0].Extensions["code"] != tt.code) {
					t.Errorf("%d, want %d %s: %s", w.Code, status, tt.code, w.Body)
				}
				if strings.Contains(w.Body.String(), "hunter2") {
					t.Errorf("echoed: %s", w.Body)
				}
				if status == 405 && w.Header().Get("Allow") != "POST" {
					t.Errorf("Allow: %q", w.Header().Get("Allow"))
				}
			})
		}
	}
	for _, raw := range []string{"query=%zz", "query={hello};variables={}"} {
		if w := getRaw(t, h, acceptJSON, raw); w.Code != 400 {
			t.Errorf("%s: %d %s", raw, w.Code, w.Body)
		}
	}
}

// A browser that opens the endpoint is redirected to the page, if there is one. Requests with a query are answered.
func TestBrowser(t *testing.T) {
	t.Parallel()
	const chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
	withPage, without := newHandler(t, func(cfg *Config) { cfg.Page = "/" }), newHandler(t)
	for _, tt := range []struct {
		name, accept, query string
		h                   http.Handler
		status              int
	}{
		{"a browser", chromium, "", withPage, 303},
		{"a browser without a page", chromium, "", without, 400},
		{"a browser with a query", chromium, "query={hello}", withPage, 200},
		{"nothing but HTML", "text/html", "query={hello}", withPage, 406},
		{"a program", "*/*", "", withPage, 400},
		{"a program that says nothing", "", "", withPage, 400},
		{"a client", acceptGraphQL + ", text/html;q=0.5", "", withPage, 400},
	} {
		r := httptest.NewRequest(http.MethodGet, "/graphql", http.NoBody)
		r.URL.RawQuery = tt.query
		r.Header.Set("Accept", tt.accept)
		w := httptest.NewRecorder()
		tt.h.ServeHTTP(w, r)
		if w.Code != tt.status || (tt.status == 303) != (w.Header().Get("Location") == "/") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", tt.name, w.Code, w.Header())
		}
	}
}

// Without introspection, none of the five rules suggests names over GET either.
func TestSuggestionsOverGET(t *testing.T) {
	t.Parallel()
	for rule, document := range map[string]string{
		"FieldsOnCorrectType": `{ helo }`, "KnownArgumentNames": `{ hello(nam: "x") }`, "KnownTypeNames": `query($x: Strin) { hello }`,
		"ValuesOfCorrectType": `{ mood(is: CHERFUL) }`, "ValuesOfCorrectType, input": `{ echo(input: {tex: "x"}) }`, "ScalarLeafs": `{ hello { x } }`,
	} {
		for _, on := range []bool{true, false} {
			w := get(t, newHandler(t, func(cfg *Config) { cfg.Introspection = on }), acceptGraphQL, "query", document)
			if w.Code != 400 {
				t.Errorf("%s, introspection %v: %d %s", rule, on, w.Code, w.Body)
			}
			if !on && strings.Contains(w.Body.String(), "Did you mean") {
				t.Errorf("%s: suggests: %s", rule, w.Body)
			}
		}
	}
}
