package server

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"taskql/internal/config"
)

func TestCSRF(t *testing.T) {
	t.Parallel()
	origins, err := config.ParseOrigins("https://app.example.com,https://*.preview.example.com,http://localhost:3000,capacitor://localhost,https://bücher.example")
	if err != nil {
		t.Fatal(err)
	}
	const host = "api.example.com"
	tests := []struct {
		name    string
		header  http.Header
		refused bool
	}{
		{"a program", nil, false},
		{"a listed origin", http.Header{"Origin": {"https://app.example.com"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		{"an origin by pattern", http.Header{"Origin": {"https://pr-7.preview.example.com"}}, false},
		{"the public origin, past a proxy that hides it", http.Header{"Origin": {"https://public.example.com"}}, false},
		{"a page of ours", http.Header{"Origin": {"https://api.example.com"}}, false},
		{"a page of ours, and a proxy tells the scheme", http.Header{"Origin": {"https://api.example.com"}, "X-Forwarded-Proto": {"https"}}, false},
		{"a page of ours, and two proxies tell", http.Header{"Origin": {"https://api.example.com"}, "X-Forwarded-Proto": {"HTTPS, http"}}, false},
		{"a proxy that tells nonsense", http.Header{"Origin": {"https://api.example.com"}, "X-Forwarded-Proto": {"wss"}}, false},
		{"plain http under our name, the scheme unknown", http.Header{"Origin": {"http://api.example.com"}}, false},
		{"plain http under our name", http.Header{"Origin": {"http://api.example.com"}, "X-Forwarded-Proto": {"https"}}, true},
		{"our name on another port", http.Header{"Origin": {"https://api.example.com:8443"}}, true},
		{"a neighbour", http.Header{"Origin": {"https://www.example.com"}, "Sec-Fetch-Site": {"same-site"}}, true},
		{"a stranger", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}, true},
		{"a stranger whose name begins like ours", http.Header{"Origin": {"https://api.example.com.evil.example"}}, true},
		{"another site with Sec-Fetch-Site same-origin", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"same-origin"}}, true},
		{"two levels below the pattern", http.Header{"Origin": {"https://a.b.preview.example.com"}}, true},
		{"an opaque origin", http.Header{"Origin": {"null"}}, true},
		{"an opaque origin that says same-origin", http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-origin"}}, true},
		{"an empty origin", http.Header{"Origin": {""}}, true},
		{"two origins", http.Header{"Origin": {"https://app.example.com", "https://evil.example"}}, true},
		{"one origin twice", http.Header{"Origin": {"https://app.example.com", "https://app.example.com"}}, true},
		{"an app", http.Header{"Origin": {"capacitor://localhost"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		{"another app", http.Header{"Origin": {"ionic://localhost"}, "Sec-Fetch-Site": {"cross-site"}}, true},
		{"an internationalised name", http.Header{"Origin": {"https://xn--bcher-kva.example"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		{"an origin with a path", http.Header{"Origin": {"https://api.example.com/"}}, true},
		{"an origin with a user", http.Header{"Origin": {"https://x@api.example.com"}}, true},
		{"no origin, a page of ours", http.Header{"Sec-Fetch-Site": {"same-origin"}}, false},
		{"no origin, the user", http.Header{"Sec-Fetch-Site": {"none"}}, false},
		{"no origin, a neighbour", http.Header{"Sec-Fetch-Site": {"same-site"}}, true},
		{"no origin, a stranger", http.Header{"Sec-Fetch-Site": {"cross-site"}}, true},
		{"no origin, nonsense", http.Header{"Sec-Fetch-Site": {"x"}}, true},
	}
	c := csrf{origins: origins, public: "https://public.example.com"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"POST", "PUT", "DELETE", "GET", "HEAD", "OPTIONS"} {
				r := httptest.NewRequest(method, "/graphql", nil)
				r.Host, r.Header = host, tt.header
				if got := c.refuses(r); got != tt.refused {
					t.Errorf("%s: refused %v", method, got)
				}
			}
		})
	}
}

// TestForwardedNavigation: a server that renders pages may forward all headers of the visitor's request, whatever site the
// visitor came from. Requests that a browser can send itself are checked.
func TestForwardedNavigation(t *testing.T) {
	t.Parallel()
	const json = "application/json; charset=utf-8"
	for _, tt := range []struct {
		name, method string
		header       http.Header
		refused      bool
	}{
		{"a forwarded navigation", "POST", http.Header{"Content-Type": {json}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}, false},
		{"forwarded by Node's fetch", "POST", http.Header{"Content-Type": {json}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"document"}}, false},
		{"forwarded from a frame", "POST", http.Header{"Content-Type": {json}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}}, false},
		{"a link", "GET", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}, true},
		{"a link, with a type", "GET", http.Header{"Content-Type": {json}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}, true},
		{"a form", "POST", http.Header{"Content-Type": {"text/plain"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}, true},
		{"a form with two types", "POST", http.Header{"Content-Type": {json, "text/plain"}, "Sec-Fetch-Dest": {"document"}}, true},
		{"a form without a type", "POST", http.Header{"Sec-Fetch-Dest": {"document"}}, true},
		{"fetch", "POST", http.Header{"Content-Type": {json}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}}, true},
		{"an image", "POST", http.Header{"Content-Type": {json}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}}, true},
		{"two destinations", "POST", http.Header{"Content-Type": {json}, "Sec-Fetch-Dest": {"document", "empty"}}, true},
		{"no destination", "POST", http.Header{"Content-Type": {json}, "Sec-Fetch-Mode": {"navigate"}}, true},
		{"an origin counts", "POST", http.Header{"Content-Type": {json}, "Sec-Fetch-Dest": {"document"}, "Origin": {"https://evil.example"}}, true},
		{"an opaque origin counts", "POST", http.Header{"Content-Type": {json}, "Sec-Fetch-Dest": {"document"}, "Origin": {"null"}}, true},
	} {
		for _, site := range []string{"cross-site", "same-site"} {
			r := httptest.NewRequest(tt.method, "/graphql", nil)
			r.Header = tt.header.Clone()
			r.Header.Set("Sec-Fetch-Site", site)
			if got := (csrf{}).refuses(r); got != tt.refused {
				t.Errorf("%s, %s: refused %v", tt.name, site, got)
			}
		}
	}
}

// TestSameOrigin: the spellings of ports and schemes that browsers and proxies use.
func TestSameOrigin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		origin, host string
		tls, same    bool
	}{
		{"http://localhost:8000", "localhost:8000", false, true},
		{"http://localhost:8000", "localhost", false, false},
		{"http://localhost", "localhost:80", false, true},
		{"https://a.example", "a.example:443", false, true},
		{"https://a.example", "a.example:80", false, false},
		{"https://a.example", "A.example", true, true},
		{"http://a.example", "a.example", true, false},
		{"http://[::1]:8000", "[::1]:8000", false, true},
		{"capacitor://localhost", "localhost", false, false},
		{"", "", false, false},
		{"https://", "", false, false},
	} {
		r := httptest.NewRequest("POST", "/graphql", nil)
		r.Host = tt.host
		if tt.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := sameOrigin(r, tt.origin); got != tt.same {
			t.Errorf("%s at %s: %v", tt.origin, tt.host, got)
		}
	}
	if (csrf{}).allows(httptest.NewRequest("POST", "/", nil), "") {
		t.Error("an empty origin is this server's own")
	}
}
