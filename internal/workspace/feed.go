package workspace

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent/tombstone"
	"taskql/internal/viewer"
)

// FeedKind is what an entity adds to the feed of changes. Its table has the columns of the mixin versioned.
type FeedKind struct {
	// Kind names it to clients.
	Kind Kind
	// Order is its place among the kinds of one version, from 1 on, without gaps. Tokens that clients keep contain it: it must
	// never change.
	Order int
	// Table is the table of its rows.
	Table string
	// Columns are those that clients may select. Tokens contain their indices: a new column goes to the end, and none is
	// removed.
	Columns []string
	// Read reads the rows of v's workspace in a range, with those columns and those of FeedColumns, and reports whether there
	// are more. If there are more, there is at least one row.
	Read func(ctx context.Context, v viewer.Viewer, in FeedRange, columns []string) ([]FeedRow, bool, error)
}

// FeedRow is a row in the feed.
type FeedRow struct {
	Version   int
	ID        uuid.UUID
	UpdatedAt time.Time
	// Value is the row: a pointer to what ent has generated.
	Value any
}

// FeedColumns returns the columns with those that FeedKind.Read needs in addition.
func FeedColumns(columns []string) []string {
	all := slices.Clip(columns)
	for _, needed := range []string{"id", "version", "updated_at"} {
		if !slices.Contains(all, needed) {
			all = append(all, needed)
		}
	}
	return all
}

// FeedRange is a range of rows in the order of the feed: by version, then by id.
type FeedRange struct {
	// After is the version after which the range begins, or within which, if AfterID is set.
	After int
	// AfterID is the id after which the range begins within the version After.
	AfterID *uuid.UUID
	// Limit is how many rows the page has at most.
	Limit int
	// TextBytes is how many bytes of long texts there are at most, if there is more than one row. 0: no limit.
	TextBytes int
}

// Restrict limits a query to the range and one row more, which tells whether there are more, and sorts it.
func (r FeedRange) Restrict(s *sql.Selector) {
	version, id := s.C("version"), s.C("id")
	if r.AfterID == nil {
		s.Where(sql.GT(version, r.After))
	} else {
		s.Where(sql.CompositeGT([]string{version, id}, r.Args()...))
	}
	s.OrderBy(version, id).Limit(r.Limit + 1)
}

// Args returns the arguments that Restrict adds to a statement.
func (r FeedRange) Args() []any {
	if r.AfterID == nil {
		return []any{r.After}
	}
	return []any{r.After, *r.AfterID}
}

// Key names the statement that Restrict makes, for caches of SQL.
func (r FeedRange) Key() string {
	return strconv.FormatBool(r.AfterID != nil) + strconv.Itoa(r.Limit)
}

// TombstoneRange is a range of tombstones in the order of the feed: by version, kind and id.
type TombstoneRange struct {
	// After is the version after which the range begins, or within which, after AfterKind and AfterID, if AfterID is set.
	After     int
	AfterKind Kind
	AfterID   *uuid.UUID
	// Kinds are those that are read.
	Kinds []Kind
	// Limit is how many are read at most.
	Limit int
}

// Gone is a thing that was deleted for good.
type Gone struct {
	Kind    Kind
	ID      uuid.UUID
	Version int
}

// ReadTombstones reads the tombstones of v's workspace in a range that v may see, and reports whether there are more.
func (s *Service) ReadTombstones(ctx context.Context, v viewer.Viewer, in TombstoneRange) ([]Gone, bool, error) {
	visible := tombstone.Or(tombstone.UserIDIsNil(), tombstone.UserID(v.UserID))
	q := s.Client.Tombstone.Query().Where(Scope(v), visible, func(s *sql.Selector) {
		version, kind, id := s.C(tombstone.FieldVersion), s.C(tombstone.FieldKind), s.C(tombstone.FieldObjectID)
		if in.AfterID == nil {
			s.Where(sql.GT(version, in.After))
		} else {
			s.Where(sql.CompositeGT([]string{version, kind, id}, in.After, string(in.AfterKind), *in.AfterID))
		}
		kinds := make([]any, len(in.Kinds))
		for i, k := range in.Kinds {
			kinds[i] = string(k)
		}
		s.Where(sql.In(kind, kinds...)).OrderBy(version, kind, id)
	})
	found, err := q.Limit(in.Limit + 1).All(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("reading tombstones: %w", err)
	}
	more := len(found) > in.Limit
	gone := make([]Gone, min(len(found), in.Limit))
	for i := range gone {
		gone[i] = Gone{Kind: Kind(found[i].Kind), ID: found[i].ObjectID, Version: found[i].Version}
	}
	return gone, more, nil
}

