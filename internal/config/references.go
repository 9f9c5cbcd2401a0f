package config

import (
	"regexp"
	"slices"
	"strings"
)

// checkReferences reports variables that still contain a reference to another variable, such as Railway's
// ${{service.NAME}} or ${NAME} from a .env file that nothing expanded, and URLs whose host is missing because the
// reference in them was empty. It never shows the value, and runs first: whatever else is wrong follows from this.
func (l *loader) checkReferences() {
	for name, value := range l.given {
		v := l.variable(name)
		if v.Name == "" && !strings.HasPrefix(name, "OTEL_") {
			continue // It is somebody else's.
		}
		switch {
		case hasReference(v, value):
			l.fail(name, "contains a reference that was not resolved, such as ${{service.NAME}} or ${NAME}; check that the service and the variable in it exist and are spelled right, or write the value itself")
		case hostMissing(value):
			l.fail(name, "has no host after ://; if it contains a reference such as ${{service.NAME}}, that is empty: check the service and the variable in it")
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

// hasReference reports whether a value contains an unresolved reference. A secret may contain ${…} by chance: there it
// counts only if it is the whole secret.
func hasReference(v variable, value string) bool {
	const railway, shell = `\$\{\{.*\}\}`, `\$\{[^{}]*\}`
	pattern := railway + "|" + shell
	if v.Kind == "secret" {
		pattern = railway + "|^" + shell + "$"
	}
	return regexp.MustCompile(pattern).MatchString(unquoted(value))
}

// hostMissing reports whether a value, or an item of a list, is a scheme without anything after it.
func hostMissing(value string) bool {
	return slices.ContainsFunc(strings.Split(value, ","), func(item string) bool {
		item = strings.TrimRight(unquoted(item), "/")
		return item == "http:" || item == "https:"
	})
}
