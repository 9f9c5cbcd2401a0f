package config

import (
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// check validates the values, each by itself and together, and sets defaults that depend on others.
func (l *loader) check() {
	l.checkRanges()
	l.checkHost()
	l.checkDebugAddr()
	l.checkTrustedDocuments()
	l.checkDatabaseURL("DATABASE_URL", l.cfg.DatabaseURL)
	l.checkDatabaseURL("DIRECT_DATABASE_URL", l.cfg.DirectDatabaseURL)
	l.checkAuthServer()
	l.checkPath("AUTH_BASE_PATH", l.cfg.AuthBasePath)
	l.checkPath("AUTH_JWKS_PATH", l.cfg.AuthJWKSPath)
	l.checkSecret()
	l.checkHookSecret()
	l.checkCookieName("AUTH_COOKIE_PREFIX", l.cfg.AuthCookiePrefix)
	l.checkCookieName("AUTH_COOKIE_NAME", l.cfg.AuthCookieName)
	l.checkTokenPattern()
	l.checkIssuers()
	l.checkAPIKeyHeader()
	l.checkPublicURL()
	if l.given["TRUSTED_PROXIES"] == "" && l.cfg.OnRailway() {
		l.cfg.TrustedProxies = 1 // Railway's edge.
	}
	l.checkRequired()
	if l.cfg.DirectDatabaseURL == "" {
		l.cfg.DirectDatabaseURL = l.cfg.DatabaseURL
	}
}

// checkRanges checks numbers and durations against their min and max tags.
func (l *loader) checkRanges() {
	fields := reflect.ValueOf(l.cfg)
	for i := range fields.NumField() {
		tag := fields.Type().Field(i).Tag
		name, lowest, highest := tag.Get("env"), tag.Get("min"), tag.Get("max")
		if lowest == "" || l.failed(name) {
			continue
		}
		value := fields.Field(i).Int()
		if _, isDuration := fields.Field(i).Interface().(time.Duration); value < bound(lowest, isDuration) || value > bound(highest, isDuration) {
			l.fail(name, "must be %s to %s, not %s", lowest, highest, shown(l.given[name]))
		}
	}
}

// bound parses a min or max tag. A test checks that all of them are valid.
func bound(tag string, isDuration bool) int64 {
	if isDuration {
		d, _ := time.ParseDuration(tag)
		return int64(d)
	}
	n, _ := strconv.ParseInt(tag, 10, 64)
	return n
}

// checkTrustedDocuments requires the manifest if trusted documents are on. The server reads the file when it starts.
func (l *loader) checkTrustedDocuments() {
	if l.cfg.TrustedDocuments != "off" && l.cfg.TrustedDocuments != "" && l.cfg.TrustedDocumentsFile == "" {
		l.fail("TRUSTED_DOCUMENTS_FILE", "is required with TRUSTED_DOCUMENTS=%s; set it to the path of the client's manifest", l.cfg.TrustedDocuments)
	}
}

// checkHost refuses an address with a scheme or a port.
func (l *loader) checkHost() {
	host := l.cfg.Host
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); host == "" || err == nil {
		l.cfg.Host = strings.Trim(host, "[]")
		return
	}
	if strings.ContainsAny(host, ":/ ") {
		l.fail("HOST", "must be an address or a host name without a port, as in 127.0.0.1; set the port with PORT")
	}
}

// checkDebugAddr refuses an address that others may be able to reach, and any host name, because its address can
// change.
func (l *loader) checkDebugAddr() {
	const name, example = "DEBUG_ADDR", "127.0.0.1:6060"
	if l.cfg.DebugAddr == "" {
		return
	}
	host, port, err := net.SplitHostPort(l.cfg.DebugAddr)
	if err != nil || !validPort(port) {
		l.fail(name, "must be an address with a port, as in %s, not %q", example, shown(l.cfg.DebugAddr))
		return
	}
	addr, err := netip.ParseAddr(host)
	addr = addr.Unmap()
	switch {
	case host == "localhost":
	case err != nil || !addr.IsLoopback() && !addr.IsPrivate():
		l.fail(name, "must be a loopback or private address, as in %s, not %q: everyone who can reach it can read the server's memory", example, shown(host))
	case port == strconv.Itoa(l.cfg.Port):
		l.fail(name, "must have a different port from PORT, as in %s", example)
	}
}

