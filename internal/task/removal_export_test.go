package task

import (
	"entgo.io/ent/dialect/sql"

	"taskql/internal/viewer"
)

//nolint:gochecknoglobals // They are for tests alone.
var (
	// FinishRemoval lets tests stop a removal after any batch.
	FinishRemoval = (*Service).finishRemoval
	// FinishRemovals is a round of RunRemovals.
	FinishRemovals = (*Service).finishRemovals
)

// ToMove returns the statements that look for tasks to move, and their arguments.
func ToMove(from viewer.Viewer) map[string][]any {
	statements := map[string][]any{}
	for _, b := range []*sql.Builder{topLevelToMove(from), subtasksToMove(from)} {
		query, args := b.Query()
		statements[query] = args
	}
	return statements
}
