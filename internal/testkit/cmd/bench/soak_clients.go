package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"taskql/internal/testkit/bench"
)

const (
	soakOne    = "query($id: ID!) { task(id: $id) { " + fields + " } }"
	soakPage   = "query($after: String) { tasks(first: 20, after: $after, filter: {completed: false}) { nodes { " + fields + " tags { id name } } pageInfo { hasNextPage endCursor } } }"
	soakCreate = "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { id } userErrors { code } } }"
	soakBulk   = "mutation($i: BulkTaskInput!) { completeTasks(input: $i) { userErrors { code } } }"
	soakViewer = "{ viewer { id } tasks(first: 5) { nodes { id } } }"
	// retryTimeout is how long a change with an idempotency key is retried.
	retryTimeout = time.Minute
)

// client is a simulated client of one user.
type client struct {
	*soak

	user    string
	n       int      // the number of requests so far
	tasks   []string // that exist since the start
	open    []string // created by the client, for bulk changes
	polled  map[string]poll
	lastKey map[string]any // the last input with an idempotency key that was answered as done
	lastID  string         // the task that it created
}

// client sends requests one after the other, with pauses, until ctx ends. An error means that this program is wrong,
// not the server.
func (s *soak) client(ctx context.Context, number int) error {
	c := &client{soak: s, user: fmt.Sprintf("w%05d", number+1), polled: map[string]poll{}}
	first := c.ask(context.WithoutCancel(ctx), c.user, soakPage, nil)
	c.tasks = first.ids()
	if len(c.tasks) == 0 {
		return fmt.Errorf("%s has no tasks: %s", c.user, first.code)
	}
	for pause(ctx, time.Duration(20+rand.IntN(60))*time.Millisecond) {
		// Don't cancel a request when ctx ends, because its result has to be known.
		c.sendNext(context.WithoutCancel(ctx))
	}
	return nil
}

// sendNext sends a random request.
func (c *client) sendNext(ctx context.Context) {
	c.n++
	task := c.tasks[rand.IntN(len(c.tasks))]
	switch dice := rand.IntN(100); {
	case dice < 25:
		c.ask(ctx, c.user, soakOne, map[string]any{"id": task})
	case dice < 45:
		c.ask(ctx, c.user, soakPage, nil)
	case dice < 55:
		c.pages(ctx)
	case dice < 73:
		c.poll(ctx, c.tasks[rand.IntN(min(len(c.tasks), 5))])
	case dice < 81:
		c.create(ctx, false)
	case dice < 89:
		c.create(ctx, true)
	case dice < 92:
		c.replay(ctx)
	case dice < 96:
		c.bulk(ctx)
	default:
		c.mu.Lock()
		c.users = (c.users + 1) % soakVisitors
		user := fmt.Sprintf("n%d", c.users)
		c.mu.Unlock()
		c.ask(ctx, user, soakViewer, nil)
	}
}

// pages reads two pages, which must not overlap.
func (c *client) pages(ctx context.Context) {
	first := c.ask(ctx, c.user, soakPage, nil)
	if first.code != "ok" || !first.data.Tasks.PageInfo.HasNextPage {
		return
	}
	second := c.ask(ctx, c.user, soakPage, map[string]any{"after": first.data.Tasks.PageInfo.EndCursor})
	known := map[string]bool{}
	for _, id := range append(first.ids(), second.ids()...) {
		if known[id] {
			c.fail("%s: task %s is on two pages", c.user, id)
		}
		known[id] = true
	}
}

// poll reads a task by GET. If nothing has changed since the last time, the status must be 304.
func (c *client) poll(ctx context.Context, task string) {
	c.mu.Lock()
	changes := c.changes[c.user] + c.unsure[c.user]
	c.mu.Unlock()
	before, known := c.polled[task]
	began := time.Now()
	a := c.get(ctx, soakOne, map[string]any{"id": task}, before.etag)
	if a.code != "ok" || a.etag == "" && c.inFault(began, time.Now()) { // If the version can't be read, there is no entity tag.
		return
	}
	same := known && before.changes == changes
	if a.etag == "" || same && (a.status != http.StatusNotModified || a.etag != before.etag) {
		c.fail("%s: polled with %q and nothing had changed, told %d %q", c.user, before.etag, a.status, a.etag)
	}
	if a.status == http.StatusNotModified {
		c.mu.Lock()
		c.unmodified++
		c.mu.Unlock()
	}
	c.polled[task] = poll{a.etag, changes}
}

// poll is the result of polling a task: its entity tag, and the number of changes that the client had made.
type poll struct {
	etag    string
	changes int
}

// create creates a task. With an idempotency key it retries until it succeeds.
func (c *client) create(ctx context.Context, key bool) {
	title := fmt.Sprintf("soak %d", c.n)
	input := map[string]any{"title": title, "description": "From the corner shop, before it closes", "priority": "MEDIUM", "due": map[string]any{"date": "2026-12-24"}}
	if key {
		input["idempotencyKey"] = title
	}
	a := c.sendWithRetry(ctx, soakCreate, input, key)
	done := a.code == "ok"
	c.changed(done)
	c.mu.Lock()
	if c.written[c.user] == nil {
		c.written[c.user] = map[string]bool{}
	}
	c.written[c.user][title] = done
	c.mu.Unlock()
	if !done {
		return
	}
	id := a.data.CreateTask.Task.ID
	c.open = append(c.open, id)
	if key {
		c.lastKey, c.lastID = input, id
	}
}

