package project_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/fracindex"
	"taskql/internal/project"
	"taskql/internal/workspace"
)

// order returns the names of alice's projects in the manual order.
func (e *env) order() string {
	e.t.Helper()
	page, err := e.List(e.ctx, e.v, project.ListInput{Scope: project.ScopeAll})
	e.check(err)
	var names []string
	for _, edge := range page.Edges {
		names = append(names, edge.Node.Name)
	}
	return strings.Join(names, " ")
}

// orderOf returns the names of a project's sections in the manual order.
func (e *env) orderOf(p *ent.Project) string {
	e.t.Helper()
	of, err := e.SectionsOf(e.ctx, e.v, []uuid.UUID{p.ID}, nil)
	e.check(err)
	var names []string
	for _, s := range of[p.ID] {
		names = append(names, s.Name)
	}
	return strings.Join(names, " ")
}

// moves are steps in the order a b c d, each with the order after it or the refusal. The thing t is in the trash, behind c, and x is
// of another workspace or project. If changed is false, the step takes no version.
var moves = []struct { //nolint:gochecknoglobals // A table.
	move, after, before string
	want                string
	unchanged           bool
}{
	{move: "a", want: "b c t d a"},
	{move: "a", want: "b c t d a", unchanged: true},
	{move: "a", before: "b", want: "a b c t d"},
	{move: "a", before: "b", want: "a b c t d", unchanged: true},
	{move: "d", after: "a", want: "a d b c t"},
	{move: "d", after: "a", want: "a d b c t", unchanged: true},
	{move: "d", before: "b", want: "a d b c t", unchanged: true},
	{move: "d", after: "c", want: "a b c d t"},
	{move: "b", before: "a", want: "b a c d t"},
	{move: "c", before: "d", want: "b a c d t", unchanged: true},
	{move: "d", before: "c", want: "b a d c t"},
	{move: "a", after: "b", before: "c", want: "INVALID input.beforeId", unchanged: true},
	{move: "a", after: "a", want: "INVALID input.afterId", unchanged: true},
	{move: "a", before: "a", want: "INVALID input.beforeId", unchanged: true},
	{move: "a", after: "?", want: "NOT_FOUND input.afterId", unchanged: true},
	{move: "a", before: "x", want: "NOT_FOUND input.beforeId", unchanged: true},
	{move: "a", after: "t", want: "INVALID input.afterId", unchanged: true},
	{move: "t", after: "a", want: "INVALID input.id", unchanged: true},
	{move: "x", after: "a", want: "NOT_FOUND input.id", unchanged: true},
}

// moveInput returns the input of a step.
func moveInput(ids map[string]string, move, after, before string) project.MoveInput {
	in := project.MoveInput{ID: ids[move]}
	id := func(name string) *string {
		if name == "" {
			return nil
		}
		id := strings.ToUpper(ids[name])
		return &id
	}
	in.AfterID, in.BeforeID = id(after), id(before)
	return in
}

func TestMoveProjects(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		ids := map[string]string{"?": "no id", "x": uuid.NewString()}
		for _, name := range []string{"a", "b", "c", "t", "d"} {
			p := e.project(name)
			if ids[name] = p.ID.String(); name == "t" {
				e.trash(p)
			}
		}
		for i, step := range moves {
			before := e.version()
			in := moveInput(ids, step.move, step.after, step.before)
			r, err := e.Move(e.ctx, e.v, in)
			e.check(err)
			got := refusal(r.UserErrors)
			if got == "" {
				got = e.order()
				if stored := e.client.Project.GetX(e.ctx, r.Project.ID); stored.String() != r.Project.String() {
					e.t.Errorf("step %d: the answer is %v, stored is %v", i, r.Project, stored)
				}
			}
			if changed := e.version() - before; got != step.want || changed != 0 == step.unchanged || changed > 1 {
				e.t.Errorf("step %d, %+v: %s, versions: %d", i, step, got, changed)
			}
		}
		e.project("new")
		if got := e.order(); got != "b a d c t new" {
			e.t.Errorf("with a new project: %s", got)
		}
	})
}

// Sections have no trash: the steps of the one that would be there are left out.
func TestMoveSections(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		p, other := e.project("project"), e.project("other")
		ids := map[string]string{"?": "no id", "x": e.section(other, "x").ID.String()}
		for _, name := range []string{"a", "b", "c", "d"} {
			ids[name] = e.section(p, name).ID.String()
		}
		for i, step := range moves {
			if step.move == "t" || step.after == "t" || step.move == "x" {
				continue
			}
			before := e.version()
			r, err := e.MoveSection(e.ctx, e.v, moveInput(ids, step.move, step.after, step.before))
			e.check(err)
			got := refusal(r.UserErrors)
			if got == "" {
				got = e.orderOf(p)
				if stored := e.client.Section.GetX(e.ctx, r.Section.ID); stored.String() != r.Section.String() {
					e.t.Errorf("step %d: the answer is %v, stored is %v", i, r.Section, stored)
				}
			}
			want := strings.Join(strings.Fields(strings.ReplaceAll(step.want, " t", "")), " ")
			if changed := e.version() - before; got != want || changed != 0 == step.unchanged || changed > 1 {
				e.t.Errorf("step %d, %+v: %s, versions: %d", i, step, got, changed)
			}
		}
		e.section(p, "new")
		if got := e.orderOf(p) + "; " + e.orderOf(other); got != "b a d c new; x" {
			e.t.Errorf("with a new section: %s", got)
		}
		if r, err := e.MoveSection(e.ctx, e.v, project.MoveInput{ID: ids["x"], AfterID: ptr(ids["a"])}); err != nil || refusal(r.UserErrors) != "NOT_FOUND input.afterId" {
			e.t.Errorf("into another project: %v, %v", r, err)
		}
	})
}

