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

// NewLogger returns a logger that writes to w in the configured format. JSON lines have the message under "message" and the
// level in lower case, as log collectors such as Railway's expect.
//
// JSON lines of successful requests are written in batches, with a delay of at most a tenth of a second. Any other line
// is written at once, after the lines that wait. The returned function writes the waiting lines; call it when nothing more
// is logged.
func NewLogger(w io.Writer, cfg config.Config) (*slog.Logger, func()) {
	return newLogger(w, cfg, batchDelay)
}

// newLogger is NewLogger with the given delay.
func newLogger(w io.Writer, cfg config.Config, delay time.Duration) (*slog.Logger, func()) {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == config.LogText {
		return slog.New(slog.NewTextHandler(w, options)), func() {}
	}
	options.ReplaceAttr = replaceAttr
	out := &batchWriter{w: w, delay: delay}
	return slog.New(jsonHandler{Handler: slog.NewJSONHandler(out, options), out: out}), out.flush
}

// replaceAttr renames slog's own attributes as log collectors expect them, and writes durations as text instead of
// nanoseconds.
func replaceAttr(groups []string, a slog.Attr) slog.Attr {
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

// jsonHandler is slog's JSON handler, but encodes the access log's lines itself, to the same bytes: slog calls replaceAttr
// for each attribute and encoding/json for each float, which is most of what such a line costs.
type jsonHandler struct {
	slog.Handler // for all other lines

	out *batchWriter
	// derived reports that the handler has attributes or groups of its own.
	derived bool
}

// WithAttrs implements slog.Handler.
func (h jsonHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return jsonHandler{Handler: h.Handler.WithAttrs(attrs), out: h.out, derived: true}
}

// WithGroup implements slog.Handler.
func (h jsonHandler) WithGroup(name string) slog.Handler {
	return jsonHandler{Handler: h.Handler.WithGroup(name), out: h.out, derived: true}
}

// Handle implements slog.Handler.
func (h jsonHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.derived || !isRequestLine(r.Message) || r.Level >= slog.LevelWarn {
		defer h.out.flush()
		return h.Handler.Handle(ctx, r)
	}
	b := lineBuffers.Get().(*[]byte) //nolint:forcetypeassert,errcheck // The pool holds nothing else.
	defer lineBuffers.Put(b)
	line, ok := appendLine((*b)[:0], r)
	*b = line
	if !ok {
		return h.Handler.Handle(ctx, r)
	}
	_, err := h.out.Write(line)
	return err
}

// isRequestLine reports whether a message is one of those that there are many of: of requests, of operations over WebSockets, and of
// streams.
func isRequestLine(message string) bool {
	return message == accessMessage || message == operationMessage || message == streamMessage
}

// lineBuffers holds buffers for lines. They stay small, because client's texts are truncated: see maxLogged.
var lineBuffers = sync.Pool{New: func() any { return new([]byte) }} //nolint:gochecknoglobals // A pool's life is the process's.

// appendLine appends a record as slog's handler writes it with replaceAttr. It returns false if a value needs escaping, or is
// of a kind that it doesn't encode.
func appendLine(b []byte, r slog.Record) ([]byte, bool) {
	if r.Time.IsZero() || r.Time.Year() < 1 || r.Time.Year() > 9999 || needsEscaping(r.Message) {
		return b, false
	}
	b = append(b, `{"time":"`...)
	b = r.Time.Round(0).AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"`...)
	b = append(b, strings.ToLower(r.Level.String())...)
	b = append(b, `","message":"`...)
	b = append(b, r.Message...)
	b = append(b, '"')
	ok := true
	r.Attrs(func(a slog.Attr) bool {
		b, ok = appendAttr(b, a)
		return ok
	})
	return append(b, '}', '\n'), ok
}

func appendAttr(b []byte, a slog.Attr) ([]byte, bool) {
	if needsEscaping(a.Key) || a.Key == "" || a.Key == slog.MessageKey || a.Key == slog.LevelKey || a.Key == slog.TimeKey {
		return b, false
	}
	b = append(b, ',', '"')
	b = append(b, a.Key...)
	b = append(b, '"', ':')
	switch a.Value.Kind() {
	case slog.KindString:
		b = append(b, '"')
		b = append(b, a.Value.String()...)
		return append(b, '"'), !needsEscaping(a.Value.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, a.Value.Int64(), 10), true
	case slog.KindBool:
		return strconv.AppendBool(b, a.Value.Bool()), true
	case slog.KindFloat64:
		// encoding/json writes larger and smaller numbers with an exponent.
		f := a.Value.Float64()
		return strconv.AppendFloat(b, f, 'f', -1, 64), f == 0 || f > 1e-6 && f < 1e20
	default:
		return b, false
	}
}

// needsEscaping reports whether the text is written differently in JSON.
func needsEscaping(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return true
		}
	}
	return false
}
