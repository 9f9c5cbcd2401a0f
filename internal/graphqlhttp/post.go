package graphqlhttp

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// promptBody is how long a body may take to arrive without a new write deadline, which would cost more than it is worth.
	promptBody = time.Second
	// firstBodyBytes is the most memory reserved for a body before any of it has arrived: a client can announce any length
	// and send nothing. The buffer then doubles as bytes arrive.
	firstBodyBytes = 4 << 10
	// unpaidBodyBytes is how much of a body is read before the client is charged for it. So the memory that a client can
	// occupy with bodies that don't end is bounded by its budget.
	unpaidBodyBytes = 16 << 10
	// maxPooledBody is the longest buffer of a body that is kept for the next request. Most requests are shorter; the
	// buffers of a burst of longer ones must not be handed to clients that send nothing.
	maxPooledBody = 16 << 10
)

// servePOST is the transport of operations in a request's body. The URL doesn't count.
func (h *Handler) servePOST(w http.ResponseWriter, r *http.Request) {
	op := &operation{reportCost: h.reportsCost(r)}
	as, ok := h.accept(r, op)
	if !ok {
		h.refuse(r.Context(), w, mediaJSON, op, notAcceptable())
		return
	}
	began := time.Now()
	if err := h.decodePOST(w, r, op); err != nil {
		h.refuse(r.Context(), w, as, op, err)
		return
	}
	if time.Since(began) > promptBody {
		h.setWriteDeadline(w)
	}
	ctx, cancel := h.pipeline.startClock(r.Context())
	defer cancel()
	h.serve(ctx, w, r, as, op)
}

// decodePOST reads the request's body into the operation.
func (h *Handler) decodePOST(w http.ResponseWriter, r *http.Request, op *operation) *requestError {
	if err := h.pipeline.budget.exhausted(r.Context()); err != nil {
		return err
	}
	if err := checkContentType(r.Header); err != nil {
		return err
	}
	if r.ContentLength > h.maxBodyBytes {
		return payloadTooLarge(h.maxBodyBytes)
	}
	d := decoders.Get().(*decoder) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer d.release()
	pay := func(arrived int) *requestError { return h.pipeline.budget.chargeArrived(r.Context(), op, arrived) }
	refused, err := d.read(http.MaxBytesReader(w, r.Body, h.maxBodyBytes), r.ContentLength, pay)
	op.bytesRead = d.body.Len()
	switch {
	case refused != nil:
		return refused
	case err != nil:
		return h.readError(err)
	}
	d.maxValues = h.pipeline.limiter.limits.InputValues + 1 // The object that holds them counts as one.
	return d.request(op)
}

// readError returns the client's error for an error of reading the body.
func (h *Handler) readError(err error) *requestError {
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return payloadTooLarge(h.maxBodyBytes)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return requestTimeout()
	default:
		return badRequest("The request body could not be read to its end.")
	}
}

// decoders keeps decoders with their buffers for the next requests.
var decoders = sync.Pool{New: func() any { return &decoder{} }} //nolint:gochecknoglobals // A pool lives as long as the process.

func (d *decoder) release() {
	if d.body.Cap() > maxPooledBody {
		return
	}
	d.body.Reset()
	decoders.Put(d)
}

// read reads a body of the announced length into d.body, which grows as bytes arrive. It calls pay with what has arrived
// before it reserves more, and returns pay's error if that refuses.
func (d *decoder) read(body io.Reader, length int64, pay func(arrived int) *requestError) (*requestError, error) {
	if length > 0 {
		d.body.Grow(int(min(length, firstBodyBytes-bytes.MinRead)) + bytes.MinRead)
	}
	for {
		if d.body.Available() < bytes.MinRead {
			if arrived := d.body.Len(); arrived >= unpaidBodyBytes-bytes.MinRead {
				if refused := pay(arrived); refused != nil {
					return refused, nil
				}
			}
			d.body.Grow(bytes.MinRead) // This doubles the buffer.
		}
		free := d.body.AvailableBuffer()
		n, err := body.Read(free[:cap(free)])
		d.body.Write(free[:n])
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil //nolint:nilnil // Neither kind of error.
		case err != nil:
			return nil, err //nolint:wrapcheck // The caller examines the reader's own error.
		}
	}
}
