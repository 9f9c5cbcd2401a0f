package graphqlhttp

import (
	"fmt"
	"strings"
	"testing"
)

func TestManifests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, manifest, want string }{
		{"Relay's", `{"b":"{hello}","a":"{number}"}`, "a={number} b={hello}"},
		{"Apollo's", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"x","name":"Q","type":"query","body":"query Q {hello}"}]}`, "x=query Q {hello}"},
		{"no JSON", `nope`, "error: a manifest is a JSON object"},
		{"a list", `[]`, "error: a manifest is a JSON object"},
		{"nothing", `{}`, "error: the manifest has no document"},
		{"an id twice", `{"a":"{hello}","a":"{number}"}`, "error: a manifest is"},
		{"a number", `{"a":1}`, "error: the manifest has entries that can't be read: 1\n  \"a\" must be a document's text"},
		{"several", `{"c":"","b":"{hello}","a":1}`, "b={hello} error: the manifest has entries that can't be read: 2\n  \"a\" must be a document's text\n  \"c\" must be a document's text"},
		{"another format", `{"format":"x","version":1,"operations":[]}`, "error: the manifest's format must be"},
		{"another version", `{"format":"apollo-persisted-query-manifest","version":2,"operations":[]}`, "error: the manifest's version must be 1"},
		{"no body", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"x"}]}`, "error: the manifest has entries that can't be read: 1\n  operations[0] must be an object with an id and a body"},
		{"several of Apollo's", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[7,{"body":"{hello}"},{"id":"x","body":"{hello}"},{"id":"y","body":1}]}`, "x={hello} error: the manifest has entries that can't be read: 3\n  operations[0] must be an object with an id and a body\n  operations[1] must be an object with an id and a body\n  operations[3] must be"},
		{"no operations", `{"format":"apollo-persisted-query-manifest","version":1}`, "error: the manifest's operations must be a list"},
		{"no operation of Apollo's", `{"format":"apollo-persisted-query-manifest","version":1,"operations":[]}`, "error: the manifest has no document"},
	} {
		documents, err := ParseManifest([]byte(tt.manifest))
		var got []string
		for _, d := range documents {
			got = append(got, d.ID+"="+d.Text)
		}
		text := strings.Join(got, " ")
		if err != nil {
			text = strings.TrimSpace(text + " error: " + err.Error())
		}
		if text != tt.want && (err == nil || !strings.HasPrefix(text, tt.want)) {
			t.Errorf("%s: got %s, want %s", tt.name, text, tt.want)
		}
	}
}

// The error lists the problems of all trusted documents, with the operations' names.
func TestBadTrustedDocuments(t *testing.T) {
	t.Parallel()
	_, err := New(Config{
		Schema: testSchema(), PresentError: present, Recover: recovered, MaxBodyBytes: 1,
		Scalars: map[string]CheckScalar{"String": func(any) error { return fmt.Errorf("is never right") }},
		TrustedDocuments: []TrustedDocument{
			{"a", `query Good { hello }`},
			{"b", `query Old { helo nope }`},
			{"c", `{`},
			{"d", `fragment F on Query { hello }`},
			{"a", `query Twice { hello }`},
			{"e", `query Scalar { hello(name: "x") }`},
		},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"problems: 6", `Old (b): input:1:13: Cannot query field "helo" on type "Query". Did you mean "hello"?`, `Old (b): input:1:18: Cannot query field "nope"`,
		"a document without a name (c): ", "a document without a name (d): input: The document has no operation", "Twice (a): its id is another document's too", "Scalar (e): input:1:29: name is never right",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "Good") {
		t.Errorf("a good one is named: %v", err)
	}
}
