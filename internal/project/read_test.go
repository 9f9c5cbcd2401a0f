package project_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"taskql/ent"
	"taskql/internal/keyset"
	"taskql/internal/project"
)

// The pages of each scope, forwards and backwards, are the list; they say what is beyond them and how many there are.
func TestPages(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		want := map[project.Scope][]string{}
		add := func(name string, scopes ...project.Scope) {
			for _, scope := range append(scopes, project.ScopeAll) {
				want[scope] = append(want[scope], name)
			}
		}
		for i := range 12 { // The archived ones in the trash are only there.
			p := e.project(fmt.Sprint(i))
			switch i % 4 {
			case 0:
				e.archive(p)
				add(p.Name, project.ScopeArchived)
			case 1:
				e.trash(p)
				add(p.Name, project.ScopeTrash)
			case 2:
				e.archive(p)
				e.trash(p)
				add(p.Name, project.ScopeTrash)
			default:
				add(p.Name, project.ScopeActive)
			}
		}
		want[""] = want[project.ScopeActive]
		for scope, names := range want {
			for size := 1; size <= len(names)+1; size++ {
				for _, backward := range []bool{false, true} {
					if got := e.pages(scope, size, backward, len(names)); !slices.Equal(got, names) {
						e.t.Errorf("%s by %d, backward %t: %v, want %v", scope, size, backward, got, names)
					}
				}
			}
		}
		page, err := e.List(e.ctx, e.v, project.ListInput{CountsOnly: true})
		e.check(err)
		if n, err := page.TotalCount(e.ctx); err != nil || n != 3 || len(page.Edges) != 0 {
			e.t.Errorf("only counted: %d, %v, %d rows", n, err, len(page.Edges))
		}
	})
}

// pages reads a list page by page and returns the names.
func (e *env) pages(scope project.Scope, size int, backward bool, total int) []string {
	e.t.Helper()
	in := project.ListInput{Scope: scope, First: &size, Columns: []string{"name"}}
	if backward {
		in.First, in.Last = nil, &size
	}
	var got []string
	for {
		page, err := e.List(e.ctx, e.v, in)
		e.check(err)
		next, err := page.PageInfo.HasNextPage(e.ctx)
		e.check(err)
		previous, err := page.PageInfo.HasPreviousPage(e.ctx)
		e.check(err)
		if n, err := page.TotalCount(e.ctx); err != nil || n != total {
			e.t.Errorf("%s: totalCount is %d, %v, want %d", scope, n, err, total)
		}
		var names []string
		for _, edge := range page.Edges {
			names = append(names, edge.Node.Name)
		}
		more, behind := next, previous
		if backward {
			got, more, behind = append(names, got...), previous, next
			in.Before = page.PageInfo.StartCursor
		} else {
			got = append(got, names...)
			in.After = page.PageInfo.EndCursor
		}
		if behind != (len(got) > len(names)) {
			e.t.Errorf("%s: a page behind %d others reports some: %t", scope, len(got)-len(names), behind)
		}
		if !more {
			return got
		}
		if len(names) != size {
			e.t.Fatalf("%s: a page has %d rows, want %d, and is not the last", scope, len(names), size)
		}
	}
}

// A page is refused that can't be read.
func TestBadPages(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		zero, many, one := 0, 101, 1
		bad := "no cursor"
		for argument, in := range map[string]project.ListInput{
			"first": {First: &zero}, "last": {Last: &many}, "after": {After: &bad}, "before": {Before: &bad, Last: &one},
		} {
			_, err := e.List(e.ctx, e.v, in)
			if refused := (*keyset.InputError)(nil); !errors.As(err, &refused) || refused.Argument != argument {
				e.t.Errorf("%s: %v", argument, err)
			}
		}
	})
}

// The cursor of a project that was moved, or is gone, is still a place in the order.
func TestPagesBehindMovedProjects(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		var projects []*ent.Project
		for _, name := range []string{"a", "b", "c", "d"} {
			projects = append(projects, e.project(name))
		}
		two := 2
		page, err := e.List(e.ctx, e.v, project.ListInput{First: &two})
		e.check(err)
		_, err = e.Move(e.ctx, e.v, project.MoveInput{ID: projects[1].ID.String()})
		e.check(err)
		rest, err := e.List(e.ctx, e.v, project.ListInput{First: &two, After: page.PageInfo.EndCursor})
		e.check(err)
		if len(rest.Edges) != 2 || rest.Edges[0].Node.Name != "c" || rest.Edges[1].Node.Name != "d" {
			e.t.Errorf("behind a moved project: %v", rest.Edges)
		}
	})
}
