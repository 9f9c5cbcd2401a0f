// Package feed is the feed of changes of a workspace: what a copy of it lacks, page by page, from a token that says what the copy
// has. What is in the feed are the rows of the kinds that entities have registered with package workspace, in the order of their
// versions, and tombstones of what is gone. There is no log: the rows are read as they are now.
package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"taskql/internal/keyset"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// The sizes of a page, in rows and things gone of all kinds together.
const (
	MaxFirst     = 1000
	DefaultFirst = 500
)

// Config configures a Service.
type Config struct {
	// Workspaces has the database, and the kinds of the feed. It is required.
	Workspaces *workspace.Service
	// Opened returns how many connections to the database have been opened so far. A new one may lead to another server, whose
	// history has to be looked at. Nil: the history is only looked at from time to time.
	Opened func() uint64
	// Reset is called with the reason of each page that begins a copy. Nil: it isn't.
	Reset func(reason ResetReason)
	// Log gets what is found out about the database's history. Default: nothing is logged.
	Log *slog.Logger
}

// Service reads feeds. It is safe for concurrent use.
type Service struct {
	workspaces *workspace.Service
	epochs     epochs
	reset      func(ResetReason)
}

// New returns a Service. The services of all entities must have been made before.
func New(c Config) (*Service, error) {
	if c.Workspaces == nil {
		return nil, errors.New("feed: Config.Workspaces is missing")
	}
	if c.Workspaces.Snapshot == nil {
		return nil, errors.New("feed: the database has no Snapshot")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Opened == nil {
		c.Opened = func() uint64 { return 0 }
	}
	if c.Reset == nil {
		c.Reset = func(ResetReason) {}
	}
	return &Service{workspaces: c.Workspaces, epochs: epochs{db: c.Workspaces.Database, opened: c.Opened, log: c.Log}, reset: c.Reset}, nil
}

// Request says which page is wanted.
type Request struct {
	// After is the token of the page before. Nil begins a new copy.
	After *string
	// First is how many rows and things gone the page has at most. Nil means DefaultFirst.
	First *int
	// Selection is what is selected of the page.
	Selection *Selection
	// TextBytes is how many bytes of long texts the page has, if it has more than one row. 0: no limit.
	TextBytes int
}

// ResetReason says why a copy is of no use.
type ResetReason string

// The reasons.
const (
	ResetFirst            ResetReason = "FIRST"
	ResetExpired          ResetReason = "EXPIRED"
	ResetOtherWorkspace   ResetReason = "OTHER_WORKSPACE"
	ResetHistoryChanged   ResetReason = "HISTORY_CHANGED"
	ResetSelectionWidened ResetReason = "SELECTION_WIDENED"
)

// Page is what a copy lacks.
type Page struct {
	// Reset is why the copy is of no use and this page begins a new one; nil if it continues the copy.
	Reset *ResetReason
	Gone  []*workspace.Gone
	// Token is where the next page begins.
	Token string
	// Version is the workspace's. If Complete is set, the copy is the workspace as of it; otherwise more follows.
	Version  int
	Complete bool

	rows map[workspace.Kind][]any
}

// Rows returns the page's rows of a kind, which are of the type T, in the order of their versions.
func Rows[T any](p *Page, kind workspace.Kind) []*T {
	rows := make([]*T, 0, len(p.rows[kind]))
	for _, row := range p.rows[kind] {
		if r, ok := row.(*T); ok {
			rows = append(rows, r)
		}
	}
	return rows
}

// Page returns what the copy lacks that r.After is the token of. Unless that is nothing, load is called with the page, and its
// context reads the database as it was when the page was read. load may be called twice, with two pages, if the connection is lost.
//
// The error is a *keyset.InputError if an argument is invalid, and workspace.ErrNotFound if the viewer has no such workspace.
func (s *Service) Page(ctx context.Context, v viewer.Viewer, r Request, load func(ctx context.Context, p *Page) error) (*Page, error) {
	g, err := s.parse(r)
	if err != nil {
		return nil, err
	}
	if g.epoch, err = s.epochs.current(ctx); err != nil {
		return nil, err
	}
	g.workspace = hashWorkspace(v.WorkspaceID)
	g.checkToken()
	if g.reset == nil && g.from.place == nil {
		version, err := s.workspaces.Version(ctx, v)
		if err != nil {
			return nil, err //nolint:wrapcheck // It says what was read.
		}
		if version == g.from.version {
			return &Page{Token: *r.After, Version: version, Complete: true}, nil
		}
	}
	var page *Page
	err = s.workspaces.Snapshot(ctx, func(ctx context.Context) error {
		var err error
		attempt := *g // It may be the second one.
		if page, err = s.read(ctx, v, &attempt); err != nil {
			return err
		}
		return load(ctx, page)
	})
	if err != nil {
		return nil, fmt.Errorf("reading changes: %w", err)
	}
	if page.Reset != nil {
		s.reset(*page.Reset)
	}
	return page, nil
}

// Epoch returns what identifies the database's history. It changes if the database is replaced by another, or restored.
func (s *Service) Epoch(ctx context.Context) ([8]byte, error) { return s.epochs.current(ctx) }

// reading is the reading of one page.
type reading struct {
	// from is where it begins; the zero value if the copy starts from scratch.
	from      token
	reset     *ResetReason
	epoch     [8]byte
	workspace [8]byte
	kinds     []workspace.FeedKind
	gone      bool
	parts     []part
	selection *Selection
	first     int
	textBytes int
}

// parse checks the arguments.
func (s *Service) parse(r Request) (*reading, error) {
	g := &reading{first: DefaultFirst, selection: r.Selection, gone: r.Selection.Gone, textBytes: r.TextBytes}
	if r.First != nil {
		if g.first = *r.First; g.first < 1 || g.first > MaxFirst {
			return nil, &keyset.InputError{Argument: "first", Message: fmt.Sprintf("first must be 1 to %d, not %d", MaxFirst, g.first)}
		}
	}
	all := s.workspaces.FeedKinds()
	g.parts = r.Selection.parts(all)
	for _, kind := range all {
		if _, ok := r.Selection.Kinds[kind.Kind]; ok {
			g.kinds = append(g.kinds, kind)
		}
	}
	if r.After == nil {
		g.begin(ResetFirst)
		return g, nil
	}
	from, err := decodeToken(*r.After)
	if err != nil {
		return nil, &keyset.InputError{Argument: "after", Message: "after " + err.Error()}
	}
	g.from = *from
	return g, nil
}

// begin makes the page the first of a new copy.
func (g *reading) begin(why ResetReason) {
	g.reset = &why
	g.from = token{version: -1} // Before every version.
}

// checkToken begins a new copy if the token alone says that the old one is of no use.
func (g *reading) checkToken() {
	switch {
	case g.reset != nil:
	case g.from.workspace != g.workspace:
		g.begin(ResetOtherWorkspace)
	case g.from.epoch != g.epoch:
		g.begin(ResetHistoryChanged)
	case !covers(g.from.parts, g.parts):
		g.begin(ResetSelectionWidened)
	}
}
