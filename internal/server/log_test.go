package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"taskql/internal/config"
)

func TestLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, _ := NewLogger(&out, config.Config{LogFormat: config.LogJSON})
	log.Warn("hello", "level", "x")
	if !strings.Contains(out.String(), `"level":"warn","message":"hello"`) {
		t.Errorf("got %s", out.String())
	}
	out.Reset()
	log, _ = NewLogger(&out, config.Config{LogFormat: config.LogText, LogLevel: slog.LevelError})
	log.Warn("hello")
	if out.Len() != 0 {
		t.Errorf("got %s", out.String())
	}
}

// TestLinesEqualSlog compares the lines of jsonHandler with those of slog's own handler.
func TestLinesEqualSlog(t *testing.T) {
	t.Parallel()
	texts := rapid.OneOf(
		rapid.StringMatching(`[ -~]{0,20}`), rapid.String(), rapid.SampledFrom([]string{"", "level", "msg", "time", "<&>", "\x7f", "\u2028", "a\xff", `"`, `\`}),
	)
	values := rapid.OneOf(
		rapid.Map(texts, slog.StringValue),
		rapid.Map(rapid.Int64(), slog.Int64Value),
		rapid.Map(rapid.Bool(), slog.BoolValue),
		rapid.Map(rapid.Float64(), slog.Float64Value),
		rapid.Map(rapid.Float64Range(0, 1000), func(f float64) slog.Value { return slog.Float64Value(math.Round(f*1000) / 1000) }),
		rapid.Map(rapid.Int64(), func(n int64) slog.Value { return slog.DurationValue(time.Duration(n)) }),
		rapid.SampledFrom([]slog.Value{
			{},
			slog.AnyValue([]int{1}), slog.AnyValue(errors.New("broken")), slog.GroupValue(slog.Int("a", 1)), slog.TimeValue(time.Unix(7, 0)), slog.Uint64Value(7),
			slog.Float64Value(1e-7), slog.Float64Value(1e21), slog.Float64Value(math.NaN()), slog.Float64Value(math.Inf(1)), slog.Float64Value(math.Copysign(0, -1)),
		}),
	)
	moments := rapid.Custom(func(t *rapid.T) time.Time {
		at := time.Unix(rapid.Int64Range(-80_000_000_000, 300_000_000_000).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond"))
		return at.In(time.FixedZone("", 60*rapid.IntRange(-840, 840).Draw(t, "zone")))
	})
	rapid.Check(t, func(t *rapid.T) {
		message := accessMessage
		if rapid.Bool().Draw(t, "other") {
			message = texts.Draw(t, "message")
		}
		var at time.Time
		if rapid.IntRange(0, 9).Draw(t, "timeless") > 0 {
			at = moments.Draw(t, "time")
		}
		record := slog.NewRecord(at, slog.Level(rapid.IntRange(-5, 9).Draw(t, "level")), message, 0)
		for range rapid.IntRange(0, 9).Draw(t, "attributes") {
			record.AddAttrs(slog.Attr{Key: texts.Draw(t, "key"), Value: values.Draw(t, "value")})
		}
		var want, got bytes.Buffer
		slogs := slog.NewJSONHandler(&want, &slog.HandlerOptions{Level: slog.Level(-5), ReplaceAttr: replaceAttr})
		ours, flush := NewLogger(&got, config.Config{LogFormat: config.LogJSON})
		if rapid.IntRange(0, 9).Draw(t, "derived") == 0 {
			if err := slogs.WithGroup("g").WithAttrs([]slog.Attr{slog.Int("n", 1)}).Handle(context.Background(), record); err != nil {
				t.Fatal(err)
			}
			ours = ours.WithGroup("g").With(slog.Int("n", 1))
		} else if err := slogs.Handle(context.Background(), record); err != nil {
			t.Fatal(err)
		}
		if err := ours.Handler().Handle(context.Background(), record); err != nil {
			t.Fatal(err)
		}
		flush()
		if got.String() != want.String() {
			t.Fatalf("got  %s\nwant %s", got.String(), want.String())
		}
	})
}

// safeBuffer is a buffer for concurrent use that counts writes.
type safeBuffer struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
	err    error
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes++
	if b.err != nil {
		return 0, b.err
	}
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *safeBuffer) Bytes() []byte { return []byte(b.String()) }

// Reset empties the buffer.
func (b *safeBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

// lines returns the number of lines, and the number of writes in which they came.
func (b *safeBuffer) lines() (int, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), "\n"), b.writes
}

// TestBatches: access lines are written in batches, and other lines at once.
func TestBatches(t *testing.T) {
	t.Parallel()
	line := func(log *slog.Logger) {
		_ = log.Handler().Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelInfo, accessMessage, 0))
	}
	open := func() (*slog.Logger, func(), *safeBuffer) {
		out := &safeBuffer{}
		log, flush := newLogger(out, config.Config{LogFormat: config.LogJSON}, time.Hour)
		return log, flush, out
	}
	t.Run("together", func(t *testing.T) {
		t.Parallel()
		log, flush, out := open()
		for range 10 {
			line(log)
		}
		for _, message := range []string{operationMessage, streamMessage} {
			_ = log.Handler().Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelInfo, message, 0))
		}
		if n, _ := out.lines(); n != 0 {
			t.Errorf("%d lines at once", n)
		}
		flush()
		if n, writes := out.lines(); n != 12 || writes != 1 {
			t.Errorf("%d lines in %d writes", n, writes)
		}
	})
	t.Run("in time", func(t *testing.T) {
		t.Parallel()
		out := &safeBuffer{}
		log, _ := NewLogger(out, config.Config{LogFormat: config.LogJSON})
		for round := 1; round <= 3; round++ {
			line(log)
			for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
				if n, _ := out.lines(); n == round {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the line does not come")
				}
			}
		}
	})
	t.Run("with what matters", func(t *testing.T) {
		t.Parallel()
		for name, write := range map[string]func(*slog.Logger){
			"another line": func(log *slog.Logger) { log.Info("server started") },
			"a failed request": func(log *slog.Logger) {
				_ = log.Handler().Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelError, accessMessage, 0))
			},
			"a derived logger": func(log *slog.Logger) { log.With("a", 1).Info("request") },
		} {
			log, _, out := open()
			line(log)
			write(log)
			if n, _ := out.lines(); n != 2 {
				t.Errorf("%s: %d lines", name, n)
			}
		}
	})
	t.Run("bounded", func(t *testing.T) {
		t.Parallel()
		log, flush, out := open()
		const many = 5000
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range many / 4 {
					line(log)
				}
			})
		}
		group.Wait()
		if n, writes := out.lines(); n < many/2 || writes > many/20 {
			t.Errorf("%d lines in %d writes", n, writes)
		}
		flush()
		for text := range strings.Lines(out.text.String()) {
			if !strings.HasPrefix(text, `{"time":`) || !strings.HasSuffix(text, "}\n") {
				t.Fatalf("a torn line: %q", text)
			}
		}
		if n, _ := out.lines(); n != many {
			t.Errorf("%d lines", n)
		}
	})
	t.Run("one that is long", func(t *testing.T) {
		t.Parallel()
		out := &safeBuffer{}
		w := &batchWriter{w: out, delay: time.Hour}
		_, _ = io.WriteString(w, "short\n")
		_, _ = io.WriteString(w, strings.Repeat("x", 2*maxBatch)+"\n")
		if n, _ := out.lines(); n != 2 {
			t.Errorf("%d lines", n)
		}
	})
	t.Run("a writer that fails", func(t *testing.T) {
		t.Parallel()
		out := &safeBuffer{err: errors.New("full")}
		w := &batchWriter{w: out, delay: time.Hour}
		for range 3 {
			_, _ = io.WriteString(w, strings.Repeat("x", maxBatch/2+1))
		}
		if len(w.batch) > maxBatch {
			t.Errorf("%d bytes wait", len(w.batch))
		}
	})
}
