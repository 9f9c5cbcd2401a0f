package graphqlhttp

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
)

const (
	// maxRegistered is the longest document that a client may have kept by its hash, in bytes.
	maxRegistered = 64 << 10
	// registeredBytes bounds all of them together.
	registeredBytes = 8 << 20
	// apolloManifest is the format of Apollo's generate-persisted-query-manifest.
	apolloManifest = "apollo-persisted-query-manifest"
)

// TrustedDocument is a document of a manifest, which clients name instead of sending it.
type TrustedDocument struct {
	// ID is what clients name it by: a hash of the text, as a rule.
	ID string
	// Text is the GraphQL document.
	Text string
}

// ParseManifest reads the documents that a client's build has written: an object from hash to document, as Relay's
// persistConfig writes, or Apollo's format apollo-persisted-query-manifest. The documents come in the order of their ids
// and are not looked at: CheckTrusted does that. Where entries can't be read, the error names them all, and the others
// come beside it.
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

// relayDocuments returns the documents, and what is wrong with the other entries.
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

// apolloDocuments returns the same of Apollo's format.
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

// CheckTrusted returns all that is wrong with trusted documents, nil where nothing is: New would refuse them.
func CheckTrusted(schema *ast.Schema, scalars map[string]CheckScalar, documents []TrustedDocument) error {
	_, err := examineAll(newValidator(schema, scalars, true), documents)
	return err
}

// trustedDocument is one that was parsed and validated at the start.
type trustedDocument struct {
	text  string
	known *knownDocument
}

// documents finds a request's document.
type documents struct {
	trusted    map[string]*trustedDocument // by id
	only       bool                        // nothing else runs
	registered *byteLRU[string]            // by SHA-256; nil: clients register nothing
}

func newDocuments(cfg Config) (*documents, error) {
	trusted, err := examineAll(newValidator(cfg.Schema.Schema(), cfg.Scalars, true), cfg.TrustedDocuments)
	if err != nil {
		return nil, err
	}
	d := &documents{trusted: trusted, only: cfg.TrustedOnly}
	if cfg.TrustedOnly && len(cfg.TrustedDocuments) == 0 {
		return nil, errors.New("graphqlhttp: TrustedOnly needs TrustedDocuments")
	}
	if cfg.AutomaticPersistedQueries {
		d.registered = newByteLRU[string](registeredBytes)
	}
	return d, nil
}

// examineAll returns the documents by their ids, or all that is wrong with them.
func examineAll(check *validator, documents []TrustedDocument) (map[string]*trustedDocument, error) {
	trusted := map[string]*trustedDocument{}
	var problems []string
	for _, given := range documents {
		document, found := examine(check, given.Text)
		if trusted[given.ID] != nil {
			found = append(found, "its id is another document's too")
		}
		for _, problem := range found {
			problems = append(problems, fmt.Sprintf("\n  %s (%s): %s", nameOf(document), given.ID, problem))
		}
		trusted[given.ID] = &trustedDocument{text: given.Text, known: document}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("the trusted documents don't fit this schema; problems: %d%s", len(problems), strings.Join(problems, ""))
	}
	return trusted, nil
}

// examine parses and validates a document and returns all that is wrong with it.
func examine(check *validator, text string) (*knownDocument, []string) {
	document, err := parseDocument(text)
	if err != nil {
		return nil, []string{err.Error()}
	}
	known := &knownDocument{document: document}
	var problems []string
	for _, err := range check.validate(known) {
		problems = append(problems, err.Error())
	}
	return known, problems
}

// nameOf is what a person knows a document by.
func nameOf(known *knownDocument) string {
	if known == nil || len(known.document.Operations) == 0 || known.document.Operations[0].Name == "" {
		return "a document without a name"
	}
	return known.document.Operations[0].Name
}

// find puts the document's text into the request, or says why there is none.
func (d *documents) find(req *incoming) *requestFault {
	id := cmp.Or(req.documentID, req.persisted.sha256Hash)
	if known := d.trusted[strings.TrimPrefix(id, "sha256:")]; known != nil {
		return req.trust(known)
	}
	if known := d.trusted[id]; known != nil {
		return req.trust(known)
	}
	sent := req.params.Query != ""
	switch {
	case d.only && (sent || id == ""):
		return persistedQueryIDRequired()
	case id == "" && !sent:
		return badRequest("query is missing: send the GraphQL document in it.")
	case id == "":
		return nil
	case req.documentID == "" && d.registered != nil:
		return d.automatic(req)
	case sent:
		return nil // The name is one of somebody else's, and not needed.
	case len(d.trusted) == 0 && d.registered == nil:
		return persistedQueryNotSupported()
	default:
		return persistedQueryNotFound()
	}
}

// trust makes the request one for a trusted document.
func (r *incoming) trust(known *trustedDocument) *requestFault {
	if r.params.Query != "" && r.params.Query != known.text {
		return badRequest("query is another document than the one that its id names.")
	}
	r.params.Query, r.trusted = known.text, known
	return nil
}

// automatic serves a document by its hash, and has one that came with it kept when it has proved valid.
func (d *documents) automatic(req *incoming) *requestFault {
	if req.params.Query == "" {
		text, ok := d.registered.get(req.persisted.sha256Hash)
		if !ok {
			return persistedQueryNotFound()
		}
		req.params.Query = text
		return nil
	}
	if sum := sha256.Sum256([]byte(req.params.Query)); hex.EncodeToString(sum[:]) != req.persisted.sha256Hash {
		return badRequest("extensions.persistedQuery.sha256Hash is not the SHA-256 of query in small hexadecimal digits.")
	}
	req.register = len(req.params.Query) <= maxRegistered
	return nil
}

// keep registers the request's document, once that is known to be valid and allowed.
func (d *documents) keep(req *incoming) {
	if req.register && d.registered != nil {
		d.registered.add(req.persisted.sha256Hash, req.params.Query, int64(len(req.params.Query)))
	}
}
