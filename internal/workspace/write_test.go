package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	enttag "taskql/ent/tag"
	entworkspace "taskql/ent/workspace"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// result is the result of a mutation of an entity that no package of ours knows. Its rows are stored as tags.
type result struct {
	Tag *ent.Tag
	workspace.Outcome
}

func (r *result) Remembered() any { return &r.Tag }

// create returns the change that creates a row, and counts how often it is applied.
func create(name string, key *string, applied *int) workspace.Change[result] {
	return workspace.Change[result]{
		Name: "createThing", Input: name, IdempotencyKey: key,
		Counter: workspace.Counter{Column: entworkspace.FieldTaskCount, Add: 1},
		Apply: func(ctx context.Context, tx *workspace.Tx) (*result, error) {
			*applied++
			const limit = 2
			if tx.Count > limit {
				var errs workspace.Violations
				errs.Add(workspace.CodeLimitExceeded, "", "There are at most %d things.", limit)
				return workspace.Refuse[result](errs)
			}
			row, err := tx.Tag.Create().SetID(uuid.New()).SetWorkspaceID(tx.Viewer.WorkspaceID).SetVersion(tx.Version).
				SetName(name).SetNameKey([]byte(name)).SetColor("#000000").SetCreatedAt(tx.Now).SetUpdatedAt(tx.Now).Save(ctx)
			tx.MarkChanged()
			return &result{Tag: row}, err
		},
	}
}

// New refuses a Config without a client, a dialect or, on PostgreSQL, QueryRaw.
func TestNewRefusesConfigs(t *testing.T) {
	t.Parallel()
	client := ent.NewClient()
	for want, db := range map[string]workspace.Database{
		"Client":   {Dialect: dialect.SQLite},
		"Dialect":  {Client: client},
		"QueryRaw": {Client: client, Dialect: dialect.Postgres},
	} {
		if _, err := workspace.New(workspace.Config{Database: db}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", want, err)
		}
	}
	if _, err := workspace.New(workspace.Config{Database: workspace.Database{Client: client, Dialect: dialect.SQLite}}); err != nil {
		t.Error(err)
	}
}

