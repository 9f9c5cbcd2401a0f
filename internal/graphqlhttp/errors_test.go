package graphqlhttp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// TestOrderOfErrors shuffles errors: a response has them in the order of the document.
func TestOrderOfErrors(t *testing.T) {
	t.Parallel()
	at := func(line, column int, path ...any) *gqlerror.Error {
		err := &gqlerror.Error{Message: fmt.Sprint(line, column, path), Locations: []gqlerror.Location{{Line: line, Column: column}}}
		for _, element := range path {
			if index, ok := element.(int); ok {
				err.Path = append(err.Path, ast.PathIndex(index))
			} else {
				err.Path = append(err.Path, ast.PathName(fmt.Sprint(element)))
			}
		}
		return err
	}
	want := []*gqlerror.Error{
		at(1, 3, "z"),
		at(1, 20, "tasks", 2, "tags"),
		at(1, 20, "tasks", 10, "tags"),
		at(2, 1), // Of validation, so without a path.
		at(2, 1, "a"),
		at(2, 1, "a", 0),
		at(2, 1, "a", "b"),
		at(2, 1, "b"),
		at(10, 1, "a"),
		{Message: "of no field"},
	}
	got := slices.Clone(want)
	for range 100 {
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		shuffled := fmt.Sprint(got)
		slices.SortStableFunc(got, compareErrors)
		if !slices.Equal(got, want) {
			t.Fatalf("%s\nsorted:\n%v", shuffled, got)
		}
	}
}
