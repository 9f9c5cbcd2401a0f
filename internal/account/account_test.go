package account_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"taskql/ent"
	"taskql/internal/account"
	"taskql/internal/betterauth"
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

func session(id, name, email string, image *string) *betterauth.Session {
	return &betterauth.Session{
		ID: "s-" + id, UserID: id,
		User: betterauth.User{ID: id, Name: name, Email: email, Image: image, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)},
	}
}

func ptr[T any](v T) *T { return &v }

func eachDatabase(t *testing.T, test func(t *testing.T, s *account.Service, client *ent.Client)) {
	t.Helper()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		s, err := account.New(account.Config{Client: db.Client})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s, db.Client)
	})
}

// Ids are opaque: random texts, UUIDs, numbers, or what a custom function returns.
func TestViewerCreatesTheUser(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, s *account.Service, client *ent.Client) {
		for _, id := range []string{"6LFVtdoCakghvVH51uw2UXvSQ9p5IBaO", "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d", "1", "org:ünï/42 '; --"} {
			v, err := s.Viewer(t.Context(), session(id, "Ada", "ada@example.com", ptr("https://example.com/ada.png")))
			if err != nil {
				t.Fatal(err)
			}
			if v.UserID != id || v.WorkspaceID != id || v.Location != time.UTC {
				t.Errorf("got %+v", v)
			}
			ctx := viewer.NewContext(t.Context(), v)
			u, err := s.User(ctx, v, id)
			if err != nil {
				t.Fatal(err)
			}
			if u.Name != "Ada" || u.Email != "ada@example.com" || u.Image == nil || *u.Image != "https://example.com/ada.png" ||
				u.TimeZone != "UTC" || !u.CreatedAt.Equal(time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)) {
				t.Errorf("got %v", u)
			}
			if w, err := client.Workspace.Get(ctx, id); err != nil || w.Version != 0 {
				t.Errorf("got %v, %v", w, err)
			}
		}
	})
}

func TestViewerRefreshesTheUser(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, s *account.Service, _ *ent.Client) {
		var v viewer.Viewer
		user := func() *ent.User {
			t.Helper()
			u, err := s.User(viewer.NewContext(t.Context(), v), v, "u1")
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		sessions := []*betterauth.Session{
			session("u1", "Ada", "ada@example.com", nil),
			session("u1", "Ada L.", "ada@example.com", nil),
			session("u1", "Ada L.", "ada@example.org", nil),
			session("u1", "Ada L.", "ada@example.org", ptr("a.png")),
			session("u1", "Ada L.", "ada@example.org", ptr("")),
			session("u1", "Ada L.", "ada@example.org", nil),
		}
		for i, session := range sessions {
			var err error
			if v, err = s.Viewer(t.Context(), session); err != nil {
				t.Fatal(err)
			}
			u := user()
			if u.Name != session.User.Name || u.Email != session.User.Email || (u.Image == nil) != (session.User.Image == nil) ||
				u.Image != nil && *u.Image != *session.User.Image {
				t.Errorf("session %d: got %v", i, u)
			}
			again := user()
			if _, err := s.Viewer(t.Context(), session); err != nil || !again.UpdatedAt.Equal(u.UpdatedAt) {
				t.Errorf("session %d: the row was written although nothing changed: %v", i, err)
			}
		}
	})
}

func TestConcurrentFirstRequests(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, s *account.Service, client *ent.Client) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := s.Viewer(t.Context(), session("u1", "Ada", "ada@example.com", nil)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		ctx := viewer.AsSystem(t.Context())
		if n := client.User.Query().CountX(ctx); n != 1 {
			t.Errorf("%d users, want 1", n)
		}
		if n := client.Workspace.Query().CountX(ctx); n != 1 {
			t.Errorf("%d workspaces, want 1", n)
		}
	})
}

