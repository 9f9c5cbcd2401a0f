package task_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"taskql/internal/task"
	"taskql/internal/workspace"
)

// filterModel is an operator of a filter as the schema describes it, evaluated in memory.
type filterModel struct {
	// draw draws a value to compare with.
	draw func(f *fixture, t *rapid.T) any
	// selects reports whether the operator selects the task.
	selects func(f *fixture, m model, value any) bool
}

// modelOf returns a filterModel for values of the type T.
func modelOf[T any](draw func(f *fixture, t *rapid.T) T, selects func(m model, value T) bool) filterModel {
	return modelAt(draw, func(_ *fixture, m model, value T) bool { return selects(m, value) })
}

// modelAt returns a filterModel that also looks at the clock and the viewer.
func modelAt[T any](draw func(f *fixture, t *rapid.T) T, selects func(f *fixture, m model, value T) bool) filterModel {
	return filterModel{
		draw: func(f *fixture, t *rapid.T) any { return draw(f, t) },
		selects: func(f *fixture, m model, value any) bool {
			typed, ok := value.(T)
			if !ok {
				panic(fmt.Sprintf("the value of a comparison is a %T, not a %T", value, typed))
			}
			return selects(f, m, typed)
		},
	}
}

// filterModels has a model of every operator, named as in "priority.gte", or "completed." if the field has no operators.
var filterModels = map[string]filterModel{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"id.eq":    modelOf(drawTaskID, func(m model, id string) bool { return m.ID.String() == id }),
	"id.in":    modelOf(drawTaskIDs, func(m model, ids []string) bool { return slices.Contains(ids, m.ID.String()) }),
	"id.notIn": modelOf(drawTaskIDs, func(m model, ids []string) bool { return !slices.Contains(ids, m.ID.String()) }),

	"search.":    modelOf(drawSearch, containsWords),
	"recurring.": modelOf(drawBool, func(m model, want bool) bool { return (m.RecurrenceID != nil) == want }),
	"completed.": modelOf(drawBool, func(m model, want bool) bool { return m.Completed == want }),

	"priority.eq":  modelOf(drawPriority, func(m model, p int) bool { return m.Priority == p }),
	"priority.in":  modelOf(drawPriorities, func(m model, p []int) bool { return slices.Contains(p, m.Priority) }),
	"priority.gte": modelOf(drawPriority, func(m model, p int) bool { return m.Priority >= p }),
	"priority.lte": modelOf(drawPriority, func(m model, p int) bool { return m.Priority <= p }),

	"due.isNull": modelOf(drawBool, func(m model, null bool) bool { return (m.DueDate == nil) == null }),
	"due.on":     dayModel(func(c int) bool { return c == 0 }),
	"due.before": dayModel(func(c int) bool { return c < 0 }),
	"due.after":  dayModel(func(c int) bool { return c > 0 }),
	"due.within": modelAt(drawWindow, dueWithin),

	"createdAt.gt":     timeModel(createdAt, func(c int) bool { return c > 0 }),
	"createdAt.gte":    timeModel(createdAt, func(c int) bool { return c >= 0 }),
	"createdAt.lt":     timeModel(createdAt, func(c int) bool { return c < 0 }),
	"createdAt.lte":    timeModel(createdAt, func(c int) bool { return c <= 0 }),
	"createdAt.isNull": modelOf(drawBool, func(_ model, null bool) bool { return !null }),

	"updatedAt.gt":     timeModel(updatedAt, func(c int) bool { return c > 0 }),
	"updatedAt.gte":    timeModel(updatedAt, func(c int) bool { return c >= 0 }),
	"updatedAt.lt":     timeModel(updatedAt, func(c int) bool { return c < 0 }),
	"updatedAt.lte":    timeModel(updatedAt, func(c int) bool { return c <= 0 }),
	"updatedAt.isNull": modelOf(drawBool, func(_ model, null bool) bool { return !null }),

	"completedAt.gt":     timeModel(completedAt, func(c int) bool { return c > 0 }),
	"completedAt.gte":    timeModel(completedAt, func(c int) bool { return c >= 0 }),
	"completedAt.lt":     timeModel(completedAt, func(c int) bool { return c < 0 }),
	"completedAt.lte":    timeModel(completedAt, func(c int) bool { return c <= 0 }),
	"completedAt.isNull": modelOf(drawBool, func(m model, null bool) bool { return (m.CompletedAt == nil) == null }),

	"tags.any":  modelOf(drawTagIDs, func(m model, ids []string) bool { return slices.ContainsFunc(ids, m.hasTag) }),
	"tags.all":  modelOf(drawTagIDs, func(m model, ids []string) bool { return !slices.ContainsFunc(ids, m.lacksTag) }),
	"tags.none": modelOf(drawTagIDs, func(m model, ids []string) bool { return !slices.ContainsFunc(ids, m.hasTag) }),

	"assignee.isNull": modelOf(drawBool, func(m model, null bool) bool { return (m.AssigneeID == nil) == null }),
	"assignee.in": modelOf(drawPeople, func(m model, ids []string) bool {
		return m.AssigneeID != nil && slices.Contains(ids, workspace.PersonID(*m.AssigneeID))
	}),
	"assignee.me": modelAt(drawBool, func(f *fixture, m model, me bool) bool {
		return (m.AssigneeID != nil && *m.AssigneeID == f.viewer.UserID) == me
	}),
	"project.isNull": modelOf(drawBool, func(m model, null bool) bool { return (m.ProjectID == nil) == null }),
	"project.in": modelOf(drawProjectIDs, func(m model, ids []string) bool {
		return m.ProjectID != nil && slices.Contains(ids, m.ProjectID.String())
	}),
	"section.isNull": modelOf(drawBool, func(m model, null bool) bool { return (m.SectionID == nil) == null }),
	"section.in": modelOf(drawSectionIDs, func(m model, ids []string) bool {
		return m.SectionID != nil && slices.Contains(ids, m.SectionID.String())
	}),

	"parent.isNull": modelOf(drawBool, func(m model, null bool) bool { return (m.ParentID == nil) == null }),
	"parent.eq":     modelOf(drawParentID, func(m model, id string) bool { return m.ParentID != nil && m.ParentID.String() == id }),
}

