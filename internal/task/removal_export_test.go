package task

//nolint:gochecknoglobals // They are for tests alone.
var (
	// FinishRemoval lets tests stop a removal after any batch.
	FinishRemoval = (*Service).finishRemoval
	// FinishRemovals is a round of RunRemovals.
	FinishRemovals = (*Service).finishRemovals
)

// The statements whose plans are tested.
const (
	TopToMove   = topToMove
	BelowToMove = belowToMove
)
