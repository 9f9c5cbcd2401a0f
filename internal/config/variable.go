package config

import (
	"reflect"
	"strings"
	"time"
)

// variable is what the struct's tags say about one environment variable.
type variable struct {
	Name    string
	Group   string
	Kind    string
	Default string // as help prints it
	Help    string
	OneOf   []string
	Min     string
	Max     string

	always, development, production string // the defaults as the parser takes them; words are not among them
}

// variables reads them from the struct, in its order.
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

// variableOf reads one field's tags.
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

// valueOnly drops defaults that are words for the reader ("required", "the embedded sign-in") rather than values.
func valueOnly(def string) string {
	if def == "required" || strings.Contains(def, " ") {
		return ""
	}
	return def
}

// shownDefault is the default in words.
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

// kindOf names a field's type for people.
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

// defaultIn is the value that the parser takes in an environment if the variable is not set; empty for none.
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

// meaning is the help text with the values allowed.
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
