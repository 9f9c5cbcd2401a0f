package betterauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"taskql/internal/betterauth"
)

// pathLog calls a handler and records the requested paths.
type pathLog struct {
	mu      sync.Mutex
	paths   []string
	handler http.HandlerFunc
}

func (p *pathLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/ok") { // The auth server works.
		respondJSON(`{"ok":true}`)(w, r)
		return
	}
	p.mu.Lock()
	p.paths = append(p.paths, strings.TrimPrefix(r.URL.Path, "/api/auth"))
	p.mu.Unlock()
	p.handler(w, r)
}

func (p *pathLog) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	paths := p.paths
	p.paths = nil
	return paths
}

// TestSlashRedirects checks that redirects that only add or remove a slash at the end are followed, and permanent ones
// remembered. Any other is a failure of the auth server, and its target doesn't receive the credentials.
func TestSlashRedirects(t *testing.T) {
	t.Parallel()
	const question = "/get-session"
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect to another origin was followed")
	}))
	t.Cleanup(other.Close)
	// slash redirects a path without a slash at the end to the same path with one.
	slash := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/") {
				http.Redirect(w, r, r.URL.Path+"/?"+r.URL.RawQuery, status)
				return
			}
			if r.Header.Get("Cookie") == "" || r.URL.RawQuery != "disableCookieCache=true&disableRefresh=true" {
				t.Errorf("the question lost its cookie or its query %q", r.URL.RawQuery)
			}
			respondJSON(sessionJSON())(w, r)
		}
	}
	to := func(location string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", strings.ReplaceAll(location, "QUERY", r.URL.RawQuery))
			w.WriteHeader(http.StatusPermanentRedirect)
		}
	}
	toggle := func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimSuffix(r.URL.Path, "/")
		if path == r.URL.Path {
			path += "/"
		}
		http.Redirect(w, r, path+"?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
	}
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		// first and second are the paths of two requests, fault is a part of the error.
		first, second []string
		fault         string
	}{
		{"permanent", slash(308), []string{question, question + "/"}, []string{question + "/"}, ""},
		{"moved permanently", slash(301), []string{question, question + "/"}, []string{question + "/"}, ""},
		{"temporary", slash(307), []string{question, question + "/"}, []string{question, question + "/"}, ""},
		{"another origin", to(other.URL + "/api/auth/get-session/?QUERY"), []string{question}, []string{question}, "answered 308, a redirect to " + other.URL + ": if Better Auth is there, set AUTH_SERVER_URL to that address"},
		{"another path", to("/login?next=secret"), []string{question}, []string{question}, "answered 308, a redirect to /login on the same host"},
		{"a lost query", to("/api/auth/get-session/"), []string{question}, []string{question}, "a redirect to /api/auth/get-session/ on the same host"},
		{"itself", to("/api/auth/get-session?QUERY"), []string{question}, []string{question}, "a redirect to /api/auth/get-session on the same host"},
		{"to and fro", toggle, []string{question, question + "/", question}, []string{question, question + "/", question}, "a redirect"},
		{"no target", to(""), []string{question}, []string{question}, "answered 308"},
		{"a target to be quoted", to("/a%0Ab"), []string{question}, []string{question}, `a redirect to /a\nb on the same host`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			asked := &pathLog{handler: test.handler}
			server := httptest.NewServer(asked)
			defer server.Close()
			a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now})
			for i, want := range [][]string{test.first, test.second} {
				refusal := refusalOf(t, a, signedInAs(i))
				switch {
				case (refusal == nil) != (test.fault == ""):
					t.Errorf("question %d: %v, want %q", i+1, refusal, test.fault)
				case refusal != nil && (!strings.Contains(refusal.Error(), test.fault) || strings.Contains(refusal.Error(), "secret")):
					t.Errorf("question %d: %v, want %q", i+1, refusal, test.fault)
				}
				if got := asked.take(); !slices.Equal(got, want) {
					t.Errorf("question %d asked for %v, want %v", i+1, got, want)
				}
			}
		})
	}
}

// TestSlashRedirectForgotten checks that a redirect is forgotten when its target disappears, also if a frontend answers
// every unknown path with a page.
func TestSlashRedirectForgotten(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]http.HandlerFunc{
		"404": http.NotFound, "405": respondStatus(http.StatusMethodNotAllowed), "502": respondStatus(http.StatusBadGateway),
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<!doctype html>"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRedirectForgotten(t, gone)
		})
	}
}

func wantRedirectForgotten(t *testing.T, gone http.HandlerFunc) {
	t.Helper()
	redirects := true
	asked := &pathLog{}
	asked.handler = func(w http.ResponseWriter, r *http.Request) {
		hasSlash := strings.HasSuffix(r.URL.Path, "/")
		switch {
		case hasSlash != redirects && redirects:
			http.Redirect(w, r, r.URL.Path+"/?"+r.URL.RawQuery, http.StatusPermanentRedirect)
		case hasSlash != redirects:
			gone(w, r)
		default:
			respondJSON(sessionJSON())(w, r)
		}
	}
	server := httptest.NewServer(asked)
	defer server.Close()
	a := realAuthenticator(t, betterauth.Config{BaseURL: server.URL, Now: newClock().Now})
	wantSession(t, a, signedInAs(0))
	redirects = false
	if refusal := refusalOf(t, a, signedInAs(1)); refusal == nil || !refusal.Unavailable {
		t.Errorf("got %v", refusal)
	}
	wantSession(t, a, signedInAs(2))
}

// signedInAs returns the headers of a request with a session for each number.
func signedInAs(number int) http.Header {
	return cookies(plain + "=" + betterauth.SignCookie(secret, fmt.Sprintf("%032d", number)))
}

// TestProbeSuggestsTheAddress checks that the probe suggests the right AUTH_SERVER_URL.
func TestProbeSuggestsTheAddress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, real, base, basePath, want string }{
		{"below the path", "/x/api/auth/", "/x", "", "/x/api/auth"},
		{"on the host", "/api/auth/", "/x", "", "/api/auth"},
		{"below the base path /", "/api/auth/", "", "/", "/api/auth"},
		{"nowhere", "/other/", "/x", "", ""},
		{"nowhere, from the usual path", "/other/", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.HandleFunc(test.real+"ok", respondJSON(`{"ok":true}`))
			server := httptest.NewServer(mux)
			defer server.Close()
			step := realAuthenticator(t, betterauth.Config{BaseURL: server.URL + test.base, BasePath: test.basePath}).Reachable(t.Context())
			want := "set AUTH_SERVER_URL to the auth server's baseURL; if its basePath is not /api/auth"
			if test.want != "" {
				want = "set AUTH_SERVER_URL to " + server.URL + test.want + ": Better Auth answers there"
			}
			if step.Status != betterauth.StatusFailure || !strings.HasPrefix(step.Fix, want) {
				t.Errorf("%+v, want %q", step, want)
			}
		})
	}
}
