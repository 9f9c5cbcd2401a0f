package graphqlhttp

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// apolloManifest is the format of Apollo's generate-persisted-query-manifest.
const apolloManifest = "apollo-persisted-query-manifest"

// TrustedDocument is a document of a manifest, which clients name instead of sending it.
type TrustedDocument struct {
	// ID is what clients send: usually a hash of the text.
	ID string
	// Text is the GraphQL document.
	Text string
}

// ParseManifest parses a manifest that a client's build has written: an object from hash to document, as Relay's
// persistConfig writes, or Apollo's format apollo-persisted-query-manifest. It returns the documents sorted by id, without
// checking them: CheckTrusted does that. If entries can't be read, the error names them all, and the other documents are
// returned with it.
func ParseManifest(manifest []byte) ([]TrustedDocument, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(manifest, &members); err != nil {
		return nil, fmt.Errorf("a manifest is a JSON object from hash to document, or Apollo's: %w", err)
	}
	read := relayDocuments
	if members["format"] != nil {
		read = apolloDocuments
	}
	documents, bad, err := read(members)
	switch {
	case err != nil:
		return nil, err
	case len(bad) > 0:
		err = fmt.Errorf("the manifest has entries that can't be read: %d\n  %s", len(bad), strings.Join(bad, "\n  "))
	case len(documents) == 0:
		err = errors.New("the manifest has no document")
	}
	slices.SortFunc(documents, func(a, b TrustedDocument) int { return cmp.Compare(a.ID, b.ID) })
	return documents, err
}

// relayDocuments returns the documents of a manifest in Relay's format, and what is wrong with the other entries.
func relayDocuments(members map[string]jsontext.Value) ([]TrustedDocument, []string, error) {
	var documents []TrustedDocument
	var bad []string
	for id, value := range members {
		var text string
		if err := json.Unmarshal(value, &text); err != nil || text == "" {
			bad = append(bad, fmt.Sprintf("%q must be a document's text", id))
			continue
		}
		documents = append(documents, TrustedDocument{ID: id, Text: text})
	}
	slices.Sort(bad)
	return documents, bad, nil
}

// apolloDocuments returns the documents of a manifest in Apollo's format, and what is wrong with the other entries.
func apolloDocuments(members map[string]jsontext.Value) ([]TrustedDocument, []string, error) {
	var format string
	if err := json.Unmarshal(members["format"], &format); err != nil || format != apolloManifest {
		return nil, nil, fmt.Errorf("the manifest's format must be %q", apolloManifest)
	}
	if version := string(members["version"]); version != "1" {
		return nil, nil, errors.New("the manifest's version must be 1")
	}
	var operations []jsontext.Value
	if err := json.Unmarshal(members["operations"], &operations); err != nil {
		return nil, nil, errors.New("the manifest's operations must be a list of objects with id and body")
	}
	var documents []TrustedDocument
	var bad []string
	for i, value := range operations {
		var operation struct {
			ID   string `json:"id"`
			Body string `json:"body"`
		}
		if err := json.Unmarshal(value, &operation); err != nil || operation.ID == "" || operation.Body == "" {
			bad = append(bad, fmt.Sprintf("operations[%d] must be an object with an id and a body", i))
			continue
		}
		documents = append(documents, TrustedDocument{ID: operation.ID, Text: operation.Body})
	}
	return documents, bad, nil
}

// CheckTrusted returns all problems of the trusted documents, or nil if New would accept them.
func CheckTrusted(schema *ast.Schema, scalars map[string]CheckScalar, rules []core.Rule, documents []TrustedDocument) error {
	_, err := parseTrusted(newValidator(schema, scalars, rules, true), documents)
	return err
}

// parseTrusted parses and validates the documents. It returns them by id, or an error that lists all problems.
func parseTrusted(check *documentValidator, documents []TrustedDocument) (map[string]*trustedDocument, error) {
	trusted := map[string]*trustedDocument{}
	var problems []string
	for _, given := range documents {
		parsed, found := parseAndValidate(check, given.Text)
		if trusted[given.ID] != nil {
			found = append(found, "its id is another document's too")
		}
		for _, problem := range found {
			problems = append(problems, fmt.Sprintf("\n  %s (%s): %s", operationName(parsed), given.ID, problem))
		}
		trusted[given.ID] = &trustedDocument{text: given.Text, document: parsed}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("the trusted documents don't fit this schema; problems: %d%s", len(problems), strings.Join(problems, ""))
	}
	return trusted, nil
}

// parseAndValidate parses and validates a document, and returns all its problems.
func parseAndValidate(check *documentValidator, text string) (*document, []string) {
	tree, err := parseDocument(text)
	if err != nil {
		return nil, []string{err.Error()}
	}
	parsed := &document{tree: tree}
	var problems []string
	for _, err := range check.validate(parsed) {
		problems = append(problems, err.Error())
	}
	return parsed, problems
}

// operationName returns the name of the document's first operation, for messages.
func operationName(parsed *document) string {
	if parsed == nil || len(parsed.tree.Operations) == 0 || parsed.tree.Operations[0].Name == "" {
		return "a document without a name"
	}
	return parsed.tree.Operations[0].Name
}
