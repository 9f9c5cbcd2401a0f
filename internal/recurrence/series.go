package recurrence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/occurrence"
	entrecurrence "taskql/ent/recurrence"
	"taskql/internal/workspace"
)

// Series is a series with its open occurrence, as a change has loaded it. Functions that change it change both its rows and these
// values.
type Series struct {
	*ent.Recurrence

	// Open is the row of the open occurrence; nil if none is open.
	Open *ent.Occurrence
}

// Load reads series of the viewer's workspace. Those that don't exist are missing from the map.
func Load(ctx context.Context, t *workspace.Tx, ids ...uuid.UUID) (map[uuid.UUID]*Series, error) {
	all := make(map[uuid.UUID]*Series, len(ids))
	if len(ids) == 0 {
		return all, nil
	}
	rows, err := t.Recurrence.Query().Where(workspace.Scope(t.Viewer), entrecurrence.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading series: %w", err)
	}
	for _, row := range rows {
		all[row.ID] = &Series{Recurrence: row}
	}
	open, err := t.Occurrence.Query().
		Where(workspace.Scope(t.Viewer), occurrence.RecurrenceIDIn(ids...), occurrence.Outcome(string(Open))).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading open occurrences: %w", err)
	}
	for _, row := range open {
		if s, ok := all[row.RecurrenceID]; ok {
			s.Open = row
		}
	}
	return all, nil
}

// IsOpen reports whether a number is that of the open occurrence.
func (s *Series) IsOpen(number *int) bool {
	return s.Open != nil && number != nil && s.Open.Number == *number
}

// Start begins a series at its first occurrence, which must meet the rule.
func Start(ctx context.Context, t *workspace.Tx, d *Definition, start Due) (*Series, error) {
	s := &Series{Recurrence: &ent.Recurrence{
		ID: uuid.Must(uuid.NewV7()), WorkspaceID: t.Viewer.WorkspaceID, CreatedAt: t.Now, FirstNumber: 1, LastNumber: 1,
	}}
	s.define(d, start)
	s.Open = s.row(t, s.LastNumber, start, Open)
	b := NewBatch(t)
	b.save(s)
	b.log = append(b.log, s.Open)
	return s, b.Write(ctx)
}

func (s *Series) define(d *Definition, start Due) {
	s.Rule, s.Mode, s.CatchUp = d.rule.String(), string(d.mode), string(d.catchUp)
	s.StartDate, s.StartAt, s.TimeZone = start.Date, start.At, start.TimeZone
}

// row returns a new row of the log.
func (s *Series) row(t *workspace.Tx, number int, due Due, outcome Outcome) *ent.Occurrence {
	return &ent.Occurrence{
		ID: uuid.Must(uuid.NewV7()), WorkspaceID: s.WorkspaceID, RecurrenceID: s.ID, Number: number,
		DueDate: due.Date, DueAt: due.At, DueTimeZone: due.TimeZone, Outcome: string(outcome), Version: t.Version,
	}
}

// Redefine gives a running series another rule, of which the open occurrence is the first. It reports whether that changes anything.
func (s *Series) Redefine(ctx context.Context, t *workspace.Tx, d *Definition, start Due) (bool, error) {
	before := *s.Recurrence
	s.define(d, start)
	s.FirstNumber = s.Open.Number
	if before.Rule == s.Rule && before.Mode == s.Mode && before.CatchUp == s.CatchUp && before.FirstNumber == s.FirstNumber &&
		start.equal(StartOf(&before)) && start.equal(DueOf(s.Open)) {
		return false, nil
	}
	s.Open.DueDate, s.Open.DueAt, s.Open.DueTimeZone, s.Open.Version = start.Date, start.At, start.TimeZone, t.Version
	b := NewBatch(t)
	b.save(s)
	b.log = append(b.log, s.Open)
	return true, b.Write(ctx)
}

// End ends a series, and removes its open occurrence from the log. The occurrence's task leaves the series.
func (b *Batch) End(s *Series) {
	b.cutLog(s, s.Open.Number-1)
	s.LastNumber, s.Open, s.EndedAt = s.Open.Number-1, nil, &b.t.Now
	b.save(s)
}

