package graphqlhttp

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
)

const (
	// cachedDocuments is the most parsed documents kept.
	cachedDocuments = 100
	// maxCachedBytes is the longest document kept. A parsed document takes some thirty times its text, so
	// long ones, which real clients don't send, must not fill the memory.
	maxCachedBytes = 8 << 10
)

// documentCache keeps parsed and validated documents by their text.
type documentCache struct {
	graphql.Cache[*ast.QueryDocument]
}

func newDocumentCache() documentCache {
	return documentCache{lru.New[*ast.QueryDocument](cachedDocuments)}
}

// Add keeps a document, unless it is too long.
func (c documentCache) Add(ctx context.Context, text string, document *ast.QueryDocument) {
	if len(text) <= maxCachedBytes {
		c.Cache.Add(ctx, text, document)
	}
}
