package main

import (
	"context"
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// gcPercent lets the heap grow to five times what is alive before it is collected. What is alive is a few MB, and
	// collecting is a quarter of a request's CPU at Go's own 100.
	gcPercent = 400
	// memoryShare of the container's memory is Go's limit: near it the collector works harder than gcPercent says. The
	// rest is for what Go doesn't count.
	memoryShare = 0.9
)

// tuneMemory sets the collector's pace and ceiling, and logs them. GOGC and GOMEMLIMIT win where they are set.
func tuneMemory(ctx context.Context, env map[string]string, log *slog.Logger) {
	if env["GOGC"] == "" {
		debug.SetGCPercent(gcPercent)
	}
	if env["GOMEMLIMIT"] == "" {
		limit, err := memlimit.ApplyRatio(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem), memoryShare)()
		if err == nil && limit > 0 && limit < math.MaxInt64 {
			debug.SetMemoryLimit(int64(limit))
		} else if err != nil {
			log.LogAttrs(ctx, slog.LevelDebug, "the memory limit can't be read", slog.String("error", err.Error()))
		}
	}
	percent := debug.SetGCPercent(gcPercent) // There is no way to ask but to set.
	debug.SetGCPercent(percent)
	attrs := []slog.Attr{slog.Int("gogc", percent)}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		attrs = append(attrs, slog.Int64("memory_limit_mb", limit>>20))
	}
	log.LogAttrs(ctx, slog.LevelInfo, "memory", attrs...)
}
