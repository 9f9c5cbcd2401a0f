package main

import (
	"bytes"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"taskql/internal/testkit"
)

// TestErase: without --yes nothing changes. With it the user is erased, and a second run finds nothing.
func TestErase(t *testing.T) {
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
			if _, err := ask("erase", "--user", "ada", "--yes"); err == nil || name == "postgres" && !strings.Contains(err.Error(), "server migrate") {
				t.Errorf("on an empty database: %v", err)
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
			_, err = db.ExecContext(t.Context(), `INSERT INTO workspaces (id, created_at) VALUES ('ada', CURRENT_TIMESTAMP), ('organization/1', CURRENT_TIMESTAMP);
				INSERT INTO users (id, name, email, created_at, updated_at) VALUES ('ada', 'Ada', 'ada@example.com', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP);
				INSERT INTO tasks (id, workspace_id, version, title, completed, created_at, updated_at) VALUES
				('00000000-0000-4000-8000-000000000001', 'ada', 1, 'x', false, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP);
				INSERT INTO tasks (id, workspace_id, version, title, completed, created_at, updated_at, assignee_id, created_by) VALUES
				('00000000-0000-4000-8000-000000000002', 'organization/1', 1, 'x', false, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 'ada', 'bob'),
				('00000000-0000-4000-8000-000000000003', 'organization/1', 1, 'y', false, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 'ada', 'ada');
				INSERT INTO members (id, workspace_id, user_id, name, updated_at) VALUES
				('00000000-0000-4000-8000-000000000004', 'organization/1', 'ada', 'Ada', CURRENT_TIMESTAMP);`)
			if err != nil {
				t.Fatal(err)
			}
			const (
				organizations = ".\nIn workspaces of organizations, which keep their tasks: "
				there         = "1 users, 1 tasks, 0 tags, 0 idempotency keys" + organizations +
					"1 memberships, 2 assignments, 1 tasks made by the user, 0 changes by or for the user, 0 reminders.\n"
				none = "0 users, 0 tasks, 0 tags, 0 idempotency keys" + organizations +
					"0 memberships, 0 assignments, 0 tasks made by the user, 0 changes by or for the user, 0 reminders.\n"
			)
			for _, step := range []struct{ flag, want string }{
				{"", `User "ada" has ` + there},
				{"", `User "ada" has ` + there},
				{"--yes", `Of user "ada" were erased: ` + there},
				{"--yes", `Of user "ada" were erased: ` + none},
				{"", `There is nothing of user "ada" here.`},
			} {
				args := []string{"erase", "--user", "ada"}
				if step.flag != "" {
					args = append(args, step.flag)
				}
				out, err := ask(args...)
				if err != nil || !strings.HasPrefix(out, step.want) {
					t.Errorf("%q: %v\n%s", args, err, out)
				}
				if dry := strings.Contains(out, "Nothing was changed"); dry != (step.flag == "" && !strings.HasPrefix(out, "There is nothing")) {
					t.Errorf("%q: %s", args, out)
				}
			}
		})
	}
	for _, args := range [][]string{{"erase"}, {"erase", "--yes"}, {"erase", "ada"}, {"erase", "--user", "ada", "--all"}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, nil, strings.NewReader(""), &out, &out); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), "erase takes --user ID") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
