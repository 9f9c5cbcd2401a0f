package model_test

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"taskql/internal/testkit/stores"
)

// step does something random.
func (r *run) step() error {
	all := [...]struct {
		weight int
		do     func(r *run) error
	}{
		{8, (*run).change},
		{3, (*run).burst},
		{8, (*run).changeOnDevice},
		{2, (*run).note},
		{3, (*run).cut},
		{2, (*run).goOffline},
		{2, (*run).stall},
		{3, (*run).goElsewhere},
		{3, (*run).reopen},
		{1, (*run).openOld},
		{2, (*run).await},
		{1, (*run).clean},
		{1, (*run).turnClock},
		{1, (*run).openAnother},
	}
	sum := 0
	for _, s := range all {
		sum += s.weight
	}
	at := r.below(sum)
	for _, s := range all {
		if at -= s.weight; at < 0 {
			return s.do(r)
		}
	}
	return nil
}

// id returns a new random id.
func (r *run) id() string {
	var id uuid.UUID
	for i := range id {
		id[i] = byte(r.below(256))
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

func (r *run) name(what string) string {
	r.names++
	return fmt.Sprintf("%s %d", what, r.names)
}

func (r *run) pick(ids []string) string {
	if len(ids) == 0 {
		return r.id()
	}
	return ids[r.below(len(ids))]
}

func (r *run) task() string { return r.pick(r.tasks) }

func (r *run) tag() string { return r.pick(r.tags) }

func (r *run) project() string { return r.pick(r.projects) }

func (r *run) section() string { return r.pick(r.sections) }

// in adds the workspace to the input of something that creates, if it is not the user's own.
func (r *run) in(input map[string]any) map[string]any {
	if r.shared != "" {
		input["workspaceId"] = r.shared
	}
	return input
}

// some returns a few different ids of tasks.
func (r *run) some() []string {
	var ids []string
	seen := map[string]bool{}
	for range 1 + r.below(5) {
		if id := r.task(); !seen[id] {
			ids, seen[id] = append(ids, id), true
		}
	}
	return ids
}

// create creates something, with a new id or one that was used before.
func (r *run) create() error {
	mutation, input := r.creation()
	return r.write(mutation, input)
}

func (r *run) creation() (string, map[string]any) {
	id := r.id()
	switch r.below(8) {
	case 0, 1:
		r.tags = append(r.tags, id)
		return "createTag", r.in(map[string]any{"id": id, "name": r.name("tag")})
	case 2:
		return "createProject", r.in(map[string]any{"id": r.newProject(), "name": r.name("project")})
	case 3:
		r.sections = append(r.sections, id)
		return "createSection", map[string]any{"id": id, "projectId": r.project(), "name": r.name("section")}
	}
	if len(r.tasks) >= 40 || r.below(8) == 0 {
		id = r.task()
	} else {
		r.tasks = append(r.tasks, id)
	}
	input := r.in(map[string]any{"id": id, "title": r.name("task"), "priority": r.priority()})
	switch {
	case r.below(3) == 0:
		input["parentId"] = r.task()
	case len(r.projects) > 0 && r.below(2) == 0:
		r.place(input)
	}
	if len(r.tags) > 0 && r.below(2) == 0 {
		input["tagIds"] = []string{r.tag()}
	}
	if r.below(2) == 0 {
		input["due"] = r.due()
	}
	return "createTask", input
}

// newProject returns a new id for a project, or one that was used before if there are many.
func (r *run) newProject() string {
	if len(r.projects) >= 15 {
		return r.project()
	}
	id := r.id()
	r.projects = append(r.projects, id)
	return id
}

// place adds a project, a section, or none to the input of a task.
func (r *run) place(input map[string]any) map[string]any {
	switch r.below(4) {
	case 0:
		input["projectId"] = nil
	case 1:
		input["sectionId"] = r.section()
	default:
		input["projectId"] = r.project()
	}
	return input
}

func (r *run) priority() string {
	return []string{"NONE", "LOW", "MEDIUM", "HIGH", "URGENT"}[r.below(5)]
}

// due returns a day or a moment in the hours around now.
func (r *run) due() map[string]any {
	at := time.Now().Add(time.Duration(r.below(48*60)-24*60) * time.Minute).UTC()
	if r.below(2) == 0 {
		return map[string]any{"date": at.Format(time.DateOnly)}
	}
	return map[string]any{"at": map[string]any{"at": at.Format(time.RFC3339)}}
}

// random returns a random change.
func (r *run) randomChange() (string, map[string]any) {
	id := r.task()
	switch r.below(28) {
	default:
		return r.creation()
	case 5, 6:
		return "updateTask", map[string]any{"id": id, "title": r.name("renamed")}
	case 7:
		return "updateTask", map[string]any{"id": id, "description": strings.Repeat("long ", r.below(800)), "due": r.due()}
	case 8:
		return "updateTask", map[string]any{"id": id, "tagIds": []string{r.tag()}, "priority": r.priority()}
	case 9:
		return "completeTask", map[string]any{"id": id}
	case 10:
		input := map[string]any{"id": id, "parentId": nil}
		if r.below(2) == 0 {
			input["parentId"] = r.task()
		}
		return "moveTask", input
	case 11:
		return "moveTask", map[string]any{"id": id, "beforeId": r.task()}
	case 12:
		return "deleteTask", map[string]any{"id": id}
	case 13:
		return "restoreTask", map[string]any{"id": id}
	case 14:
		return "purgeTask", map[string]any{"id": id}
	case 15:
		return "emptyTrash", r.in(map[string]any{})
	case 16:
		patch := map[string]any{"priority": r.priority(), "addTagIds": []string{r.tag()}}
		return "updateTasks", map[string]any{"ids": r.some(), "errorPolicy": "SKIP_FAILED", "patch": patch}
	case 17:
		bulk := []string{"completeTasks", "reopenTasks", "deleteTasks", "restoreTasks", "deleteTasks"}[r.below(5)]
		return bulk, map[string]any{"ids": r.some(), "errorPolicy": "SKIP_FAILED"}
	case 18:
		return "updateTag", map[string]any{"id": r.tag(), "name": r.name("tag")}
	case 19:
		return "deleteTag", map[string]any{"id": r.tag()}
	case 20, 21:
		return "moveTask", r.place(map[string]any{"id": id})
	case 22:
		return "updateTasks", map[string]any{"ids": r.some(), "errorPolicy": "SKIP_FAILED", "patch": r.place(map[string]any{})}
	case 23:
		return []string{"archiveProject", "unarchiveProject"}[r.below(2)], map[string]any{"id": r.project()}
	case 24:
		return []string{"deleteProject", "restoreProject"}[r.below(2)], map[string]any{"id": r.project()}
	case 25:
		return "updateProject", map[string]any{"id": r.project(), "name": r.name("project")}
	case 26:
		return "moveProject", map[string]any{"id": r.project(), "beforeId": r.project()}
	case 27:
		return []string{"moveSection", "deleteSection"}[r.below(2)], map[string]any{"id": r.section()}
	}
}

func (r *run) change() error {
	mutation, input := r.randomChange()
	return r.write(mutation, input)
}

// burst makes several changes at once.
func (r *run) burst() error {
	var all sync.WaitGroup
	for range 2 + r.below(5) {
		mutation, input := r.randomChange()
		at, user := r.replica(), r.user()
		r.tell("at once: %s %v", mutation, input)
		all.Go(func() {
			if err := r.writeAt(at, user, mutation, input); err != nil {
				r.fail(err)
			}
		})
	}
	all.Wait()
	_, err := r.record()
	return err
}

// device returns a random device.
func (r *run) device() *device { return r.devices[r.below(len(r.devices))] }

// changeOnDevice has a store make a change, which it may send later.
func (r *run) changeOnDevice() error {
	d := r.device()
	if !d.open {
		return nil
	}
	for range 1 + r.below(3) {
		c := stores.Command{Op: "mutate", Input: map[string]any{"id": r.task()}}
		switch r.below(17) {
		case 0, 1:
			id := r.id()
			r.tasks = append(r.tasks, id)
			c.Name, c.Input = "createTask", r.in(map[string]any{"id": id, "title": r.name("mine")})
		case 2, 3:
			c.Name, c.Input["title"] = "renameTask", r.name("mine")
		case 4:
			c.Name, c.Input["description"] = "describeTask", strings.Repeat("mine ", r.below(500))
		case 5:
			c.Name = "completeTask"
		case 6:
			c.Name, c.Input["afterId"] = "moveTask", r.task()
		case 7:
			c.Name = "deleteTask"
		case 8:
			c.Name = "restoreTask"
		case 9:
			c.Name = "purgeTask"
		case 10:
			c.Name, c.Input = "completeTasks", map[string]any{"ids": r.some(), "errorPolicy": "SKIP_FAILED"}
		case 11:
			c.Name, c.Input["id"] = "deleteTag", r.tag()
		case 12:
			c.Name, c.Input = "fileTask", r.place(c.Input)
		case 13:
			c.Name, c.Input = "createProject", r.in(map[string]any{"id": r.newProject(), "name": r.name("my project")})
		case 14:
			c.Name, c.Input["id"] = []string{"archiveProject", "deleteProject", "restoreProject"}[r.below(3)], r.project()
		case 15:
			c.Name, c.Input = "renameProject", map[string]any{"id": r.project(), "name": r.name("my project")}
		case 16:
			id := r.id()
			r.sections = append(r.sections, id)
			c.Name, c.Input = "createSection", map[string]any{"id": id, "projectId": r.project(), "name": r.name("my section")}
			if r.below(3) == 0 {
				c.Name, c.Input = "deleteSection", map[string]any{"id": r.section()}
			}
		}
		r.tell("%s: %s %v", d.name, c.Name, c.Input)
		if err := d.send(c); err != nil {
			return err
		}
	}
	return nil
}

// note has a store make a task without an id.
func (r *run) note() error {
	d := r.device()
	if !d.open {
		return nil
	}
	title := r.name("note of " + d.name)
	r.tell("%s: %s", d.name, title)
	r.mu.Lock()
	r.notes[title] = false
	r.mu.Unlock()
	return d.send(stores.Command{Op: "mutate", Name: "note", Input: r.in(map[string]any{"title": title})})
}

func (r *run) cut() error {
	d := r.device()
	r.tell("%s: cut", d.name)
	d.link.set((*link).cut)
	return nil
}

func (r *run) goOffline() error {
	d := r.device()
	d.link.set(func(l *link) {
		if l.offline = !l.offline; l.offline {
			l.cut()
		}
		r.tell("%s: offline %t", d.name, l.offline)
	})
	return nil
}

// stall stops what the servers send to a device, or lets it go on.
func (r *run) stall() error {
	d := r.device()
	d.link.set(func(l *link) {
		l.stopped = !l.stopped
		r.tell("%s: stalled %t", d.name, l.stopped)
	})
	return nil
}

// goElsewhere has a device connect to the other server.
func (r *run) goElsewhere() error {
	d, to := r.device(), r.below(len(r.e.replicas))
	r.tell("%s: to server %d", d.name, to)
	d.link.set(func(l *link) {
		l.target = r.e.replicas[to]
		l.cut()
	})
	return nil
}

// reopen closes a store, or opens it again.
func (r *run) reopen() error {
	d := r.device()
	if !d.open {
		r.tell("%s: open", d.name)
		return d.start("")
	}
	op := []string{"close", "kill"}[r.below(2)]
	r.tell("%s: %s", d.name, op)
	if err := d.shut(op); err != nil || r.below(2) == 0 {
		return err
	}
	return d.start("")
}

// openOld opens a store from an earlier image of its storage, and keeps an image for the next time.
func (r *run) openOld() error {
	d := r.device()
	image := fmt.Sprintf("%s-%d", d.name, len(d.images))
	if len(d.images) == 0 || r.below(3) == 0 {
		r.tell("%s: save image %d", d.name, len(d.images))
		d.images = append(d.images, image)
		return d.send(stores.Command{Op: "save", Image: image})
	}
	old := d.images[r.below(len(d.images))]
	r.tell("%s: open %s", d.name, old)
	d.mayLose()
	if err := d.shut([]string{"close", "kill"}[r.below(2)]); err != nil {
		return err
	}
	return d.start(old)
}

// openAnother adds a device.
func (r *run) openAnother() error {
	if len(r.devices) > 3 {
		return nil
	}
	r.tell("another device")
	return r.addDevice()
}

// await waits until a device has what is in the database.
func (r *run) await() error {
	d := r.device()
	if !d.open {
		return nil
	}
	r.tell("%s: wait", d.name)
	d.link.set(func(l *link) { l.offline, l.stopped = false, false })
	s, err := r.record()
	if err != nil {
		return err
	}
	return d.settle(&s)
}

func (r *run) clean() error {
	age := time.Duration(r.below(1000)+1) * time.Millisecond
	r.tell("clean up what was gone %v ago", age)
	return r.e.clean(age)
}

// turnClock turns the clock of a server, for all runs.
func (r *run) turnClock() error {
	server, off := r.below(len(r.e.replicas)), time.Duration(r.below(20*60)-10*60)*time.Minute
	r.tell("the clock of server %d is off by %v", server, off)
	r.e.replicas[server].off.Store(int64(off))
	return nil
}
