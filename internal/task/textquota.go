package task

import (
	"context"

	"taskql/ent"
)

// TextQuota is called with the length in bytes of each description that is read. If it returns an error, the method that reads
// stops and returns it.
type TextQuota func(bytes int) error

// TextQuotaKey is the key of a context's TextQuota, to which every description that is read is charged. The limit of the response's
// length can't replace it: all rows of an operation are in memory before the response is written.
type TextQuotaKey struct{}

func textQuotaOf(ctx context.Context) TextQuota {
	quota, _ := ctx.Value(TextQuotaKey{}).(TextQuota)
	return quota
}

func (quota TextQuota) charge(e *ent.Task) error {
	if quota == nil || e.Description == nil {
		return nil
	}
	return quota(len(*e.Description))
}
