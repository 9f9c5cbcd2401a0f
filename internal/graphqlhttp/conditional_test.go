package graphqlhttp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// world is a Validator whose state the test changes.
type world struct {
	state atomic.Int64
	reads atomic.Int64
	until atomic.Int64 // Unix seconds; 0: never
	now   atomic.Int64
	ran   atomic.Int64
	// during, where set, happens while an operation is executed.
	during func()
	spent  []int
}

type userKey struct{}

func (w *world) AppendState(ctx context.Context, b []byte, _ time.Time) ([]byte, bool) {
	user, _ := ctx.Value(userKey{}).(string)
	if user == "" {
		return b, false
	}
	w.reads.Add(1)
	return append(append(b, user...), byte(w.state.Load())), true
}

func (w *world) Until(context.Context, time.Time) (time.Time, bool) {
	if at := w.until.Load(); at != 0 {
		return time.Unix(at, 0), true
	}
	return time.Time{}, true
}

func newWorld(t *testing.T, changes ...func(*Config)) (*world, http.Handler) {
	t.Helper()
	w := &world{during: func() {}}
	w.now.Store(1_000)
	h := newHandler(t, append([]func(*Config){func(cfg *Config) {
		cfg.ConditionalRequests = ConditionalRequests{
			Validator: func(*graphql.OperationContext) Validator { return w },
			Build:     "v1", Now: func() time.Time { return time.Unix(w.now.Load(), 0) },
		}
		cfg.AutomaticPersistedQueries = true
		cfg.TrustedDocuments = []TrustedDocument{{ID: "trusted", Text: "{ hello }"}}
		cfg.Spend = func(_ context.Context, cost int, _ bool) Balance {
			w.spent = append(w.spent, cost)
			return Balance{OK: true, Remaining: 1}
		}
		cfg.AroundOperations = append(cfg.AroundOperations, func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
			w.ran.Add(1)
			w.during()
			return next(ctx)
		})
	}}, changes...)...)
	return w, http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), userKey{}, r.Header.Get("User"))))
	})
}

// check asks for the query with the tags in If-None-Match, names and values of parameters alternating.
func check(h http.Handler, user string, noneMatch []string, pairs ...string) *httptest.ResponseRecorder {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodGet, "/graphql?"+values.Encode(), http.NoBody)
	r.Header.Set("Accept", acceptGraphQL)
	r.Header.Set("User", user)
	r.Header["If-None-Match"] = noneMatch
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A client that asks whether its answer still holds is told so after one look at the state, and nothing runs.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t)
	const document = "query Q { hello }"
	first := check(h, "ada", nil, "query", document)
	tag := first.Header().Get("ETag")
	if first.Code != 200 || !strings.HasPrefix(tag, `W/"`) || first.Header().Get("Cache-Control") != "private, no-cache" {
		t.Fatalf("%d %v", first.Code, first.Header())
	}
	vary := strings.Join(first.Header().Values("Vary"), ", ")
	for _, name := range []string{"Cookie", "Authorization", "Accept"} {
		if !strings.Contains(vary, name) {
			t.Errorf("Vary: %s", vary)
		}
	}
	strong := strings.TrimPrefix(tag, "W/")
	for name, noneMatch := range map[string][]string{
		"the tag": {tag}, "as a strong one": {strong}, "in a list": {`"a,b", W/"x" ,` + tag}, "in lines": {`"x"`, tag}, "empty elements": {", ," + tag},
	} {
		ran, reads := w.ran.Load(), w.reads.Load()
		got := check(h, "ada", noneMatch, "query", document)
		if got.Code != 304 || got.Body.Len() != 0 || got.Header().Get("ETag") != tag || got.Header().Get("Cache-Control") != "private, no-cache" ||
			strings.Join(got.Header().Values("Vary"), ", ") != vary || got.Header().Get("Content-Type") != "" {
			t.Errorf("%s: %d %v", name, got.Code, got.Header())
		}
		if w.ran.Load() != ran || w.reads.Load() != reads+1 {
			t.Errorf("%s: %d executed, state read %d times", name, w.ran.Load()-ran, w.reads.Load()-reads)
		}
		if cost := w.spent[len(w.spent)-1]; cost != notModifiedCost {
			t.Errorf("%s: cost %d", name, cost)
		}
	}
	ran := w.ran.Load()
	if got := check(h, "ada", []string{"*"}, "query", document); got.Code != 304 || w.ran.Load() != ran {
		t.Errorf("*: %d", got.Code)
	}
	for name, noneMatch := range map[string][]string{"another": {`W/"x"`}, "no tag": {"x"}, "unclosed": {strings.TrimSuffix(tag, `"`)}, "lower case": {"w/" + strong}} {
		if got := check(h, "ada", noneMatch, "query", document); got.Code != 200 {
			t.Errorf("%s: %d", name, got.Code)
		}
	}
	// Nobody else's, and nobody's.
	if got := check(h, "bob", []string{tag}, "query", document); got.Code != 200 || got.Header().Get("ETag") == tag {
		t.Errorf("bob: %d %v", got.Code, got.Header())
	}
	if got := check(h, "", []string{tag, "*"}, "query", document); got.Code != 200 || got.Header().Get("ETag") != "" || got.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("signed out: %d %v", got.Code, got.Header())
	}
	w.state.Add(1)
	if got := check(h, "ada", []string{tag}, "query", document); got.Code != 200 || got.Header().Get("ETag") == tag {
		t.Errorf("changed: %d %v", got.Code, got.Header())
	}
}