// searchCost is what looking for the next occurrence costs. It can take some milliseconds.
const searchCost = 20

// Advance gives the open occurrences of series the outcome, and opens the next ones, which are then Series.Open. A series without a
// next one has ended; so has a suspended one.
func (b *Batch) Advance(ctx context.Context, outcome Outcome, all ...*Series) error {
	t := b.t
	if err := t.Charge(len(all) * searchCost); err != nil {
		return err //nolint:wrapcheck // It says enough.
	}
	missed := min(MaxMissed, maxMissedTogether/max(1, len(all)))
	for _, s := range all {
		over := s.Open
		over.Outcome, over.At, over.Version, s.Open = string(outcome), &t.Now, t.Version, nil
		b.log = append(b.log, over)
		if s.EndedAt != nil {
			continue
		}
		if ctx.Err() != nil { // A rule can take milliseconds.
			return ctx.Err() //nolint:wrapcheck // It says all.
		}
		schedule, err := scheduleOf(s.Recurrence, over.Number)
		if err != nil {
			return err
		}
		next := schedule.follow(DueOf(over), outcome, clockOf(t), missed)
		for i, due := range next.missed {
			row := s.row(t, over.Number+1+i, due, Missed)
			row.At = &t.Now
			b.log = append(b.log, row)
		}
		s.FirstNumber, s.LastNumber = s.FirstNumber-next.unlisted, over.Number+len(next.missed)
		if next.due == nil {
			s.EndedAt = &t.Now
			continue
		}
		s.LastNumber++
		s.Open = s.row(t, s.LastNumber, *next.due, Open)
		b.log = append(b.log, s.Open)
	}
	b.save(all...)
	return nil
}

// Result is what the completion of an occurrence has left in the log.
type Result struct {
	// Over is the row of the occurrence.
	Over *ent.Occurrence
	// Intact reports whether nothing in the log after it, and nothing of the series, has changed since. If so, Series.Open is the
	// occurrence that followed.
	Intact bool
}

// Results returns what the completions of occurrences of these series have left. Those that aren't completed are missing from the map.
func Results(ctx context.Context, t *workspace.Tx, series map[uuid.UUID]*Series, keys []Key) (map[Key]*Result, error) {
	results := make(map[Key]*Result, len(keys))
	if len(keys) == 0 {
		return results, nil
	}
	rows, err := t.Occurrence.Query().Where(workspace.Scope(t.Viewer), keyIn(keys), occurrence.Outcome(string(Completed))).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading completed occurrences: %w", err)
	}
	b := workspace.Statement()
	b.WriteString("SELECT DISTINCT o.id FROM occurrences o JOIN occurrences later ON later.recurrence_id = o.recurrence_id AND later.number > o.number" +
		" WHERE (later.version <> o.version OR later.outcome NOT IN ('" + string(Missed) + "', '" + string(Open) + "')) AND ").
		Join(workspace.Condition(t.Viewer, "o")).WriteString(" AND o.id IN (")
	n := 0
	for _, row := range rows {
		r := &Result{Over: row, Intact: row.Version != 0 && series[row.RecurrenceID] != nil && series[row.RecurrenceID].Version == row.Version}
		if results[Key{row.RecurrenceID, row.Number}] = r; r.Intact {
			if n++; n > 1 {
				b.Comma()
			}
			b.Arg(row.ID)
		}
	}
	if n == 0 {
		return results, nil
	}
	var changed []uuid.UUID
	if err := t.Select(ctx, &changed, b.WriteString(")")); err != nil {
		return nil, fmt.Errorf("reading the logs of series: %w", err)
	}
	for _, r := range results {
		r.Intact = r.Intact && !slices.Contains(changed, r.Over.ID)
	}
	return results, nil
}

