package model_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"taskql/internal/testkit/stores"
)

// liveList is a live list that a device follows: any one, for each run another.
type liveList struct {
	// arguments and fields are what is selected of it.
	arguments, fields string
	// clock reports whether it depends on the time, which each server has its own of.
	clock bool
	// workspace is that of the list, "" for the user's own.
	workspace string
	// versioned reports whether its patches say as of which version they are.
	versioned bool
}

// newList returns a random list.
func (r *run) newList() *liveList {
	l := &liveList{versioned: r.below(2) == 0, workspace: r.shared}
	field := []string{"CREATED_AT", "UPDATED_AT", "COMPLETED_AT", "DUE", "PRIORITY", "TITLE", "MANUAL"}[r.below(7)]
	order := fmt.Sprintf("{field: %s, direction: %s}", field, []string{"ASC", "DESC"}[r.below(2)])
	filter := []string{
		"", "completed: false", "completed: true", "priority: {gte: MEDIUM}", "parent: {isNull: true}", `search: "mine"`, "not: {completed: true}",
		"due: {isNull: false}", fmt.Sprintf("tags: {any: [%q]}", r.tag()),
		"project: {isNull: true}", fmt.Sprintf("project: {in: [%q]}", r.project()), "section: {isNull: false}",
		"due: {within: OVERDUE}", "due: {within: TODAY}", "due: {within: TOMORROW}", "due: {within: NEXT_7_DAYS}",
	}[r.below(16)]
	l.fields = []string{
		"id version title completed due { date at } tags { id name }", "id title", // What is moved doesn't differ then.
		"id overdue", "id title project { name archivedAt } section { name }",
	}[r.below(4)]
	l.clock = strings.Contains(filter, "within") || strings.Contains(l.fields, "overdue")
	scope := []string{"ACTIVE", "ACTIVE", "ACTIVE", "ARCHIVED", "TRASH", "ALL"}[r.below(6)]
	l.arguments = fmt.Sprintf("filter: {%s}, orderBy: [%s], scope: %s, first: %d", filter, order, scope, 1+r.below(8))
	return l
}

// subscription returns the document that follows the list.
func (l *liveList) subscription() string {
	version, arguments := "", l.arguments
	if l.versioned {
		version = "version"
	}
	if l.workspace != "" {
		arguments = fmt.Sprintf("%s, workspaceId: %q", arguments, l.workspace)
	}
	return fmt.Sprintf("subscription ($have: ListState) { taskList(have: $have, %s) { fresh left placed { why afterId edge { node { %s } } } totalCount hasNextPage state %s } }",
		arguments, l.fields, version)
}

// query returns the field of the workspace that has the list.
func (l *liveList) query() string {
	return fmt.Sprintf("tasks(%s) { totalCount pageInfo { hasNextPage } nodes { %s } }", l.arguments, l.fields)
}

// page is a list as it is queried.
type page struct {
	TotalCount int
	PageInfo   struct{ HasNextPage bool }
	Nodes      json.RawMessage
}

// listDifference describes how a list that a device has differs from what it should be, or returns "".
func listDifference(l *stores.List, want *page) string {
	var x, y any
	same := bytes.Equal(l.Nodes, want.Nodes) ||
		json.Unmarshal(l.Nodes, &x) == nil && json.Unmarshal(want.Nodes, &y) == nil && reflect.DeepEqual(x, y)
	if same && l.TotalCount == want.TotalCount && l.HasNextPage == want.PageInfo.HasNextPage {
		return ""
	}
	return fmt.Sprintf("has  %d %t %s\n  want %d %t %s", l.TotalCount, l.HasNextPage, l.Nodes, want.TotalCount, want.PageInfo.HasNextPage, want.Nodes)
}

// checkList checks a list that says as of which version it is.
func (r *run) checkList(d *device, e stores.Event) error {
	d.listed.Store(e.List)
	if d.list.clock || !d.list.versioned {
		return nil
	}
	want, known := r.stateOf(e.Version)
	if !known {
		if _, err := r.record(); err != nil {
			return err
		}
		want, known = r.stateOf(e.Version)
	}
	if !known {
		return nil
	}
	r.listsChecked.Add(1)
	if diff := listDifference(e.List, want.list); diff != "" {
		return fmt.Errorf("the list of %s (%s) is not right as of version %d:\n  %s", d.name, d.list.arguments, e.Version, diff)
	}
	return nil
}

// settleList waits until the device's list is right.
func (d *device) settleList() error {
	if d.list == nil {
		return nil
	}
	var diff string
	var clock time.Time
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(5 * time.Millisecond) {
		if err := d.run.failed(); err != nil {
			return err
		}
		d.link.mu.Lock()
		at := d.link.target
		d.link.mu.Unlock()
		var data struct{ Workspace struct{ Tasks *page } }
		document := "query ($id: ID!) { workspace(id: $id) { " + d.list.query() + " } }"
		clock = at.now()
		if err := at.ask(d.user, document, map[string]any{"id": d.run.workspaceID()}, &data); errors.Is(err, errTemporary) {
			continue
		} else if err != nil {
			return err
		}
		if has := d.listed.Load(); has == nil {
			diff = "it has never come"
		} else if diff = listDifference(has, data.Workspace.Tasks); diff == "" {
			d.run.listsChecked.Add(1)
			return nil
		}
	}
	return fmt.Errorf("the list of %s (%s) does not come to be right, by its server's clock %s:\n  %s",
		d.name, d.list.arguments, clock.UTC().Format(time.RFC3339), diff)
}
