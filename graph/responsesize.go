package graph

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	// defaultResponseBytes is twice a page of 100 tasks whose descriptions have 10,000 characters of four bytes.
	defaultResponseBytes = 8 << 20
	// countEvery is how many bytes of a root field are written between two checks of the limit and the clock.
	countEvery = 64 << 10
)

var errResponseTooLarge = errors.New("the response is too large")

// responseSize bounds the JSON of one operation's data while it is written. Root fields may be written concurrently.
type responseSize struct {
	limit   int64
	written atomic.Int64
	// texts is how many bytes of descriptions were read.
	texts atomic.Int64
	// reason is why the writing stopped: errResponseTooLarge or the context's error.
	reason atomic.Pointer[error]
	// last is the alias of the last root field of a mutation that was executed.
	last string
}

func (z *responseSize) stopped() bool { return z.reason.Load() != nil }

func (z *responseSize) stop(reason error) error {
	z.reason.CompareAndSwap(nil, &reason)
	return *z.reason.Load()
}

// chargeText counts a description that is read. It allows some more than the limit, because a page reads one row more than
// it shows.
func (z *responseSize) chargeText(bytes int) error {
	const slack = 4
	if z.texts.Add(int64(bytes)) > z.limit+z.limit/slack {
		return z.stop(errResponseTooLarge)
	}
	return nil
}

// meter counts what is written of one root field.
type meter struct {
	size *responseSize
	// counted is how many bytes have been added to the size, and next is the length at which more are added.
	counted, next int
}

func (z *responseSize) meter() meter { return meter{size: z, next: countEvery} }

// grown counts what was written up to that length, if it is enough since the last time. The error says why writing must
// stop: the limit, or the end of the operation's time.
func (m *meter) grown(ctx context.Context, length int) error {
	if length < m.next {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return m.size.stop(err)
	}
	return m.count(length)
}

// count counts what was written up to that length.
func (m *meter) count(length int) error {
	total := m.size.written.Add(int64(length - m.counted))
	m.counted, m.next = length, length+countEvery
	if total > m.size.limit {
		return m.size.stop(errResponseTooLarge)
	}
	return nil
}

// undo takes back what was counted, because it is discarded.
func (m *meter) undo() {
	m.size.written.Add(int64(-m.counted))
	m.counted, m.next = 0, countEvery
}

// orNull returns what a resolver returned, or a null if it failed because of the limit: the response says so once.
func (z *responseSize) orNull(value any, err error) (any, error) {
	if err != nil && z.stopped() {
		return graphql.Null, nil
	}
	return value, err
}

// encode writes the value of a root field that gqlgen has executed, after the key, as far as the limit lets it. What was
// encoded by a plan is counted already.
func (z *responseSize) encode(ctx context.Context, value graphql.Marshaler, key string) graphql.Marshaler {
	if _, counted := value.(*encoded); counted || value == nil || value == graphql.Null || value == graphql.RequiredNull {
		return value
	}
	out := &boundedWriter{ctx: ctx, meter: z.meter(), to: newEncoded()}
	out.to.json = append(out.to.json, key...)
	value.MarshalGQL(out)
	if err := out.meter.count(len(out.to.json)); err != nil || z.stopped() {
		out.to.release()
		return graphql.Null
	}
	return out.to
}

// boundedWriter drops what is written after the limit.
type boundedWriter struct {
	ctx   context.Context //nolint:containedctx // It lives as long as one call of MarshalGQL, which takes none.
	meter meter
	to    *encoded
}

// Write implements io.Writer. There is no error: gqlgen's marshalers don't look at it.
func (w *boundedWriter) Write(b []byte) (int, error) {
	if !w.meter.size.stopped() && w.meter.grown(w.ctx, len(w.to.json)+len(b)) == nil {
		w.to.json = append(w.to.json, b...)
	}
	return len(b), nil
}

// check returns the response, or one without data if the writing stopped: nil if the context ended.
func (z *responseSize) check(op *graphql.OperationContext, resp *graphql.Response) *graphql.Response {
	if resp == nil {
		return nil
	}
	if !z.stopped() && int64(len(resp.Data)) > z.limit {
		_ = z.stop(errResponseTooLarge)
	}
	switch reason := z.reason.Load(); {
	case reason == nil:
		return resp
	case errors.Is(*reason, errResponseTooLarge):
		return &graphql.Response{Data: []byte("null"), Errors: append(resp.Errors, z.tooLarge(op))}
	default:
		return nil
	}
}

// tooLarge says what the client can do, and of a mutation what has happened.
func (z *responseSize) tooLarge(op *graphql.OperationContext) *gqlerror.Error {
	err := gqlerror.Errorf("The response is longer than %d bytes, the limit LIMIT_RESPONSE_BYTES. Ask for fewer rows or fewer fields at once.", z.limit)
	err.Extensions = map[string]any{"code": CodeResponseTooLarge, "limit": z.limit}
	if op.Operation.Operation != ast.Mutation {
		return err
	}
	executed := "The mutation was executed"
	if !isSingleField(op.Operation) && z.last != "" {
		err.Path = ast.Path{ast.PathName(z.last)}
		executed = "The mutation at this path was executed, as were those before it; those after it were not"
	}
	err.Message += fmt.Sprintf(" %s. Read the result by a query, or send the mutation again with the same idempotencyKey, if it had one, and fewer fields.", executed)
	return err
}

// isSingleField reports whether the operation is one root field, without directives and fragments.
func isSingleField(operation *ast.OperationDefinition) bool {
	if len(operation.SelectionSet) != 1 {
		return false
	}
	f, ok := operation.SelectionSet[0].(*ast.Field)
	return ok && len(f.Directives) == 0
}
