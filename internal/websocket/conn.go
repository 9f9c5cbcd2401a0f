package websocket

import (
	"encoding/binary"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"taskql/internal/streamconn"
)

// Status is the code of a closed connection (RFC 6455, section 7.4).
type Status = ws.StatusCode

// The codes that this package closes connections with. Protocols have their own, from 4000.
const (
	StatusNormal        = ws.StatusNormalClosure
	StatusProtocolError = ws.StatusProtocolError
	StatusUnsupported   = ws.StatusUnsupportedData
	StatusNone          = ws.StatusNoStatusRcvd
	StatusAbnormal      = ws.StatusAbnormalClosure
	StatusInvalidText   = ws.StatusInvalidFramePayloadData
	StatusPolicy        = ws.StatusPolicyViolation
	StatusTooBig        = ws.StatusMessageTooBig
	StatusInternal      = ws.StatusInternalServerError
	// StatusRestart and StatusTryLater are registered with IANA.
	StatusRestart  Status = 1012
	StatusTryLater Status = 1013
)

// Handler is what a server does with a connection. The methods must not block, except for Message.
type Handler interface {
	// Message is called with each message, by the reader: the next one is read when it has returned. data is valid until then.
	Message(data []byte)
	// Arriving is called while a long message arrives, with the bytes that have arrived so far. If it returns false, the
	// connection is closed with StatusTryLater.
	Arriving(bytes int) bool
	// Ready is called when the client takes messages again after TrySend returned false.
	Ready()
	// Drain is called when the server stops. It should see to it that the connection is closed, with StatusRestart.
	Drain()
	// Closed is called when the connection is closed, by the reader. Nothing else is called after it, except perhaps one Ready or
	// Drain that was under way. status is the client's own, or the one that the connection was closed with.
	Closed(status Status)
}

// Config configures connections.
type Config struct {
	// MaxMessage is the longest message, in bytes.
	MaxMessage int
	// InitTimeout is how long the client may take until Initialised is called. Then the connection is closed with InitStatus
	// and InitReason. 0: for ever.
	InitTimeout time.Duration
	InitStatus  Status
	InitReason  string
}

// Conn is a connection. The zero value becomes one by Open. A server has it as a field of what it keeps of a connection.
type Conn struct {
	conn    streamconn.Conn
	handler Handler
	config  *Config
	status  atomic.Uint32 // with which the connection is closed; 0: it is open
	frames  atomic.Int32  // how many came since the last ping that nobody has paid for

	// What follows is the reader's.

	first [ws.MaxHeaderSize]byte // where the first bytes of a message are read to
	early []byte                 // what the client sent before the connection was taken from the HTTP server
	input *input                 // borrowed while a message arrives, else nil
	// initialising is whether Initialised has not been called yet; the read deadline is then that of the initialisation.
	initialising bool
}

// Open makes c the connection that Accept returned. If the registry drains, Open closes the connection and returns false.
// Otherwise the caller calls Start next.
func (c *Conn) Open(registry *streamconn.Registry, conn net.Conn, early []byte, handler Handler, config *Config) bool {
	c.handler, c.config, c.early = handler, config, early
	if !registry.Add(&c.conn, conn, events{c}) {
		return false
	}
	if config.InitTimeout > 0 {
		c.initialising = true
		c.conn.SetReadDeadline(time.Now().Add(config.InitTimeout))
	}
	return true
}

// Start starts to read. Between messages there is no goroutine, if streamconn can do without.
func (c *Conn) Start() { c.conn.Start(len(c.early) > 0) }

// receive reads at least one frame, and whatever else has arrived with it. It returns false when the connection is closed.
func (c *Conn) receive() bool {
	for c.status.Load() == 0 {
		message, whole, err := c.next()
		if err != nil {
			c.fail(err)
			break
		}
		if whole && c.status.Load() == 0 {
			c.handler.Message(message)
		}
		if c.isIdle() {
			c.release()
			return true
		}
	}
	c.discard()
	c.release()
	c.conn.Close()
	c.status.CompareAndSwap(0, uint32(StatusAbnormal))
	c.handler.Closed(Status(c.status.Load())) //nolint:gosec // It was a Status.
	return false
}

