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
	// reasonCSRF stands in the log beside the reasons of betterauth.
	reasonCSRF = "csrf_refused"
	// reasonUserErased is a kind of betterauth.ReasonUserNotFound, with another remedy.
	reasonUserErased = "user_erased"
	// csrfCure is what to do if the page is one's own.
	csrfCure = "If it is your frontend, add its origin to CORS_ORIGINS and restart the server. " +
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
	return origin + " may not use your session here: it is not in this server's CORS_ORIGINS.", csrfCure
}

// csrf tells requests that a page of a foreign site makes with somebody's cookie. A browser says where a request
// comes from, and no page can make it lie, so every request that a browser sends is judged; what says nothing comes
// from a program, which has no cookie but its own.
//
// http.CrossOriginProtection is close, but looks at Sec-Fetch-Site first and so would take "Origin: null" beside
// "same-origin" or "none", knows no patterns of origins, and compares no scheme.
type csrf struct {
	origins config.Origins
	// public is the origin under which browsers know this server, "" where that is not configured.
	public string
}

// refuses reports whether r comes from neither this server's own origin nor a listed one. Reading counts too: a foreign
// page could spend the user's limit and time the answers.
func (c csrf) refuses(r *http.Request) bool {
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		return len(origins) > 1 || !c.mayCome(r, origins[0])
	}
	if isForwardedNavigation(r) {
		return false
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" { // none: the user, not a page
			return true
		}
	}
	return false
}

// isForwardedNavigation reports whether a server that renders pages sent r, with all headers of the browser's request for
// the page. No browser sends such a request itself: Sec-Fetch-Dest is that of a navigation, a page can navigate by POST
// only with a form, and no form's body is JSON. So the site that the visitor came from, which is what Sec-Fetch-Site
// names, has no part in it. Sec-Fetch-Mode tells nothing: Node's fetch replaces what it is given.
func isForwardedNavigation(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || len(r.Header.Values("Content-Type")) > 1 || r.Method != http.MethodPost {
		return false
	}
	dest := r.Header.Values("Sec-Fetch-Dest")
	return len(dest) == 1 && (dest[0] == "document" || dest[0] == "iframe")
}

// mayCome reports whether pages of the origin may use the cookie for r.
func (c csrf) mayCome(r *http.Request, origin string) bool {
	return c.origins.Allows(origin) || (origin == c.public && origin != "") || sameOrigin(r, origin)
}

// sameOrigin compares an origin with the address that the browser asked for: host and port, and the scheme where it
// is known. Behind a proxy that ends TLS that is X-Forwarded-Proto, which can be believed here: a page can't set it
// without a preflight, and the browser is not the attacker. Where nobody tells the scheme, host and port decide, as in
// http.CrossOriginProtection: only who can serve http:// under our own name could misuse that, and that one needs no
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
	// Browsers leave the default port out; proxies sometimes put it back.
	return strings.EqualFold(strings.TrimSuffix(r.Host, port), u.Host)
}

// schemeOf is the scheme that the browser used, "" where that is not known.
func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",") // the proxy next to the browser comes first
	switch scheme := strings.ToLower(strings.TrimSpace(first)); scheme {
	case "http", "https":
		return scheme
	default:
		return ""
	}
}
