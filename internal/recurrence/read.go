package recurrence

import (
	"context"
	"fmt"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/occurrence"
	"taskql/ent/predicate"
	entrecurrence "taskql/ent/recurrence"
	"taskql/internal/keyset"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// feedKind returns what series add to the feed of changes.
func (s *Service) feedKind() workspace.FeedKind {
	return workspace.FeedKind{
		Kind: workspace.KindRecurrence, Order: 3, Table: entrecurrence.Table, Columns: seriesColumns, Read: s.changed,
	}
}

// changed reads series for the feed.
func (s *Service) changed(ctx context.Context, v viewer.Viewer, in workspace.FeedRange, columns []string) ([]workspace.FeedRow, bool, error) {
	q := s.client().Recurrence.Query().Where(workspace.Scope(v), in.Restrict)
	if len(columns) > 0 {
		q.Select(workspace.FeedColumns(columns)...)
	}
	found, err := q.All(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("reading series: %w", err)
	}
	rows := make([]workspace.FeedRow, min(len(found), in.Limit))
	for i := range rows {
		r := found[i]
		rows[i] = workspace.FeedRow{Version: r.Version, ID: r.ID, UpdatedAt: r.UpdatedAt, Value: r}
	}
	return rows, len(found) > in.Limit, nil
}

func (s *Service) client() *ent.Client { return s.workspaces.Client }

// GetMany reads series by id, in the clients' spelling. Those that don't exist or aren't the viewer's are missing from the map.
func (s *Service) GetMany(ctx context.Context, v viewer.Viewer, ids []string, columns ...string) (map[string]*ent.Recurrence, error) {
	return workspace.ByID(ids, func(ids []uuid.UUID) (map[uuid.UUID]*ent.Recurrence, error) { return s.ByID(ctx, v, ids, columns) })
}

// ByID is GetMany for parsed ids. It reads the columns, or all if there are none.
func (s *Service) ByID(ctx context.Context, v viewer.Viewer, ids []uuid.UUID, columns []string) (map[uuid.UUID]*ent.Recurrence, error) {
	found := make(map[uuid.UUID]*ent.Recurrence, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	q := s.client().Recurrence.Query().Where(workspace.Scope(v), entrecurrence.IDIn(ids...))
	if len(columns) > 0 {
		q.Select(columns...)
	}
	rows, err := q.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading series: %w", err)
	}
	for _, r := range rows {
		found[r.ID] = r
	}
	return found, nil
}

// Key names an occurrence: a series and a number.
type Key struct {
	RecurrenceID uuid.UUID
	Number       int
}

// Occurrences reads occurrences. Those that don't exist or aren't the viewer's are missing from the map.
func (s *Service) Occurrences(ctx context.Context, v viewer.Viewer, keys []Key) (map[Key]*ent.Occurrence, error) {
	found := make(map[Key]*ent.Occurrence, len(keys))
	if len(keys) == 0 {
		return found, nil
	}
	rows, err := s.client().Occurrence.Query().Where(workspace.Scope(v), keyIn(keys)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading occurrences: %w", err)
	}
	for _, o := range rows {
		found[Key{o.RecurrenceID, o.Number}] = o
	}
	return found, nil
}

// keyIn selects occurrences.
func keyIn(keys []Key) func(*sql.Selector) {
	return func(s *sql.Selector) {
		s.Where(sql.P(func(b *sql.Builder) {
			b.WriteByte('(').IdentComma(s.C(occurrence.FieldRecurrenceID), s.C(occurrence.FieldNumber)).WriteString(") IN (")
			for i, k := range keys {
				if i > 0 {
					b.Comma()
				}
				b.WriteByte('(').Args(k.RecurrenceID, k.Number).WriteByte(')')
			}
			b.WriteByte(')')
		}))
	}
}

// OccurrencePage is a page of a series' log.
type OccurrencePage = keyset.Page[*ent.Occurrence]

// OccurrenceEdge is an occurrence and its cursor.
type OccurrenceEdge = keyset.Edge[*ent.Occurrence]

// LogInput says which page of each log is wanted, and what of it.
type LogInput struct {
	First *int
	After *string
	// CountsOnly leaves out the rows.
	CountsOnly bool
	// Total and Previous have TotalCount and HasPreviousPage answered for all pages at once. Without them, each takes a statement for
	// each page.
	Total, Previous bool
}

// logOrder is the order of a log: the newest first.
func logOrder() keyset.Order[*ent.Occurrence] {
	return keyset.NewOrder("occurrences by number", func(o *ent.Occurrence) uuid.UUID { return o.ID },
		keyset.Term[*ent.Occurrence]{
			Columns:    []keyset.Column[*ent.Occurrence]{keyset.BigInt(occurrence.FieldNumber, func(o *ent.Occurrence) int { return o.Number })},
			Descending: true,
		})
}

// over selects the occurrences of series that are over.
func over(v viewer.Viewer, ids []uuid.UUID) func(*sql.Selector) {
	return func(s *sql.Selector) {
		workspace.Scope(v)(s)
		occurrence.RecurrenceIDIn(ids...)(s)
		occurrence.OutcomeNEQ(string(Open))(s)
	}
}

// Logs returns a page of each series' occurrences that are over, the newest first. The error is a *keyset.InputError if the input is
// invalid, even if there are no series.
func (s *Service) Logs(ctx context.Context, v viewer.Viewer, series []uuid.UUID, in LogInput) (map[uuid.UUID]*OccurrencePage, error) {
	o := logOrder()
	w, err := keyset.NewWindow(o, keyset.Args{First: in.First, After: in.After})
	if err != nil {
		return nil, err //nolint:wrapcheck // It names the argument.
	}
	pages := make(map[uuid.UUID]*OccurrencePage, len(series))
	if len(series) == 0 {
		return pages, nil
	}
	var rows map[uuid.UUID][]*ent.Occurrence
	if !in.CountsOnly {
		if rows, err = s.firstOfLogs(ctx, v, series, o, w); err != nil {
			return nil, fmt.Errorf("reading the logs of series: %w", err)
		}
	}
	for _, id := range series {
		query := func() *ent.OccurrenceQuery { return s.client().Occurrence.Query().Where(over(v, []uuid.UUID{id})) }
		list := keyset.List[*ent.Occurrence]{
			Order: o,
			Read: func(ctx context.Context, segment keyset.Segment, limit int, _ []string) ([]*ent.Occurrence, error) {
				return query().Where(segment.Where).Order(segment.Sort).Limit(limit).All(ctx)
			},
			Count: func(ctx context.Context) (int, error) { return query().Count(ctx) },
		}
		pages[id] = list.NewPage(w, rows[id])
	}
	if in.Previous && w.After() != nil {
		if err := s.setHasPreviousPage(ctx, v, pages, series, o, w.After()); err != nil {
			return nil, fmt.Errorf("looking beyond pages of logs: %w", err)
		}
	}
	if in.Total {
		return pages, s.countLogs(ctx, v, pages, series)
	}
	return pages, nil
}

// firstOfLogs reads the window's rows of each log, and one more, which tells whether the log goes on.
func (s *Service) firstOfLogs(ctx context.Context, v viewer.Viewer, series []uuid.UUID, o keyset.Order[*ent.Occurrence], w keyset.Window) (map[uuid.UUID][]*ent.Occurrence, error) {
	q := s.client().Occurrence.Query().Order(o.Sort)
	if len(series) == 1 { // The index has the order, so that no more is read of a long log than the page has.
		q.Where(over(v, series)).Limit(w.Size() + 1)
		if w.After() != nil {
			q.Where(func(s *sql.Selector) { s.Where(o.After(s, keyset.Bound{Position: w.After()})) })
		}
	} else {
		q.Where(workspace.Scope(v), firstOfEach(v, series, o, w))
	}
	rows, err := q.All(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // Logs says what it reads.
	}
	byLog := make(map[uuid.UUID][]*ent.Occurrence, len(series))
	for _, row := range rows {
		byLog[row.RecurrenceID] = append(byLog[row.RecurrenceID], row)
	}
	return byLog, nil
}

// firstOfEach selects what firstOfLogs reads of several logs.
func firstOfEach(v viewer.Viewer, series []uuid.UUID, o keyset.Order[*ent.Occurrence], w keyset.Window) func(*sql.Selector) {
	return func(s *sql.Selector) {
		t := sql.Dialect(s.Dialect()).Table(occurrence.Table)
		inner := sql.Dialect(s.Dialect()).Select(t.C(occurrence.FieldID)).From(t)
		over(v, series)(inner)
		if w.After() != nil {
			inner.Where(o.After(inner, keyset.Bound{Position: w.After()}))
		}
		inner.AppendSelectExprAs(sql.RowNumber().PartitionBy(t.C(occurrence.FieldRecurrenceID)).OrderBy(sql.Desc(t.C(occurrence.FieldNumber))), "place")
		outer := inner.As("numbered")
		s.Where(sql.In(s.C(occurrence.FieldID),
			sql.Dialect(s.Dialect()).Select(outer.C(occurrence.FieldID)).From(outer).Where(sql.LTE(outer.C("place"), w.Size()+1))))
	}
}

// setHasPreviousPage sets HasPreviousPage of the pages after the position.
func (s *Service) setHasPreviousPage(ctx context.Context, v viewer.Viewer, pages map[uuid.UUID]*OccurrencePage, series []uuid.UUID, o keyset.Order[*ent.Occurrence], after *keyset.Position) error {
	var rows []struct {
		ID uuid.UUID `sql:"recurrence_id"`
	}
	err := s.client().Occurrence.Query().Where(over(v, series)).Modify(func(s *sql.Selector) {
		s.Where(o.Reversed().After(s, keyset.Bound{Position: after, Inclusive: true})).Select(s.C(occurrence.FieldRecurrenceID)).Distinct()
	}).Scan(ctx, &rows)
	if err != nil {
		return err //nolint:wrapcheck // Logs says what it reads.
	}
	for _, page := range pages {
		page.PageInfo.SetHasPreviousPage(false)
	}
	for _, r := range rows {
		pages[r.ID].PageInfo.SetHasPreviousPage(true)
	}
	return nil
}

// countLogs sets the TotalCount of pages.
func (s *Service) countLogs(ctx context.Context, v viewer.Viewer, pages map[uuid.UUID]*OccurrencePage, series []uuid.UUID) error {
	var counts []struct {
		ID    uuid.UUID `sql:"recurrence_id"`
		Count int       `sql:"count"`
	}
	err := s.client().Occurrence.Query().Where(over(v, series)).
		GroupBy(occurrence.FieldRecurrenceID).Aggregate(ent.Count()).Scan(ctx, &counts)
	if err != nil {
		return fmt.Errorf("counting occurrences: %w", err)
	}
	for _, page := range pages {
		page.SetTotalCount(0)
	}
	for _, c := range counts {
		pages[c.ID].SetTotalCount(c.Count)
	}
	return nil
}

// Remaining returns how many occurrences of a series are left, the open one included; nil if its rule has no COUNT.
func Remaining(r *ent.Recurrence) (*int, error) {
	rule, err := parse(r)
	if err != nil || rule.Count() == 0 {
		return nil, err
	}
	left := 0
	if r.EndedAt == nil {
		left = max(0, rule.Count()-(r.LastNumber-r.FirstNumber))
	}
	return &left, nil
}

// Next returns up to n occurrences that follow the open one of each running series, if that is completed now. The series need all columns.
func (s *Service) Next(ctx context.Context, v viewer.Viewer, now time.Time, all []*ent.Recurrence, n int) (map[uuid.UUID][]*Due, error) {
	var keys []Key
	for _, r := range all {
		if r.EndedAt == nil {
			keys = append(keys, Key{r.ID, r.LastNumber})
		}
	}
	open, err := s.Occurrences(ctx, v, keys)
	if err != nil {
		return nil, err
	}
	next := make(map[uuid.UUID][]*Due, len(all))
	for _, r := range all {
		if ctx.Err() != nil { // A rule can take milliseconds.
			return nil, ctx.Err() //nolint:wrapcheck // It says all.
		}
		o := open[Key{r.ID, r.LastNumber}]
		if r.EndedAt != nil || o == nil {
			continue
		}
		schedule, err := scheduleOf(r, o.Number)
		if err != nil {
			return nil, err
		}
		for _, due := range schedule.next(DueOf(o), clock{now, v.Location}, n) {
			next[r.ID] = append(next[r.ID], &due)
		}
	}
	return next, nil
}

// maxLate is how many rules NextChange examines. Together they may take as long as one rule of Next.
const maxLate = 10

// NextChange returns the last moment, at most until, up to which the clock changes nothing of what Next returns for v's series with
// moments. Those with days change when v's day ends. What follows an occurrence that is not yet due is what the rule puts after it.
func (s *Service) NextChange(ctx context.Context, v viewer.Viewer, now, until time.Time) (time.Time, error) {
	late, err := s.client().Recurrence.Query().Where(
		workspace.Scope(v), entrecurrence.EndedAtIsNil(), entrecurrence.StartAtNotNil(), mayChangeBefore(v, until),
	).Limit(maxLate + 1).All(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading series with moments: %w", err)
	}
	if len(late) > maxLate {
		return now, nil // It would take too long.
	}
	for _, r := range late {
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err() //nolint:wrapcheck // It says all.
		}
		schedule, err := scheduleOf(r, r.LastNumber)
		if err != nil {
			return time.Time{}, err
		}
		until = schedule.change(now, until)
	}
	return until, nil
}

