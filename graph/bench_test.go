package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/google/uuid"

	"taskql/ent"
	"taskql/graph"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// scalars are ten of a task's.
const scalars = `id title description completed completedAt priority due { date } version createdAt updatedAt`

// hot are the requests that the server is measured by.
var hot = []struct{ name, query string }{ //nolint:gochecknoglobals // A table.
	{"Q1", `query Q1($id: ID!) { task(id: $id) { ` + scalars + ` } }`},
	{"Q2", `query Q2 { tasks(first: 20, filter: {completed: false}) { edges { cursor node { ` + scalars + ` } } pageInfo { hasNextPage endCursor } } }`},
	{"Q3", `query Q3 { tasks(first: 20, filter: {completed: false}) { edges { cursor node { ` + scalars + ` tags { id name color } } } pageInfo { hasNextPage endCursor } } }`},
	{"two root fields", `query Two($id: ID!) { task(id: $id) { ` + scalars + ` } tasks(first: 20, filter: {completed: false}) { nodes { id title } } }`},
}

// load sends one request again and again.
type load struct {
	api  *api
	user string
	body []byte
}

// discarded is a response that nobody reads.
type discarded struct {
	header http.Header
	status int
	size   int
}

func (d *discarded) Header() http.Header    { return d.header }
func (d *discarded) WriteHeader(status int) { d.status = status }

func (d *discarded) Write(b []byte) (int, error) {
	d.size += len(b)
	return len(b), nil
}

func (l load) send(t testing.TB) {
	t.Helper()
	w := discarded{header: http.Header{}}
	r := &http.Request{
		Method: http.MethodPost, Body: io.NopCloser(bytes.NewReader(l.body)), ContentLength: int64(len(l.body)),
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/graphql-response+json"}, "User": {l.user}},
	}
	l.api.ServeHTTP(&w, r.WithContext(t.Context()))
	if w.status != http.StatusOK || w.size < 300 {
		t.Fatalf("status %d, %d bytes", w.status, w.size)
	}
}

// hotLoads makes a workspace of 250 tasks with 2 of 5 tags each, and the hot requests.
func hotLoads(t testing.TB, db workspace.Database, change func(*graph.Config, func() time.Time)) map[string]load {
	t.Helper()
	a := newAPIWith(t, db, change, "alice")
	id := fillWorkspace(t, db.Client, a.users["alice"], 250)
	loads := map[string]load{}
	for _, h := range hot {
		body, err := json.Marshal(map[string]any{"query": h.query, "variables": map[string]any{"id": id}})
		if err != nil {
			t.Fatal(err)
		}
		loads[h.name] = load{api: a, user: "alice", body: body}
		loads[h.name].send(t)
	}
	return loads
}

// fillWorkspace makes n tasks and returns the id of one.
func fillWorkspace(t testing.TB, client *ent.Client, v viewer.Viewer, n int) uuid.UUID {
	t.Helper()
	ctx := viewer.NewContext(t.Context(), v)
	var tags []uuid.UUID
	for i, name := range []string{"home", "work", "errand", "urgent", "someday"} {
		tags = append(tags, uuid.New())
		err := client.Tag.Create().SetID(tags[i]).SetWorkspaceID(v.WorkspaceID).SetVersion(0).SetName(name).SetNameKey([]byte(name)).SetColor("#16a34a").Exec(ctx)
		if err != nil {
			t.Fatal(err)
		}
	}
	var tasks []*ent.TaskCreate
	var carried []*ent.TaskTagCreate
	var last uuid.UUID
	for i := range n {
		last = uuid.Must(uuid.NewV7())
		at := time.Date(2026, 1, 1, i, 0, 0, i*1000, time.UTC)
		c := client.Task.Create().SetID(last).SetWorkspaceID(v.WorkspaceID).SetVersion(i).SetPosition([]byte{byte(i >> 8), byte(i)}).
			SetTitle(fmt.Sprintf("Task %d of workspace %s", i, v.WorkspaceID)).SetPriority(i % 4).SetCreatedAt(at).SetUpdatedAt(at.Add(time.Hour))
		if i%4 != 0 {
			c.SetDescription(strings.Repeat("Lorem ipsum dolor sit amet, ", 1+i%5))
		}
		if i%5 == 0 {
			c.SetCompleted(true).SetCompletedAt(at.Add(72 * time.Hour))
		}
		if i%3 == 0 {
			c.SetDueDate(at.Truncate(24 * time.Hour).Add(480 * time.Hour)).SetDueSort(time.Time{})
		}
		tasks = append(tasks, c)
		for _, tag := range []uuid.UUID{tags[i%5], tags[(i+2)%5]} {
			carried = append(carried, client.TaskTag.Create().SetTaskID(last).SetTagID(tag).SetWorkspaceID(v.WorkspaceID))
		}
	}
	if err := client.Task.CreateBulk(tasks...).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if err := client.TaskTag.CreateBulk(carried...).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	return last
}

// cpu is the processor time that this process took. On a machine that others share, it tells more than the clock.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkHot(b *testing.B) {
	for name, address := range map[string]func(testing.TB) string{dialect.SQLite: testkit.SQLiteURL, dialect.Postgres: testkit.MigratedPostgresURL} {
		b.Run(name, func(b *testing.B) {
			for way, change := range map[string]func(*graph.Config, func() time.Time){
				"executed": func(c *graph.Config, _ func() time.Time) { c.FieldByField = true },
				"encoded":  func(*graph.Config, func() time.Time) {},
			} {
				b.Run(way, func(b *testing.B) {
					loads := hotLoads(b, testkit.Database(testkit.OpenDatabase(b, address(b)).Driver()), change)
					for _, h := range hot {
						b.Run(h.name, func(b *testing.B) {
							b.ReportAllocs()
							start := cpu(b)
							for b.Loop() {
								loads[h.name].send(b)
							}
							b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
						})
					}
				})
			}
		})
	}
}

// TestAllocations guards what time can't in CI: how many objects a hot request allocates, the database's driver and ent
// included. The limits are what it took, and a tenth more.
func TestAllocations(t *testing.T) { //nolint:paralleltest // It counts the process's allocations.
	limits := map[string]float64{"Q1": 300, "Q2": 965, "Q3": 2500, "two root fields": 880}
	for name, address := range testkit.Databases(t) {
		t.Run(name, func(t *testing.T) {
			db := testkit.Database(testkit.OpenDatabase(t, address(t)).Driver())
			for request, load := range hotLoads(t, db, func(*graph.Config, func() time.Time) {}) {
				allocations := testing.AllocsPerRun(50, func() { load.send(t) })
				t.Logf("%s: %.0f objects", request, allocations)
				if allocations > limits[request] {
					t.Errorf("%s allocates %.0f objects, want at most %.0f: gqlgen may execute a field (TestEveryFieldHasAnEntry), or a row cost more", request, allocations, limits[request])
				}
			}
		})
	}
}
