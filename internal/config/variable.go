package config

import (
	"reflect"
	"strings"
	"time"
)

// variable describes an environment variable. It is read from the tags of a field of Config.
type variable struct {
	Name    string
	Group   string
	Kind    string
	Default string // as it is printed
	Help    string
	OneOf   []string
	Min     string
	Max     string

	// The defaults for the parser, without those that are words for the reader.
	always, development, production string
}

// variables returns the variables in the order of Config's fields.
func variables() []variable {
	t := reflect.TypeFor[Config]()
	list := make([]variable, 0, t.NumField())
	for i := range t.NumField() {
		if field := t.Field(i); field.Tag.Get("env") != "-" {
			list = append(list, variableOf(field))
		}
	}
	return list
}

// variableOf returns the variable of a field.
func variableOf(field reflect.StructField) variable {
	tag := field.Tag
	v := variable{
		Name:        tag.Get("env"),
		Group:       tag.Get("group"),
		Kind:        kindOf(field),
		Help:        tag.Get("help"),
		Min:         tag.Get("min"),
		Max:         tag.Get("max"),
		always:      tag.Get("envDefault"),
		development: valueOnly(tag.Get("devDefault")),
		production:  valueOnly(tag.Get("prodDefault")),
	}
	if list := tag.Get("oneof"); list != "" {
		v.OneOf = strings.Split(list, ",")
	}
	v.Default = shownDefault(tag)
	return v
}

// valueOnly returns a default, or "" if it is words for the reader ("required", "the embedded sign-in") and not a
// value.
func valueOnly(def string) string {
	if def == "required" || strings.Contains(def, " ") {
		return ""
	}
	return def
}

// shownDefault returns the default as it is printed.
func shownDefault(tag reflect.StructTag) string {
	if shown, ok := tag.Lookup("shown"); ok {
		return shown
	}
	if always := tag.Get("envDefault"); always != "" {
		return always
	}
	inProduction := tag.Get("prodDefault") + " in production"
	return tag.Get("devDefault") + "; " + inProduction
}

// kindOf returns the name of a field's type as it is printed.
func kindOf(field reflect.StructField) string {
	if kind := field.Tag.Get("kind"); kind != "" {
		return kind
	}
	switch field.Type {
	case reflect.TypeFor[int]():
		return "number"
	case reflect.TypeFor[bool]():
		return "on or off"
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Secret]():
		return "secret"
	default:
		return "text"
	}
}

// defaultIn returns the default in an environment, "" if there is none.
func (v variable) defaultIn(e Environment) string {
	switch {
	case v.always != "":
		return v.always
	case e == Production:
		return v.production
	default:
		return v.development
	}
}

// meaning returns the help text with the allowed values.
func (v variable) meaning() string {
	switch {
	case v.Min != "":
		return v.Help + " From " + v.Min + " to " + v.Max + "."
	case len(v.OneOf) > 0:
		return v.Help + " One of " + strings.Join(v.OneOf, ", ") + "."
	default:
		return v.Help
	}
}
