// Command bench runs the load test of docs/performance.md and the soak test of docs/operations/faults.md:
//
//	bench seed    fill DATABASE_URL with WORKSPACES (2000) workspaces of TASKS (250) tasks
//	bench load    start PostgreSQL, fill it, start SERVER (bin/server) and a bounded load, and print what it cost
//	bench live    the same with streams, and peers beside it: memory, what a delivery costs, how long it takes; ONLY names single scenarios
//	bench soak    the same with faults for SOAK_MINUTES (20); fail if the server leaks, loses or duplicates changes, or errs
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"taskql/internal/testkit/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "seed":
		return runSeed(ctx)
	case len(args) == 1 && args[0] == "load":
		return runLoad(ctx)
	case len(args) == 1 && args[0] == "live":
		return runLive(ctx)
	case len(args) == 1 && args[0] == "live-clients": // bench live starts it.
		return runLiveClients(ctx)
	case len(args) == 1 && args[0] == "soak":
		return runSoak(ctx)
	}
	return errors.New("usage: bench seed | bench load | bench live | bench soak")
}

func runSeed(ctx context.Context) error {
	address := os.Getenv("DATABASE_URL")
	if address == "" {
		return errors.New("DATABASE_URL is not set: set it to a database for benchmarks, which may be emptied")
	}
	workspaces, tasks, err := size(2000, 250)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := bench.Seed(ctx, address, workspaces, tasks); err != nil {
		return err
	}
	fmt.Printf("%d workspaces of %d tasks in %s\n", workspaces, tasks, time.Since(start).Round(100*time.Millisecond))
	return nil
}

// size returns the numbers of workspaces and tasks per workspace.
func size(workspaces, tasks int) (int, int, error) {
	workspaces, err := number("WORKSPACES", workspaces, 99999)
	if err != nil {
		return 0, 0, err
	}
	tasks, err = number("TASKS", tasks, 99999)
	return workspaces, tasks, err
}

// number returns the value of a variable, from 1 to highest, or def if it is not set.
func number(name string, def, highest int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > highest {
		return 0, fmt.Errorf("%s must be a whole number from 1 to %d, not %q", name, highest, text)
	}
	return n, nil
}
