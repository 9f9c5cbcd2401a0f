package server

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/testkit"
)

// TestUserLimit: while one user's queries hold as many connections as allowed, others read and write.
func TestUserLimit(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.MigratedPostgresURL(t)) // A pooler may have fewer connections.
	h, cookie, db := storedServer(t, address, time.Now)
	const query, requests = `{"query":"{ tasks { nodes { title } } }"}`, 30
	if w := ask(h, http.MethodPost, graphqlPath, query, "Cookie", cookie("w00001")); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	watch := lockTasks(t, address)
	for range requests {
		go ask(h, http.MethodPost, graphqlPath, query, "Cookie", cookie("w00001"))
	}
	bound := db.SQL.Stats().MaxOpenConnections / 2
	waiting := func() int {
		t.Helper()
		var n int
		if err := watch.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND state = 'active' AND wait_event_type = 'Lock'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for deadline := time.Now().Add(time.Minute); waiting() < bound; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d statements wait for the lock", waiting())
		}
	}
	for _, document := range []string{`{"query":"{ viewer { id } tags { nodes { name } } }"}`, `{"query":"mutation { createTag(input: {name: \"a\"}) { tag { name } } }"}`} {
		w := ask(h, http.MethodPost, graphqlPath, document, "Cookie", cookie("w00002"))
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "errors") {
			t.Errorf("another user: %d %s", w.Code, w.Body)
		}
	}
	if got := waiting(); got != bound {
		t.Errorf("the user has %d statements in the database, and may have %d", got, bound)
	}
}

// TestUserLimitOfMembers: while a member's queries hold as many connections as allowed, so that the member's changes of the shared
// workspace wait, those of others don't.
func TestUserLimitOfMembers(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	busy, other := c.member(0), c.member(len(c.servers)) // At the same server.
	for _, m := range []*member{busy, other} {
		m.create(crowdWorkspace, nil)
	}
	tx, err := c.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		go busy.ask("{ tasks { nodes { title } } }", nil)
	}
	awaitTrue(t, func() bool {
		var n int
		err := c.db.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n)
		return err == nil && n == 5 // half of the pool
	})
	var waiting sync.WaitGroup
	var answered atomic.Int64
	for i := range 4 {
		waiting.Go(func() {
			busy.change(crowdWorkspace, "createTag", map[string]any{"name": fmt.Sprint("late ", i), "workspaceId": crowdWorkspace})
			answered.Add(1)
		})
	}
	for i := range 20 {
		if !other.change(crowdWorkspace, "createTag", map[string]any{"name": fmt.Sprint("soon ", i), "workspaceId": crowdWorkspace}) {
			t.Errorf("another member's change: %s", codes(c.answers))
		}
	}
	if n := answered.Load(); n > 0 {
		t.Errorf("%d of the busy member's changes came first", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	waiting.Wait()
}
