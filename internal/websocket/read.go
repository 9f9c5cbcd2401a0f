package websocket

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

const (
	// messageTimeout is how long a message may take to arrive, from its first byte.
	messageTimeout = 60 * time.Second
	// inputSize is the length of a borrowed buffer: what net/http may have read ahead fits into it.
	inputSize = 4 << 10
	// unpaidBytes is how much of a message arrives before Arriving is called.
	unpaidBytes = 16 << 10
	// maxFrames is how many frames may come between two pings of ours, those not counted that Paid was called for. Clients send
	// some pings and pongs in that time.
	maxFrames = 1000
	// maxPooledMessage is the longest buffer of a message that is kept for the next one.
	maxPooledMessage = 16 << 10
	// maxDiscarded is how many bytes of a client are ignored after the connection has been closed, before it is cut.
	maxDiscarded = 8 << 20
)

// closeError is the reason to close a connection.
type closeError struct {
	status Status
	reason string
}

func (e *closeError) Error() string { return e.reason }

// errClosedByClient is the error of reading after the client's close frame.
var errClosedByClient = errors.New("the client has closed the connection")

// input is the memory of a message that arrives.
type input struct {
	buf        [inputSize]byte
	start, end int // what of buf has been read from the connection, but not used
	message    []byte
	// checked is how many bytes of the message are known to be whole characters.
	checked int
	// fragmented is whether more frames of the message follow.
	fragmented bool
	// timed is whether the connection's read deadline is set.
	timed bool
}

var inputs = sync.Pool{New: func() any { return &input{} }} //nolint:gochecknoglobals // A pool lives as long as the process.

