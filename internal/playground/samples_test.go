package playground_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"taskql/internal/playground"
)

// client calls a site as the page does, with its cookies.
type client struct {
	http.Client
	site string
}

// post returns the decoded answer.
func (c *client) post(t *testing.T, path string, body any) map[string]any {
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
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// seen is what answers showed, as web/src/seen.js remembers it.
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
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	if id, ok := object["id"]; ok && (key == "task" || key == "tag") {
		s[key] = id
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

func (s seen) fill(t *testing.T, variables string) json.RawMessage {
	t.Helper()
	for name, value := range s {
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		variables = strings.ReplaceAll(variables, `"<`+name+`>"`, string(encoded))
	}
	if strings.Contains(variables, `"<`) {
		t.Fatalf("nothing before showed what the variables need: %s", variables)
	}
	if variables == "" {
		return nil
	}
	return json.RawMessage(variables)
}

// TestSamples runs the tour on a fresh account, in its order. Each sample does what its text says.
func TestSamples(t *testing.T) {
	t.Parallel()
	want := map[string]string{ // in the answer
		"01-viewer":      `"email":"ada@example.com"`,
		"02-create-tag":  `"name":"Home"`,
		"03-create-task": `"tags":[{"name":"Home"}]`,
		"04-list":        `"totalCount":1`,
		"05-first-page":  `"endCursor":"`,
		"06-next-page":   `"hasPreviousPage":true`,
		"07-update":      `"due":null`,
		"08-bulk":        `"changedCount":1`,
		"09-user-errors": `"code":"BLANK"`,
		"10-stale":       `"code":"STALE"`,
		"11-bad-input":   `"code":"BAD_USER_INPUT"`,
		"12-delete":      `"deletedAt":"20`,
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{Client: http.Client{Jar: jar}, site: newSite(t, map[string]string{})}
	c.post(t, "/api/auth/sign-up/email", map[string]string{"name": "Ada", "email": "ada@example.com", "password": "correct horse"})
	samples, err := playground.Samples()
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != len(want) {
		t.Errorf("%d samples, %d expected", len(samples), len(want))
	}
	known := seen{}
	for _, sample := range samples {
		answer := c.post(t, "/graphql", map[string]any{"query": sample.Query, "variables": known.fill(t, sample.Variables)})
		known.remember(answer["data"])
		encoded, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		if want[sample.Name] == "" || !strings.Contains(string(encoded), want[sample.Name]) {
			t.Errorf("%s: %s", sample.Name, encoded)
		}
		isError := sample.Name == "09-user-errors" || sample.Name == "10-stale" || sample.Name == "11-bad-input"
		if failed := answer["errors"] != nil || strings.Contains(string(encoded), `"code":`); failed != isError {
			t.Errorf("%s: failed: %t: %s", sample.Name, failed, encoded)
		}
	}
}
