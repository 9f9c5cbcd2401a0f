package graph_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"

	"taskql/internal/testkit"
	"taskql/internal/viewer"
	"taskql/internal/workspace"
)

// graphqlBlock is a fenced block of GraphQL on a page.
var graphqlBlock = regexp.MustCompile("(?ms)^```graphql\n(.*?)^```$")

// The GraphQL on the pages of the documentation is valid.
func TestDocumentsInDocs(t *testing.T) {
	t.Parallel()
	schema, n := schemaOf(t), 0
	check := func(path string) {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range graphqlBlock.FindAllStringSubmatch(string(page), -1) {
			n++
			if _, errs := gqlparser.LoadQueryWithRules(schema, match[1], nil); len(errs) > 0 {
				t.Errorf("%s:\n%s\n%v", path, match[1], errs)
			}
		}
	}
	check("../README.md")
	if err := filepath.WalkDir("../docs", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			check(path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n < 40 {
		t.Errorf("%d documents were found", n)
	}
}

// The requests on a page that explains a feature succeed one after the other, with the id and version that the last one answered.
func TestRequestsInDocs(t *testing.T) {
	t.Parallel()
	for page, requests := range map[string]int{"history": 2, "organizations": 4, "projects": 4, "recurrence": 3, "reminders": 5} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			testkit.EachDatabase(t, func(t *testing.T, db workspace.Database) {
				text, err := os.ReadFile("../docs/" + page + ".md")
				if err != nil {
					t.Fatal(err)
				}
				a := newAPI(t, db, "alice")
				a.organizations = &testkit.Organizations{}
				a.organizations.Set("o1", "alice", viewer.RoleWrite)
				known := map[string]any{}
				send := func(document string) {
					variables, err := json.Marshal(known)
					if err != nil {
						t.Fatal(err)
					}
					_, body := a.ask(t, "alice", document, variables)
					if strings.Contains(string(body), `"errors"`) || strings.Contains(string(body), `"message"`) {
						t.Fatalf("%s\nis answered %s", document, body)
					}
					learn(t, body, known)
				}
				send(`mutation { createTask(input: {title: "one"}) { task { id } version userErrors { message } } }`)
				send(`mutation($id: ID!) { updateTask(input: {id: $id, title: "two", priority: HIGH}) { version userErrors { message } } }`)
				found := graphqlBlock.FindAllStringSubmatch(string(text), -1)
				for _, match := range found {
					send(match[1])
				}
				if len(found) != requests {
					t.Errorf("%d requests, want %d", len(found), requests)
				}
			})
		})
	}
}

// learn takes from an answer what the variables of later requests can be.
func learn(t *testing.T, body []byte, known map[string]any) {
	t.Helper()
	var answer struct {
		Data map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	for _, field := range answer.Data {
		var payload struct {
			Task     *struct{ ID *string }
			Reminder *struct{ ID string }
			Version  *int
		}
		if json.Unmarshal(field, &payload) != nil {
			continue // A list.
		}
		if payload.Task != nil && payload.Task.ID != nil {
			known["id"], known["taskId"] = *payload.Task.ID, *payload.Task.ID
		}
		if payload.Reminder != nil {
			known["id"] = payload.Reminder.ID
		}
		if payload.Version != nil {
			known["version"] = *payload.Version
		}
	}
}
