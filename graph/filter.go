package graph

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"taskql/graph/model"
	"taskql/internal/task"
)

// filterOf converts the API's filter into the domain's; nil if there is none. The error names the part that is null.
func filterOf(in *model.TaskFilter) (*task.Filter, error) {
	if in == nil {
		return nil, nil //nolint:nilnil // No filter is no error.
	}
	return convertFilter("filter", in)
}

// convertFilter converts a filter or a part of it, which is at the path in the arguments.
func convertFilter(path string, in *model.TaskFilter) (*task.Filter, error) {
	out := &task.Filter{}
	for _, given := range givenFields(path, in) {
		var err error
		switch value := given.value.(type) {
		case []*model.TaskFilter:
			parts := make([]*task.Filter, len(value))
			for i, part := range value {
				if parts[i], err = convertFilter(fmt.Sprintf("%s[%d]", given.path, i), part); err != nil {
					return nil, err
				}
			}
			if given.name == "or" {
				out.Any = parts
			} else {
				out.All = append(out.All, parts...)
			}
		case *model.TaskFilter:
			if out.Not, err = convertFilter(given.path, value); err != nil {
				return nil, err
			}
		case nil:
			return nil, nullError(given.path)
		default:
			comparisons, err := comparisonsOf(given)
			if err != nil {
				return nil, err
			}
			out.Comparisons = append(out.Comparisons, comparisons...)
		}
	}
	return out, nil
}

// comparisonsOf returns the comparisons of a field: with its own value, or with that of each of its operators.
func comparisonsOf(field given) ([]task.Comparison, error) {
	v := reflect.Indirect(reflect.ValueOf(field.value))
	if v.Kind() != reflect.Struct {
		return []task.Comparison{{Field: field.name, Value: v.Interface()}}, nil
	}
	var all []task.Comparison
	for _, op := range givenFields(field.path, field.value) {
		if op.value == nil {
			return nil, nullError(op.path)
		}
		all = append(all, task.Comparison{Field: field.name, Op: op.name, Value: reflect.Indirect(reflect.ValueOf(op.value)).Interface()})
	}
	return all, nil
}

func nullError(path string) error {
	return &task.InputError{Argument: path, Message: path + " can't be null: leave it out if nothing is to be filtered by it"}
}

// given is a field of an input that is present.
type given struct {
	name, path string
	// value is nil if the client sent null.
	value any
}

// givenFields lists the fields of one of gqlgen's inputs that are present, in the schema's order. All fields of filters are
// omittable.
func givenFields(path string, input any) []given {
	in := reflect.Indirect(reflect.ValueOf(input))
	var fields []given
	for i := range in.NumField() {
		omittable := in.Field(i)
		// Most fields are absent. A method of the address is called without reflection.
		if o := omittable.Addr().Interface().(interface{ IsSet() bool }); !o.IsSet() { //nolint:forcetypeassert,errcheck // All are omittable.
			continue
		}
		name, _, _ := strings.Cut(in.Type().Field(i).Tag.Get("json"), ",")
		fields = append(fields, given{name: name, path: path + "." + name, value: valueOf(omittable)})
	}
	return fields
}

// valueOf returns an omittable's value, nil if it is null. The most common types need no reflection.
func valueOf(omittable reflect.Value) any {
	switch o := omittable.Addr().Interface().(type) {
	case *graphql.Omittable[*bool]:
		return notNull(o.Value())
	case *graphql.Omittable[*string]:
		return notNull(o.Value())
	case *graphql.Omittable[*int]:
		return notNull(o.Value())
	case *graphql.Omittable[*time.Time]:
		return notNull(o.Value())
	case *graphql.Omittable[*model.TagsFilter]:
		return notNull(o.Value())
	case *graphql.Omittable[*model.DueFilter]:
		return notNull(o.Value())
	case *graphql.Omittable[*model.PriorityFilter]:
		return notNull(o.Value())
	}
	if v := omittable.MethodByName("Value").Call(nil)[0]; !v.IsNil() {
		return v.Interface()
	}
	return nil
}

func notNull[T any](v *T) any {
	if v == nil {
		return nil
	}
	return v
}

// filterCosts are what filters cost beside the page, by the name by which they stand in the arguments.
var filterCosts = func() map[string]int { //nolint:gochecknoglobals // A constant, if Go had constant maps.
	costs := map[string]int{}
	for _, o := range task.FilterOperators() {
		if o.Cost > 0 {
			costs[o.Name()] = o.Cost
		}
	}
	return costs
}()

// clockFilters are the filters whose results change with the clock, by the name by which they stand in the arguments.
var clockFilters = func() map[string]bool { //nolint:gochecknoglobals // As above.
	names := map[string]bool{}
	for _, o := range task.FilterOperators() {
		if o.ClockDependent {
			names[o.Name()] = true
		}
	}
	return names
}()
