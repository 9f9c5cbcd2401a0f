package graphqlhttp

import (
	"testing"
)

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
