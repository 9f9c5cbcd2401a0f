package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/graph"
	"taskql/internal/config"
	"taskql/internal/database"
)

// maxBytesPerPoint is the most that a mutation stores for each point that it costs. A task with a long description has the most: the
// request pays for a description once, and it is stored twice, as it is and as it is searched.
const maxBytesPerPoint = 3 * 1024

// The requests of each mutation that store most store little for each point that they cost. A mutation that is missing fails the test.
func TestStoredBytesArePaid(t *testing.T) {
	t.Parallel()
	s := newStoredFixture(t)
	inputs, tried, worst := map[string]string{}, map[string]bool{}, 0.0
	for _, f := range graph.Schema().Mutation.Fields {
		inputs[f.Name] = f.Arguments.ForName("input").Type.Name()
	}
	for _, step := range s.steps() {
		input := step.input()
		before, left := s.bytes(), s.left
		s.mutate(inputs[step.mutation], step.mutation, input, "")
		stored, cost := s.bytes()-before, left-s.left
		ratio := float64(stored) / float64(cost)
		t.Logf("%-16s %9d bytes for %5d points: %5.0f", step.mutation, stored, cost, ratio)
		if ratio > maxBytesPerPoint {
			t.Errorf("%s stores %d bytes for %d points", step.mutation, stored, cost)
		}
		worst = max(worst, ratio)
		tried[step.mutation] = true
	}
	for name := range inputs {
		if tried[name] {
			continue
		}
		t.Errorf("no request of %s is tried: add the one that stores most for its points", name)
	}
	if worst < maxBytesPerPoint/4 {
		t.Errorf("the worst request stores %.0f bytes for a point: the bound says nothing", worst)
	}
}

type storedStep struct {
	mutation string
	input    func() map[string]any
}

type storedFixture struct {
	*browser
	t  *testing.T
	db *database.DB
	// left is what is left of the budget, which doesn't fill: the clock stands still.
	left int
	// tags are two lists of 50 tags with names that are as long as they can be, in JSON.
	tags [2][]string
	// tagged are 100 tasks with the first tags.
	tagged []string
}

