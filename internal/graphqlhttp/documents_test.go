package graphqlhttp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

const (
	greeting = `query Greet($name: String) { hello(name: $name) }`
	renaming = `mutation Rename { rename(to: "x") }`
)

// trusting adds a manifest in Relay's format.
func trusting(t *testing.T, only bool, texts ...string) func(*Config) {
	t.Helper()
	manifest := map[string]string{}
	for _, text := range texts {
		manifest[hashOf(text)] = text
	}
	encoded, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := ParseManifest(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return func(cfg *Config) { cfg.TrustedDocuments, cfg.TrustedOnly = trusted, only }
}

// body is a request of those members.
func body(t *testing.T, members map[string]any) request {
	t.Helper()
	encoded, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return request{body: string(encoded)}
}

func apollo(hash string) map[string]any {
	return map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hash}}
}

func TestTrustedDocuments(t *testing.T) {
	t.Parallel()
	known, foreign := hashOf(greeting), hashOf("{ hello }")
	type m = map[string]any
	tests := []struct {
		name             string
		members          m
		off, allow, only string // codes; "" for success
	}{
		{"by documentId", m{"documentId": known}, CodePersistedQueryNotSupported, "", ""},
		{"by prefixed documentId", m{"documentId": "sha256:" + known}, CodePersistedQueryNotSupported, "", ""},
		{"by Apollo's extension", m{"extensions": apollo(known)}, CodePersistedQueryNotSupported, "", ""},
		{"by both, with variables", m{"documentId": known, "extensions": apollo(known), "variables": m{"name": "Ada"}}, CodePersistedQueryNotSupported, "", ""},
		{"with its text", m{"query": greeting, "extensions": apollo(known)}, "", "", ""},
		{"with another text", m{"query": "{ hello }", "documentId": known}, "", CodeBadRequest, CodeBadRequest},
		{"unknown documentId", m{"documentId": foreign}, CodePersistedQueryNotSupported, CodePersistedQueryNotFound, CodePersistedQueryNotFound},
		{"unknown hash", m{"extensions": apollo(foreign)}, CodePersistedQueryNotSupported, CodePersistedQueryNotFound, CodePersistedQueryNotFound},
		{"unknown hash with its text", m{"query": "{ hello }", "extensions": apollo(foreign)}, "", "", CodePersistedQueryIDRequired},
		{"a text alone", m{"query": "{ hello }"}, "", "", CodePersistedQueryIDRequired},
		{"a trusted text alone", m{"query": greeting}, "", "", CodePersistedQueryIDRequired},
		{"nothing", m{}, CodeBadRequest, CodeBadRequest, CodePersistedQueryIDRequired},
		{"another version", m{"extensions": m{"persistedQuery": m{"version": 2, "sha256Hash": known}}}, CodeBadRequest, CodeBadRequest, CodeBadRequest},
		{"no hash", m{"query": "{ hello }", "extensions": m{"persistedQuery": m{"version": 1}}}, CodeBadRequest, CodeBadRequest, CodeBadRequest},
		{"a null extension", m{"documentId": known, "extensions": m{"persistedQuery": nil}}, CodePersistedQueryNotSupported, "", ""},
	}
	off, allow, only := newHandler(t), newHandler(t, trusting(t, false, greeting)), newHandler(t, trusting(t, true, greeting))
	for _, tt := range tests {
		for mode, want := range map[*Handler]string{off: tt.off, allow: tt.allow, only: tt.only} {
			w := send(t, mode, body(t, tt.members).as(acceptGraphQL))
			p, hasData := parse(t, w.Body.Bytes())
			if hasData != (want == "") || (want != "" && (w.Code != 400 || p.Errors[0].Extensions["code"] != want)) {
				t.Errorf("%s: want %q: %d %s", tt.name, want, w.Code, w.Body)
			}
			var pairs []string
			for name, value := range tt.members {
				text, isText := value.(string)
				if !isText {
					encoded, _ := json.Marshal(value)
					text = string(encoded)
				}
				pairs = append(pairs, name, text)
			}
			if byGET := get(t, mode, acceptGraphQL, pairs...); byGET.Code != w.Code || byGET.Body.String() != w.Body.String() {
				t.Errorf("%s: by GET %d %s, by POST %d %s", tt.name, byGET.Code, byGET.Body, w.Code, w.Body)
			}
		}
	}
	if w := send(t, only, body(t, m{"documentId": foreign}).as(acceptJSON)); w.Code != http.StatusOK {
		t.Errorf("well-formed, as application/json: %d", w.Code)
	}
	if w := get(t, newHandler(t, trusting(t, true, renaming)), acceptJSON, "documentId", hashOf(renaming)); w.Code != 405 {
		t.Errorf("a trusted mutation by GET: %d %s", w.Code, w.Body)
	}
}

