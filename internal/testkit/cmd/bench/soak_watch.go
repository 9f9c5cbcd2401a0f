package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is the server's use of resources at one time.
type sample struct {
	at          time.Time
	rss, heap   float64 // in MB; the heap after a garbage collection
	goroutines  float64
	descriptors float64
	connections float64 // to the database
	cpu, pgCPU  time.Duration
}

// watch takes samples, and prints a line per minute.
func (s *soak) watch(ctx context.Context) error {
	fmt.Printf("%6s %8s %8s %8s %9s %8s %8s %6s %6s %6s %7s %6s  %s\n", "minute", "requests", "median", "p99", "slowest", "RSS MB", "heap MB", "gorout", "files", "conns", "CPU %", "PG %", "answers")
	const every = 5 * time.Second
	last, err := s.sample(ctx)
	if err != nil {
		return err
	}
	next := s.from.Add(time.Minute)
	for pause(ctx, every) {
		now, err := s.sample(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.samples = append(s.samples, now)
		s.mu.Unlock()
		if !now.at.Before(next) {
			s.printMinute(last, now)
			last, next = now, next.Add(time.Minute)
		}
	}
	return nil
}

// printMinute prints the figures of the last minute.
func (s *soak) printMinute(before, now sample) {
	s.mu.Lock()
	minute := s.minute
	s.minute = responses{}
	s.mu.Unlock()
	slices.Sort(minute.durations)
	at := func(part float64) time.Duration {
		if len(minute.durations) == 0 {
			return 0
		}
		return minute.durations[int(part*float64(len(minute.durations)-1))].Round(10 * time.Microsecond)
	}
	share := func(used time.Duration) float64 { return 100 * used.Seconds() / now.at.Sub(before.at).Seconds() }
	fmt.Printf("%6.0f %8d %8s %8s %9s %8.0f %8.1f %6.0f %6.0f %6.0f %7.1f %6.1f  %s\n", now.at.Sub(s.from).Minutes(), len(minute.durations),
		at(0.5), at(0.99), at(1), now.rss, now.heap, now.goroutines, now.descriptors, now.connections, share(now.cpu-before.cpu), share(now.pgCPU-before.pgCPU), codes(minute.codes))
}

// sample reads /proc, /metrics and the heap profile.
func (s *soak) sample(ctx context.Context) (sample, error) {
	now := sample{at: time.Now()}
	rss, err := residentMB(s.server.pid())
	if err != nil {
		return now, fmt.Errorf("the server is gone: %w", err)
	}
	now.rss = float64(rss)
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.server.pid()))
	if err != nil {
		return now, fmt.Errorf("counting descriptors: %w", err)
	}
	now.descriptors = float64(len(descriptors))
	if now.cpu, now.pgCPU, err = cpu(s.server.pid(), s.postmaster); err != nil {
		return now, err
	}
	metrics, err := s.metrics(ctx, "/metrics", "go_goroutine_count", "taskql_db_pool_connections")
	if err != nil {
		return now, err
	}
	now.goroutines, now.connections = metrics[0], metrics[1]
	heap, err := s.metrics(ctx, "/debug/pprof/heap?gc=1&debug=1", "# HeapInuse")
	if err != nil {
		return now, err
	}
	now.heap = heap[0] / (1 << 20)
	return now, nil
}

// metrics reads the values with those names from a page of DEBUG_ADDR. A value is the sum over a name's labels.
func (s *soak) metrics(ctx context.Context, path string, names ...string) ([]float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.debug+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking DEBUG_ADDR: %w", err)
	}
	defer response.Body.Close()
	sums, found := make([]float64, len(names)), make([]bool, len(names))
	lines := bufio.NewReader(response.Body)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		for i, name := range names {
			rest, ok := strings.CutPrefix(line, name)
			if !ok || !strings.HasPrefix(rest, "{") && !strings.HasPrefix(rest, " ") {
				continue
			}
			words := strings.Fields(rest)
			value, err := strconv.ParseFloat(words[len(words)-1], 64)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", name, err)
			}
			sums[i] += value
			found[i] = true
		}
	}
	if missing := slices.Index(found, false); missing >= 0 {
		return nil, fmt.Errorf("%s has no %s", path, names[missing])
	}
	return sums, nil
}

// compareSamples compares the last quarter of the time with the second. In the first the caches still grow.
func (s *soak) compareSamples() {
	quarter := s.until.Sub(s.from) / 4
	for _, figure := range []struct {
		name        string
		of          func(sample) float64
		share, more float64 // how much the last may be above the second, relative and absolute
	}{
		{"RSS MB", func(x sample) float64 { return x.rss }, 0.15, 8},
		{"heap MB after a collection", func(x sample) float64 { return x.heap }, 0.15, 2},
		{"goroutines", func(x sample) float64 { return x.goroutines }, 0.05, 10},
		{"descriptors", func(x sample) float64 { return x.descriptors }, 0.05, 20},
		{"connections to the database", func(x sample) float64 { return x.connections }, 0, 2},
	} {
		median := func(from time.Time) float64 {
			var values []float64
			for _, x := range s.samples {
				if !x.at.Before(from) && x.at.Before(from.Add(quarter)) {
					values = append(values, figure.of(x))
				}
			}
			if len(values) == 0 {
				s.fail("%s: no samples", figure.name)
				return 0
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		second, last := median(s.from.Add(quarter)), median(s.from.Add(3*quarter))
		limit := second*(1+figure.share) + figure.more
		fmt.Printf("%s: %.1f in the second quarter, %.1f in the last, at most %.1f allowed\n", figure.name, second, last, limit)
		if last > limit {
			s.fail("%s grew from %.1f in the second quarter to %.1f in the last", figure.name, second, last)
		}
	}
}
