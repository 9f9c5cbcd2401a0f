package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/testkit"
)

// TestClockJumps moves the server's clock forward by a day, and back by one and by two. Changes, idempotency keys, pages and polls
// keep working.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for name, address := range testkit.Databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clockJumps(t, address(t))
		})
	}
}

func clockJumps(t *testing.T, address string) {
	t.Helper()
	var off atomic.Int64
	h, cookieOf, db := storedServer(t, address, func() time.Time {
		return time.Now().Round(0).Add(time.Duration(off.Load())) // Without the monotonic clock, which never jumps.
	})
	cookie := cookieOf("ada")
	var answer struct {
		Data struct {
			CreateTask struct{ Task struct{ ID string } }
			Tasks      struct {
				Nodes    []struct{ ID string }
				PageInfo struct {
					HasNextPage bool
					EndCursor   *string
				}
			}
		}
		Errors []any
	}
	send := func(document string, variables map[string]any) {
		t.Helper()
		body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
		if err != nil {
			t.Fatal(err)
		}
		told := ask(h, http.MethodPost, graphqlPath, string(body), "Cookie", cookie)
		answer.Data.Tasks.Nodes = nil
		if err := json.Unmarshal(told.Body.Bytes(), &answer); err != nil || told.Code != http.StatusOK || len(answer.Errors) > 0 {
			t.Fatalf("%s after the start: %d %s", time.Duration(off.Load()), told.Code, told.Body)
		}
	}
	create := func(input map[string]any) string {
		t.Helper()
		send(faultWrite, map[string]any{"i": input})
		return answer.Data.CreateTask.Task.ID
	}
	poll := func(etag string) (int, string) {
		told := ask(h, http.MethodGet, graphqlPath+"?query="+url.QueryEscape(faultRead), "", "Cookie", cookie, "If-None-Match", etag)
		return told.Code, told.Header().Get("ETag")
	}
	firsts := map[string]string{} // by idempotency key
	count := 0
	var lastKey string
	last := time.Duration(0)
	for _, jump := range []time.Duration{0, 24 * time.Hour, 0, -24 * time.Hour, 0, 24 * time.Hour} {
		off.Store(int64(jump))
		if lastKey != "" && jump < last { // Used at a time that is still to come.
			if id := create(map[string]any{"title": lastKey, "idempotencyKey": lastKey}); id != firsts[lastKey] {
				t.Errorf("at %s: %s made %s, and %s before", jump, lastKey, id, firsts[lastKey])
			}
		}
		last, lastKey = jump, fmt.Sprintf("key %d", count)
		firsts[lastKey] = create(map[string]any{"title": lastKey, "idempotencyKey": lastKey})
		if id := create(map[string]any{"title": lastKey, "idempotencyKey": lastKey}); id != firsts[lastKey] {
			t.Errorf("at %s: the key does not repeat", jump)
		}
		id := create(map[string]any{"title": "without a key", "due": map[string]any{"date": time.Now().Format(time.DateOnly)}})
		send("mutation($i: CompleteTaskInput!) { completeTask(input: $i) { task { id } userErrors { code } } }", map[string]any{"i": map[string]any{"id": id}})
		count += 2
		_, etag := poll("")
		if code, _ := poll(etag); etag == "" || code != http.StatusNotModified {
			t.Errorf("at %s: polled with %q, told %d", jump, etag, code)
		}
		create(map[string]any{"title": "another"})
		count++
		if code, now := poll(etag); code != http.StatusOK || now == etag {
			t.Errorf("at %s: a change is not seen", jump)
		}
		seen := map[string]bool{}
		for after := (*string)(nil); ; after = answer.Data.Tasks.PageInfo.EndCursor {
			send("query($after: String) { tasks(first: 2, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }", map[string]any{"after": after})
			for _, node := range answer.Data.Tasks.Nodes {
				if seen[node.ID] {
					t.Errorf("at %s: %s is on two pages", jump, node.ID)
				}
				seen[node.ID] = true
			}
			if !answer.Data.Tasks.PageInfo.HasNextPage {
				break
			}
		}
		if len(seen) != count {
			t.Errorf("at %s: the pages have %d tasks of %d", jump, len(seen), count)
		}
	}
	var tasks, versions, version int
	err := db.SQL.QueryRowContext(t.Context(), "SELECT count(*), count(DISTINCT version), (SELECT version FROM workspaces WHERE id = 'ada') FROM tasks").Scan(&tasks, &versions, &version)
	// Each task has one change, and every third task another one.
	if want := count + count/3; err != nil || tasks != count || versions != tasks || version != want {
		t.Errorf("%d tasks with %d versions, the last %d: want %d and %d (%v)", tasks, versions, version, count, want, err)
	}
}