// checkDatabaseURL checks a URL with the functions given to Load, or only its scheme if there are none. The messages
// don't contain the URL, because it contains a password.
func (l *loader) checkDatabaseURL(name string, value Secret) {
	if value == "" {
		return
	}
	for _, check := range l.checks {
		if err := check(value.Reveal()); err != nil {
			l.fail(name, "can't be used: %v; write a URL such as postgres://user:password@host:5432/name or sqlite:taskql.db", err)
		}
	}
	if len(l.checks) > 0 {
		return
	}
	scheme, rest, _ := strings.Cut(unquoted(value.Reveal()), ":")
	scheme, _, _ = strings.Cut(strings.ToLower(scheme), "+")
	switch {
	case scheme == "sqlite" && strings.Trim(rest, "/") != "":
	case (scheme == "postgres" || scheme == "postgresql") && strings.HasPrefix(rest, "//") && len(rest) > len("//"):
	default:
		l.fail(name, "must be a URL such as postgres://user:password@host:5432/name or sqlite:taskql.db")
	}
}

// unquoted removes the quotes that remain if a line of a .env file is pasted as it is.
func unquoted(s string) string { return strings.TrimSpace(strings.Trim(s, `"'`)) }

// checkAuthServer checks and normalizes AUTH_SERVER_URL. The messages don't contain it, because it may contain a
// password.
func (l *loader) checkAuthServer() {
	const name = "AUTH_SERVER_URL"
	if l.cfg.AuthServerURL == "" {
		return
	}
	u, err := url.Parse(unquoted(l.cfg.AuthServerURL))
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		l.fail(name, "must be an http or https URL, as in https://auth.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		l.fail(name, "must be a plain URL without user, query or fragment, as in https://auth.example.com")
	case l.cfg.Production() && u.Scheme != "https" && !isPrivateHost(u.Hostname()):
		l.fail(name, "must begin with https:// in production, because it receives session cookies; http is allowed for private and loopback hosts only")
	default:
		u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
		l.cfg.AuthServerURL = u.String()
	}
}

// checkPath refuses a value that is not the path of a URL, such as a whole URL.
func (l *loader) checkPath(name, value string) {
	if value != "" && (!strings.HasPrefix(value, "/") || strings.Contains(value, "..") || strings.ContainsAny(value, "?# \t\\")) {
		l.fail(name, "must be a path that begins with /, as in %s, not %q", l.variable(name).always, shown(value))
	}
}

// cookieNameLetters are the characters that a cookie's name may contain (RFC 6265, section 4.1.1).
const cookieNameLetters = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// checkCookieName refuses a value that can't be a cookie's name, such as a name with its value.
func (l *loader) checkCookieName(name, value string) {
	if strings.Trim(value, cookieNameLetters) != "" {
		l.fail(name, "must be the name of a cookie without its value (letters, digits, hyphens, dots and underscores), not %q", shown(value))
	}
}

// checkIssuers checks the issuers and audiences, which need not be URLs, and sets their defaults.
func (l *loader) checkIssuers() {
	l.cfg.AuthIssuers = l.list("AUTH_ISSUER", l.cfg.AuthIssuers)
	l.cfg.AuthAudiences = l.list("AUTH_AUDIENCE", l.cfg.AuthAudiences)
	if u, err := url.Parse(l.cfg.AuthServerURL); len(l.cfg.AuthIssuers) == 0 && err == nil && u.Host != "" {
		l.cfg.AuthIssuers = []string{origin(u)}
	}
	if len(l.cfg.AuthAudiences) == 0 {
		l.cfg.AuthAudiences = l.cfg.AuthIssuers
	}
}

// list returns the elements of a list, trimmed and without empty ones. An element with blanks in it is a problem.
func (l *loader) list(name string, given []string) []string {
	var list []string
	for _, element := range given {
		element = strings.TrimSpace(element)
		if strings.ContainsAny(element, " \t\r\n") {
			l.fail(name, "must be a list separated by commas, as in https://auth.example.com,https://example.com, not %q", shown(element))
		}
		if element != "" {
			list = append(list, element)
		}
	}
	return list
}

