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

// conditionalFixture is a Validator whose state the test changes, and counts what the handler does.
type conditionalFixture struct {
	state atomic.Int64
	reads atomic.Int64
	until atomic.Int64 // Unix seconds; 0: never
	now   atomic.Int64
	ran   atomic.Int64
	// during is called while an operation is executed.
	during func()
	spent  []int
}

type userKey struct{}

func (f *conditionalFixture) AppendState(ctx context.Context, b []byte, _ time.Time) ([]byte, bool) {
	user, _ := ctx.Value(userKey{}).(string)
	if user == "" {
		return b, false
	}
	f.reads.Add(1)
	return append(append(b, user...), byte(f.state.Load())), true
}

func (f *conditionalFixture) Until(context.Context, time.Time) (time.Time, bool) {
	if at := f.until.Load(); at != 0 {
		return time.Unix(at, 0), true
	}
	return time.Time{}, true
}

func newConditionalFixture(t *testing.T, changes ...func(*Config)) (*conditionalFixture, http.Handler) {
	t.Helper()
	f := &conditionalFixture{during: func() {}}
	f.now.Store(1_000)
	h := newHandler(t, append([]func(*Config){func(cfg *Config) {
		cfg.ConditionalRequests = ConditionalRequests{
			Validator: func(*graphql.OperationContext) Validator { return f },
			Build:     "v1", Now: func() time.Time { return time.Unix(f.now.Load(), 0) },
		}
		cfg.AutomaticPersistedQueries = true
		cfg.TrustedDocuments = []TrustedDocument{{ID: "trusted", Text: "{ hello }"}}
		cfg.Spend = func(_ context.Context, cost int, _ bool) Balance {
			f.spent = append(f.spent, cost)
			return Balance{OK: true, Remaining: 1}
		}
		cfg.AroundOperations = append(cfg.AroundOperations, func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
			f.ran.Add(1)
			f.during()
			return next(ctx)
		})
	}}, changes...)...)
	return f, http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), userKey{}, r.Header.Get("User"))))
	})
}

// conditionalGet sends a GET with tags in If-None-Match, and parameters given as alternating names and values.
func conditionalGet(h http.Handler, user string, noneMatch []string, pairs ...string) *httptest.ResponseRecorder {
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

// A client that has the current response is told so after the state was read once, and nothing is executed.
func TestNotModified(t *testing.T) {
	t.Parallel()
	f, h := newConditionalFixture(t)
	const document = "query Q { hello }"
	first := conditionalGet(h, "ada", nil, "query", document)
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
		ran, reads := f.ran.Load(), f.reads.Load()
		got := conditionalGet(h, "ada", noneMatch, "query", document)
		if got.Code != 304 || got.Body.Len() != 0 || got.Header().Get("ETag") != tag || got.Header().Get("Cache-Control") != "private, no-cache" ||
			strings.Join(got.Header().Values("Vary"), ", ") != vary || got.Header().Get("Content-Type") != "" {
			t.Errorf("%s: %d %v", name, got.Code, got.Header())
		}
		if f.ran.Load() != ran || f.reads.Load() != reads+1 {
			t.Errorf("%s: %d executed, state read %d times", name, f.ran.Load()-ran, f.reads.Load()-reads)
		}
		if cost := f.spent[len(f.spent)-1]; cost != notModifiedCost {
			t.Errorf("%s: cost %d", name, cost)
		}
	}
	ran := f.ran.Load()
	if got := conditionalGet(h, "ada", []string{"*"}, "query", document); got.Code != 304 || f.ran.Load() != ran {
		t.Errorf("*: %d", got.Code)
	}
}

// Only the current entity tag of the same client matches.
func TestOtherEntityTags(t *testing.T) {
	t.Parallel()
	f, h := newConditionalFixture(t)
	const document = "query Q { hello }"
	tag := conditionalGet(h, "ada", nil, "query", document).Header().Get("ETag")
	strong := strings.TrimPrefix(tag, "W/")
	for name, noneMatch := range map[string][]string{"another": {`W/"x"`}, "no tag": {"x"}, "unclosed": {strings.TrimSuffix(tag, `"`)}, "lower case": {"w/" + strong}} {
		if got := conditionalGet(h, "ada", noneMatch, "query", document); got.Code != 200 {
			t.Errorf("%s: %d", name, got.Code)
		}
	}
	// The tag is neither another user's nor that of a signed-out client.
	if got := conditionalGet(h, "bob", []string{tag}, "query", document); got.Code != 200 || got.Header().Get("ETag") == tag {
		t.Errorf("bob: %d %v", got.Code, got.Header())
	}
	if got := conditionalGet(h, "", []string{tag, "*"}, "query", document); got.Code != 200 || got.Header().Get("ETag") != "" || got.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("signed out: %d %v", got.Code, got.Header())
	}
	f.state.Add(1)
	if got := conditionalGet(h, "ada", []string{tag}, "query", document); got.Code != 200 || got.Header().Get("ETag") == tag {
		t.Errorf("changed: %d %v", got.Code, got.Header())
	}
}