func (m model) hasTag(id string) bool   { return slices.Contains(m.tags, id) }
func (m model) lacksTag(id string) bool { return !m.hasTag(id) }

func createdAt(m model) *time.Time   { return &m.CreatedAt }
func updatedAt(m model) *time.Time   { return &m.UpdatedAt }
func completedAt(m model) *time.Time { return m.CompletedAt }

// timeModel models an operator that compares a time: ok says which results of time.Time.Compare it selects.
func timeModel(field func(model) *time.Time, ok func(int) bool) filterModel {
	return modelOf(drawTime, func(m model, value time.Time) bool {
		at := field(m)
		return at != nil && ok(at.Compare(value))
	})
}

// dayModel models an operator that compares the day a task is due, as timeModel does.
func dayModel(ok func(int) bool) filterModel {
	draw := func(f *fixture, t *rapid.T) time.Time { return drawTime(f, t).Truncate(24 * time.Hour) }
	return modelOf(draw, func(m model, day time.Time) bool { return m.DueDate != nil && ok(m.DueDate.Compare(day)) })
}

func containsWords(m model, search string) bool {
	fold := func(s string) string {
		return strings.ToLower(strings.NewReplacer("Ä", "a", "ä", "a", "ß", "ss").Replace(s))
	}
	text := m.Title + "\n"
	if m.Description != nil {
		text += *m.Description
	}
	text = fold(text)
	missing := func(word string) bool { return !strings.Contains(text, word) }
	return !slices.ContainsFunc(strings.Fields(fold(search)), missing)
}

