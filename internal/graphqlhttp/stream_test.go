package graphqlhttp

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// sinkRecorder is a Sink and a Stream that do nothing.
type sinkRecorder struct{}

func (*sinkRecorder) Next([]byte) bool  { return true }
func (*sinkRecorder) End(gqlerror.List) {}
func (*sinkRecorder) Ready()            {}
func (*sinkRecorder) Stop()             {}

// runOperation takes a document through the pipeline.
func runOperation(ctx context.Context, t *testing.T, h *Handler, op *operation) []string {
	t.Helper()
	if err := h.pipeline.run(ctx, op); err != nil {
		t.Fatal(err.message)
	}
	if op.results == nil {
		return nil
	}
	return op.summary(h.pipeline.next(ctx, op).Errors).Codes
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	type key struct{}
	client := &sinkRecorder{}
	var got *graphql.OperationContext
	var charged int
	h := newHandler(t, func(cfg *Config) {
		cfg.Spend = func(_ context.Context, cost int, _ bool) Balance { charged += cost; return Balance{OK: true} }
		cfg.Subscribe = func(ctx context.Context, op *graphql.OperationContext, _ int, sink Sink) (Stream, *gqlerror.Error) {
			if _, limited := ctx.Deadline(); limited || ctx.Done() != nil || ctx.Value(key{}) != "kept" || sink != client {
				t.Errorf("context %v, sink %v", ctx, sink)
			}
			got = op
			return client, nil
		}
	})
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "kept"), time.Hour)
	defer cancel()
	op := &operation{query: "subscription Clock { ticks }", sink: client}
	if codes := runOperation(ctx, t, h, op); codes != nil || op.stream != client || op.results != nil {
		t.Errorf("codes %v, stream %v", codes, op.stream)
	}
	if got == nil || got.Operation.Name != "Clock" || charged == 0 || !op.charged {
		t.Errorf("operation %v, charged %d", got, charged)
	}
}

// A subscription that is refused is never started.
func TestSubscribeRefused(t *testing.T) {
	t.Parallel()
	refusal := gqlerror.Errorf("no")
	refusal.Extensions = map[string]any{"code": "TOO_MANY"}
	started := func(cfg *Config) {
		cfg.Subscribe = func(context.Context, *graphql.OperationContext, int, Sink) (Stream, *gqlerror.Error) {
			t.Error("it was started")
			return &sinkRecorder{}, nil
		}
	}
	tests := []struct {
		name    string
		query   string
		sink    Sink
		changes []func(*Config)
		code    string
	}{
		{"a transport without streams", "subscription { ticks }", nil, []func(*Config){started}, CodeSubscriptionNotSupported},
		{"a server without subscriptions", "subscription { ticks }", &sinkRecorder{}, nil, CodeSubscriptionNotSupported},
		{"an invalid document", "subscription { ticks nope }", &sinkRecorder{}, []func(*Config){started}, "GRAPHQL_VALIDATION_FAILED"},
		{"a middleware's refusal", "subscription { ticks }", &sinkRecorder{}, []func(*Config){started, refusing(codedError{code: "DENIED"})}, "DENIED"},
		{"the budget is used up", "subscription { ticks }", &sinkRecorder{}, []func(*Config){started, func(cfg *Config) {
			cfg.Spend = func(context.Context, int, bool) Balance { return Balance{} }
		}}, CodeRateLimited},
		{"Subscribe's refusal", "subscription { ticks }", &sinkRecorder{}, []func(*Config){func(cfg *Config) {
			cfg.Subscribe = func(context.Context, *graphql.OperationContext, int, Sink) (Stream, *gqlerror.Error) {
				return nil, refusal
			}
		}}, "TOO_MANY"},
		{"a panic of Subscribe", "subscription { ticks }", &sinkRecorder{}, []func(*Config){func(cfg *Config) {
			cfg.Subscribe = func(context.Context, *graphql.OperationContext, int, Sink) (Stream, *gqlerror.Error) {
				panic("hunter2")
			}
		}}, CodeInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			op := &operation{query: tt.query, sink: tt.sink}
			codes := runOperation(t.Context(), t, newHandler(t, tt.changes...), op)
			if len(codes) == 0 || !slices.Equal(slices.Compact(codes), []string{tt.code}) || op.stream != nil {
				t.Errorf("codes %v, want %s; stream %v", codes, tt.code, op.stream)
			}
		})
	}
}

// Plain POST and GET say which transports carry a subscription.
func TestSubscriptionNeedsAStream(t *testing.T) {
	t.Parallel()
	got := send(t, newHandler(t), query("subscription { ticks }")).Body.String()
	for _, want := range []string{"text/event-stream", "multipart/mixed;subscriptionSpec=1.0", "graphql-transport-ws"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s doesn't name %s", got, want)
		}
	}
}
