package importer_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	entproject "taskql/ent/project"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/ent/user"
	"taskql/internal/database"
	"taskql/internal/importer"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// The tables as the original's migrations create them.
const originalSource = `
CREATE TABLE "user" (id text PRIMARY KEY, email text NOT NULL, name text, "emailVerified" boolean, image text, "createdAt" timestamp, "updatedAt" timestamp);
CREATE TABLE tasks (id text PRIMARY KEY, title varchar(255) NOT NULL, description varchar(2000), is_complete boolean NOT NULL DEFAULT false,
  priority int NOT NULL DEFAULT 2, due_date timestamptz, user_id text NOT NULL, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE tags (id text PRIMARY KEY, user_id text NOT NULL, name varchar(80) NOT NULL, color varchar(20));
CREATE TABLE task_tags (task_id text, tag_id text);
INSERT INTO "user" VALUES ('Ada32', 'ada@example.com', 'Ada', true, NULL, '2025-01-02 03:04:05', now()), ('bob', 'bob@example.com', 'Bob', true, NULL, now(), now());
INSERT INTO tags VALUES
  ('10000000-0000-4000-8000-000000000001', 'Ada32', 'Work', '#3B82F6'), ('10000000-0000-4000-8000-000000000002', 'Ada32', 'work', 'red'),
  ('10000000-0000-4000-8000-000000000003', 'bob', 'home', '#abc'), ('10000000-0000-4000-8000-000000000004', 'Ada32', repeat('x', 51), NULL);
INSERT INTO tasks VALUES
  ('00000000-0000-4000-8000-000000000001', ' day ', '  ', false, 1, '2025-03-04 00:00:00+00', 'Ada32', '2025-02-01 10:00:00.123456', '2025-02-02 11:00:00'),
  ('00000000-0000-4000-8000-000000000002', 'moment', 'text', true, 3, '2025-03-04 09:30:00+05', 'Ada32', '2025-02-01 10:00:01', '2025-02-03 12:00:00'),
  ('00000000-0000-4000-8000-000000000003', repeat('y', 201), NULL, false, 2, NULL, 'Ada32', now(), now()),
  ('00000000-0000-4000-8000-000000000004', E'two\nlines', NULL, false, 9, 'infinity', 'Ada32', '2025-02-01 10:00:02', now()),
  ('00000000-0000-4000-8000-000000000005', 'nobody''s', NULL, false, 2, NULL, 'ghost', now(), now()),
  ('00000000-0000-4000-8000-000000000006', 'bob''s', NULL, false, 2, NULL, 'bob', '2025-02-01', '2025-02-01');
INSERT INTO task_tags SELECT '00000000-0000-4000-8000-00000000000' || t, '10000000-0000-4000-8000-00000000000' || g FROM
  (VALUES (1, 1), (1, 2), (2, 1), (2, 3), (4, 4), (6, 3), (9, 1)) v (t, g);`

const originalWant = `Ada32 Ada ada@example.com 2025-01-02T03:04:05Z
tag 10000000-0000-4000-8000-000000000001 Work #3b82f6
task 00000000-0000-4000-8000-000000000001 "day" 1 due 2025-03-04 - open made 2025-02-01T10:00:00.123456Z changed 2025-02-02T11:00:00Z [Work]
task 00000000-0000-4000-8000-000000000002 "moment" "text" 3 due 2025-03-04 2025-03-04T04:30:00Z completed 2025-02-03T12:00:00Z made 2025-02-01T10:00:01Z changed 2025-02-03T12:00:00Z [Work]
task 00000000-0000-4000-8000-000000000004 "two lines" 0 open made 2025-02-01T10:00:02Z []
bob Bob bob@example.com
tag 10000000-0000-4000-8000-000000000003 home #aabbcc
task 00000000-0000-4000-8000-000000000006 "bob's" 2 open made 2025-02-01T00:00:00Z changed 2025-02-01T00:00:00Z [home]
`

var originalReport = []string{ //nolint:gochecknoglobals // A constant table.
	"2 users: 4 tasks, 2 tags and 0 categories taken; 0 tasks, 1 tags and 0 categories were here already",
	"1 task: its title has more than 200 characters\n    \"00000000-0000-4000-8000-000000000003\"",
	"1 tag: its name has more than 50 characters\n    \"10000000-0000-4000-8000-000000000004\"",
	"1 user: there is no such user in the source's table of users; --user takes one all the same\n    \"ghost\"",
	"1 task: its user was not taken\n    \"00000000-0000-4000-8000-000000000005\"",
	"1 tags of tasks that don't exist",
	"1 task: its priority \"9\" is unknown",
	"1 task: its title has line breaks",
	"1 task: the time it is due (due_date) is no time of the years 2 to 9998: it goes without\n    \"00000000-0000-4000-8000-000000000004\": \"infinity\"",
	"2 tasks: one of its tags does not exist, or is another user's, or was not taken",
}

