package ticket

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"taskql/ent"
	_ "taskql/ent/runtime" // ties the schema's privacy rules to ent's code
	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// eachService runs a test on both databases, with two services that share one, as two replicas do, and a clock.
func eachService(t *testing.T, test func(t *testing.T, one, other *Service, clock *time.Time)) {
	t.Helper()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		clock := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		now := func() time.Time { return clock }
		test(t, New(db.Client, now), New(db.Client, now), &clock)
	})
}

func credentials() http.Header {
	return http.Header{"Cookie": {"session=hunter2"}, "Authorization": {"Bearer hunter2"}}
}

// rows returns the stored tickets.
func rows(t *testing.T, s *Service) []*ent.StreamTicket {
	t.Helper()
	all, err := s.client.StreamTicket.Query().All(viewer.AsSystem(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func issue(t *testing.T, s *Service) string {
	t.Helper()
	ticket, _, err := s.Issue(t.Context(), credentials())
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func TestTickets(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, one, other *Service, clock *time.Time) {
		ticket, expires, err := one.Issue(t.Context(), credentials())
		if err != nil || !expires.Equal(clock.Add(Lifetime)) || len(ticket) < 256/6 {
			t.Fatalf("%q, %v, %v", ticket, expires, err)
		}
		second := issue(t, one)
		if second == ticket {
			t.Error("the same ticket twice")
		}
		for _, row := range rows(t, one) {
			if bytes.Contains(row.Sealed, []byte("hunter2")) || strings.Contains(ticket, row.ID) || row.ID == ticket {
				t.Errorf("the database has a secret: %v", row)
			}
		}
		got, err := other.Redeem(t.Context(), ticket)
		if err != nil || !maps.EqualFunc(got, credentials(), slices.Equal[[]string]) {
			t.Errorf("%v, %v", got, err)
		}
		for _, s := range []*Service{one, other} {
			if _, err := s.Redeem(t.Context(), ticket); !errors.Is(err, ErrInvalid) {
				t.Errorf("redeemed twice: %v", err)
			}
		}
		if _, err := one.Redeem(t.Context(), second); err != nil {
			t.Error(err)
		}
	})
}

func TestInvalidTickets(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s, _ *Service, clock *time.Time) {
		good := issue(t, s)
		for _, ticket := range []string{
			"", "x", strings.Repeat("A", 43), good[:42], good + "A", good + "=", " " + good, strings.Repeat("A", 1<<20), rows(t, s)[0].ID,
		} {
			if _, err := s.Redeem(t.Context(), ticket); !errors.Is(err, ErrInvalid) {
				t.Errorf("%.50q: %v", ticket, err)
			}
		}
		*clock = clock.Add(Lifetime)
		if _, err := s.Redeem(t.Context(), good); !errors.Is(err, ErrInvalid) {
			t.Errorf("after its end: %v", err)
		}

		// A row that is moved to another ticket's place can't be read.
		first, second := issue(t, s), issue(t, s)
		byID := map[string]*ent.StreamTicket{}
		for _, row := range rows(t, s) {
			byID[row.ID] = row
		}
		one, _, err := derive(decode(t, first))
		if err != nil {
			t.Fatal(err)
		}
		two, _, err := derive(decode(t, second))
		if err != nil {
			t.Fatal(err)
		}
		ctx := viewer.AsSystem(t.Context())
		if err := s.client.StreamTicket.DeleteOneID(one).Exec(ctx); err != nil {
			t.Fatal(err)
		}
		if err := s.client.StreamTicket.Create().SetID(one).SetSealed(byID[two].Sealed).SetExpiresAt(byID[two].ExpiresAt).Exec(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Redeem(t.Context(), first); !errors.Is(err, ErrInvalid) {
			t.Errorf("another ticket's row: %v", err)
		}
	})
}

// Of many requests at once with one ticket, one redeems it.
func TestRedeemedOnce(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, one, other *Service, _ *time.Time) {
		ticket := issue(t, one)
		var mu sync.Mutex
		redeemed := 0
		var group sync.WaitGroup
		for i := range 10 {
			s := []*Service{one, other}[i%2]
			group.Go(func() {
				_, err := s.Redeem(context.WithoutCancel(t.Context()), ticket)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					redeemed++
				case !errors.Is(err, ErrInvalid):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if redeemed != 1 {
			t.Errorf("redeemed %d times", redeemed)
		}
	})
}

// Tickets that nobody redeems don't stay.
func TestCleanUp(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, s, _ *Service, clock *time.Time) {
		issue(t, s)
		*clock = clock.Add(59 * time.Second)
		issue(t, s)
		if n := len(rows(t, s)); n != 2 {
			t.Errorf("%d rows", n)
		}
		*clock = clock.Add(2 * time.Second)
		last := issue(t, s)
		if n := len(rows(t, s)); n != 2 {
			t.Errorf("%d rows after a minute, want the two newest", n)
		}
		if _, err := s.Redeem(t.Context(), last); err != nil {
			t.Error(err)
		}
	})
}

func decode(t *testing.T, ticket string) []byte {
	t.Helper()
	secret, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}