// What a request asks makes its tag, how it is written doesn't. Another process of the same build answers the same.
func TestTagsOfRequests(t *testing.T) {
	t.Parallel()
	_, h := newWorld(t)
	_, other := newWorld(t)
	_, rebuilt := newWorld(t, func(cfg *Config) { cfg.ConditionalRequests.Build = "v2" })
	tag := func(h http.Handler, pairs ...string) string {
		return check(h, "ada", nil, pairs...).Header().Get("ETag")
	}
	const number = "query A($n: Int, $m: Int) { a: number(value: $n) b: number(value: $m) } query B { hello }"
	base := []string{"query", number, "operationName", "A", "variables", `{"n":1,"m":2}`}
	seen := map[string]string{}
	for name, pairs := range map[string][]string{
		"base": base, "operation": {"query", number, "operationName", "B", "variables", `{"n":1,"m":2}`},
		"variables": {"query", number, "operationName", "A", "variables", `{"n":2,"m":1}`}, "document": {"query", number + " ", "operationName", "A", "variables", `{"n":1,"m":2}`},
		"trusted": {"documentId", "trusted"},
	} {
		got := tag(h, pairs...)
		if got == "" || seen[got] != "" {
			t.Errorf("%s: %q is %s's too", name, got, seen[got])
		}
		seen[got] = name
	}
	if got := tag(h, "query", number, "operationName", "A", "variables", ` {"m": 2, "n": 1}`); seen[got] != "base" {
		t.Errorf("the order of variables makes another tag")
	}
	if tag(other, base...) != tag(h, base...) || tag(rebuilt, base...) == tag(h, base...) {
		t.Error("another process has another tag, or another build the same")
	}
	// A process that sees the request for the first time parses it, and need not run it.
	w, fresh := newWorld(t)
	if got := check(fresh, "ada", []string{tag(h, base...)}, base...); got.Code != 304 || w.ran.Load() != 0 || w.spent[len(w.spent)-1] != lengthCost(number, 0) {
		t.Errorf("%d, %d executed, %v", got.Code, w.ran.Load(), w.spent)
	}
	if got := check(h, "ada", []string{tag(h, "query", "{hello}")}, "query", "{hello}"); got.Code != 304 {
		t.Errorf("%d", got.Code)
	}
	r := httptest.NewRequest(http.MethodGet, "/graphql?query={hello}", http.NoBody)
	r.Header.Set("User", "ada")
	r.Header.Set("If-None-Match", tag(h, "query", "{hello}"))
	out := httptest.NewRecorder()
	if h.ServeHTTP(out, r); out.Code != 200 || out.Header().Get("ETag") == tag(h, "query", "{hello}") {
		t.Errorf("the other media type: %d %v", out.Code, out.Header())
	}
	r.Header.Set("Accept", acceptGraphQL)
	r.Header.Set(HeaderCost, "report")
	out = httptest.NewRecorder()
	if h.ServeHTTP(out, r); out.Code != 200 || !strings.Contains(out.Body.String(), `"cost"`) {
		t.Errorf("with the cost: %d %s", out.Code, out.Body)
	}
}

