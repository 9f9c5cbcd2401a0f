package graphqlhttp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

const (
	greeting = `query Greet($name: String) { hello(name: $name) }`
	renaming = `mutation Rename { rename(to: "x") }`
)

// withTrusted adds trusted documents, from a manifest in Relay's format.
func withTrusted(t *testing.T, only bool, texts ...string) func(*Config) {
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

func persistedQuery(hash string) map[string]any {
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
		{"by Apollo's extension", m{"extensions": persistedQuery(known)}, CodePersistedQueryNotSupported, "", ""},
		{"by both, with variables", m{"documentId": known, "extensions": persistedQuery(known), "variables": m{"name": "Ada"}}, CodePersistedQueryNotSupported, "", ""},
		{"with its text", m{"query": greeting, "extensions": persistedQuery(known)}, "", "", ""},
		{"with another text", m{"query": "{ hello }", "documentId": known}, "", CodeBadRequest, CodeBadRequest},
		{"unknown documentId", m{"documentId": foreign}, CodePersistedQueryNotSupported, CodePersistedQueryNotFound, CodePersistedQueryNotFound},
		{"unknown hash", m{"extensions": persistedQuery(foreign)}, CodePersistedQueryNotSupported, CodePersistedQueryNotFound, CodePersistedQueryNotFound},
		{"unknown hash with its text", m{"query": "{ hello }", "extensions": persistedQuery(foreign)}, "", "", CodePersistedQueryIDRequired},
		{"a text alone", m{"query": "{ hello }"}, "", "", CodePersistedQueryIDRequired},
		{"a trusted text alone", m{"query": greeting}, "", "", CodePersistedQueryIDRequired},
		{"nothing", m{}, CodeBadRequest, CodeBadRequest, CodePersistedQueryIDRequired},
		{"another version", m{"extensions": m{"persistedQuery": m{"version": 2, "sha256Hash": known}}}, CodeBadRequest, CodeBadRequest, CodeBadRequest},
		{"no hash", m{"query": "{ hello }", "extensions": m{"persistedQuery": m{"version": 1}}}, CodeBadRequest, CodeBadRequest, CodeBadRequest},
		{"a null extension", m{"documentId": known, "extensions": m{"persistedQuery": nil}}, CodePersistedQueryNotSupported, "", ""},
	}
	off, allow, only := newHandler(t), newHandler(t, withTrusted(t, false, greeting)), newHandler(t, withTrusted(t, true, greeting))
	for _, tt := range tests {
		for mode, want := range map[*Handler]string{off: tt.off, allow: tt.allow, only: tt.only} {
			w := send(t, mode, body(t, tt.members).as(acceptGraphQL))
			p, hasData := parseResponse(t, w.Body.Bytes())
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
	if w := get(t, newHandler(t, withTrusted(t, true, renaming)), acceptJSON, "documentId", hashOf(renaming)); w.Code != 405 {
		t.Errorf("a trusted mutation by GET: %d %s", w.Code, w.Body)
	}
}

// The limits on documents don't apply to trusted documents.
func TestLimitsDoNotApplyToTrusted(t *testing.T) {
	t.Parallel()
	long := "{" + strings.Repeat(" hello", 2001) + "}"
	h := newHandler(t, withTrusted(t, false, long))
	if w := send(t, h, query(long).as(acceptGraphQL)); w.Code != 400 {
		t.Errorf("sent: %d", w.Code)
	}
	if w := send(t, h, body(t, map[string]any{"documentId": hashOf(long)}).as(acceptGraphQL)); w.Code != 200 {
		t.Errorf("named: %d %s", w.Code, w.Body)
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
		members := map[string]any{"extensions": persistedQuery(hash)}
		if document != "" {
			members["query"] = document
		}
		w := send(t, h, body(t, members).as(acceptGraphQL))
		p, _ := parseResponse(t, w.Body.Bytes())
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
