package graphqlhttp

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
)

const (
	// firstBodyBytes is the most memory reserved for a body before any of it has arrived: a client can name any length
	// and send nothing. The buffer then doubles as bytes arrive.
	firstBodyBytes = 4 << 10
	// unpaidBodyBytes is how much of a body is read before the client's budget is asked. What a client has in memory here
	// by bodies that don't end is so bounded by its budget.
	unpaidBodyBytes = 16 << 10
	// maxPooledBody is the longest buffer of a body that is kept for the next request. Most requests are shorter; the
	// buffers of a burst of longer ones must not be handed to clients that send nothing.
	maxPooledBody = 16 << 10
)

// decodings keeps what reading a request needs.
var decodings = sync.Pool{New: func() any { return &decoding{} }} //nolint:gochecknoglobals // A pool's life is the process's.

func (d *decoding) release() {
	if d.body.Cap() > maxPooledBody {
		return
	}
	d.body.Reset()
	decodings.Put(d)
}

// readBody reads and decodes a POST's body, and says how many bytes it read.
//
// It keeps so many values of the variables at the most. It calls pay with what has arrived, before it reserves more.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, values int, pay func(arrived int) *requestFault) (*incoming, int, *requestFault) {
	if r.ContentLength > limit {
		return nil, 0, payloadTooLarge(limit)
	}
	d := decodings.Get().(*decoding) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer d.release()
	fault, err := d.receive(http.MaxBytesReader(w, r.Body, limit), r.ContentLength, pay)
	read := d.body.Len()
	var tooLong *http.MaxBytesError
	switch {
	case fault != nil:
		return nil, read, fault
	case errors.As(err, &tooLong):
		return nil, read, payloadTooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, read, requestTimeout()
	case err != nil:
		return nil, read, badRequest("The request body could not be read to its end.")
	}
	d.most = values + 1 // The object that holds them counts as one.
	req, fault := d.request()
	return req, read, fault
}

// receive reads the body, whose client says that it has that length. The memory grows with what arrives, and the client
// pays for that.
func (d *decoding) receive(body io.Reader, length int64, pay func(arrived int) *requestFault) (*requestFault, error) {
	if length > 0 {
		d.body.Grow(int(min(length, firstBodyBytes-bytes.MinRead)) + bytes.MinRead)
	}
	for {
		if d.body.Available() < bytes.MinRead {
			if arrived := d.body.Len(); arrived >= unpaidBodyBytes-bytes.MinRead {
				if fault := pay(arrived); fault != nil {
					return fault, nil
				}
			}
			d.body.Grow(bytes.MinRead) // doubles
		}
		free := d.body.AvailableBuffer()
		n, err := body.Read(free[:cap(free)])
		d.body.Write(free[:n])
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil //nolint:nilnil // Neither a fault nor an error.
		case err != nil:
			return nil, err //nolint:wrapcheck // The reader's own error, which the caller examines.
		}
	}
}
