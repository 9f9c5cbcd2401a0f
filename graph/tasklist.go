package graph

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
	"unique"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/graph/model"
	"taskql/graph/selection"
	"taskql/internal/keyset"
	"taskql/internal/listdiff"
	"taskql/internal/task"
)

// A live list is read again for each result, and compared with what the client has: the ids, and digests of what was sent of each
// task. Whatever is selected may change, for whatever cause: the list is right as of the snapshot that it is read in.

// taskListPatch is the name of the type of a patch of a live list.
const taskListPatch = "TaskListPatch"

func taskListPatchTypes() []objectType {
	return []objectType{
		selection.Of[model.TaskListPatch](taskListPatch, fields{
			"fresh":       boolean(func(p *model.TaskListPatch) bool { return p.Fresh }),
			"left":        leaf(func(b []byte, p *model.TaskListPatch) []byte { return appendStrings(b, p.Left) }),
			"placed":      list(func(p *model.TaskListPatch) []*model.Placement { return p.Placed }),
			"totalCount":  integer(func(p *model.TaskListPatch) int { return p.TotalCount }),
			"facets":      object(func(p *model.TaskListPatch) *task.Facets { return p.Facets }),
			"hasNextPage": boolean(func(p *model.TaskListPatch) bool { return p.HasNextPage }),
			"state":       text(func(p *model.TaskListPatch) string { return p.State }),
			"version":     integer(func(p *model.TaskListPatch) int { return p.Version }),
		}).Derive(liveSelectionOf),
		selection.Of[model.Placement]("Placement", fields{
			"why":     text(func(p *model.Placement) listdiff.Reason { return p.Why }),
			"afterId": nullable(func(p *model.Placement) *string { return p.AfterID }, selection.AppendString),
			"edge":    object(func(p *model.Placement) *keyset.Edge[*ent.Task] { return p.Edge }),
		}),
	}
}

// liveSelection is what is selected of a live list.
type liveSelection struct {
	task.Selection

	// edges and facets are what is selected of each edge, and of the facets.
	edges, facets []*set
	// rows reports whether it makes a difference which tasks the list has, in which order.
	rows, total, more, state, version bool
}

// liveSelectionOf derives from the selection set of a patch what has to be read of the list, and compared.
func liveSelectionOf(s *set) any {
	return &liveSelection{
		Selection: task.Selection{
			Columns:    columnsOf(s.Below("placed", "edge", "node")),
			CountsOnly: !s.Selects("left", "placed", "state", "hasNextPage"),
			Facets:     facetsOf(s),
			TagColumns: columnsOf(s.Below("facets", "byTag", "tag")),
		},
		edges:   s.Below("placed", "edge"),
		facets:  s.Below("facets"),
		rows:    s.Selects("left", "placed", "state"),
		total:   s.Selects("totalCount"),
		more:    s.Selects("hasNextPage"),
		state:   s.Selects("state"),
		version: s.Selects("version"),
	}
}

// listPosition is the position of a subscription to a live list: what its client has. Subscriptions that have the same are at the
// same position, however they got there.
type listPosition struct {
	// list is a digest of the counts, and then the id and the digest of each edge.
	list unique.Handle[string]
	// version is the workspace's, if it is selected.
	version int
}

const (
	digestBytes = 8
	entryBytes  = len(uuid.UUID{}) + digestBytes
)

// entries returns the ids and digests that the client has.
func (p listPosition) entries() []listdiff.Entry {
	text := p.list.Value()[digestBytes:]
	entries := make([]listdiff.Entry, len(text)/entryBytes)
	for i := range entries {
		at := i * entryBytes
		copy(entries[i].ID[:], text[at:])
		copy(entries[i].Digest[:], text[at+len(entries[i].ID):])
	}
	return entries
}

// liveList is one reading of a live list.
type liveList struct {
	*liveSelection

	root *rootField
	in   task.ListInput
	// patch has the whole list, until makeDiff.
	patch   *model.TaskListPatch
	entries []listdiff.Entry
	// list is what the position has of the list.
	list []byte
	// next is when the clock may change the list; zero if it never does.
	next time.Time
}

// taskList resolves the root field taskList of a subscription. in has all arguments of the list. The clock stands still meanwhile, so
// that the filter, the counts and what is encoded agree on what is overdue.
func (r *rootField) taskList(ctx context.Context, t *turn, in task.ListInput, workspaceID *string) (*model.TaskListPatch, error) {
	if err := r.actIn(ctx, workspaceID); err != nil {
		return nil, err
	}
	selected, ok := r.selectedOf(taskListPatch).Derived.(*liveSelection)
	if !ok {
		return nil, errNoEntry
	}
	in.Selection = selected.Selection
	now := r.resolver.services.Tasks.Now()
	r.resolver = r.resolver.at(now)
	l := &liveList{liveSelection: selected, root: r, in: in}
	tasks := r.resolver.services.Tasks
	err := tasks.Snapshot(ctx, r.viewer, func(ctx context.Context, version int) error {
		if err := l.read(ctx, version); err != nil || !t.clock {
			return err
		}
		next, err := r.resolver.services.nextChange(ctx, r.viewer, now, t.next)
		l.next = next.Add(time.Microsecond) // What is due at a moment is overdue after it.
		return err
	})
	if err != nil {
		return nil, err
	}
	at := listPosition{list: unique.Make(string(l.list))}
	if selected.version {
		at.version = l.patch.Version
	}
	t.result.Position, t.result.Version, t.result.Next, t.result.AsOf = at, l.patch.Version, l.next, now
	if _, first := t.at.(start); !first { // The operation has paid for that.
		t.result.RunCost = t.readCost
	}
	return l.patchFor(t, at)
}

