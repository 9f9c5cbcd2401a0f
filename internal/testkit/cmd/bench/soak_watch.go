package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is what the server held at a moment.
type sample struct {
	at          time.Time
	rss, heap   float64 // MB; the heap after a collection
	goroutines  float64
	connections float64 // to the database
	cpu, pgCPU  time.Duration
}

// watch takes samples, and prints a line each minute.
func (s *soak) watch(ctx context.Context) error {
	fmt.Printf("%6s %8s %8s %8s %9s %8s %8s %6s %6s %7s %6s  %s\n", "minute", "requests", "median", "p99", "slowest", "RSS MB", "heap MB", "gorout", "conns", "CPU %", "PG %", "answers")
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
			s.line(last, now)
			last, next = now, next.Add(time.Minute)
		}
	}
	return nil
}

// line prints the minute's figures.
func (s *soak) line(before, now sample) {
	s.mu.Lock()
	minute := s.minute
	s.minute = seen{}
	s.mu.Unlock()
	slices.Sort(minute.took)
	at := func(part float64) time.Duration {
		if len(minute.took) == 0 {
			return 0
		}
		return minute.took[int(part*float64(len(minute.took)-1))].Round(10 * time.Microsecond)
	}
	share := func(used time.Duration) float64 { return 100 * used.Seconds() / now.at.Sub(before.at).Seconds() }
	fmt.Printf("%6.0f %8d %8s %8s %9s %8.0f %8.1f %6.0f %6.0f %7.1f %6.1f  %s\n", now.at.Sub(s.from).Minutes(), len(minute.took),
		at(0.5), at(0.99), at(1), now.rss, now.heap, now.goroutines, now.connections, share(now.cpu-before.cpu), share(now.pgCPU-before.pgCPU), codes(minute.codes))
}

// sample asks the kernel, /metrics and the heap's profile.
func (s *soak) sample(ctx context.Context) (sample, error) {
	now := sample{at: time.Now()}
	rss, err := residentMB(s.server.pid())
	if err != nil {
		return now, fmt.Errorf("the server is gone: %w", err)
	}
	now.rss = float64(rss)
	if now.cpu, now.pgCPU, err = cpu(s.server.pid(), s.postmaster); err != nil {
		return now, err
	}
	metrics, err := s.figures(ctx, "/metrics", "go_goroutine_count", "taskql_db_pool_connections")
	if err != nil {
		return now, err
	}
	now.goroutines, now.connections = metrics[0], metrics[1]
	heap, err := s.figures(ctx, "/debug/pprof/heap?gc=1&debug=1", "# HeapInuse")
	if err != nil {
		return now, err
	}
	now.heap = heap[0] / (1 << 20)
	return now, nil
}

// figures reads figures of those names off a page of DEBUG_ADDR: the sum over a name's labels.
func (s *soak) figures(ctx context.Context, path string, names ...string) ([]float64, error) {
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

// compareSamples compares the last quarter with the second: in the first caches still fill.
func (s *soak) compareSamples() {
	quarter := s.until.Sub(s.from) / 4
	for _, figure := range []struct {
		name        string
		of          func(sample) float64
		share, more float64 // how much the last may be above the second
	}{
		{"RSS MB", func(x sample) float64 { return x.rss }, 0.15, 8},
		{"heap MB after a collection", func(x sample) float64 { return x.heap }, 0.15, 2},
		{"goroutines", func(x sample) float64 { return x.goroutines }, 0.05, 10},
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
				s.complain("%s: no samples", figure.name)
				return 0
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		second, last := median(s.from.Add(quarter)), median(s.from.Add(3*quarter))
		limit := second*(1+figure.share) + figure.more
		fmt.Printf("%s: %.1f in the second quarter, %.1f in the last, at most %.1f allowed\n", figure.name, second, last, limit)
		if last > limit {
			s.complain("%s grew from %.1f in the second quarter to %.1f in the last", figure.name, second, last)
		}
	}
}
