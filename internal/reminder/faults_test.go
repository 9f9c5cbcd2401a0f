package reminder_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/internal/reminder"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// The clocks of these tests are those of synctest.

// outage is a database that refuses everything while it is down.
type outage struct {
	dialect.Driver

	down atomic.Bool
	// asked counts what it was asked for, refused or not.
	asked atomic.Int64
}

func (d *outage) ask() error {
	if d.asked.Add(1); d.down.Load() {
		return errInjected
	}
	return nil
}

func (d *outage) Tx(ctx context.Context) (dialect.Tx, error) {
	if err := d.ask(); err != nil {
		return nil, err
	}
	return d.Driver.Tx(ctx)
}

func (d *outage) Query(ctx context.Context, query string, args, v any) error {
	if err := d.ask(); err != nil {
		return err
	}
	return d.Driver.Query(ctx, query, args, v)
}

// run runs a replica until the function that it returns is called.
func (r *replica) run(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx) }()
	return func() { cancel(); <-ended }
}

// TestDatabaseIsDown: when the database comes back after an hour or a day, what became due meanwhile fires within a minute, once, and
// what is more than a day late expires. Meanwhile it is asked three things about once a minute, and not at all when it is back and nothing is due.
func TestDatabaseIsDown(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		for down, want := range map[time.Duration][]string{
			time.Hour:      {reminder.Fired, reminder.Fired, reminder.Fired, reminder.Waiting},
			25 * time.Hour: {reminder.Fired, reminder.Expired, reminder.Fired, reminder.Waiting},
		} {
			v := testkit.MakeViewer(t, testkit.Database(driver).Client, "user-"+down.String())
			synctest.Test(t, func(t *testing.T) { testDatabaseIsDown(t, driver, v, down, want) })
		}
	})
}

func testDatabaseIsDown(t *testing.T, driver dialect.Driver, v viewer.Viewer, down time.Duration, want []string) {
	t.Helper()
	d := &outage{Driver: driver}
	r, other := newReplica(t, driver, d, time.Now), newReplica(t, driver, nil, time.Now)
	begun := time.Now().UTC()
	last := begun.Add(down + time.Hour)
	id := other.remind(t, v, nil, at(begun.Add(30*time.Second)), at(begun.Add(5*time.Minute)), at(begun.Add(down-time.Minute)), at(last))
	_, token := other.inFeed(t, v, nil)
	stop := r.run(t.Context())
	time.Sleep(time.Minute)
	d.down.Store(true)
	before := d.asked.Load()
	time.Sleep(down)
	if asked, limit := d.asked.Load()-before, 3*(int64(down/time.Minute)+6); asked < limit/2 || asked > limit {
		t.Errorf("it was asked %d times in %s, want at most %d", asked, down, limit)
	}
	d.down.Store(false)
	time.Sleep(61 * time.Second)
	if got := other.states(t, v, id); !slices.Equal(got, want) {
		t.Errorf("after %s the reminders are %q, want %q", down, got, want)
	}
	before = d.asked.Load()
	time.Sleep(time.Until(last) - time.Second)
	if asked := d.asked.Load() - before; asked > 0 {
		t.Errorf("it was asked %d times while nothing was due", asked)
	}
	time.Sleep(2 * time.Second)
	stop()
	rows, err := other.Of(viewer.NewContext(t.Context(), v), v, []uuid.UUID{id}, nil)
	check(t, err)
	if got := rows[id][3].FiredAt; got == nil || !got.Equal(last) {
		t.Errorf("it has fired at %v, want %s", got, last)
	}
	seen, _ := other.inFeed(t, v, &token)
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s has come %d times", id, n)
		}
	}
	fired := 1
	for _, state := range want {
		if state == reminder.Fired {
			fired++
		}
	}
	if n := r.fired.Load(); len(seen) != 4 || n != int64(fired) {
		t.Errorf("%d have come, and %d have fired, want %d", len(seen), n, fired)
	}
}