// changed counts a change that was answered as done, or an unsure one.
func (c *client) changed(done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if done {
		c.changes[c.user]++
	} else {
		c.unsure[c.user]++
	}
}

// replay repeats an answered change with the same idempotency key, which must return the same task.
func (c *client) replay(ctx context.Context) {
	if c.lastKey == nil {
		return
	}
	if a := c.ask(ctx, c.user, soakCreate, map[string]any{"i": c.lastKey}); a.code == "ok" && a.data.CreateTask.Task.ID != c.lastID {
		c.fail("%s: the key of %s made %s", c.user, c.lastID, a.data.CreateTask.Task.ID)
	}
}

// bulk completes some of the client's tasks, every second time with an idempotency key.
func (c *client) bulk(ctx context.Context) {
	const limit = 20
	ids := c.open[:min(len(c.open), limit)]
	if len(ids) == 0 {
		return
	}
	c.open = c.open[len(ids):]
	input := map[string]any{"ids": ids}
	key := c.n%2 == 0
	if key {
		input["idempotencyKey"] = fmt.Sprintf("bulk %d", c.n)
	}
	done := c.sendWithRetry(ctx, soakBulk, input, key).code == "ok"
	c.changed(done)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		c.completed[id] = done
	}
}

// sendWithRetry sends a change, and retries it if it has an idempotency key.
func (c *client) sendWithRetry(ctx context.Context, document string, input map[string]any, key bool) answer {
	end := time.Now().Add(retryTimeout)
	for {
		a := c.ask(ctx, c.user, document, map[string]any{"i": input})
		if a.code == "ok" || !key || time.Now().After(end) {
			return a
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// answer is the result of a request.
type answer struct {
	code   string // ok, an error code, or a description of the problem
	status int
	etag   string
	data   struct {
		Tasks struct {
			Nodes    []struct{ ID string }
			PageInfo struct {
				HasNextPage bool
				EndCursor   string
			}
		}
		CreateTask    struct{ Task struct{ ID string } }
		CompleteTasks struct{}
	}
}

func (a answer) ids() []string {
	ids := make([]string, 0, len(a.data.Tasks.Nodes))
	for _, node := range a.data.Tasks.Nodes {
		ids = append(ids, node.ID)
	}
	return ids
}

// ask sends a request by POST.
func (s *soak) ask(ctx context.Context, user, document string, variables map[string]any) answer {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return answer{code: err.Error()}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return answer{code: err.Error()}
	}
	r.Header.Set("Content-Type", "application/json")
	return s.send(r, user, document)
}

// get sends a request by GET, with the entity tag of the previous response.
func (c *client) get(ctx context.Context, document string, variables map[string]any, etag string) answer {
	text, err := json.Marshal(variables)
	if err != nil {
		return answer{code: err.Error()}
	}
	query := url.Values{"query": {document}, "variables": {string(text)}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server.url+"/graphql?"+query, http.NoBody)
	if err != nil {
		return answer{code: err.Error()}
	}
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	return c.send(r, c.user, document)
}

// soakTransport has a connection for each client.
var soakTransport = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: soakClients}} //nolint:gochecknoglobals // A pool of connections.

// send sends a request and records the result.
func (s *soak) send(r *http.Request, user, document string) answer {
	r.Header.Set("Accept", "application/graphql-response+json")
	r.Header.Set("Cookie", bench.Cookie(user, s.server.secret))
	began := time.Now()
	var a answer
	response, err := soakTransport.Do(r)
	if err != nil {
		a.code = err.Error()
	} else {
		a, err = read(response)
		if err != nil {
			a.code = err.Error()
		}
	}
	s.record(document[:min(len(document), 60)], a.code, began, time.Now())
	return a
}

// read reads a response. The error says what the server must not have answered.
func read(response *http.Response) (answer, error) {
	defer response.Body.Close()
	a := answer{status: response.StatusCode, etag: response.Header.Get("ETag"), code: "ok"}
	if a.status == http.StatusNotModified {
		return a, nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return a, fmt.Errorf("reading the answer: %w", err)
	}
	var decoded struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal(body, &decoded); err != nil {
		return a, fmt.Errorf("%d with a broken answer: %w", a.status, err)
	}
	if len(decoded.Errors) > 0 {
		a.code = decoded.Errors[0].Extensions.Code
		partial := len(decoded.Data) > 0 && string(decoded.Data) != "null" // Only a nullable field is null. By GraphQL over HTTP the status is 200.
		if a.code == unavailable && !partial && (a.status != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "") {
			return a, fmt.Errorf("%s with %d, Retry-After %q", a.code, a.status, response.Header.Get("Retry-After"))
		}
		return a, nil
	}
	if code := userError(decoded.Data); code != "" {
		return a, errors.New(code)
	}
	if err := json.Unmarshal(decoded.Data, &a.data); err != nil {
		return a, fmt.Errorf("%d with strange data: %w", a.status, err)
	}
	if a.status != http.StatusOK || bytes.Contains(decoded.Data, []byte(`{"task":null`)) {
		return a, fmt.Errorf("%d with %s", a.status, decoded.Data)
	}
	return a, nil
}

// userError returns the code of the first user error in the payloads of mutations, or "" if there is none.
func userError(data []byte) string {
	var payloads map[string]struct{ UserErrors []struct{ Code string } }
	if json.Unmarshal(data, &payloads) != nil {
		return ""
	}
	for _, payload := range payloads {
		for _, e := range payload.UserErrors {
			return e.Code
		}
	}
	return ""
}
