package task

import (
	"context"

	"taskql/ent"
)

// TakeText is called with the length of each description that is read. An error ends the reading, and is the error of the
// method that reads.
type TakeText func(bytes int) error

// TakeTextKey is the key of a context's TakeText.
type TakeTextKey struct{}

// WithTakeText returns a context whose lists of tasks call take. All rows of an operation are in memory before the response
// is written, so that bounding the response comes too late for them.
func WithTakeText(ctx context.Context, take TakeText) context.Context {
	return context.WithValue(ctx, TakeTextKey{}, take)
}

func takeTextOf(ctx context.Context) TakeText {
	take, _ := ctx.Value(TakeTextKey{}).(TakeText)
	return take
}

func (take TakeText) of(e *ent.Task) error {
	if take == nil || e.Description == nil {
		return nil
	}
	return take(len(*e.Description))
}
