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

// CheckURL says what is wrong with a database's URL, without a secret: for those who read more of it than config does.
// What follows in the message goes on after the variable's name.
type CheckURL = func(url string) error

// Load reads the configuration from environ, which maps variables to values; an empty value counts as
// unset. The error is a Problems that holds everything wrong, in the struct's order of variables. Neither
// it nor the warnings show a secret.
func Load(environ map[string]string, checks ...CheckURL) (Config, error) {
	cfg, problems := LoadPartial(environ, checks...)
	if len(problems) > 0 {
		return Config{}, problems
	}
	return cfg, nil
}

// LoadPartial reads the configuration as Load does, and returns what could be read of it beside the problems, for diagnosis.
// Unless there are none, it is not to serve with: the value of a variable that has a problem means nothing, except that
// LogFormat and LogLevel are always good for the log that tells about it.
func LoadPartial(environ map[string]string, checks ...CheckURL) (Config, Problems) {
	l := loader{vars: variables(), environ: environ, given: withoutEmpty(environ), checks: checks}
	l.cfg.Environment = l.environment()
	l.checkReferences()
	l.parse()
	l.check()
	l.warn()
	return l.cfg, l.inOrder()
}

// FromEnviron turns os.Environ's list into Load's argument.
func FromEnviron(environ []string) map[string]string { return env.ToMap(environ) }

// withoutEmpty returns environ without its blank values, trimmed: platforms set variables to nothing when
// their box in a form is left blank, and pasted values end in line feeds. The secret stays as it is, byte
// for byte, since the auth server doesn't trim it either.
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

// loader gathers a Config and everything wrong with it.
type loader struct {
	vars     []variable
	environ  map[string]string
	given    map[string]string // without empty values
	cfg      Config
	problems Problems
	checks   []CheckURL
}

// fail records a problem of a variable. It keeps the first of each: the next would only follow from it.
func (l *loader) fail(variable, format string, args ...any) {
	if !l.failed(variable) {
		l.problems = append(l.problems, Problem{Variable: variable, Message: fmt.Sprintf(format, args...)})
	}
}

// failed reports whether a problem of the variable is known.
func (l *loader) failed(variable string) bool {
	_, failed := l.problems.Of(variable)
	return failed
}

// environment finds the environment first, since the defaults depend on it. A wrong one is reported when
// the struct is parsed; until then the strictest stands for it.
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

// parse fills the struct from the variables and their defaults.
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
	var faults env.AggregateError
	if errors.As(err, &faults) {
		for _, fault := range faults.Errors {
			l.report(fault)
		}
	}
}

// onlyValid checks values against their oneof lists and returns them in the listed spelling. A wrong value is
// replaced by the default, so that what has to go on, such as the log that tells about it, has a valid one.
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

// report turns the library's error into a problem of the variable.
func (l *loader) report(fault error) {
	var parse env.ParseError
	if !errors.As(fault, &parse) {
		l.fail("environment", "could not be read: %v", fault)
		return
	}
	field, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
	l.fail(field.Tag.Get("env"), "%v", parse.Err)
}

// parsers reads values of the types whose standard parsers give errors that don't say what to write.
func parsers() map[reflect.Type]env.ParserFunc {
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[bool]():          func(s string) (any, error) { return parseSwitch(s) },
		reflect.TypeFor[RateLimit]():     func(s string) (any, error) { return parseRateLimit(s) },
		reflect.TypeFor[int]():           func(s string) (any, error) { return parseInt(s) },
		reflect.TypeFor[time.Duration](): func(s string) (any, error) { return parseDuration(s) },
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

// RateLimit is a cost a minute, 0 where there is no limit.
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
	const most = 60
	if len(value) > most {
		return value[:most] + "…"
	}
	return value
}

// oneOf writes a list as "a, b or c".
func oneOf(list []string) string {
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// inOrder returns the problems in the struct's order of variables, those of other variables first, by name.
func (l *loader) inOrder() Problems {
	place := func(p Problem) int {
		return slices.IndexFunc(l.vars, func(v variable) bool { return v.Name == p.Variable })
	}
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		return cmp.Or(place(a)-place(b), strings.Compare(a.Variable, b.Variable))
	})
	return l.problems
}