// mayChangeBefore selects the series with moments of which the clock may change what follows before a moment.
func mayChangeBefore(v viewer.Viewer, until time.Time) predicate.Recurrence {
	return entrecurrence.Or(
		entrecurrence.Mode(string(AfterCompletion)),
		entrecurrence.And(entrecurrence.CatchUp(string(NextFuture)), func(s *sql.Selector) {
			o := sql.Dialect(s.Dialect()).Table(occurrence.Table).As("o")
			due := sql.Dialect(s.Dialect()).Select(o.C(occurrence.FieldID)).From(o).Where(workspace.Condition(v, "o")).Where(sql.And(
				sql.ColumnsEQ(o.C(occurrence.FieldRecurrenceID), s.C(entrecurrence.FieldID)),
				sql.ColumnsEQ(o.C(occurrence.FieldNumber), s.C(entrecurrence.FieldLastNumber)), sql.LT(o.C(occurrence.FieldDueAt), until),
			))
			s.Where(sql.Exists(due))
		}),
	)
}

// change returns the last moment, at most until, up to which the clock changes nothing of next.
func (s *schedule) change(now, until time.Time) time.Time {
	changes := until
	if s.mode == AfterCompletion {
		year, month, day := now.In(s.start.Zone).Date()
		changes = time.Date(year, month, day+1, 0, 0, 0, 0, s.start.Zone).Add(-time.Microsecond)
	} else if t, ok := s.rule.Within(s.start, now, until); ok {
		changes = t.At.Add(-time.Microsecond)
	}
	if changes.Before(until) {
		return changes
	}
	return until
}
