package task_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/occurrence"
	entrecurrence "taskql/ent/recurrence"
	enttag "taskql/ent/tag"
	enttask "taskql/ent/task"
	"taskql/ent/tasktag"
	"taskql/internal/recurrence"
	"taskql/internal/task"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// undoState is a workspace after one change.
type undoState struct {
	tasks map[uuid.UUID]*ent.Task
	tags  map[uuid.UUID][]uuid.UUID
	// exists are the tags that there are.
	exists map[uuid.UUID]bool
	// series are the rules and logs of all series, without when they ended.
	series map[uuid.UUID]string
	// by is who made the change, and what it was.
	by, what string
	// undoable says that the change can be undone.
	undoable bool
}

// undoModel makes random changes of a workspace by two users, and keeps all of its states.
type undoModel struct {
	*undoEnv
	*rand.Rand

	users  [2]viewer.Viewer
	states []undoState // by version
	ids    []uuid.UUID // of all tasks that there ever were
	done   map[string]int
}

// TestUndoProperty makes random changes by two users of one workspace, and undoes random ones. Either the fields that the change named have
// the values that they had before it and all else is as it was, or there is a conflict with a field that has changed since, and nothing
// is changed.
func TestUndoProperty(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		done := map[string]int{}
		workspaces := max(1, propertyCases(t)/100)
		_, another := env.newUser(t, "another")
		for i := range workspaces {
			ctx, v := env.newUser(t, fmt.Sprint("user-", i))
			m := &undoModel{undoEnv: &undoEnv{env, ctx, v}, Rand: rand.New(rand.NewPCG(uint64(i), 17)), users: [2]viewer.Viewer{v, v}, done: done}
			m.users[1].UserID = another.UserID
			m.states = []undoState{m.read()}
			env.clock.set(time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC))
			for range 60 {
				m.step(t)
				if t.Failed() {
					m.log(t)
					t.FailNow()
				}
			}
			env.checkInvariants(ctx, t, v)
		}
		t.Logf("%d workspaces: %v", workspaces, done)
		for _, want := range []string{"undone", "conflict", "undone after others", "named below another", "title", "description", "due", "priority", "completed", "tags", "parent", "position", "deletedAt", "subtasks", "recurrence"} {
			if done[want] == 0 && workspaces >= 100 { // Fewer may not have each.
				t.Errorf("never seen: %s", want)
			}
		}
	})
}

// read reads the workspace.
func (m *undoModel) read() undoState {
	s := undoState{tasks: map[uuid.UUID]*ent.Task{}, tags: map[uuid.UUID][]uuid.UUID{}, exists: map[uuid.UUID]bool{}, series: map[uuid.UUID]string{}}
	for _, e := range m.client.Task.Query().Where(enttask.WorkspaceID(m.v.WorkspaceID)).AllX(m.ctx) {
		s.tasks[e.ID] = e
		if !slices.Contains(m.ids, e.ID) {
			m.ids = append(m.ids, e.ID)
		}
	}
	for _, row := range m.client.TaskTag.Query().Where(tasktag.WorkspaceID(m.v.WorkspaceID)).Order(tasktag.ByTagID()).AllX(m.ctx) {
		s.tags[row.TaskID] = append(s.tags[row.TaskID], row.TagID)
	}
	for _, id := range m.client.Tag.Query().Where(enttag.WorkspaceID(m.v.WorkspaceID)).IDsX(m.ctx) {
		s.exists[id] = true
	}
	for _, r := range m.client.Recurrence.Query().Where(entrecurrence.WorkspaceID(m.v.WorkspaceID)).AllX(m.ctx) {
		s.series[r.ID] = fmt.Sprint(r.Rule, r.Mode, r.CatchUp, r.StartDate, r.FirstNumber, r.LastNumber)
	}
	for _, o := range m.client.Occurrence.Query().Where(occurrence.WorkspaceID(m.v.WorkspaceID)).Order(occurrence.ByNumber()).AllX(m.ctx) {
		s.series[o.RecurrenceID] += fmt.Sprint(" ", o.Number, o.DueDate.Format(time.DateOnly), o.Outcome)
	}
	return s
}

func (m *undoModel) now() *undoState { return &m.states[len(m.states)-1] }

// id returns a random task's id. There must be one.
func (m *undoModel) id() string { return m.ids[m.IntN(len(m.ids))].String() }