// TestWrite makes changes of an entity from outside of the packages that have entities.
func TestWrite(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		s, client := testkit.Workspaces(t, db), db.Client
		v := testkit.MakeViewer(t, client, "alice")
		ctx := viewer.NewContext(t.Context(), v)
		applied, key := 0, "key"
		write := func(c workspace.Change[result]) *result {
			t.Helper()
			r, err := workspace.Write(ctx, s, v, c)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		// want checks the workspace's version and how many rows it counts, and the versions of the rows.
		want := func(version, count int, rows ...int) {
			t.Helper()
			w := client.Workspace.GetX(ctx, v.WorkspaceID)
			if w.Version != version || w.TaskCount != count {
				t.Errorf("version %d and %d rows, want %d and %d", w.Version, w.TaskCount, version, count)
			}
			var versions []int
			for _, row := range client.Tag.Query().Where(workspace.Scope(v)).Order(enttag.ByVersion()).AllX(ctx) {
				versions = append(versions, row.Version)
			}
			if !slices.Equal(versions, rows) {
				t.Errorf("the rows have versions %v, want %v", versions, rows)
			}
			if got, err := s.Version(ctx, v); got != version || err != nil {
				t.Errorf("Version: %d, %v", got, err)
			}
		}
		first := write(create("one", &key, &applied))
		want(1, 1, 1)
		if again := write(create("one", &key, &applied)); again.Tag == nil || again.Tag.ID != first.Tag.ID || applied != 1 {
			t.Errorf("the repeated change returned %+v and was applied %d times", again, applied)
		}
		if other := write(create("two", &key, &applied)); len(other.UserErrors) != 1 || other.UserErrors[0].Code != workspace.CodeKeyReused {
			t.Errorf("another change with the key returned %+v", other)
		}
		write(create("two", nil, &applied))
		want(2, 2, 1, 2)
		if r := write(create("three", nil, &applied)); len(r.UserErrors) != 1 || r.UserErrors[0].Code != workspace.CodeLimitExceeded {
			t.Errorf("a change beyond the limit returned %+v", r)
		}
		want(2, 2, 1, 2)

		second := "second"
		write(workspace.Change[result]{
			Name: "touchThing", IdempotencyKey: &second,
			Apply: func(context.Context, *workspace.Tx) (*result, error) { return &result{}, nil },
		})
		want(2, 2, 1, 2)

		for _, c := range []workspace.Counter{{}, {Column: entworkspace.FieldTaskCount}} {
			err := s.DryRun(ctx, v, c, func(tx *workspace.Tx) error {
				if (tx.Count == 2) != (c.Column != "") {
					t.Errorf("a dry run that counts %q has %d rows", c.Column, tx.Count)
				}
				return tx.Tag.Update().Where(workspace.Scope(v)).SetVersion(100).Exec(ctx)
			})
			if err != nil {
				t.Error(err)
			}
		}
		want(2, 2, 1, 2)

		fast := create("fast", nil, &applied)
		fast.FastPath = func(context.Context) (*result, int, error) { return first, 3, nil }
		if r := write(fast); r != first {
			t.Errorf("the fast path returned %+v", r)
		}
		if !s.Active() || s.Active() {
			t.Error("Active is not true once after changes")
		}

		if err := s.Erase(ctx, v, func(*workspace.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := workspace.Write(ctx, s, v, create("four", nil, &applied)); !errors.Is(err, workspace.ErrNoWorkspace) {
			t.Errorf("a change of a closed workspace returned %v", err)
		}
	})
}

// The fast path doesn't overtake changes that wait.
func TestFastPathWaitsItsTurn(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		s, err := workspace.New(workspace.Config{Database: db, LockWait: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		v := testkit.MakeViewer(t, db.Client, "alice")
		ctx := viewer.NewContext(t.Context(), v)
		taken, done := make(chan struct{}), make(chan struct{})
		var all sync.WaitGroup
		defer all.Wait()
		defer close(done)
		applied := 0
		fast := create("fast", nil, &applied)
		for range 2 {
			slow := fast
			slow.FastPath = func(context.Context) (*result, int, error) {
				taken <- struct{}{}
				<-done
				return &result{}, 1, nil
			}
			all.Go(func() {
				if _, err := workspace.Write(ctx, s, v, slow); err != nil {
					t.Error(err)
				}
			})
			<-taken
		}
		fast.FastPath = func(context.Context) (*result, int, error) {
			t.Error("the fast path was taken")
			return &result{}, 2, nil
		}
		if _, err := workspace.Write(ctx, s, v, fast); !errors.Is(err, workspace.ErrBusy) || applied > 0 {
			t.Errorf("got %v, and the change was applied %d times", err, applied)
		}
	})
}

// TestCondition writes the same condition as Scope.
func TestCondition(t *testing.T) {
	t.Parallel()
	v := viewer.Viewer{UserID: "alice", WorkspaceID: "alice", Role: viewer.RoleAdmin, Location: time.UTC}
	b := workspace.Statement()
	b.WriteString("SELECT id FROM tags t WHERE ").Join(workspace.Condition(v, "t")).WriteString(" AND name = ").Arg("x")
	query, args := b.Query()
	if query != "SELECT id FROM tags t WHERE t.workspace_id = $1 AND name = $2" || !slices.Equal(args, []any{"alice", "x"}) {
		t.Errorf("%s %v", query, args)
	}
}

// TestKeysAreUsers shows that a key is its user's alone, in all workspaces.
func TestKeysAreUsers(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		s, client := testkit.Workspaces(t, db), db.Client
		ann, bob := testkit.MakeViewer(t, client, "ann"), testkit.MakeViewer(t, client, "bob")
		for _, id := range []string{"organization/1", "organization/2"} {
			client.Workspace.Create().SetID(id).ExecX(viewer.AsSystem(t.Context()))
		}
		applied, key := 0, "key"
		write := func(v viewer.Viewer, name string) *result {
			t.Helper()
			r, err := workspace.Write(viewer.NewContext(t.Context(), v), s, v, create(name, &key, &applied))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		code := func(r *result) workspace.Code {
			for _, e := range r.UserErrors {
				return e.Code
			}
			return ""
		}
		one := "organization/1"
		first := write(ann.In(one, viewer.RoleAdmin), "a")
		if code(first) != "" || first.Version() == nil || *first.Version() != 1 {
			t.Fatalf("the first change returned %+v", first)
		}
		if r := write(bob.In(one, viewer.RoleWrite), "c"); code(r) != "" || r.Tag.ID == first.Tag.ID || *r.Version() != 2 {
			t.Errorf("the key of another member returned %+v", r)
		}
		for _, in := range []viewer.Viewer{ann, ann.In("organization/2", viewer.RoleAdmin), ann.In(one, viewer.RoleWrite)} {
			if r := write(in, "b"); code(r) != workspace.CodeKeyReused {
				t.Errorf("the key for another request in %s returned %+v", in.WorkspaceID, r)
			}
		}
		if r := write(ann.In(one, viewer.RoleWrite), "a"); code(r) != "" || r.Tag.ID != first.Tag.ID || *r.Version() != 1 {
			t.Errorf("the repeated change returned %+v", r)
		}
		// Without what it names, the repeated change arrives in the personal workspace.
		var elsewhere *workspace.ElsewhereError
		again := create("a", &key, &applied)
		if r, err := workspace.Write(viewer.NewContext(t.Context(), ann), s, ann, again); !errors.As(err, &elsewhere) || elsewhere.WorkspaceID != one {
			t.Errorf("the change repeated in the personal workspace returned %+v, %v", r, err)
		}
		again.Needs = viewer.RoleAdmin
		if r, err := workspace.Write(viewer.NewContext(t.Context(), ann), s, ann.In(one, viewer.RoleWrite), again); err != nil || code(r) != workspace.CodeForbidden || r.Tag != nil {
			t.Errorf("the change repeated in a weaker role returned %+v, %v", r, err)
		}
		if applied != 2 {
			t.Errorf("the changes were applied %d times, not twice", applied)
		}
		ctx := viewer.AsSystem(t.Context())
		if w := client.Workspace.GetX(ctx, "ann"); w.Version != 0 || w.IdempotencyKeyCount != 1 {
			t.Errorf("ann's workspace has version %d and %d keys, not 0 and 1", w.Version, w.IdempotencyKeyCount)
		}
		// What is deleted for good is forgotten, wherever the answers are stored.
		admin := ann.In(one, viewer.RoleAdmin)
		err := s.Apply(viewer.NewContext(t.Context(), ann), admin, workspace.Counter{}, func(tx *workspace.Tx) error {
			tx.MarkChanged()
			return tx.ForgetAnswers(ctx, first.Tag.ID)
		})
		if err != nil {
			t.Fatal(err)
		}
		if r := write(admin, "a"); code(r) != workspace.CodeNotFound {
			t.Errorf("after its object was deleted for good, the change returned %+v", r)
		}
	})
}

