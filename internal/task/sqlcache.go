package task

import (
	"slices"
	"strings"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
)

// maxCachedSQL is how many statements the cache holds. The hot ones are few; clients may ask for many others.
const maxCachedSQL = 512

// sqlCache caches the SQL of statements: ent's builder takes longer to write one than PostgreSQL takes to read a row.
type sqlCache struct{ entries *lru.Cache[string, cachedSQL] }

// cachedSQL is a statement, with its arguments after the workspace's id.
type cachedSQL struct {
	sql  string
	args []any
}

// queryKey identifies a statement, together with its columns.
type queryKey struct {
	// name determines the SQL. It also determines all arguments, except the workspace's id and args. If it is empty, the
	// statement is not cached.
	name string
	// args are the arguments after the workspace's id, or nil if the name determines them.
	args []any
}

func newSQLCache() sqlCache {
	entries, err := lru.New[string, cachedSQL](maxCachedSQL)
	if err != nil { // only for a size below 1
		panic(err)
	}
	return sqlCache{entries: entries}
}

// query returns the statement for a workspace, and calls build if it is not cached. The statement's first argument must be
// the workspace's id.
func (c sqlCache) query(of queryKey, columns []string, workspace string, build func() (string, []any)) (string, []any) {
	if of.name == "" {
		return build()
	}
	var key strings.Builder
	size := len(of.name)
	for _, c := range columns {
		size += len(c) + 1
	}
	key.Grow(size)
	key.WriteString(of.name)
	for _, c := range columns {
		key.WriteByte(' ')
		key.WriteString(c)
	}
	if cached, ok := c.entries.Get(key.String()); ok {
		args := cached.args
		if of.args != nil {
			args = of.args
		}
		return cached.sql, append(append(make([]any, 0, len(args)+1), workspace), args...)
	}
	sql, args := build()
	if len(args) == 0 || args[0] != any(workspace) || (of.args != nil && !slices.Equal(args[1:], of.args)) {
		return sql, args // The key doesn't determine the arguments, so the statement can't be cached.
	}
	c.entries.Add(key.String(), cachedSQL{sql: sql, args: slices.Clone(args[1:])})
	return sql, args
}

// keyOfIDs returns the key of a statement whose only argument except the workspace's id is what among makes of the ids. The
// SQL for one id is another than that for several.
func (s *Service) keyOfIDs(one, several string, ids []uuid.UUID) queryKey {
	if len(ids) == 1 {
		return queryKey{name: one, args: []any{ids[0]}}
	}
	return queryKey{name: several, args: []any{idList(s.dialect, ids)}}
}
