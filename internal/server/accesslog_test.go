package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestAccessLogOfFailures: the line of an answer with errors has their codes and, if it is known, the operation, whatever the
// status. Of the client's document it has only the operation's name.
func TestAccessLogOfFailures(t *testing.T) {
	t.Parallel()
	s, out := newServer(t, map[string]string{"LOG_FORMAT": "json", "APQ": "on"})
	post := func(accept, body string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, graphqlPath, strings.NewReader(body))
		r.Header.Set("Content-Type", mediaJSON)
		r.Header.Set("Accept", accept)
		return r
	}
	auth := func(path, body string, header ...string) *http.Request {
		r := post("*/*", body)
		r.URL.Path = path
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	bare := func(method, target string) *http.Request {
		return httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	}
	long := strings.Repeat("L", 5000)
	deep := "query Deep { task(id: 1) { " + strings.Repeat("parent { ", 20) + "id" + strings.Repeat(" }", 20) + " } }"
	for _, tt := range []struct {
		name          string
		request       *http.Request
		status        int
		code          string
		operation     string
		operationType string
	}{
		{"no error", post(mediaGraphQL, `{"query":"query Fine { viewer { id } }"}`), 200, "", "Fine", "query"},
		{"an unknown field", post(mediaGraphQL, `{"query":"query Typo { viwer { id } }"}`), 400, "GRAPHQL_VALIDATION_FAILED", "Typo", "query"},
		{"an unknown field, the older media type", post(mediaJSON, `{"query":"query Typo { viwer { id } }"}`), 200, "GRAPHQL_VALIDATION_FAILED", "Typo", "query"},
		{"a mutation without its argument", post(mediaGraphQL, `{"query":"mutation Forgot { createTask { task { id } } }"}`), 400, "GRAPHQL_VALIDATION_FAILED", "Forgot", "mutation"},
		{"no GraphQL", post(mediaGraphQL, `{"query":"query {{","operationName":"Broken"}`), 400, "GRAPHQL_PARSE_FAILED", "Broken", ""},
		{"no GraphQL and no name", post(mediaGraphQL, `{"query":"query {{"}`), 400, "GRAPHQL_PARSE_FAILED", "", ""},
		{"a name that would write a line", post(mediaGraphQL, `{"query":"query {{","operationName":"x\n{\"level\":\"error\"}"}`), 400, "GRAPHQL_PARSE_FAILED", "", ""},
		{"a name with escapes for a terminal", post(mediaGraphQL, `{"query":"query {{","operationName":"\u001b[31mx"}`), 400, "GRAPHQL_PARSE_FAILED", "", ""},
		{"a long name", post(mediaGraphQL, `{"query":"query {{","operationName":"`+long+`"}`), 400, "GRAPHQL_PARSE_FAILED", long[:maxLogged], ""},
		{"a long name in the document", post(mediaGraphQL, `{"query":"query `+long+` { viwer { id } }"}`), 400, "GRAPHQL_VALIDATION_FAILED", long[:maxLogged], "query"},
		{"another operation than those of the document", post(mediaGraphQL, `{"query":"query A { viewer { id } }","operationName":"B"}`), 400, "GRAPHQL_VALIDATION_FAILED", "B", ""},
		{"a bad value", post(mediaGraphQL, `{"query":"query Bad($n: Int!) { tasks(first: $n) { totalCount } }","variables":{"n":"x"}}`), 400, "GRAPHQL_VALIDATION_FAILED", "Bad", "query"},
		{"too deep", post(mediaGraphQL, `{"query":"`+deep+`"}`), 400, "TOO_DEEP", "Deep", "query"},
		{"nobody is signed in", post(mediaGraphQL, `{"query":"query Mine { tasks { totalCount } }"}`), 401, "UNAUTHENTICATED", "Mine", "query"},
		{"nobody is signed in, twice", post(mediaGraphQL, `{"query":"query Mine { a: tasks { totalCount } b: tasks { totalCount } }"}`), 401, "UNAUTHENTICATED", "Mine", "query"},
		{"no JSON", post(mediaGraphQL, `{`), 400, "BAD_REQUEST", "", ""},
		{"a query that is no text", post(mediaGraphQL, `{"query":5,"operationName":"Bad400"}`), 400, "BAD_REQUEST", "Bad400", ""},
		{"a query that is an object", post(mediaGraphQL, `{"query":{"a":[1]},"operationName":"Bad400"}`), 400, "BAD_REQUEST", "Bad400", ""},
		{"variables that are no object", post(mediaGraphQL, `{"variables":[1,{}],"query":"{ viewer { id } }","operationName":"Bad400"}`), 400, "BAD_REQUEST", "Bad400", ""},
		{"a bad extension", post(mediaGraphQL, `{"operationName":"Bad400","extensions":{"persistedQuery":5}}`), 400, "BAD_REQUEST", "Bad400", ""},
		{"a bad name in a bad request", post(mediaGraphQL, `{"query":5,"operationName":"x\n{}"}`), 400, "BAD_REQUEST", "", ""},
		{"bad variables by GET", bare(http.MethodGet, graphqlPath+"?operationName=Bad400&variables=5&query=x"), 400, "BAD_REQUEST", "Bad400", ""},
		{"an unknown hash", post(mediaGraphQL, `{"operationName":"Kept","extensions":{"persistedQuery":{"version":1,"sha256Hash":"`+strings.Repeat("a", 64)+`"}}}`), 400, "PERSISTED_QUERY_NOT_FOUND", "Kept", ""},
		{"a mutation by GET", bare(http.MethodGet, graphqlPath+"?query="+url.QueryEscape("mutation ByGet { deleteTask(input: {id: 1}) { userErrors { code } } }")), 405, "METHOD_NOT_ALLOWED", "ByGet", "mutation"},
		{"a wrong method", bare(http.MethodDelete, graphqlPath), 405, "METHOD_NOT_ALLOWED", "", ""},
		{"a wrong method elsewhere", bare(http.MethodPost, "/"), 405, "METHOD_NOT_ALLOWED", "", ""},
		{"a sign-in without JSON", auth("/api/auth/sign-in/email", "{"), 400, "BAD_REQUEST", "", ""},
		{"a sign-up with a short password", auth("/api/auth/sign-up/email", `{"name":"Ada","email":"ada@example.com","password":"x"}`, "Origin", "http://localhost:3000"), 400, "PASSWORD_TOO_SHORT", "", ""},
		{"a sign-up without an origin", auth("/api/auth/sign-up/email", `{"name":"Ada","email":"ada@example.com","password":"correct horse"}`, "Sec-Fetch-Mode", "cors"), 403, "MISSING_OR_NULL_ORIGIN", "", ""},
		{"an unknown path of the sign-in", bare(http.MethodGet, "/api/auth/token"), 404, "NOT_FOUND", "", ""},
		{"an unknown path", bare(http.MethodGet, "/nothing"), 404, "NOT_FOUND", "", ""},
	} {
		out.Reset()
		s.Handler().ServeHTTP(httptest.NewRecorder(), tt.request)
		var line struct {
			Message, Operation string
			Status             int
			ErrorCode          string `json:"error_code"`
			OperationType      string `json:"operation_type"`
		}
		lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
		if err := json.Unmarshal(lines[len(lines)-1], &line); err != nil || line.Message != accessMessage {
			t.Errorf("%s: %v: %s", tt.name, err, out)
		}
		if line.Status != tt.status || line.ErrorCode != tt.code || line.Operation != tt.operation || line.OperationType != tt.operationType {
			t.Errorf("%s: got %+v, want %d %s %.20s %s", tt.name, line, tt.status, tt.code, tt.operation, tt.operationType)
		}
	}
}