func dueWithin(f *fixture, m model, window task.DueWindow) bool {
	if m.DueDate == nil {
		return false
	}
	now := f.env.clock.Now().Truncate(time.Microsecond)
	day := m.DueDate.Format(time.DateOnly)
	if m.DueAt != nil {
		day = m.DueAt.In(f.viewer.Location).Format(time.DateOnly)
	}
	today := func(days int) string { return now.In(f.viewer.Location).AddDate(0, 0, days).Format(time.DateOnly) }
	switch window {
	case task.WindowOverdue:
		if m.DueAt != nil {
			return !m.Completed && m.DueAt.Before(now)
		}
		return !m.Completed && day < today(0)
	case task.WindowToday:
		return day == today(0)
	case task.WindowTomorrow:
		return day == today(1)
	default:
		return day >= today(0) && day <= today(6)
	}
}

func drawBool(_ *fixture, t *rapid.T) bool { return rapid.Bool().Draw(t, "value") }

func drawTaskID(f *fixture, t *rapid.T) string {
	return pickOne(t, rapid.SampledFrom(f.tasks).Draw(t, "task").ID.String(), f.tasks[0].ID.String(), "not an id")
}

// drawParentID draws one of the tasks that newFixture chooses parents from.
func drawParentID(f *fixture, t *rapid.T) string {
	return pickOne(t, rapid.SampledFrom(f.tasks[:5]).Draw(t, "parent").ID.String(), "not an id")
}

func drawTaskIDs(f *fixture, t *rapid.T) []string {
	return drawIDs(t, rapid.SampledFrom(f.tasks).Draw(t, "task").ID.String(), f.tasks[0].ID.String(), "not an id")
}

func drawPeople(f *fixture, t *rapid.T) []string {
	return drawIDs(t, workspace.PersonID(f.viewer.UserID), workspace.PersonID("bob"), "bob", "not an id")
}

func drawProjectIDs(f *fixture, t *rapid.T) []string {
	from := []string{"not an id"}
	for _, id := range f.projects {
		from = append(from, id.String())
	}
	return drawIDs(t, from...)
}

func drawSectionIDs(f *fixture, t *rapid.T) []string {
	from := []string{"not an id"}
	for _, section := range f.sections {
		from = append(from, section.ID.String())
	}
	return drawIDs(t, from...)
}

func drawTagIDs(f *fixture, t *rapid.T) []string {
	return drawIDs(t, append([]string{"not an id"}, f.tags...)...)
}

func drawIDs(t *rapid.T, from ...string) []string {
	return rapid.SliceOfN(rapid.SampledFrom(from), 0, 4).Draw(t, "ids")
}

