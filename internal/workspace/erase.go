package workspace

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// EraseRows erases up to BatchSize rows of the viewer's workspace, which must be closed, in one of ent.WorkspaceTables. It returns
// how many.
//
// It reads ids and then erases them, because PostgreSQL may not know yet how large the workspace is. For one statement with
// NOT EXISTS or IN (SELECT …) it then compares each row with each other one, which takes longer than LIMIT_STATEMENT_TIME allows.
func (t *Tx) EraseRows(ctx context.Context, table string) (int, error) {
	var ids []uuid.UUID
	read := Statement()
	read.WriteString("SELECT id FROM ").Ident(table).WriteString(" WHERE ").Join(Condition(t.Viewer, "")).WriteString(" LIMIT ").Arg(BatchSize)
	if err := t.Select(ctx, &ids, read); err != nil {
		return 0, fmt.Errorf("reading %s: %w", table, err)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	erase := Statement()
	erase.WriteString("DELETE FROM ").Ident(table).WriteString(" WHERE id IN (").Args(AnySlice(ids)...).WriteString(")")
	if err := t.Exec(ctx, erase); err != nil {
		return 0, fmt.Errorf("erasing %s: %w", table, err)
	}
	return len(ids), nil
}