// TestSeveralErrorCodes: a line has each code once.
func TestSeveralErrorCodes(t *testing.T) {
	t.Parallel()
	var got requestInfo
	for _, code := range []string{"", "NOT_FOUND", "INTERNAL", "NOT_FOUND", "", "FOUND"} {
		got.addErrorCode(code)
	}
	if want := "NOT_FOUND,INTERNAL,FOUND"; got.errorCodes != want {
		t.Errorf("got %s, want %s", got.errorCodes, want)
	}
}

// TestCrossSiteAnswer: the answer to a page of an unknown origin, and the log, name the origin and the variable to change.
func TestCrossSiteAnswer(t *testing.T) {
	t.Parallel()
	s, out := newServer(t, map[string]string{"LOG_FORMAT": "json"})
	page := newBrowser(t, s)
	if status, answer := page.post(t, "/api/auth/sign-up/email", map[string]string{"name": "Ada", "email": "ada@example.com", "password": "correct horse"}); status != 200 {
		t.Fatalf("signing up: %d %s", status, answer)
	}
	for _, tt := range []struct {
		header http.Header
		want   string // the start of the message, or "" if the page may use the session
	}{
		{http.Header{"Origin": {"http://localhost:3000"}}, ""},
		{http.Header{"Origin": {"http://localhost:5173"}}, ""},
		{http.Header{"Origin": {"http://localhost:4321"}}, "The origin http://localhost:4321 may not use your session here"},
		{http.Header{"Origin": {"null"}}, "A page without an origin may not use your session here: a local file and a sandboxed frame have none (Origin: null). Serve"},
		{http.Header{"Origin": {"http://" + strings.Repeat("x", 500)}}, "This page's origin may not use your session here"},
		{http.Header{"Sec-Fetch-Site": {"cross-site"}}, "Another site's page may not use your session here, and the request has no Origin header. A link and an image send none"},
	} {
		out.Reset()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page.url+graphqlPath, strings.NewReader(`{"query":"{ viewer { id } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = tt.header
		r.Header.Set("Content-Type", mediaJSON)
		response, err := page.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if tt.want == "" {
			if _ = response.Body.Close(); response.StatusCode != http.StatusOK {
				t.Errorf("%v: %d", tt.header, response.StatusCode)
			}
			continue
		}
		curable := strings.HasPrefix(tt.want, "The origin http") || strings.HasPrefix(tt.want, "This page's origin")
		var answer struct {
			Errors []struct {
				Message    string
				Extensions struct{ Code string }
			}
		}
		err = json.NewDecoder(response.Body).Decode(&answer)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusForbidden || len(answer.Errors) != 1 || answer.Errors[0].Extensions.Code != "CSRF_REFUSED" {
			t.Fatalf("%v: %d %v %+v", tt.header, response.StatusCode, err, answer)
		}
		if got := answer.Errors[0].Message; !strings.HasPrefix(got, tt.want) || strings.Contains(got, "CORS_ORIGINS") != curable || strings.Contains(got, "PUBLIC_URL") != curable {
			t.Errorf("%v: %s", tt.header, got)
		}
		if _, cure, _ := strings.Cut(out.String(), `"cure":"`); strings.Contains(cure, "CORS_ORIGINS") != curable || cure == "" {
			t.Errorf("%v: the log's cure does not fit: %s", tt.header, out)
		}
		for _, want := range []string{`"level":"warn","message":"session refused","reason":"csrf_refused"`, tt.header.Get("Origin")[:min(len(tt.header.Get("Origin")), maxLogged)], `"error_code":"CSRF_REFUSED"`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: no %s in the log: %s", tt.header, want, out)
			}
		}
	}
}
