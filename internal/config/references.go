package config

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// checkReferences reports variables that still contain a reference to another variable, such as Railway's
// ${{service.NAME}} or an unexpanded ${NAME} of a .env file, and URLs without a host because the reference in them was
// empty. The messages don't contain the value. It runs first, because other problems of such a variable follow from
// this.
func (l *loader) checkReferences() {
	for name, value := range l.given {
		v := l.variable(name)
		if v.Name == "" && !strings.HasPrefix(name, "OTEL_") {
			continue // Not one of ours.
		}
		switch {
		case hasReference(name, v.Kind, unquoted(value)):
			l.fail(name, "contains a reference that was not resolved, such as ${{service.NAME}} or ${NAME}; check that the service and the variable in it exist and are spelled right, or write the value itself")
		case hostMissing(name, value):
			l.fail(name, "has no host: if it is a reference, it resolved to nothing; check the service and the variable in it, or write the host itself")
		}
	}
}

// variable returns the description of one of our variables, or the zero value for any other name.
func (l *loader) variable(name string) variable {
	for _, v := range l.vars {
		if v.Name == name {
			return v
		}
	}
	return variable{}
}

// Patterns for references to variables.
var (
	railwayReference = regexp.MustCompile(`\$\{\{.*\}\}`)
	shellReference   = regexp.MustCompile(`\$\{[^{}]*\}`)
	// onlyReference matches a value that is one reference.
	onlyReference = regexp.MustCompile(`^\$\{[^{}]*\}$`)
	// onlyReferenceHeader matches a header in a list whose value is one reference, with or without Bearer or Basic in
	// front.
	onlyReferenceHeader = regexp.MustCompile(`=\s*(\w+(\s|%20)+)?\$\{[^{}]*\}\s*(,|$)`)
	// passwordInURL has the password of a URL as its second group. The user may be a reference that contains a colon.
	passwordInURL = regexp.MustCompile(`^([^:/?#]+://(?:\$\{[^{}]*\}|[^:@/?#])*:)([^/?#]*)@`)
)

// hasReference reports whether a value contains an unresolved reference. A secret, a password or a header may contain
// ${…} by chance, so there ${…} is a reference only if it is the whole text.
func hasReference(name, kind, value string) bool {
	if railwayReference.MatchString(value) {
		return true
	}
	switch {
	case kind == "secret":
		return onlyReference.MatchString(value)
	case strings.HasPrefix(name, "OTEL_") && strings.HasSuffix(name, "_HEADERS"):
		return onlyReference.MatchString(value) || onlyReferenceHeader.MatchString(value)
	}
	if part := passwordInURL.FindStringSubmatch(value); part != nil {
		if onlyReference.MatchString(part[2]) {
			return true
		}
		value = part[1] + strings.TrimPrefix(value, part[0])
	}
	return shellReference.MatchString(value)
}

// authority matches a URL. Its groups are the scheme, the authority and the rest.
var authority = regexp.MustCompile(`^([A-Za-z]+)[A-Za-z0-9+]*://([^/?#]*)(.*)$`)

// hostMissing reports whether a value, or an item of CORS_ORIGINS, is a URL of a web server or of PostgreSQL without a
// host. PostgreSQL's host may be in the parameter host or hostaddr.
func hostMissing(name, value string) bool {
	items := []string{value}
	if name == "CORS_ORIGINS" {
		items = strings.Split(value, ",")
	}
	return slices.ContainsFunc(items, func(item string) bool {
		part := authority.FindStringSubmatch(unquoted(item))
		if part == nil {
			return false
		}
		host, _, _ := strings.Cut(part[2][strings.LastIndexByte(part[2], '@')+1:], ":")
		switch strings.ToLower(part[1]) {
		case "http", "https":
			return host == ""
		case "postgres", "postgresql":
			u, err := url.Parse(part[3])
			return host == "" && (err != nil || cmp.Or(u.Query().Get("host"), u.Query().Get("hostaddr")) == "")
		default:
			return false
		}
	})
}