func ptr[T any](v T) *T { return &v }

// If there is no room between two keys, because they have grown or are equal, all get new ones: others keep the time of their last
// change, but get the version.
func TestCrowdedPositions(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		long := "a0" + strings.Repeat("V", fracindex.MaxLength-2)
		for _, c := range []struct {
			name  string
			keys  []string
			after int
			want  string
		}{
			{"long", []string{long, long + "V", "a1", "a2"}, 0, "long0 long3 long1 long2"},
			{"equal", []string{"a0", "a1", "a1", "a2"}, 1, "equal0 equal1 equal3 equal2"},
		} {
			p := e.project(c.name)
			var projects, sections []uuid.UUID
			for i, key := range c.keys {
				one, section := e.project(fmt.Sprint(c.name, i)), e.section(p, fmt.Sprint(c.name, i))
				e.client.Project.UpdateOneID(one.ID).SetPosition([]byte(key)).ExecX(e.ctx)
				e.client.Section.UpdateOneID(section.ID).SetPosition([]byte(key)).ExecX(e.ctx)
				projects, sections = append(projects, one.ID), append(sections, section.ID)
			}
			r, err := e.Move(e.ctx, e.v, project.MoveInput{ID: projects[3].String(), AfterID: ptr(projects[c.after].String())})
			e.check(err)
			s, err := e.MoveSection(e.ctx, e.v, project.MoveInput{ID: sections[3].String(), AfterID: ptr(sections[c.after].String())})
			e.check(err)
			if got := refusal(r.UserErrors) + refusal(s.UserErrors); got != "" {
				e.t.Fatalf("%s: %s", c.name, got)
			}
			if got := e.order() + ", " + e.orderOf(p); got != c.want+" "+c.name+", "+c.want {
				e.t.Errorf("the orders are %s, want %s", got, c.want)
			}
			for _, row := range e.client.Project.Query().Where(workspace.Scope(e.v)).AllX(e.ctx) {
				if row.Version != r.Project.Version || len(row.Position) > 20 || row.UpdatedAt.Equal(r.Project.UpdatedAt) != (row.ID == r.Project.ID) {
					e.t.Errorf("%s: %v", c.name, row)
				}
			}
			for _, row := range e.client.Section.Query().Where(workspace.Scope(e.v)).AllX(e.ctx) {
				if row.Version != s.Section.Version || len(row.Position) > 20 || row.UpdatedAt.Equal(s.Section.UpdatedAt) != (row.ID == s.Section.ID) {
					e.t.Errorf("%s: %v", c.name, row)
				}
			}
			e.client.Project.Delete().ExecX(e.ctx)
		}
	})
}

// However often projects are moved to the same place, they are in order, and their keys don't grow without bound.
func TestMovesToTheSamePlace(t *testing.T) {
	t.Parallel()
	eachEnv(t, project.Limits{}, func(e *env) {
		names := []string{"a", "b", "c"}
		projects := map[string]*ent.Project{}
		for _, name := range names {
			projects[name] = e.project(name)
		}
		long := strings.Repeat("V", fracindex.MaxLength-10)
		e.client.Project.UpdateOneID(projects["a"].ID).SetPosition([]byte("a0" + long)).ExecX(e.ctx)
		e.client.Project.UpdateOneID(projects["b"].ID).SetPosition([]byte("a0" + long + "V")).ExecX(e.ctx)
		crowded := 0
		for i := range 100 { // The last comes behind a.
			last := names[2]
			r, err := e.Move(e.ctx, e.v, project.MoveInput{ID: projects[last].ID.String(), AfterID: ptr(projects["a"].ID.String())})
			e.check(err)
			names = []string{"a", last, names[1]}
			if got := e.order(); got != strings.Join(names, " ") || len(r.Project.Position) > fracindex.MaxLength {
				e.t.Fatalf("after %d moves: %s, want %s; the key has %d bytes", i+1, got, names, len(r.Project.Position))
			}
			if e.client.Project.GetX(e.ctx, projects["a"].ID).Version == r.Project.Version {
				crowded++
			}
		}
		if crowded != 1 {
			e.t.Errorf("all have got new keys %d times, want once", crowded)
		}
	})
}
