package server

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"taskql/internal/config"
)

const (
	messageUserNotFound = "User not found"
	// reasonCSRF is logged like the reasons of betterauth.
	reasonCSRF = "csrf_refused"
	// reasonUserErased is logged instead of betterauth.ReasonUserNotFound if the user was erased.
	reasonUserErased = "user_erased"
	// csrfFix is what to do if the page is the operator's own.
	csrfFix = "If it is your frontend, add its origin to CORS_ORIGINS and restart the server. " +
		"If it is this server's own origin, behind a proxy, set PUBLIC_URL to it."
)

// explainCSRF returns what was refused, and what to do about it.
func explainCSRF(r *http.Request) (string, string) {
	switch r.Header.Get("Origin") {
	case "null":
		return "A page without an origin may not use your session here: a local file and a sandboxed frame have none (Origin: null).",
			"Serve the page from a web server, so that it has one."
	case "":
		return "Another site's page may not use your session here, and the request has no Origin header.",
			"A link and an image send none; in a page, call the API by fetch with POST. " +
				"A server that renders pages must send the visitor's cookie header alone, not the other headers (docs/authentication.md)."
	}
	origin := "This page's origin"
	if u, err := url.Parse(r.Header.Get("Origin")); err == nil && u.Host != "" && len(u.Scheme)+len(u.Host) < maxLogged {
		origin = "The origin " + u.Scheme + "://" + u.Host
	}
	return origin + " may not use your session here: it is not in this server's CORS_ORIGINS.", csrfFix
}

// csrf recognises requests that another site's page makes with a user's cookie. Browsers send the page's origin, which the
// page can't change, so every browser's request is checked. A request without an origin comes from a program, which has no
// cookies of others.
//
// http.CrossOriginProtection is similar, but it checks Sec-Fetch-Site first and so would accept "Origin: null" together with
// "same-origin" or "none", it has no patterns of origins, and it doesn't compare schemes.
type csrf struct {
	origins config.Origins
	// public is the origin under which browsers know this server, or "" if it is not configured.
	public string
}

// refuses reports whether r comes from neither this server's own origin nor a configured one. It refuses queries too: another
// site's page could use up the user's rate limit and measure how long answers take.
func (c csrf) refuses(r *http.Request) bool {
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		return len(origins) > 1 || !c.allows(r, origins[0])
	}
	if isForwardedNavigation(r) {
		return false
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" { // none: the user's doing, and not a page's.
			return true
		}
	}
	return false
}

// isForwardedNavigation reports whether r was sent by a server that renders pages and forwards all headers of the browser's
// request for the page. No browser sends such a request: its Sec-Fetch-Dest is a navigation's, a page can navigate by POST
// only with a form, and no form's body is JSON. Its Sec-Fetch-Site describes how the visitor came to the page, and not r.
// Sec-Fetch-Mode is no help, because Node's fetch replaces it.
func isForwardedNavigation(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || len(r.Header.Values("Content-Type")) > 1 || r.Method != http.MethodPost {
		return false
	}
	dest := r.Header.Values("Sec-Fetch-Dest")
	return len(dest) == 1 && (dest[0] == "document" || dest[0] == "iframe")
}

// allows reports whether pages of the origin may use the cookie for r.
func (c csrf) allows(r *http.Request, origin string) bool {
	return c.origins.Allows(origin) || (origin == c.public && origin != "") || sameOrigin(r, origin)
}

// sameOrigin reports whether the origin is the one that the browser sent r to. It compares host and port, and the scheme if
// it is known. Behind a proxy that ends TLS, X-Forwarded-Proto has the scheme. It can be trusted here: a page can't set it
// without a preflight, and the browser is not the attacker. If the scheme is unknown, host and port decide, as in
// http.CrossOriginProtection. Only somebody who can serve http:// under this server's name could misuse that, who needs no
// forged request.
func sameOrigin(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return false
	}
	var port string
	switch u.Scheme {
	case "https":
		port = ":443"
	case "http":
		port = ":80"
	default:
		return false
	}
	if scheme := schemeOf(r); scheme != "" && scheme != u.Scheme {
		return false
	}
	// Browsers omit the default port; some proxies add it.
	return strings.EqualFold(strings.TrimSuffix(r.Host, port), u.Host)
}

// schemeOf returns the scheme that the browser used, or "" if it is unknown.
func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",") // The proxy next to the browser comes first.
	switch scheme := strings.ToLower(strings.TrimSpace(first)); scheme {
	case "http", "https":
		return scheme
	default:
		return ""
	}
}
