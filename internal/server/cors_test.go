package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// preflight sends a browser's preflight for a request with cookies, and evaluates the answer as the Fetch standard says (section
// "CORS-preflight fetch").
func preflight(t *testing.T, f *handlerFixture, from, method, headers string) bool {
	t.Helper()
	ask := map[string]string{"Origin": from, "Access-Control-Request-Method": method}
	if headers != "" {
		ask["Access-Control-Request-Headers"] = headers
	}
	response := f.do("OPTIONS", "/graphql", ask)
	h := response.Header
	if !slices.Equal(h.Values("Access-Control-Allow-Origin"), []string{from}) || !slices.Equal(h.Values("Access-Control-Allow-Credentials"), []string{"true"}) {
		return false
	}
	list := func(name string) []string {
		var items []string
		for item := range strings.SplitSeq(strings.Join(h.Values(name), ","), ",") {
			items = append(items, strings.ToLower(strings.TrimSpace(item)))
		}
		return items
	}
	safelisted := method == "GET" || method == "HEAD" || method == "POST"
	if !safelisted && !slices.Contains(list("Access-Control-Allow-Methods"), strings.ToLower(method)) {
		return false
	}
	for name := range strings.SplitSeq(headers, ",") {
		if headers != "" && !slices.Contains(list("Access-Control-Allow-Headers"), name) { // With credentials, * is no wildcard.
			return false
		}
	}
	return response.StatusCode >= 200 && response.StatusCode < 300
}

// TestPreflight: an allowed origin may send any header. A refused preflight is logged with the reason and what to do.
func TestPreflight(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", maxRequestedHeaders+1)
	for _, tt := range []struct {
		name, origin, method, headers string
		reason                        string // "" if the preflight succeeds
	}{
		{"Apollo", origin, "POST", "apollo-require-preflight,content-type,x-apollo-operation-name", ""},
		{"Datadog", origin, "POST", "content-type,traceparent,tracestate,x-datadog-origin,x-datadog-parent-id,x-datadog-sampling-priority,x-datadog-trace-id", ""},
		{"New Relic", origin, "POST", "content-type,newrelic,traceparent,tracestate", ""},
		{"B3", origin, "POST", "b3,content-type,x-b3-sampled,x-b3-spanid,x-b3-traceid", ""},
		{"Sentry", origin, "POST", "baggage,content-type,sentry-trace", ""},
		{"API key and client", origin, "POST", "authorization,content-type,x-api-key,x-client-info", ""},
		{"GET without headers", origin, "GET", "", ""},
		{"an app", "capacitor://localhost", "POST", "content-type", ""},
		{"an internationalised origin", "https://xn--bcher-kva.example", "POST", "content-type", ""},
		{"DELETE", origin, "DELETE", "", "method_not_allowed"},
		{"a stranger", "https://evil.example.com", "POST", "content-type", "origin_not_listed"},
		{"another app", "ionic://localhost", "POST", "content-type", "origin_not_listed"},
		{"a sandboxed frame", "null", "POST", "content-type", "origin_null"},
		{"too many headers", origin, "POST", long, "too_many_headers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			environ := development()
			environ["CORS_ORIGINS"] += ",capacitor://localhost,https://bücher.example"
			f := newHandlerFixture(t, environ, ok)
			if got := preflight(t, f, tt.origin, tt.method, tt.headers); got != (tt.reason == "") {
				t.Errorf("allowed: %v", got)
			}
			lines := f.lines(t)
			if tt.reason == "" {
				if len(lines) != 0 {
					t.Errorf("logged: %v", lines)
				}
				return
			}
			if !strings.Contains(string(doc), "| `"+tt.reason+"` |") {
				t.Errorf("docs/authentication.md has no row for %s", tt.reason)
			}
			if len(lines) != 1 || lines[0]["msg"] != "preflight refused" || lines[0]["level"] != "WARN" || lines[0]["reason"] != tt.reason ||
				lines[0]["origin"] != tt.origin || lines[0]["method"] != tt.method || lines[0]["cure"] == "" || f.log.Len() > 1000 {
				t.Errorf("logged: %s", f.log)
			}
		})
	}
}

