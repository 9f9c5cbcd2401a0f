package task

//nolint:gochecknoglobals // They are for tests alone.
var (
	// FinishRemoval lets tests stop a removal after any batch.
	FinishRemoval = (*Service).finishRemoval
	// FinishRemovals is a round of RunRemovals.
	FinishRemovals = (*Service).finishRemovals
)
