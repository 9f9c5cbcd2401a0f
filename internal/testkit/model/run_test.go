package model_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"taskql/internal/testkit/bench"
	"taskql/internal/testkit/stores"
	"taskql/internal/workspace"
)

// run is one workspace, with a few devices of its users and other clients that change it at the same time.
type run struct {
	e      *environment
	seed   uint64
	random *rand.Rand
	// users are one, or the two members of an organization whose workspace this is.
	users []string
	// shared is the organization's workspace, "" for the user's own.
	shared  string
	devices []*device
	begun   time.Time
	trace   []string
	// tasks, tags, projects and sections are ids that were used once; what they name may be gone.
	tasks, tags, projects, sections []string
	names                           int

	mu sync.Mutex
	// states are the workspace's rows, by version.
	states map[int]state
	// rows are all rows that were seen, by kind, id and version.
	rows map[string]string
	// notes are the titles of tasks that a device makes without an id. The value says that it may be lost, with the device.
	notes map[string]bool
	// refused are the notes that the server has refused.
	refused map[string]bool
	fault   error

	// list is a live list that the devices follow.
	list *liveList

	checked, unchecked, listsChecked atomic.Int64
}

// device is a client with a store.
type device struct {
	run    *run
	name   string
	user   string
	link   *link
	events chan stores.Event
	// closed and settled get the answers to commands.
	closed, settled chan stores.Event
	open            bool
	images          []string
	// list is the live list that the device follows, nil for none; listed is what it has of it.
	list   *liveList
	listed atomic.Pointer[stores.List]
}

// patience is how long a run waits for a condition before it fails.
const patience = 2 * time.Minute

var errPatience = errors.New("waited too long")

func newRun(e *environment, seed uint64) *run {
	r := &run{
		begun: time.Now(),
		e:     e, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), users: []string{fmt.Sprintf("%s%d", e.name, seed)},
		states: map[int]state{}, rows: map[string]string{}, notes: map[string]bool{}, refused: map[string]bool{},
	}
	if seed%2 == 0 {
		r.users = append(r.users, r.users[0]+"b")
		r.shared = workspace.OrganizationID(r.users[0])
	}
	r.list = r.newList()
	return r
}

// workspaceID returns the workspace's id in the API.
func (r *run) workspaceID() string { return cmp.Or(r.shared, workspace.NodeID(r.users[0])) }

// user returns one of the users.
func (r *run) user() string { return r.users[r.below(len(r.users))] }

// do runs the run, and returns what is wrong.
func (r *run) do(steps int) error {
	defer r.end()
	for range 4 {
		if err := r.create(); err != nil {
			return err
		}
	}
	for range 2 {
		if err := r.addDevice(); err != nil {
			return err
		}
	}
	for range steps {
		if err := r.step(); err != nil {
			return err
		}
		if err := r.failed(); err != nil {
			return err
		}
	}
	return r.finish()
}

// below returns a random number below n.
func (r *run) below(n int) int { return r.random.IntN(n) }

// tell adds a line to the run's description.
func (r *run) tell(format string, args ...any) {
	r.trace = append(r.trace, fmt.Sprintf("%6d ms ", time.Since(r.begun).Milliseconds())+fmt.Sprintf(format, args...))
}

// fail notes the first thing that is wrong.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault == nil {
		r.fault = err
	}
}

func (r *run) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fault
}

// replica returns one of the servers.
func (r *run) replica() *replica { return r.e.replicas[r.below(len(r.e.replicas))] }

func (r *run) addDevice() error {
	l, err := r.e.link(r.replica())
	if err != nil {
		return err
	}
	d := &device{
		run: r, name: fmt.Sprintf("%s-%d", r.users[0], len(r.devices)), user: r.user(), link: l,
		events: make(chan stores.Event, 100), closed: make(chan stores.Event, 1), settled: make(chan stores.Event, 1),
	}
	if r.below(2) == 0 {
		d.list = r.list
	}
	r.devices = append(r.devices, d)
	r.e.program.Listen(d.name, d.events)
	go d.follow()
	return d.start("")
}

// start opens the device's store, from an image of its storage unless that is "".
func (d *device) start(image string) error {
	r := d.run
	c := stores.Command{
		Op: "open", URL: d.link.url(), Cookie: bench.Cookie(d.user, secret), First: 1 + r.below(5), Poll: r.below(8) == 0,
		Workspace: r.shared, Tasks: taskFields, Tags: tagFields, Projects: projectFields, Sections: sectionFields, Image: image,
	}
	if r.below(3) == 0 {
		c.First = 500
	}
	if d.list != nil {
		c.List, c.Forget = d.list.subscription(), max(0, r.below(8)-4)
	}
	d.open = true
	return d.send(c)
}