func drawSearch(_ *fixture, t *rapid.T) string {
	return pickOne(t, "", "äpfel", "Zebra ÄPFEL", "%", "0%", "_", `\`, "100", "a_b", "off 100", "nothing here")
}

func drawPriority(_ *fixture, t *rapid.T) int { return rapid.IntRange(0, 4).Draw(t, "priority") }

func drawPriorities(_ *fixture, t *rapid.T) []int {
	return rapid.SliceOfN(rapid.IntRange(0, 4), 0, 3).Draw(t, "priorities")
}

func drawWindow(_ *fixture, t *rapid.T) task.DueWindow {
	return pickOne(t, task.WindowOverdue, task.WindowToday, task.WindowTomorrow, task.WindowNext7Days)
}

func drawTime(f *fixture, t *rapid.T) time.Time {
	m := rapid.SampledFrom(f.tasks).Draw(t, "task")
	return rapid.SampledFrom([]time.Time{m.CreatedAt, m.UpdatedAt, f.env.clock.Now().UTC().Truncate(time.Microsecond)}).Draw(t, "time")
}

// selects reports whether the filter selects the task.
func (f *fixture) selects(filter *task.Filter, m model) bool {
	fails := func(part *task.Filter) bool { return !f.selects(part, m) }
	if slices.ContainsFunc(filter.All, fails) {
		return false
	}
	if filter.Any != nil && !slices.ContainsFunc(filter.Any, func(part *task.Filter) bool { return f.selects(part, m) }) {
		return false
	}
	if filter.Not != nil && f.selects(filter.Not, m) {
		return false
	}
	for _, c := range filter.Comparisons {
		if !filterModels[c.Field+"."+c.Op].selects(f, m, c.Value) {
			return false
		}
	}
	return true
}

// drawFilter draws a filter of at most depth levels.
func (f *fixture) drawFilter(t *rapid.T, depth int) *task.Filter {
	filter := &task.Filter{}
	for range rapid.IntRange(0, 2).Draw(t, "comparisons") {
		filter.Comparisons = append(filter.Comparisons, f.drawComparison(t))
	}
	if depth == 1 {
		return filter
	}
	parts := func(label string, atMost int) []*task.Filter {
		all := []*task.Filter{}
		for range rapid.IntRange(0, atMost).Draw(t, label) {
			all = append(all, f.drawFilter(t, depth-1))
		}
		return all
	}
	switch rapid.SampledFrom([]string{"", "and", "or", "or", "not"}).Draw(t, "join") {
	case "and":
		filter.All = parts("and", 2)
	case "or":
		filter.Any = parts("or", 3)
	case "not":
		filter.Not = f.drawFilter(t, depth-1)
	}
	return filter
}

// drawComparison draws a field, then one of its operators, then a value.
func (f *fixture) drawComparison(t *rapid.T) task.Comparison {
	byField := map[string][]string{}
	var fields []string
	for _, o := range task.FilterOperators() {
		if byField[o.Field] == nil {
			fields = append(fields, o.Field)
		}
		byField[o.Field] = append(byField[o.Field], o.Op)
	}
	field := rapid.SampledFrom(fields).Draw(t, "field")
	op := rapid.SampledFrom(byField[field]).Draw(t, "operator")
	return task.Comparison{Field: field, Op: op, Value: filterModels[field+"."+op].draw(f, t)}
}

// Every operator has a model, with which TestPagesLoseNothing compares lists.
func TestFilterModels(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, o := range task.FilterOperators() {
		name := o.Field + "." + o.Op
		if known[name] = true; filterModels[name].draw == nil {
			t.Errorf("add a model of %s to filterModels", name)
		}
	}
	for name := range filterModels {
		if !known[name] {
			t.Errorf("%s is a model of an operator that does not exist", name)
		}
	}
}

// Each operator alone selects the tasks that its model selects, and its negation the others.
func TestFilterOperators(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, env *testEnv) {
		f := env.newFixture(t, "ada", 7, 60)
		for _, o := range task.FilterOperators() {
			values := rapid.Custom(func(t *rapid.T) any { return filterModels[o.Field+"."+o.Op].draw(f, t) })
			most, least := 0, len(f.tasks)
			for seed := range 10 {
				comparison := &task.Filter{Comparisons: []task.Comparison{{Field: o.Field, Op: o.Op, Value: values.Example(seed)}}}
				for _, filter := range []*task.Filter{comparison, {Not: comparison}} {
					in := task.ListInput{Scope: task.ScopeAll, Filter: filter}
					page, err := env.List(f.ctx, f.viewer, withFirst(in, 100))
					if err != nil {
						t.Fatal(err)
					}
					got, want := idsOf(page), f.list(in)
					if !slices.Equal(got, want) {
						t.Errorf("%s.%s %v (negated: %t) selects %d tasks, want %d", o.Field, o.Op, comparison.Comparisons[0].Value, filter.Not != nil, len(got), len(want))
					}
					if filter == comparison {
						most, least = max(most, len(got)), min(least, len(got))
					}
				}
			}
			if most == 0 || least == len(f.tasks) { // Nothing was tested.
				t.Errorf("%s.%s selects %d to %d of %d tasks: let its model draw values that select some tasks and leave some out", o.Field, o.Op, least, most, len(f.tasks))
			}
		}
	})
}

func withFirst(in task.ListInput, n int) task.ListInput {
	in.First = &n
	return in
}
