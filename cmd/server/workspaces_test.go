package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"taskql/internal/testkit"
)

// TestWorkspaces lists, exports and deletes workspaces. Nothing else changes, and nothing private is exported.
func TestWorkspaces(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "t.db"), "postgres": testkit.PostgresURL(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := []string{"DATABASE_URL=" + address, "DIRECT_DATABASE_URL=" + testkit.DirectURL(t, address)}
			ask := func(args ...string) (string, error) {
				var stdout, stderr bytes.Buffer
				err := run(t.Context(), args, environ, strings.NewReader(""), &stdout, &stderr)
				return stdout.String(), err
			}
			if _, err := ask("migrate"); err != nil {
				t.Fatal(err)
			}
			driver, source := "postgres", testkit.DirectURL(t, address)
			if name == "sqlite" {
				driver, source = "sqlite", strings.TrimPrefix(address, "sqlite:")
			}
			db, err := sql.Open(driver, source)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			_, err = db.ExecContext(t.Context(), `INSERT INTO workspaces (id, kind, name, version, task_count, created_at) VALUES
					('1', 'PERSONAL', '', 1, 1, CURRENT_TIMESTAMP), ('organization/1', 'ORGANIZATION', 'Acme', 2, 2, CURRENT_TIMESTAMP);
				INSERT INTO tasks (id, workspace_id, version, title, search_text, completed, created_at, updated_at) VALUES
					('00000000-0000-4000-8000-000000000001', '1', 1, 'mine', '', false, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP),
					('00000000-0000-4000-8000-000000000002', 'organization/1', 1, 'ours', 'searched', false, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP);
				INSERT INTO tasks (id, workspace_id, version, title, completed, parent_id, created_at, updated_at) VALUES
					('00000000-0000-4000-8000-000000000003', 'organization/1', 2, 'below', false, '00000000-0000-4000-8000-000000000002', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP);
				INSERT INTO tags (id, workspace_id, version, name, name_key, color, created_at, updated_at) VALUES
					('00000000-0000-4000-8000-000000000004', 'organization/1', 1, 'home', 'home', '#aabbcc', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP);
				INSERT INTO task_tags (task_id, tag_id, workspace_id) VALUES
					('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000004', 'organization/1');
				INSERT INTO reminders (id, workspace_id, version, task_id, user_id, state, created_at, updated_at) VALUES
					('00000000-0000-4000-8000-000000000005', 'organization/1', 1, '00000000-0000-4000-8000-000000000002', '1', 'WAITING', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP);`)
			if err != nil {
				t.Fatal(err)
			}
			const list, personal = "organization/1\t2 tasks\tversion 2\tAcme\n", "personal/1\t1 tasks\tversion 1\t\n"
			if out, err := ask("workspaces"); err != nil || out != list {
				t.Errorf("%v, got %q, want %q", err, out, list)
			}
			if out, err := ask("workspaces", "--personal"); err != nil || out != personal {
				t.Errorf("%v, got %q, want %q", err, out, personal)
			}
			checkExport(t, ask)
			for _, tt := range []struct{ id, want string }{
				{"organization/2", "there is no workspace"}, {"1", "there is no workspace"}, {"personal/1", "personal workspace"},
			} {
				if _, err := ask("workspaces", "--delete", tt.id, "--yes"); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("deleting %s: got %v, want %q", tt.id, err, tt.want)
				}
			}
			if out, err := ask("workspaces", "--delete", "organization/1"); err != nil || !strings.Contains(out, "Nothing was changed") {
				t.Errorf("without --yes: %v, %q", err, out)
			}
			if out, err := ask("workspaces", "--delete", "organization/1", "--yes"); err != nil || !strings.Contains(out, "was erased, with 2 tasks") {
				t.Errorf("%v, %q", err, out)
			}
			for table, want := range map[string]int{"workspaces": 1, "tasks": 1, "tags": 0, "task_tags": 0, "reminders": 0} {
				var n int
				if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil || n != want {
					t.Errorf("%v, %d rows of %s are left, want %d", err, n, table, want)
				}
			}
		})
	}
}

// checkExport exports the organization's workspace.
func checkExport(t *testing.T, ask func(...string) (string, error)) {
	t.Helper()
	if _, err := ask("workspaces", "--export", "organization/2"); err == nil || !strings.Contains(err.Error(), "there is no workspace") {
		t.Errorf("got %v", err)
	}
	out, err := ask("workspaces", "--export", "organization/1")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string][]map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tasks, tags, tagged := got["tasks"], got["tags"], got["task_tags"]
	if len(got["workspace"]) != 1 || got["workspace"][0]["name"] != "Acme" || len(tasks) != 2 || len(tags) != 1 || len(tagged) != 1 {
		t.Fatalf("got %s", out)
	}
	if tasks[0]["title"] != "ours" || tasks[0]["completed"] != false || tasks[1]["parent_id"] != tasks[0]["id"] || tagged[0]["tag_id"] != tags[0]["id"] ||
		tasks[0]["id"] != "00000000-0000-4000-8000-000000000002" || tags[0]["version"] != 1.0 {
		t.Errorf("got %s", out)
	}
	for _, left := range []string{"mine", "searched", "reminders", "idempotency_keys"} {
		if strings.Contains(out, left) {
			t.Errorf("%s is exported: %s", left, out)
		}
	}
}

// TestWorkspacesUsage: flags that don't go together are refused before anything is opened.
func TestWorkspacesUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"all"}, {"--yes"}, {"--export", "a", "--delete", "b"}, {"--personal", "--export", "a"}, {"--export", "a", "--yes"}, {"--drop", "a"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"workspaces"}, args...), nil, strings.NewReader(""), &out, &out); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