// The limits on documents don't apply to trusted documents.
func TestTrustedSkipsTheLimits(t *testing.T) {
	t.Parallel()
	long := "{" + strings.Repeat(" hello", 2001) + "}"
	h := newHandler(t, trusting(t, false, long))
	if w := send(t, h, query(long).as(acceptGraphQL)); w.Code != 400 {
		t.Errorf("sent: %d", w.Code)
	}
	if w := send(t, h, body(t, map[string]any{"documentId": hashOf(long)}).as(acceptGraphQL)); w.Code != 200 {
		t.Errorf("named: %d %s", w.Code, w.Body)
	}
}

func TestManifests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, manifest, want string }{
		{"Relay's", `{"b":"{hello}","a":"{number}"}`, "a={number} b={hello}"},
		{"Apollo's", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"x","name":"Q","type":"query","body":"query Q {hello}"}]}`, "x=query Q {hello}"},
		{"no JSON", `nope`, "error: a manifest is a JSON object"},
		{"a list", `[]`, "error: a manifest is a JSON object"},
		{"nothing", `{}`, "error: the manifest has no document"},
		{"an id twice", `{"a":"{hello}","a":"{number}"}`, "error: a manifest is"},
		{"a number", `{"a":1}`, "error: the manifest has entries that can't be read: 1\n  \"a\" must be a document's text"},
		{"several", `{"c":"","b":"{hello}","a":1}`, "b={hello} error: the manifest has entries that can't be read: 2\n  \"a\" must be a document's text\n  \"c\" must be a document's text"},
		{"another format", `{"format":"x","version":1,"operations":[]}`, "error: the manifest's format must be"},
		{"another version", `{"format":"apollo-persisted-query-manifest","version":2,"operations":[]}`, "error: the manifest's version must be 1"},
		{"no body", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"x"}]}`, "error: the manifest has entries that can't be read: 1\n  operations[0] must be an object with an id and a body"},
		{"several of Apollo's", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[7,{"body":"{hello}"},{"id":"x","body":"{hello}"},{"id":"y","body":1}]}`, "x={hello} error: the manifest has entries that can't be read: 3\n  operations[0] must be an object with an id and a body\n  operations[1] must be an object with an id and a body\n  operations[3] must be"},
		{"no operations", `{"format":"apollo-persisted-query-manifest","version":1}`, "error: the manifest's operations must be a list"},
		{"no operation of Apollo's", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[]}`, "error: the manifest has no document"},
	} {
		documents, err := ParseManifest([]byte(tt.manifest))
		var got []string
		for _, d := range documents {
			got = append(got, d.ID+"="+d.Text)
		}
		text := strings.Join(got, " ")
		if err != nil {
			text = strings.TrimSpace(text + " error: " + err.Error())
		}
		if text != tt.want && (err == nil || !strings.HasPrefix(text, tt.want)) {
			t.Errorf("%s: got %s, want %s", tt.name, text, tt.want)
		}
	}
}