// TestKeysOfBusyUser changes an organization's workspace while something else holds the personal one, which has the keys.
func TestKeysOfBusyUser(t *testing.T) {
	t.Parallel()
	opened := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t)) // SQLite has one lock for all.
	db := workspace.NewDatabase(opened.Driver(), opened.QueryRaw)
	s, err := workspace.New(workspace.Config{Database: db, LockWait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ann := testkit.MakeViewer(t, db.Client, "ann")
	ctx := viewer.NewContext(t.Context(), ann)
	db.Client.Workspace.Create().SetID("organization/1").ExecX(ctx)
	key, applied := "key", 0
	err = s.Apply(ctx, ann, workspace.Counter{}, func(*workspace.Tx) error {
		_, err := workspace.Write(ctx, s, ann.In("organization/1", viewer.RoleWrite), create("a", &key, &applied))
		return err
	})
	if !errors.Is(err, workspace.ErrBusy) || applied > 0 {
		t.Errorf("got %v, and the change was applied %d times", err, applied)
	}
}

// TestKeyInTwoWorkspacesAtOnce sends a key in several workspaces at the same time: one change is made.
func TestKeyInTwoWorkspacesAtOnce(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		s, client := testkit.Workspaces(t, db), db.Client
		ann := testkit.MakeViewer(t, client, "ann")
		ctx := viewer.NewContext(t.Context(), ann)
		viewers := []viewer.Viewer{ann}
		for _, id := range []string{"organization/1", "organization/2", "organization/3"} {
			client.Workspace.Create().SetID(id).ExecX(ctx)
			viewers = append(viewers, ann.In(id, viewer.RoleWrite))
		}
		for round := range 5 {
			key := uuid.NewString()
			var accepted atomic.Int32
			var all sync.WaitGroup
			for i, v := range viewers {
				all.Go(func() {
					applied := 0
					c := create(fmt.Sprint(round, i), &key, &applied)
					c.Counter = workspace.Counter{}
					r, err := workspace.Write(ctx, s, v, c)
					switch {
					case err != nil:
						t.Error(err)
					case len(r.UserErrors) == 0:
						accepted.Add(1)
					case r.UserErrors[0].Code != workspace.CodeKeyReused:
						t.Errorf("in %s: %+v", v.WorkspaceID, r.UserErrors[0])
					}
				})
			}
			all.Wait()
			if n := accepted.Load(); n != 1 {
				t.Errorf("%d changes were made under one key", n)
			}
		}
	})
}
