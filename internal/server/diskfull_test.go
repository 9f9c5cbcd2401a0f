package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskql/internal/database"
	"taskql/internal/testkit"
)

// TestDiskFull fills SQLite's disk during changes of one and of many tasks. Clients get SERVICE_UNAVAILABLE, no change is applied in
// part, reads succeed, and with free space changes succeed again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	t.Run("pages", func(t *testing.T) {
		t.Parallel()
		testDiskFull(t, testkit.SQLiteURL(t), func(t *testing.T, db *database.DB) func() {
			t.Helper()
			db.SQL.SetMaxOpenConns(1) // The limit applies to a connection.
			for deadline := time.Now().Add(time.Minute); db.SQL.Stats().OpenConnections > 1; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) { // A connection may not be back in the pool yet.
					t.Fatal("the pool has more than one connection")
				}
			}
			limit := func(pages int) {
				if _, err := db.SQL.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
					t.Fatal(err)
				}
			}
			limit(1) // SQLite raises it to the present number of pages.
			return func() { limit(1 << 20) }
		})
	})
	t.Run("file system", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", dir).CombinedOutput(); err != nil {
			t.Skipf("mounting a small file system, which takes root: %v: %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
				t.Errorf("umount: %v: %s", err, out)
			}
		})
		testDiskFull(t, "sqlite:"+filepath.Join(dir, "t.db"), func(t *testing.T, _ *database.DB) func() {
			t.Helper()
			ballast, err := os.Create(filepath.Join(dir, "ballast"))
			if err != nil {
				t.Fatal(err)
			}
			defer ballast.Close()
			for err == nil {
				_, err = ballast.Write(make([]byte, 4096))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			return func() {
				if err := os.Remove(ballast.Name()); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}

// testDiskFull runs the test on a database. fill uses up the free space, and returns a function that frees it.
func testDiskFull(t *testing.T, address string, fill func(*testing.T, *database.DB) func()) {
	t.Helper()
	h, cookieOf, db := storedServer(t, address, time.Now)
	cookie := cookieOf("ada")
	send := func(document string, input map[string]any) (string, int) {
		t.Helper()
		body, err := json.Marshal(map[string]any{"query": document, "variables": map[string]any{"i": input}})
		if err != nil {
			t.Fatal(err)
		}
		answer := ask(h, http.MethodPost, graphqlPath, string(body), "Cookie", cookie)
		if !strings.Contains(answer.Body.String(), `"errors":[`) {
			return answer.Body.String(), answer.Code
		}
		code, _ := firstError(t, answer.Body.Bytes())
		return code, max(answer.Code, http.StatusBadRequest) // A response with errors is a failure whatever its status.
	}
	const (
		bulk   = "mutation($i: UpdateTasksInput!) { updateTasks(input: $i) { results { task { id } } userErrors { code } } }"
		titles = "{ tasks(first: 100) { totalCount nodes { description } } }"
	)
	long := strings.Repeat("long ", 1900)
	var ids []string
	for n := range 40 {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
		ids = append(ids, id)
		if told, status := send(faultWrite, map[string]any{"id": id, "title": id}); status != http.StatusOK {
			t.Fatal(told)
		}
	}
	var tags []string
	for n := range 30 {
		told, status := send("mutation($i: CreateTagInput!) { createTag(input: $i) { tag { id } } }", map[string]any{"name": fmt.Sprintf("tag %d", n)})
		var made struct {
			Data struct {
				CreateTag struct{ Tag struct{ ID string } }
			}
		}
		if err := json.Unmarshal([]byte(told), &made); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %v", told, err)
		}
		tags = append(tags, made.Data.CreateTag.Tag.ID)
	}
	before, _ := send(titles, nil)

	makeRoom := fill(t, db)
	refused := 0
	for n := range 40 { // Existing pages may have free space.
		input := map[string]any{"title": fmt.Sprintf("full %d", n), "description": long, "idempotencyKey": fmt.Sprintf("key %d", n)}
		told, status := send(faultWrite, input)
		if status == http.StatusOK {
			continue
		}
		refused++
		if told != "SERVICE_UNAVAILABLE" || status != http.StatusServiceUnavailable {
			t.Fatalf("a new task: %d %s", status, told)
		}
	}
	if refused == 0 {
		t.Fatal("the disk did not fill")
	}
	var made int
	if err := db.SQL.QueryRowContext(t.Context(), "SELECT count(*) FROM tasks WHERE title LIKE 'full %'").Scan(&made); err != nil {
		t.Fatal(err)
	}
	if made != 40-refused {
		t.Errorf("%d of 40 changes were refused, and %d are there", refused, made)
	}
	everything := map[string]any{"ids": ids, "patch": map[string]any{"addTagIds": tags, "priority": "HIGH"}}
	if told, status := send(bulk, everything); told != "SERVICE_UNAVAILABLE" || status != http.StatusServiceUnavailable {
		t.Errorf("a bulk change: %d %s", status, told)
	}
	var changed, version int
	if err := db.SQL.QueryRowContext(t.Context(), "SELECT (SELECT count(*) FROM task_tags) + (SELECT count(*) FROM tasks WHERE priority <> 0)").Scan(&changed); err != nil {
		t.Fatal(err)
	}
	if changed != 0 {
		t.Errorf("%d rows of a bulk change that was refused are there", changed)
	}
	if told, status := send(titles, nil); status != http.StatusOK || made == 0 && told != before {
		t.Errorf("reading: %d %s", status, told)
	}

	makeRoom()
	for n := range 40 { // Those that were created return the same answer.
		input := map[string]any{"title": fmt.Sprintf("full %d", n), "description": long, "idempotencyKey": fmt.Sprintf("key %d", n)}
		if told, status := send(faultWrite, input); status != http.StatusOK {
			t.Fatalf("with room again: %d %s", status, told)
		}
	}
	if told, status := send(bulk, everything); status != http.StatusOK || !strings.Contains(told, ids[0]) {
		t.Errorf("a bulk change with room again: %d %s", status, told)
	}
	if err := db.SQL.QueryRowContext(t.Context(), "SELECT count(*), (SELECT version FROM workspaces WHERE id = 'ada') FROM tasks").Scan(&made, &version); err != nil {
		t.Fatal(err)
	}
	if made != 80 || version != 111 {
		t.Errorf("%d tasks at version %d, want 80 at 111", made, version)
	}
	t.Logf("%d of 40 new tasks refused", refused)
}