// Another installation: UUIDs, words, days; user ids are text in one table and UUIDs in the other.
const siblingSource = `
CREATE TYPE task_status AS ENUM ('pending', 'in_progress', 'completed');
CREATE TABLE users (id text PRIMARY KEY, email text, name text, created_at timestamptz);
CREATE TABLE tasks (id uuid PRIMARY KEY, title text, description text, completed boolean, status task_status, priority varchar(10),
  due_date date, user_id uuid, created_at timestamptz, updated_at timestamptz, deleted_at timestamptz);
CREATE TABLE tags (id uuid PRIMARY KEY, user_id uuid, name text, color text, created_at timestamp);
CREATE TABLE task_tags (task_id text, tag_id text);
INSERT INTO users VALUES ('ABCDEF00-0000-4000-8000-000000000001', NULL, NULL, '2025-01-01 00:00:00+00');
INSERT INTO tags VALUES ('20000000-0000-4000-8000-000000000001', 'abcdef00-0000-4000-8000-000000000001', 'Haus', NULL, '2025-01-01');
INSERT INTO tasks SELECT ('00000000-0000-4000-8000-00000000001' || n)::uuid, 't' || n, NULL, c, s::task_status, p, d::date, 'abcdef00-0000-4000-8000-000000000001',
  '2025-01-01 00:00:00+00'::timestamptz + n * interval '1 hour', NULL, x::timestamptz
  FROM (VALUES (1, false, 'pending', 'urgent', '2025-05-06', NULL), (2, NULL, 'in_progress', 'none', NULL, NULL), (3, false, 'completed', 'HIGH', 'infinity', NULL),
    (4, true, NULL, NULL, NULL, '2025-02-02 00:00:00+00')) v (n, c, s, p, d, x);
INSERT INTO tasks (id, title, user_id) VALUES ('00000000-0000-4000-8000-000000000019', 'stray', NULL);
INSERT INTO task_tags VALUES ('00000000-0000-4000-8000-000000000011', '20000000-0000-4000-8000-000000000001');`

const siblingWant = `ABCDEF00-0000-4000-8000-000000000001   2025-01-01T00:00:00Z
tag 20000000-0000-4000-8000-000000000001 Haus #d97706
task 00000000-0000-4000-8000-000000000011 "t1" 4 due 2025-05-06 - open made 2025-01-01T01:00:00Z [Haus]
task 00000000-0000-4000-8000-000000000012 "t2" 0 open made 2025-01-01T02:00:00Z []
task 00000000-0000-4000-8000-000000000013 "t3" 3 completed 2025-01-01T03:00:00Z made 2025-01-01T03:00:00Z []
task 00000000-0000-4000-8000-000000000014 "t4" 0 completed 2025-01-01T04:00:00Z made 2025-01-01T04:00:00Z trashed 2025-02-02T00:00:00Z []
`

// The smallest source: numbers as ids, times as text, neither users nor tags.
const leastSource = `
CREATE TABLE task (id serial PRIMARY KEY, title text, status text, user_id text, due_date text);
INSERT INTO task (title, status, user_id, due_date) VALUES ('one', 'done', 'u1', '2025-06-07'), ('two', 'odd', 'u1', '2025-06-07T08:09:10+02:00'), ('  ', NULL, 'u2', 'soon');`

const leastWant = `u1  
task 5ba11d21-7bc2-596e-b3ee-e46ef4e43944 "one" 0 due 2025-06-07 - completed []
task 337acf15-37b3-540f-babe-1ff06269052b "two" 0 due 2025-06-07 2025-06-07T06:09:10Z open []
u2  
`

// createSource creates a database with these statements and returns its URL.
func createSource(t *testing.T, statements string) string {
	t.Helper()
	address := testkit.PostgresURL(t)
	exec(t, address, statements)
	return address
}

func exec(t *testing.T, address, statements string) {
	t.Helper()
	db, err := sql.Open("postgres", testkit.DirectURL(t, address))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

// target is a database to import into.
type target struct {
	db     *database.DB
	client *ent.Client
}

func eachTarget(t *testing.T, test func(t *testing.T, to target)) {
	t.Helper()
	for name, address := range testkit.Databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testkit.OpenDatabase(t, address(t))
			test(t, target{db, ent.NewClient(ent.Driver(db.Driver()))})
		})
	}
}

