package task_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	enttask "taskql/ent/task"
	"taskql/internal/database"
	"taskql/internal/feed"
	"taskql/internal/history"
	"taskql/internal/recurrence"
	"taskql/internal/reminder"
	"taskql/internal/task"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// yearPlan is how long a simulated user works, with how many tasks, and how long the server keeps what it cleans up.
type yearPlan struct {
	days, tasks int
	keep        time.Duration
}

// simulatedYear is a user whose days pass by the test's clock.
type simulatedYear struct {
	*testing.T
	*testEnv

	yearPlan

	ctx         context.Context //nolint:containedctx // It lives as long as the test.
	viewer      viewer.Viewer
	random      *rand.Rand
	db          *database.DB
	driver      *recorder
	reminders   *reminder.Service
	recurrences *recurrence.Service
	history     *history.Service
	feed        *feed.Service
	tags        []string
	// done counts what was done, by its name.
	done map[string]int
	// perDay is what each day's changes may have left.
	perDay []yearDay
	// remembered are the last completed and deleted tasks, and the version of the last change.
	completed, deleted []string
	version            int
}

// yearDay is what the changes of a day may have left in the tables.
type yearDay struct{ keys, activities, gone int }

// A month of a user's work leaves the rows that it explains, and pages stay as fast as on the first day.
func TestMonth(t *testing.T) {
	t.Parallel()
	simulateYear(t, yearPlan{days: 31, tasks: 200, keep: 7 * 24 * time.Hour})
}

// The same of a year, with the retention that the server has by default.
func TestFaultsYear(t *testing.T) {
	testkit.Suite(t, "faults")
	simulateYear(t, yearPlan{days: 365, tasks: 1_000, keep: 90 * 24 * time.Hour})
}

func simulateYear(t *testing.T, plan yearPlan) {
	t.Helper()
	for name, address := range testkit.Databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			y := newSimulatedYear(t, testkit.OpenDatabase(t, address(t)), plan)
			y.fillOthers()
			y.begin()
			y.day()
			first := y.measure()
			for range plan.days - 1 {
				y.day()
			}
			t.Logf("%d days in %s: %v", plan.days, time.Since(begun).Round(time.Millisecond), y.done)
			y.checkSeries(y.ctx, t, y.viewer)
			y.checkInvariants(y.ctx, t, y.viewer)
			y.checkTables()
			y.comparePages(first, y.measure())
		})
	}
}

func newSimulatedYear(t *testing.T, db *database.DB, plan yearPlan) *simulatedYear {
	t.Helper()
	y := &simulatedYear{T: t, yearPlan: plan, db: db, driver: &recorder{Driver: db.Driver()}, random: rand.New(rand.NewPCG(17, 1)), done: map[string]int{}}
	clock := newClock()
	clock.set(time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC))
	c := workspace.Config{LockWait: time.Minute, FeedAge: plan.keep, Database: testkit.Database(db.Driver())}
	c.Client, c.Now = ent.NewClient(ent.Driver(y.driver)), clock.Now
	if c.QueryRaw != nil {
		c.QueryRaw = y.driver.QueryRaw
	}
	y.testEnv = &testEnv{client: ent.NewClient(ent.Driver(db.Driver())), clock: clock}
	var err error
	y.workspaces, err = workspace.New(c)
	y.must(err)
	y.reminders, err = reminder.New(reminder.Config{Workspaces: y.workspaces})
	y.must(err)
	y.Service, err = task.New(task.Config{Workspaces: y.workspaces, Reminders: y.reminders})
	y.must(err)
	y.recurrences, err = recurrence.New(recurrence.Config{Workspaces: y.workspaces, UnusedAge: plan.keep})
	y.must(err)
	y.history, err = history.New(history.Config{Workspaces: y.workspaces, Age: plan.keep})
	y.must(err)
	y.feed, err = feed.New(feed.Config{Workspaces: y.workspaces, Reset: func(feed.ResetReason) {}})
	y.must(err)
	y.ctx, y.viewer = y.newUser(t, "user")
	y.viewer.Location, err = time.LoadLocation("Europe/Berlin")
	y.must(err)
	return y
}

