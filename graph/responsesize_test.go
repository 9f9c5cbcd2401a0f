package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"taskql/graph"
	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

var anID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// tooLarge is the response of an operation whose data would be too long.
type tooLarge struct {
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct {
			Code  string
			Limit int
		}
	}
}

// TestResponsesAreBounded asks for more than the limit in each way that a response is written.
func TestResponsesAreBounded(t *testing.T) {
	t.Parallel()
	const limit = 84 << 10
	aliases := func(n int, field string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " f%d: %s", i, field)
		}
		return b.String()
	}
	// Each of the 30 tasks has a description of 26,666 bytes in JSON.
	queries := map[string]string{
		"a page":                         `{ tasks(first: 30) { nodes { description } } }`,
		"edges":                          `{ tasks(first: 30) { edges { node { description } } } }`,
		"nodes":                          `{ nodes(ids: IDS) { ... on Task { description } } }`,
		"one object":                     `{ task(id: "ID") {` + aliases(10, "description") + ` } }`,
		"a list in a list":               `{ task(id: "ID") { subtasks(first: 100) { nodes { description } } } }`,
		"several root fields":            `{` + aliases(15, `task(id: "ID") { description }`) + ` }`,
		"several pages":                  `{ a: tasks(first: 2) { nodes { description } } b: tasks(last: 2) { nodes { description } } }`,
		"a root field that may be there": `query($yes: Boolean = true) { tasks(first: 30) @include(if: $yes) { nodes { description } } }`,
		"the schema":                     `{` + aliases(4, `__schema { types { name description fields { name description args { name description } } } }`) + ` }`,
	}
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		bounded := func(c *graph.Config, _ func() time.Time) { c.ResponseBytes = limit }
		apis := map[string]*api{
			"encoded": newAPIWith(t, db, bounded, "alice"),
			"executed": newAPIWith(t, db, func(c *graph.Config, now func() time.Time) {
				bounded(c, now)
				c.FieldByField = true
			}),
		}
		parent, ids := "", []string{}
		long, _ := json.Marshal(strings.Repeat(`"\🙂`, 3_333)) // Quotes and backslashes take two bytes in JSON.
		for i := range 30 {
			in := fmt.Sprintf(`{"in":{"title":"%d","description":%s}}`, i, long)
			if i > 0 {
				in = fmt.Sprintf(`{"in":{"title":"%d","description":%s,"parentId":"%s"}}`, i, long, parent)
			}
			_, body := apis["encoded"].ask(t, "alice", `mutation($in: CreateTaskInput!) { createTask(input: $in) { task { id } } }`, json.RawMessage(in))
			ids = append(ids, anID.FindString(string(body)))
			parent = ids[0]
		}
		list, _ := json.Marshal(ids)
		fill := strings.NewReplacer("IDS", string(list), "ID", parent).Replace
		for which, a := range apis {
			a.users = apis["encoded"].users
			for name, query := range queries {
				status, body := a.ask(t, "alice", fill(query), nil)
				if r := refusedAsTooLarge(t, which+", "+name, status, body, limit); strings.Contains(r, "mutation") {
					t.Errorf("%s, %s: the message speaks of a mutation: %s", which, name, r)
				}
			}
			// What is below the limit is answered, in the same ways.
			for name, query := range map[string]string{
				"a page":              `{ tasks(first: 3) { nodes { description } } }`,
				"one object":          `{ task(id: "ID") {` + aliases(3, "description") + ` } }`,
				"several root fields": `{` + aliases(3, `task(id: "ID") { description }`) + ` }`,
			} {
				if status, body := a.ask(t, "alice", fill(query), nil); status != http.StatusOK || len(body) < 75_000 || strings.Contains(string(body), "errors") {
					t.Errorf("%s, %s: %d, %d bytes: %.200s", which, name, status, len(body), body)
				}
			}
		}
	})
}