// run imports into the target and returns the report.
func (to target) run(t *testing.T, c importer.Config) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c.DB, c.Out, c.Log = to.db, &out, slog.New(slog.DiscardHandler)
	err := importer.Run(t.Context(), c)
	return out.String(), err
}

// snapshot returns all rows as text and checks the workspaces' invariants.
func (to target) snapshot(t *testing.T) string {
	t.Helper()
	ctx := viewer.AsSystem(t.Context())
	var b strings.Builder
	near := time.Now().Add(-time.Hour)
	moment := func(label string, at *time.Time) {
		if at != nil && at.Before(near) { // The current time differs from run to run.
			fmt.Fprintf(&b, "%s %s", label, at.UTC().Format(time.RFC3339Nano))
		}
	}
	for _, u := range to.client.User.Query().Order(ent.Asc("id")).AllX(ctx) {
		b.WriteString(u.ID + " " + u.Name + " " + u.Email)
		moment("", &u.CreatedAt)
		b.WriteString("\n")
		for _, g := range to.client.Tag.Query().Where(enttag.WorkspaceID(u.ID)).Order(ent.Asc("id")).AllX(ctx) {
			fmt.Fprintf(&b, "tag %s %s %s\n", g.ID, g.Name, g.Color)
		}
		tasks := to.client.Task.Query().Where(enttask.WorkspaceID(u.ID)).Order(ent.Asc("position")).AllX(ctx)
		for _, e := range tasks {
			fmt.Fprintf(&b, "task %s %q ", e.ID, e.Title)
			if e.Description != nil {
				fmt.Fprintf(&b, "%q ", *e.Description)
			}
			fmt.Fprintf(&b, "%d", e.Priority)
			if e.DueDate != nil {
				b.WriteString(" due " + e.DueDate.UTC().Format(time.DateOnly))
				if e.DueAt == nil {
					b.WriteString(" -")
				}
				moment("", e.DueAt)
			}
			b.WriteString(map[bool]string{true: " completed", false: " open"}[e.Completed])
			moment("", e.CompletedAt)
			moment(" made", &e.CreatedAt)
			moment(" changed", &e.UpdatedAt)
			moment(" trashed", e.DeletedAt)
			var names []string
			for _, l := range to.client.TaskTag.Query().Where(tasktag.TaskID(e.ID)).WithTag().AllX(ctx) {
				names = append(names, l.Edges.Tag.Name)
			}
			slices.Sort(names)
			fmt.Fprintf(&b, " %v\n", names)
		}
		to.checkInvariants(ctx, t, u.ID, tasks)
	}
	return b.String()
}

// checkInvariants checks the count of tasks, the versions and the manual order.
func (to target) checkInvariants(ctx context.Context, t *testing.T, id string, tasks []*ent.Task) {
	t.Helper()
	w := to.client.Workspace.GetX(ctx, id)
	if w.TaskCount != len(tasks) {
		t.Errorf("the workspace %s counts %d tasks and has %d", id, w.TaskCount, len(tasks))
	}
	versions := map[int]bool{}
	for _, g := range to.client.Tag.Query().Where(enttag.WorkspaceID(id)).AllX(ctx) {
		versions[g.Version] = true
	}
	projects := to.client.Project.Query().Where(entproject.WorkspaceID(id)).AllX(ctx)
	for _, p := range projects {
		versions[p.Version] = true
	}
	if w.ProjectCount != len(projects) {
		t.Errorf("the workspace %s counts %d projects and has %d", id, w.ProjectCount, len(projects))
	}
	positions := map[string]bool{}
	for _, e := range tasks {
		versions[e.Version] = true
		if positions[string(e.Position)] || len(e.Position) == 0 || len(e.TitleKey) == 0 || e.SearchText == "" {
			t.Errorf("%s: position %q, key %q, search text %q", e.Title, e.Position, e.TitleKey, e.SearchText)
		}
		positions[string(e.Position)] = true
	}
	for v := range versions {
		if v < 1 || v > w.Version {
			t.Errorf("version %d of %d", v, w.Version)
		}
	}
	if len(versions) != w.Version {
		t.Errorf("%s is at version %d, and its rows have %d of them", id, w.Version, len(versions))
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, source, want string
		report             []string
	}{
		{"original", originalSource, originalWant, originalReport},
		{"sibling", siblingSource, siblingWant, []string{"1 users: 4 tasks, 1 tags and 0 categories taken", "1 tasks without a user", "one column says that it is completed"}},
		{"least", leastSource, leastWant, []string{"2 users: 2 tasks", "its status \"odd\" is unknown", "1 task: its title is blank\n    \"3\""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachTarget(t, func(t *testing.T, to target) {
				c := importer.Config{From: createSource(t, tt.source), DryRun: true}
				dry, err := to.run(t, c)
				if !errors.Is(err, importer.ErrIncomplete) || to.snapshot(t) != "" {
					t.Fatalf("the dry run: %v\n%s\n%s", err, dry, to.snapshot(t))
				}
				c.DryRun = false
				report, err := to.run(t, c)
				if !errors.Is(err, importer.ErrIncomplete) {
					t.Fatal(err)
				}
				if _, rest, _ := strings.Cut(dry, "\n"); rest != report {
					t.Errorf("the dry run promised\n%s\nand this was done\n%s", rest, report)
				}
				for _, want := range tt.report {
					if !strings.Contains(report, want) {
						t.Errorf("the report lacks %q:\n%s", want, report)
					}
				}
				state := to.snapshot(t)
				if state != tt.want {
					t.Errorf("got\n%s\nwant\n%s", state, tt.want)
				}
				again, err := to.run(t, c)
				if !errors.Is(err, importer.ErrIncomplete) || to.snapshot(t) != state || !strings.Contains(again, " 0 tasks, 0 tags and 0 categories taken") {
					t.Errorf("the second time: %v\n%s\n%s", err, again, to.snapshot(t))
				}
			})
		})
	}
}

