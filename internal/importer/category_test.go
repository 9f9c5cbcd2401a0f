package importer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	entproject "taskql/ent/project"
	enttask "taskql/ent/task"
	"taskql/internal/importer"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// A sibling of the original with a table of categories, of which two are everybody's, and with names of categories that are older than
// the table.
const categorySource = `
CREATE TABLE categories (id uuid PRIMARY KEY, user_id text, name text, color text, description text, sort_order int, created_at timestamp);
CREATE TABLE tasks (id text, title text, user_id text, category_id uuid, category text, is_deleted boolean);
INSERT INTO categories VALUES
  ('30000000-0000-4000-8000-000000000001', 'ada', 'Work', '#0A0', 'At the office', 2, '2025-01-02'),
  ('30000000-0000-4000-8000-000000000002', 'ada', ' Home ', 'red', ' ', 1, '2025-01-01'),
  ('30000000-0000-4000-8000-000000000003', 'ada', repeat('x', 101), NULL, NULL, 3, NULL),
  ('30000000-0000-4000-8000-000000000004', 'ada', ' ', NULL, NULL, 4, NULL),
  ('30000000-0000-4000-8000-000000000005', 'ada', 'WORK', NULL, NULL, 5, NULL),
  ('30000000-0000-4000-8000-000000000006', 'ada', 'Long text', NULL, repeat('y', 10001), 6, NULL),
  ('30000000-0000-4000-8000-000000000007', 'bob', 'His', NULL, NULL, 1, NULL),
  ('30000000-0000-4000-8000-000000000008', NULL, 'Personal', NULL, NULL, 1, NULL),
  ('30000000-0000-4000-8000-000000000009', NULL, 'Nobody uses this', NULL, NULL, 2, NULL);
INSERT INTO tasks SELECT n::text, title, user_id, ('30000000-0000-4000-8000-00000000000' || c)::uuid, category, n = 12 FROM (VALUES
  (10, 'in Work', 'ada', 1, 'its name counts less'), (11, 'in Home', 'ada', 2, NULL), (12, 'trashed', 'ada', 1, NULL), (13, 'too long', 'ada', 3, NULL),
  (14, 'blank', 'ada', 4, NULL), (15, 'in WORK', 'ada', 5, NULL), (16, 'bob''s', 'ada', 7, NULL), (17, 'shared', 'ada', 8, NULL), (18, 'in none', 'ada', NULL, ' '),
  (19, 'named', 'ada', NULL, 'Garden '), (20, 'named in capitals', 'ada', NULL, 'GARDEN'), (21, 'named as a row', 'ada', NULL, 'home'),
  (22, 'named too long', 'ada', NULL, repeat('z', 101)), (30, 'shared, too', 'bob', 8, NULL), (31, 'unknown', 'bob', 0, NULL)) v (n, title, user_id, c, category);`

const categoryWant = `ada
project Home #d97706 - 2025-01-01: in Home, named as a row
project Work #00aa00 At the office 2025-01-02: in Work, trashed, in WORK
project Personal #0d9488 -: shared
project GARDEN #dc2626 -: named, named in capitals
in none: too long, blank, bob's, in none, named too long
bob
project His #db2777 -: 
project Personal #0d9488 -: shared, too
in none: unknown
`

// projects returns the users' projects with their tasks.
func (to target) projects(t *testing.T) string {
	t.Helper()
	ctx := viewer.AsSystem(t.Context())
	var b strings.Builder
	titles := func(workspace string, project *uuid.UUID) string {
		q := to.client.Task.Query().Where(enttask.WorkspaceID(workspace)).Order(ent.Asc(enttask.FieldPosition))
		if project != nil {
			q.Where(enttask.ProjectID(*project))
		} else {
			q.Where(enttask.ProjectIDIsNil())
		}
		return strings.Join(q.Select(enttask.FieldTitle).StringsX(ctx), ", ")
	}
	for _, w := range to.client.Workspace.Query().Order(ent.Asc("id")).AllX(ctx) {
		b.WriteString(w.ID + "\n")
		projects := to.client.Project.Query().Where(entproject.WorkspaceID(w.ID)).Order(ent.Asc(entproject.FieldPosition)).AllX(ctx)
		for _, p := range projects {
			description, made := "-", ""
			if p.Description != nil {
				description = *p.Description
			}
			if p.CreatedAt.Year() == 2025 {
				made = " " + p.CreatedAt.Format(time.DateOnly)
			}
			fmt.Fprintf(&b, "project %s %s %s%s: %s\n", p.Name, p.Color, description, made, titles(w.ID, &p.ID))
		}
		if w.ProjectCount != len(projects) {
			t.Errorf("%s counts %d projects of %d", w.ID, w.ProjectCount, len(projects))
		}
		fmt.Fprintf(&b, "in none: %s\n", titles(w.ID, nil))
	}
	return b.String()
}

