package devauth

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// checkOrigins refuses requests with cookies from pages of untrusted origins, and redirects to such origins.
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

// checkForm keeps other sites from signing the user in as somebody else, which needs no cookie. A request that no
// browser sent has none of these headers and is accepted.
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
		return nil // The page hides its origin, but the browser says that it is the same.
	}
	if from == "" {
		from = r.Header.Get("Referer")
	}
	if from == "" || from == "null" {
		return missingOrigin(ownOrigin(r))
	}
	if !s.isTrusted(r, from) {
		origin := originOf(from)
		logged := cmp.Or(origin, r.Header.Get("Origin")) // Never the whole Referer, whose path may be private.
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "sign-in refused: the origin is not in CORS_ORIGINS",
			slog.String("origin", logged[:min(len(logged), maxOrigin)]), slog.String("path", r.URL.Path), slog.String("cure", originFix))
		if origin == "" || len(origin) > maxOrigin {
			origin = "the page's origin"
		}
		return invalidOrigin(origin)
	}
	return nil
}

// ownOrigin returns the server's origin as the client wrote it.
func ownOrigin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// maxOrigin is the maximum length of an origin in messages, in bytes.
const maxOrigin = 200

// originOf returns the origin of a URL, without its path, which may be private. It returns "" if there is none.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// isTrusted reports whether a URL has the server's own origin or one of Config.TrustedOrigins. For its own, only the
// host is compared, because a proxy in front may use another scheme.
func (s *Server) isTrusted(r *http.Request, address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	web := u.Scheme == "http" || u.Scheme == "https" // The origin of an app may have any host.
	return web && strings.EqualFold(u.Host, r.Host) || s.trusted(u.Scheme+"://"+strings.ToLower(u.Host))
}

// checkRedirects refuses redirect targets in the request whose origins are not trusted.
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
			return newError(http.StatusBadRequest, "", "Invalid "+target.label+": expected a string")
		}
		if !isSafePath(address) && !s.isTrusted(c.Request, address) {
			return newError(http.StatusForbidden, target.code, "Invalid "+target.label)
		}
	}
	return nil
}

// truthy reports whether a value is true in JavaScript's conditions.
func truthy(b body) bool {
	return b.present && b.value != nil && b.value != "" && b.value != false && b.value != float64(0)
}

// isSafePath reports whether every browser and router treats address as a path of the same site.
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
