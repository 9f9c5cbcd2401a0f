package recurrence

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/ent/occurrence"
	entrecurrence "taskql/ent/recurrence"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// saveBatch is how many rows one statement writes: its number of arguments is limited.
const saveBatch = 1000

// seriesColumns and logColumns are the columns that save and saveLog write. The first ones stay as they are if there is a row.
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

// save writes series, new ones too, and gives them this change's version.
func save(ctx context.Context, t *workspace.Tx, all ...*Series) error {
	rows := make([][]any, len(all))
	for i, s := range all {
		s.Version, s.UpdatedAt = t.Version, t.Now
		rows[i] = []any{
			s.ID, s.WorkspaceID, s.CreatedAt, s.Version, s.UpdatedAt, s.Rule, s.Mode, s.CatchUp,
			s.StartDate, s.StartAt, s.TimeZone, s.FirstNumber, s.LastNumber, s.EndedAt, s.Unused,
		}
	}
	t.MarkChanged()
	return upsert(ctx, t, entrecurrence.Table, seriesColumns, seriesFixed, rows)
}

// rowsPerPoint is how many rows of logs cost 1.
const rowsPerPoint = 5

// saveLog writes rows of logs, new ones too.
func saveLog(ctx context.Context, t *workspace.Tx, log ...*ent.Occurrence) error {
	if err := t.Charge(len(log) / rowsPerPoint); err != nil {
		return err //nolint:wrapcheck // It says enough.
	}
	rows := make([][]any, len(log))
	for i, o := range log {
		rows[i] = []any{
			o.ID, o.WorkspaceID, o.RecurrenceID, o.Number, o.DueDate, o.DueAt, o.DueTimeZone, o.Outcome, o.At, o.Version,
		}
	}
	return upsert(ctx, t, occurrence.Table, logColumns, logFixed, rows)
}

// upsert inserts rows, or updates those that exist, except for the first columns.
func upsert(ctx context.Context, t *workspace.Tx, table string, columns []string, fixed int, rows [][]any) error {
	for batch := range slices.Chunk(rows, saveBatch) {
		b := workspace.Statement()
		b.WriteString("INSERT INTO ").Ident(table).WriteString(" (").IdentComma(columns...).WriteString(") VALUES ")
		for i, row := range batch {
			if i > 0 {
				b.Comma()
			}
			b.WriteByte('(').Args(row...).WriteByte(')')
		}
		b.WriteString(" ON CONFLICT (id) DO UPDATE SET ")
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

// truncateLog deletes the rows of a log after a number.
func truncateLog(ctx context.Context, t *workspace.Tx, s *Series, last int) error {
	_, err := t.Occurrence.Delete().
		Where(workspace.Scope(t.Viewer), occurrence.RecurrenceID(s.ID), occurrence.NumberGT(last)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("deleting occurrences: %w", err)
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
		WriteString(" AND r.id IN (").Args(toAny(ids)...).WriteString(")")
	var found []struct {
		ID      uuid.UUID `sql:"id"`
		Used    bool      `sql:"used"`
		HasLast bool      `sql:"has_last"`
	}
	if err := t.Select(ctx, &found, b); err != nil {
		return fmt.Errorf("looking for the tasks of series: %w", err)
	}
	var unused []uuid.UUID
	for _, f := range found {
		switch s := all[f.ID]; {
		case !f.Used:
			unused = append(unused, f.ID)
		case s.Open != nil && !f.HasLast:
			if err := s.End(ctx, t); err != nil {
				return err
			}
		}
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
		WriteString(" WHERE ").Join(workspace.Condition(from, "")).WriteString(" AND id IN (").Args(toAny(ids)...).WriteString(")")
	if err := t.Exec(ctx, b); err != nil {
		return fmt.Errorf("moving series: %w", err)
	}
	// Versions of the other workspace mean nothing in this one.
	b = workspace.Statement()
	b.WriteString("UPDATE occurrences SET workspace_id = ").Arg(t.Viewer.WorkspaceID).WriteString(", version = 0 WHERE ").
		Join(workspace.Condition(from, "")).WriteString(" AND recurrence_id IN (").Args(toAny(ids)...).WriteString(")")
	if err := t.Exec(ctx, b); err != nil {
		return fmt.Errorf("moving the logs of series: %w", err)
	}
	return nil
}

func toAny(ids []uuid.UUID) []any {
	all := make([]any, len(ids))
	for i, id := range ids {
		all[i] = id
	}
	return all
}