// Categories become projects, once however often they are imported; what can't is reported, and its tasks are imported all the same.
func TestCategories(t *testing.T) {
	t.Parallel()
	from := createSource(t, categorySource)
	eachTarget(t, func(t *testing.T, to target) {
		for _, run := range []struct{ dry, again bool }{{dry: true}, {}, {again: true}} {
			report, err := to.run(t, importer.Config{From: from, DryRun: run.dry, Verbose: true})
			if !errors.Is(err, importer.ErrIncomplete) {
				t.Fatalf("%+v: %v\n%s", run, err, report)
			}
			lines := []string{
				"2 categories: its name has more than 100 characters\n    \"30000000-0000-4000-8000-000000000003\"",
				"1 category: its name is blank\n    \"30000000-0000-4000-8000-000000000004\"",
				"1 category: its description has more than 10000 characters\n    \"30000000-0000-4000-8000-000000000006\"",
			}
			if run.again {
				lines = append(lines, "0 tasks, 0 tags and 0 categories taken; 15 tasks, 0 tags and 8 categories were here already")
			} else {
				lines = append(lines, "15 tasks, 0 tags and 6 categories taken; 0 tasks, 0 tags and 2 categories were here already",
					"1 category: its color is not #rrggbb", "5 tasks: its category does not exist, or is another user's, or was not taken")
			}
			for _, want := range lines {
				if !strings.Contains(report, want) {
					t.Errorf("%+v: the report lacks %q:\n%s", run, want, report)
				}
			}
			got := to.projects(t)
			if want := categoryWant; run.dry && got != "" || !run.dry && got != want {
				t.Errorf("%+v: got\n%s\nwant\n%s", run, got, want)
			}
		}
	})
}

// Without a column for the user, all categories are everybody's, and those without tasks are not imported.
func TestSharedCategories(t *testing.T) {
	t.Parallel()
	from := createSource(t, `
CREATE TABLE category (id serial, name text);
CREATE TABLE tasks (id int, title text, user_id text, category_id int);
INSERT INTO category (name) VALUES ('Work'), ('Home'), ('Unused');
INSERT INTO tasks VALUES (1, 'a', 'ada', 1), (2, 'b', 'bob', 1), (3, 'c', 'bob', 2);`)
	eachTarget(t, func(t *testing.T, to target) {
		const want = "ada\nproject Work #dc2626 -: a\nin none: \nbob\nproject Work #dc2626 -: b\nproject Home #d97706 -: c\nin none: \n"
		for range 2 {
			if report, err := to.run(t, importer.Config{From: from}); err != nil {
				t.Fatalf("%v\n%s", err, report)
			}
			if got := to.projects(t); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		}
	})
}

