package betterauth

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// maxSlashRedirects bounds how many redirects one question follows.
const maxSlashRedirects = 2

// slashRedirects follows redirects that only add or remove a slash at the end of the path, as frameworks with a rule for
// trailing slashes send them. The origin stays the same, so that cookies never leave it. A permanent one is remembered:
// the next question goes straight to its target. All other redirects are returned as they are.
type slashRedirects struct {
	next http.RoundTripper
	// targets maps a path that was redirected for good to the path that it was redirected to. Only the auth server's
	// endpoints are keys.
	targets sync.Map
}

// RoundTrip implements http.RoundTripper.
func (s *slashRedirects) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := r.URL.Path
	if target, ok := s.targets.Load(asked); ok {
		path, _ := target.(string)
		r = withPath(r, path)
	}
	for hops := 0; ; hops++ {
		res, err := s.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		path, ok := slashOnly(r.URL, res)
		if !ok || hops == maxSlashRedirects {
			if res.StatusCode != http.StatusOK || !isJSON(res.Header) {
				s.targets.Delete(asked) // What sent the redirect may have changed. If not, it sends it again.
			}
			return res, nil
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxSmallAnswer))
		_ = res.Body.Close()
		if res.StatusCode == http.StatusMovedPermanently || res.StatusCode == http.StatusPermanentRedirect {
			s.targets.Store(asked, path)
		}
		r = withPath(r, path)
	}
}

// CloseIdleConnections closes those of the transport, for http.Client.
func (s *slashRedirects) CloseIdleConnections() {
	if next, ok := s.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

func withPath(r *http.Request, path string) *http.Request {
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = path, ""
	return r
}

// slashOnly returns the path that the answer redirects to, if that differs from the address asked in a slash at the end
// of the path and in nothing else.
func slashOnly(asked *url.URL, res *http.Response) (string, bool) {
	target, ok := location(asked, res)
	if !ok || target.Path == asked.Path || trimSlash(target.Path) != trimSlash(asked.Path) ||
		origin(target) != origin(asked) || target.User != nil || target.RawQuery != asked.RawQuery {
		return "", false
	}
	return target.Path, true
}

// location returns where an answer redirects to.
func location(asked *url.URL, res *http.Response) (*url.URL, bool) {
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, false
	}
	target, err := asked.Parse(res.Header.Get("Location"))
	return target, err == nil && target.Host != ""
}

func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }

// statusError says which status the auth server answered and, of a redirect, where it leads and what to do.
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

// printable shortens another server's text for a message and quotes what can't be printed.
func printable(text string) string {
	const most = 100
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	quoted := fmt.Sprintf("%q", text)
	return quoted[1 : len(quoted)-1]
}
