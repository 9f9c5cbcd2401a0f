package graphqlhttp

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	var document strings.Builder
	for i := range 40 {
		fmt.Fprintf(&document, " nope%d", i)
	}
	h := newHandler(t, func(cfg *Config) { cfg.Limits = Limits{RootFields: 100, Errors: 7} })
	p, _ := parseResponse(t, send(t, h, query("{"+document.String()+"}")).Body.Bytes())
	if len(p.Errors) != 7 {
		t.Errorf("%d errors, want 7", len(p.Errors))
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []OperationInfo
	h := newHandler(t, func(cfg *Config) {
		cfg.Observe = func(_ context.Context, op OperationInfo) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, op)
		}
	})
	send(t, h, query("query Greet { hello }"))
	send(t, h, query(`mutation { rename(to: "x") }`))
	send(t, h, query("{ nope }"))
	if want := []OperationInfo{{"Greet", "query"}, {"", "mutation"}}; len(seen) != 2 || seen[0] != want[0] || seen[1] != want[1] {
		t.Errorf("got %v, want %v", seen, want)
	}
}

func TestAroundOperations(t *testing.T) {
	t.Parallel()
	var order []string
	around := func(name string) graphql.OperationMiddleware {
		return func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
			order = append(order, name)
			return next(ctx)
		}
	}
	send(t, newHandler(t, func(cfg *Config) { cfg.AroundOperations = []graphql.OperationMiddleware{around("a"), around("b")} }), query("{hello}"))
	if strings.Join(order, "") != "ab" {
		t.Errorf("order %v", order)
	}
}

func TestContextEnded(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithTimeout(t.Context(), 0)
	defer cancelLate()
	for ctx, want := range map[context.Context]int{gone: statusClientGone, late: http.StatusServiceUnavailable} {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(`{"query":"{hello}"}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		newHandler(t).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%v: status %d, want %d", ctx.Err(), w.Code, want)
		}
	}
}

// The timeout applies to operations by GET and by POST.
func TestTimeout(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(cfg *Config) { cfg.Timeout = time.Nanosecond })
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/graphql?query={hello}", nil),
		httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"{hello}"}`)),
	} {
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d", r.Method, w.Code)
		}
	}
}
