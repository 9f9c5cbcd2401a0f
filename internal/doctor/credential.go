package doctor

import (
	"net/http"
	"slices"
	"strings"
)

// readCredential returns the headers for a copied text: a Cookie header with or without its name, Set-Cookie lines,
// curl's -H options, a bearer token with its scheme, a JWT, or the value of the session cookie alone, for which
// cookieName is used. The second result is a note on how a value without a name was interpreted. It never fails:
// betterauth explains invalid values.
func readCredential(text, cookieName string) (http.Header, string) {
	header, note := http.Header{}, ""
	var cookies []string
	for line := range strings.Lines(text) {
		kind, value := splitLine(line)
		switch {
		case value == "":
		case kind == "authorization":
			header.Set("Authorization", value)
		case kind == "set-cookie":
			pair, _, _ := strings.Cut(value, ";")
			cookies = append(cookies, strings.TrimSpace(pair))
		case kind == "cookie" || isPairs(value):
			cookies = append(cookies, withoutAttributes(value))
		case strings.HasPrefix(value, "ey") && strings.Count(value, ".") == 2:
			header.Set("Authorization", "Bearer "+value)
			note = "taken for a JWT"
		default:
			cookies = append(cookies, cookieName+"="+value)
			note = "a value without a name, taken for the cookie " + cookieName
		}
	}
	if len(cookies) > 0 {
		header.Set("Cookie", strings.Join(cookies, "; "))
	}
	return header, note
}

// splitLine returns the header's name in lower case, "" if there is none, and its value.
func splitLine(line string) (string, string) {
	line = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "<> ")) // As curl -v prints it.
	line = strings.TrimSpace(strings.TrimPrefix(line, "-H "))
	for _, quote := range []string{"'", `"`} {
		if len(line) > 1 && strings.HasPrefix(line, quote) && strings.HasSuffix(line, quote) {
			line = line[1 : len(line)-1]
		}
	}
	name, value, _ := strings.Cut(line, ":")
	if name = strings.ToLower(name); slices.Contains([]string{"cookie", "set-cookie", "authorization"}, name) {
		return name, strings.TrimSpace(value)
	}
	if len(line) > len("bearer ") && strings.EqualFold(line[:len("bearer ")], "bearer ") {
		return "authorization", line
	}
	return "", line
}

// isPairs reports whether text is name=value, and not a value alone, in which "=" is only the padding of the signature.
func isPairs(text string) bool {
	first, _, _ := strings.Cut(text, ";")
	_, value, found := strings.Cut(first, "=")
	return found && strings.TrimSpace(value) != ""
}

// withoutAttributes removes the attributes of Set-Cookie, whose lines may be copied without the header's name.
func withoutAttributes(value string) string {
	var pairs []string
	for part := range strings.SplitSeq(value, ";") {
		part = strings.TrimSpace(part)
		name, _, _ := strings.Cut(strings.ToLower(part), "=")
		if part == "" || slices.Contains([]string{"path", "domain", "expires", "max-age", "httponly", "secure", "samesite", "partitioned", "priority"}, name) {
			continue
		}
		pairs = append(pairs, part)
	}
	return strings.Join(pairs, "; ")
}
