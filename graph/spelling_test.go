package graph_test

import (
	"regexp"
	"strings"
	"testing"

	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

var anUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4000-8000-[0-9a-f]{12}`)

// A request that is sent again with its ids written in capitals is the same request: every mutation repeats its answer.
func TestIdempotencyPassesOverSpelling(t *testing.T) {
	t.Parallel()
	const (
		a, b, c = "7b000000-0000-4000-8000-00000000000a", "7b000000-0000-4000-8000-00000000000b", "7b000000-0000-4000-8000-00000000000c"
		tag     = "7a000000-0000-4000-8000-00000000000a"
		end     = ` { task { id } userErrors { code field } }`
		results = ` { changedCount userErrors { code field } results { task { id } userErrors { code field } } }`
	)
	mutations := []string{
		`createTag(input: {id: "` + tag + `", name: "t", idempotencyKey: "KEY"}) { tag { id } userErrors { code } }`,
		`createTask(input: {id: "` + a + `", title: "a", tagIds: ["` + tag + `"], idempotencyKey: "KEY"})` + end,
		`createTask(input: {id: "` + b + `", title: "b", parentId: "` + a + `", idempotencyKey: "KEY"})` + end,
		`createTask(input: {id: "` + c + `", title: "c", idempotencyKey: "KEY"})` + end,
		`updateTask(input: {id: "` + a + `", title: "aa", tagIds: ["` + tag + `"], idempotencyKey: "KEY"})` + end,
		`updateTask(input: {id: "` + a + `", removeTagIds: ["` + tag + `"], addTagIds: [], idempotencyKey: "KEY"})` + end,
		`updateTask(input: {id: "` + a + `", addTagIds: ["` + tag + `"], idempotencyKey: "KEY"})` + end,
		`completeTask(input: {id: "` + a + `", idempotencyKey: "KEY"})` + end, `reopenTask(input: {id: "` + a + `", idempotencyKey: "KEY"})` + end,
		`moveTask(input: {id: "` + a + `", afterId: "` + c + `", idempotencyKey: "KEY"})` + end,
		`moveTask(input: {id: "` + c + `", beforeId: "` + b + `", parentId: "` + a + `", idempotencyKey: "KEY"})` + end,
		`updateTasks(input: {ids: ["` + a + `", "` + b + `"], patch: {priority: LOW, addTagIds: ["` + tag + `"], removeTagIds: null}, idempotencyKey: "KEY"})` + results,
		`completeTasks(input: {ids: ["` + a + `", "` + b + `"], idempotencyKey: "KEY"})` + results, `reopenTasks(input: {ids: ["` + b + `"], idempotencyKey: "KEY"})` + results,
		`deleteTasks(input: {ids: ["` + c + `"], idempotencyKey: "KEY"})` + results, `restoreTasks(input: {ids: ["` + c + `"], idempotencyKey: "KEY"})` + results,
		`deleteTask(input: {id: "` + c + `", idempotencyKey: "KEY"})` + end, `restoreTask(input: {id: "` + c + `", idempotencyKey: "KEY"})` + end,
		`updateTag(input: {id: "` + tag + `", name: "tt", idempotencyKey: "KEY"}) { tag { id } userErrors { code } }`,
		`deleteTag(input: {id: "` + tag + `", idempotencyKey: "KEY"}) { deletedTagId userErrors { code } }`,
		`deleteTask(input: {id: "` + c + `"})` + end, `purgeTask(input: {id: "` + c + `", idempotencyKey: "KEY"}) { purgedTaskId userErrors { code } }`,
	}
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		api := newAPI(t, db, "alice")
		for i, mutation := range mutations {
			document := "mutation { " + strings.Replace(mutation, "KEY", strings.Repeat("k", i+1), 1) + " }"
			_, first := api.ask(t, "alice", document, nil)
			_, again := api.ask(t, "alice", anUUID.ReplaceAllStringFunc(document, strings.ToUpper), nil)
			if string(first) != string(again) || strings.Contains(string(first), `"code"`) {
				t.Errorf("%s\nis answered     %s\nand in capitals %s", document, first, again)
			}
		}
	})
}