// TestOverlap: a server finds what the one before it still sets while both run, also if nobody uses the new one.
func TestOverlap(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		v := testkit.MakeViewer(t, testkit.Database(driver).Client, "alice")
		synctest.Test(t, func(t *testing.T) {
			old, fresh := newReplica(t, driver, nil, time.Now), newReplica(t, driver, nil, time.Now)
			defer fresh.run(t.Context())()
			time.Sleep(5 * time.Minute)
			id := old.remind(t, v, nil, at(time.Now().Add(time.Hour)))
			time.Sleep(61 * time.Minute)
			if got := old.states(t, v, id); !slices.Equal(got, []string{reminder.Fired}) {
				t.Errorf("it is %q", got)
			}
		})
	})
}

// TestClocksJump: three replicas run, whose clocks jump both ways. One of them is sound, one fails now and then, and one is told that
// none of its commits has succeeded. Each reminder fires or expires once: nothing overwrites the version in which it did.
func TestClocksJump(t *testing.T) {
	t.Parallel()
	testkit.EachDriver(t, func(t *testing.T, driver dialect.Driver) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		client := testkit.Database(driver).Client
		viewers := []viewer.Viewer{testkit.MakeViewer(t, client, "alice"), testkit.MakeViewer(t, client, "bob")}
		synctest.Test(t, func(t *testing.T) { testClocksJump(t, driver, viewers, rand.New(rand.NewPCG(seed, 0))) })
	})
}

func testClocksJump(t *testing.T, driver dialect.Driver, viewers []viewer.Viewer, random *rand.Rand) {
	t.Helper()
	const each, days = 40, 5
	ctx, r := viewer.AsSystem(t.Context()), newReplica(t, driver, nil, time.Now)
	begun := time.Now()
	for _, v := range viewers {
		for range each {
			r.remind(t, v, nil, at(begun.Add(time.Duration(random.Int64N(days*8))*3*time.Hour)))
		}
	}
	versions := func() int {
		sum := 0
		for _, w := range r.workspaces.Client.Workspace.Query().AllX(ctx) {
			sum += w.Version
		}
		return sum
	}
	before := versions()
	drivers := []*failing{{Driver: driver}, {Driver: driver}, {Driver: driver}}
	drivers[1].every.Store(7)
	drivers[2].lies.Store(true)
	var ahead [3]atomic.Int64 // how far the clocks of the replicas are ahead
	for i, d := range drivers {
		replica := newReplica(t, driver, d, func() time.Time { return time.Now().Add(time.Duration(ahead[i].Load())).UTC() })
		defer replica.run(t.Context())()
	}
	for end := begun.Add((days + 1) * 24 * time.Hour); time.Now().Before(end); time.Sleep(time.Duration(random.Int64N(4 * int64(time.Hour)))) {
		jump, chosen := random.Int64N(int64(52*time.Hour))-int64(26*time.Hour), random.IntN(6)
		for i := range ahead {
			if i == chosen || chosen >= len(ahead) { // One clock jumps, or all do, and the replicas fire the same at once.
				ahead[i].Store(jump)
			}
		}
	}
	for i := range ahead {
		ahead[i].Store(0)
	}
	drivers[1].every.Store(0)
	time.Sleep(25 * time.Hour)
	rows := r.workspaces.Client.Reminder.Query().AllX(ctx)
	states, changes := map[string]int{}, map[string]bool{}
	for _, row := range rows {
		states[row.State]++
		changes[fmt.Sprint(row.WorkspaceID, row.Version)] = true
	}
	if taken := versions() - before; taken != len(changes) || states[reminder.Fired] < each || states[reminder.Fired]+states[reminder.Expired] != len(rows) {
		t.Errorf("%v; %d versions were taken, and %d are the reminders'", states, taken, len(changes))
	}
	t.Logf("%v in %d changes", states, len(changes))
}
