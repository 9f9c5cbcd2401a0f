package betterauth

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// maxSlashRedirects is the maximum number of redirects that are followed for one request.
const maxSlashRedirects = 2

// slashRedirects is a transport that follows redirects that only add or remove a slash at the end of the path, which
// frameworks with a rule for trailing slashes send. The origin doesn't change, so cookies never leave it. The target of
// a permanent redirect is remembered and used for the next request. Any other redirect is returned as it is.
type slashRedirects struct {
	next http.RoundTripper
	// targets maps paths to the targets of their permanent redirects. It is bounded, because all keys are endpoints of
	// the auth server.
	targets sync.Map
}

// RoundTrip implements http.RoundTripper.
func (s *slashRedirects) RoundTrip(r *http.Request) (*http.Response, error) {
	requested := r.URL.Path
	if target, ok := s.targets.Load(requested); ok {
		path, _ := target.(string)
		r = withPath(r, path)
	}
	for hops := 0; ; hops++ {
		res, err := s.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		path, ok := slashRedirect(r.URL, res)
		if !ok || hops == maxSlashRedirects {
			if res.StatusCode != http.StatusOK || !isJSON(res.Header) {
				s.targets.Delete(requested) // The rule may have changed. If not, the redirect comes again.
			}
			return res, nil
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxSmallResponse))
		_ = res.Body.Close()
		if res.StatusCode == http.StatusMovedPermanently || res.StatusCode == http.StatusPermanentRedirect {
			s.targets.Store(requested, path)
		}
		r = withPath(r, path)
	}
}

// CloseIdleConnections closes the transport's idle connections. http.Client calls it.
func (s *slashRedirects) CloseIdleConnections() {
	if next, ok := s.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// withPath returns a copy of the request for another path.
func withPath(r *http.Request, path string) *http.Request {
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = path, ""
	return r
}

// slashRedirect returns the path that the response redirects to, if the target differs from the requested address only
// in a slash at the end of the path.
func slashRedirect(requested *url.URL, res *http.Response) (string, bool) {
	target, ok := location(requested, res)
	if !ok || target.Path == requested.Path || trimSlash(target.Path) != trimSlash(requested.Path) ||
		origin(target) != origin(requested) || target.User != nil || target.RawQuery != requested.RawQuery {
		return "", false
	}
	return target.Path, true
}

// location returns the target of a redirect, and false if the response is not a redirect.
func location(requested *url.URL, res *http.Response) (*url.URL, bool) {
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, false
	}
	target, err := requested.Parse(res.Header.Get("Location"))
	return target, err == nil && target.Host != ""
}

func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }

// statusError returns an error with the response's status and, for a redirect, its target and what to do.
func statusError(res *http.Response) error {
	err := fmt.Errorf("the auth server answered %d", res.StatusCode)
	if res.Request == nil {
		return err
	}
	target, ok := location(res.Request.URL, res)
	switch {
	case !ok:
		return err
	case origin(target) != origin(res.Request.URL):
		return fmt.Errorf("%w, a redirect to %s: if Better Auth is there, set AUTH_SERVER_URL to that address", err, printable(origin(target)))
	default:
		return fmt.Errorf("%w, a redirect to %s on the same host: if Better Auth is there, set AUTH_SERVER_URL to its address; "+
			"otherwise exempt Better Auth's paths from what redirects them", err, printable(target.Path))
	}
}

// printable shortens another server's text for a message, and escapes characters that can't be printed.
func printable(text string) string {
	const limit = 100
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	quoted := fmt.Sprintf("%q", text)
	return quoted[1 : len(quoted)-1]
}
