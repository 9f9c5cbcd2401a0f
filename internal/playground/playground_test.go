package playground

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, path string, header map[string]string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func newPage(t *testing.T, cfg Config) http.Handler {
	t.Helper()
	h, err := Handler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestFiles(t *testing.T) {
	t.Parallel()
	h := newPage(t, Config{Endpoint: "/graphql", SignIn: true})
	for path, contentType := range map[string]string{"/": "text/html", "/playground/app.js": "text/javascript", "/playground/app.css": "text/css"} {
		response, body := get(t, h, path, nil)
		if response.StatusCode != 200 || !strings.HasPrefix(response.Header.Get("Content-Type"), contentType) || body == "" {
			t.Errorf("%s: %d %v", path, response.StatusCode, response.Header)
		}
		if response.Header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s: policy %q", path, response.Header.Get("Content-Security-Policy"))
		}
		again, body := get(t, h, path, map[string]string{"If-None-Match": response.Header.Get("Etag")})
		if again.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s: %d with its own tag", path, again.StatusCode)
		}
		other, _ := get(t, h, path, map[string]string{"If-None-Match": `W/"other"`})
		if other.StatusCode != http.StatusOK {
			t.Errorf("%s: %d with another tag", path, other.StatusCode)
		}
	}
	for _, path := range []string{"/x", "/playground/", "/playground/index.html", "/playground/../playground.go"} {
		if response, _ := get(t, h, path, nil); response.StatusCode == http.StatusOK {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
}

// TestPageKeepsThePolicy: what the policy forbids would fail silently in the browser.
func TestPageKeepsThePolicy(t *testing.T) {
	t.Parallel()
	h := newPage(t, Config{Endpoint: "/graphql", SignIn: true})
	var all strings.Builder
	for _, path := range []string{"/", "/playground/app.js", "/playground/app.css"} {
		_, body := get(t, h, path, nil)
		all.WriteString(body)
	}
	without := strings.ReplaceAll(all.String(), "http://www.w3.org/2000/svg", "") // a name, not an address
	without = strings.ReplaceAll(without, "http%3A//www.w3.org/2000/svg", "")
	for _, forbidden := range []string{`https?://`, `(?i)<style`, `(?i)\sstyle=`, `(?i)<script(\s+[a-z]+(="[^"]*")?)*>\s*\S+\s*</script>`, `(?i)\son[a-z]+="`, `(?i)javascript:`, `innerHTML`, `\beval\(`, `@import`} {
		if found := regexp.MustCompile(forbidden).FindString(without); found != "" {
			t.Errorf("the page holds %q", found)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	_, with := get(t, newPage(t, Config{Endpoint: "/graphql", SignIn: true}), "/", nil)
	_, without := get(t, newPage(t, Config{Endpoint: `/"><script>`}), "/", nil)
	if !strings.Contains(with, `data-endpoint="/graphql" data-sign-in="true"`) || !strings.Contains(with, `id="sign-in-form"`) {
		t.Error("the sign-in is missing")
	}
	if strings.Contains(without, "sign-in-form") || strings.Contains(without, `"><script>`) {
		t.Error("the sign-in is there, or the endpoint is not escaped")
	}
	if _, err := Handler(Config{}); err == nil {
		t.Error("no endpoint, but no error")
	}
}

// TestLabels: every control has a name for those who can't see it.
func TestLabels(t *testing.T) {
	t.Parallel()
	_, page := get(t, newPage(t, Config{Endpoint: "/graphql", SignIn: true}), "/", nil)
	for _, control := range regexp.MustCompile(`<textarea id="(\w+)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `<label for="`+control[1]+`">`) {
			t.Errorf("%s has no label", control[1])
		}
	}
	if inputs, labeled := strings.Count(page, "<input"), len(regexp.MustCompile(`<label[^>]*>[^<]+<input`).FindAllString(page, -1)); inputs != labeled {
		t.Errorf("%d of %d inputs have a label", labeled, inputs)
	}
}
