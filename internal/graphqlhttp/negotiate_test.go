package graphqlhttp

import (
	"mime"
	"strings"
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

// FuzzAccept checks with any Accept header that a stream is opened only for clients that name its media type.
func FuzzAccept(f *testing.F) {
	for _, seed := range []string{
		"", "*/*", acceptGraphQL + ", application/json;q=0.9", "text/event-stream", "multipart/mixed;subscriptionSpec=1.0;q=0.5, text/event-stream;q=0.4",
		"TEXT/EVENT-STREAM", "multipart/mixed;subscriptionSpec*=utf-8''1.0", "text/event-stream;q=-0", strings.Repeat("text/event-stream;q=0.1,", 200),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		if as, ok := negotiate([]string{accept}); as != mediaJSON && as != mediaGraphQL || !ok && as != mediaJSON {
			t.Errorf("%q: %q, %t", accept, as, ok)
		}
		names := func(want string) bool { // Some range has that type, read by the library alone.
			for item := range strings.SplitSeq(accept, ",") {
				if name, params, err := mime.ParseMediaType(item); err == nil && name == want && (want == mediaEventStream || params["subscriptionspec"] == "1.0") {
					return true
				}
			}
			return false
		}
		switch got := acceptedFormat([]string{accept}); {
		case got == &sseFormat && !names(mediaEventStream), got == &multipartFormat && !names(mediaMultipart):
			t.Errorf("%q: got %s", accept, got.contentType)
		case got != nil && strings.Count(accept, ",") < maxRanges-1 && acceptedFormat([]string{"application/json", accept}) != got:
			t.Errorf("%q: another line changes the stream", accept)
		}
	})
}