// With Strict, users without a row are refused. A row that somebody creates has effect at once, and is refreshed.
func TestStrict(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		client := db.Client
		s, err := account.New(account.Config{Client: client, Provisioning: account.Strict})
		if err != nil {
			t.Fatal(err)
		}
		ctx := viewer.AsSystem(t.Context())
		for _, id := range []string{"6LFVtdoCakghvVH51uw2UXvSQ9p5IBaO", "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d", "1", "org:ünï/42 '; --"} {
			for range 2 {
				if v, err := s.Viewer(t.Context(), session(id, "Ada", "ada@example.com", nil)); !errors.Is(err, account.ErrNotFound) {
					t.Fatalf("%s: got %+v, %v", id, v, err)
				}
			}
			if n := client.User.Query().CountX(ctx) + client.Workspace.Query().CountX(ctx); n != 0 {
				t.Fatalf("%s: %d rows were made", id, n)
			}
			client.Workspace.Create().SetID(id).ExecX(ctx)
			client.User.Create().SetID(id).SetName("old").SetEmail("old@example.com").ExecX(ctx)
			v, err := s.Viewer(t.Context(), session(id, "Ada", "ada@example.com", nil))
			if err != nil || v.UserID != id || v.WorkspaceID != id {
				t.Fatalf("%s: got %+v, %v", id, v, err)
			}
			if u := client.User.GetX(ctx, id); u.Name != "Ada" || u.Email != "ada@example.com" {
				t.Errorf("%s: not refreshed: %v", id, u)
			}
			client.User.DeleteOneID(id).ExecX(ctx)
			client.Workspace.DeleteOneID(id).ExecX(ctx)
		}
	})
}

func TestNewRefusesConfigs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]account.Config{
		"no client":            {},
		"unknown provisioning": {Client: &ent.Client{}, Provisioning: "maybe"},
	} {
		if _, err := account.New(c); err == nil {
			t.Errorf("%s: New returned no error", name)
		}
	}
}

func TestUserHidesOthers(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, s *account.Service, _ *ent.Client) {
		alice, err := s.Viewer(t.Context(), session("alice", "Alice", "alice@example.com", nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Viewer(t.Context(), session("bob", "Bob", "bob@example.com", nil)); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"bob", "nobody", ""} {
			if u, err := s.User(viewer.NewContext(t.Context(), alice), alice, id); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("%q: got %v, %v", id, u, err)
			}
		}
	})
}

func TestTimeZone(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, s *account.Service, client *ent.Client) {
		for zone, want := range map[string]string{"Asia/Karachi": "Asia/Karachi", "Mars/Olympus_Mons": "UTC"} {
			if err := client.User.Create().SetID(zone).SetName("x").SetEmail("x").SetTimeZone(zone).Exec(viewer.AsSystem(t.Context())); err != nil {
				t.Fatal(err)
			}
			v, err := s.Viewer(t.Context(), session(zone, "x", "x", nil))
			if err != nil || v.Location.String() != want {
				t.Errorf("%s: got %v, %v", zone, v.Location, err)
			}
		}
	})
}

// A time zone takes effect with the next request, even if a request that reads the old row is running.
func TestSetTimeZone(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, s *account.Service, client *ent.Client) {
		sees := func(want string) viewer.Viewer {
			t.Helper()
			v, err := s.Viewer(t.Context(), session("u1", "Ada", "ada@example.com", nil))
			if err != nil || v.Location.String() != want {
				t.Fatalf("got %v, %v; want %s", v.Location, err, want)
			}
			if zone, known := s.Zone("u1"); !known || zone.String() != want {
				t.Errorf("the zone %v is known: %t; want %s", zone, known, want)
			}
			return v
		}
		if zone, known := s.Zone("u1"); known {
			t.Errorf("the zone %s is known before anything was read", zone)
		}
		v := sees("UTC")
		ctx := viewer.NewContext(t.Context(), v)
		before, err := s.User(ctx, v, "u1")
		if err != nil {
			t.Fatal(err)
		}
		for _, zone := range []string{"Asia/Karachi", "America/New_York", "UTC"} {
			u, err := s.SetTimeZone(ctx, v, zone)
			if err != nil || u.TimeZone != zone || u.UpdatedAt.Before(before.UpdatedAt) || u.Name != "Ada" {
				t.Fatalf("got %v, %v", u, err)
			}
			sees(zone)
			again, err := s.SetTimeZone(ctx, v, zone)
			if err != nil || !again.UpdatedAt.Equal(u.UpdatedAt) {
				t.Errorf("setting the same zone again changed the row: %v, %v", again, err)
			}
		}
		if u, err := s.SetTimeZone(ctx, v, "Mars/Olympus_Mons"); err == nil {
			t.Errorf("got %v", u)
		}
		sees("UTC")

		// A zone that another replica has set has no effect here until it is set here.
		client.User.UpdateOneID("u1").SetTimeZone("Asia/Karachi").ExecX(ctx)
		sees("UTC")
		if _, err := s.SetTimeZone(ctx, v, "Asia/Karachi"); err != nil {
			t.Fatal(err)
		}
		sees("Asia/Karachi")

		// Requests that read the old row during the change don't cache it.
		for n := range 20 {
			zone := []string{"UTC", "Asia/Karachi"}[n%2]
			client.User.UpdateOneID("u1").SetName("changed elsewhere").ExecX(ctx)
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					if _, err := s.Viewer(t.Context(), session("u1", []string{"Ada", "Eve"}[i%2], "ada@example.com", nil)); err != nil {
						t.Error(err)
					}
				})
			}
			if _, err := s.SetTimeZone(ctx, v, zone); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			sees(zone)
		}
	})
}

