package recurrence

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/occurrence"
	"taskql/ent/predicate"
	entrecurrence "taskql/ent/recurrence"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// saveBatch is how many rows one statement writes: its number of arguments is limited.
const saveBatch = 1000

// seriesColumns and logColumns are the columns that a batch writes. The first ones stay as they are if there is a row.
var (
	seriesColumns = []string{ //nolint:gochecknoglobals // A constant table.
		entrecurrence.FieldID, entrecurrence.FieldWorkspaceID, entrecurrence.FieldCreatedAt,
		entrecurrence.FieldVersion, entrecurrence.FieldUpdatedAt, entrecurrence.FieldRule, entrecurrence.FieldMode, entrecurrence.FieldCatchUp,
		entrecurrence.FieldStartDate, entrecurrence.FieldStartAt, entrecurrence.FieldTimeZone,
		entrecurrence.FieldFirstNumber, entrecurrence.FieldLastNumber, entrecurrence.FieldEndedAt, entrecurrence.FieldUnused,
	}
	logColumns = []string{ //nolint:gochecknoglobals // As above.
		occurrence.FieldID, occurrence.FieldWorkspaceID, occurrence.FieldRecurrenceID, occurrence.FieldNumber,
		occurrence.FieldDueDate, occurrence.FieldDueAt, occurrence.FieldDueTimeZone, occurrence.FieldOutcome, occurrence.FieldAt,
		occurrence.FieldVersion,
	}
)

const seriesFixed, logFixed = 3, 4

// Batch is what a change does to series and their logs. Its methods change the series that it is given, and Write writes all of them
// with one statement for each kind of row, however many they are.
type Batch struct {
	t       *workspace.Tx
	changed []*Series
	log     []*ent.Occurrence
	// cuts are the logs that end earlier now.
	cuts []Key
}

// NewBatch returns an empty batch of a change.
func NewBatch(t *workspace.Tx) *Batch { return &Batch{t: t} }

// save adds series whose rows change, new ones too.
func (b *Batch) save(all ...*Series) { b.changed = append(b.changed, all...) }

// cutLog removes what is after a number from the log of a series.
func (b *Batch) cutLog(s *Series, last int) { b.cuts = append(b.cuts, Key{s.ID, last}) }

// Write writes the batch. The series get this change's version.
func (b *Batch) Write(ctx context.Context) error {
	if len(b.changed) == 0 {
		return nil
	}
	rows := make([][]any, len(b.changed))
	for i, s := range b.changed {
		s.Version, s.UpdatedAt = b.t.Version, b.t.Now
		rows[i] = []any{
			s.ID, s.WorkspaceID, s.CreatedAt, s.Version, s.UpdatedAt, s.Rule, s.Mode, s.CatchUp,
			s.StartDate, s.StartAt, s.TimeZone, s.FirstNumber, s.LastNumber, s.EndedAt, s.Unused,
		}
	}
	b.t.MarkChanged()
	if err := upsert(ctx, b.t, entrecurrence.Table, entrecurrence.FieldID, seriesColumns, seriesFixed, rows); err != nil {
		return err
	}
	if err := b.writeCuts(ctx); err != nil {
		return err
	}
	return b.writeLog(ctx)
}

// rowsPerPoint is how many rows of logs cost 1.
const rowsPerPoint = 5

// writeLog writes rows of logs, new ones too.
func (b *Batch) writeLog(ctx context.Context) error {
	if err := b.t.Charge(len(b.log) / rowsPerPoint); err != nil {
		return err //nolint:wrapcheck // It says enough.
	}
	rows := make([][]any, len(b.log))
	for i, o := range b.log {
		rows[i] = []any{
			o.ID, o.WorkspaceID, o.RecurrenceID, o.Number, o.DueDate, o.DueAt, o.DueTimeZone, o.Outcome, o.At, o.Version,
		}
	}
	// A row keeps its id.
	return upsert(ctx, b.t, occurrence.Table, occurrence.FieldRecurrenceID+", "+occurrence.FieldNumber, logColumns, logFixed, rows)
}

// cutBatch is how many logs one statement cuts: SQLite limits the depth of conditions.
const cutBatch = 100

// writeCuts deletes rows of logs.
func (b *Batch) writeCuts(ctx context.Context) error {
	for batch := range slices.Chunk(b.cuts, cutBatch) {
		after := make([]predicate.Occurrence, len(batch))
		for i, k := range batch {
			after[i] = occurrence.And(occurrence.RecurrenceID(k.RecurrenceID), occurrence.NumberGT(k.Number))
		}
		if _, err := b.t.Occurrence.Delete().Where(workspace.Scope(b.t.Viewer), occurrence.Or(after...)).Exec(ctx); err != nil {
			return fmt.Errorf("deleting occurrences: %w", err)
		}
	}
	return nil
}