// A table with the name of the categories' may be another one: here it says which tasks have which categories.
func TestTableIsNotOfCategories(t *testing.T) {
	t.Parallel()
	from := createSource(t, `
CREATE TABLE task_categories (task_id int, category_id int);
CREATE TABLE tasks (id int, title text, user_id text, category_id int);
INSERT INTO tasks VALUES (1, 'a', 'ada', 1);`)
	eachTarget(t, func(t *testing.T, to target) {
		if report, err := to.run(t, importer.Config{From: from}); err != nil {
			t.Fatalf("%v\n%s", err, report)
		}
		if got, want := to.projects(t), "ada\nin none: a\n"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// categoryNames is a source whose tasks name their categories.
const categoryNames = `
CREATE TABLE tasks (id int, title text, user_id text, category text);
INSERT INTO tasks SELECT n, 'task ' || n, 'ada', 'category ' || n % 3 FROM generate_series(1, 6) n;`

// Projects are limited, also in a dry run. The tasks of those that are too many are imported.
func TestTooManyCategories(t *testing.T) {
	t.Parallel()
	from := createSource(t, categoryNames)
	eachTarget(t, func(t *testing.T, to target) {
		for _, dry := range []bool{true, false} {
			report, err := to.run(t, importer.Config{From: from, DryRun: dry, MaxProjects: 2})
			if !errors.Is(err, importer.ErrIncomplete) || !strings.Contains(report, "6 tasks, 0 tags and 2 categories taken") ||
				!strings.Contains(report, "1 category: A workspace has at most 2 projects.\n    \"category 2\"") || !strings.Contains(report, "2 tasks: its category does not exist") {
				t.Errorf("%v\n%s", err, report)
			}
		}
	})
}

// Whatever was done here to a project, another import finds it, and puts new tasks into it unless it is in the trash. A project that
// was made here is used if it has the name of a category.
func TestChangedProjects(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, to target) {
		from := createSource(t, categoryNames)
		ctx := viewer.AsSystem(t.Context())
		if report, err := to.run(t, importer.Config{From: from}); err != nil {
			t.Fatalf("%v\n%s", err, report)
		}
		change := func(name string) *ent.ProjectUpdate { return to.client.Project.Update().Where(entproject.Name(name)) }
		change("category 0").SetName("renamed").ExecX(ctx)
		archived := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
		change("category 1").SetArchivedAt(archived).ExecX(ctx)
		change("category 2").SetDeletedAt(archived).ExecX(ctx)
		to.client.Project.Create().SetID(uuid.New()).SetWorkspaceID("ada").SetVersion(0).SetName("Made here").SetColor("#000000").SetPosition([]byte("z0")).ExecX(ctx)
		to.client.Workspace.UpdateOneID("ada").AddProjectCount(1).ExecX(ctx)
		exec(t, from, `INSERT INTO tasks SELECT 10 + n, 'later ' || n, 'ada', 'category ' || n % 3 FROM generate_series(1, 3) n; INSERT INTO tasks VALUES (20, 'last', 'ada', 'made HERE');`)
		report, err := to.run(t, importer.Config{From: from})
		if !errors.Is(err, importer.ErrIncomplete) || !strings.Contains(report, "4 tasks, 0 tags and 0 categories taken; 6 tasks, 0 tags and 4 categories were here already") ||
			!strings.Contains(report, "1 task: its category does not exist, or is another user's, or was not taken, or its project is in the trash here: it goes without\n    \"12\"") {
			t.Errorf("%v\n%s", err, report)
		}
		const want = `ada
project renamed #ea580c -: task 3, task 6, later 3
project category 1 #d97706 -: task 1, task 4, later 1
project category 2 #65a30d -: task 2, task 5
project Made here #000000 -: last
in none: later 2
`
		if got := to.projects(t); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if at := to.client.Task.Query().Where(enttask.Title("later 1")).OnlyX(ctx).HiddenAt; at == nil || !at.Equal(archived) {
			t.Errorf("the task in the archived project is hidden at %v", at)
		}
	})
}

// A category whose id another user's project has here is not imported, and the project stays as it is.
func TestCategoryOfAnotherUser(t *testing.T) {
	t.Parallel()
	from := createSource(t, categorySource)
	eachTarget(t, func(t *testing.T, to target) {
		ctx := viewer.AsSystem(t.Context())
		testkit.MakeViewer(t, to.client, "eve")
		id := uuid.MustParse("30000000-0000-4000-8000-000000000002")
		to.client.Project.Create().SetID(id).SetWorkspaceID("eve").SetVersion(0).SetName("hers").SetColor("#000000").SetPosition([]byte("a0")).ExecX(ctx)
		report, err := to.run(t, importer.Config{From: from, Users: []string{"ada"}, Verbose: true})
		if !errors.Is(err, importer.ErrIncomplete) || !strings.Contains(report, "1 category: its id is in use here, for something of another user\n    \""+id.String()) {
			t.Errorf("%v\n%s", err, report)
		}
		if p := to.client.Project.GetX(ctx, id); p.WorkspaceID != "eve" || p.Name != "hers" || to.client.Task.Query().Where(enttask.ProjectID(id)).ExistX(ctx) {
			t.Errorf("the project is %v, or has tasks", p)
		}
	})
}