// some returns the input of a bulk mutation of random tasks.
func (m *undoModel) some() task.BulkInput {
	ids := map[string]bool{}
	for range 1 + m.IntN(4) {
		ids[m.id()] = true
	}
	return task.BulkInput{IDs: slices.Sorted(maps.Keys(ids)), ErrorPolicy: task.SkipFailed}
}

// existing returns the ids of the tags that exist, in their order.
func (m *undoModel) existing() []uuid.UUID {
	return slices.SortedFunc(maps.Keys(m.now().exists), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}

func (m *undoModel) someTags() []string {
	var ids []string
	for _, id := range m.existing() {
		if m.IntN(2) == 0 {
			ids = append(ids, id.String())
		}
	}
	return ids
}

// step makes a change or undoes one.
func (m *undoModel) step(t *testing.T) {
	t.Helper()
	m.clock.advance(pick(m.Rand, time.Second, time.Second, time.Second, 20*time.Hour))
	v := m.users[m.IntN(2)]
	if len(m.states) > 5 && m.IntN(3) == 0 {
		m.undoStep(t, v)
		return
	}
	before, c := len(m.states)-1, m.randomChange()
	if err := c.run(m, v); err != nil {
		t.Fatalf("%s: %v", c.what, err)
	}
	m.took(t, before, v, c.what, c.undoable)
}

// took keeps the state after a change, if it has taken a version.
func (m *undoModel) took(t *testing.T, before int, v viewer.Viewer, what string, undoable bool) {
	t.Helper()
	switch version := workspaceVersion(m.ctx, t, m.testEnv, m.v); version {
	case before:
	case before + 1:
		s := m.read()
		s.by, s.what, s.undoable = v.UserID, what, undoable
		m.checkActivities(t, version, *m.now(), s)
		m.states = append(m.states, s)
	default:
		t.Fatalf("%s takes version %d to %d", what, before, version)
	}
}

// randomChange is a kind of changes.
type randomChange struct {
	what string
	// often is how often it is made, compared with others.
	often    int
	undoable bool
	// run makes one, which may be refused.
	run func(m *undoModel, v viewer.Viewer) error
}

// randomChanges are all kinds.
var randomChanges = []randomChange{ //nolint:gochecknoglobals // A table.
	{"create", 2, true, (*undoModel).createRandom},
	{"update", 5, true, (*undoModel).updateRandom},
	{"move", 5, true, (*undoModel).moveRandom},
	{"complete", 4, true, onRandom((*testEnv).Complete)},
	{"reopen", 2, true, onRandom((*testEnv).Reopen)},
	{"delete", 1, true, onRandom((*testEnv).Delete)},
	{"restore", 1, true, onRandom((*testEnv).Restore)},
	{"complete many", 1, true, onSome((*testEnv).CompleteMany)},
	{"reopen many", 1, true, onSome((*testEnv).ReopenMany)},
	{"delete many", 1, true, onSome((*testEnv).DeleteMany)},
	{"restore many", 1, true, onSome((*testEnv).RestoreMany)},
	{"update many", 1, true, func(m *undoModel, v viewer.Viewer) error {
		patch := task.Patch{Due: set(m.randomDue()), AddTagIDs: set(m.someTags())}
		_, err := m.UpdateMany(m.ctx, v, task.UpdateManyInput{BulkInput: m.some(), Patch: patch})
		return err
	}},
	{"skip", 2, true, func(m *undoModel, v viewer.Viewer) error {
		in := task.SkipInput{ID: m.id(), Number: 1}
		if e := m.now().tasks[uuid.MustParse(in.ID)]; e != nil && e.OccurrenceNumber != nil {
			in.Number = *e.OccurrenceNumber
		}
		_, err := m.Skip(m.ctx, v, in)
		return err
	}},
	{"change the rule", 2, true, func(m *undoModel, v viewer.Viewer) error {
		in := task.UpdateInput{ID: m.id(), Recurrence: set(pick(m.Rand, nil, m.randomRule(), m.randomRule()))}
		if in.Recurrence.Value != nil {
			in.Due = set(m.randomDay())
		}
		_, err := m.Update(m.ctx, v, in)
		return err
	}},
	{"purge", 1, false, func(m *undoModel, v viewer.Viewer) error {
		_, err := m.Purge(m.ctx, v, workspace.TargetInput{ID: m.id()})
		return err
	}},
	{"create or delete a tag", 1, false, func(m *undoModel, v viewer.Viewer) error {
		exists := m.existing()
		if len(exists) < 3 {
			_, err := m.CreateTag(m.ctx, v, task.CreateTagInput{Name: fmt.Sprint("tag ", len(m.states))})
			return err
		}
		_, err := m.DeleteTag(m.ctx, v, workspace.TargetInput{ID: exists[m.IntN(len(exists))].String()})
		return err
	}},
}

// randomChange returns a kind of changes.
func (m *undoModel) randomChange() randomChange {
	if len(m.ids) < 3 {
		return randomChanges[0]
	}
	total := 0
	for _, c := range randomChanges {
		total += c.often
	}
	n := m.IntN(total)
	for _, c := range randomChanges {
		if n -= c.often; n < 0 {
			return c
		}
	}
	panic("unreachable")
}

func onRandom(method func(*testEnv, context.Context, viewer.Viewer, workspace.TargetInput) (*task.Result, error)) func(*undoModel, viewer.Viewer) error {
	return func(m *undoModel, v viewer.Viewer) error {
		_, err := method(m.testEnv, m.ctx, v, workspace.TargetInput{ID: m.id()})
		return err
	}
}

func onSome(method func(*testEnv, context.Context, viewer.Viewer, task.BulkInput) (*task.BulkResult, error)) func(*undoModel, viewer.Viewer) error {
	return func(m *undoModel, v viewer.Viewer) error {
		_, err := method(m.testEnv, m.ctx, v, m.some())
		return err
	}
}

func (m *undoModel) randomDay() *task.DueInput {
	return &task.DueInput{Date: ptr(time.Date(2026, 11, 20+m.IntN(15), 0, 0, 0, 0, time.UTC))}
}

func (m *undoModel) randomDue() *task.DueInput { return pick(m.Rand, nil, m.randomDay()) }

func (m *undoModel) randomRule() *recurrence.Input {
	return &recurrence.Input{
		Rule: pick(m.Rand, "FREQ=DAILY", "FREQ=DAILY;COUNT=2", "FREQ=DAILY;INTERVAL=3;COUNT=4"),
		Mode: pick(m.Rand, recurrence.Schedule, recurrence.Schedule, recurrence.AfterCompletion), CatchUp: pick(m.Rand, recurrence.NextFuture, recurrence.Each),
	}
}

func (m *undoModel) createRandom(v viewer.Viewer) error {
	in := task.CreateInput{Title: pick(m.Rand, "a", "b", "c"), TagIDs: m.someTags()}
	if len(m.ids) > 0 && m.IntN(2) == 0 {
		in.ParentID = ptr(m.id())
	}
	if m.IntN(2) == 0 {
		in.Due, in.Recurrence = m.randomDay(), m.randomRule()
	}
	_, err := m.Create(m.ctx, v, in)
	return err
}

func (m *undoModel) updateRandom(v viewer.Viewer) error {
	in := task.UpdateInput{ID: m.id()}
	if m.IntN(2) == 0 {
		in.Title = set(ptr(pick(m.Rand, "a", "b", "c")))
	}
	if m.IntN(2) == 0 {
		in.Description = set(pick(m.Rand, nil, ptr("x"), ptr("y")))
	}
	if m.IntN(3) == 0 {
		in.Due = set(m.randomDue())
	}
	if m.IntN(3) == 0 {
		in.Priority = set(ptr(m.IntN(3)))
	}
	if m.IntN(3) == 0 {
		in.TagIDs = set(m.someTags())
	}
	_, err := m.Update(m.ctx, v, in)
	return err
}

func (m *undoModel) moveRandom(v viewer.Viewer) error {
	in := task.MoveInput{ID: m.id()}
	switch m.IntN(4) {
	case 0:
		in.ParentID = set(ptr(m.id()))
	case 1:
		in.ParentID = set[*string](nil)
	}
	if other := m.now().tasks[uuid.MustParse(m.id())]; other != nil && m.IntN(4) > 0 {
		neighbour := other.ID.String()
		if in.AfterID = &neighbour; m.IntN(2) == 0 {
			in.AfterID, in.BeforeID = nil, &neighbour
		}
		if in.ParentID = set[*string](nil); other.ParentID != nil {
			in.ParentID = set(ptr(other.ParentID.String()))
		}
	}
	_, err := m.Move(m.ctx, v, in)
	return err
}

// undoStep undoes a random change, and checks what that does.
func (m *undoModel) undoStep(t *testing.T, v viewer.Viewer) {
	t.Helper()
	current := len(m.states) - 1
	version := current - min(m.IntN(8), m.IntN(current))
	r, err := m.Undo(m.ctx, v, task.UndoInput{Version: version})
	if err != nil {
		t.Fatal(err)
	}
	m.took(t, current, v, fmt.Sprintf("undo %d (%s)", version, m.states[version].what), true)
	did := &m.states[version]
	left := slices.ContainsFunc(m.changedBy(version), func(id uuid.UUID) bool { return m.states[current].tasks[id] != nil })
	switch code := formatUserErrors(r.UserErrors); {
	case code == "":
		m.checkUndone(t, version, r)
		m.done["undone"]++
		if version < current {
			m.done["undone after others"]++
		}
	case code == "STALE input.version":
		m.checkConflicts(t, version, r)
		m.done["conflict"]++
	case code == notFound && did.by != v.UserID, code == invalid && (!did.undoable || !left):
		if len(m.states)-1 != current {
			t.Errorf("the refused undo of version %d has taken a version", version)
		}
	default:
		t.Errorf("undoing version %d (%s by %s) as %s: %s", version, did.what, did.by, v.UserID, code)
	}
}

// changedBy returns the tasks that a change has changed.
func (m *undoModel) changedBy(version int) []uuid.UUID {
	before, after := &m.states[version-1], &m.states[version]
	var ids []uuid.UUID
	for id, e := range after.tasks {
		if was := before.tasks[id]; was == nil || was.Version != e.Version {
			ids = append(ids, id)
		}
	}
	return ids
}

// undoValue returns what a field of a task is in a state, for comparison.
func (s *undoState) undoValue(id uuid.UUID, field string) string {
	e := s.tasks[id]
	if e == nil {
		return "gone"
	}
	switch field {
	case "title":
		return e.Title
	case "description":
		return format(e.Description)
	case "due":
		return format(e.DueDate)
	case "priority":
		return fmt.Sprint(e.Priority)
	case "completed":
		return format(e.CompletedAt)
	case "deletedAt":
		return format(e.DeletedAt) + format(e.TrashedWith)
	case "parent":
		return format(e.ParentID)
	case "position":
		return format(e.ParentID) + string(e.Position)
	case "recurrence":
		return format(e.RecurrenceID) + format(e.OccurrenceNumber)
	default:
		return fmt.Sprint(s.tags[id])
	}
}

func format[T any](p *T) string {
	if p == nil {
		return "nil"
	}
	return fmt.Sprint(*p)
}

// plainFields are those that are compared with nothing but the task.
var plainFields = []string{"title", "description", "due", "priority", "completed"} //nolint:gochecknoglobals // A table.

// checkUndone checks a change that was undone.
func (m *undoModel) checkUndone(t *testing.T, version int, r *task.UndoResult) {
	t.Helper()
	before, after, current, undone := &m.states[version-1], &m.states[version], &m.states[len(m.states)-2], m.now()
	if *r.Version() != len(m.states)-1 {
		t.Fatalf("the undo of version %d answers version %d of %d", version, *r.Version(), len(m.states)-1)
	}
	own := map[uuid.UUID]bool{} // Those with activities of their own. Others went to the trash, or came out of it, with one of them.
	for _, a := range m.activities(m.ctx, t, m.v, version) {
		own[a.TaskID] = true
	}
	named := map[uuid.UUID]bool{}
	for _, e := range r.Tasks {
		if own[e.ID] {
			named[e.ID] = true
		} else {
			m.done["named below another"]++
		}
		if diff := cmp.Diff(e.Title+format(e.DeletedAt)+string(e.Position), undone.tasks[e.ID].Title+format(undone.tasks[e.ID].DeletedAt)+string(undone.tasks[e.ID].Position)); diff != "" {
			t.Errorf("the answer is not the task:\n%s", diff)
		}
	}
	trash := map[uuid.UUID]bool{} // Those whose trash changes, below which all may change in this.
	for id := range named {
		if before.tasks[id] == nil {
			if undone.tasks[id].DeletedAt == nil {
				t.Errorf("%v was created, and is not in the trash", after.tasks[id])
			}
			trash[id] = true
			continue
		}
		for _, field := range append([]string{"deletedAt", "parent", "recurrence"}, plainFields...) {
			was, gave, found, is := before.undoValue(id, field), after.undoValue(id, field), current.undoValue(id, field), undone.undoValue(id, field)
			if e := before.tasks[id]; field == "deletedAt" && was != gave && e.TrashedWith != nil {
				if root := undone.tasks[*e.TrashedWith]; root == nil || root.DeletedAt == nil {
					was = format(e.DeletedAt) + id.String() // What it went there with has come back: it is there alone.
				}
			}
			switch {
			case was == gave && is != found:
				t.Errorf("%s of %s: the change did not name it, and it is %s, not %s", field, after.tasks[id].Title, is, found)
			case was == gave:
			case found != gave:
				t.Errorf("%s of %s was %s, the change gave it %s, and it had become %s", field, after.tasks[id].Title, was, gave, found)
			case is != was:
				t.Errorf("%s of %s was %s, and is %s", field, after.tasks[id].Title, was, is)
			}
			if was != gave && field == "deletedAt" {
				trash[id] = true
			}
		}
		m.checkTags(t, id, before, after, current, undone)
		m.checkPlace(t, id, before, after, current, undone)
	}
	m.checkSeriesUndone(t, named, before, after, current, undone)
	for _, id := range m.ids {
		if named[id] || current.tasks[id] == nil {
			continue
		}
		if undone.tasks[id] == nil { // A next occurrence, or a task below it.
			if before.tasks[id] != nil || after.tasks[id] == nil {
				t.Errorf("%s is gone, and the change did not make it", current.tasks[id].Title)
			}
			continue
		}
		for _, field := range append([]string{"deletedAt", "parent", "tags", "recurrence"}, plainFields...) {
			if found, is := current.undoValue(id, field), undone.undoValue(id, field); found != is && (field != "deletedAt" || !below(undone, id, trash)) {
				t.Errorf("%s of %s, which the change did not name, was %s and is %s", field, undone.tasks[id].Title, found, is)
			}
		}
	}
}

// checkSeriesUndone checks the series of the tasks that a change named.
func (m *undoModel) checkSeriesUndone(t *testing.T, named map[uuid.UUID]bool, before, after, current, undone *undoState) {
	t.Helper()
	m.checkSeries(m.ctx, t, m.v)
	changed := map[uuid.UUID]bool{}
	for id := range named {
		for _, s := range []*undoState{before, after} {
			if e := s.tasks[id]; e != nil && e.RecurrenceID != nil && before.series[*e.RecurrenceID] != after.series[*e.RecurrenceID] {
				changed[*e.RecurrenceID] = true
			}
		}
	}
	for id, found := range current.series {
		was, is := before.series[id], undone.series[id]
		switch {
		case changed[id] && was == "": // It began with the change.
		case changed[id] && is != was:
			t.Errorf("the series was %s, and is %s", was, is)
		case !changed[id] && is != found:
			t.Errorf("the change did not touch the series, which was %s, and is %s", found, is)
		}
	}
}

// below reports whether a task is below one of others.
func below(s *undoState, id uuid.UUID, others map[uuid.UUID]bool) bool {
	for e := s.tasks[id]; e != nil && e.ParentID != nil; e = s.tasks[*e.ParentID] {
		if others[*e.ParentID] {
			return true
		}
	}
	return false
}

// checkTags checks the tags of a task after an undo: those that the change added are gone, those that it removed are back.
func (m *undoModel) checkTags(t *testing.T, id uuid.UUID, before, after, current, undone *undoState) {
	t.Helper()
	for tag := range current.exists {
		was, gave, found, is := slices.Contains(before.tags[id], tag), slices.Contains(after.tags[id], tag), slices.Contains(current.tags[id], tag), slices.Contains(undone.tags[id], tag)
		if was == gave && is != found || was != gave && (found != gave || is != was) {
			t.Errorf("the tag %s of %s: before %t, after %t, then %t, and after the undo %t", tag, after.tasks[id].Title, was, gave, found, is)
		}
	}
}

// neighbour returns the active sibling behind which a task is, or before which; nil if there is none.
func (s *undoState) neighbour(id uuid.UUID, behind bool) *ent.Task {
	e := s.tasks[id]
	var found *ent.Task
	for _, other := range s.tasks {
		if other.ID == id || other.DeletedAt != nil || format(other.ParentID) != format(e.ParentID) {
			continue
		}
		c := bytes.Compare(other.Position, e.Position)
		if behind && c < 0 && (found == nil || bytes.Compare(other.Position, found.Position) > 0) || !behind && c > 0 && (found == nil || bytes.Compare(other.Position, found.Position) < 0) {
			found = other
		}
	}
	return found
}

// checkPlace checks the place of a task after an undo.
func (m *undoModel) checkPlace(t *testing.T, id uuid.UUID, before, after, current, undone *undoState) {
	t.Helper()
	if before.undoValue(id, "position") == after.undoValue(id, "position") {
		if current.undoValue(id, "position") != undone.undoValue(id, "position") {
			t.Errorf("%s was not moved by the change, and is moved by the undo", after.tasks[id].Title)
		}
		return
	}
	if undone.tasks[id].DeletedAt != nil {
		return
	}
	sibling := func(e *ent.Task) bool {
		if e == nil {
			return false
		}
		now := undone.tasks[e.ID]
		return now != nil && now.DeletedAt == nil && format(now.ParentID) == format(undone.tasks[id].ParentID)
	}
	switch after, before := before.neighbour(id, true), before.neighbour(id, false); {
	case sibling(after):
		if now := undone.neighbour(id, true); now == nil || now.ID != after.ID {
			t.Errorf("%s is not behind its former predecessor", undone.tasks[id].Title)
		}
	case sibling(before):
		if now := undone.neighbour(id, false); now == nil || now.ID != before.ID {
			t.Errorf("%s is not before its former successor", undone.tasks[id].Title)
		}
	default:
		if now := undone.neighbour(id, false); now != nil {
			t.Errorf("%s is not at the end", undone.tasks[id].Title)
		}
	}
}

// checkConflicts checks an undo that was refused.
func (m *undoModel) checkConflicts(t *testing.T, version int, r *task.UndoResult) {
	t.Helper()
	current := len(m.states) - 1
	if workspaceVersion(m.ctx, t, m.testEnv, m.v) != current || r.Version() != nil || len(r.Conflicts) == 0 {
		t.Fatalf("the refused undo of version %d answers %s", version, formatUndo(r))
	}
	before, after, now := &m.states[version-1], &m.states[version], m.now()
	seen := map[string]bool{}
	for _, c := range r.Conflicts {
		id, field := c.Task.ID, c.Field
		m.done[field]++
		seen[id.String()+field] = true
		if c.ChangedByVersion <= version && field != "parent" && field != "recurrence" || c.ChangedByVersion > current {
			t.Errorf("undoing version %d at %d: %s of %s was changed by version %d", version, current, field, c.Task.Title, c.ChangedByVersion)
		}
		if slices.Contains([]string{"title", "description", "due", "priority", "tags", "position"}, field) && (before.undoValue(id, field) == after.undoValue(id, field) || after.undoValue(id, field) == now.undoValue(id, field)) && !m.tagIsInTheWay(id, field, before, after, now) {
			t.Errorf("undoing version %d: %s of %s is no conflict", version, field, c.Task.Title)
		}
	}
	// Each plain field that has another value is listed.
	for _, e := range r.Tasks {
		for _, field := range plainFields {
			was, gave, found := before.undoValue(e.ID, field), after.undoValue(e.ID, field), now.undoValue(e.ID, field)
			if conflict := before.tasks[e.ID] != nil && was != gave && gave != found; conflict != seen[e.ID.String()+field] && (conflict || field != "completed") {
				t.Errorf("undoing version %d: %s of %s was %s, became %s, and is %s: a conflict is %t", version, field, e.Title, was, gave, found, conflict)
			}
		}
	}
}

// tagIsInTheWay reports whether tags are in conflict, although they are as the change left them: one that it removed is gone.
func (*undoModel) tagIsInTheWay(id uuid.UUID, field string, before, after, now *undoState) bool {
	return field == "tags" && slices.ContainsFunc(before.tags[id], func(tag uuid.UUID) bool { return !slices.Contains(after.tags[id], tag) && !now.exists[tag] })
}

// log logs what was done.
func (m *undoModel) log(t *testing.T) {
	t.Helper()
	for version, s := range m.states {
		t.Logf("%d: %s by %s", version, s.what, s.by)
		if version == 0 {
			continue
		}
		for _, id := range m.changedBy(version) {
			for _, field := range append([]string{"deletedAt", "position", "tags", "recurrence"}, plainFields...) {
				if was, is := m.states[version-1].undoValue(id, field), s.undoValue(id, field); was != is {
					t.Logf("    %s %s: %s → %s", id, field, was, is)
				}
			}
		}
	}
}
