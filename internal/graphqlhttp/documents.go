package graphqlhttp

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

const (
	// maxRegistered is the length of the longest document that a client can register by its hash.
	maxRegistered = 64 << 10
	// registeredBytes bounds the memory of all registered documents.
	registeredBytes = 8 << 20
)

// documentStore holds the documents that clients can name instead of sending them.
type documentStore struct {
	trusted     map[string]*trustedDocument // by id
	trustedOnly bool                        // every other document is refused
	registered  *byteLRU[string]            // by SHA-256; nil: clients can't register documents
}

// trustedDocument is a document of the manifest, parsed and validated when the server starts.
type trustedDocument struct {
	text     string
	document *document
}

func newDocumentStore(cfg Config) (*documentStore, error) {
	trusted, err := parseTrusted(newValidator(cfg.Schema.Schema(), cfg.Scalars, cfg.Rules, true), cfg.TrustedDocuments)
	if err != nil {
		return nil, err
	}
	if cfg.TrustedOnly && len(cfg.TrustedDocuments) == 0 {
		return nil, errors.New("graphqlhttp: TrustedOnly needs TrustedDocuments")
	}
	s := &documentStore{trusted: trusted, trustedOnly: cfg.TrustedOnly}
	if cfg.AutomaticPersistedQueries {
		s.registered = newByteLRU[string](registeredBytes)
	}
	return s, nil
}

// find sets the operation's query to its document's text, or returns why it has none.
func (s *documentStore) find(op *operation) *requestError {
	id := cmp.Or(op.documentID, op.persistedHash)
	if trusted := s.trusted[strings.TrimPrefix(id, "sha256:")]; trusted != nil {
		return op.useTrusted(trusted)
	}
	if trusted := s.trusted[id]; trusted != nil {
		return op.useTrusted(trusted)
	}
	sent := op.query != ""
	switch {
	case s.trustedOnly && (sent || id == ""):
		return persistedQueryIDRequired()
	case id == "" && !sent:
		return badRequest("query is missing: send the GraphQL document in it.")
	case id == "":
		return nil
	case op.documentID == "" && s.registered != nil:
		return s.findRegistered(op)
	case sent:
		return nil // The id is another server's, and isn't needed.
	case len(s.trusted) == 0 && s.registered == nil:
		return persistedQueryNotSupported()
	default:
		return persistedQueryNotFound()
	}
}

// useTrusted makes a trusted document the operation's. Another document sent beside its id is refused.
func (op *operation) useTrusted(trusted *trustedDocument) *requestError {
	if op.query != "" && op.query != trusted.text {
		return badRequest("query is another document than the one that its id names.")
	}
	op.query, op.trusted = trusted.text, trusted
	return nil
}

// findRegistered finds a document by its hash. If the client sends both, the document is to be registered once it is known
// to be valid.
func (s *documentStore) findRegistered(op *operation) *requestError {
	if op.query == "" {
		text, ok := s.registered.get(op.persistedHash)
		if !ok {
			return persistedQueryNotFound()
		}
		op.query = text
		return nil
	}
	if sum := sha256.Sum256([]byte(op.query)); hex.EncodeToString(sum[:]) != op.persistedHash {
		return badRequest("extensions.persistedQuery.sha256Hash is not the SHA-256 of query in small hexadecimal digits.")
	}
	op.register = len(op.query) <= maxRegistered
	return nil
}

// register registers the operation's document if the client asked for that. The operation must be valid and allowed.
func (s *documentStore) register(op *operation) {
	if op.register && s.registered != nil {
		s.registered.add(op.persistedHash, op.query, int64(len(op.query)))
	}
}
