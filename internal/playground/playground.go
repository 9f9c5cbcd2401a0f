// Package playground serves a page to try the API with: GraphiQL with sample operations and, in development, a sign-in. The
// page loads nothing from other hosts.
//
// The page's sources are in web. `make playground` builds them into assets/dist, compressed, with the packages of the lock
// file.
package playground

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

// policy is the Content-Security-Policy. It lets the page load its own files and call its own server, and nothing else: no
// inline or evaluated scripts, no blob: workers, no frames, no other hosts. Styles are an exception. Monaco inserts style
// elements for its themes, and positions lines with style attributes in markup that it builds as text. They change while the
// user types, so neither a nonce nor a hash can allow them. Without inline scripts an injected style can change what the page
// shows, but it can't run code, and connect-src, img-src and font-src keep it from sending anything.
const policy = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Config configures Handler. Endpoint is required.
type Config struct {
	// Endpoint is the path of the GraphQL API on this server, such as "/graphql".
	Endpoint string
	// SignIn shows forms that sign up and in at /api/auth on this server. Without it, the page says to sign in at the
	// frontend.
	SignIn bool
	// Organizations shows, beside those forms, a dialog in which organizations are made and people invited.
	Organizations bool
}

// manifest is the bundler's description of the bundle.
type manifest struct {
	// Sources is the hash of the sources.
	Sources string `json:"sources"`
	Script  string `json:"script"`
	Style   string `json:"style"`
	// Files maps the files' names, which contain a hash, to the SHA-256 of their uncompressed content.
	Files map[string]string `json:"files"`
}

// Handler returns a handler for GET and HEAD requests of / and of the files below /playground/assets/. It answers other paths
// with 404. The error names what cfg lacks.
func Handler(cfg Config) (http.Handler, error) {
	if cfg.Endpoint == "" {
		return nil, errors.New("playground: Endpoint is required")
	}
	bundle, err := readManifest()
	if err != nil {
		return nil, err
	}
	page, err := renderPage(cfg, bundle)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/{$}", newPage(page))
	for name := range bundle.Files {
		f, err := newFile(name)
		if err != nil {
			return nil, err
		}
		mux.Handle("/playground/assets/"+name, f)
	}
	return mux, nil
}

func readManifest() (manifest, error) {
	content, err := assets.ReadFile("assets/dist/manifest.json")
	if err != nil {
		return manifest{}, fmt.Errorf("reading the playground's manifest: %w", err)
	}
	var m manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return manifest{}, fmt.Errorf("decoding the playground's manifest: %w", err)
	}
	return m, nil
}

// settings is read by web/src/settings.js.
type settings struct {
	Endpoint      string   `json:"endpoint"`
	SignIn        bool     `json:"signIn"`
	Organizations bool     `json:"organizations"`
	Samples       []Sample `json:"samples"`
}

// renderPage returns the page. Its settings are in a data block, which is not a script to the policy; html/template escapes
// what could end it.
func renderPage(cfg Config, bundle manifest) ([]byte, error) {
	samples, err := Samples()
	if err != nil {
		return nil, err
	}
	page, err := template.ParseFS(assets, "assets/index.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the playground's page: %w", err)
	}
	var out bytes.Buffer
	err = page.Execute(&out, struct {
		Script, Style string
		Settings      settings
	}{bundle.Script, bundle.Style, settings{cfg.Endpoint, cfg.SignIn, cfg.Organizations, samples}})
	if err != nil {
		return nil, fmt.Errorf("rendering the playground's page: %w", err)
	}
	return out.Bytes(), nil
}

// page is the HTML document. Its ETag is its hash, so that a browser revalidates it without loading it again.
type page struct {
	content []byte
	tag     string
}

// newPage returns the page's handler. The ETag is weak, because a middleware may compress the page.
func newPage(content []byte) page {
	sum := sha256.Sum256(content)
	return page{content: content, tag: `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// ServeHTTP sends the page, or 304 if the browser has it already.
func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cache-Control", "no-cache")
	header.Set("Etag", p.tag)
	http.ServeContent(w, r, "index.html", time.Time{}, bytes.NewReader(p.content))
}

// file is a file of the bundle, compressed. Its name changes with its content.
type file struct {
	contentType string
	compressed  []byte
}

func newFile(name string) (file, error) {
	compressed, err := assets.ReadFile("assets/dist/" + name + ".gz")
	if err != nil {
		return file{}, fmt.Errorf("reading the playground's %s: %w", name, err)
	}
	contentType := mime.TypeByExtension(path.Ext(name))
	switch path.Ext(name) { // The machine's MIME table may lack these or differ.
	case ".js":
		contentType = "text/javascript; charset=utf-8"
	case ".ttf", ".woff", ".woff2":
		contentType = "font/" + path.Ext(name)[1:]
	}
	return file{contentType: contentType, compressed: compressed}, nil
}

// ServeHTTP sends the compressed file, or the decompressed one to a client that doesn't accept gzip. It sends the policy too,
// because a worker has the policy of its own file.
func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Content-Type", f.contentType)
	header.Add("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.compressed))
		return
	}
	content, err := f.decompress()
	if err != nil {
		panic(fmt.Errorf("the playground's bundle is broken: %w", err)) // A test reads every file.
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func (f file) decompress() ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(f.compressed))
	if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	return content, nil
}

// acceptsGzip reports whether the client accepts gzip.
func acceptsGzip(r *http.Request) bool {
	for value := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, parameter, _ := strings.Cut(value, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		weight, isWeight := strings.CutPrefix(strings.ReplaceAll(parameter, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !isWeight || err != nil || q > 0
	}
	return false
}
