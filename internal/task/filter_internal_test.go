package task

import (
	"reflect"
	"strings"
	"testing"

	"taskql/ent"
)

// filterFields tells which columns can be null, and each operator has one function.
func TestFilterFields(t *testing.T) {
	t.Parallel()
	for name, field := range filterFields {
		column, ok := reflect.TypeFor[ent.Task]().FieldByNameFunc(func(n string) bool {
			return strings.EqualFold(n, strings.ReplaceAll(field.column, "_", ""))
		})
		if want := ok && column.Type.Kind() == reflect.Pointer; !ok || field.nullable != want {
			t.Errorf("%s: nullable is %t, want %t for the column %q", name, field.nullable, want, field.column)
		}
		if len(field.operators) == 0 {
			t.Errorf("%s has no operators", name)
		}
		for op, o := range field.operators {
			set := 0
			for _, is := range []bool{o.compare != nil, o.compareAt != nil, o.compareMe != nil} {
				if is {
					set++
				}
			}
			if set != 1 {
				t.Errorf("%s.%s has %d of compare, compareAt and compareMe", name, op, set)
			}
		}
	}
}
