// Package model_test compares what clients have with what is in the database, while the workspace changes, connections break,
// servers are restarted and clocks are turned: on both databases, with the reference store of examples/sync.
package model_test

import (
	"cmp"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"taskql/internal/testkit"
	"taskql/internal/testkit/stores"
)

const (
	// steps is how many steps a run has.
	steps = 10
	// concurrent is how many runs of a database there are at once.
	concurrent = 20
	// restartEvery is after how many runs a server is restarted.
	restartEvery = 50
	// maxFailed is how many runs may fail before no more are made.
	maxFailed = 3
)

// TestModel makes a few runs. MODEL_SEED repeats one: its steps are the same, not what happens at the same time.
func TestModel(t *testing.T) {
	t.Parallel()
	model(t, 45)
}

// TestFaultsModel makes more: MODEL_RUNS, or 1,000.
func TestFaultsModel(t *testing.T) {
	testkit.Suite(t, "faults")
	runs, _ := strconv.Atoi(os.Getenv("MODEL_RUNS"))
	model(t, cmp.Or(runs, 1000))
}

// results are what runs have come to.
type results struct{ runs, checked, unchecked, lists, failed atomic.Int64 }

func model(t *testing.T, runs int) {
	t.Helper()
	program := stores.Compile(t)
	environments := []*environment{
		newEnvironment(t, "sqlite", testkit.SQLiteURL(t), false, stores.Start(t, program)),
		newEnvironment(t, "postgres", testkit.MigratedPostgresURL(t), true, stores.Start(t, program)),
		newEnvironment(t, "sweep", testkit.MigratedPostgresURL(t), false, stores.Start(t, program)),
	}
	var seeds []uint64
	for i := range runs / len(environments) {
		seeds = append(seeds, uint64(i+1))
	}
	if only := os.Getenv("MODEL_SEED"); only != "" {
		seed, err := strconv.ParseUint(only, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{seed}
	}
	var all sync.WaitGroup
	var sum results
	for _, e := range environments {
		all.Go(func() { e.run(seeds, &sum) })
	}
	all.Wait()
	t.Logf("%d runs: %d copies compared with the workspace as of their version, %d only row by row; %d live lists compared with their query",
		sum.runs.Load(), sum.checked.Load(), sum.unchecked.Load(), sum.lists.Load())
	if sum.checked.Load() <= sum.unchecked.Load() || sum.lists.Load() < sum.runs.Load()/2 {
		t.Error("too little could be compared")
	}
}

// run makes a run of each seed.
func (e *environment) run(seeds []uint64, sum *results) {
	all := errgroup.Group{}
	all.SetLimit(concurrent)
	for i, seed := range seeds {
		all.Go(func() error {
			if sum.failed.Load() > maxFailed {
				return nil
			}
			r := newRun(e, seed)
			if err := r.do(steps); err != nil {
				sum.failed.Add(1)
				e.t.Errorf("MODEL_SEED=%d on %s: %v\n    %s", seed, e.name, err, r)
			}
			sum.runs.Add(1)
			sum.checked.Add(r.checked.Load())
			sum.unchecked.Add(r.unchecked.Load())
			sum.lists.Add(r.listsChecked.Load())
			return nil
		})
		if i%restartEvery == restartEvery-1 {
			e.start(e.replicas[i/restartEvery%len(e.replicas)])
		}
	}
	_ = all.Wait() // The errors are reported above.
}
