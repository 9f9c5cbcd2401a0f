// Package playground is a page to try the API with: an editor, sample operations and, in development, a
// sign-in. Everything comes from this server, nothing from another host. It imports nothing of ours.
package playground

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"time"
)

//go:embed assets
var assets embed.FS

// policy lets the page load its own files and talk to its own server, nothing else: no inline script or
// style, no frames, no other host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Config is what the page needs to know. Endpoint is required.
type Config struct {
	// Endpoint is the path of the GraphQL API on this server, such as "/graphql".
	Endpoint string
	// SignIn shows forms that sign up and in at /api/auth on this server.
	SignIn bool
}

// Handler returns a handler for GET and HEAD of /, /playground/app.js and /playground/app.css. Other paths
// are 404. The error says what is missing in cfg.
func Handler(cfg Config) (http.Handler, error) {
	if cfg.Endpoint == "" {
		return nil, errors.New("playground: Endpoint is required")
	}
	page, err := renderPage(cfg)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/{$}", newFile("index.html", page))
	for _, name := range []string{"app.js", "app.css"} {
		content, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("reading the playground's %s: %w", name, err)
		}
		mux.Handle("/playground/"+name, newFile(name, content))
	}
	return mux, nil
}

// renderPage fills the page's template. The settings go into attributes, since the policy forbids inline
// scripts.
func renderPage(cfg Config) ([]byte, error) {
	page, err := template.ParseFS(assets, "assets/index.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the playground's page: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, cfg); err != nil {
		return nil, fmt.Errorf("rendering the playground's page: %w", err)
	}
	return out.Bytes(), nil
}

// file is one embedded file, served with its hash as a tag, so that a browser asks but doesn't load it again.
type file struct {
	name    string
	content []byte
	tag     string
}

// newFile returns a file's handler. The tag is a weak one, as compression may stand around it.
func newFile(name string, content []byte) file {
	sum := sha256.Sum256(content)
	return file{name: name, content: content, tag: `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// ServeHTTP sends the file, or 304 where the browser has it.
func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cache-Control", "no-cache")
	header.Set("Etag", f.tag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.content))
}