// seriesOfYear are the rules of the user's series, and how many there are of each.
var seriesOfYear = []struct { //nolint:gochecknoglobals // A table.
	count int
	in    recurrence.Input
}{
	{5, recurrence.Input{Rule: "FREQ=DAILY"}},
	{2, recurrence.Input{Rule: "FREQ=DAILY", CatchUp: recurrence.Each}},
	{5, recurrence.Input{Rule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"}},
	{12, recurrence.Input{Rule: "FREQ=WEEKLY"}},
	{3, recurrence.Input{Rule: "FREQ=WEEKLY;INTERVAL=2", CatchUp: recurrence.Each}},
	{6, recurrence.Input{Rule: "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD"}},
	{4, recurrence.Input{Rule: "FREQ=MONTHLY;BYDAY=1MO"}},
	{5, recurrence.Input{Rule: "FREQ=YEARLY"}},
	{5, recurrence.Input{Rule: "FREQ=DAILY;INTERVAL=3", Mode: recurrence.AfterCompletion}},
	{3, recurrence.Input{Rule: "FREQ=MONTHLY", Mode: recurrence.AfterCompletion}},
}

// begin makes the tags, the series and half of the tasks.
func (y *simulatedYear) begin() {
	y.perDay = append(y.perDay, yearDay{})
	for i := range 8 {
		r, err := y.CreateTag(y.ctx, y.viewer, task.CreateTagInput{Name: fmt.Sprint("tag ", i)})
		if err != nil || len(r.UserErrors) > 0 {
			y.Fatal(err, r)
		}
		y.tags = append(y.tags, r.Tag.ID.String())
	}
	n := 0
	for _, kind := range seriesOfYear {
		for range kind.count {
			y.startSeries(n, kind.in)
			n++
		}
	}
	for range y.tasks / 2 {
		y.create()
	}
	y.clean()
}

// startSeries makes the nth series. Every other one has a time of day and a reminder, every fifth subtasks.
func (y *simulatedYear) startSeries(n int, in recurrence.Input) {
	in.Mode, in.CatchUp = cmp.Or(in.Mode, recurrence.Schedule), cmp.Or(in.CatchUp, recurrence.NextFuture)
	day := y.today() // The first Monday of its month.
	switch {
	case strings.Contains(in.Rule, "BYMONTHDAY"):
		day = time.Date(day.Year(), 1, 31, 0, 0, 0, 0, time.UTC)
	case !strings.Contains(in.Rule, "BYDAY"):
		day = day.AddDate(0, 0, n%7)
	}
	due := &task.DueInput{Date: &day}
	if n%2 == 0 {
		at := time.Date(day.Year(), day.Month(), day.Day(), 8+n%10, 30, 0, 0, y.viewer.Location).UTC()
		due = &task.DueInput{At: &task.MomentInput{At: at, TimeZone: ptr("Europe/Berlin")}}
	}
	e := mustSucceed(y.T)(y.Create(y.ctx, y.viewer, task.CreateInput{
		Title: fmt.Sprint("series ", n), Description: y.text(), Due: due, Recurrence: &in, TagIDs: y.someTags(), IdempotencyKey: y.key(),
	}))
	y.wrote(1)
	y.done["begin series"]++
	y.done["create for series"]++
	if n%2 == 0 {
		y.remind(e.ID, &reminder.Input{MinutesBefore: ptr(15)})
	}
	if n%5 == 0 {
		for i := range 2 {
			y.createSubtask(y.ctx, y.T, y.viewer, e, fmt.Sprint("step ", i))
			y.wrote(1)
			y.done["create for series"]++
		}
	}
}

func (y *simulatedYear) today() time.Time {
	year, month, day := y.clock.Now().In(y.viewer.Location).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// key returns a new idempotency key: the user's client sends one with each change.
func (y *simulatedYear) key() *string {
	y.perDay[len(y.perDay)-1].keys++
	return ptr(uuid.NewString())
}

// wrote notes that a change may have left activities of so many tasks.
func (y *simulatedYear) wrote(tasks int) { y.perDay[len(y.perDay)-1].activities += tasks }

// did counts a change.
func (y *simulatedYear) did(what string, o workspace.Outcome) {
	y.clock.advance(time.Minute)
	if len(o.UserErrors) > 0 {
		what += " refused"
	} else if v := o.Version(); v != nil {
		y.version = *v
	}
	y.done[what]++
}

func (y *simulatedYear) text() *string {
	return ptr(strings.TrimSpace(strings.Repeat(pick(y.random, "call ", "then write ", "ask for the figures "), 5+y.random.IntN(20))))
}

func (y *simulatedYear) someTags() []string {
	n := y.random.IntN(len(y.tags) - 1)
	return y.tags[n : n+y.random.IntN(3)]
}

func (y *simulatedYear) create() {
	in := task.CreateInput{Title: fmt.Sprint("task ", y.done["create"]), TagIDs: y.someTags(), IdempotencyKey: y.key()}
	if y.random.IntN(2) == 0 {
		in.Description = y.text()
	}
	if y.random.IntN(3) > 0 {
		in.Due = &task.DueInput{Date: ptr(y.today().AddDate(0, 0, y.random.IntN(30)))}
	}
	r, err := y.Create(y.ctx, y.viewer, in)
	e := mustSucceed(y.T)(r, err)
	y.wrote(1)
	y.did("create", r.Outcome)
	if in.Due != nil && y.random.IntN(3) == 0 {
		y.remind(e.ID, &reminder.Input{DayBefore: &reminder.Day{Days: y.random.IntN(3), Time: 9 * 60}})
	}
}

func (y *simulatedYear) remind(id uuid.UUID, in *reminder.Input) {
	r, err := y.reminders.Set(y.ctx, y.viewer, reminder.SetInput{TaskID: id.String(), Reminders: []*reminder.Input{in}, IdempotencyKey: y.key()})
	if err != nil || len(r.UserErrors) > 0 {
		y.Fatal(err, r)
	}
	y.done["remind"]++
}

// day lets a day pass.
func (y *simulatedYear) day() {
	n := len(y.perDay)
	y.perDay = append(y.perDay, yearDay{})
	y.driver.statements = nil
	y.clock.set(time.Date(2026, 1, 5+n, 6, 0, 0, 0, time.UTC))
	y.fire()
	if n%180 < 166 { // There are holidays.
		y.work()
	}
	if y.fire(); n%30 == 0 {
		r, err := y.EmptyTrash(y.ctx, y.viewer, task.EmptyTrashInput{IdempotencyKey: y.key()})
		if err != nil {
			y.Fatal(err)
		}
		y.perDay[n].gone += r.PurgedCount * 2 // With a reminder.
		y.done["purge"] += r.PurgedCount
		y.deleted = nil
	}
	y.clock.set(time.Date(2026, 1, 5+n, 22, 0, 0, 0, time.UTC))
	y.fire()
	y.clean()
	if n%7 == 0 && y.db.Dialect == dialect.Postgres { // As autovacuum does.
		y.exec("VACUUM ANALYZE")
	}
}

func (y *simulatedYear) fire() {
	if err := y.reminders.Fire(viewer.AsSystem(y.ctx)); err != nil {
		y.Fatal(err)
	}
}

// clean is a round of the server's clean-up.
func (y *simulatedYear) clean() {
	for _, job := range []workspace.Job{
		{Name: "refreshing the keys of texts", Run: y.RefreshKeys},
		{Name: "removing old activities", Run: y.history.Clean},
		{Name: "removing unused series", Run: y.recurrences.RemoveUnused},
	} {
		run := job.Run
		job.Run = func(ctx context.Context) error {
			err := run(ctx)
			if err != nil {
				y.Errorf("%s: %v", job.Name, err)
			}
			return err
		}
		y.workspaces.CleanUp(y.ctx, job)
	}
}

// work is what the user does on a day.
func (y *simulatedYear) work() {
	for range 1 + y.random.IntN(2) {
		if y.done["create"] < y.tasks {
			y.create()
		}
	}
	y.doSeries()
	for _, e := range y.open(3) {
		y.edit(e)
	}
	if open := y.open(2); len(open) == 2 {
		r, err := y.Move(y.ctx, y.viewer, task.MoveInput{ID: open[0].ID.String(), AfterID: ptr(open[1].ID.String()), ParentID: set[*string](nil), IdempotencyKey: y.key()})
		if err != nil {
			y.Fatal(err)
		}
		y.wrote(1)
		y.did("move", r.Outcome)
		y.one("complete", open[0].ID.String(), y.Complete)
		y.completed = append(y.completed, open[0].ID.String())
	}
	if y.random.IntN(3) == 0 {
		y.undo()
	}
	if n := len(y.completed); n > 0 && y.random.IntN(4) == 0 {
		y.one("reopen", y.completed[n-1], y.Reopen)
		y.completed = y.completed[:n-1]
	}
	if open := y.open(1); len(open) == 1 && y.random.IntN(3) == 0 {
		y.one("delete", open[0].ID.String(), y.Delete)
		y.deleted = append(y.deleted, open[0].ID.String())
	}
	if n := len(y.deleted); n > 0 && y.random.IntN(6) == 0 {
		y.one("restore", y.deleted[n-1], y.Restore)
		y.deleted = y.deleted[:n-1]
	}
}

// one makes a change of one task.
func (y *simulatedYear) one(what, id string, change func(context.Context, viewer.Viewer, workspace.TargetInput) (*task.Result, error)) {
	r, err := change(y.ctx, y.viewer, workspace.TargetInput{ID: id, IdempotencyKey: y.key()})
	if err != nil {
		y.Fatal(err)
	}
	y.wrote(1)
	y.repeated(r.Repetition)
	y.did(what, r.Outcome)
}

// repeated notes what a completion made, or a reopening took back.
func (y *simulatedYear) repeated(r task.Repetition) {
	const made = 3 // With two subtasks.
	if r.Next != nil {
		n := 1
		if strings.HasSuffix(r.Next.Title, "0") || strings.HasSuffix(r.Next.Title, "5") {
			n = made
		}
		y.wrote(n)
		y.done["next"]++
		y.done["create next"] += n
	}
	if r.RemovedNextID != nil {
		y.perDay[len(y.perDay)-1].gone += 2 * made
		y.done["next removed"]++
	}
}

// open returns up to n of the user's single tasks, random ones.
func (y *simulatedYear) open(n int) []*ent.Task {
	all := y.client.Task.Query().Where(enttask.WorkspaceID(y.viewer.WorkspaceID), enttask.DeletedAtIsNil(), enttask.Completed(false), enttask.RecurrenceIDIsNil(), enttask.ParentIDIsNil()).
		Order(byPosition).Select(enttask.FieldID, enttask.FieldTitle).AllX(y.ctx)
	y.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}

// doSeries does what is due of the series: some are completed one by one and some together, some are skipped or left.
func (y *simulatedYear) doSeries() {
	due := y.client.Task.Query().Where(enttask.WorkspaceID(y.viewer.WorkspaceID), enttask.DeletedAtIsNil(), enttask.Completed(false), enttask.RecurrenceIDNotNil(),
		func(s *sql.Selector) { s.Where(sql.LTE(s.C(enttask.FieldDueDate), y.today())) }).Order(enttask.ByTitle()).AllX(y.ctx)
	var together []string
	for _, e := range due {
		switch n := y.random.IntN(100); {
		case n < 40:
			y.one("complete", e.ID.String(), y.Complete)
			if n < 2 {
				y.one("reopen", e.ID.String(), y.Reopen)
			} else if n < 4 {
				y.undo()
			}
		case n < 85:
			together = append(together, e.ID.String())
		case n < 93:
			r, err := y.Service.Skip(y.ctx, y.viewer, task.SkipInput{ID: e.ID.String(), Number: *e.OccurrenceNumber, IdempotencyKey: y.key()})
			mustSucceed(y.T)(r, err)
			y.wrote(1)
			y.did("skip", r.Outcome)
		}
	}
	if len(together) == 0 {
		return
	}
	r, err := y.CompleteMany(y.ctx, y.viewer, task.BulkInput{IDs: together, IdempotencyKey: y.key(), ErrorPolicy: task.SkipFailed})
	if err != nil {
		y.Fatal(err)
	}
	y.wrote(r.ChangedCount)
	for _, item := range r.Results {
		y.repeated(item.Repetition)
	}
	y.did("complete many", r.Outcome)
}

func (y *simulatedYear) edit(e *ent.Task) {
	in := task.UpdateInput{ID: e.ID.String(), IdempotencyKey: y.key()}
	switch y.random.IntN(4) {
	case 0:
		in.Title = set(ptr(e.Title + " *"))
	case 1:
		in.Description = set(y.text())
	case 2:
		in.Due = set(&task.DueInput{Date: ptr(y.today().AddDate(0, 0, y.random.IntN(14)))})
	default:
		in.Priority = set(ptr(y.random.IntN(5)))
	}
	r, err := y.Update(y.ctx, y.viewer, in)
	mustSucceed(y.T)(r, err)
	y.wrote(1)
	y.did("edit", r.Outcome)
}

// undo undoes the last change.
func (y *simulatedYear) undo() {
	r, err := y.Undo(y.ctx, y.viewer, task.UndoInput{Version: y.version, IdempotencyKey: y.key()})
	if err != nil {
		y.Fatal(err)
	}
	const made = 4 // It may have been a completion, or have redone one.
	y.wrote(made * len(r.Tasks))
	y.perDay[len(y.perDay)-1].gone += 2 * made * len(r.Tasks)
	y.did("undo", r.Outcome)
}

func (y *simulatedYear) exec(statement string, args ...any) {
	y.Helper()
	if _, err := y.db.SQL.ExecContext(y.ctx, statement, args...); err != nil {
		y.Fatalf("%s: %v", statement, err)
	}
}

// recent returns what the last days may have left, those of a time to keep and one more: clean-up runs once a day.
func (y *simulatedYear) recent(keep time.Duration) yearDay {
	var sum yearDay
	days := int(keep/(24*time.Hour)) + 2
	for _, d := range slices.Backward(y.perDay) {
		if days--; days < 0 {
			break
		}
		sum.keys, sum.activities, sum.gone = sum.keys+d.keys, sum.activities+d.activities, sum.gone+d.gone
	}
	return sum
}