// manyTasks is a source with one user, who has 900 tasks with 2 tags each.
const manyTasks = originalSource + `
DELETE FROM task_tags; DELETE FROM tasks; DELETE FROM tags;
INSERT INTO tags SELECT 'g' || n, 'Ada32', 'tag ' || n, NULL FROM generate_series(1, 2) n;
INSERT INTO tasks SELECT 't' || n, 'task ' || n, NULL, n % 2 = 0, 2, NULL, 'Ada32', '2025-01-01'::timestamp + n * interval '1 minute', '2025-03-01' FROM generate_series(1, 900) n;
INSERT INTO task_tags SELECT 't' || n, 'g' || m FROM generate_series(1, 900) n, generate_series(1, 2) m;`

// interrupter cancels an import when it first reports progress.
type interrupter struct{ end context.CancelFunc }

func (i interrupter) Write(p []byte) (int, error) {
	i.end()
	return len(p), nil
}

// After an interruption, imported batches are complete, and another import continues.
func TestInterruptedImport(t *testing.T) {
	t.Parallel()
	from := createSource(t, manyTasks)
	eachTarget(t, func(t *testing.T, to target) {
		ctx, end := context.WithCancel(t.Context())
		defer end()
		c := importer.Config{From: from, DB: to.db, Out: &bytes.Buffer{}, Progress: interrupter{end}, Log: slog.New(slog.DiscardHandler)}
		if err := importer.Run(ctx, c); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		half := to.snapshot(t)
		if n := strings.Count(half, "[tag 1 tag 2]"); n == 0 || n == 900 || n != strings.Count(half, "\ntask ") {
			t.Fatalf("%d tasks with their tags, of %d", n, strings.Count(half, "\ntask "))
		}
		report, err := to.run(t, importer.Config{From: from})
		if err != nil {
			t.Fatal(err)
		}
		whole := to.snapshot(t)
		if n := strings.Count(whole, "[tag 1 tag 2]"); n != 900 || !strings.HasPrefix(whole, half) {
			t.Errorf("%d tasks with their tags\n%s", n, report)
		}
		if !strings.Contains(report, "2 tags and 0 categories were here already") {
			t.Error(report)
		}
	})
}

