package graphqlhttp

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestBudget checks what each kind of request costs, and the response to a client whose budget is used up.
func TestBudget(t *testing.T) {
	t.Parallel()
	budget, spent := 1000, []int{}
	h := newHandler(t, func(cfg *Config) {
		cfg.Spend = func(_ context.Context, cost int, force bool) Balance {
			if !force && budget < max(cost, 1) {
				return Balance{Remaining: max(budget, 0), RetryAfter: 1500 * time.Millisecond}
			}
			if cost > 0 {
				spent = append(spent, cost)
			}
			budget -= cost
			return Balance{OK: true, Remaining: max(budget, 0)}
		}
	})
	costly := query("{ hello }")
	costly.header = http.Header{headerCost: {"report"}}
	if w := send(t, h, costly); !strings.Contains(w.Body.String(), `"extensions":{"cost":{"remaining":999,"requested":1}}`) {
		t.Error(w.Body)
	}
	if w := send(t, h, query("{ hello }")); strings.Contains(w.Body.String(), "cost") {
		t.Error(w.Body)
	}
	send(t, h, query("{ nope }"))
	send(t, h, query("{"+strings.Repeat(" hello", 2000)+"}"))
	send(t, h, request{body: "nonsense"})
	if got, want := fmt.Sprint(spent), "[1 1 11 197 10]"; got != want {
		t.Errorf("spent %s, want %s", got, want)
	}
	for _, left := range []int{0, 1} {
		budget = left
		for _, accept := range []string{acceptJSON, acceptGraphQL} {
			w := send(t, h, query("{ hello a: hello }").as(accept))
			p, hasData := parseResponse(t, w.Body.Bytes())
			if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" || hasData || len(p.Errors) != 1 ||
				p.Errors[0].Extensions["code"] != CodeRateLimited || p.Errors[0].Extensions["retryAfter"] != 2.0 {
				t.Errorf("%d left as %s: %d %v %s", left, accept, w.Code, w.Header(), w.Body)
			}
		}
	}
}

// An operation that costs more than the budget is charged for having been parsed and validated, and the client is told when
// there will be enough after that. A request of a client that has nothing left is not read.
func TestBudgetTooSmall(t *testing.T) {
	t.Parallel()
	left, spent := 2, []int{}
	h := newHandler(t, func(cfg *Config) {
		cfg.Spend = func(_ context.Context, cost int, force bool) Balance {
			if wanted := max(cost, 1); !force && left < wanted {
				return Balance{Remaining: max(left, 0), RetryAfter: time.Duration(wanted-left) * time.Second}
			}
			if cost > 0 {
				spent = append(spent, cost)
			}
			left -= cost
			return Balance{OK: true, Remaining: max(left, 0)}
		}
	})
	expensive := query("{ hello a: hello b: hello }")
	if w := send(t, h, expensive); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "12" || !strings.Contains(w.Body.String(), "costs 3 and 0 are left: wait 12 seconds") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := send(t, h, expensive); w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "used up") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	left += 12
	if w := send(t, h, expensive); w.Code != http.StatusOK {
		t.Errorf("after the wait: %d %s", w.Code, w.Body)
	}
	if got, want := fmt.Sprint(spent), "[11 3]"; got != want {
		t.Errorf("spent %s, want %s", got, want)
	}
}

// The bytes that were read are charged, whatever they hold, whatever the header says and whether or not the request is
// refused.
func TestRequestLengthIsCharged(t *testing.T) {
	t.Parallel()
	const long = 512 << 10
	padding := strings.Repeat("x", long)
	unknown := http.Header{"Unknown-Length": {"1"}}
	for name, tt := range map[string]struct {
		q    request
		cost int
	}{
		"an ignored extension":             {request{body: `{"query":"{hello}","extensions":{"x":"` + padding + `"}}`}, 512},
		"an ignored member":                {request{body: `{"query":"{hello}","x":"` + padding + `"}`, header: unknown}, 512},
		"an ignored variable, refused":     {request{body: `{"query":"{nope}","variables":{"x":"` + padding + `"}}`}, 10 + 512},
		"no JSON":                          {request{body: padding}, 10 + 512},
		"no JSON, of unknown length":       {request{body: padding, header: unknown}, 10 + 512},
		"too long, as it says":             {request{body: padding + padding + padding}, 10},
		"too long, without saying so":      {request{body: padding + padding + padding, header: unknown}, 10 + 1024},
		"not read, as its type is another": {request{body: padding, contentType: "text/plain"}, 10},
		"a plain one":                      {query("{ hello }"), 1},
	} {
		spent := 0
		h := newHandler(t, func(cfg *Config) {
			cfg.Spend = func(_ context.Context, cost int, _ bool) Balance { spent += cost; return Balance{OK: true} }
		})
		if send(t, unknownLength(h), tt.q); spent != tt.cost {
			t.Errorf("%s: spent %d, want %d", name, spent, tt.cost)
		}
	}
}

// A body that costs more than the client's budget is not read to its end.
func TestBudgetBoundsReading(t *testing.T) {
	t.Parallel()
	left := 100 // of which 1 is for each kB
	h := newHandler(t, func(cfg *Config) {
		cfg.Spend = func(_ context.Context, cost int, _ bool) Balance {
			if left < max(cost, 1) {
				return Balance{Remaining: left, RetryAfter: 7 * time.Second}
			}
			left -= cost
			return Balance{OK: true, Remaining: left}
		}
	})
	body := strings.NewReader(`{"query":"{hello}","x":"` + strings.Repeat("x", 512<<10) + `"}`)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", body)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "7" || !strings.Contains(w.Body.String(), CodeRateLimited) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if read := 512<<10 - body.Len(); read > 200<<10 || left > 50 {
		t.Errorf("%d bytes were read, and %d of the budget are left", read, left)
	}
}

func TestReportCost(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(cfg *Config) { cfg.ReportCost = true })
	if w := send(t, h, query("{ hello }")); !strings.Contains(w.Body.String(), `"extensions":{"cost":{"requested":1}}`) {
		t.Error(w.Body)
	}
}
