package graph_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2/ast"

	"taskql/internal/task"
)

// Each field of TaskFilter and of its operators can be compared, and nothing else can.
func TestFilterOperatorsAreTheSchemas(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	var want []string
	for _, field := range schema.Types["TaskFilter"].Fields {
		if slices.Contains([]string{"and", "or", "not"}, field.Name) {
			continue
		}
		definition := schema.Types[field.Type.Name()]
		if definition.Kind != ast.InputObject {
			want = append(want, field.Name+".")
			continue
		}
		for _, operator := range definition.Fields {
			want = append(want, field.Name+"."+operator.Name)
		}
	}
	var got []string
	for _, o := range task.FilterOperators() {
		got = append(got, o.Field+"."+o.Op)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("filterFields in internal/task/filter.go and the schema differ (-schema +table):\n%s", diff)
	}
}

func TestOrderFieldsAreTheSchemas(t *testing.T) {
	t.Parallel()
	var want []task.OrderField
	for _, v := range schemaOf(t).Types["TaskOrderField"].EnumValues {
		want = append(want, task.OrderField(v.Name))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, task.OrderFields()); diff != "" {
		t.Errorf("taskOrders in internal/task/order.go and the schema differ (-schema +table):\n%s", diff)
	}
}

// Every filter whose results change with the clock is in a document that TestETag asks as time passes.
func TestClockFiltersHaveDocuments(t *testing.T) {
	t.Parallel()
	for _, o := range task.FilterOperators() {
		uses := func(q conditionalRequest) bool { return strings.Contains(q.document, o.Name()+":") }
		if o.ClockDependent && !slices.ContainsFunc(clockDependent, uses) {
			t.Errorf("add a document with %s.%s to clockDependent", o.Field, o.Op)
		}
	}
}
