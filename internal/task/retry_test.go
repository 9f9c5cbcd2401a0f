package task_test

import (
	"testing"

	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// If PostgreSQL rolls a transaction back, because of another transaction or a read-only connection, the change is repeated and
// has its effect once, whether it is one statement or a transaction that has already read tags. After three attempts the error is
// returned.
func TestRetries(t *testing.T) {
	t.Parallel()
	for table, tagged := range map[string]bool{"tasks": false, "task_tags": true} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
			env := newTestEnv(t, db.Driver(), task.Limits{})
			ctx, v := env.newUser(t, "ada")
			tags := []string(nil)
			if tagged {
				tags = []string{env.createTag(ctx, t, v, "tag").ID.String()}
			}
			before := workspaceVersion(ctx, t, env, v)
			codes := []string{"40001", "40P01"}
			if tagged { // The pool also repeats a statement outside of a transaction.
				codes = append(codes, "25006")
			}
			for _, code := range codes {
				for _, refusals := range []int{2, 3} {
					testkit.FailWrites(t, db.SQL, table, code, refusals)
					r, err := env.Create(ctx, v, task.CreateInput{Title: code, TagIDs: tags})
					if made := err == nil && len(r.UserErrors) == 0; made != (refusals < 3) {
						t.Errorf("%s %d times: %+v, %v", code, refusals, r, err)
					}
				}
			}
			if n := env.client.Task.Query().CountX(viewer.AsSystem(ctx)); n != len(codes) {
				t.Errorf("%d tasks, want %d", n, len(codes))
			}
			if got := workspaceVersion(ctx, t, env, v); got != before+len(codes) {
				t.Errorf("version %d after %d, want %d more", got, before, len(codes))
			}
		})
	}
}
