package server

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"taskql/internal/config"
)

// accessMessage is what the lines of requests say.
const accessMessage = "request"

// NewLogger returns the logger that the configuration asks for, writing to w. JSON lines name the text
// "message" and the level in small letters, as log collectors such as Railway's read them.
//
// The JSON lines of requests that went well are written together, at most a tenth of a second late; any other line takes
// those before it along, at once. Call the function that comes with it when nothing more is logged: it writes what waits.
func NewLogger(w io.Writer, cfg config.Config) (*slog.Logger, func()) {
	return newLogger(w, cfg, lateness)
}

// newLogger is NewLogger with lines that may be so late.
func newLogger(w io.Writer, cfg config.Config, late time.Duration) (*slog.Logger, func()) {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == config.LogText {
		return slog.New(slog.NewTextHandler(w, options)), func() {}
	}
	options.ReplaceAttr = forCollectors
	out := &lateWriter{to: w, late: late}
	return slog.New(jsonLines{Handler: slog.NewJSONHandler(out, options), out: out}), out.flush
}

// forCollectors renames slog's own attributes, and writes durations as people read them: slog's are nanoseconds.
func forCollectors(groups []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.MessageKey:
		a.Key = "message"
	case slog.LevelKey:
		a.Value = slog.StringValue(strings.ToLower(a.Value.String()))
	}
	return a
}

// jsonLines is slog's handler of JSON, but that it writes lines of plain values itself, with the same bytes: slog asks
// forCollectors for each attribute, and encoding/json for each fraction, which is most of what a request's line costs.
type jsonLines struct {
	slog.Handler // for all other lines

	out *lateWriter
	// derived handlers have attributes or groups of their own.
	derived bool
}

// WithAttrs implements slog.Handler.
func (l jsonLines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return jsonLines{Handler: l.Handler.WithAttrs(attrs), out: l.out, derived: true}
}

// WithGroup implements slog.Handler.
func (l jsonLines) WithGroup(name string) slog.Handler {
	return jsonLines{Handler: l.Handler.WithGroup(name), out: l.out, derived: true}
}

// Handle implements slog.Handler.
func (l jsonLines) Handle(ctx context.Context, r slog.Record) error {
	if l.derived || r.Message != accessMessage || r.Level >= slog.LevelWarn {
		defer l.out.flush()
		return l.Handler.Handle(ctx, r)
	}
	b := lineBuffers.Get().(*[]byte) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer lineBuffers.Put(b)
	line, plain := appendLine((*b)[:0], r)
	*b = line
	if !plain {
		return l.Handler.Handle(ctx, r)
	}
	_, err := l.out.Write(line)
	return err
}

// lineBuffers keeps what lines are made in. A line has no text of any length: see maxLogged.
var lineBuffers = sync.Pool{New: func() any { return new([]byte) }} //nolint:gochecknoglobals // A pool's life is the process's.

// appendLine appends a record as slog's handler writes it with forCollectors. It returns false where a value is not one of
// those that need no thought.
func appendLine(b []byte, r slog.Record) ([]byte, bool) {
	if r.Time.IsZero() || r.Time.Year() < 1 || r.Time.Year() > 9999 || !isPlain(r.Message) {
		return b, false
	}
	b = append(b, `{"time":"`...)
	b = r.Time.Round(0).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"`...)
	b = append(b, strings.ToLower(r.Level.String())...)
	b = append(b, `","message":"`...)
	b = append(b, r.Message...)
	b = append(b, '"')
	plain := true
	r.Attrs(func(a slog.Attr) bool {
		b, plain = appendAttr(b, a)
		return plain
	})
	return append(b, '}', '\n'), plain
}

func appendAttr(b []byte, a slog.Attr) ([]byte, bool) {
	if !isPlain(a.Key) || a.Key == "" || a.Key == slog.MessageKey || a.Key == slog.LevelKey || a.Key == slog.TimeKey {
		return b, false
	}
	b = append(b, ',', '"')
	b = append(b, a.Key...)
	b = append(b, '"', ':')
	switch a.Value.Kind() {
	case slog.KindString:
		b = append(b, '"')
		b = append(b, a.Value.String()...)
		return append(b, '"'), isPlain(a.Value.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, a.Value.Int64(), 10), true
	case slog.KindBool:
		return strconv.AppendBool(b, a.Value.Bool()), true
	case slog.KindFloat64:
		// encoding/json writes larger and smaller ones with an exponent.
		f := a.Value.Float64()
		return strconv.AppendFloat(b, f, 'f', -1, 64), f == 0 || f > 1e-6 && f < 1e20
	default:
		return b, false
	}
}

// isPlain reports whether JSON has the text as it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

const (
	// lateness is how long a line may wait for others.
	lateness = 100 * time.Millisecond
	// lateBytes is how much may wait: what a pipe takes in one piece, so that lines of two processes on one don't mix
	// (PIPE_BUF on Linux).
	lateBytes = 4 << 10
)

// lateWriter writes lines together: a system call is as dear as making ten of them. It is safe for concurrent use.
type lateWriter struct {
	to   io.Writer
	late time.Duration

	mu      sync.Mutex
	waiting []byte
	timer   *time.Timer
}

// Write takes a line, whole.
func (w *lateWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting)+len(line) > lateBytes {
		_ = w.writeOut() // What is lost then is not this line.
	}
	if len(line) > lateBytes {
		return w.to.Write(line) //nolint:wrapcheck // An io.Writer's own error.
	}
	first := len(w.waiting) == 0
	w.waiting = append(w.waiting, line...)
	switch {
	case w.late == 0:
		return len(line), w.writeOut()
	case first && w.timer == nil:
		w.timer = time.AfterFunc(w.late, w.flush)
	case first:
		w.timer.Reset(w.late)
	}
	return len(line), nil
}

func (w *lateWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.writeOut() // There is nobody to tell but the log.
}

// writeOut writes what waits. What can't be written is lost, as it would be without waiting.
func (w *lateWriter) writeOut() error {
	if len(w.waiting) == 0 {
		return nil
	}
	_, err := w.to.Write(w.waiting)
	w.waiting = w.waiting[:0]
	return err //nolint:wrapcheck // An io.Writer's own error.
}
