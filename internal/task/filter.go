package task

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"

	"taskql/ent/predicate"
	enttask "taskql/ent/task"
)

// The limits of a filter.
const (
	MaxFilterDepth = 5
	MaxComparisons = 50
)

// Filter selects the tasks for which all of its parts hold. The zero value selects every task.
type Filter struct {
	// All of these hold.
	All []*Filter
	// At least one of these holds. Nil is no condition; an empty slice selects no task.
	Any []*Filter
	// Not does not hold.
	Not *Filter
	// All of these hold.
	Comparisons []Comparison
}

// Comparison compares a field of a task with a value.
type Comparison struct {
	// Field and Op are names of the API, such as priority and gte. Op is "" if the field has no operators.
	Field, Op string
	// Value is a bool, string, int (a Priority), time.Time or DueWindow, or a slice of strings or ints.
	Value any
}

// filterField is a field of the API's TaskFilter.
type filterField struct {
	column string
	// nullable tells that the column can be null.
	nullable bool
	// operators are the fields of the input object by which the API compares the field; "" if it takes a plain value.
	operators map[string]filterOperator
}

// filterOperator is one way to compare a field. Exactly one of compare, compareAt and compareMe is set.
type filterOperator struct {
	compare func(f filterField, value any) (condition, error)
	// compareAt is set instead of compare if the result also depends on the time and the viewer's day. Answers to such
	// filters change without a change of the data, which ETags take into account.
	compareAt func(d days, value any) (condition, error)
	// compareMe is set instead of compare if the result also depends on the viewer.
	compareMe func(f filterField, userID string, value any) (condition, error)
	// cost is what the API charges for the operator, beside the page.
	cost int
}

// filterFields are the fields of the API's TaskFilter.
var filterFields = map[string]filterField{ //nolint:gochecknoglobals // A constant, if Go had constant maps.
	"id": {column: enttask.FieldID, operators: map[string]filterOperator{
		"eq": {compare: typed(idEquals)}, "in": {compare: typed(idIn)}, "notIn": {compare: typed(idNotIn)},
	}},
	"recurring": {column: enttask.FieldRecurrenceID, nullable: true, operators: map[string]filterOperator{"": {compare: typed(notNullEquals)}}},
	"search":    {column: enttask.FieldSearchText, operators: map[string]filterOperator{"": {compare: search, cost: searchCost}}},
	"completed": {column: enttask.FieldCompleted, operators: map[string]filterOperator{"": {compare: typed(boolEquals)}}},
	"priority": {column: enttask.FieldPriority, operators: map[string]filterOperator{
		"eq": {compare: compareWith[int](sql.OpEQ)}, "in": {compare: typed(intIn)},
		"gte": {compare: compareWith[int](sql.OpGTE)}, "lte": {compare: compareWith[int](sql.OpLTE)},
	}},
	"due": {column: enttask.FieldDueDate, nullable: true, operators: map[string]filterOperator{
		"isNull": {compare: typed(nullEquals)},
		"on":     {compare: compareWith[time.Time](sql.OpEQ)},
		"before": {compare: compareWith[time.Time](sql.OpLT)},
		"after":  {compare: compareWith[time.Time](sql.OpGT)},
		"within": {compareAt: within},
	}},
	"createdAt":   {column: enttask.FieldCreatedAt, operators: timeOperators()},
	"updatedAt":   {column: enttask.FieldUpdatedAt, operators: timeOperators()},
	"completedAt": {column: enttask.FieldCompletedAt, nullable: true, operators: timeOperators()},
	"tags": {column: enttask.FieldID, operators: map[string]filterOperator{
		"any": {compare: typed(anyTag)}, "all": {compare: typed(allTags)}, "none": {compare: typed(noTag)},
	}},
	"assignee": {column: enttask.FieldAssigneeID, nullable: true, operators: map[string]filterOperator{
		"isNull": {compare: typed(nullEquals)}, "in": {compare: typed(personIn)}, "me": {compareMe: isMe},
	}},
	"project": {column: enttask.FieldProjectID, nullable: true, operators: map[string]filterOperator{
		"isNull": {compare: typed(nullEquals)}, "in": {compare: typed(idIn)},
	}},
	"section": {column: enttask.FieldSectionID, nullable: true, operators: map[string]filterOperator{
		"isNull": {compare: typed(nullEquals)}, "in": {compare: typed(sectionIn)},
	}},
	"parent": {column: enttask.FieldParentID, nullable: true, operators: map[string]filterOperator{
		"isNull": {compare: typed(nullEquals)}, "eq": {compare: typed(idEquals)},
	}},
}

