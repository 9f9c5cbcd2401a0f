package task

// FinishRemoval lets tests stop a removal after any batch.
var FinishRemoval = (*Service).finishRemoval //nolint:gochecknoglobals // It is for tests alone.