func newStoredFixture(t *testing.T) *storedFixture {
	t.Helper()
	environ := map[string]string{
		"ENVIRONMENT": "development", "DATABASE_URL": "sqlite:" + filepath.Join(t.TempDir(), "t.db"), "RATE_LIMIT": "1000000000", "LIMIT_COST": "1000000",
	}
	cfg, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	db, err := database.Open(t.Context(), database.Config{URL: cfg.DatabaseURL.Reveal(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	migrations, err := db.Migrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	server, err := New(t.Context(), Config{Config: cfg, DB: db, Migrations: migrations, Log: log, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	s := &storedFixture{browser: newBrowser(t, server), t: t, db: db, left: int(cfg.RateLimit)}
	signUp(t, s.browser)
	for i := range 100 {
		name := fmt.Sprintf("%s%02d", strings.Repeat("<", 48), i)
		s.tags[i%2] = append(s.tags[i%2], s.create("CreateTagInput", "createTag", "tag", map[string]any{"name": name}))
	}
	for range 100 {
		s.tagged = append(s.tagged, s.task(map[string]any{"tagIds": s.tags[0]}))
	}
	return s
}

// bytes returns how many bytes all rows have.
func (s *storedFixture) bytes() int {
	s.t.Helper()
	rows, err := s.db.SQL.QueryContext(s.t.Context(), `SELECT 'SELECT coalesce(sum(' || group_concat('coalesce(length(CAST("' || c.name || '" AS BLOB)), 0)', ' + ') || '), 0) FROM "' || m.name || '"'
		FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' GROUP BY m.name`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var statements []string
	for rows.Next() {
		var statement string
		if err := rows.Scan(&statement); err != nil {
			s.t.Fatal(err)
		}
		statements = append(statements, statement)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	total := 0
	for _, statement := range statements {
		n := 0
		if err := s.db.SQL.QueryRowContext(s.t.Context(), statement).Scan(&n); err != nil {
			s.t.Fatal(err)
		}
		total += n
	}
	return total
}

// mutate sends a mutation, which must not be refused, and returns its payload.
func (s *storedFixture) mutate(inputType, mutation string, input map[string]any, selection string) map[string]any {
	s.t.Helper()
	_, answer := s.post(s.t, graphqlPath, map[string]any{
		"query":     fmt.Sprintf("mutation($i: %s!) { %s(input: $i) { %s userErrors { code message } } }", inputType, mutation, selection),
		"variables": map[string]any{"i": input},
	})
	var got struct {
		Data       map[string]map[string]any
		Extensions struct{ Cost struct{ Remaining int } }
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil || got.Data[mutation] == nil || len(got.Data[mutation]["userErrors"].([]any)) > 0 { //nolint:errcheck // A list.
		s.t.Fatalf("%s: %.500s", mutation, answer)
	}
	s.left = got.Extensions.Cost.Remaining
	return got.Data[mutation]
}

// create makes a tag or a task and returns its id.
func (s *storedFixture) create(inputType, mutation, field string, input map[string]any) string {
	s.t.Helper()
	made := s.mutate(inputType, mutation, input, field+" { id }")
	return made[field].(map[string]any)["id"].(string) //nolint:errcheck // The test fails.
}

// task makes a task with that, and a title.
func (s *storedFixture) task(with map[string]any) string {
	input := map[string]any{"title": "a title"}
	for name, value := range with {
		input[name] = value
	}
	return s.create("CreateTaskInput", "createTask", "task", input)
}

// late makes a task that repeats daily and has missed 1,000 occurrences.
func (s *storedFixture) late() string {
	return s.task(map[string]any{"due": map[string]any{"date": time.Now().AddDate(-3, 0, 0).Format(time.DateOnly)}, "recurrence": map[string]any{"rule": "FREQ=DAILY"}})
}

// family makes a task that repeats with subtasks that have these fields.
func (s *storedFixture) family(n int, with map[string]any) string {
	root := s.late()
	for range n {
		subtask := map[string]any{"parentId": root}
		for name, value := range with {
			subtask[name] = value
		}
		s.task(subtask)
	}
	return root
}

func (s *storedFixture) reminders() []map[string]any {
	var all []map[string]any
	for i := range 20 {
		all = append(all, map[string]any{"at": time.Now().Add(time.Duration(i+24) * time.Hour).UTC().Format(time.RFC3339)})
	}
	return all
}

// steps are requests in their order, for each mutation those that store most for its points.
func (s *storedFixture) steps() []storedStep {
	long := strings.Repeat("\U0001F331", 10_000)
	title := strings.Repeat("<", 200)
	on := func(input map[string]any) func() map[string]any { return func() map[string]any { return input } }
	one := on(map[string]any{"id": s.tagged[0]})
	many := on(map[string]any{"ids": s.tagged})
	patch := func(patch map[string]any) func() map[string]any {
		return on(map[string]any{"ids": s.tagged, "patch": patch})
	}
	reminder, project, section := "", uuid.NewString(), uuid.NewString()
	return []storedStep{
		{"createTag", on(map[string]any{"name": strings.Repeat("\U0001F331", 50)})},
		{"createTask", on(map[string]any{"title": title, "description": long, "tagIds": s.tags[0]})},
		{"createTask", on(map[string]any{"title": title, "tagIds": s.tags[0]})},
		{"updateTask", on(map[string]any{"id": s.tagged[0], "title": title, "tagIds": s.tags[1]})},
		{"updateTasks", patch(map[string]any{"removeTagIds": s.tags[0][:1]})},
		{"updateTasks", patch(map[string]any{"removeTagIds": s.tags[0], "addTagIds": s.tags[1]})},
		{"undoChange", func() map[string]any {
			changed := s.mutate("UpdateTasksInput", "updateTasks", patch(map[string]any{"removeTagIds": s.tags[1], "addTagIds": s.tags[0]})(), "version")
			return map[string]any{"version": changed["version"]}
		}},
		{"updateTask", on(map[string]any{"id": s.tagged[0], "description": long})},
		{"updateTask", on(map[string]any{"id": s.tagged[0], "description": "short"})},
		{"updateTasks", patch(map[string]any{"priority": "HIGH"})},
		{"completeTask", func() map[string]any { return map[string]any{"id": s.late()} }},
		{"completeTask", func() map[string]any {
			return map[string]any{"id": s.family(100, map[string]any{"title": title, "tagIds": s.tags[0]})}
		}},
		{"completeTasks", func() map[string]any {
			return map[string]any{"ids": []string{s.family(20, map[string]any{"description": long}), s.late(), s.late()}}
		}},
		{"skipOccurrence", func() map[string]any { return map[string]any{"id": s.late(), "number": 1} }},
		{"setReminders", on(map[string]any{"taskId": s.tagged[0], "reminders": s.reminders()})},
		{"setReminders", on(map[string]any{"taskId": s.tagged[0], "reminders": s.reminders()[:1]})},
		{"snoozeReminder", func() map[string]any {
			set := s.mutate("SetRemindersInput", "setReminders", map[string]any{"taskId": s.tagged[0], "reminders": s.reminders()[:1]}, "task { reminders { id } }")
			reminder = set["task"].(map[string]any)["reminders"].([]any)[0].(map[string]any)["id"].(string) //nolint:errcheck // The test fails.
			return map[string]any{"id": reminder, "until": time.Now().AddDate(0, 1, 0).UTC().Format(time.RFC3339)}
		}},
		{"dismissReminder", func() map[string]any { return map[string]any{"id": reminder} }},
		{"createReminder", on(map[string]any{"taskId": s.tagged[0], "reminder": s.reminders()[1]})},
		{"deleteReminder", func() map[string]any { return map[string]any{"id": reminder} }},
		{"completeTasks", many},
		{"reopenTask", one},
		{"reopenTasks", many},
		{"moveTask", one},
		{"updateTag", on(map[string]any{"id": s.tags[0][0], "name": strings.Repeat(">", 50)})},
		{"deleteTag", on(map[string]any{"id": s.tags[0][1]})},
		{"deleteTask", one},
		{"restoreTask", one},
		{"deleteTasks", many},
		{"restoreTasks", many},
		{"createProject", on(map[string]any{"id": project, "name": "project", "description": long})},
		{"updateProject", on(map[string]any{"id": project, "description": long[4:] + "."})},
		{"createSection", on(map[string]any{"id": section, "projectId": project, "name": strings.Repeat("\U0001F331", 100)})},
		{"updateSection", on(map[string]any{"id": section, "name": strings.Repeat(">", 100)})},
		{"moveSection", on(map[string]any{"id": section})},
		{"moveProject", on(map[string]any{"id": project})},
		{"updateTasks", patch(map[string]any{"sectionId": section})},
		{"deleteSection", on(map[string]any{"id": section})},
		{"archiveProject", on(map[string]any{"id": project})},
		{"unarchiveProject", on(map[string]any{"id": project})},
		{"deleteProject", on(map[string]any{"id": project})},
		{"restoreProject", on(map[string]any{"id": project})},
		{"deleteTask", one},
		{"purgeTask", one},
		{"emptyTrash", on(map[string]any{})},
		{"updateViewer", on(map[string]any{"timeZone": "America/Argentina/ComodRivadavia"})},
	}
}
