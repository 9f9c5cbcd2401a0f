package task_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/occurrence"
	enttask "taskql/ent/task"
	"taskql/internal/recurrence"
	"taskql/internal/rrule"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

var (
	seriesSeed  = flag.Uint64("series.seed", 0, "the seed of the one random series to run; 0 runs many")                 //nolint:gochecknoglobals // A flag.
	seriesCases = flag.Int("series.cases", 6, "how many random series TestSeriesFollowTheirRules runs on each database") //nolint:gochecknoglobals // A flag.
)

// checkSeries checks what holds of all series of a workspace after any change.
func (env *testEnv) checkSeries(ctx context.Context, t *testing.T, v viewer.Viewer) {
	t.Helper()
	tasks := map[uuid.UUID]map[int]*ent.Task{}
	for _, e := range env.client.Task.Query().Where(enttask.WorkspaceID(v.WorkspaceID), enttask.RecurrenceIDNotNil()).AllX(ctx) {
		if tasks[*e.RecurrenceID] == nil {
			tasks[*e.RecurrenceID] = map[int]*ent.Task{}
		}
		if other := tasks[*e.RecurrenceID][*e.OccurrenceNumber]; other != nil {
			t.Errorf("%s and %s are both occurrence %d", e.ID, other.ID, *e.OccurrenceNumber)
		}
		tasks[*e.RecurrenceID][*e.OccurrenceNumber] = e
	}
	for _, s := range env.client.Recurrence.Query().AllX(ctx) {
		if s.WorkspaceID != v.WorkspaceID {
			continue
		}
		rows := env.client.Occurrence.Query().Where(occurrence.RecurrenceID(s.ID)).Order(occurrence.ByNumber()).AllX(ctx)
		running := false
		for i, row := range rows {
			e := tasks[s.ID][row.Number]
			if row.Number != i+1 {
				t.Errorf("occurrence %d is the %dth of the log", row.Number, i+1)
			}
			if open := row.Outcome == "OPEN"; open {
				if row.Number != s.LastNumber || e == nil {
					t.Errorf("occurrence %d of %d is open, with the task %v", row.Number, s.LastNumber, e)
					continue
				}
				running = e.DeletedAt == nil
			}
			if e != nil && (row.Outcome != "OPEN" && row.Outcome != "COMPLETED" || e.Completed != (row.Outcome == "COMPLETED")) {
				t.Errorf("occurrence %d is %s, and its task is completed: %t", row.Number, row.Outcome, e.Completed)
			}
			delete(tasks[s.ID], row.Number)
		}
		if running != (s.EndedAt == nil) || s.LastNumber != len(rows) {
			t.Errorf("the series has ended at %v with %d occurrences of %d, one open: %t", s.EndedAt, len(rows), s.LastNumber, running)
		}
		if len(tasks[s.ID]) > 0 {
			t.Errorf("tasks without a row in the log: %v", tasks[s.ID])
		}
		used := env.client.Task.Query().Where(enttask.RecurrenceID(s.ID)).ExistX(ctx)
		if s.Unused == used {
			t.Errorf("the series has tasks: %t, and is unused: %t", used, s.Unused)
		}
		delete(tasks, s.ID)
	}
	for id := range tasks {
		t.Errorf("tasks refer to the series %s, which does not exist", id)
	}
}

// seriesModel is a series in memory, computed from the list of all occurrences of its rule.
type seriesModel struct {
	rule    *rrule.Rule
	start   rrule.Time
	mode    recurrence.Mode
	catchUp recurrence.CatchUp
	// first is the number of the first occurrence by the rule.
	first int
	log   []modelRow
	ended bool
	// fresh is what a completion can be taken back to; nil if something else has changed the series since.
	fresh *freshCompletion
	// open is the task of the open occurrence, and done are those of completed ones by number.
	open uuid.UUID
	done map[int]uuid.UUID
}

type modelRow struct {
	due     time.Time
	outcome string
}

type freshCompletion struct {
	number int
	log    []modelRow
}

// value is what two times of the same series are compared by.
func (m *seriesModel) value(t rrule.Time) time.Time {
	if t.At != nil {
		return *t.At
	}
	return t.Date
}