// at returns the resolver with a clock that stands still.
func (r *Resolver) at(now time.Time) *Resolver {
	services := r.services
	services.Tasks = services.Tasks.At(now)
	return &Resolver{services: services}
}

// read reads the list with all that is selected. The context must be a snapshot's. It may be called twice.
func (l *liveList) read(ctx context.Context, version int) error {
	page, err := l.root.resolver.services.Tasks.List(ctx, l.root.viewer, l.in)
	if err != nil {
		return err //nolint:wrapcheck // It says what was read.
	}
	l.patch = &model.TaskListPatch{
		Fresh: true, Left: []string{}, Placed: make([]*model.Placement, len(page.Edges)), Facets: page.Facets, Version: version,
	}
	var before *string
	for i, edge := range page.Edges {
		l.patch.Placed[i] = &model.Placement{Why: listdiff.Entered, AfterID: before, Edge: edge}
		id := edge.Node.ID.String()
		before = &id
	}
	if l.total {
		if l.patch.TotalCount, err = page.TotalCount(ctx); err != nil {
			return err //nolint:wrapcheck // As above.
		}
	}
	if l.patch.HasNextPage, err = page.PageInfo.HasNextPage(ctx); err != nil {
		return err //nolint:wrapcheck // As above.
	}
	l.root.values.Reset()
	l.root.preloaded = true
	if err := l.root.plan.Load(ctx, l.root, l.patch); err != nil {
		return err //nolint:wrapcheck // As above.
	}
	return l.digest(ctx)
}

// digest computes what the position has of the list.
func (l *liveList) digest(ctx context.Context) error {
	var b []byte
	var err error
	for _, facets := range l.facets {
		if b, err = facets.Append(ctx, l.root, b, l.patch.Facets); err != nil {
			return fmt.Errorf("encoding facets: %w", err)
		}
	}
	b = binary.AppendVarint(b, int64(l.patch.TotalCount))
	if l.more {
		b = appendBool(b, l.patch.HasNextPage)
	}
	counts := digestOf(b)
	l.list, l.entries = append(l.list[:0], counts[:]...), l.entries[:0]
	if !l.rows {
		return nil
	}
	for _, p := range l.patch.Placed {
		b = b[:0]
		for _, edge := range l.edges {
			if b, err = edge.Append(ctx, l.root, b, p.Edge); err != nil {
				return fmt.Errorf("encoding a task: %w", err)
			}
		}
		e := listdiff.Entry{ID: p.Edge.Node.ID, Digest: digestOf(b)}
		l.entries = append(l.entries, e)
		l.list = append(append(l.list, e.ID[:]...), e.Digest[:]...)
	}
	return nil
}

func digestOf(b []byte) [digestBytes]byte {
	sum := sha256.Sum256(b)
	return [digestBytes]byte(sum[:])
}

// patchFor returns the patch for a client at the turn's position. at is the position of the list as it is now.
func (l *liveList) patchFor(t *turn, at listPosition) (*model.TaskListPatch, error) {
	p := l.patch
	begins, isStart := t.at.(start)
	if l.state || isStart && begins.given {
		var err error
		if p.State, err = l.stateText(t.clock); err != nil {
			return nil, err
		}
	}
	switch has := t.at.(type) {
	case listPosition:
		t.quiet = has == at
		l.makeDiff(has.entries())
	case start:
		if has.given && has.text == p.State {
			p.Fresh, p.Placed = false, nil
		}
	}
	return p, nil
}

// makeDiff makes the patch one for a client that has a list.
func (l *liveList) makeDiff(has []listdiff.Entry) {
	diff := listdiff.Diff(has, l.entries)
	all := l.patch.Placed
	l.patch.Fresh, l.patch.Placed = false, make([]*model.Placement, len(diff.Placed))
	for i, placed := range diff.Placed {
		p := all[placed.Index]
		p.Why = placed.Reason
		l.patch.Placed[i] = p
	}
	for _, id := range diff.Left {
		l.patch.Left = append(l.patch.Left, id.String())
	}
}

const (
	stateFormat = 1
	stateBytes  = 24
)

// stateText returns the ListState: a digest of what decides about the list, and of the list.
func (l *liveList) stateText(clock bool) (string, error) {
	r := l.root
	arguments := r.plan.field.ArgumentMap(r.operation.Variables)
	for _, name := range []string{positionArguments[r.plan.field.Name], "workspaceId"} {
		delete(arguments, name)
	}
	encoded, err := json.Marshal(arguments)
	if err != nil {
		return "", fmt.Errorf("encoding arguments: %w", err)
	}
	b := appendPart(make([]byte, 0, 1<<10), r.viewer.WorkspaceID)
	selected, err := r.plan.AppendText(nil, r.operation.Variables)
	if err != nil {
		return "", err //nolint:wrapcheck // It says what it did.
	}
	b = appendPart(appendPart(b, string(encoded)), string(selected))
	if clock {
		b = appendPart(b, r.viewer.Location.String())
	}
	sum := sha256.Sum256(append(b, l.list...))
	return base64.RawURLEncoding.EncodeToString(append([]byte{stateFormat}, sum[:stateBytes-1]...)), nil
}
