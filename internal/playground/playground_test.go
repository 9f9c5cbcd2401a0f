package playground

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
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

func newHandler(t *testing.T, cfg Config) http.Handler {
	t.Helper()
	h, err := Handler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func hash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func TestPage(t *testing.T) {
	t.Parallel()
	h := newHandler(t, Config{Endpoint: "/graphql", SignIn: true, Organizations: true})
	response, body := get(t, h, "/", nil)
	if response.StatusCode != http.StatusOK || response.Header.Get("Cache-Control") != "no-cache" || response.Header.Get("Content-Security-Policy") != policy {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	if !strings.Contains(body, `{"endpoint":"/graphql","signIn":true,"organizations":true,`) {
		t.Error("the page lacks its settings")
	}
	if again, body := get(t, h, "/", map[string]string{"If-None-Match": response.Header.Get("Etag")}); again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("%d with its own tag", again.StatusCode)
	}
	if other, _ := get(t, h, "/", map[string]string{"If-None-Match": `W/"other"`}); other.StatusCode != http.StatusOK {
		t.Errorf("%d with another tag", other.StatusCode)
	}
	for _, path := range []string{"/x", "/playground/", "/playground/assets/", "/playground/assets/manifest.json"} {
		if response, _ := get(t, h, path, nil); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	if _, hostile := get(t, newHandler(t, Config{Endpoint: `/</script><script>`}), "/", nil); strings.Contains(hostile, "<script>") {
		t.Error("the endpoint is not escaped")
	}
	if _, err := Handler(Config{}); err == nil {
		t.Error("no endpoint, but no error")
	}
}

// TestFiles: every file has the manifest's hash, compressed or not, and can be cached forever.
func TestFiles(t *testing.T) {
	t.Parallel()
	bundle, err := readManifest()
	if err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, Config{Endpoint: "/graphql"})
	if len(bundle.Files) == 0 || bundle.Files[bundle.Script] == "" || bundle.Files[bundle.Style] == "" {
		t.Fatalf("the manifest lacks files: %+v", bundle)
	}
	for name, want := range bundle.Files {
		plain, content := get(t, h, "/playground/assets/"+name, map[string]string{"Accept-Encoding": "br, gzip;q=0"})
		packed, compressed := get(t, h, "/playground/assets/"+name, map[string]string{"Accept-Encoding": "br, gzip"})
		if plain.Header.Get("Content-Encoding") != "" || packed.Header.Get("Content-Encoding") != "gzip" || hash(content) != want {
			t.Errorf("%s: %v, %v, hash %s", name, plain.Header, packed.Header, hash(content))
		}
		reader, err := gzip.NewReader(strings.NewReader(compressed))
		if err != nil {
			t.Fatal(err)
		}
		if unpacked, err := io.ReadAll(reader); err != nil || hash(string(unpacked)) != want {
			t.Errorf("%s: compressed, it is another file: %v", name, err)
		}
		header := packed.Header
		if !strings.Contains(header.Get("Cache-Control"), "immutable") || header.Get("Vary") != "Accept-Encoding" || header.Get("Content-Security-Policy") != policy || header.Get("Content-Type") == "" {
			t.Errorf("%s: %v", name, header)
		}
		if strings.Contains(content, "sourceMappingURL=data") || strings.HasSuffix(name, ".map") {
			t.Errorf("%s has a source map", name)
		}
	}
}

// TestBundleIsOfItsSources: the bundle was built from the present sources and packages by `make playground`. TestFiles compares the
// hashes of the built files.
func TestBundleIsOfItsSources(t *testing.T) {
	t.Parallel()
	code, err := filepath.Glob("web/src/*")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"../../../examples/sync/store.ts", "build.mjs", "package-lock.json", "package.json"}
	for _, name := range code {
		names = append(names, "src/"+filepath.Base(name))
	}
	slices.Sort(names)
	var all strings.Builder
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join("web", name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %s\n", name, hash(string(content)))
	}
	bundle, err := readManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := hash(all.String()); got != bundle.Sources {
		t.Errorf("the bundle in assets/dist was built from other sources (%s, now %s): run make playground and commit", bundle.Sources, got)
	}
	kept, err := filepath.Glob("assets/dist/*.gz")
	if err != nil || len(kept) != len(bundle.Files) {
		t.Errorf("assets/dist has %d files, the manifest %d: %v", len(kept), len(bundle.Files), err)
	}
}
