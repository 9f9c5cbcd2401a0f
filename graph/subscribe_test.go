package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"taskql/graph"
	"taskql/internal/live"
	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

// liveClient has a session that is always good.
type liveClient struct {
	user  string
	spent *atomic.Int64
}

func (c liveClient) UserID() string { return c.user }
func (liveClient) Verify(context.Context) live.Verdict {
	return live.Verdict{State: live.Valid, Until: time.Now().Add(time.Hour)}
}

func (c liveClient) Spend(cost int) time.Duration {
	c.spent.Add(int64(cost))
	return 0
}

// operationCost is what the operations of subscriptions have cost.
const operationCost = 100

// results is a sink that hands on what it gets.
type results struct {
	t    *testing.T
	next chan string
	end  chan gqlerror.List
}

func (r *results) Next(data []byte) bool {
	r.next <- string(data)
	return true
}

func (r *results) End(errs gqlerror.List) { r.end <- errs }

// page returns the next page and its text.
func (r *results) page() (*changePage, string) {
	r.t.Helper()
	select {
	case got := <-r.next:
		var response struct{ Data struct{ Changes *changePage } }
		if err := json.Unmarshal([]byte(got), &response); err != nil || response.Data.Changes == nil {
			r.t.Fatalf("got %s", got)
		}
		return response.Data.Changes, got
	case errs := <-r.end:
		r.t.Fatalf("it ended: %v", errs)
	case <-time.After(time.Minute):
		r.t.Fatal("nothing came")
	}
	return nil, ""
}

func (r *results) wantEnd(code string) {
	r.t.Helper()
	select {
	case got := <-r.next:
		r.t.Fatalf("got %s", got)
	case errs := <-r.end:
		if len(errs) == 0 || errs[0].Extensions["code"] != code {
			r.t.Errorf("ended with %v, want %s", errs, code)
		}
	case <-time.After(time.Minute):
		r.t.Fatal("it did not end")
	}
}

// subscribe starts a subscription of alice to changes.
func subscribe(t *testing.T, a *api, variables map[string]any) *results {
	t.Helper()
	out, _ := subscribeTo(t, a, "alice", subscribeChanges, variables)
	return out
}

// subscribeTo starts a subscription, as the pipeline does.
func subscribeTo(t *testing.T, a *api, user, document string, variables map[string]any) (*results, *live.Subscription) {
	t.Helper()
	return subscribeBy(a.signIn(context.WithoutCancel(t.Context()), user), t, a, user, document, variables)
}

// subscribeBy is subscribeTo with the context of a session of the user.
func subscribeBy(ctx context.Context, t *testing.T, a *api, user, document string, variables map[string]any) (*results, *live.Subscription) {
	t.Helper()
	doc, errs := gqlparser.LoadQueryWithRules(a.graph.Schema.Schema(), document, rules.NewDefaultRules())
	if len(errs) > 0 {
		t.Fatalf("%v: %s", errs, document)
	}
	variables, err := validator.VariableValues(a.graph.Schema.Schema(), doc.Operations[0], variables)
	if err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	operation := &graphql.OperationContext{
		RawQuery: document, Doc: doc, Operation: doc.Operations[0], Variables: variables, RecoverFunc: a.graph.Recover,
		ResolverMiddleware:     func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}
	ctx = live.WithSession(ctx, live.NewSession(liveClient{user, &a.spent}, live.Verdict{State: live.Valid, Until: time.Now().AddDate(100, 0, 0)}))
	out := &results{t: t, next: make(chan string, 100), end: make(chan gqlerror.List, 1)}
	s, refused := a.graph.Subscribe(ctx, operation, operationCost, out)
	if refused != nil {
		out.end <- gqlerror.List{refused}
	}
	return out, s
}

// first returns the first result of a subscription, or its errors, as a response.
func (a *api) first(t *testing.T, user, document string, variables json.RawMessage) []byte {
	t.Helper()
	var values map[string]any
	if len(variables) > 0 {
		d := json.NewDecoder(bytes.NewReader(variables))
		d.UseNumber()
		if err := d.Decode(&values); err != nil {
			t.Fatal(err)
		}
	}
	out, s := subscribeTo(t, a, user, document, values)
	select {
	case got := <-out.next:
		s.Stop()
		return []byte(got)
	case errs := <-out.end:
		b, err := json.Marshal(map[string]any{"errors": errs})
		if err != nil {
			t.Fatal(err)
		}
		return b
	case <-time.After(time.Minute):
		t.Fatalf("nothing came: %s", document)
		return nil
	}
}