// TestBadTrustedDocuments: all problems come together, with the operations' names.
func TestBadTrustedDocuments(t *testing.T) {
	t.Parallel()
	_, err := New(Config{
		Schema: testSchema(), PresentError: present, Recover: recovered, MaxBodyBytes: 1,
		Scalars: map[string]CheckScalar{"String": func(any) error { return fmt.Errorf("is never right") }},
		TrustedDocuments: []TrustedDocument{
			{"a", `query Good { hello }`},
			{"b", `query Old { helo nope }`},
			{"c", `{`},
			{"d", `fragment F on Query { hello }`},
			{"a", `query Twice { hello }`},
			{"e", `query Scalar { hello(name: "x") }`},
		},
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		"problems: 6", `Old (b): input:1:13: Cannot query field "helo" on type "Query". Did you mean "hello"?`, `Old (b): input:1:18: Cannot query field "nope"`,
		"a document without a name (c): ", "a document without a name (d): input: The document has no operation", "Twice (a): its id is another document's too", "Scalar (e): input:1:29: name is never right",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "Good") {
		t.Errorf("a good one is named: %v", err)
	}
}

func TestAutomaticPersistedQueries(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(cfg *Config) {
		cfg.AutomaticPersistedQueries = true
		cfg.Limits.DocumentBytes = 2 * maxRegistered
		cfg.AroundOperations = []graphql.OperationMiddleware{func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
			if graphql.GetOperationContext(ctx).Operation.Name != "Refused" {
				return next(ctx)
			}
			err := gqlerror.Errorf("no")
			err.Extensions = map[string]any{"code": CodeUnauthenticated}
			return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{err}})
		}}
	})
	ask := func(document, hash string) (int, string) {
		members := map[string]any{"extensions": apollo(hash)}
		if document != "" {
			members["query"] = document
		}
		w := send(t, h, body(t, members).as(acceptGraphQL))
		p, _ := parse(t, w.Body.Bytes())
		if len(p.Errors) > 0 {
			return w.Code, fmt.Sprint(p.Errors[0].Extensions["code"], " ", p.Errors[0].Message)
		}
		return w.Code, ""
	}
	const document, invalid = "query A { hello }", "query A { nope }"
	expect := func(step, document, hash string, status int, text string) {
		t.Helper()
		if got, answer := ask(document, hash); got != status || !strings.HasPrefix(answer, text) || (text == "") != (answer == "") {
			t.Errorf("%s: %d %s", step, got, answer)
		}
	}
	const notFound = "PERSISTED_QUERY_NOT_FOUND PersistedQueryNotFound"
	expect("not yet", "", hashOf(document), 400, notFound)
	expect("another's hash", document, hashOf("{number}"), 400, CodeBadRequest)
	expect("registering", document, hashOf(document), 200, "")
	expect("known", "", hashOf(document), 200, "")
	expect("invalid", invalid, hashOf(invalid), 400, "GRAPHQL_VALIDATION_FAILED")
	expect("invalid is not kept", "", hashOf(invalid), 400, notFound)
	const refused = "query Refused { hello }"
	expect("refused", refused, hashOf(refused), 401, CodeUnauthenticated)
	expect("refused is not kept", "", hashOf(refused), 400, notFound)
	long := document + " #" + strings.Repeat("x", maxRegistered)
	expect("long", long, hashOf(long), 200, "")
	expect("long is not kept", "", hashOf(long), 400, notFound)
	if w := get(t, h, acceptGraphQL, "extensions", `{"persistedQuery":{"version":1,"sha256Hash":"`+hashOf(document)+`"}}`); w.Code != 200 {
		t.Errorf("by GET: %d %s", w.Code, w.Body)
	}
}

func TestByteLRU(t *testing.T) {
	t.Parallel()
	const each = 1000
	c := newByteLRU[int](maxShare * (each + entryBytes + 1))
	for i := range maxShare + 4 {
		c.add(string(rune('a'+i)), i, each)
		c.get("a") // used always
		if c.bytes > c.limit {
			t.Fatalf("%d bytes of %d", c.bytes, c.limit)
		}
	}
	for key, want := range map[string]bool{"a": true, "b": false, "e": false, "f": true, "t": true} {
		if _, ok := c.get(key); ok != want {
			t.Errorf("%s: kept %v", key, ok)
		}
	}
	if c.cache.Len() != maxShare {
		t.Errorf("%d kept, want %d", c.cache.Len(), maxShare)
	}
	c.add("a", 7, each/2) // again, and smaller
	if v, _ := c.get("a"); v != 7 || c.bytes != c.limit-each/2 {
		t.Errorf("%d, %d bytes", v, c.bytes)
	}
	c.add("z", 1, c.limit)
	if _, ok := c.get("z"); ok {
		t.Error("one that fills the whole is kept")
	}
}

