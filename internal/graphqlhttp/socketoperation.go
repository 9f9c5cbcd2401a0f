package graphqlhttp

import (
	"bytes"
	"context"
	"slices"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// socketOperation is an operation of a socket, and the sink of its results if it is a subscription.
type socketOperation struct {
	socket *socket
	id     []byte // as JSON

	// What follows is guarded by the socket's mutex.

	cancel  context.CancelFunc // ends the operation while its goroutine runs; then nil
	stream  Stream             // the subscription, once it has started
	refused bool               // the client had not taken the result before
	ended   bool               // nothing more is sent
}

// Parts of messages.
var (
	partID        = []byte(`{"id":`)                     //nolint:gochecknoglobals // A constant, if Go had constant slices.
	partNext      = []byte(`,"type":"next","payload":`)  //nolint:gochecknoglobals // As above.
	partError     = []byte(`,"type":"error","payload":`) //nolint:gochecknoglobals // As above.
	partCompleted = []byte(`,"type":"complete"}`)        //nolint:gochecknoglobals // As above.
	partEnd       = []byte(`}`)                          //nolint:gochecknoglobals // As above.
)

// run executes the operation, or answers why it is refused.
func (o *socketOperation) run(ctx context.Context, op *operation, refused *requestError) {
	s := o.socket
	defer s.free()
	defer func() {
		s.mu.Lock()
		cancel := o.cancel
		o.cancel = nil
		s.mu.Unlock()
		cancel()
	}()
	defer s.recover(ctx)
	s.handler.sockets.Around(ctx, func(ctx context.Context) { o.execute(ctx, op, refused) })
}

func (o *socketOperation) execute(ctx context.Context, op *operation, refused *requestError) {
	h := o.socket.handler
	ctx, cancel := h.pipeline.startClock(ctx)
	defer cancel()
	if refused == nil {
		refused = h.pipeline.run(ctx, op)
	}
	if refused != nil {
		h.pipeline.refuse(ctx, op, refused)
		o.fail(refused.response().errors)
		return
	}
	if op.stream != nil {
		h.pipeline.answered(ctx, op.summary(nil))
		o.started(op.stream)
		return
	}
	result := h.pipeline.next(ctx, op)
	resp := responseTo(ctx, op, result)
	h.pipeline.answered(ctx, op.summary(resp.errors))
	if resp.data == nil { // It was not executed.
		o.fail(resp.errors)
	} else {
		o.finish(resp)
	}
	if result != nil {
		h.release(result.Data)
	}
}

// finish sends the only result, unless the client does not want it any more.
func (o *socketOperation) finish(resp response) {
	s := o.socket
	body := buffers.Get().(*bytes.Buffer) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer releaseBuffer(body)
	offset, err := resp.encode(body)
	if err != nil { // The schema has set an extension that can't be encoded.
		o.fail(gqlerror.List{internalError()})
		return
	}
	s.mu.Lock()
	ended := o.ended
	s.mu.Unlock()
	long := resp.longData()
	if ended || s.conn.Send(partID, o.id, partNext, body.Bytes()[:offset], long, body.Bytes()[offset:], partEnd) != nil {
		return
	}
	s.mu.Lock()
	s.results++
	s.bytes += int64(body.Len() + len(long))
	s.mu.Unlock()
	o.complete()
}

// complete ends the operation without errors.
func (o *socketOperation) complete() {
	s := o.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removeLocked(o) {
		s.conn.SendShort(partID, o.id, partCompleted)
	}
}

// fail ends the operation with errors. No "complete" follows.
func (o *socketOperation) fail(errs gqlerror.List) {
	s := o.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removeLocked(o) {
		s.conn.SendShort(partID, o.id, partError, encodeErrors(errs), partEnd)
	}
}

// started keeps the subscription's stream.
func (o *socketOperation) started(stream Stream) {
	s := o.socket
	s.mu.Lock()
	full := s.streams >= s.handler.sockets.Subscriptions
	if o.ended || full {
		s.mu.Unlock()
		stream.Stop()
		if full {
			o.fail(gqlerror.List{tooManySubscriptions(s.handler.sockets.Subscriptions)})
		}
		return
	}
	o.stream = stream
	s.streams++
	refused := o.refused
	o.refused = false
	s.mu.Unlock()
	if refused {
		stream.Ready()
	}
}

// stop stops an operation that was removed from its socket.
func (o *socketOperation) stop() {
	o.socket.mu.Lock()
	cancel, stream := o.cancel, o.stream
	o.socket.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if stream != nil {
		stream.Stop()
	}
}

// Next implements Sink.
func (o *socketOperation) Next(data []byte) bool {
	s := o.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.ended {
		return false
	}
	o.refused = true // Before it is tried: the connection may be ready again at any time after.
	sent := s.conn.TrySend(partID, o.id, partNext, data, partEnd)
	if o.refused = !sent; sent {
		s.results++
		s.bytes += int64(len(data))
	}
	return sent
}

// End implements Sink. If the client is not signed in any more, the whole connection is closed, so that the client connects
// again with new credentials: an error would end the subscription for good.
func (o *socketOperation) End(errs gqlerror.List) {
	switch {
	case len(errs) == 0:
		o.complete()
	case slices.ContainsFunc(errs, func(err *gqlerror.Error) bool { return err.Extensions["code"] == CodeUnauthenticated }):
		o.socket.conn.Close(statusForbidden, reasonForbidden)
	default:
		o.fail(errs)
	}
}