// newLiveAPI is newAPI; or one that leaves all execution to gqlgen.
func newLiveAPI(t *testing.T, db workspace.Database, fieldByField bool, users ...string) *api {
	t.Helper()
	return newAPIWith(t, db, func(c *graph.Config, _ func() time.Time) { c.FieldByField = fieldByField }, users...)
}

const subscribeChanges = `subscription($after: SyncToken, $first: Int, $workspaceId: ID) {
	changes(after: $after, first: $first, workspaceId: $workspaceId) {
		reset gone { kind id version } tags { ` + tagFields + ` } tasks { ` + taskFields + ` } token version complete } }`

// A subscription sends what its token lacks, at once even if that is nothing, and then every change. gqlgen sends the same.
func TestSubscription(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newLiveAPI(t, db, false, "alice")
		slow := newLiveAPI(t, db, true)
		slow.users = a.users
		one := subscribe(t, a, map[string]any{"first": 2})
		two := subscribe(t, slow, map[string]any{"first": 2})
		next := func() *changePage {
			t.Helper()
			p, text := one.page()
			if _, other := two.page(); other != text {
				t.Errorf("by its plan: %s\nby gqlgen:   %s", text, other)
			}
			return p
		}
		if p := next(); !p.Complete || p.Reset == nil || *p.Reset != "FIRST" || len(p.Tasks) != 0 {
			t.Errorf("the first page is %+v", p)
		}
		version := 0
		create := func(n int) {
			for range n {
				version++
				a.mustCreate(t, fmt.Sprint("task ", version))
			}
			a.hub.Changed("alice", version)
			slow.hub.Changed("alice", version)
		}
		create(1)
		p := next()
		if len(p.Tasks) != 1 || p.Tasks[0]["title"] != "task 1" || p.Reset != nil || !p.Complete || p.Version != 1 {
			t.Errorf("after a change: %+v", p)
		}
		token := p.Token
		create(3) // More than a page.
		if p := next(); len(p.Tasks) != 2 || p.Complete {
			t.Errorf("a cut page: %+v", p)
		}
		if p := next(); len(p.Tasks) != 1 || !p.Complete || p.Version != 4 {
			t.Errorf("the rest: %+v", p)
		}
		// Another client resumes from an earlier token, and then one that lacks nothing.
		resumed := subscribe(t, a, map[string]any{"after": token})
		p, _ = resumed.page()
		if len(p.Tasks) != 3 || p.Reset != nil {
			t.Errorf("resumed: %+v", p)
		}
		idle := subscribe(t, a, map[string]any{"after": p.Token})
		if p, _ := idle.page(); len(p.Tasks) != 0 || !p.Complete || p.Version != 4 {
			t.Errorf("a copy that lacks nothing: %+v", p)
		}
		a.hub.Refresh("alice") // The queries run, and there is nothing to send.
		create(1)
		if p := next(); len(p.Tasks) != 1 || p.Version != 5 {
			t.Errorf("after nothing: %+v", p)
		}
	})
}

// mustCreate creates a task of alice.
func (a *api) mustCreate(t *testing.T, title string) {
	t.Helper()
	var ignored any
	a.data(t, "alice", fmt.Sprintf(`mutation { createTask(input: {title: %q}) { userErrors { code } } }`, title), nil, &ignored)
}

// Subscriptions of the same share what is read, whatever token they came with.
func TestSubscriptionsShare(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		a := newLiveAPI(t, db, false, "alice")
		first := subscribe(t, a, nil)
		p, _ := first.page()
		all := []*results{first}
		for range 20 {
			out := subscribe(t, a, map[string]any{"after": p.Token})
			out.page()
			all = append(all, out)
		}
		before := a.hub.Stats().Runs
		a.mustCreate(t, "one")
		a.hub.Changed("alice", 1)
		for _, out := range all {
			out.page()
		}
		if runs := a.hub.Stats().Runs - before; runs != 1 {
			t.Errorf("%d runs for 21 subscriptions, want 1", runs)
		}
	})
}

func TestSubscriptionErrors(t *testing.T) {
	t.Parallel()
	for _, fieldByField := range []bool{false, true} {
		testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
			a := newLiveAPI(t, db, fieldByField, "alice", "bob")
			for code, variables := range map[string]map[string]any{
				"NOT_FOUND":      {"workspaceId": "bob"},
				"BAD_USER_INPUT": {"after": "nonsense"},
			} {
				out := subscribe(t, a, variables)
				out.wantEnd(code)
			}
		})
	}
}
