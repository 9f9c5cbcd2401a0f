package database_test

import (
	"log/slog"
	"testing"
	"time"

	"taskql/internal/database"
	"taskql/internal/testkit"
)

// TestStatementTimeout: PostgreSQL ends a statement that takes too long, as an outage, and the URL's own limit wins.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.PostgresURL(t))
	open := func(address string) *database.DB {
		db, err := database.Open(t.Context(), database.Config{URL: address, StatementTimeout: 200 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	db := open(address)
	start := time.Now()
	_, err := db.SQL.ExecContext(t.Context(), "SELECT pg_sleep(20)")
	if took := time.Since(start); err == nil || took > 5*time.Second {
		t.Errorf("%v after %s", err, took)
	}
	if !database.IsUnavailable(err) {
		t.Errorf("%v is no outage", err)
	}
	if _, err := db.SQL.ExecContext(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("after it: %v", err)
	}
	if _, err := open(address+"&statement_timeout=10000").SQL.ExecContext(t.Context(), "SELECT pg_sleep(0.4)"); err != nil {
		t.Errorf("with a limit of its own: %v", err)
	}
}
