package main

import (
	"context"
	"log/slog"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// gcPercent is the default of GOGC. The heap may grow to five times the live heap, which is a few MB. With Go's own
	// default, 100, garbage collection takes a quarter of a request's CPU.
	gcPercent = 400
	// memoryShare is the share of the container's memory that is the default of GOMEMLIMIT. The rest is for memory that Go
	// doesn't count.
	memoryShare = 0.9
	// maxGarbage is how much the heap may grow between garbage collections if gcPercent of the live heap is more. minGCPercent of
	// it is the least.
	maxGarbage   = 32 << 20
	minGCPercent = 50
	// quietSeconds is how long little must have been allocated before unused memory is returned to the system.
	quietSeconds = 10
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

// manageMemory keeps garbage in bounds if the live heap is large, because many idle streams are open: Go would let the heap grow
// to five times that, and keep the memory. It ends with ctx. adapt is whether it may change the garbage collector's
// percentage.
func manageMemory(ctx context.Context, adapt bool) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	percent := gcPercent
	quiet := readHeapUse()
	var kept uint64
	for second := 1; ; second++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := readHeapUse()
		if want := now.percent(); adapt && (want > percent+percent/8 || want < percent-percent/8) {
			percent = want
			debug.SetGCPercent(percent) // It stops the program for a moment.
		}
		if second%quietSeconds == 0 {
			if now.isWasted(quiet, kept) {
				debug.FreeOSMemory()
				now = readHeapUse()
				kept = now.resident - min(now.live, now.resident)
			}
			quiet = now
		}
	}
}

// heapUse is how much memory the heap takes, in bytes.
type heapUse struct {
	// allocated is what was allocated since the start, and live what the last garbage collection left.
	allocated, live uint64
	// resident is what is not returned to the system.
	resident uint64
}

func readHeapUse() heapUse {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	return heapUse{allocated: value(0), live: value(1), resident: value(2) + value(3) + value(4)}
}

// percent returns how much the heap may grow until the next garbage collection, in percent of the live heap.
func (u heapUse) percent() int {
	return int(min(max(100*maxGarbage/max(u.live, 1), minGCPercent), gcPercent))
}

// isWasted reports whether much of the heap's memory could be returned, and little was allocated since the last look: a garbage
// collection, which costs time in proportion to the live heap, is worth it then. kept is how much beside the live heap could not be
// returned the last time, because it is between objects.
func (u heapUse) isWasted(last heapUse, kept uint64) bool {
	const little = 4 << 20
	return u.allocated-last.allocated <= little+u.live/4 && u.resident > 4*little+u.live+u.live/4+kept
}
