package account_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"taskql/internal/account"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// A session that is still valid doesn't create the row of a removed user again, whether its request comes after the removal or
// at the same time.
func TestRemovedUsersAreNotCreated(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		client := db.Client
		tasks, err := task.New(task.Config{Workspaces: testkit.Workspaces(t, db)})
		if err != nil {
			t.Fatal(err)
		}
		system := viewer.AsSystem(t.Context())
		for n := range 20 {
			id := fmt.Sprint("u", n)
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					replica, err := account.New(account.Config{Client: client})
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := replica.Viewer(t.Context(), session(id, "Ada", "ada@example.com", nil)); err != nil && !errors.Is(err, account.ErrNotFound) {
						t.Error(err)
					}
					if err := replica.Ensure(t.Context(), id); err != nil && !errors.Is(err, account.ErrNotFound) {
						t.Error(err)
					}
				})
			}
			wg.Go(func() {
				if _, err := tasks.EraseUser(system, id, nil); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
		}
		if users, workspaces := client.User.Query().CountX(system), client.Workspace.Query().CountX(system); users+workspaces > 0 {
			t.Errorf("%d users and %d workspaces were created again", users, workspaces)
		}
	})
}

// After Forget, the row of a cached user is read again.
func TestForget(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		s, err := account.New(account.Config{Client: db.Client})
		if err != nil {
			t.Fatal(err)
		}
		ada := session("u1", "Ada", "ada@example.com", nil)
		if _, err := s.Viewer(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
		tasks, err := task.New(task.Config{Workspaces: testkit.Workspaces(t, db)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tasks.EraseUser(viewer.AsSystem(t.Context()), "u1", nil); err != nil {
			t.Fatal(err)
		}
		s.Forget("u1")
		if _, err := s.Viewer(t.Context(), ada); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

// Ensure creates the same rows as a first session, without the profile. With Strict it creates none.
func TestEnsure(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		client := db.Client
		ensure := func(provisioning account.Provisioning) *account.Service {
			t.Helper()
			s, err := account.New(account.Config{Client: client, Provisioning: provisioning})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := s.Ensure(t.Context(), "u1"); err != nil {
					t.Fatal(err)
				}
			}
			return s
		}
		ensure(account.Strict)
		if n := client.User.Query().CountX(viewer.AsSystem(t.Context())); n > 0 {
			t.Errorf("Strict: Ensure created %d users", n)
		}
		s := ensure(account.Auto)
		v, err := s.Viewer(t.Context(), session("u1", "Ada", "ada@example.com", nil))
		if err != nil {
			t.Fatal(err)
		}
		if u, err := s.User(viewer.NewContext(t.Context(), v), v, "u1"); err != nil || u.Name != "Ada" || u.Email != "ada@example.com" {
			t.Errorf("%v, %v", u, err)
		}
	})
}

// A user's first request and the removal of the user wait for each other, in either order.
func TestFirstRequestDuringRemoval(t *testing.T) {
	t.Parallel()
	postgres := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
	db := testkit.Database(postgres.Driver())
	client := db.Client
	system := viewer.AsSystem(t.Context())
	tasks, err := task.New(task.Config{Workspaces: testkit.Workspaces(t, db)})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := account.New(account.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		// before is the statement of the first transaction before the other one begins, after the one that follows.
		before, after string
		other         func(id string) error
	}{
		"the request first": {
			`INSERT INTO workspaces (id, created_at) VALUES ($1, now())`,
			`INSERT INTO users (id, name, email, created_at, updated_at) VALUES ($1, 'Ada', 'ada@example.com', now(), now())`,
			func(id string) error {
				_, err := tasks.EraseUser(system, id, nil)
				return err
			},
		},
		"the removal first": {
			`INSERT INTO workspaces (id, created_at, closed_at) VALUES ($1, now(), now())`, `DELETE FROM workspaces WHERE id = $1`,
			func(id string) error {
				_, err := accounts.Viewer(t.Context(), session(id, "Ada", "ada@example.com", nil))
				if !errors.Is(err, account.ErrNotFound) {
					return fmt.Errorf("the request got: %v", err) //nolint:errorlint // It may be nil.
				}
				return nil
			},
		},
	} {
		id := name
		tx, err := postgres.SQL.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), c.before, id); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.other(id) }()
		deadline := time.Now().Add(time.Minute)
		for waiting := 0; waiting == 0; {
			const query = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
			if err := postgres.SQL.QueryRowContext(t.Context(), query).Scan(&waiting); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the second one does not wait", name)
			}
		}
		// The event has arrived by now.
		if _, err := tasks.RemoveUser(system, task.Removal{UserID: id}); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), c.after, id); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if users, workspaces := client.User.Query().CountX(system), client.Workspace.Query().CountX(system); users+workspaces > 0 {
			t.Errorf("%s: %d users and %d workspaces are left", name, users, workspaces)
		}
	}
}