// upsert inserts rows, or updates those that exist with the same key, except for the first columns.
func upsert(ctx context.Context, t *workspace.Tx, table, key string, columns []string, fixed int, rows [][]any) error {
	for batch := range slices.Chunk(rows, saveBatch) {
		b := workspace.Statement()
		b.WriteString("INSERT INTO ").Ident(table).WriteString(" (").IdentComma(columns...).WriteString(") VALUES ")
		for i, row := range batch {
			if i > 0 {
				b.Comma()
			}
			b.WriteByte('(').Args(row...).WriteByte(')')
		}
		b.WriteString(" ON CONFLICT (" + key + ") DO UPDATE SET ")
		for i, column := range columns[fixed:] {
			if i > 0 {
				b.Comma()
			}
			b.Ident(column).WriteString(" = excluded.").Ident(column)
		}
		if err := t.Exec(ctx, b); err != nil {
			return fmt.Errorf("writing %s: %w", table, err)
		}
	}
	return nil
}

// Remove deletes those of the series that no task refers to any more, with their logs, and ends those whose open occurrence has no
// task any more. It is called after tasks were deleted for good.
func Remove(ctx context.Context, t *workspace.Tx, ids ...uuid.UUID) error {
	all, err := Load(ctx, t, ids...)
	if err != nil || len(all) == 0 {
		return err
	}
	b := workspace.Statement()
	task := func(condition string) {
		b.WriteString("EXISTS (SELECT 1 FROM tasks t WHERE t.recurrence_id = r.id AND ").Join(workspace.Condition(t.Viewer, "t")).WriteString(condition + ")")
	}
	b.WriteString("SELECT r.id, ")
	task("")
	b.WriteString(" AS used, ")
	task(" AND t.occurrence_number = r.last_number")
	b.WriteString(" AS has_last FROM recurrences r WHERE ").Join(workspace.Condition(t.Viewer, "r")).
		WriteString(" AND r.id IN (").Args(workspace.AnySlice(ids)...).WriteString(")")
	var found []struct {
		ID      uuid.UUID `sql:"id"`
		Used    bool      `sql:"used"`
		HasLast bool      `sql:"has_last"`
	}
	if err := t.Select(ctx, &found, b); err != nil {
		return fmt.Errorf("looking for the tasks of series: %w", err)
	}
	var unused []uuid.UUID
	ended := NewBatch(t)
	for _, f := range found {
		switch s := all[f.ID]; {
		case !f.Used:
			unused = append(unused, f.ID)
		case s.Open != nil && !f.HasLast:
			ended.End(s)
		}
	}
	if err := ended.Write(ctx); err != nil {
		return err
	}
	return remove(ctx, t, unused)
}

// remove deletes series for good, with their logs.
func remove(ctx context.Context, t *workspace.Tx, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	if _, err := t.Recurrence.Delete().Where(workspace.Scope(t.Viewer), entrecurrence.IDIn(ids...)).Exec(ctx); err != nil {
		return fmt.Errorf("deleting series: %w", err)
	}
	t.MarkChanged()
	return t.Gone(ctx, workspace.KindRecurrence, ids...) //nolint:wrapcheck // It says what it did.
}

// MoveFrom moves series with their logs from another workspace to the viewer's. The other workspace must be closed.
func MoveFrom(ctx context.Context, t *workspace.Tx, from viewer.Viewer, ids ...uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	b := workspace.Statement()
	b.WriteString("UPDATE recurrences SET workspace_id = ").Arg(t.Viewer.WorkspaceID).WriteString(", version = ").Arg(t.Version).
		WriteString(" WHERE ").Join(workspace.Condition(from, "")).WriteString(" AND id IN (").Args(workspace.AnySlice(ids)...).WriteString(")")
	if err := t.Exec(ctx, b); err != nil {
		return fmt.Errorf("moving series: %w", err)
	}
	// Versions of the other workspace mean nothing in this one.
	b = workspace.Statement()
	b.WriteString("UPDATE occurrences SET workspace_id = ").Arg(t.Viewer.WorkspaceID).WriteString(", version = 0 WHERE ").
		Join(workspace.Condition(from, "")).WriteString(" AND recurrence_id IN (").Args(workspace.AnySlice(ids)...).WriteString(")")
	if err := t.Exec(ctx, b); err != nil {
		return fmt.Errorf("moving the logs of series: %w", err)
	}
	return nil
}