// TestPreflightAnswer: browsers cache the answer, and caches distinguish the answers for different origins.
func TestPreflightAnswer(t *testing.T) {
	t.Parallel()
	f := newHandlerFixture(t, development(), ok)
	response := f.do("OPTIONS", "/graphql", map[string]string{
		"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,newrelic",
	})
	h := response.Header
	if response.StatusCode != http.StatusNoContent || h.Get("Access-Control-Max-Age") != "7200" || h.Get("Access-Control-Allow-Headers") != "content-type,newrelic" ||
		h.Get("Vary") != "Origin, Access-Control-Request-Method, Access-Control-Request-Headers" {
		t.Errorf("%d %v", response.StatusCode, h)
	}
}

// TestPreflightFlood: a flood of refused preflights does not flood the log.
func TestPreflightFlood(t *testing.T) {
	t.Parallel()
	f := newHandlerFixture(t, development(), ok)
	for range 1000 {
		preflight(t, f, "https://evil.example.com", "POST", "")
	}
	if n := len(f.lines(t)); n < refusalsBurst || n > 500 { // It depends on the real clock.
		t.Errorf("%d lines", n)
	}
}

// TestRepeatedHeaders sends repeated headers, as neither browsers nor http.Client do. If one is allowed and another is not, the
// request is refused.
func TestRepeatedHeaders(t *testing.T) {
	t.Parallel()
	var served atomic.Bool
	f := newHandlerFixture(t, development(), func(http.ResponseWriter, *http.Request) { served.Store(true) })
	web := httptest.NewServer(f)
	t.Cleanup(web.Close)
	address := strings.TrimPrefix(web.URL, "http://")
	raw := func(request string) *http.Response {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response
	}
	const post = "POST /graphql HTTP/1.1\nHost: api.example.com\nContent-Length: 0\n"
	for name, lines := range map[string]string{
		"Origin":             "Origin: " + origin + "\nOrigin: https://evil.example",
		"the same Origin":    "Origin: " + origin + "\nOrigin: " + origin,
		"Origin, in capital": "Origin: " + origin + "\nORIGIN: https://evil.example",
		"Authorization":      "Authorization: Bearer a\nAuthorization: Bearer b",
		"Sec-Fetch-Site":     "Sec-Fetch-Site: same-origin\nSec-Fetch-Site: cross-site",
		"Sec-Fetch-Mode":     "Sec-Fetch-Mode: navigate\nSec-Fetch-Mode: cors",
		"Host":               "Host: localhost",
		"Content-Length":     "Content-Length: 1",
	} {
		if response := raw(post + lines); response.StatusCode != http.StatusBadRequest || served.Load() || response.Header.Get("Access-Control-Allow-Origin") != "" &&
			strings.HasPrefix(lines, "Origin") {
			t.Errorf("%s: %d, served: %v, %v", name, response.StatusCode, served.Load(), response.Header)
		}
	}
	const options = "OPTIONS /graphql HTTP/1.1\nHost: api.example.com\n"
	for name, lines := range map[string]string{
		"Origin": "Access-Control-Request-Method: POST\nOrigin: " + origin + "\nOrigin: https://evil.example",
		"method": "Access-Control-Request-Method: POST\nAccess-Control-Request-Method: DELETE\nOrigin: " + origin,
	} {
		if response := raw(options + lines); len(response.Header.Values("Access-Control-Allow-Origin")) > 0 {
			t.Errorf("a preflight with two lines of %s: %v", name, response.Header)
		}
	}
	if response := raw(post + "Origin: " + origin + "\nCookie: a=1\nCookie: b=2"); response.StatusCode != http.StatusOK || !served.Load() {
		t.Errorf("one Origin and two lines of cookies: %d", response.StatusCode)
	}
}
