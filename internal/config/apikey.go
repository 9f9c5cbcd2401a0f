package config

import (
	"slices"
	"strings"
)

// checkAPIKeyHeader refuses an invalid header name, and headers that have another meaning. off becomes empty. A
// header's name has the same characters as a cookie's (RFC 9110, section 5.6.2).
func (l *loader) checkAPIKeyHeader() {
	const name = "AUTH_API_KEY_HEADER"
	header := strings.ToLower(l.cfg.AuthAPIKeyHeader)
	taken := []string{
		"accept", "authorization", "connection", "content-length", "content-type", "cookie", "forwarded", "host", "origin",
		"referer", "user-agent", "x-real-ip", "x-request-id",
	}
	switch {
	case strings.EqualFold(header, "off"):
		header = ""
	case strings.Trim(header, cookieNameLetters) != "":
		l.fail(name, "must be the name of a header, such as x-api-key, or off, not %q", shown(header))
	case slices.Contains(taken, header) || strings.HasPrefix(header, "x-forwarded-"):
		l.fail(name, "must not be %s, which has another meaning: choose a header for API keys alone, such as x-api-key", header)
	}
	l.cfg.AuthAPIKeyHeader = header
}