// AddFeedKinds adds kinds to the feed. It is called when services are set up, before the feed is read.
func (s *Service) AddFeedKinds(kinds ...FeedKind) {
	for _, kind := range kinds {
		s.feedKinds = slices.DeleteFunc(s.feedKinds, func(k FeedKind) bool { return k.Kind == kind.Kind })
		s.feedKinds = append(s.feedKinds, kind)
	}
	slices.SortFunc(s.feedKinds, func(a, b FeedKind) int { return a.Order - b.Order })
}

// FeedKinds returns the kinds of the feed in their order.
func (s *Service) FeedKinds() []FeedKind { return slices.Clone(s.feedKinds) }

// FeedQuestion is what ReadFeedState looks for.
type FeedQuestion struct {
	// After is the version after which something new is looked for.
	After int
	// Gone and Kinds are what is looked for.
	Gone  bool
	Kinds []FeedKind
	// At is the moment of the version After as it is remembered, zero if it is not known.
	At time.Time
}

// FeedState is the state of a workspace's feed.
type FeedState struct {
	Version int
	// Floor is the version up to which tombstones may be missing.
	Floor int
	// Gone reports whether there are tombstones after the version of the question, and New the same of the rows of each kind.
	Gone bool
	New  []bool
	// LaterRow reports whether a row of the version of the question was changed later than at its moment. Then that version was
	// made twice: the database has lost what it had.
	LaterRow bool
}

var errFeedState = errors.New("the database sent another state of the feed than was asked for")

// ReadFeedState reads the state of the feed of v's workspace, in one statement. The error is ErrNotFound if there is no
// workspace.
func (s *Service) ReadFeedState(ctx context.Context, v viewer.Viewer, q FeedQuestion) (*FeedState, error) {
	statement, args := q.statement(v)
	var state *FeedState
	err := s.QueryRaw(ctx, statement, args, func(row []driver.Value) error {
		numbers := make([]int, len(row))
		for i, value := range row {
			n, ok := value.(int64)
			if !ok {
				return errFeedState
			}
			numbers[i] = int(n)
		}
		if len(numbers) != 4+len(q.Kinds) {
			return errFeedState
		}
		state = &FeedState{Version: numbers[0], Floor: numbers[1], LaterRow: numbers[2] == 1, Gone: numbers[3] == 1}
		for _, n := range numbers[4:] {
			state.New = append(state.New, n == 1)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the state of the feed: %w", err)
	}
	if state == nil {
		return nil, ErrNotFound
	}
	return state, nil
}

// statement returns the statement of the question. Its text depends on what is looked for, not on the workspace or versions.
func (q FeedQuestion) statement(v viewer.Viewer) (string, []any) {
	var b strings.Builder
	args := []any{v.WorkspaceID}
	exists := func(table, condition string) string {
		return "EXISTS (SELECT 1 FROM " + table + " r WHERE r.workspace_id = w.id AND r." + condition + ")"
	}
	flag := func(conditions ...string) {
		if len(conditions) == 0 {
			b.WriteString(", 0")
			return
		}
		b.WriteString(", CASE WHEN " + strings.Join(conditions, " OR ") + " THEN 1 ELSE 0 END")
	}
	if q.Gone || len(q.Kinds) > 0 { // PostgreSQL refuses an argument that isn't used.
		args = append(args, q.After)
	}
	var gone, later []string
	if q.Gone {
		gone = append(gone, exists("tombstones", "version > $2"))
	}
	if !q.At.IsZero() && len(q.Kinds) > 0 {
		args = append(args, q.At)
		for _, kind := range q.Kinds {
			later = append(later, exists(kind.Table, "version = $2 AND r.updated_at > $3"))
		}
	}
	b.WriteString("SELECT w.version, CASE WHEN w.feed_version = w.version THEN w.feed_floor ELSE w.version END")
	flag(later...)
	flag(gone...)
	for _, kind := range q.Kinds {
		flag(exists(kind.Table, "version > $2"))
	}
	b.WriteString(" FROM workspaces w WHERE w.id = $1")
	return b.String(), args
}
