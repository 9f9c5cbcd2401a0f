package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/bench"
)

// pollServer returns a server on the database whose users need no sign-in.
func pollServer(t *testing.T, address string) (http.Handler, func(user string) string) {
	t.Helper()
	h, cookie, _ := storedServer(t, address, time.Now)
	return h, cookie
}

// storedServer is pollServer with a clock, and also returns the database.
func storedServer(t *testing.T, address string, clock func() time.Time) (http.Handler, func(user string) string, *database.DB) {
	t.Helper()
	const secret = "a secret of more than thirty-two characters"
	auth := httptest.NewServer(http.HandlerFunc(bench.GetSession))
	t.Cleanup(auth.Close)
	cfg, err := config.Load(against(auth.URL, secret, map[string]string{
		"DATABASE_URL": address, "SESSION_CACHE_TTL": "10m", "ENVIRONMENT": "test", "RATE_LIMIT": "1000000000",
	}))
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(t.Context(), database.Config{URL: cfg.DatabaseURL.Reveal(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Config{Config: cfg, DB: db, Version: Version{Version: "v1", Commit: "c1"}, Now: clock, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler(), func(user string) string { return bench.Cookie(user, secret) }, db
}

// ask sends a request with headers, given as alternating names and values.
func ask(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, io.NopCloser(strings.NewReader(body)))
	r.Header.Set("Accept", mediaGraphQL)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", mediaJSON)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestPollingMissesNothing: a 304 never hides a change that was acknowledged before its request, also with many concurrent writers
// and readers.
func TestPollingMissesNothing(t *testing.T) {
	t.Parallel()
	for name, address := range testkit.Databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, cookie := pollServer(t, address(t))
			const writers, changes, pollers = 3, 40, 4
			// Each writer counts in the title of a task of its own. acknowledged is the last count that was acknowledged.
			var acknowledged [writers]atomic.Int64
			var ids [writers]string
			for i := range ids {
				ids[i] = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
				body := fmt.Sprintf(`{"query":"mutation { createTask(input: {id: \"%s\", title: \"0\"}) { userErrors { code } } }"}`, ids[i])
				if w := ask(h, http.MethodPost, graphqlPath, body, "Cookie", cookie("w00001")); w.Code != 200 || bytes.Contains(w.Body.Bytes(), []byte("code")) {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
			}
			var writing, polling sync.WaitGroup
			var ended atomic.Bool
			for i := range writers {
				writing.Go(func() {
					for n := range changes {
						body := fmt.Sprintf(`{"query":"mutation { updateTask(input: {id: \"%s\", title: \"%d\"}) { userErrors { code } } }"}`, ids[i], n+1)
						if w := ask(h, http.MethodPost, graphqlPath, body, "Cookie", cookie("w00001")); w.Code != 200 || bytes.Contains(w.Body.Bytes(), []byte("code")) {
							t.Errorf("%d %s", w.Code, w.Body)
							return
						}
						acknowledged[i].Store(int64(n + 1))
					}
				})
			}
			var unchanged, changed atomic.Int64
			for range pollers {
				polling.Go(func() {
					target := graphqlPath + "?" + url.Values{"query": {"{ tasks { nodes { id title } } }"}}.Encode()
					tag, seen := "", [writers]int64{}
					for last := false; !last; {
						last = ended.Load() // One more round after all writes.
						var before [writers]int64
						for i := range before {
							before[i] = acknowledged[i].Load()
						}
						w := ask(h, http.MethodGet, target, "", "Cookie", cookie("w00001"), "If-None-Match", tag)
						switch w.Code {
						case http.StatusNotModified:
							unchanged.Add(1)
						case http.StatusOK:
							changed.Add(1)
							tag, seen = w.Header().Get("ETag"), titles(t, w.Body.Bytes(), ids[:])
						default:
							t.Errorf("%d %s", w.Code, w.Body)
							return
						}
						for i := range before {
							if seen[i] < before[i] {
								t.Errorf("%d: %d of task %d is shown, and %d was acknowledged before the request", w.Code, seen[i], i, before[i])
								return
							}
						}
					}
				})
			}
			writing.Wait()
			ended.Store(true)
			polling.Wait()
			t.Logf("%d answers were new, %d held", changed.Load(), unchanged.Load())
		})
	}
}

// titles returns the tasks' titles as numbers.
func titles(t *testing.T, body []byte, ids []string) [3]int64 {
	t.Helper()
	var answer struct {
		Data struct {
			Tasks struct{ Nodes []struct{ ID, Title string } }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Errorf("%v: %s", err, body)
	}
	var found [3]int64
	for _, node := range answer.Data.Tasks.Nodes {
		for i, id := range ids {
			if node.ID == id {
				found[i], _ = strconv.ParseInt(node.Title, 10, 64)
			}
		}
	}
	return found
}

// TestPolling: an entity tag is valid for one user only, and pages of allowed origins can read it.
func TestPolling(t *testing.T) {
	t.Parallel()
	h, cookie := pollServer(t, testkit.SQLiteURL(t))
	target := graphqlPath + "?" + url.Values{"query": {"{ viewer { id name } tasks { totalCount } }"}}.Encode()
	first := ask(h, http.MethodGet, target, "", "Cookie", cookie("w00001"), "Origin", origin)
	tag := first.Header().Get("ETag")
	vary := strings.Join(first.Header().Values("Vary"), ", ")
	if first.Code != 200 || tag == "" || !strings.Contains(first.Header().Get("Access-Control-Expose-Headers"), "Etag") {
		t.Fatalf("%d %v %s", first.Code, first.Header(), first.Body)
	}
	for _, name := range []string{"Origin", "Cookie", "Authorization", "Accept", "Accept-Encoding"} {
		if !strings.Contains(vary, name) {
			t.Errorf("Vary: %s lacks %s", vary, name)
		}
	}
	for _, tt := range []struct {
		cookie string
		status int
	}{{cookie("w00001"), 304}, {cookie("w00002"), 200}, {"", 401}, {cookie("w00001") + "x", 401}} {
		got := ask(h, http.MethodGet, target, "", "Cookie", tt.cookie, "If-None-Match", tag, "Origin", origin)
		if got.Code != tt.status || tt.status != 304 && bytes.Contains(got.Body.Bytes(), []byte("w00001")) {
			t.Errorf("%q: %d %s, want %d", tt.cookie, got.Code, got.Body, tt.status)
		}
		if private := strings.Contains(got.Header().Get("Cache-Control"), "private"); private != (tt.status < 400) {
			t.Errorf("%q: %v", tt.cookie, got.Header())
		}
		if tt.status == 304 && strings.Join(got.Header().Values("Vary"), ", ") != vary {
			t.Errorf("304: Vary: %s", got.Header().Values("Vary"))
		}
	}
	preflight := ask(h, http.MethodOptions, graphqlPath, "", "Origin", origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "if-none-match")
	if allowed := preflight.Header().Get("Access-Control-Allow-Headers"); !strings.Contains(allowed, "if-none-match") {
		t.Errorf("preflight: %v", preflight.Header())
	}
	if got := ask(h, http.MethodGet, graphqlPath+"?query=mutation{deleteTask(input:{id:\"x\"}){userErrors{code}}}", "", "Cookie", cookie("w00001"), "If-None-Match", "*"); got.Code != 405 {
		t.Errorf("a mutation: %d", got.Code)
	}
}

// TestETagsOfBuilds: a build without a unique version has other entity tags after each start. Replicas of one build have the same.
func TestETagsOfBuilds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		version Version
		stable  bool
	}{{Version{"v1", "c1"}, true}, {Version{"v1", ""}, false}, {Version{"v1-dirty", "c1"}, false}, {Version{}, false}} {
		a, b := conditionalRequests(Config{Version: tt.version, Now: time.Now}, nil), conditionalRequests(Config{Version: tt.version, Now: time.Now}, nil)
		if (a.Build == b.Build) != tt.stable {
			t.Errorf("%v: %q and %q", tt.version, a.Build, b.Build)
		}
	}
}