// The state is read before the operation runs: what changes meanwhile is never taken for known.
func TestStateIsReadFirst(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t)
	w.during = func() { w.state.Add(1) }
	tag := check(h, "ada", nil, "query", "{ hello }").Header().Get("ETag")
	if got := check(h, "ada", []string{tag}, "query", "{ hello }"); tag == "" || got.Code != 200 {
		t.Errorf("%q: %d", tag, got.Code)
	}
}

// An answer that the clock changes holds until then, also where its tag is asked for in a 304.
func TestUntil(t *testing.T) {
	t.Parallel()
	w, h := newWorld(t)
	w.until.Store(2_000)
	tag := check(h, "ada", nil, "query", "{ hello }").Header().Get("ETag")
	w.now.Store(1_999)
	if got := check(h, "ada", []string{tag}, "query", "{ hello }"); got.Code != 304 || got.Header().Get("ETag") != tag {
		t.Errorf("before: %d %v, the tag was %s", got.Code, got.Header(), tag)
	}
	if got := check(h, "ada", []string{"*"}, "query", "{ hello }"); got.Code != 304 || got.Header().Get("ETag") != tag {
		t.Errorf("*: %d %v, the tag was %s", got.Code, got.Header(), tag)
	}
	w.now.Store(2_000)
	w.until.Store(3_000)
	if got := check(h, "ada", []string{tag}, "query", "{ hello }"); got.Code != 200 || got.Header().Get("ETag") == tag {
		t.Errorf("then: %d %v", got.Code, got.Header())
	}
	for _, mangled := range []string{strings.Replace(tag, ".", ".!", 1), strings.Replace(tag, ".", ".zzzzzzzzzzzzzzzzzzzz", 1)} {
		if got := check(h, "ada", []string{mangled}, "query", "{ hello }"); got.Code != 200 {
			t.Errorf("%s: %d", mangled, got.Code)
		}
	}
}

// What is not whole, and what is no query by GET, has no tag.
func TestWithoutTag(t *testing.T) {
	t.Parallel()
	_, h := newWorld(t)
	for _, document := range []string{"{ hello broken }", "{ broken }", "{ bubbles }", "{ panics }"} {
		for range 2 {
			if got := check(h, "ada", []string{`W/"x"`}, "query", document); got.Header().Get("ETag") != "" || got.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", document, got.Code, got.Header())
			}
		}
	}
	for _, document := range []string{"{", "{ helo }", `mutation { rename(to: "x") }`, "subscription { ticks }"} {
		for range 2 {
			got := check(h, "ada", []string{"*"}, "query", document)
			if got.Code < 400 || got.Header().Get("ETag") != "" || got.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", document, got.Code, got.Header())
			}
		}
	}
	if got := send(t, h, request{body: `{"query":"{ hello }"}`, header: http.Header{"User": {"ada"}, "If-None-Match": {"*"}}}); got.Code != 200 || got.Header().Get("ETag") != "" {
		t.Errorf("by POST: %d %v", got.Code, got.Header())
	}
	_, never := newWorld(t, func(cfg *Config) {
		cfg.ConditionalRequests.Validator = func(op *graphql.OperationContext) Validator {
			if op.Operation.Operation != ast.Query {
				t.Errorf("asked about a %s", op.Operation.Operation)
			}
			return nil
		}
	})
	if got := check(never, "ada", []string{"*"}, "query", "{ hello }"); got.Code != 200 || got.Header().Get("ETag") != "" {
		t.Errorf("what can't be asked about: %d %v", got.Code, got.Header())
	}
}

// Who has nothing left is refused, whether anything has changed or not.
func TestUnchangedIsRateLimited(t *testing.T) {
	t.Parallel()
	left := 1_000
	w, h := newWorld(t, func(cfg *Config) {
		cfg.Spend = func(_ context.Context, cost int, _ bool) Balance {
			if left < max(cost, 1) {
				return Balance{RetryAfter: time.Second}
			}
			left -= cost
			return Balance{OK: true, Remaining: left}
		}
	})
	tag := check(h, "ada", nil, "query", "{ hello }").Header().Get("ETag")
	left = 2
	for i, want := range []int{304, 304, 429} {
		if got := check(h, "ada", []string{tag}, "query", "{ hello }"); got.Code != want {
			t.Errorf("%d: %d, want %d", i, got.Code, want)
		}
	}
	if reads := w.reads.Load(); reads != 3 {
		t.Errorf("the state was read %d times, also for who has nothing left", reads)
	}
}
