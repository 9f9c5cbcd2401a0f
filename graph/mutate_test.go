package graph_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskql/graph"
	"taskql/graph/generated"
)

// withoutIfVersion are the inputs that take no ifVersion, though the domain's input, which they share with others, has it.
var withoutIfVersion = []string{"PurgeTaskInput", "RestoreTaskInput", "RestoreProjectInput"} //nolint:gochecknoglobals // A table.

// TestInputsAreTheSchemas checks that the domain's inputs have the fields of the schema's inputs, and no others. It compares
// those that the mutations' resolvers take, and lets the resolvers convert the others, which panics if they differ.
func TestInputsAreTheSchemas(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	resolvers := reflect.ValueOf((&graph.Resolver{}).Mutation())
	for method := range reflect.TypeFor[generated.MutationResolver]().Methods() {
		input := method.Type.In(1)
		if strings.HasSuffix(input.PkgPath(), "graph/model") { // It is generated.
			if fault := convertInput(t, resolvers.MethodByName(method.Name), input); fault != nil {
				t.Errorf("%s: %v", method.Name, fault)
			}
			continue
		}
		var want, got []string
		field := schema.Mutation.Fields.ForName(strings.ToLower(method.Name[:1]) + method.Name[1:])
		name := field.Arguments.ForName("input").Type.Name()
		for _, f := range schema.Types[name].Fields {
			want = append(want, strings.ToLower(f.Name))
		}
		if slices.Contains(withoutIfVersion, name) {
			want = append(want, "ifversion")
		}
		for _, f := range reflect.VisibleFields(input) {
			if !f.Anonymous {
				got = append(got, strings.ToLower(f.Name))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s of the schema and %s differ (-schema +domain):\n%s", name, input, diff)
		}
	}
}

// convertInput calls a resolver with an empty input and without a viewer, so that it only converts the input. It returns what the resolver
// panics with.
func convertInput(t *testing.T, resolver reflect.Value, input reflect.Type) (fault any) { //nolint:nonamedreturns // The deferred function sets it.
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			fault = p
		}
	}()
	in := reflect.New(input).Elem()
	for _, field := range in.Fields() {
		if field.Kind() == reflect.Pointer && field.Type().Elem().Kind() == reflect.Struct {
			field.Set(reflect.New(field.Type().Elem()))
		}
	}
	if results := resolver.Call([]reflect.Value{reflect.ValueOf(t.Context()), in}); results[1].IsNil() {
		return fmt.Sprint("no error without a viewer, but ", results[0])
	}
	return nil
}
