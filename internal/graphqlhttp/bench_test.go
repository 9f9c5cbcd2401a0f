package graphqlhttp

import (
	"net/http"
	"strings"
	"testing"
)

// discard is a ResponseWriter that keeps nothing, so that benchmarks measure the handler instead of a recorder.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkServe measures a request from its header to its response. The test schema needs no database.
func BenchmarkServe(b *testing.B) {
	const typical = `{"operationName":"Tasks","query":"query Tasks($first: Int, $name: String) { number(value: $first) hello(name: $name) other: hello }",` +
		`"variables":{"first":20,"name":"Ada","unused":{"filter":{"completed":false,"tags":["a","b"]},"text":"a line\nwith \"quotes\""}}}`
	long := `{"query":"query($name: String) { hello(name: $name) }","variables":{"name":"` + strings.Repeat("lorem ipsum ", 5000) + `"}}`
	h := newHandler(b)
	for name, body := range map[string]string{"typical": typical, "60KB": long} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "/graphql", strings.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				r.Header = http.Header{
					"Content-Type": {"application/json"},
					"Accept":       {"application/graphql-response+json, application/json;q=0.9"},
				}
				h.ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}
