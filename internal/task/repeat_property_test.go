package task_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

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
func (env *testEnv) checkSeries(ctx context.Context, t rapid.TB, v viewer.Viewer) {
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
	// fresh is what a completion can be taken back to; nil if something else has changed the series since.
	fresh *freshCompletion
	// open is the task of the open occurrence, and done are those of completed ones by number.
	open uuid.UUID
	done map[int]uuid.UUID
	// trashed are the tasks in the trash.
	trashed map[uuid.UUID]bool
	// gone reports whether the series was deleted, because its last task was.
	gone bool
}

// ended reports whether the series has ended: it has while its open occurrence is in the trash.
func (m *seriesModel) ended() bool { return m.open == uuid.Nil || m.trashed[m.open] }

func (m *seriesModel) clone() *seriesModel {
	c := *m
	c.log, c.done, c.trashed = slices.Clone(m.log), maps.Clone(m.done), maps.Clone(m.trashed)
	return &c
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

// advance ends the open occurrence, and reports whether there is a next one.
func (m *seriesModel) advance(outcome string, now time.Time, zone *time.Location) bool {
	last := &m.log[len(m.log)-1]
	if m.ended() {
		last.outcome = outcome
		return false
	}
	missed, next := m.follow(last.due, outcome, now, zone)
	last.outcome = outcome
	for _, at := range missed {
		m.log = append(m.log, modelRow{at, "MISSED"})
	}
	if next == nil {
		return false
	}
	m.log = append(m.log, modelRow{*next, "OPEN"})
	return true
}

func (m *seriesModel) String() string {
	var rows []string
	for i, r := range m.log {
		rows = append(rows, fmt.Sprintf("%d:%s %s", i+1, r.outcome, r.due.Format("2006-01-02T15:04")))
	}
	return fmt.Sprint(strings.Join(rows, ", "), " ended: ", m.ended())
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
	// versions are the models after each change of the workspace since the series began, and final are the changes that can't be
	// undone.
	versions map[int]*seriesModel
	began    int
	final    map[int]bool
}

// drawRule draws a rule, and its first occurrence on or after a day.
func (r *seriesRun) drawRule(day time.Time) (*recurrence.Input, *task.DueInput, *seriesModel) {
	m := &seriesModel{mode: recurrence.Schedule, catchUp: pick(r.random, recurrence.NextFuture, recurrence.Each), done: map[int]uuid.UUID{}, trashed: map[uuid.UUID]bool{}}
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
	r.began, r.versions, r.final = workspaceVersion(r.ctx, r.T, r.env, r.viewer), map[int]*seriesModel{}, map[int]bool{}
	before := m.clone()
	before.trashed[e.ID] = true // So it is undone.
	r.versions[r.began-1] = before
	r.keep()
}

// keep keeps the model as that of the newest version.
func (r *seriesRun) keep() {
	r.versions[workspaceVersion(r.ctx, r.T, r.env, r.viewer)] = r.model.clone()
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
	if m.gone || m.open == uuid.Nil && r.random.IntN(3) == 0 {
		r.begin()
		return
	}
	open, running := m.open != uuid.Nil, !m.ended()
	switch n := r.random.IntN(20); {
	case n < 4 && open:
		r.complete()
	case n < 5 && running:
		r.skip()
	case n < 7:
		r.reopen()
	case n < 9 && open:
		r.update()
	case n < 10 && running:
		r.redefine()
	case n < 12:
		r.trashOrRestore()
	case n < 13:
		r.purge()
	case n < 14 && running:
		r.end()
	case n < 17:
		r.undo()
	case n < 19:
		days := pick(r.random, 0, 1, 2, 9, 40, -1, -5)
		r.env.clock.advance(time.Duration(days)*24*time.Hour + time.Duration(r.random.IntN(24))*time.Hour)
		r.step("now %s", r.env.clock.Now().Format(time.DateTime))
	case n < 20:
		zone, err := time.LoadLocation(pick(r.random, "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Karachi"))
		if err != nil {
			r.Fatal(err)
		}
		r.viewer.Location = zone
		r.step("zone %s", zone)
	}
}

// update changes the title of the task of the open occurrence, and perhaps its due.
func (r *seriesRun) update() {
	m := r.model
	m.fresh = nil
	in := task.UpdateInput{ID: m.open.String(), Title: r.newTitle()}
	if r.random.IntN(2) == 0 {
		in.Due = set(pick(r.random, on(2027, 5, 1+r.random.IntN(20)), nil))
	}
	r.step("update, with the due: %t", in.Due.Set)
	mustSucceed(r.T)(r.env.Update(r.ctx, r.viewer, in))
	r.keep()
}

func (r *seriesRun) complete() {
	m, number := r.model, len(r.model.log)
	r.step("complete %d", number)
	before, completed := slices.Clone(m.log), m.open
	m.done[number] = completed
	goesOn := m.advance("COMPLETED", r.now(), r.viewer.Location)
	m.fresh = &freshCompletion{number: number, log: before}
	result, err := r.env.Complete(r.ctx, r.viewer, targetOf(r.task(completed)))
	mustSucceed(r.T)(result, err)
	if (result.Next != nil) != goesOn {
		r.Fatalf("the next is %v, and the series goes on: %t", result.Next, goesOn)
	}
	if m.open = uuid.Nil; goesOn {
		m.open = result.Next.ID
	}
	r.keep()
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
	goesOn := m.advance("SKIPPED", r.now(), r.viewer.Location)
	e := mustSucceed(r.T)(r.env.Skip(r.ctx, r.viewer, task.SkipInput{ID: m.open.String(), Number: number}))
	if !goesOn {
		if e.RecurrenceID != nil {
			r.Errorf("the task has not left the series: %v", e)
		}
		m.open = uuid.Nil
		r.keep()
		return
	}
	r.keep()
	mustSucceed(r.T)(r.env.Skip(r.ctx, r.viewer, task.SkipInput{ID: m.open.String(), Number: number})) // It is over.
}

func (r *seriesRun) reopen() {
	m := r.model
	defer r.keep()
	numbers := slices.Sorted(maps.Keys(m.done))
	if len(numbers) == 0 {
		return
	}
	number := numbers[len(numbers)-1]
	if r.random.IntN(4) == 0 {
		number = pick(r.random, numbers...)
	}
	e := m.done[number]
	delete(m.done, number)
	r.step("reopen %d, in the trash: %t", number, m.trashed[e])
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
	m.log, m.open, m.fresh = m.fresh.log, e, nil
}

func (r *seriesRun) redefine() {
	old := r.model
	in, due, m := r.drawRule(r.today().AddDate(0, 0, r.random.IntN(20)-10))
	r.step("redefine %+v", *in)
	m.log, m.first, m.open, m.done, m.trashed = old.log, len(old.log), old.open, old.done, old.trashed
	m.log[len(m.log)-1].due = m.value(m.start)
	r.model = m
	mustSucceed(r.T)(r.env.Update(r.ctx, r.viewer, task.UpdateInput{
		ID: m.open.String(), Title: r.newTitle(), Recurrence: set(in), Patch: task.Patch{Due: set(due)},
	}))
	r.keep()
}

// one returns a random task of the series, and its number; uuid.Nil if there is none.
func (r *seriesRun) one() (uuid.UUID, int) {
	m := r.model
	numbers := slices.Sorted(maps.Keys(m.done))
	if m.open != uuid.Nil && (len(numbers) == 0 || r.random.IntN(2) == 0) {
		return m.open, len(m.log)
	}
	if len(numbers) == 0 {
		return uuid.Nil, 0
	}
	number := pick(r.random, numbers...)
	return m.done[number], number
}

// trashOrRestore puts a task into the trash, or takes it out of it.
func (r *seriesRun) trashOrRestore() {
	m := r.model
	id, number := r.one()
	if m.ended() && m.open != uuid.Nil && r.random.IntN(2) == 0 {
		id, number = m.open, len(m.log)
	}
	if id == uuid.Nil {
		return
	}
	if id == m.open {
		m.fresh = nil
	}
	if m.trashed[id] {
		r.step("restore %d", number)
		delete(m.trashed, id)
		mustSucceed(r.T)(r.env.Restore(r.ctx, r.viewer, targetOf(r.task(id))))
	} else {
		r.step("trash %d", number)
		m.trashed[id] = true
		mustSucceed(r.T)(r.env.Delete(r.ctx, r.viewer, targetOf(r.task(id))))
	}
	r.keep()
}

// purge deletes a task for good. Without its open occurrence the series has ended, and without any task it is gone.
func (r *seriesRun) purge() {
	m := r.model
	id, number := r.one()
	if id == uuid.Nil {
		return
	}
	if !m.trashed[id] {
		m.trashed[id] = true
		mustSucceed(r.T)(r.env.Delete(r.ctx, r.viewer, targetOf(r.task(id))))
		r.keep()
	}
	r.step("purge %d", number)
	if id == m.open {
		m.log, m.open, m.fresh = m.log[:number-1], uuid.Nil, nil
	} else {
		delete(m.done, number)
	}
	m.gone = m.open == uuid.Nil && len(m.done) == 0
	result, err := r.env.Purge(r.ctx, r.viewer, targetOf(r.task(id)))
	if err != nil || len(result.UserErrors) > 0 {
		r.Fatal(err, formatUserErrors(result.UserErrors))
	}
	r.keep()
	r.final[workspaceVersion(r.ctx, r.T, r.env, r.viewer)] = true
}

// end ends the series by a null rule.
func (r *seriesRun) end() {
	m := r.model
	r.step("end")
	m.log, m.fresh = m.log[:len(m.log)-1], nil
	e := mustSucceed(r.T)(r.env.Update(r.ctx, r.viewer, task.UpdateInput{ID: m.open.String(), Recurrence: set[*recurrence.Input](nil)}))
	if e.RecurrenceID != nil {
		r.Errorf("the task has not left the series: %v", e)
	}
	m.open = uuid.Nil
	r.keep()
}

// undo undoes a change since the series began: it restores what the change changed, or names a conflict and changes nothing.
func (r *seriesRun) undo() {
	now := workspaceVersion(r.ctx, r.T, r.env, r.viewer)
	version := max(r.began, now-pick(r.random, 0, 0, 0, 1, 2, 5))
	result, err := r.env.Undo(r.ctx, r.viewer, task.UndoInput{Version: version})
	if err != nil {
		r.Fatal(err)
	}
	after := workspaceVersion(r.ctx, r.T, r.env, r.viewer)
	code := formatUserErrors(result.UserErrors)
	r.step("undo %d of %d: %s", version, now, code)
	switch code {
	case "":
		r.undone(version, result)
		r.keep()
	case "STALE input.version":
		if len(result.Conflicts) == 0 || version == now {
			r.Errorf("the newest change is %d, and undoing %d has the conflicts %v", now, version, result.Conflicts)
		}
	case "INVALID input.version":
		purged := false
		for v := range r.final {
			purged = purged || v >= version
		}
		if !purged {
			r.Errorf("%d of %d can't be undone: %s", version, now, result.UserErrors[0].Message)
		}
	default:
		r.Errorf("undoing %d of %d: %s", version, now, code)
	}
	if (code == "") != (after == now+1) {
		r.Errorf("undoing %d has led from version %d to %d: %s", version, now, after, code)
	}
}

// undone takes a change back in the model.
func (r *seriesRun) undone(version int, result *task.UndoResult) {
	m, was, gave := r.model, r.versions[version-1], r.versions[version]
	for number, id := range was.done {
		if gave.done[number] != id {
			m.done[number] = id
		}
	}
	for number, id := range gave.done {
		if was.done[number] != id {
			delete(m.done, number)
		}
	}
	for id := range was.trashed {
		if !gave.trashed[id] {
			m.trashed[id] = true
		}
	}
	for id := range gave.trashed {
		if !was.trashed[id] {
			delete(m.trashed, id)
		}
	}
	if slices.ContainsFunc(result.Tasks, func(e *ent.Task) bool { return e.ID == m.open }) {
		m.fresh = nil
	}
	if was.open == gave.open && slices.Equal(was.log, gave.log) && was.rule == gave.rule && was.first == gave.first {
		return
	}
	redone := was.fresh != nil && was.fresh.number == len(m.log) && m.log[len(m.log)-1].outcome == "OPEN"
	m.rule, m.start, m.mode, m.catchUp, m.first, m.log, m.open, m.fresh = was.rule, was.start, was.mode, was.catchUp, was.first, slices.Clone(was.log), was.open, nil
	if redone {
		m.fresh = was.fresh
	}
	// What was taken back before is another task now.
	tasks := r.env.client.Task.Query().Where(enttask.WorkspaceID(r.viewer.WorkspaceID), enttask.RecurrenceID(r.id), enttask.OccurrenceNumber(len(m.log))).AllX(r.ctx)
	if m.open != uuid.Nil && len(tasks) == 1 && !tasks[0].Completed {
		m.open = tasks[0].ID
	}
}

// check compares the series with the model.
func (r *seriesRun) check() {
	r.env.checkSeries(r.ctx, r.T, r.viewer)
	s, err := r.env.client.Recurrence.Get(r.ctx, r.id)
	if gone := ent.IsNotFound(err); gone || r.model.gone {
		if gone != r.model.gone {
			r.Errorf("the series is gone: %t, want %t, %v", gone, r.model.gone, err)
		}
		return
	}
	if err != nil {
		r.Fatal(err)
	}
	got := &seriesModel{}
	if s.EndedAt == nil {
		got.open = s.ID
	}
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
