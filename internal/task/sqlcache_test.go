package task

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"taskql/internal/keyset"
)

// A cached statement is the one that was built, with another workspace's id.
func TestSQLCache(t *testing.T) {
	t.Parallel()
	cache, built := newSQLCache(), 0
	build := func(workspace, text string, rest ...any) func() (string, []any) {
		return func() (string, []any) { built++; return text, append([]any{workspace}, rest...) }
	}
	id, other := uuid.New(), uuid.New()
	steps := []struct {
		of        queryKey
		columns   []string
		workspace string
		build     func() (string, []any)
		sql       string
		args      []any
		built     int
	}{
		{queryKey{name: "a"}, []string{"x", "y"}, "w1", build("w1", "A", true), "A", []any{"w1", true}, 1},
		{queryKey{name: "a"}, []string{"x", "y"}, "w2", build("w2", "not called"), "A", []any{"w2", true}, 1},
		{queryKey{name: "a"}, []string{"x"}, "w2", build("w2", "B"), "B", []any{"w2"}, 2},
		{queryKey{name: "b", args: []any{id}}, nil, "w1", build("w1", "C", id), "C", []any{"w1", id}, 3},
		{queryKey{name: "b", args: []any{other}}, nil, "w2", build("w2", "not called"), "C", []any{"w2", other}, 3},
		{queryKey{}, nil, "w1", build("w1", "D"), "D", []any{"w1"}, 4},
		{queryKey{}, nil, "w1", build("w1", "E"), "E", []any{"w1"}, 5},
		{queryKey{name: "c"}, nil, "w1", build("another", "F"), "F", []any{"another"}, 6}, // The workspace's id is not its first argument: never cached.
		{queryKey{name: "c"}, nil, "w1", build("another", "G"), "G", []any{"another"}, 7},
		{queryKey{name: "d", args: []any{id}}, nil, "w1", build("w1", "H", other), "H", []any{"w1", other}, 8},
		{queryKey{name: "d", args: []any{id}}, nil, "w1", build("w1", "I", id), "I", []any{"w1", id}, 9},
	}
	for i, s := range steps {
		sql, args := cache.query(s.of, s.columns, s.workspace, s.build)
		if sql != s.sql || !slices.Equal(args, s.args) || built != s.built {
			t.Errorf("step %d: %s %v after %d were built, want %s %v after %d", i, sql, args, built, s.sql, s.args, s.built)
		}
	}
}

// Lists whose statements differ in more than the workspace have different keys.
func TestListKeys(t *testing.T) {
	t.Parallel()
	filter := func(c ...Comparison) *Filter { return &Filter{Comparisons: c} }
	open, completed := Comparison{Field: "completed", Value: false}, Comparison{Field: "completed", Value: true}
	named := map[string]string{}
	for _, scope := range []Scope{ScopeActive, ScopeTrash, ScopeAll} {
		for _, by := range [][]Order{nil, {{Field: "DUE"}}, {{Field: "DUE", Direction: keyset.Descending}}, {{Field: "DUE", Nulls: keyset.NullsFirst}}, {{Field: "TITLE"}}} {
			for _, f := range []*Filter{nil, filter(open), filter(completed)} {
				what := fmt.Sprint(scope, by, f)
				name := ListInput{Scope: scope, OrderBy: by, Filter: f}.key()
				if name == "" || named[name] != "" {
					t.Errorf("%s has the key %q of %s", what, name, named[name])
				}
				named[name] = what
			}
		}
	}
	for _, f := range []*Filter{
		{},
		filter(open, completed), filter(Comparison{Field: "due", Value: true}),
		{Not: filter(open)},
		{Any: []*Filter{}},
		{All: []*Filter{filter(open)}, Comparisons: []Comparison{open}},
		filter(Comparison{Field: "completed", Op: "eq", Value: true}),
	} {
		if name := (ListInput{Filter: f}).key(); name != "" {
			t.Errorf("%v has the key %q", f, name)
		}
	}
	if name := (ListInput{OrderBy: []Order{{Field: "TITLE"}, {Field: "DUE"}}}).key(); name != "" {
		t.Errorf("two orders have the key %q", name)
	}
}