// refusedAsTooLarge checks a response that is too large, and returns its message.
func refusedAsTooLarge(t *testing.T, name string, status int, body []byte, limit int) string {
	t.Helper()
	var r tooLarge
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatalf("%s: %v: %.200s", name, err, body)
	}
	if status != http.StatusOK || string(r.Data) != "null" || len(r.Errors) != 1 {
		t.Errorf("%s: %d, %d bytes: %.300s", name, status, len(body), body)
		return ""
	}
	if e := r.Errors[0]; e.Extensions.Code != graph.CodeResponseTooLarge || e.Extensions.Limit != limit ||
		!strings.Contains(e.Message, "LIMIT_RESPONSE_BYTES") || !strings.Contains(e.Message, "fewer") {
		t.Errorf("%s: %.300s", name, body)
	}
	return r.Errors[0].Message
}

// TestMutationsWithTooLargeResponses: the change has happened, the message says so, and no later one of the same operation
// happens unseen. The same key then gives the answer in parts.
func TestMutationsWithTooLargeResponses(t *testing.T) {
	t.Parallel()
	const limit = 100 << 10
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		for _, fieldByField := range []bool{false, true} {
			a := newAPIWith(t, db, func(c *graph.Config, _ func() time.Time) { c.ResponseBytes, c.FieldByField = limit, fieldByField }, fmt.Sprint("alice", fieldByField))
			user := fmt.Sprint("alice", fieldByField)
			titles := func() string {
				t.Helper()
				_, body := a.ask(t, user, `{ tasks(first: 100, orderBy: {field: TITLE, direction: ASC}) { nodes { title } } }`, nil)
				return strings.NewReplacer(`{"title":`, "", "}", "", `"`, "").Replace(string(body))
			}
			input := func(title string) string {
				return `createTask(input: {title: "` + title + `", description: "` + strings.Repeat("x", 10_000) + `", idempotencyKey: "` + title + `"})`
			}
			fields := ` { task { a: description b: description c: description d: description e: description f: description } userErrors { code } }`

			status, body := a.ask(t, user, `mutation { one: `+input("1")+strings.Replace(fields, "}", "g: description h: description i: description j: description k: description l: description }", 1)+` }`, nil)
			if message := refusedAsTooLarge(t, "one", status, body, limit); !strings.Contains(message, "The mutation was executed") {
				t.Errorf("one: %s", message)
			}
			if got := titles(); !strings.Contains(got, "[1]") {
				t.Errorf("after one mutation: %s", got)
			}
			if _, body := a.ask(t, user, `mutation { one: `+input("1")+` { task { title } userErrors { code } } }`, nil); string(body) != `{"data":{"one":{"task":{"title":"1"},"userErrors":[]}}}` {
				t.Errorf("the same key again: %s", body)
			}

			// The second passes the limit: the third isn't executed.
			status, body = a.ask(t, user, `mutation { x: `+input("2")+fields+` y: `+input("3")+fields+` z: `+input("4")+fields+` }`, nil)
			message := refusedAsTooLarge(t, "three", status, body, limit)
			if !strings.Contains(message, "those after it were not") || !strings.Contains(string(body), `"path":["y"]`) {
				t.Errorf("three: %s", body)
			}
			if got := titles(); !strings.Contains(got, "[1,2,3]") {
				t.Errorf("after three mutations: %s", got)
			}
		}
	})
}

// TestOperationTimeEndsTheWriting: the context ends while the first of ten rows is written.
func TestOperationTimeEndsTheWriting(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		for _, fieldByField := range []bool{false, true} {
			end := func() {}
			a := newAPIWith(t, db, func(c *graph.Config, now func() time.Time) {
				c.FieldByField = fieldByField
				db := db
				db.Now = func() time.Time {
					end()
					return now()
				}
				c.Services = newServices(t, db)
			}, fmt.Sprint("alice", fieldByField))
			user := fmt.Sprint("alice", fieldByField)
			long := strings.Repeat("x", 10_000)
			for range 10 {
				a.ask(t, user, `mutation { createTask(input: {title: "t", due: {date: "2026-01-01"}, description: "`+long+`"}) { task { id } } }`, nil)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			end = cancel // The field overdue is the only one that asks for the time.
			query := `{"query":"{ tasks(first: 10) { nodes { overdue a: description b: description c: description } } }"}`
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(query))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("User", user)
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			if w.Code != 499 || !strings.Contains(w.Body.String(), "The operation was given up.") {
				t.Errorf("field by field %t: %d: %.200s", fieldByField, w.Code, w.Body)
			}
		}
	})
}
