package server

import (
	"net/http"
	"strings"
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
