package workspace

import (
	"context"
	"database/sql/driver"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// versionTable answers versions' statements from memory, and takes a moment for each.
type versionTable struct {
	takes      time.Duration
	statements atomic.Int64
	ids        atomic.Int64
	running    atomic.Int64
	most       atomic.Int64
	fail       error

	mu   sync.Mutex
	rows map[string]int
}

func (v *versionTable) set(id string, version int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rows[id] = version
}

func (v *versionTable) read(ctx context.Context, _ string, args []any, each func([]driver.Value) error) error {
	v.statements.Add(1)
	for n := v.running.Add(1); ; {
		if most := v.most.Load(); n <= most || v.most.CompareAndSwap(most, n) {
			break
		}
	}
	defer v.running.Add(-1)
	v.mu.Lock()
	found := map[string]int{}
	ids, _ := args[0].([]string)
	if id, one := args[0].(string); one {
		ids = []string{id}
	}
	for _, id := range ids {
		v.ids.Add(1)
		if version, ok := v.rows[id]; ok {
			found[id] = version
		}
	}
	v.mu.Unlock()
	select {
	case <-time.After(v.takes):
	case <-ctx.Done():
		return errors.New("canceling statement due to user request") // PostgreSQL doesn't know why.
	}
	if v.fail != nil {
		return v.fail
	}
	for id, version := range found {
		if err := each([]driver.Value{id, int64(version)}); err != nil {
			return err
		}
	}
	return nil
}

func TestVersionsTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &versionTable{takes: time.Millisecond, rows: map[string]int{}}
		const workspaces, clients, times = 50, 2500, 20
		for i := range workspaces {
			table.set(strconv.Itoa(i), 1000+i)
		}
		v := &versions{query: table.read}
		var group sync.WaitGroup
		for c := range clients {
			group.Go(func() {
				for range times {
					id := c % (workspaces + 1)
					got, err := v.get(t.Context(), strconv.Itoa(id))
					if id == workspaces {
						if !errors.Is(err, ErrNotFound) {
							t.Errorf("no error of a workspace that is none: %d, %v", got, err)
						}
					} else if got != 1000+id || err != nil {
						t.Errorf("%d has version %d, %v", id, got, err)
					}
				}
			})
		}
		group.Wait()
		synctest.Wait() // For the last statement's end.
		if n := table.statements.Load(); n > 200 {
			t.Errorf("%d statements for %d questions", n, clients*times)
		}
		if n := table.most.Load(); n > maxLookups+clients/maxLookupIDs {
			t.Errorf("%d statements at once", n)
		}
		if v.running != 0 || v.next != nil {
			t.Errorf("%d are still said to run, %v waits", v.running, v.next)
		}
	})
}

// A version that was there before the question is seen by it, whoever else asks.
func TestVersionsAreFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &versionTable{takes: 10 * time.Millisecond, rows: map[string]int{"w": 0}}
		v := &versions{query: table.read}
		var version atomic.Int64
		var group sync.WaitGroup
		group.Go(func() {
			for range 300 {
				time.Sleep(time.Millisecond)
				table.set("w", int(version.Load())+1)
				version.Add(1)
			}
		})
		for c := range 40 {
			group.Go(func() {
				time.Sleep(time.Duration(c) * 700 * time.Microsecond)
				for range 10 {
					least := version.Load()
					if got, err := v.get(t.Context(), "w"); err != nil || int64(got) < least {
						t.Errorf("version %d, %v, where %d was there", got, err, least)
					}
				}
			})
		}
		group.Wait()
	})
}

// Statements that are stuck hold up nobody but those who asked first.
func TestVersionsPassTheStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		table := &versionTable{takes: time.Millisecond, rows: map[string]int{"w": 7}}
		v := &versions{query: func(ctx context.Context, query string, args []any, each func([]driver.Value) error) error {
			if asked.Add(1) <= maxLookups {
				time.Sleep(8 * time.Second) // As a connection that has gone silent.
				return errors.New("silent")
			}
			return table.read(ctx, query, args, each)
		}}
		var stuck sync.WaitGroup
		for range maxLookups {
			stuck.Go(func() {
				if _, err := v.get(t.Context(), "w"); err == nil {
					t.Error("no error")
				}
			})
		}
		synctest.Wait()
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				start := time.Now()
				if got, err := v.get(t.Context(), "w"); err != nil || got != 7 || time.Since(start) > 2*maxLookupWait {
					t.Errorf("%d, %v after %s", got, err, time.Since(start))
				}
			})
		}
		group.Wait()
		stuck.Wait()
		synctest.Wait()
		if v.running != 0 || v.next != nil {
			t.Errorf("%d are still said to run, %v waits", v.running, v.next)
		}
	})
}

// A panic is an error of those who ask, and ends nothing else.
func TestVersionsPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := &versions{query: func(context.Context, string, []any, func([]driver.Value) error) error {
			time.Sleep(time.Millisecond)
			panic("a bug")
		}}
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if _, err := v.get(t.Context(), "w"); !errors.Is(err, errPanic) {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
	})
}

func TestVersionsFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &versionTable{takes: time.Hour, rows: map[string]int{"w": 1}}
		v := &versions{query: table.read}
		ask := func(patience time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := v.get(ctx, "w")
			return err
		}
		var group sync.WaitGroup
		for range 20 { // The statement of those who wait for others' ends before their patience does.
			group.Go(func() {
				if err := ask(time.Minute); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
		start := time.Now()
		for range 20 { // All wait for what does not come, some for others' statements.
			group.Go(func() {
				if err := ask(time.Second); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("they waited %s", took)
		}
		time.Sleep(lookupTimeout) // The statement of those who have left.
		synctest.Wait()
		if v.running != 0 || v.next != nil {
			t.Fatalf("%d are still said to run, %v waits", v.running, v.next)
		}
		table.takes, table.fail = time.Millisecond, errors.New("broken")
		for range 20 {
			group.Go(func() {
				if err := ask(time.Second); !errors.Is(err, table.fail) {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
		table.fail = nil
		if err := ask(time.Second); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}