// forgetful is a schema without the mock's list of all calls, which keeps their documents.
type forgetful struct{ graphql.ExecutableSchema }

func (s forgetful) Exec(ctx context.Context) graphql.ResponseHandler {
	schema, op := s.Schema(), graphql.GetOperationContext(ctx)
	return func(ctx context.Context) *graphql.Response { return resolve(ctx, schema, op) }
}

// heap returns the bytes in use.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// distinctDocument returns document number i of about length bytes. Most of it is a comment, since validating many fields takes quadratic time.
func distinctDocument(i, length int) string {
	fields := strings.Repeat(" hello", 60)
	return fmt.Sprintf("query Q%d {%s number} #%s", i, fields, strings.Repeat("x", max(0, length-len(fields))))
}

// TestDocumentsKeepMemoryFlat is not parallel: it measures the whole process's memory.
func TestDocumentsKeepMemoryFlat(t *testing.T) { //nolint:paralleltest // See above.
	for _, length := range []int{15 << 10, 60 << 10} {
		h := newHandler(t, func(cfg *Config) {
			cfg.Schema = forgetful{cfg.Schema}
			cfg.Limits.RootFields = 100
		})
		before := heap()
		for i := range 1000 {
			if w := send(t, h, query(distinctDocument(i, length)).as(acceptGraphQL)); w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		grown := heap() - before
		t.Logf("1,000 documents of %d bytes: %d KiB more", length, grown>>10)
		if grown > cachedBytes*5/4 {
			t.Errorf("1,000 documents of %d bytes: %d bytes more, %d are allowed", length, grown, cachedBytes)
		}
		runtime.KeepAlive(h)
	}
}

// TestURLsAreNotKept: a document that came by GET is kept without the rest of its URL.
func TestURLsAreNotKept(t *testing.T) { //nolint:paralleltest // It measures the whole process's memory.
	h := newHandler(t, func(cfg *Config) { cfg.Schema = forgetful{cfg.Schema} })
	rest := "&more=" + strings.Repeat("x", 16_000)
	before := heap()
	for i := range 1500 {
		r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/graphql?query={a%d:hello}%s", i, rest), http.NoBody)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	grown := heap() - before
	t.Logf("1,500 short documents in long URLs: %d KiB more", grown>>10)
	if grown > cachedBytes*5/4 {
		t.Errorf("%d bytes more, %d are allowed", grown, cachedBytes)
	}
	runtime.KeepAlive(h)
}

// TestSizeOf: the estimate is what a document really takes, within a factor.
func TestSizeOf(t *testing.T) { //nolint:paralleltest // It measures the whole process's memory.
	var arguments strings.Builder
	for i := range 300 {
		fmt.Fprintf(&arguments, ` a%d: echo(input: {text: "t"}) @include(if: true)`, i)
	}
	for name, text := range map[string]string{"fields": distinctDocument(0, 0), "arguments": "{" + arguments.String() + "}"} {
		const copies = 20
		kept := make([]*document, copies)
		before := heap()
		for i := range kept {
			parsed, err := parser.ParseQuery(&ast.Source{Input: text})
			if err != nil {
				t.Fatal(err)
			}
			kept[i] = &document{tree: parsed}
		}
		actual := (heap() - before) / copies
		estimate := sizeOf(kept[0])
		t.Logf("%s: %d bytes of text, estimate %d, real %d", name, len(text), estimate, actual)
		if estimate < actual*2/3 || estimate > actual*2 {
			t.Errorf("%s: estimate %d, real %d", name, estimate, actual)
		}
		runtime.KeepAlive(kept)
	}
}
