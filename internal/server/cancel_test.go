package server

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"taskql/internal/config"
	"taskql/internal/testkit"
)

// TestClientGone: a query whose client left, and one whose operation has timed out, are cancelled in the database long before
// their statement timeout. A lock on the table makes them wait.
func TestClientGone(t *testing.T) {
	t.Parallel()
	address := testkit.MigratedPostgresURL(t)
	cfg, err := config.Load(map[string]string{"DATABASE_URL": address, "LIMIT_OPERATION_TIME": "50s", "LIMIT_STATEMENT_TIME": "60s"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Config{Config: cfg, DB: testkit.OpenDatabase(t, address), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	page := newBrowser(t, s)
	if status, answer := page.post(t, "/api/auth/sign-up/email", map[string]string{"name": "Ada", "email": "ada@example.com", "password": "correct horse"}); status != 200 {
		t.Fatalf("signing up: %d %s", status, answer)
	}
	if status, answer := page.query(t, "{ tasks { totalCount } }"); status != 200 || !strings.Contains(answer, `"totalCount":0`) {
		t.Fatalf("%d %s", status, answer)
	}
	watch := lockTasks(t, address)
	for method, build := range map[string]func(ctx context.Context, url string) (*http.Request, error){
		"POST": func(ctx context.Context, url string) (*http.Request, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(`{"query":"{ tasks { nodes { title } } }"}`)))
			if err == nil {
				r.Header.Set("Content-Type", "application/json")
			}
			return r, err
		},
		"GET": func(ctx context.Context, url string) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, url+"?query=%7Btasks%7Bnodes%7Btitle%7D%7D%7D", http.NoBody)
		},
		"POST, a mutation": func(ctx context.Context, url string) (*http.Request, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(`{"query":"mutation { createTask(input: {title: \"x\"}) { userErrors { code } } }"}`)))
			if err == nil {
				r.Header.Set("Content-Type", "application/json")
			}
			return r, err
		},
	} {
		ctx, leave := context.WithCancel(t.Context())
		r, err := build(ctx, page.url+graphqlPath)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			response, err := page.client.Do(r)
			if err == nil {
				_ = response.Body.Close()
			}
			done <- err
		}()
		await(t, watch, true)
		leave()
		took := await(t, watch, false)
		t.Logf("%s: gone %s after its client", method, took)
		if err := <-done; err == nil {
			t.Errorf("%s: answered", method)
		}
	}

	// The same server, whose requests run out of time when the test says so.
	ends := make(chan chan struct{}, 1)
	hurried := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Handler().ServeHTTP(w, r.WithContext(endingContext{r.Context(), <-ends}))
	}))
	t.Cleanup(hurried.Close)
	for document, status := range map[string]int{
		"{ tasks { nodes { title } } }":                                  http.StatusServiceUnavailable,
		`{ task(id: "4e7a6f6c-7d35-4d31-9b8b-6f3a8f2d9c01") { title } }`: http.StatusOK, // Beside the error there is data: null.
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hurried.URL+graphqlPath+"?query="+url.QueryEscape(document), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		end := make(chan struct{})
		ends <- end
		answered := make(chan *http.Response, 1)
		go func() {
			response, err := page.client.Do(r) // The host is the same, so the browser sends the same cookies.
			if err != nil {
				t.Error(err)
			}
			answered <- response
		}()
		await(t, watch, true)
		close(end)
		response := <-answered
		if response == nil {
			return
		}
		answer, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != status || !strings.Contains(string(answer), `"code":"SERVICE_UNAVAILABLE"`) {
			t.Errorf("%s, out of time: %d %s", document, response.StatusCode, answer)
		}
		await(t, watch, false)
	}
}

// endingContext is a context whose deadline passes when its channel is closed.
type endingContext struct {
	context.Context //nolint:containedctx // It is one.

	end chan struct{}
}

func (c endingContext) Done() <-chan struct{} { return c.end }

func (c endingContext) Err() error {
	select {
	case <-c.end:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// lockTasks locks the tasks until the test ends, and returns another pool.
func lockTasks(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", testkit.DirectURL(t, address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	return db
}

// await waits until a statement waits for the lock, or no statement does, and returns how long that took. It fails the test
// shortly before the statement timeout.
func await(t *testing.T, db *sql.DB, waiting bool) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		var n int
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND state = 'active' AND wait_event_type = 'Lock'`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); (n > 0) == waiting {
			return took
		} else if took > 45*time.Second {
			t.Fatalf("after %s, %d statements wait for the lock", took, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