func timeOperators() map[string]filterOperator {
	return map[string]filterOperator{
		"gt":     {compare: compareWith[time.Time](sql.OpGT)},
		"gte":    {compare: compareWith[time.Time](sql.OpGTE)},
		"lt":     {compare: compareWith[time.Time](sql.OpLT)},
		"lte":    {compare: compareWith[time.Time](sql.OpLTE)},
		"isNull": {compare: typed(nullEquals)},
	}
}

// searchCost is what the API charges for a search, which reads the text of every task of the workspace.
const searchCost = 100

// FilterOperator describes an operator of a field of the API's TaskFilter.
type FilterOperator struct {
	// Field and Op are as in Comparison.
	Field, Op string
	// Cost is what the API charges for the operator, beside the page.
	Cost int
	// ClockDependent tells that the result also depends on the time and the viewer's day.
	ClockDependent bool
}

// Name returns the name by which the operator stands in a filter: the field's if it takes a plain value, or the operator's.
func (o FilterOperator) Name() string {
	if o.Op == "" {
		return o.Field
	}
	return o.Op
}

// FilterOperators returns all operators of all fields that tasks can be filtered by, sorted by field and operator.
func FilterOperators() []FilterOperator {
	var all []FilterOperator
	for _, field := range slices.Sorted(maps.Keys(filterFields)) {
		operators := filterFields[field].operators
		for _, op := range slices.Sorted(maps.Keys(operators)) {
			o := operators[op]
			all = append(all, FilterOperator{Field: field, Op: op, Cost: o.cost, ClockDependent: o.compareAt != nil})
		}
	}
	return all
}

// predicate returns the filter, of that user, as a predicate of a statement. It returns an *InputError if the filter is too large or a value
// can't be used.
func (f *Filter) predicate(d days, userID string) (predicate.Task, error) {
	c := filterCompiler{days: d, userID: userID}
	compiled, err := c.filter(f, 1)
	if err != nil {
		return nil, err
	}
	return func(s *sql.Selector) { s.Where(compiled(s)) }, nil
}

// filterCompiler turns filters into conditions, and counts comparisons.
type filterCompiler struct {
	days        days
	userID      string
	comparisons int
}

func (c *filterCompiler) filter(f *Filter, depth int) (condition, error) {
	if depth > MaxFilterDepth {
		return nil, inputError("filter", "may be at most %d levels deep: write it flatter", MaxFilterDepth)
	}
	if c.comparisons += f.weight(); c.comparisons > MaxComparisons {
		return nil, inputError("filter", "may have at most %d comparisons, empty filters counted too: leave some out", MaxComparisons)
	}
	var all []condition
	for _, comparison := range f.Comparisons {
		compiled, err := c.comparison(comparison)
		if err != nil {
			return nil, err
		}
		all = append(all, compiled)
	}
	parts, err := c.filters(f.All, depth+1)
	if err != nil {
		return nil, err
	}
	all = append(all, parts...)
	if f.Any != nil {
		either, err := c.filters(f.Any, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, join(anyOf, never, either))
	}
	if f.Not != nil {
		compiled, err := c.filter(f.Not, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, negate(compiled))
	}
	return join(allOf, always, all), nil
}

func (c *filterCompiler) filters(filters []*Filter, depth int) ([]condition, error) {
	all := make([]condition, len(filters))
	for i, f := range filters {
		var err error
		if all[i], err = c.filter(f, depth); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (c *filterCompiler) comparison(in Comparison) (condition, error) {
	field := filterFields[in.Field]
	operator, ok := field.operators[in.Op]
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no filter %s.%s: add it to filterFields", in.Field, in.Op)
	case operator.compareAt != nil:
		return operator.compareAt(c.days, in.Value)
	case operator.compareMe != nil:
		return operator.compareMe(field, c.userID, in.Value)
	default:
		return operator.compare(field, in.Value)
	}
}

// weight returns what the filter without its parts counts against MaxComparisons. An empty filter counts 1. So the number of
// all filters is bounded: any other filter has comparisons or leads to a filter that counts, and the depth is bounded.
func (f *Filter) weight() int {
	if len(f.All) == 0 && len(f.Any) == 0 && f.Not == nil {
		return max(1, len(f.Comparisons))
	}
	return len(f.Comparisons)
}