// follow returns the next occurrence after one at key, and those that are missed, if it is over at a moment.
func (m *seriesModel) follow(key time.Time, outcome string, now time.Time, zone *time.Location) ([]time.Time, *time.Time) {
	if m.mode == recurrence.AfterCompletion {
		if m.rule.Count() > 0 && len(m.log)-m.first+1 >= m.rule.Count() {
			return nil, nil
		}
		return nil, m.afterCompletion(key, outcome, now, zone)
	}
	bound := now
	if m.start.At == nil {
		y, mo, d := now.In(zone).Date()
		bound = time.Date(y, mo, d, 0, 0, 0, 0, time.UTC)
	}
	var missed []time.Time
	for _, o := range m.rule.First(m.start, 600) {
		at := m.value(o)
		switch {
		case !at.After(key):
		case m.catchUp == recurrence.NextFuture && !at.After(bound):
			missed = append(missed, at)
		default:
			return missed, &at
		}
	}
	return missed, nil
}

func (m *seriesModel) afterCompletion(key time.Time, outcome string, now time.Time, zone *time.Location) *time.Time {
	if m.start.At != nil {
		zone = m.start.Zone
	}
	day := now.In(zone)
	if outcome == "SKIPPED" {
		keyDay := key
		if m.start.At != nil {
			keyDay = key.In(zone)
		}
		if keyDay.Format(time.DateOnly) > day.Format(time.DateOnly) {
			day = keyDay
		}
	}
	text := m.rule.String()
	y, mo, d := day.Date()
	switch {
	case strings.Contains(text, "DAILY"):
		d += 2
	case strings.Contains(text, "MONTHLY"):
		last := time.Date(y, mo+2, 0, 0, 0, 0, 0, time.UTC).Day()
		mo, d = mo+1, min(d, last)
	}
	at := time.Date(y, mo, d, 0, 0, 0, 0, time.UTC)
	if m.start.At != nil {
		h, mi, s := m.start.At.In(zone).Clock()
		at = time.Date(y, mo, d, h, mi, s, 0, zone).UTC()
	}
	return &at
}

// advance ends the open occurrence.
func (m *seriesModel) advance(outcome string, now time.Time, zone *time.Location) {
	last := &m.log[len(m.log)-1]
	missed, next := m.follow(last.due, outcome, now, zone)
	last.outcome = outcome
	for _, at := range missed {
		m.log = append(m.log, modelRow{at, "MISSED"})
	}
	if m.ended = next == nil; !m.ended {
		m.log = append(m.log, modelRow{*next, "OPEN"})
	}
}

func (m *seriesModel) String() string {
	var rows []string
	for i, r := range m.log {
		rows = append(rows, fmt.Sprintf("%d:%s %s", i+1, r.outcome, r.due.Format("2006-01-02T15:04")))
	}
	return fmt.Sprint(strings.Join(rows, ", "), " ended: ", m.ended)
}

// seriesRun makes random changes of one series.
type seriesRun struct {
	*testing.T

	env    *testEnv
	ctx    context.Context //nolint:containedctx // It lives as long as the test.
	viewer viewer.Viewer
	random *rand.Rand
	model  *seriesModel
	id     uuid.UUID
	steps  []string
}

// drawRule draws a rule, and its first occurrence on or after a day.
func (r *seriesRun) drawRule(day time.Time) (*recurrence.Input, *task.DueInput, *seriesModel) {
	m := &seriesModel{mode: recurrence.Schedule, catchUp: pick(r.random, recurrence.NextFuture, recurrence.Each), done: map[int]uuid.UUID{}}
	text := pick(r.random, "FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;BYDAY=MO,WE,FR", "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD",
		"FREQ=DAILY;COUNT=7", "FREQ=WEEKLY;UNTIL=20270115", "FREQ=YEARLY")
	if r.random.IntN(4) == 0 {
		m.mode, text = recurrence.AfterCompletion, pick(r.random, "FREQ=DAILY;INTERVAL=2", "FREQ=MONTHLY", "FREQ=DAILY;INTERVAL=2;COUNT=4")
	}
	var err error
	if m.rule, err = rrule.Parse(text); err != nil {
		r.Fatal(err)
	}
	m.start = rrule.Time{Date: day}
	if r.random.IntN(2) == 0 {
		zone, err := time.LoadLocation(pick(r.random, "Europe/Berlin", "America/New_York", "Asia/Karachi"))
		if err != nil {
			r.Fatal(err)
		}
		at := time.Date(day.Year(), day.Month(), day.Day(), 9, 30, 0, 0, zone).UTC()
		m.start = rrule.Time{Date: day, At: &at, Zone: zone}
	}
	first := m.rule.First(m.start, 1)
	if len(first) == 0 { // UNTIL is over.
		return r.drawRule(day)
	}
	m.start = first[0]
	due := &task.DueInput{Date: &m.start.Date}
	if m.start.At != nil {
		due = &task.DueInput{At: &task.MomentInput{At: *m.start.At, TimeZone: ptr(m.start.Zone.String())}}
	}
	return &recurrence.Input{Rule: text, Mode: m.mode, CatchUp: m.catchUp}, due, m
}

