package account_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"taskql/ent"
	"taskql/internal/account"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// A session that is still accepted doesn't make the row of a removed user again, whether the user's first request comes after
// the removal or at the same time.
func TestRemovedStaysRemoved(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, client *ent.Client) {
		tasks, err := task.New(task.Config{Client: client})
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
			t.Errorf("%d users and %d workspaces are there again", users, workspaces)
		}
	})
}

// A user who was seen a moment ago is looked for again after Forget.
func TestForget(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *account.Service, client *ent.Client) {
		ada := session("u1", "Ada", "ada@example.com", nil)
		if _, err := s.Viewer(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
		tasks, err := task.New(task.Config{Client: client})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tasks.EraseUser(viewer.AsSystem(t.Context()), "u1", nil); err != nil {
			t.Fatal(err)
		}
		s.Forget("u1")
		if _, err := s.Viewer(t.Context(), ada); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("the error is %v", err)
		}
	})
}

// Ensure makes what a first session makes, which then fills in the profile. If somebody else makes the rows, it makes none.
func TestEnsure(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, client *ent.Client) {
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
			t.Errorf("%d users under strict", n)
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

// TestFirstRequestMeetsRemoval: a user's first request and the removal wait for each other, whichever came first.
func TestFirstRequestMeetsRemoval(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
	client := ent.NewClient(ent.Driver(db.Driver()))
	system := viewer.AsSystem(t.Context())
	tasks, err := task.New(task.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := account.New(account.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		// holding is what one of them has done in a transaction when the other begins, ending what it does then.
		holding, ending string
		other           func(id string) error
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
		tx, err := db.SQL.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), c.holding, id); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.other(id) }()
		deadline := time.Now().Add(time.Minute)
		for waiting := 0; waiting == 0; {
			const query = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
			if err := db.SQL.QueryRowContext(t.Context(), query).Scan(&waiting); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the other does not wait", name)
			}
		}
		// The event arrives now, at the latest.
		if _, err := tasks.RemoveUser(system, task.Removal{UserID: id}); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), c.ending, id); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if users, workspaces := client.User.Query().CountX(system), client.Workspace.Query().CountX(system); users+workspaces > 0 {
			t.Errorf("%s: %d users and %d workspaces are there", name, users, workspaces)
		}
	}
}
