package database_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"taskql/ent"
	_ "taskql/ent/runtime" // ent's defaults and policies.
	"taskql/ent/task"
	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
)

// TestTimes: times keep their order and their microseconds in both databases, whatever their fraction and zone, and are
// returned in UTC. SQLite has no type for them, so it depends on how they are stored.
func TestTimes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, url string }{
		{"PostgreSQL", testkit.MigratedPostgresURL(t)},
		{"SQLite", testkit.SQLiteURL(t)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := open(t, database.Config{URL: test.url})
			if _, err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			client := ent.NewClient(ent.Driver(db.Driver()))
			ctx := viewer.AsSystem(t.Context())
			rapid.Check(t, func(t *rapid.T) {
				workspace := uuid.NewString()
				if err := client.Workspace.Create().SetID(workspace).SetCreatedAt(time.Now()).Exec(ctx); err != nil {
					t.Fatal(err)
				}
				times := rapid.SliceOfN(anyTime(), 1, 8).Draw(t, "times")
				byID := map[uuid.UUID]time.Time{}
				for _, at := range times {
					id := uuid.Must(uuid.NewV7())
					byID[id] = at
					created, err := client.Task.Create().SetID(id).SetWorkspaceID(workspace).SetVersion(1).SetTitle("t").
						SetCreatedAt(at).SetUpdatedAt(at).SetCompleted(true).SetCompletedAt(at).Save(ctx)
					if err != nil {
						t.Fatal(err)
					}
					if !created.CreatedAt.Equal(at) {
						t.Fatalf("created at %v, want %v", created.CreatedAt, at)
					}
				}
				rows, err := client.Task.Query().Where(task.WorkspaceID(workspace)).Order(ent.Asc(task.FieldCreatedAt)).All(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for i, row := range rows {
					want := byID[row.ID]
					for _, got := range []time.Time{row.CreatedAt, row.UpdatedAt, *row.CompletedAt} {
						if !got.Equal(want) || got.Location() != time.UTC {
							t.Fatalf("read %v, wrote %v", got, want)
						}
					}
					if i > 0 && row.CreatedAt.Before(rows[i-1].CreatedAt) {
						t.Fatalf("%v came after %v", row.CreatedAt, rows[i-1].CreatedAt)
					}
				}
				limit := rapid.OneOf(rapid.SampledFrom(times), anyTime()).Draw(t, "limit")
				before, err := client.Task.Query().Where(task.WorkspaceID(workspace), task.CreatedAtLT(limit)).Count(ctx)
				if err != nil {
					t.Fatal(err)
				}
				equal, err := client.Task.Query().Where(task.WorkspaceID(workspace), task.CreatedAtEQ(limit)).Count(ctx)
				if err != nil {
					t.Fatal(err)
				}
				wantBefore, wantEqual := 0, 0
				for _, at := range times {
					switch at.Compare(limit) {
					case -1:
						wantBefore++
					case 0:
						wantEqual++
					}
				}
				if before != wantBefore || equal != wantEqual {
					t.Fatalf("%v: %d before and %d equal, want %d and %d", limit, before, equal, wantBefore, wantEqual)
				}
				// An update stores them in the same way.
				id := rows[0].ID
				at := anyTime().Draw(t, "updated")
				if err := client.Task.UpdateOneID(id).SetUpdatedAt(at).Exec(ctx); err != nil {
					t.Fatal(err)
				}
				if got := client.Task.GetX(ctx, id).UpdatedAt; !got.Equal(at) {
					t.Fatalf("updated at %v, want %v", got, at)
				}
			})
		})
	}
}

// anyTime draws a time with microseconds in some zone, often close to others.
func anyTime() *rapid.Generator[time.Time] {
	zones := []*time.Location{
		time.UTC, time.FixedZone("", 5*3600+45*60), time.FixedZone("", -12*3600), time.FixedZone("", 14*3600), time.FixedZone("", 3600+1),
	}
	return rapid.Custom(func(t *rapid.T) time.Time {
		seconds := rapid.OneOf(
			rapid.Int64Range(1_800_000_000, 1_800_000_002),
			rapid.SampledFrom([]int64{-1, 0, 1, 253_402_300_799, -62_135_596_800}),
			rapid.Int64Range(-2_000_000_000, 10_000_000_000),
		).Draw(t, "seconds")
		micros := rapid.OneOf(
			rapid.SampledFrom([]int64{0, 1, 10, 100, 1000, 9999, 10_000, 100_000, 500_000, 900_000, 990_000, 999_999}),
			rapid.Int64Range(0, 999_999),
		).Draw(t, "micros")
		return time.Unix(seconds, micros*1000).In(rapid.SampledFrom(zones).Draw(t, "zone"))
	})
}