// checkPublicURL reduces PUBLIC_URL to its origin. The default is Railway's domain.
func (l *loader) checkPublicURL() {
	if l.cfg.PublicURL == "" {
		if domain := l.cfg.RailwayPublicDomain; domain != "" && !strings.ContainsAny(domain, "/:@ ") {
			l.cfg.PublicURL = "https://" + strings.ToLower(domain)
		}
		return
	}
	u, err := url.Parse(unquoted(l.cfg.PublicURL))
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		l.fail("PUBLIC_URL", "must be an http or https URL, as in https://app.example.com")
		return
	}
	l.cfg.PublicURL = origin(u)
}

// origin returns a URL's origin as browsers write it: in lower case, with internationalised names in Punycode, and
// without the scheme's default port.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if ascii, err := asciiHost(host); err == nil {
		host = ascii
	}
	if u.Scheme == "https" {
		return "https://" + strings.TrimSuffix(host, ":443")
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":80")
}

// isPrivateHost reports whether a host can't be reached from the internet: it is a loopback, private or link-local
// address, a name without a dot, or a name with a suffix that the public DNS never has.
func isPrivateHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast()
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	private := []string{".internal", ".local", ".localhost"}
	return !strings.Contains(host, ".") || slices.ContainsFunc(private, func(s string) bool { return strings.HasSuffix(host, s) })
}

// checkSecret merges JWT_SECRET and BETTER_AUTH_SECRET, and refuses a weak secret in production.
func (l *loader) checkSecret() {
	jwt, betterAuth := l.cfg.JWTSecret, l.cfg.BetterAuthSecret
	if jwt != "" && betterAuth != "" && jwt != betterAuth {
		l.fail("JWT_SECRET", "and BETTER_AUTH_SECRET are both set and differ; keep one, with the auth server's secret")
		return
	}
	if jwt == "" {
		l.cfg.JWTSecret = betterAuth
	}
	if l.cfg.JWTSecret == "" && l.cfg.AuthServerURL != "" {
		l.require("JWT_SECRET", "with AUTH_SERVER_URL; set it to the auth server's BETTER_AUTH_SECRET")
	}
	if weakness := weakSecret(l.cfg.JWTSecret); weakness != "" && l.cfg.Production() {
		l.fail(l.secretName(), "%s: anyone who guesses it can sign in as anybody; %s", weakness, weaknessFix)
	}
}

// secretName returns the name of the variable that contains the secret.
func (l *loader) secretName() string {
	if l.given["JWT_SECRET"] == "" {
		return "BETTER_AUTH_SECRET"
	}
	return "JWT_SECRET"
}

// checkRequired reports required variables that are not set. A value that is set but invalid has been reported before.
func (l *loader) checkRequired() {
	if l.cfg.Production() {
		l.require("DATABASE_URL", "in production; set it to the PostgreSQL URL")
		l.require("CORS_ORIGINS", "in production; set it to the frontend's origin, as in https://app.example.com")
		l.require("AUTH_SERVER_URL", "in production; set it to the Better Auth server's URL")
		if l.cfg.JWTSecret == "" {
			l.require("JWT_SECRET", "in production; set it to the auth server's BETTER_AUTH_SECRET")
		}
	}
	if l.cfg.OnRailway() {
		l.require("AUTH_SERVER_URL", "on Railway, where the embedded sign-in never runs; set it to the Better Auth server's URL")
	}
	if !l.failed("CORS_ORIGINS") && l.given["CORS_ORIGINS"] != "" && l.cfg.CORSOrigins.Empty() {
		l.fail("CORS_ORIGINS", "names no origin; write it as in https://app.example.com")
	}
}

// require reports a variable that is not set.
func (l *loader) require(name, why string) {
	if l.given[name] != "" {
		return
	}
	if similar := l.misspellings(name); len(similar) > 0 {
		why += " (" + strings.Join(similar, ", ") + " is set: rename it if that is what you meant)"
	}
	if _, set := l.environ[name]; set {
		why += " (it is set, but empty: if it is a reference such as ${{service.NAME}}, check the service and the variable in it)"
	}
	l.fail(name, "is required %s", why)
}
