package devauth

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// checkOrigins refuses what another site's page could send with the user's cookie, and redirects to other sites.
func (s *Server) checkOrigins(c *call) error {
	if c.Method == http.MethodGet {
		return nil
	}
	if c.Header.Get("Cookie") != "" {
		if err := s.checkOrigin(c.Request); err != nil {
			return err
		}
	}
	return s.checkRedirects(c)
}

// checkForm keeps another site from signing the user in as somebody else, where there is no cookie yet. Requests that
// no browser sent carry none of these headers and pass.
func (s *Server) checkForm(r *http.Request) error {
	site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
	if r.Header.Get("Cookie") == "" && site == "cross-site" && mode == "navigate" {
		return crossSiteLogin()
	}
	for _, name := range [...]string{"Cookie", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Origin", "Referer"} {
		if strings.TrimSpace(r.Header.Get(name)) != "" {
			return s.checkOrigin(r)
		}
	}
	return nil
}

// checkOrigin refuses a request that does not come from a trusted origin.
func (s *Server) checkOrigin(r *http.Request) error {
	from := r.Header.Get("Origin")
	if from == "null" && r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return nil // A page that hides its origin, but the browser vouches for it.
	}
	if from == "" {
		from = r.Header.Get("Referer")
	}
	if from == "" || from == "null" {
		return missingOrigin(ownOrigin(r))
	}
	if !s.isTrusted(r, from) {
		origin := originOf(from)
		logged := cmp.Or(origin, r.Header.Get("Origin")) // Whatever a page may call its origin, but no private address.
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "sign-in refused: the origin is not in CORS_ORIGINS",
			slog.String("origin", logged[:min(len(logged), maxOrigin)]), slog.String("path", r.URL.Path), slog.String("cure", originCure))
		if origin == "" || len(origin) > maxOrigin {
			origin = "the page's origin"
		}
		return invalidOrigin(origin)
	}
	return nil
}

// ownOrigin is the server's address as the client wrote it.
func ownOrigin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// maxOrigin is the most bytes of an origin that are shown.
const maxOrigin = 200

// originOf returns the origin of a URL without its path, which may be private; "" if it has none.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// isTrusted reports whether a URL belongs to the server's own origin or to one that it was told to trust. Its own is
// known by the host alone: a proxy before it may speak another scheme.
func (s *Server) isTrusted(r *http.Request, address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	web := u.Scheme == "http" || u.Scheme == "https" // An app's origin may have any host.
	return web && strings.EqualFold(u.Host, r.Host) || s.trusted(u.Scheme+"://"+strings.ToLower(u.Host))
}

// checkRedirects refuses addresses in the request that lead to other sites.
func (s *Server) checkRedirects(c *call) error {
	callback := c.body.field("callbackURL")
	if query := c.URL.Query().Get("callbackURL"); !truthy(callback) && query != "" {
		callback = body{present: true, value: query}
	}
	for _, target := range [...]struct {
		body
		label, code string
	}{
		{callback, "callbackURL", "INVALID_CALLBACK_URL"},
		{c.body.field("redirectTo"), "redirectURL", "INVALID_REDIRECT_URL"},
		{c.body.field("errorCallbackURL"), "errorCallbackURL", "INVALID_ERROR_CALLBACK_URL"},
		{c.body.field("newUserCallbackURL"), "newUserCallbackURL", "INVALID_NEW_USER_CALLBACK_URL"},
	} {
		if !truthy(target.body) {
			continue
		}
		address, ok := target.value.(string)
		if !ok {
			return refuse(http.StatusBadRequest, "", "Invalid "+target.label+": expected a string")
		}
		if !isSafePath(address) && !s.isTrusted(c.Request, address) {
			return refuse(http.StatusForbidden, target.code, "Invalid "+target.label)
		}
	}
	return nil
}

// truthy is JavaScript's notion.
func truthy(b body) bool {
	return b.present && b.value != nil && b.value != "" && b.value != false && b.value != float64(0)
}

// isSafePath reports whether browsers and routers will all take address for a path of the same site.
func isSafePath(address string) bool {
	if !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") || strings.Contains(address, `\`) {
		return false
	}
	if strings.ContainsFunc(address, func(r rune) bool { return r < 0x20 || 0x7f <= r && r <= 0x9f }) {
		return false
	}
	path := strings.ToLower(address)
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		path = path[:end]
	}
	return !strings.Contains(path, "%2f") && !strings.Contains(path, "%5c")
}