func (d *device) send(c stores.Command) error {
	c.Device = d.name
	return d.run.e.program.Send(c)
}

// shut closes the store, in order or from one moment to the next.
func (d *device) shut(op string) error {
	if !d.open {
		return nil
	}
	d.open = false
	if op == "kill" {
		d.mayLose()
	}
	if err := d.send(stores.Command{Op: op}); err != nil {
		return err
	}
	_, err := d.await(d.closed, op)
	return err
}

// mayLose notes that what the device has not sent yet may be lost.
func (d *device) mayLose() {
	d.run.mu.Lock()
	defer d.run.mu.Unlock()
	for title := range d.run.notes {
		if strings.HasPrefix(title, "note of "+d.name+" ") {
			d.run.notes[title] = true
		}
	}
}

func (d *device) await(answers <-chan stores.Event, what string) (stores.Event, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case e := <-answers:
		return e, nil
	case <-d.run.e.program.Over():
		return stores.Event{}, errors.New("the stores' process has ended")
	case <-timer.C:
		return stores.Event{}, fmt.Errorf("%s: %s: %w", d.name, what, errPatience)
	}
}

// follow reads the device's events until it is dropped.
func (d *device) follow() {
	for e := range d.events {
		var err error
		switch e.Event {
		case "closed":
			d.closed <- e
		case "dropped":
		case "settled":
			d.settled <- e
		case "copy":
			err = d.run.check(e)
		case "list":
			err = d.run.checkList(d, e)
		case "reset":
			err = d.run.checkReset(e)
		case "refused":
			err = d.run.noteRefusal(e)
		case "failed":
			err = checkErrors(e)
		default:
			err = fmt.Errorf("%s: %s", e.Device, e.Message)
		}
		if err != nil {
			d.run.fail(err)
		}
	}
}

// checkErrors refuses request errors of a subscription, except those of a server that drains or has no time.
func checkErrors(e stores.Event) error {
	var errs []struct {
		Message    string
		Extensions struct{ Code string }
	}
	if err := json.Unmarshal(e.Errors, &errs); err != nil {
		return fmt.Errorf("errors of %s: %w", e.Device, err)
	}
	for _, err := range errs {
		if code := err.Extensions.Code; !isTemporary(code) {
			return fmt.Errorf("%s got the error %s (%s)", e.Device, err.Message, code)
		}
	}
	return nil
}

// checkReset refuses reasons that can't be.
func (r *run) checkReset(e stores.Event) error {
	switch {
	case e.Reason == "FIRST", e.Reason == "EXPIRED" && r.e.cleaned.Load() > 0:
		return nil
	default:
		return fmt.Errorf("%s got a reset: %s", e.Device, e.Reason)
	}
}

