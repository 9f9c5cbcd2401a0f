package graph

import (
	"context"
	"io"
	"strconv"
	"sync"
	"time"

	"taskql/graph/selection"
	"taskql/internal/task"
)

// How the fields of the table are encoded. The JSON is gqlgen's, byte for byte.

func leaf[T any](encode func(b []byte, object *T) []byte) selection.Field[*rootField] {
	return selection.Leaf[*rootField](encode)
}

func text[S ~string, T any](get func(object *T) S) selection.Field[*rootField] {
	return leaf(func(b []byte, object *T) []byte { return selection.AppendString(b, get(object)) })
}

func integer[T any](get func(object *T) int) selection.Field[*rootField] {
	return leaf(func(b []byte, object *T) []byte { return appendInt(b, get(object)) })
}

func boolean[T any](get func(object *T) bool) selection.Field[*rootField] {
	return leaf(func(b []byte, object *T) []byte { return appendBool(b, get(object)) })
}

func moment[T any](get func(object *T) time.Time) selection.Field[*rootField] {
	return leaf(func(b []byte, object *T) []byte { return selection.AppendDateTime(b, get(object)) })
}

// nullable is null if get returns nil.
func nullable[T, V any](get func(object *T) *V, appendValue func(b []byte, value V) []byte) selection.Field[*rootField] {
	return leaf(func(b []byte, object *T) []byte { return selection.AppendNull(b, get(object), appendValue) })
}

// readInteger is an integer that may have to be read from the database.
func readInteger[T any](read func(*T, context.Context) (int, error)) selection.Field[*rootField] {
	return selection.LeafWith(func(ctx context.Context, _ *rootField, b []byte, object *T) ([]byte, error) {
		n, err := read(object, ctx)
		return appendInt(b, n), err
	})
}

// readBoolean is a boolean that may have to be read from the database.
func readBoolean[T any](read func(*T, context.Context) (bool, error)) selection.Field[*rootField] {
	return selection.LeafWith(func(ctx context.Context, _ *rootField, b []byte, object *T) ([]byte, error) {
		v, err := read(object, ctx)
		return appendBool(b, v), err
	})
}

func object[T, V any](get func(object *T) *V) selection.Field[*rootField] {
	return selection.Object[*rootField](get)
}

func list[T, V any](get func(object *T) []*V) selection.Field[*rootField] {
	return selection.List[*rootField](get)
}

func appendInt(b []byte, i int) []byte { return strconv.AppendInt(b, int64(i), 10) }

func appendBool(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

func appendPriority(b []byte, p task.Priority) []byte {
	switch p {
	case task.PriorityNone:
		return append(b, `"NONE"`...)
	case task.PriorityLow:
		return append(b, `"LOW"`...)
	case task.PriorityMedium:
		return append(b, `"MEDIUM"`...)
	case task.PriorityHigh:
		return append(b, `"HIGH"`...)
	case task.PriorityUrgent:
		return append(b, `"URGENT"`...)
	default:
		return append(b, `""`...) // As gqlgen does.
	}
}

// appendStrings appends a list that may be null.
func appendStrings(b []byte, list []string) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = selection.AppendString(b, s)
	}
	return append(b, ']')
}

const (
	// firstEncoded and largestEncoded are the capacities of the buffers that are kept for other responses.
	firstEncoded   = 4 << 10
	largestEncoded = 256 << 10
)

var encodedPool = sync.Pool{New: func() any { return &encoded{json: make([]byte, 0, firstEncoded)} }} //nolint:gochecknoglobals // A pool is the process's.

// encoded is the JSON of a root field, in a buffer from a pool.
type encoded struct {
	json []byte
	// written reports whether the JSON was copied into the response. The buffer is another request's then.
	written bool
}

func newEncoded() *encoded {
	e, ok := encodedPool.Get().(*encoded)
	if !ok {
		return &encoded{}
	}
	e.json, e.written = e.json[:0], false
	return e
}

// MarshalGQL implements graphql.Marshaler. It may be called once.
func (e *encoded) MarshalGQL(out io.Writer) {
	if e.written {
		panic("graph: an encoded value is written twice")
	}
	_, _ = out.Write(e.json) // gqlgen writes to memory.
	e.written = true
	e.release()
}

// release gives the buffer back to the pool.
func (e *encoded) release() {
	if cap(e.json) <= largestEncoded {
		encodedPool.Put(e)
	}
}