// An entity tag depends on what a request means, not on how it is written. Other processes of the same build have the same.
func TestEntityTags(t *testing.T) {
	t.Parallel()
	_, h := newConditionalFixture(t)
	_, other := newConditionalFixture(t)
	_, rebuilt := newConditionalFixture(t, func(cfg *Config) { cfg.ConditionalRequests.Build = "v2" })
	tag := func(h http.Handler, pairs ...string) string {
		return conditionalGet(h, "ada", nil, pairs...).Header().Get("ETag")
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
	f, fresh := newConditionalFixture(t)
	if got := conditionalGet(fresh, "ada", []string{tag(h, base...)}, base...); got.Code != 304 || f.ran.Load() != 0 || f.spent[len(f.spent)-1] != lengthCost(number, 0) {
		t.Errorf("%d, %d executed, %v", got.Code, f.ran.Load(), f.spent)
	}
	if got := conditionalGet(h, "ada", []string{tag(h, "query", "{hello}")}, "query", "{hello}"); got.Code != 304 {
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
	r.Header.Set(headerCost, "report")
	out = httptest.NewRecorder()
	if h.ServeHTTP(out, r); out.Code != 200 || !strings.Contains(out.Body.String(), `"cost"`) {
		t.Errorf("with the cost: %d %s", out.Code, out.Body)
	}
}

// The state is read before the operation is executed, so that a change meanwhile is never missed.
func TestStateIsReadFirst(t *testing.T) {
	t.Parallel()
	f, h := newConditionalFixture(t)
	f.during = func() { f.state.Add(1) }
	tag := conditionalGet(h, "ada", nil, "query", "{ hello }").Header().Get("ETag")
	if got := conditionalGet(h, "ada", []string{tag}, "query", "{ hello }"); tag == "" || got.Code != 200 {
		t.Errorf("%q: %d", tag, got.Code)
	}
}

// A response that the clock will change is valid until then, also if a 304 gives its tag.
func TestEntityTagExpires(t *testing.T) {
	t.Parallel()
	f, h := newConditionalFixture(t)
	f.until.Store(2_000)
	tag := conditionalGet(h, "ada", nil, "query", "{ hello }").Header().Get("ETag")
	f.now.Store(1_999)
	if got := conditionalGet(h, "ada", []string{tag}, "query", "{ hello }"); got.Code != 304 || got.Header().Get("ETag") != tag {
		t.Errorf("before: %d %v, the tag was %s", got.Code, got.Header(), tag)
	}
	if got := conditionalGet(h, "ada", []string{"*"}, "query", "{ hello }"); got.Code != 304 || got.Header().Get("ETag") != tag {
		t.Errorf("*: %d %v, the tag was %s", got.Code, got.Header(), tag)
	}
	f.now.Store(2_000)
	f.until.Store(3_000)
	if got := conditionalGet(h, "ada", []string{tag}, "query", "{ hello }"); got.Code != 200 || got.Header().Get("ETag") == tag {
		t.Errorf("then: %d %v", got.Code, got.Header())
	}
	for _, mangled := range []string{strings.Replace(tag, ".", ".!", 1), strings.Replace(tag, ".", ".zzzzzzzzzzzzzzzzzzzz", 1)} {
		if got := conditionalGet(h, "ada", []string{mangled}, "query", "{ hello }"); got.Code != 200 {
			t.Errorf("%s: %d", mangled, got.Code)
		}
	}
}

// Responses with errors, and those that are not to a query by GET, have no entity tag.
func TestNoEntityTag(t *testing.T) {
	t.Parallel()
	_, h := newConditionalFixture(t)
	for _, document := range []string{"{ hello broken }", "{ broken }", "{ bubbles }", "{ panics }"} {
		for range 2 {
			if got := conditionalGet(h, "ada", []string{`W/"x"`}, "query", document); got.Header().Get("ETag") != "" || got.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", document, got.Code, got.Header())
			}
		}
	}
	for _, document := range []string{"{", "{ helo }", `mutation { rename(to: "x") }`, "subscription { ticks }"} {
		for range 2 {
			got := conditionalGet(h, "ada", []string{"*"}, "query", document)
			if got.Code < 400 || got.Header().Get("ETag") != "" || got.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", document, got.Code, got.Header())
			}
		}
	}
	if got := send(t, h, request{body: `{"query":"{ hello }"}`, header: http.Header{"User": {"ada"}, "If-None-Match": {"*"}}}); got.Code != 200 || got.Header().Get("ETag") != "" {
		t.Errorf("by POST: %d %v", got.Code, got.Header())
	}
	_, never := newConditionalFixture(t, func(cfg *Config) {
		cfg.ConditionalRequests.Validator = func(op *graphql.OperationContext) Validator {
			if op.Operation.Operation != ast.Query {
				t.Errorf("the validator is called for a %s", op.Operation.Operation)
			}
			return nil
		}
	})
	if got := conditionalGet(never, "ada", []string{"*"}, "query", "{ hello }"); got.Code != 200 || got.Header().Get("ETag") != "" {
		t.Errorf("without a validator: %d %v", got.Code, got.Header())
	}
}

// A client whose budget is used up is refused, whether or not anything has changed.
func TestNotModifiedIsRateLimited(t *testing.T) {
	t.Parallel()
	left := 1_000
	f, h := newConditionalFixture(t, func(cfg *Config) {
		cfg.Spend = func(_ context.Context, cost int, _ bool) Balance {
			if left < max(cost, 1) {
				return Balance{RetryAfter: time.Second}
			}
			left -= cost
			return Balance{OK: true, Remaining: left}
		}
	})
	tag := conditionalGet(h, "ada", nil, "query", "{ hello }").Header().Get("ETag")
	left = 2
	for i, want := range []int{304, 304, 429} {
		if got := conditionalGet(h, "ada", []string{tag}, "query", "{ hello }"); got.Code != want {
			t.Errorf("%d: %d, want %d", i, got.Code, want)
		}
	}
	if reads := f.reads.Load(); reads != 3 {
		t.Errorf("the state was read %d times, want 3: a client with nothing left costs none", reads)
	}
}