// noteRefusal notes a change that the server has refused.
func (r *run) noteRefusal(e stores.Event) error {
	if strings.Contains(string(e.Errors), `"INTERNAL"`) {
		return fmt.Errorf("%s: %s failed: %s", e.Device, e.Mutation, e.Errors)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if title, ok := e.Input["title"].(string); ok && e.Mutation == "note" {
		r.refused[title] = true
	}
	return nil
}

// check checks a copy, which must be the workspace as of its version.
func (r *run) check(e stores.Event) error {
	copied, err := contentsOf(e)
	if err != nil {
		return err
	}
	want, known := r.stateOf(e.Version)
	if !known {
		if _, err := r.record(); err != nil {
			return err
		}
		want, known = r.stateOf(e.Version)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !known {
		r.unchecked.Add(1)
		return r.addRows(copied)
	}
	r.checked.Add(1)
	if diff := copied.difference(want.rows); diff != "" {
		return fmt.Errorf("the copy of %s is not the workspace as of version %d:\n  %s", e.Device, e.Version, diff)
	}
	return nil
}

func (r *run) stateOf(version int) (state, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.states[version]
	return s, ok
}

// record reads the workspace, and keeps its rows for those that have a copy of it as of that version.
func (r *run) record() (state, error) {
	s, err := r.e.replicas[0].read(r.users[0], r.workspaceID(), r.list)
	if err != nil {
		return s, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if before, ok := r.states[s.version]; ok {
		if diff := s.rows.difference(before.rows); diff != "" {
			return s, fmt.Errorf("version %d is two states:\n  %s", s.version, diff)
		}
		return s, nil
	}
	r.states[s.version] = s
	return s, r.addRows(s.rows)
}

// addRows adds rows. A row of one version is always the same. The lock must be held.
func (r *run) addRows(rows contents) error {
	for key, row := range rows {
		var of rowOf
		if err := json.Unmarshal([]byte(row), &of); err != nil {
			return err
		}
		key = fmt.Sprintf("%s %d", key, of.Version)
		if before, ok := r.rows[key]; ok && !sameRow(before, row) {
			return fmt.Errorf("%s is two rows:\n  %s\n  %s", key, before, row)
		}
		r.rows[key] = row
	}
	return nil
}

// finish mends everything, and checks that all devices come to show what is in the database.
func (r *run) finish() error {
	r.tell("finish")
	for _, d := range r.devices {
		d.link.set(func(l *link) { l.offline, l.stopped = false, false })
		if !d.open {
			if err := d.start(""); err != nil {
				return err
			}
		}
	}
	var last state
	for round := 0; ; round++ {
		s, err := r.record()
		if err != nil {
			return err
		}
		if round > 0 && s.version == last.version {
			break
		}
		last = s
		for _, d := range r.devices {
			r.tell("%s: settle at %d", d.name, last.version)
			if err := d.settle(&last); err != nil {
				return err
			}
		}
	}
	for _, d := range r.devices {
		if err := d.settleList(); err != nil {
			return err
		}
	}
	if err := r.failed(); err != nil {
		return err
	}
	return r.checkNotes(last.rows.titles())
}

// settle waits until the device shows the state, or a later one, and checks it.
func (d *device) settle(s *state) error {
	if err := d.send(stores.Command{Op: "settle", Version: s.version}); err != nil {
		return err
	}
	e, err := d.await(d.settled, fmt.Sprintf("being live at version %d with nothing unconfirmed", s.version))
	if err != nil {
		return err
	}
	shown, err := contentsOf(e)
	if err != nil {
		return err
	}
	if e.Version > s.version { // A device's own changes were on the way.
		return nil
	}
	if diff := shown.difference(s.rows); diff != "" {
		return fmt.Errorf("%s does not show the workspace as of version %d:\n  %s", d.name, s.version, diff)
	}
	return nil
}

// checkNotes checks that each note was made once.
func (r *run) checkNotes(titles map[string]int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for title, lossy := range r.notes {
		least := 1
		if lossy || r.refused[title] {
			least = 0
		}
		if made := titles[title]; made < least || made > 1 {
			return fmt.Errorf("the task %q is there %d times (it may be lost: %t, was refused: %t)", title, made, lossy, r.refused[title])
		}
	}
	return nil
}

// end frees what the run has.
func (r *run) end() {
	for _, d := range r.devices {
		_ = d.send(stores.Command{Op: "drop"})
		r.e.putBack(d.link)
	}
}

// String describes what has happened.
func (r *run) String() string { return strings.Join(r.trace, "\n    ") }

// write makes a change as another client would, through one of the servers, and records the workspace.
func (r *run) write(mutation string, input map[string]any) error {
	r.tell("%s %v", mutation, input)
	if err := r.writeAt(r.replica(), r.user(), mutation, input); err != nil {
		return err
	}
	_, err := r.record()
	return err
}

func (r *run) writeAt(at *replica, user, mutation string, input map[string]any) error {
	of, selection := mutation, ""
	switch mutation {
	case "completeTasks", "reopenTasks", "deleteTasks", "restoreTasks":
		of = "bulkTask"
	case "createTask", "updateTask", "moveTask", "completeTask", "deleteTask", "restoreTask":
		selection = "task { version }"
	}
	document := fmt.Sprintf("mutation ($input: %s%sInput!) { %s(input: $input) { %s version userErrors { code } } }",
		strings.ToUpper(of[:1]), of[1:], mutation, selection)
	var data map[string]struct {
		Task       *struct{ Version int }
		Version    *int
		UserErrors []any
	}
	err := errTemporary
	for begun := time.Now(); errors.Is(err, errTemporary) && time.Since(begun) < patience; {
		err = at.ask(user, document, map[string]any{"input": input}, &data)
	}
	answer := data[mutation]
	switch refused := len(answer.UserErrors) > 0; {
	case err != nil:
		return err
	case refused != (answer.Version == nil):
		return fmt.Errorf("%s %v has the answer %+v", mutation, input, answer)
	case !refused && answer.Task != nil && answer.Task.Version > *answer.Version:
		return fmt.Errorf("%s %v: version %d of the workspace, and %d of the task, which is later", mutation, input, *answer.Version, answer.Task.Version)
	}
	return nil
}
