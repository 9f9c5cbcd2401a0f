package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/internal/testkit/stores"
)

const (
	watchedTask = "id version title completed deletedAt tags { id }"
	watchedTag  = "id version name"
)

// watchers are stores, each with a copy of its user's workspace, which follow the changes by event streams.
type watchers struct {
	t       *testing.T
	program *stores.Process
	all     []*watcher
	// made counts the tasks that the stores have made, by user.
	made map[*client]int

	mu     sync.Mutex
	resets map[string]int
	// busy counts the results that said that the server has no time.
	busy atomic.Int64
}

// watcher is a device with a store.
type watcher struct {
	user    *client
	name    string
	settled chan stores.Event
}

// startWatchers starts stores, distributed among users.
func startWatchers(t *testing.T, program string, users []*client, count int) *watchers {
	t.Helper()
	w := &watchers{t: t, program: stores.Start(t, program), made: map[*client]int{}, resets: map[string]int{}}
	for i := range count {
		d := &watcher{user: users[i%len(users)], name: fmt.Sprint("store ", i), settled: make(chan stores.Event, 1)}
		w.all = append(w.all, d)
		events := make(chan stores.Event, 100)
		w.program.Listen(d.name, events)
		go w.follow(d, events)
		w.send(d, stores.Command{
			Op: "open", URL: d.user.url + "/graphql", Cookie: d.user.header.Get("Cookie"), First: 500, Quiet: true,
			Tasks: watchedTask, Tags: watchedTag,
		})
	}
	return w
}

func (w *watchers) send(d *watcher, c stores.Command) {
	c.Device = d.name
	if err := w.program.Send(c); err != nil {
		w.t.Errorf("%s: %v", d.name, err)
	}
}

// follow reads the events of a store. Anything that says that a copy or a change was lost is a failure.
func (w *watchers) follow(d *watcher, events <-chan stores.Event) {
	for {
		var e stores.Event
		select {
		case e = <-events:
		case <-w.program.Over():
			return
		}
		switch {
		case w.t.Context().Err() != nil: // The test is over, and its servers end.
		case e.Event == "settled":
			d.settled <- e
		case e.Event == "reset":
			w.mu.Lock()
			w.resets[e.Reason]++
			w.mu.Unlock()
		case e.Event == "failed" && strings.Contains(string(e.Errors), `"SERVICE_UNAVAILABLE"`):
			w.busy.Add(1)
		default:
			w.t.Errorf("%s: %s %s %s", e.Device, e.Event, e.Message, e.Errors)
		}
	}
}

// create has a store make a task, which it sends until it is answered.
func (w *watchers) create(d *watcher) {
	w.made[d.user]++
	w.send(d, stores.Command{Op: "mutate", Name: "createTask", Input: map[string]any{"id": uuid.NewString(), "title": "by " + d.name}})
}

// settle waits until the stores have their users' versions and none of their changes is unconfirmed. It returns what they show.
func (w *watchers) settle(versions map[*client]int) map[*watcher]stores.Event {
	w.t.Helper()
	for _, d := range w.all {
		w.send(d, stores.Command{Op: "settle", Version: versions[d.user]})
	}
	shown, timer := map[*watcher]stores.Event{}, time.NewTimer(5*time.Minute)
	defer timer.Stop()
	for _, d := range w.all {
		select {
		case shown[d] = <-d.settled:
		case <-w.program.Over():
			w.t.Fatal("the stores' process has ended")
		case <-timer.C:
			w.t.Fatalf("%s does not come to be up to date", d.name)
		}
	}
	return shown
}

// checkEqual checks that all stores come to show what the server has, while nobody else makes changes. No store may have started
// its copy over.
func (w *watchers) checkEqual() {
	w.t.Helper()
	w.settle(nil) // What they send may be on the way.
	versions, rows := map[*client]int{}, map[*client]map[string]string{}
	for _, d := range w.all {
		if rows[d.user] != nil {
			continue
		}
		last := d.user.ask(`mutation { createTask(input: {title: "the last"}) { version } }`, nil).one(w.t, "createTask.version")
		var version int
		if _, err := fmt.Sscan(last, &version); err != nil {
			w.t.Fatal(err)
		}
		w.made[d.user]++
		versions[d.user], rows[d.user] = version, readRows(w.t, d.user)
	}
	for d, shown := range w.settle(versions) {
		has := map[string]string{}
		for _, r := range shown.Rows {
			addRow(w.t, has, r.Row)
		}
		if !maps.Equal(has, rows[d.user]) || shown.Version != versions[d.user] {
			w.t.Errorf("%s shows %d rows as of version %d, want %d as of %d", d.name, len(has), shown.Version, len(rows[d.user]), versions[d.user])
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if want := map[string]int{"FIRST": len(w.all)}; !maps.Equal(w.resets, want) {
		w.t.Errorf("resets %v, want %v", w.resets, want)
	}
}

// readRows reads a user's tasks, by id.
func readRows(t *testing.T, c *client) map[string]string {
	t.Helper()
	rows, after := map[string]string{}, (*string)(nil)
	for {
		answer := c.ask(`query ($after: String) { tasks(scope: ALL, first: 100, after: $after) { nodes { `+watchedTask+` } pageInfo { endCursor hasNextPage } } }`,
			map[string]any{"after": after})
		var page struct {
			Nodes    []json.RawMessage
			PageInfo struct {
				EndCursor   *string
				HasNextPage bool
			}
		}
		if err := json.Unmarshal([]byte(answer.one(t, "tasks")), &page); err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Nodes {
			addRow(t, rows, row)
		}
		if after = page.PageInfo.EndCursor; !page.PageInfo.HasNextPage {
			return rows
		}
	}
}

func addRow(t *testing.T, rows map[string]string, row json.RawMessage) {
	t.Helper()
	var of struct{ ID string }
	if err := json.Unmarshal(row, &of); err != nil {
		t.Fatal(err)
	}
	if _, ok := rows[of.ID]; ok {
		t.Errorf("%s is there twice", of.ID)
	}
	rows[of.ID] = string(row)
}