// Rewind opens an occurrence again whose result is intact. If its task is in the trash, the series is suspended.
func (b *Batch) Rewind(s *Series, r *Result, suspended bool) error {
	schedule, err := scheduleOf(s.Recurrence, r.Over.Number)
	if err != nil {
		return err
	}
	b.cutLog(s, r.Over.Number)
	s.FirstNumber = schedule.firstNumber(s.Recurrence, DueOf(r.Over), r.Over.Number)
	s.Open, s.LastNumber, s.EndedAt = r.Over, r.Over.Number, nil
	if suspended {
		s.EndedAt = &b.t.Now
	}
	s.Open.Outcome, s.Open.At, s.Open.Version = string(Open), nil, b.t.Version
	b.log = append(b.log, s.Open)
	b.save(s)
	return nil
}

// CheckUse sets whether series are unused, after tasks have left or joined them. Those that are nil are left out.
func CheckUse(ctx context.Context, t *workspace.Tx, all ...*Series) error {
	var ids []uuid.UUID
	for _, s := range all {
		if s != nil {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var used []uuid.UUID
	b := workspace.Statement()
	b.WriteString("SELECT DISTINCT recurrence_id FROM tasks WHERE recurrence_id IS NOT NULL AND ").Join(workspace.Condition(t.Viewer, "")).
		WriteString(" AND recurrence_id IN (").Args(workspace.AnySlice(ids)...).WriteString(")")
	if err := t.Select(ctx, &used, b); err != nil {
		return fmt.Errorf("looking for tasks of series: %w", err)
	}
	changed := NewBatch(t)
	for _, s := range all {
		if s != nil && s.Unused == slices.Contains(used, s.ID) {
			s.Unused = !s.Unused
			changed.save(s)
		}
	}
	return changed.Write(ctx)
}

// State is what Restore puts back of a series.
type State struct {
	Rule                    string
	Mode                    Mode
	CatchUp                 CatchUp
	Start                   Due
	FirstNumber, LastNumber int
	EndedAt                 *time.Time
	// Open is where the rule has put the open occurrence, whose number is LastNumber; nil if none is open.
	Open *Due
}

// State returns the state of a series.
func (s *Series) State() State {
	state := State{
		Rule: s.Rule, Mode: Mode(s.Mode), CatchUp: CatchUp(s.CatchUp), Start: StartOf(s.Recurrence),
		FirstNumber: s.FirstNumber, LastNumber: s.LastNumber, EndedAt: s.EndedAt,
	}
	if s.Open != nil {
		due := DueOf(s.Open)
		state.Open = &due
	}
	return state
}

// Restore puts a series and its log back to a state, in which it had no more occurrences than now. The log keeps what was over then.
func (b *Batch) Restore(s *Series, state State) {
	s.Rule, s.Mode, s.CatchUp = state.Rule, string(state.Mode), string(state.CatchUp)
	s.StartDate, s.StartAt, s.TimeZone = state.Start.Date, state.Start.At, state.Start.TimeZone
	s.FirstNumber, s.LastNumber, s.EndedAt, s.Open = state.FirstNumber, state.LastNumber, state.EndedAt, nil
	b.cutLog(s, s.LastNumber)
	if state.Open != nil {
		s.Open = s.row(b.t, s.LastNumber, *state.Open, Open)
		b.log = append(b.log, s.Open)
	}
	b.save(s)
}

// SuspendAll suspends series whose open occurrences go into the trash.
func SuspendAll(ctx context.Context, t *workspace.Tx, ids ...uuid.UUID) error {
	return setEnd(ctx, t, &t.Now, ids)
}

// ResumeAll resumes suspended series, whose open occurrences come out of the trash.
func ResumeAll(ctx context.Context, t *workspace.Tx, ids ...uuid.UUID) error {
	return setEnd(ctx, t, nil, ids)
}

func setEnd(ctx context.Context, t *workspace.Tx, at *time.Time, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	u := t.Recurrence.Update().Where(workspace.Scope(t.Viewer), entrecurrence.IDIn(ids...)).SetVersion(t.Version).SetUpdatedAt(t.Now)
	if at == nil {
		u.ClearEndedAt()
	} else {
		u.SetEndedAt(*at)
	}
	if err := u.Exec(ctx); err != nil {
		return fmt.Errorf("ending or resuming series: %w", err)
	}
	t.MarkChanged()
	return nil
}
