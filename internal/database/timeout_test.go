package database_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/lib/pq"

	"taskql/internal/database"
	"taskql/internal/testkit"
)

// TestStatementTimeout: a statement that takes too long fails with an outage, and a timeout in the URL takes precedence.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.PostgresURL(t))
	open := func(address string) *database.DB {
		db, err := database.Open(t.Context(), database.Config{URL: address, StatementTimeout: time.Second, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	db := open(address)
	_, err := db.SQL.ExecContext(t.Context(), "SELECT pg_sleep(3600)")
	var ended *pq.Error // PostgreSQL's error. The I/O timeout has another one.
	if !errors.As(err, &ended) || ended.Code != "57014" || !database.IsUnavailable(err) {
		t.Errorf("got %v, want PostgreSQL's statement timeout as an outage", err)
	}
	if _, err := db.SQL.ExecContext(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("after it: %v", err)
	}
	if _, err := open(address+"&statement_timeout=60000").SQL.ExecContext(t.Context(), "SELECT pg_sleep(1.5)"); err != nil {
		t.Errorf("with a limit of its own: %v", err)
	}
}
