package graph_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskql/internal/testkit"
	"taskql/internal/workspace"
)

const fromREST = "../docs/from-rest.md"

// block is a fenced block of a page: what stands behind its fence, and what is in it.
var block = regexp.MustCompile("(?ms)^```(graphql|json variables|json answer)\n(.*?)^```$")

// Every request of docs/from-rest.md answers what the page says.
func TestFromREST(t *testing.T) {
	t.Parallel()
	testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
		page, err := os.ReadFile(fromREST)
		if err != nil {
			t.Fatal(err)
		}
		a := newAPI(t, db, "alice")
		var query, variables, cursor string
		asked := 0
		written := block.ReplaceAllStringFunc(string(page), func(text string) string {
			match := block.FindStringSubmatch(text)
			switch match[1] {
			case "graphql":
				query, variables = match[2], "null"
				return text
			case "json variables":
				variables = strings.ReplaceAll(match[2], "<endCursor>", cursor)
				return text
			}
			asked++
			status, body := a.ask(t, "alice", query, json.RawMessage(variables))
			var answer struct {
				Data struct {
					Tasks struct{ PageInfo struct{ EndCursor string } }
				}
				Errors []any
			}
			if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || len(answer.Errors) > 0 {
				t.Fatalf("%s\nis answered %d, %s", query, status, body)
			}
			if cursor = answer.Data.Tasks.PageInfo.EndCursor; cursor != "" {
				body = bytes.ReplaceAll(body, []byte(cursor), []byte("<endCursor>"))
			}
			got := indent(t, body)
			if diff := cmp.Diff(indent(t, []byte(match[2])), got); diff != "" && !*update {
				t.Errorf("%s\nis answered otherwise than the page says (-page +answer):\n%s", query, diff)
			}
			return "```json answer\n" + got + "```"
		})
		if n := strings.Count(string(page), "```graphql"); n != asked || n < 30 {
			t.Errorf("%d of %d requests have an answer", asked, n)
		}
		if *update && written != string(page) {
			if err := os.WriteFile(fromREST, []byte(written), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// indent writes JSON as a page shows it: what fits on a line stands on one.
func indent(t *testing.T, text []byte) string {
	t.Helper()
	var long bytes.Buffer
	if err := json.Indent(&long, bytes.TrimSpace(text), "", "  "); err != nil {
		t.Fatalf("not JSON: %s", text)
	}
	var lines []string
	var open []int // The offsets of blocks that are not closed yet.
	for line := range strings.SplitSeq(long.String(), "\n") {
		lines = append(lines, line)
		switch {
		case strings.HasSuffix(line, "{"), strings.HasSuffix(line, "["):
			open = append(open, len(lines)-1)
		case strings.ContainsAny(strings.TrimSpace(line)[:1], "}]"):
			start := open[len(open)-1]
			open = open[:len(open)-1]
			short := lines[start]
			for i, next := range lines[start+1:] {
				if i > 0 && start+1+i < len(lines)-1 {
					short += " "
				}
				short += strings.TrimSpace(next)
			}
			if len(short) <= 100 {
				lines = append(lines[:start], short)
			}
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
