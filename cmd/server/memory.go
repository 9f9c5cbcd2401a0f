package main

import (
	"context"
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// gcPercent is the default of GOGC. The heap may grow to five times the live heap, which is a few MB. With Go's own
	// default, 100, garbage collection takes a quarter of a request's CPU.
	gcPercent = 400
	// memoryShare is the share of the container's memory that is the default of GOMEMLIMIT. The rest is for memory that Go
	// doesn't count.
	memoryShare = 0.9
)

// tuneMemory sets the garbage collector's percentage and memory limit, and logs them. It doesn't change what GOGC or GOMEMLIMIT
// set.
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
	percent := debug.SetGCPercent(gcPercent) // The only way to read it is to set it.
	debug.SetGCPercent(percent)
	attrs := []slog.Attr{slog.Int("gogc", percent)}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		attrs = append(attrs, slog.Int64("memory_limit_mb", limit>>20))
	}
	log.LogAttrs(ctx, slog.LevelInfo, "memory", attrs...)
}
