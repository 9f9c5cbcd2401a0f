package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// CheckURL returns what is wrong with a database URL, for packages that parse more of it than config does. The error
// must not contain a secret.
type CheckURL = func(url string) error

// Load reads the configuration from environ, which maps variables to values; an empty value counts as not set. The
// error is a Problems with everything that is wrong, in the order of Config's fields. Neither the error nor the
// warnings contain a secret.
func Load(environ map[string]string, checks ...CheckURL) (Config, error) {
	cfg, problems := LoadPartial(environ, checks...)
	if len(problems) > 0 {
		return Config{}, problems
	}
	return cfg, nil
}

// LoadPartial is like Load, but returns the configuration even if there are problems, for diagnosis. A server must not
// run with it then: the field of a variable that has a problem is meaningless. Only LogFormat and LogLevel are always
// valid, for the log about the problems.
func LoadPartial(environ map[string]string, checks ...CheckURL) (Config, Problems) {
	l := loader{vars: variables(), environ: environ, given: withoutEmpty(environ), checks: checks}
	l.cfg.Environment = l.environment()
	l.checkReferences()
	l.parse()
	l.check()
	l.warn()
	return l.cfg, l.sortedProblems()
}

// FromEnviron converts the result of os.Environ to Load's argument.
func FromEnviron(environ []string) map[string]string { return env.ToMap(environ) }

// withoutEmpty returns the variables that are not blank, with their values trimmed: some platforms set a variable to an
// empty value if its field in a form is left blank, and pasted values end with a line feed. The auth server's secret is
// not trimmed, because the auth server doesn't trim it either.
func withoutEmpty(environ map[string]string) map[string]string {
	given := make(map[string]string, len(environ))
	for name, value := range environ {
		trimmed := strings.TrimSpace(value)
		switch {
		case trimmed == "":
		case name == "JWT_SECRET" || name == "BETTER_AUTH_SECRET":
			given[name] = value
		default:
			given[name] = trimmed
		}
	}
	return given
}

// loader builds a Config and collects its problems.
type loader struct {
	vars     []variable
	environ  map[string]string
	given    map[string]string // see withoutEmpty
	cfg      Config
	problems Problems
	checks   []CheckURL
}

// fail adds a problem of a variable, unless it already has one, from which a second would follow.
func (l *loader) fail(variable, format string, args ...any) {
	if !l.failed(variable) {
		l.problems = append(l.problems, Problem{Variable: variable, Message: fmt.Sprintf(format, args...)})
	}
}

// failed reports whether the variable has a problem.
func (l *loader) failed(variable string) bool {
	_, failed := l.problems.Of(variable)
	return failed
}

// environment returns the value of ENVIRONMENT, which the defaults depend on. For an invalid value, which parse
// reports, it returns the strictest one.
func (l *loader) environment() Environment {
	onRailway := l.given["RAILWAY_ENVIRONMENT"] != "" || l.given["RAILWAY_ENVIRONMENT_NAME"] != ""
	given := Environment(strings.ToLower(l.given["ENVIRONMENT"]))
	switch {
	case given == Development || given == Test:
		return given
	case given == "" && !onRailway:
		return Development
	default:
		return Production
	}
}

// parse sets the fields of the configuration from the variables and their defaults.
func (l *loader) parse() {
	values := map[string]string{"ENVIRONMENT": string(l.cfg.Environment)}
	for _, v := range l.vars {
		if def := v.defaultIn(l.cfg.Environment); def != "" {
			values[v.Name] = def
		}
	}
	maps.Copy(values, l.given)
	values = l.onlyValid(values)
	if values["LOG_LEVEL"] == "warning" {
		values["LOG_LEVEL"] = "warn" // slog's name for what Python servers call warning
	}
	err := env.ParseWithOptions(&l.cfg, env.Options{Environment: values, FuncMap: parsers()})
	var errs env.AggregateError
	if errors.As(err, &errs) {
		for _, err := range errs.Errors {
			l.report(err)
		}
	}
}

// onlyValid checks values against the oneof tags and returns them in the tags' spelling. An invalid value is replaced
// by the default, so that the problem can be logged in a valid format.
func (l *loader) onlyValid(values map[string]string) map[string]string {
	for _, v := range l.vars {
		value, ok := values[v.Name]
		if !ok || len(v.OneOf) == 0 {
			continue
		}
		delete(values, v.Name)
		for _, allowed := range v.OneOf {
			if strings.EqualFold(allowed, value) {
				values[v.Name] = allowed
			}
		}
		if _, ok := values[v.Name]; !ok {
			l.fail(v.Name, "must be %s, not %q", oneOf(v.OneOf), shown(value))
			if def := v.defaultIn(l.cfg.Environment); def != "" {
				values[v.Name] = def
			}
		}
	}
	return values
}

// report adds an error of the env package as a problem of its variable.
func (l *loader) report(err error) {
	var parse env.ParseError
	if !errors.As(err, &parse) {
		l.fail("environment", "could not be read: %v", err)
		return
	}
	field, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
	l.fail(field.Tag.Get("env"), "%v", parse.Err)
}

// parsers returns the parsers of types whose standard parsers' errors don't say what a valid value is.
func parsers() map[reflect.Type]env.ParserFunc {
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[bool]():           func(s string) (any, error) { return parseSwitch(s) },
		reflect.TypeFor[WorkspaceRoles](): func(s string) (any, error) { return parseWorkspaceRoles(s) },
		reflect.TypeFor[RateLimit]():      func(s string) (any, error) { return parseRateLimit(s) },
		reflect.TypeFor[int]():            func(s string) (any, error) { return parseInt(s) },
		reflect.TypeFor[time.Duration]():  func(s string) (any, error) { return parseDuration(s) },
	}
}

func parseSwitch(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "on", "true", "yes", "1":
		return true, nil
	case "off", "false", "no", "0":
		return false, nil
	default:
		return false, fmt.Errorf("must be on or off, not %q", shown(s))
	}
}

func parseInt(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("must be a whole number, not %q", shown(s))
	}
	return n, nil
}

// RateLimit is a cost per minute, 0 for no limit.
type RateLimit int

// The bounds of RATE_LIMIT.
const (
	minRateLimit = 10
	maxRateLimit = 1_000_000_000
)

func parseRateLimit(s string) (RateLimit, error) {
	if strings.EqualFold(s, "off") {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < minRateLimit || n > maxRateLimit {
		return 0, fmt.Errorf("must be %d to %d, or off, not %q", minRateLimit, maxRateLimit, shown(s))
	}
	return RateLimit(n), nil
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("must be a duration with its unit, as in 500ms, 20s or 4m, not %q", shown(s))
	}
	return d, nil
}

// shown shortens a value for a message.
func shown(value string) string {
	const limit = 60
	if len(value) > limit {
		return value[:limit] + "…"
	}
	return value
}

// oneOf formats a list as "a, b or c".
func oneOf(list []string) string {
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// sortedProblems returns the problems in the order of Config's fields. Those of other variables come first, by name.
func (l *loader) sortedProblems() Problems {
	position := func(p Problem) int {
		return slices.IndexFunc(l.vars, func(v variable) bool { return v.Name == p.Variable })
	}
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		return cmp.Or(position(a)-position(b), strings.Compare(a.Variable, b.Variable))
	})
	return l.problems
}
