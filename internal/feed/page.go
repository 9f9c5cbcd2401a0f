package feed

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// thing is a row or a tombstone in the feed. Things are sorted by version; within a version, what is gone comes first, by the
// names of its kinds, and then rows in the order of their kinds; then by id.
type thing struct {
	workspace.FeedRow

	kind workspace.FeedKind
	gone bool
}

func compareThings(a, b thing) int {
	if c := cmp.Compare(a.Version, b.Version); c != 0 {
		return c
	}
	switch {
	case a.gone != b.gone && a.gone:
		return -1
	case a.gone != b.gone:
		return 1
	case a.gone && a.kind.Kind != b.kind.Kind:
		return cmp.Compare(a.kind.Kind, b.kind.Kind)
	case a.kind.Order != b.kind.Order:
		return cmp.Compare(a.kind.Order, b.kind.Order)
	default:
		return bytes.Compare(a.ID[:], b.ID[:])
	}
}

// section is what a token has of the thing's place within its version.
func (t thing) section() byte {
	section := byte(2 * t.kind.Order) //nolint:gosec // There are few kinds.
	if !t.gone {
		section++
	}
	return section
}

// read reads a page. The context must be a snapshot's.
func (s *Service) read(ctx context.Context, v viewer.Viewer, g *reading) (*Page, error) {
	q := workspace.FeedQuestion{After: g.base(), Gone: g.gone, Kinds: g.kinds}
	if g.from.place == nil {
		q.At = g.from.at
	}
	state, err := s.workspaces.ReadFeedState(ctx, v, q)
	if err != nil {
		return nil, err //nolint:wrapcheck // It says what was read.
	}
	g.checkState(state)
	p := &Page{Reset: g.reset, Version: state.Version, rows: map[workspace.Kind][]any{}}
	things, complete, err := s.things(ctx, v, g, state)
	if err != nil {
		return nil, err
	}
	for _, t := range things {
		if t.gone {
			p.Gone = append(p.Gone, &workspace.Gone{Kind: t.kind.Kind, ID: t.ID, Version: t.Version})
		} else {
			p.rows[t.kind.Kind] = append(p.rows[t.kind.Kind], t.Value)
		}
	}
	p.Complete = complete
	p.Token = g.next(state, things, complete).encode()
	return p, nil
}

// base returns the last version of which the copy has everything.
func (g *reading) base() int {
	if g.from.place != nil {
		return g.from.version - 1
	}
	return g.from.version
}

// checkState begins a new copy if the old one can't be continued.
func (g *reading) checkState(state *workspace.FeedState) {
	switch {
	case g.reset != nil:
	case g.from.version > state.Version, state.LaterRow:
		g.begin(ResetHistoryChanged)
	case state.Floor > max(g.base(), g.from.begun):
		g.begin(ResetExpired)
	default:
		return
	}
	// What was gone by now is not in the new copy.
	g.from.begun = state.Version
	state.Gone = false
	for i := range state.New {
		state.New[i] = true
	}
}

// next returns the token of the page that follows.
func (g *reading) next(state *workspace.FeedState, things []thing, complete bool) *token {
	t := &token{epoch: g.epoch, workspace: g.workspace, version: state.Version, parts: g.parts}
	if !complete {
		last := things[len(things)-1]
		t.version, t.place = last.Version, &place{section: last.section(), id: last.ID}
		if g.from.begun >= t.version {
			t.begun = g.from.begun
		}
		return t
	}
	if g.from.place != nil && g.from.version == state.Version {
		return t // Other rows of the version were on the page before.
	}
	for _, thing := range things {
		if thing.Version == state.Version && thing.UpdatedAt.After(t.at) {
			t.at = thing.UpdatedAt.Truncate(time.Microsecond)
		}
	}
	return t
}

// things reads what comes next, and reports whether nothing comes after it.
func (s *Service) things(ctx context.Context, v viewer.Viewer, g *reading, state *workspace.FeedState) ([]thing, bool, error) {
	var all []thing
	var bound *thing // What comes after it may not be read yet.
	add := func(read []thing, more bool) {
		all = append(all, read...)
		if last := len(read) - 1; more && (bound == nil || compareThings(read[last], *bound) < 0) {
			bound = &read[last]
		}
	}
	if state.Gone {
		read, more, err := s.readGone(ctx, v, g)
		if err != nil {
			return nil, false, err
		}
		add(read, more)
	}
	for i, kind := range g.kinds {
		if !state.New[i] {
			continue
		}
		read, more, err := readRows(ctx, v, g, kind)
		if err != nil {
			return nil, false, err
		}
		add(read, more)
	}
	slices.SortFunc(all, compareThings)
	if bound != nil {
		all = slices.DeleteFunc(all, func(t thing) bool { return compareThings(t, *bound) > 0 })
	}
	complete := bound == nil && len(all) <= g.first
	return all[:min(len(all), g.first)], complete, nil
}

// readGone reads tombstones.
func (s *Service) readGone(ctx context.Context, v viewer.Viewer, g *reading) ([]thing, bool, error) {
	kinds := s.workspaces.FeedKinds()
	names := make([]workspace.Kind, len(kinds))
	for i, kind := range kinds {
		names[i] = kind.Kind
	}
	in := workspace.TombstoneRange{After: g.base(), Kinds: names, Limit: g.first}
	if at := g.from.place; at != nil {
		in.After = g.from.version // If rows were being read, all that is gone of the version was read before.
		if at.section%2 == 0 {
			in.AfterKind, in.AfterID = kindOf(kinds, at.section), &at.id
		}
	}
	if g.from.begun > in.After {
		in.After, in.AfterID = g.from.begun, nil
	}
	found, more, err := s.workspaces.ReadTombstones(ctx, v, in)
	if err != nil {
		return nil, false, err //nolint:wrapcheck // It says what was read.
	}
	things := make([]thing, len(found))
	for i, t := range found {
		at := slices.IndexFunc(kinds, func(k workspace.FeedKind) bool { return k.Kind == t.Kind })
		things[i] = thing{FeedRow: workspace.FeedRow{Version: t.Version, ID: t.ID}, kind: kinds[at], gone: true}
	}
	return things, more, nil
}

// kindOf returns the kind of a section, or "" if no kind has it.
func kindOf(kinds []workspace.FeedKind, section byte) workspace.Kind {
	for _, kind := range kinds {
		if kind.Order == int(section/2) {
			return kind.Kind
		}
	}
	return ""
}

// readRows reads rows of a kind.
func readRows(ctx context.Context, v viewer.Viewer, g *reading, kind workspace.FeedKind) ([]thing, bool, error) {
	in := workspace.FeedRange{After: g.base(), Limit: g.first, TextBytes: g.textBytes}
	if at := g.from.place; at != nil && at.section%2 == 1 {
		switch order := int(at.section / 2); {
		case kind.Order < order:
			in.After = g.from.version
		case kind.Order == order:
			in.After, in.AfterID = g.from.version, &at.id
		}
	}
	rows, more, err := kind.Read(ctx, v, in, g.selection.Kinds[kind.Kind].Names)
	if err != nil {
		return nil, false, fmt.Errorf("reading changes of the kind %s: %w", kind.Kind, err)
	}
	things := make([]thing, len(rows))
	for i, row := range rows {
		things[i] = thing{FeedRow: row, kind: kind}
	}
	return things, more, nil
}