// An import overwrites no changes made here, and no user gets another user's rows.
func TestImportKeepsChanges(t *testing.T) {
	t.Parallel()
	from := createSource(t, originalSource)
	eachTarget(t, func(t *testing.T, to target) {
		ctx := viewer.AsSystem(t.Context())
		testkit.MakeViewer(t, to.client, "eve")
		to.client.Task.Create().SetID(uuid.MustParse("00000000-0000-4000-8000-000000000006")).SetWorkspaceID("eve").SetVersion(0).SetTitle("eve's").SaveX(ctx)
		c := importer.Config{From: from, Users: []string{"bob", "ghost", "nobody"}}
		report, err := to.run(t, c)
		if !errors.Is(err, importer.ErrIncomplete) {
			t.Fatal(err)
		}
		for _, want := range []string{
			"2 users: 1 tasks, 1 tags and 0 categories taken", "1 task: its id is in use here, for something of another user",
			"1 user: there is nothing of this user in the source\n    \"nobody\"",
		} {
			if !strings.Contains(report, want) {
				t.Errorf("the report lacks %q:\n%s", want, report)
			}
		}
		if to.client.User.Query().Where(user.ID("Ada32")).ExistX(ctx) {
			t.Error("a user who is not in Users was copied")
		}
		if _, err := to.run(t, importer.Config{From: from}); !errors.Is(err, importer.ErrIncomplete) {
			t.Fatal(err)
		}
		to.client.User.UpdateOneID("Ada32").SetName("Ada L.").ExecX(ctx)
		to.client.Task.Update().Where(enttask.Title("day")).SetTitle("changed").ExecX(ctx)
		to.client.TaskTag.Delete().ExecX(ctx)
		if _, err := to.run(t, importer.Config{From: from}); !errors.Is(err, importer.ErrIncomplete) {
			t.Fatal(err)
		}
		if to.client.User.GetX(ctx, "Ada32").Name != "Ada L." || !to.client.Task.Query().Where(enttask.Title("changed")).ExistX(ctx) ||
			to.client.TaskTag.Query().ExistX(ctx) {
			t.Error("a change was undone")
		}
	})
}

// Erased users are reported, and others are imported.
func TestErasedUsers(t *testing.T) {
	t.Parallel()
	from := createSource(t, originalSource)
	eachTarget(t, func(t *testing.T, to target) {
		ctx := viewer.AsSystem(t.Context())
		to.client.UserRemoval.Create().SetID(viewer.UserHash("Ada32")).SetFinishedAt(time.Now()).ExecX(ctx)
		for _, dry := range []bool{true, false} {
			report, err := to.run(t, importer.Config{From: from, DryRun: dry})
			if !errors.Is(err, importer.ErrIncomplete) || !strings.Contains(report, "1 users: 1 tasks, 1 tags and 0 categories taken") ||
				!strings.Contains(report, "1 user: the user was erased here a short while ago\n    \"Ada32\"") {
				t.Errorf("%v\n%s", err, report)
			}
		}
		if to.client.User.Query().Where(user.ID("Ada32")).ExistX(ctx) {
			t.Error("the erased user was created again")
		}
	})
}

// What exceeds a workspace's limits is reported, also by a dry run.
func TestLimits(t *testing.T) {
	t.Parallel()
	from := createSource(t, manyTasks)
	eachTarget(t, func(t *testing.T, to target) {
		for _, dry := range []bool{true, false} {
			report, err := to.run(t, importer.Config{From: from, DryRun: dry, MaxTasks: 350, MaxTags: 1, Verbose: true})
			if !errors.Is(err, importer.ErrIncomplete) || !strings.Contains(report, "1 users: 350 tasks, 1 tags and 0 categories taken") ||
				!strings.Contains(report, "550 tasks: A workspace has at most 350 tasks") || !strings.Contains(report, `"t900"`) {
				t.Errorf("%v\n%.600s", err, report)
			}
		}
	})
}

// Run refuses databases that are not a source before it changes anything.
func TestRunRefusesSources(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.SQLiteURL(t))
	to := target{db, ent.NewClient(ent.Driver(db.Driver()))}
	for _, tt := range []struct{ name, from, want string }{
		{"not PostgreSQL", "sqlite:x.db", "must be a PostgreSQL"},
		{"no address", "secret@host", "it has no scheme"},
		{"empty", testkit.PostgresURL(t), "no table tasks"},
		{"one of ours", testkit.MigratedPostgresURL(t), "a database of this server"},
		{"no title", createSource(t, "CREATE TABLE tasks (id int, user_id text)"), "tasks has no column title"},
	} {
		_, err := to.run(t, importer.Config{From: tt.from})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// The URL can name another schema.
func TestSearchPath(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.SQLiteURL(t))
	to := target{db, ent.NewClient(ent.Driver(db.Driver()))}
	from := testkit.DirectURL(t, createSource(t, `CREATE SCHEMA legacy; SET search_path = legacy; CREATE TABLE tasks (id int, user_id text, title text); INSERT INTO tasks VALUES (1, 'u', 'x')`)) // A pooler may refuse the parameter.
	separator := "?"
	if strings.Contains(from, "?") {
		separator = "&"
	}
	report, err := to.run(t, importer.Config{From: from + separator + "search_path=legacy"})
	if err != nil || !strings.Contains(report, "1 tasks, 0 tags and 0 categories taken") {
		t.Errorf("%v\n%s", err, report)
	}
}