// A cached user takes no statement.
func BenchmarkViewer(b *testing.B) {
	db := testkit.OpenDatabase(b, testkit.SQLiteURL(b))
	s, err := account.New(account.Config{Client: ent.NewClient(ent.Driver(db.Driver()))})
	if err != nil {
		b.Fatal(err)
	}
	known := session("u1", "Ada", "ada@example.com", nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Viewer(b.Context(), known); err != nil {
			b.Fatal(err)
		}
	}
}

// A JWT keeps its profile for minutes. It doesn't undo the profile of a newer session: otherwise the two would overwrite each
// other's profile at every request.
func TestOlderProfileIsIgnored(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, s *account.Service, _ *ent.Client) {
		at := func(name string, minute int) *betterauth.Session {
			made := session("u1", name, "ada@example.com", nil)
			made.User.UpdatedAt = time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC)
			return made
		}
		for _, step := range []struct {
			session *betterauth.Session
			want    string
		}{
			{at("Ada", 1), "Ada"},
			{at("Ada L.", 2), "Ada L."},
			{at("Ada", 1), "Ada L."},
			{at("Ada L.", 2), "Ada L."},
			{at("Augusta", 2), "Augusta"},                         // the time is the same, but the profile is another: written by SQL
			{session("u1", "Ada", "ada@example.com", nil), "Ada"}, // without a time
		} {
			v, err := s.Viewer(t.Context(), step.session)
			if err != nil {
				t.Fatal(err)
			}
			u, err := s.User(viewer.NewContext(t.Context(), v), v, "u1")
			if err != nil || u.Name != step.want {
				t.Errorf("after %s of %v: %v, %v; want %s", step.session.User.Name, step.session.User.UpdatedAt, u, err, step.want)
			}
		}
	})
}

// If PostgreSQL rolls back a change of a user, because of another transaction or a read-only connection, it is retried.
func TestRetries(t *testing.T) {
	t.Parallel()
	db := testkit.OpenDatabase(t, testkit.MigratedPostgresURL(t))
	s, err := account.New(account.Config{Client: ent.NewClient(ent.Driver(db.Driver()))})
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"40001", "40P01", "25006"} {
		for _, refusals := range []int{2, 3} { // Three tries in all.
			id := fmt.Sprint(code, refusals)
			testkit.FailWrites(t, db.SQL, "users", code, refusals)
			if _, err := s.Viewer(t.Context(), session(id, "Ada", "ada@example.com", nil)); (err == nil) != (refusals < 3) {
				t.Errorf("%s %d times: %v", code, refusals, err)
			}
			v, err := s.Viewer(t.Context(), session(id, "Ada", "ada@example.com", nil))
			if err != nil {
				t.Fatal(err)
			}
			testkit.FailWrites(t, db.SQL, "users", code, refusals)
			if _, err := s.Viewer(t.Context(), session(id, "Ada", "lovelace@example.com", nil)); (err == nil) != (refusals < 3) {
				t.Errorf("another address, %s %d times: %v", code, refusals, err)
			}
			testkit.FailWrites(t, db.SQL, "users", code, refusals)
			if _, err := s.SetTimeZone(viewer.NewContext(t.Context(), v), v, "Europe/Berlin"); (err == nil) != (refusals < 3) {
				t.Errorf("a time zone, %s %d times: %v", code, refusals, err)
			}
		}
	}
}

// If the clock is set back by a day, users are not cached for that day.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, _ *account.Service, client *ent.Client) {
		now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
		s, err := account.New(account.Config{Client: client, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		ada := session("ada", "Ada", "ada@example.com", nil)
		v, err := s.Viewer(t.Context(), ada)
		if err != nil {
			t.Fatal(err)
		}
		// Another replica sets the zone.
		client.User.UpdateOneID("ada").SetTimeZone("Europe/Berlin").ExecX(viewer.NewContext(t.Context(), v))
		now = now.AddDate(0, 0, -1)
		if v, err = s.Viewer(t.Context(), ada); err != nil || v.Location.String() != "Europe/Berlin" {
			t.Errorf("%v, %v", v.Location, err)
		}
	})
}
