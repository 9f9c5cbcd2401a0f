package task_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/task"
	"taskql/internal/workspace"
)

// A client that compares positions byte by byte and then ids has the manual order, wherever tasks were moved and also if two have the
// same position. So does one that compares them as text, because positions are ASCII.
func TestPositionIsTheManualOrder(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			ctx, v := env.newUser(t, fmt.Sprint("user", n))
			tasks := env.createTasks(ctx, t, v, rapid.IntRange(2, 8).Draw(rt, "tasks"))
			for range rapid.IntRange(1, 12).Draw(rt, "moves") {
				in := task.MoveInput{ID: pickOne(rt, tasks...).ID.String()}
				anchor := pickOne(rt, tasks...).ID.String()
				if rapid.Bool().Draw(rt, "before") {
					in.BeforeID = &anchor
				} else {
					in.AfterID = &anchor
				}
				if _, err := env.Move(ctx, v, in); err != nil {
					rt.Fatal(err)
				}
			}
			if rapid.Bool().Draw(rt, "equal") {
				env.client.Task.Update().Where(workspace.Scope(v), enttask.IDIn(tasks[0].ID, tasks[1].ID)).SetPosition([]byte("a0")).ExecX(ctx)
			}
			page, err := env.List(ctx, v, task.ListInput{OrderBy: []task.Order{{Field: "MANUAL"}}})
			if err != nil {
				rt.Fatal(err)
			}
			byPosition := slices.Clone(page.Nodes())
			slices.SortFunc(byPosition, func(a, b *ent.Task) int {
				return cmp.Or(strings.Compare(string(a.Position), string(b.Position)), strings.Compare(a.ID.String(), b.ID.String()))
			})
			if !slices.Equal(byPosition, page.Nodes()) {
				rt.Fatalf("sorted by position: %v, the list: %v", byPosition, page.Nodes())
			}
			for _, e := range byPosition {
				if strings.ContainsFunc(string(e.Position), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
					rt.Fatalf("the position %q is not ASCII", e.Position)
				}
			}
		})
	})
}
