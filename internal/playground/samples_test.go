package playground_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/internal/playground"
)

// client sends the page's requests, with cookies.
type client struct {
	http.Client
	site string
}

// post returns the decoded answer, or the first one of a subscription.
func (c *client) post(t *testing.T, path string, body any, accept ...string) map[string]any {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.site+path, bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header["Accept"] = accept
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content := bufio.NewReader(response.Body)
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		for line := ""; line != "event: next\n"; {
			if line, err = content.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := content.Discard(len("data: ")); err != nil {
			t.Fatal(err)
		}
	}
	var answer map[string]any
	if err := json.NewDecoder(content).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// seen has the ids in earlier answers, as web/src/session.js does.
type seen map[string]any

func (s seen) remember(value any) {
	switch v := value.(type) {
	case []any:
		for _, inner := range v {
			s.remember(inner)
		}
	case map[string]any:
		for key, inner := range v {
			s.note(key, inner)
			s.remember(inner)
		}
	}
}

func (s seen) note(key string, value any) {
	if list, ok := value.([]any); ok && key == "workspaces" && len(list) > 0 {
		last, _ := list[len(list)-1].(map[string]any)
		s["workspace"] = last["id"]
	}
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	if id, ok := object["id"]; ok && (key == "task" || key == "tag" || key == "next") {
		s[key] = id
	}
	if id, ok := object["id"].(string); ok && key == "viewer" {
		s["me"] = "person/" + id
	}
	if nodes, ok := object["nodes"].([]any); ok && key == "activity" && len(nodes) > 0 {
		newest, _ := nodes[0].(map[string]any)
		s["change"] = newest["version"]
	}
	if key != "tasks" {
		return
	}
	if nodes, ok := object["nodes"].([]any); ok && len(nodes) > 0 {
		var ids []any
		for _, n := range nodes {
			node, _ := n.(map[string]any) // A null node has no id.
			if id, ok := node["id"]; ok {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			s["tasks"] = ids
		}
	}
	if info, ok := object["pageInfo"].(map[string]any); ok && info["endCursor"] != nil {
		s["cursor"] = info["endCursor"]
	}
}

// idPlaceholder matches placeholders for ids that are the same each time for an account.
var idPlaceholder = regexp.MustCompile(`"<id of \w+>"`)

// fill returns the variables with their placeholders filled in.
func (s seen) fill(t *testing.T, variables string) json.RawMessage {
	t.Helper()
	for name, value := range s {
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		variables = strings.ReplaceAll(variables, `"<`+name+`>"`, string(encoded))
	}
	variables = idPlaceholder.ReplaceAllStringFunc(variables, func(placeholder string) string {
		return `"` + uuid.NewSHA1(uuid.NameSpaceURL, []byte(placeholder)).String() + `"`
	})
	for days, name := range []string{"yesterday", "today", "tomorrow"} {
		variables = strings.ReplaceAll(variables, `"<`+name+`>"`, `"`+day(days-1)+`"`)
	}
	variables = strings.ReplaceAll(variables, `"<now>"`, `"`+now().Format(time.RFC3339Nano)+`"`)
	if strings.Contains(variables, `"<`) {
		t.Fatalf("nothing before showed what the variables need: %s", variables)
	}
	if variables == "" {
		return nil
	}
	return json.RawMessage(variables)
}

// ahead is how far the clock of the samples' server is ahead, so that no day ends while they run.
var ahead = time.Duration(time.Now().UTC().Hour()/23) * time.Hour //nolint:gochecknoglobals // One clock for all.

func now() time.Time { return time.Now().Add(ahead) }

// day returns the day so many days from today, in UTC.
func day(days int) string { return now().UTC().AddDate(0, 0, days).Format(time.DateOnly) }

// TestSamples runs the samples in order with a new account. Each one does what its text says.
func TestSamples(t *testing.T) {
	t.Parallel()
	want := map[string][]string{ // in the answer
		"01-viewer":         {`"email":"ada@example.com"`},
		"02-create-tag":     {`"name":"Home"`},
		"03-create-task":    {`"tags":[{"name":"Home"}]`},
		"04-demo-data":      {`"title":"Buy bread"`, `"title":"Plan the trip"`},
		"05-list":           {`"totalCount":5`, `"overdue":1`, `"dueToday":2`, `"title":"Water the plants"`},
		"06-first-page":     {`"title":"Plan the trip"`, `"endCursor":"`, `"hasNextPage":true`},
		"07-next-page":      {`"title":"Call the dentist"`, `"hasPreviousPage":true`, `"hasNextPage":true`},
		"08-update":         {`"due":null`, `"title":"Water the plants"`},
		"09-bulk":           {`"changedCount":5`},
		"10-user-errors":    {`"code":"BLANK"`},
		"11-stale":          {`"code":"STALE"`},
		"12-bad-request":    {`"code":"BAD_USER_INPUT"`},
		"13-delete":         {`"deletedAt":"20`},
		"14-changes":        {`"reset":"FIRST"`, `"title":"Water the plants"`, `"complete":true`},
		"15-task-list":      {`"fresh":true`, `"why":"ENTERED"`, `"title":"Plan the trip"`},
		"16-history":        {`"action":"DELETED"`, `"person":{"name":"Ada"}`, `"toText":"The fern too."`, `"toDue":null`},
		"17-undo":           {`"conflicts":[]`, `"deletedAt":null`},
		"18-preview-rule":   {`"rule":"FREQ=MONTHLY;BYMONTHDAY=-1"`, `"next":[{"date":"20`},
		"19-repeat":         {`"rule":"FREQ=DAILY"`, `"date":"` + day(3) + `"`},
		"20-next":           {`"completed":true`, `"outcome":"COMPLETED"`, `"date":"` + day(1) + `"`},
		"21-skip":           {`"date":"` + day(2) + `"`, `"number":3`},
		"22-remind":         {`"state":"WAITING"`, `"at":"` + day(1) + `T09:00:00Z"`},
		"23-fired":          {`"title":"Feed the cat"`, `"firedAt":"20`},
		"24-create-project": {`"project":{"color":"#`, `"name":"House"`},
		"25-move":           {`"project":{"name":"House"},"section":null`},
		"26-projects":       {`"name":"House","openTaskCount":2`, `"sections":[{"name":"To do","openTaskCount":1}]`, `{"section":{"name":"To do"},"title":"Paint the wall"}`},
		"27-assign":         {`"assignee":{"id":"person/`, `"name":"Ada"`},
		"28-mine":           {`"mine":{"nodes":[{"title":"`, `{"count":2,"project":{"name":"House"}}`, `{"assignee":{"name":"Ada"},"count":1}`},
		"29-archive":        {`"archivedAt":"20`, `"openTaskCount":2`},
		"30-workspaces":     {`{"id":"personal/`, `"kind":"PERSONAL","name":"Ada","role":"ADMIN"`},
		"31-workspace":      {`"members":[{"person":{"name":"Ada"},"role":"ADMIN"}]`, `"name":"House"`, `"totalCount":`},
	}
	isRefused := map[string]bool{"10-user-errors": true, "11-stale": true, "12-bad-request": true}
	c := newClient(t)
	samples, err := playground.Samples()
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != len(want) {
		t.Errorf("%d samples, %d expected", len(samples), len(want))
	}
	known := seen{}
	for _, sample := range samples {
		answer := c.run(t, sample, known)
		for sample.Name == "23-fired" && strings.Contains(answer, `"nodes":[]`) { // The server fires it in the background.
			time.Sleep(100 * time.Millisecond) // Each look costs of the budget.
			answer = c.run(t, sample, known)
		}
		if words := want[sample.Name]; words == nil || !containsAll(answer, words) {
			t.Errorf("%s: %s", sample.Name, answer)
		}
		if failed := strings.Contains(answer, `"code":`); failed != isRefused[sample.Name] {
			t.Errorf("%s: refused: %t: %s", sample.Name, failed, answer)
		}
		if isError := strings.Contains(answer, `"errors":`); isError != (sample.Error != "") || !strings.Contains(answer, sample.Error) {
			t.Errorf("%s: its third line says that the answer is the error %q: %s", sample.Name, sample.Error, answer)
		}
	}
}

// TestDemoDataOnce: the sample that adds demo data creates nothing if it is run again.
func TestDemoDataOnce(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	samples, err := playground.Samples()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(samples, func(s playground.Sample) bool { return s.Name == "04-demo-data" })
	count := playground.Sample{Query: "{ tasks { totalCount } tags { totalCount } }"}
	for range 2 {
		c.run(t, samples[i], seen{})
		if got := c.run(t, count, seen{}); !containsAll(got, []string{`"tasks":{"totalCount":6}`, `"tags":{"totalCount":1}`}) {
			t.Errorf("%s", got)
		}
	}
}

// newClient returns the client of a new account on a new site.
func newClient(t *testing.T) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{Client: http.Client{Jar: jar}, site: newSiteAt(t, map[string]string{}, now)}
	c.post(t, "/api/auth/sign-up/email", map[string]string{"name": "Ada", "email": "ada@example.com", "password": "correct horse"})
	return c
}

// run runs a sample, returns the answer as JSON, and remembers its ids.
func (c *client) run(t *testing.T, sample playground.Sample, known seen) string {
	t.Helper()
	accept := "application/graphql-response+json, application/json;q=0.9"
	if strings.HasPrefix(sample.Query, "subscription") {
		accept = "text/event-stream"
	}
	answer := c.post(t, "/graphql", map[string]any{"query": sample.Query, "variables": known.fill(t, sample.Variables)}, accept)
	known.remember(answer["data"])
	encoded, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func containsAll(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}