// Initialised ends the time that the client has for its initialisation. Only Message may call it.
func (c *Conn) Initialised() {
	if c.initialising {
		c.initialising = false
		c.conn.SetReadDeadline(time.Time{})
	}
}

// Paid says that the client has paid for so many frames, by what its messages cost. Frames that cost nothing are limited, so that
// no client can keep the server busy with them.
func (c *Conn) Paid(frames int32) { c.frames.Add(-frames) }

// TrySend sends a message that consists of the parts, and never waits. It returns false if the client has not taken what was
// sent before; Ready is then called when it has. It doesn't keep the parts.
func (c *Conn) TrySend(parts ...[]byte) bool {
	frame := newFrame(parts)
	defer frame.release()
	return c.conn.TrySend(frame.data)
}

// Send sends a message, and waits while the client is slow. The error says that the connection is closed.
func (c *Conn) Send(parts ...[]byte) error {
	frame := newFrame(parts)
	defer frame.release()
	return c.conn.Send(frame.data) //nolint:wrapcheck // It is ErrClosed, and says everything.
}

// SendShort sends a short message that can't be left out, and never waits. If too many wait already, it closes the connection.
func (c *Conn) SendShort(parts ...[]byte) {
	frame := newFrame(parts)
	defer frame.release()
	if !c.conn.SendControl(frame.data) {
		c.Abort()
	}
}

// Close closes the connection with a status, after what is being sent. The reason is cut to what fits. Only the first call
// counts.
func (c *Conn) Close(status Status, reason string) {
	if !c.status.CompareAndSwap(0, uint32(status)) {
		return
	}
	c.conn.Finish(closeFrame(ws.NewCloseFrameBody(status, truncate(reason))))
}

// Abort closes the connection at once, without telling the client.
func (c *Conn) Abort() {
	c.status.CompareAndSwap(0, uint32(StatusAbnormal))
	c.conn.Close()
}

// truncate cuts a reason to what fits into a control frame.
func truncate(reason string) string {
	const most = ws.MaxControlFramePayloadSize - 2
	if len(reason) <= most {
		return reason
	}
	end := most
	for end > 0 && !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}

func closeFrame(body []byte) []byte {
	return append(appendHeader(nil, ws.OpClose, len(body)), body...)
}

// events are the methods by which streamconn calls a Conn.
type events struct{ c *Conn }

// Receive implements streamconn.Handler.
func (e events) Receive() bool { return e.c.receive() }

// Ping implements streamconn.Handler.
func (e events) Ping(answered bool) {
	if !answered {
		e.c.Abort()
		return
	}
	e.c.frames.Store(0)
	e.c.conn.TrySend(ws.CompiledPing)
}

// Ready implements streamconn.Handler.
func (e events) Ready() { e.c.handler.Ready() }

// Drain implements streamconn.Handler.
func (e events) Drain() { e.c.handler.Drain() }

// frame is a frame that is about to be sent.
type frame struct{ data []byte }

// maxPooledFrame is the longest frame whose memory is kept for the next one.
const maxPooledFrame = 64 << 10

var frames = sync.Pool{New: func() any { return &frame{} }} //nolint:gochecknoglobals // A pool lives as long as the process.

// newFrame returns a message of text in one frame.
func newFrame(parts [][]byte) *frame {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	f := frames.Get().(*frame) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	f.data = appendHeader(f.data[:0], ws.OpText, length)
	for _, part := range parts {
		f.data = append(f.data, part...)
	}
	return f
}

func (f *frame) release() {
	if cap(f.data) <= maxPooledFrame {
		frames.Put(f)
	}
}

// appendHeader appends the header of an unmasked frame that is a whole message. (ws.WriteHeader allocates.)
func appendHeader(b []byte, op ws.OpCode, length int) []byte {
	const fin, length16, length64 = 0x80, 126, 127
	b = append(b, fin|byte(op))
	switch {
	case length < length16:
		return append(b, byte(length)) //nolint:gosec // It fits.
	case length <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, length16), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(b, length64), uint64(length))
	}
}