// next reads a frame. It returns the message if that is whole now; it is valid until the next call. It answers pings and the
// client's close frame. The error is a *closeError if the client has broken the protocol.
func (c *Conn) next() ([]byte, bool, error) {
	if err := c.await(); err != nil {
		return nil, false, err
	}
	header, err := ws.ReadHeader(reader{c})
	if errors.Is(err, ws.ErrHeaderLengthMSB) {
		return nil, false, &closeError{StatusProtocolError, "a frame's length is negative"}
	}
	if err != nil {
		return nil, false, err //nolint:wrapcheck // It is the connection's.
	}
	state := ws.StateServerSide
	if c.input.fragmented {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(header, state); err != nil {
		return nil, false, &closeError{StatusProtocolError, err.Error()}
	}
	if c.frames.Add(1) > maxFrames {
		return nil, false, &closeError{StatusPolicy, "too many frames in a short time"}
	}
	if header.OpCode.IsControl() {
		return nil, false, c.control(header)
	}
	err = c.data(header)
	return c.input.message, header.Fin, err
}

// await waits for the next frame. While it waits between messages, the connection has no buffer.
func (c *Conn) await() error {
	if in := c.input; in != nil {
		if !in.fragmented {
			in.message, in.checked = in.message[:0], 0
		}
		return nil
	}
	early := c.early
	c.early = nil
	if len(early) == 0 {
		n, err := c.conn.Read(c.first[:])
		if err != nil {
			return err //nolint:wrapcheck // It is the connection's.
		}
		early = c.first[:n]
	}
	c.input = inputs.Get().(*input) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	c.input.end = copy(c.input.buf[:], early)
	return nil
}

// isIdle reports whether all that has been read is used, and no message has begun.
func (c *Conn) isIdle() bool {
	return c.input == nil || !c.input.fragmented && c.input.start == c.input.end
}

// release gives the borrowed buffer back.
func (c *Conn) release() {
	in := c.input
	if in == nil {
		return
	}
	c.input = nil
	if in.timed && !c.initialising {
		c.conn.SetReadDeadline(time.Time{})
	}
	if cap(in.message) > maxPooledMessage {
		in.message = nil
	}
	in.start, in.end, in.message, in.checked, in.fragmented, in.timed = 0, 0, in.message[:0], 0, false, false
	inputs.Put(in)
}

// reader reads from a connection's input.
type reader struct{ c *Conn }

// Read implements io.Reader.
func (r reader) Read(p []byte) (int, error) {
	in := r.c.input
	if in.start == in.end {
		if err := r.c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf[in.start:in.end])
	in.start += n
	return n, nil
}

// fill reads more of a message that has begun.
func (c *Conn) fill() error {
	in := c.input
	if !in.timed {
		in.timed = true
		if !c.initialising {
			c.conn.SetReadDeadline(time.Now().Add(messageTimeout))
		}
	}
	n, err := c.conn.Read(in.buf[:])
	in.start, in.end = 0, n
	if n > 0 {
		return nil
	}
	return err //nolint:wrapcheck // It is the connection's.
}

// data adds a frame to the message.
func (c *Conn) data(header ws.Header) error {
	in := c.input
	if header.OpCode == ws.OpBinary {
		return &closeError{StatusUnsupported, "only messages of text are understood"}
	}
	if header.Length > int64(c.config.MaxMessage-len(in.message)) {
		return &closeError{StatusTooBig, "the message is too long"}
	}
	for offset, rest := 0, int(header.Length); rest > 0; {
		if in.start == in.end {
			if err := c.fill(); err != nil {
				return err
			}
		}
		chunk := in.buf[in.start:min(in.end, in.start+rest)]
		ws.Cipher(chunk, header.Mask, offset)
		if len(in.message)+len(chunk) > max(cap(in.message), unpaidBytes) && !c.handler.Arriving(len(in.message)+len(chunk)) {
			return &closeError{StatusTryLater, "too much has been sent lately"}
		}
		in.message = append(in.message, chunk...)
		in.start, offset, rest = in.start+len(chunk), offset+len(chunk), rest-len(chunk)
		if !in.check() {
			return errInvalidText()
		}
	}
	in.fragmented = !header.Fin
	if header.Fin && in.checked < len(in.message) {
		return errInvalidText()
	}
	return nil
}

func errInvalidText() *closeError {
	return &closeError{StatusInvalidText, "the text is not valid UTF-8"}
}

// check reports whether the message so far can be the beginning of valid UTF-8.
func (in *input) check() bool {
	rest := in.message[in.checked:]
	if !utf8.Valid(rest) {
		whole := len(rest)
		for i := len(rest) - 1; i >= 0 && i > len(rest)-utf8.UTFMax; i-- {
			if utf8.RuneStart(rest[i]) {
				if !utf8.FullRune(rest[i:]) {
					whole = i
				}
				break
			}
		}
		if rest = rest[:whole]; !utf8.Valid(rest) {
			return false
		}
	}
	in.checked += len(rest)
	return true
}

// control reads a control frame and answers it.
func (c *Conn) control(header ws.Header) error {
	var buf [ws.MaxControlFramePayloadSize]byte
	payload := buf[:header.Length]
	if _, err := io.ReadFull(reader{c}, payload); err != nil {
		return err //nolint:wrapcheck // It is the connection's.
	}
	ws.Cipher(payload, header.Mask, 0)
	switch header.OpCode {
	case ws.OpPing:
		pong := append(appendHeader(make([]byte, 0, ws.MaxHeaderSize+len(payload)), ws.OpPong, len(payload)), payload...)
		c.conn.SendControl(pong) // If too many wait, the client is slow, and only the latest counts (RFC 6455, section 5.5.3).
		return nil
	case ws.OpClose:
		return c.closedByClient(payload)
	default: // A pong. streamconn has noticed that something came.
		return nil
	}
}

// closedByClient answers a close frame.
func (c *Conn) closedByClient(payload []byte) error {
	if len(payload) == 0 {
		if c.status.CompareAndSwap(0, uint32(StatusNone)) {
			c.conn.Finish(closeFrame(nil))
		}
		return errClosedByClient
	}
	status, reason := ws.ParseCloseFrameData(payload)
	if len(payload) == 1 || !isSendable(status) {
		return &closeError{StatusProtocolError, "the status of the close frame is not allowed"}
	}
	if !utf8.ValidString(reason) {
		return &closeError{StatusInvalidText, "the reason of the close frame is not valid UTF-8"}
	}
	if c.status.CompareAndSwap(0, uint32(status)) {
		c.conn.Finish(closeFrame(ws.NewCloseFrameBody(status, "")))
	}
	return errClosedByClient
}

// isSendable reports whether a close frame may have the status (RFC 6455, section 7.4, and IANA's registry).
func isSendable(status Status) bool {
	const badGateway = 1014
	return status >= StatusRestart && status <= badGateway ||
		status <= ws.StatusRangePrivate.Max && ws.CheckCloseFrameData(status, "") == nil
}

// fail closes the connection because reading has failed.
func (c *Conn) fail(err error) {
	var broken *closeError
	switch {
	case errors.As(err, &broken):
		c.Close(broken.status, broken.reason)
	case !errors.Is(err, os.ErrDeadlineExceeded):
	case c.initialising:
		c.Close(c.config.InitStatus, c.config.InitReason)
	default:
		c.Close(StatusPolicy, "the message did not arrive in time")
	}
}

// discard reads and ignores what the client has sent before it learnt that the connection is closed.
func (c *Conn) discard() {
	if c.input == nil {
		c.input = inputs.Get().(*input) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	}
	for discarded := 0; discarded < maxDiscarded; {
		n, err := c.conn.Read(c.input.buf[:])
		if err != nil {
			return
		}
		discarded += n
	}
}
