package server

import (
	"io"
	"log/slog"
	"strings"

	"taskql/internal/config"
)

// NewLogger returns the logger that the configuration asks for, writing to w. JSON lines name the text
// "message" and the level in small letters, as log collectors such as Railway's read them.
func NewLogger(w io.Writer, cfg config.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == config.LogText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	options.ReplaceAttr = forCollectors
	return slog.New(slog.NewJSONHandler(w, options))
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