func (r *seriesRun) today() time.Time {
	y, m, d := r.env.clock.Now().In(r.viewer.Location).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func (r *seriesRun) now() time.Time { return r.env.clock.Now().UTC().Truncate(time.Microsecond) }

// begin makes a task that repeats.
func (r *seriesRun) begin() {
	in, due, m := r.drawRule(r.today())
	e := mustSucceed(r.T)(r.env.Create(r.ctx, r.viewer, task.CreateInput{Title: "task", Due: due, Recurrence: in}))
	m.first, m.log, m.open = 1, []modelRow{{m.value(m.start), "OPEN"}}, e.ID
	r.model, r.id = m, *e.RecurrenceID
	r.step("begin %+v", *in)
}

func (r *seriesRun) step(format string, args ...any) {
	r.steps = append(r.steps, fmt.Sprintf(format, args...))
}

// newTitle returns a title that no task has had, so that an update changes the task.
func (r *seriesRun) newTitle() workspace.Optional[*string] {
	return set(ptr(fmt.Sprint("task after step ", len(r.steps))))
}

func (r *seriesRun) task(id uuid.UUID) *ent.Task { return &ent.Task{ID: id} }

// change makes one random change, and the same in the model.
func (r *seriesRun) change() {
	m := r.model
	running := !m.ended
	switch r.random.IntN(12) {
	case 0, 1, 2:
		if running {
			r.complete()
		}
	case 3:
		if running {
			r.skip()
		}
	case 4, 5:
		r.reopen()
	case 6:
		if running {
			r.step("touch")
			m.fresh = nil
			mustSucceed(r.T)(r.env.Update(r.ctx, r.viewer, task.UpdateInput{ID: m.open.String(), Title: r.newTitle()}))
		}
	case 7:
		if running {
			r.step("move the due")
			m.fresh = nil
			due := pick(r.random, on(2027, 5, 1+r.random.IntN(20)), nil)
			mustSucceed(r.T)(r.env.Update(r.ctx, r.viewer, task.UpdateInput{
				ID: m.open.String(), Title: r.newTitle(), Patch: task.Patch{Due: set(due)},
			}))
		}
	case 8:
		if running {
			r.redefine()
		}
	case 9:
		if running {
			r.trashAndRestore()
		}
	case 10:
		days := pick(r.random, 0, 1, 2, 9, 40, -1, -5)
		r.env.clock.advance(time.Duration(days)*24*time.Hour + time.Duration(r.random.IntN(24))*time.Hour)
		r.step("now %s", r.env.clock.Now().Format(time.DateTime))
	case 11:
		zone, err := time.LoadLocation(pick(r.random, "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Karachi"))
		if err != nil {
			r.Fatal(err)
		}
		r.viewer.Location = zone
		r.step("zone %s", zone)
	}
}

func (r *seriesRun) complete() {
	m, number := r.model, len(r.model.log)
	r.step("complete %d", number)
	before, completed := slices.Clone(m.log), m.open
	m.done[number] = completed
	m.advance("COMPLETED", r.now(), r.viewer.Location)
	m.fresh = &freshCompletion{number: number, log: before}
	result, err := r.env.Complete(r.ctx, r.viewer, targetOf(r.task(completed)))
	mustSucceed(r.T)(result, err)
	if (result.Next != nil) == m.ended {
		r.Fatalf("the next is %v, and the series has ended: %t", result.Next, m.ended)
	}
	if m.open = uuid.Nil; result.Next != nil {
		m.open = result.Next.ID
	}
	if r.random.IntN(3) == 0 {
		if again, err := r.env.Complete(r.ctx, r.viewer, targetOf(r.task(completed))); err != nil || again.Next != nil {
			r.Fatal(again, err)
		}
	}
}

func (r *seriesRun) skip() {
	m, number := r.model, len(r.model.log)
	r.step("skip %d", number)
	m.fresh = nil
	m.advance("SKIPPED", r.now(), r.viewer.Location)
	e := mustSucceed(r.T)(r.env.Skip(r.ctx, r.viewer, task.SkipInput{ID: m.open.String(), Number: number}))
	if m.ended {
		if e.RecurrenceID != nil {
			r.Errorf("the task has not left the series: %v", e)
		}
		m.open = uuid.Nil
		return
	}
	mustSucceed(r.T)(r.env.Skip(r.ctx, r.viewer, task.SkipInput{ID: m.open.String(), Number: number})) // It is over.
}

func (r *seriesRun) reopen() {
	m := r.model
	var numbers []int
	for number := range m.done {
		numbers = append(numbers, number)
	}
	if len(numbers) == 0 {
		return
	}
	slices.Sort(numbers)
	number := numbers[len(numbers)-1]
	if r.random.IntN(4) == 0 {
		number = pick(r.random, numbers...)
	}
	e := m.done[number]
	delete(m.done, number)
	r.step("reopen %d", number)
	result, err := r.env.Reopen(r.ctx, r.viewer, targetOf(r.task(e)))
	reopened := mustSucceed(r.T)(result, err)
	if m.fresh == nil || m.fresh.number != number {
		if reopened.RecurrenceID != nil || result.RemovedNextID != nil {
			r.Fatalf("the task has not left the series: %+v", result)
		}
		if number == len(m.log) {
			m.fresh = nil
		}
		return
	}
	if removed := m.open != uuid.Nil; removed != (result.RemovedNextID != nil) || removed && *result.RemovedNextID != m.open.String() {
		r.Fatalf("removed is %v, want %v", result.RemovedNextID, m.open)
	}
	m.log, m.open, m.ended, m.fresh = m.fresh.log, e, false, nil
}

func (r *seriesRun) redefine() {
	old := r.model
	in, due, m := r.drawRule(r.today().AddDate(0, 0, r.random.IntN(20)-10))
	r.step("redefine %+v", *in)
	m.log, m.first, m.open, m.done = old.log, len(old.log), old.open, old.done
	m.log[len(m.log)-1].due = m.value(m.start)
	r.model = m
	mustSucceed(r.T)(r.env.Update(r.ctx, r.viewer, task.UpdateInput{
		ID: m.open.String(), Title: r.newTitle(), Recurrence: set(in), Patch: task.Patch{Due: set(due)},
	}))
}

func (r *seriesRun) trashAndRestore() {
	m := r.model
	r.step("trash and restore")
	m.fresh = nil
	mustSucceed(r.T)(r.env.Delete(r.ctx, r.viewer, targetOf(r.task(m.open))))
	r.env.checkSeries(r.ctx, r.T, r.viewer)
	mustSucceed(r.T)(r.env.Restore(r.ctx, r.viewer, targetOf(r.task(m.open))))
}

// check compares the series with the model.
func (r *seriesRun) check() {
	r.env.checkSeries(r.ctx, r.T, r.viewer)
	s := r.env.client.Recurrence.GetX(r.ctx, r.id)
	got := &seriesModel{ended: s.EndedAt != nil}
	for _, o := range r.env.client.Occurrence.Query().Where(occurrence.RecurrenceID(r.id)).Order(occurrence.ByNumber()).AllX(r.ctx) {
		due := o.DueDate
		if o.DueAt != nil {
			due = *o.DueAt
		}
		got.log = append(got.log, modelRow{due.UTC(), o.Outcome})
	}
	if got.String() != r.model.String() {
		r.Errorf("the series is\n%s, want\n%s", got, r.model)
	}
	if left, err := recurrence.Remaining(s); err != nil || !s.Unused && s.EndedAt == nil && left != nil && *left != s.FirstNumber+r.model.rule.Count()-s.LastNumber {
		r.Errorf("%v are left, %v", left, err)
	}
}

// Whatever is done with a series, it follows its rule: its log is what the list of the rule's occurrences says.
func TestSeriesFollowTheirRules(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		for i := range *seriesCases {
			seed := uint64(i + 1)
			if *seriesSeed != 0 {
				seed = *seriesSeed
			}
			ctx, v := env.newUser(t, fmt.Sprint("user ", i))
			env.clock.set(time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC))
			r := &seriesRun{T: t, env: env, ctx: ctx, viewer: v, random: rand.New(rand.NewPCG(seed, 1))}
			r.begin()
			for range 40 {
				r.change()
				if r.check(); t.Failed() {
					t.Fatalf("-series.seed=%d: %s", seed, strings.Join(r.steps, "; "))
				}
			}
			env.checkInvariants(ctx, t, v)
			if *seriesSeed != 0 {
				break
			}
		}
	})
}
