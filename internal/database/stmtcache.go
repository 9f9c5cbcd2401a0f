package database

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/lib/pq"
)

// StatementCache says whether connections keep prepared statements.
type StatementCache string

// The modes of the cache. The zero value means CacheAuto.
const (
	// CacheAuto keeps prepared statements on connections that prove to have a session of their own. Behind a pooler in
	// transaction mode none has.
	CacheAuto StatementCache = "auto"
	// CacheOn keeps them on all connections. Behind a pooler that shares sessions and does not track statements
	// (PgBouncer before 1.21, or without max_prepared_statements), queries fail, or run as other queries.
	CacheOn StatementCache = "on"
	// CacheOff keeps none.
	CacheOff StatementCache = "off"
)

const (
	// defaultCacheSize is how many statements a connection keeps. The API has fewer, apart from the combinations of
	// filters and orders.
	defaultCacheSize = 256
	// maxStatementText is the length in bytes of the longest statement that is kept. Longer ones hold long lists of
	// values, and are hardly ever repeated.
	maxStatementText = 8 << 10
	// seenSize is how many statements the cache remembers having seen.
	seenSize = 2048
	// lostLimit is how many statements may get lost before the cache concludes that sessions are shared after all.
	lostLimit = 3
	// sessionMarker is a parameter that marks a session when it is started. PostgreSQL accepts any name with a dot.
	sessionMarker = "taskql.session"
)

// PostgreSQL's errors about a prepared statement, as opposed to errors of the statement itself.
const (
	stateNoStatement      = "26000" // The session doesn't know it: after DEALLOCATE ALL or DISCARD ALL, or because it is another session.
	stateStatementExists  = "42P05" // The session has a statement of another connection: the session is shared.
	stateUnsupported      = "0A000" // With routineChangedColumns: the result's columns have changed since it was prepared.
	routineChangedColumns = "RevalidateCachedQuery"
)

// errRowsOpen is returned for a statement on a connection whose last query still has open rows. lib/pq would mix up the two
// answers.
var errRowsOpen = errors.New("the rows of another query are still open on this connection")

// errNotPQ is returned if a connection, statement or rows lack an interface that lib/pq's implement.
var errNotPQ = errors.New("the driver's connection lacks an interface that lib/pq's connections implement")

// stmtCache is the part of the statement cache that the connections of a pool share.
type stmtCache struct {
	size int
	log  *slog.Logger
	name string
	// unverified is CacheOn: connections don't have to prove that their sessions are their own.
	unverified bool
	// off is set, for good, if sessions turn out to be shared.
	off atomic.Bool
	// generation is incremented if a statement turns out to be stale. Statements of an earlier generation are prepared
	// again, so that after a migration only a few queries meet a stale statement.
	generation atomic.Uint64
	// lost counts the statements that sessions did not know.
	lost atomic.Int64
	// seen holds the hashes of statements that were run. Preparing takes a round trip, which only a statement that comes
	// a second time is worth.
	seen *lru.Cache[uint64, struct{}]
	seed maphash.Seed
}

func newStmtCache(mode StatementCache, size int, name string, log *slog.Logger) (*stmtCache, error) {
	seen, err := lru.New[uint64, struct{}](seenSize)
	if err != nil {
		return nil, fmt.Errorf("making the set of statements seen: %w", err)
	}
	return &stmtCache{
		size: cmp.Or(size, defaultCacheSize), log: log, name: name, unverified: mode == CacheOn, seen: seen, seed: maphash.MakeSeed(),
	}, nil
}

// seenBefore reports whether the statement was seen before, and remembers it.
func (s *stmtCache) seenBefore(text string) bool {
	seen, _ := s.seen.ContainsOrAdd(maphash.String(s.seed, text), struct{}{})
	return seen
}

// disable turns the cache off for good.
func (s *stmtCache) disable(ctx context.Context, why string) {
	if !s.off.Swap(true) {
		s.log.WarnContext(ctx, "prepared statements are not kept: connections share sessions, as behind a pooler in transaction mode",
			slog.String("database", s.name), slog.String("because", why))
	}
}

// cachingConnector makes connections that keep their prepared statements. A repeated statement then takes one round trip
// and is not parsed and planned again.
type cachingConnector struct {
	connector

	cache *stmtCache
}

// withStmtCache returns c with a statement cache, if it is PostgreSQL's.
func withStmtCache(c driver.Connector, cache *stmtCache) driver.Connector {
	if c, ok := c.(connector); ok {
		return cachingConnector{connector: c, cache: cache}
	}
	return c
}

// Connect opens a connection. It keeps prepared statements if its session is its own.
//
// To find out, Connect starts the session with a marker and asks for the marker afterwards. A pooler refuses the parameter
// or drops it, because its sessions were started before, for other clients. A proxy that only forwards bytes lets it
// through.
func (c cachingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	switch {
	case c.cache.unverified:
		conn, err := c.connector.Connect(ctx)
		if err != nil {
			return nil, err
		}
		return newCachingConn(conn, c.cache)
	case c.cache.off.Load():
		return c.connector.Connect(ctx)
	}
	marker := rand.Text()
	marked := c.connector
	marked.config = marked.config.Clone()
	marked.config.Runtime[sessionMarker] = marker
	conn, err := marked.Connect(ctx)
	if refusesParameter(err) {
		conn, err := c.connector.Connect(ctx)
		if err == nil { // Otherwise the marker was not the reason.
			c.cache.disable(ctx, "the server refuses a parameter that PostgreSQL takes")
		}
		return conn, err
	}
	if err != nil {
		return nil, err
	}
	own, err := hasMarker(ctx, conn, marker)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asking whose session it is: %w", err), conn.Close())
	}
	if !own {
		c.cache.disable(ctx, "the session lacks a parameter that it was started with")
		return conn, nil
	}
	return newCachingConn(conn, c.cache)
}

// refusesParameter reports whether the server refused a parameter that the session was to be started with.
func refusesParameter(err error) bool {
	var refused *pq.Error
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.Code.Class() {
	case "08", "0A", "22", "42":
		return true
	}
	return false
}

// hasMarker reports whether the session has the marker.
func hasMarker(ctx context.Context, conn driver.Conn, marker string) (bool, error) {
	queryer, ok := conn.(driver.QueryerContext)
	if !ok {
		return false, errNotPQ
	}
	rows, err := queryer.QueryContext(ctx, "SELECT coalesce(current_setting('"+sessionMarker+"', true), '')", nil)
	if err != nil {
		return false, err
	}
	var value [1]driver.Value
	if err := errors.Join(rows.Next(value[:]), rows.Close()); err != nil {
		return false, err
	}
	switch v := value[0].(type) {
	case string:
		return v == marker, nil
	case []byte:
		return string(v) == marker, nil
	}
	return false, nil
}

// pqConn is what lib/pq's connections implement.
type pqConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// pqStmt is what lib/pq's prepared statements implement.
type pqStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// cachedStmt is a prepared statement in a connection's cache.
type cachedStmt struct {
	stmt       pqStmt
	generation uint64
}

// cachingConn is a connection that keeps its prepared statements. Like any driver.Conn it is used by one goroutine at a
// time.
type cachingConn struct {
	pqConn

	shared *stmtCache
	stmts  *simplelru.LRU[string, cachedStmt]
	// inTx reports that a transaction is open. An error aborts it, so retrying is up to the transaction's owner.
	inTx bool
	// rowsOpen reports that a query's rows are open.
	rowsOpen bool
	// broken reports that the connection's state is unknown, so that it must not be used again.
	broken atomic.Bool
}

// newCachingConn returns conn with a cache of statements. If that fails, it closes conn.
func newCachingConn(conn driver.Conn, shared *stmtCache) (driver.Conn, error) {
	inner, ok := conn.(pqConn)
	if !ok {
		return nil, errors.Join(errNotPQ, conn.Close())
	}
	c := &cachingConn{pqConn: inner, shared: shared}
	stmts, err := simplelru.NewLRU(shared.size, func(_ string, s cachedStmt) { c.closeEvicted(s) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the cache of statements: %w", err), conn.Close())
	}
	c.stmts = stmts
	return c, nil
}

// IsValid implements driver.Validator.
func (c *cachingConn) IsValid() bool { return !c.broken.Load() && c.pqConn.IsValid() }

// ResetSession implements driver.SessionResetter.
func (c *cachingConn) ResetSession(ctx context.Context) error {
	if c.broken.Load() {
		return driver.ErrBadConn
	}
	return c.pqConn.ResetSession(ctx)
}

// BeginTx implements driver.ConnBeginTx.
func (c *cachingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.pqConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	c.inTx = true
	return cachingTx{Tx: tx, conn: c}, nil
}

type cachingTx struct {
	driver.Tx

	conn *cachingConn
}

// Commit implements driver.Tx.
func (t cachingTx) Commit() error {
	t.conn.inTx = false
	return t.Tx.Commit()
}

// Rollback implements driver.Tx.
func (t cachingTx) Rollback() error {
	t.conn.inTx = false
	return t.Tx.Rollback()
}

// PrepareContext implements driver.ConnPrepareContext. The statement is the caller's, and not cached.
func (c *cachingConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	if c.rowsOpen {
		return nil, errRowsOpen
	}
	return c.pqConn.PrepareContext(ctx, text)
}

// QueryContext implements driver.QueryerContext.
func (c *cachingConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := runCached(ctx, c, text,
		func() (driver.Rows, error) { return c.pqConn.QueryContext(ctx, text, args) },
		func(stmt pqStmt) (driver.Rows, error) { return stmt.QueryContext(ctx, args) })
	if err != nil {
		return nil, err
	}
	return c.guardRows(ctx, rows)
}

// ExecContext implements driver.ExecerContext.
func (c *cachingConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return runCached(ctx, c, text,
		func() (driver.Result, error) { return c.pqConn.ExecContext(ctx, text, args) },
		func(stmt pqStmt) (driver.Result, error) { return stmt.ExecContext(ctx, args) })
}

// runCached runs a statement: prepared if it is cached or worth it, and unprepared otherwise. A prepared statement that
// turns out to be stale is closed and, outside of a transaction, run unprepared, so that no other change of the schema can
// come between preparing and running it. PostgreSQL reports a stale statement before it runs anything.
func runCached[T any](ctx context.Context, c *cachingConn, text string, unprepared func() (T, error), prepared func(pqStmt) (T, error)) (T, error) {
	var zero T
	if c.rowsOpen {
		return zero, errRowsOpen
	}
	stmt, err := c.statement(ctx, text)
	if err != nil {
		return zero, err
	}
	if stmt == nil {
		return unprepared()
	}
	result, err := prepared(stmt)
	if ctx.Err() != nil {
		c.broken.Store(true) // The request to cancel may reach the session later, during another statement.
		return result, err
	}
	if err == nil || !isStale(err) {
		return result, err
	}
	c.shared.generation.Add(1)
	c.stmts.Remove(text)
	if isUnknownStatement(err) && !c.shared.unverified && c.shared.lost.Add(1) >= lostLimit {
		c.shared.disable(ctx, "prepared statements get lost")
	}
	if c.inTx {
		return zero, err
	}
	return unprepared()
}

// statement returns the prepared statement for text. It returns nil if the text is to be run unprepared.
func (c *cachingConn) statement(ctx context.Context, text string) (pqStmt, error) {
	if c.shared.off.Load() {
		c.stmts.Purge()
		return nil, nil //nolint:nilnil // Run it unprepared, as the comment says.
	}
	generation := c.shared.generation.Load()
	if s, ok := c.stmts.Get(text); ok {
		if s.generation == generation {
			return s.stmt, nil
		}
		c.stmts.Remove(text)
	} else if !cacheable(text) || !c.shared.seenBefore(text) {
		return nil, nil //nolint:nilnil // As above.
	}
	stmt, err := c.pqConn.PrepareContext(ctx, text)
	if err != nil {
		if isSharedSession(err) {
			c.shared.disable(ctx, "a session has another's prepared statements")
			if !c.inTx {
				return nil, nil //nolint:nilnil // As above.
			}
		}
		return nil, err
	}
	prepared, ok := stmt.(pqStmt)
	if !ok {
		return nil, errors.Join(errNotPQ, stmt.Close())
	}
	c.stmts.Add(text, cachedStmt{stmt: prepared, generation: generation})
	return prepared, nil
}

// closeEvicted closes a statement that was evicted. If sessions are shared, it doesn't: another connection's statement may
// have the same name.
func (c *cachingConn) closeEvicted(s cachedStmt) {
	if c.shared.off.Load() {
		return
	}
	if err := s.stmt.Close(); err != nil {
		c.broken.Store(true)
	}
}

// cacheable reports whether the text is a single statement that PostgreSQL plans. Several statements, as in a migration,
// can't be prepared.
func cacheable(text string) bool {
	if len(text) > maxStatementText || strings.Contains(text, ";") {
		return false
	}
	verb, _, _ := strings.Cut(text, " ")
	switch verb {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}

// isStale reports whether a prepared statement has to be prepared again.
func isStale(err error) bool {
	var refused *pq.Error
	return errors.As(err, &refused) && (refused.Code == stateNoStatement ||
		refused.Code == stateUnsupported && refused.Routine == routineChangedColumns)
}

// isUnknownStatement reports whether the session does not know the prepared statement.
func isUnknownStatement(err error) bool {
	var refused *pq.Error
	return errors.As(err, &refused) && refused.Code == stateNoStatement
}

// isSharedSession reports whether the session has a prepared statement of another connection.
func isSharedSession(err error) bool {
	var refused *pq.Error
	return errors.As(err, &refused) && refused.Code == stateStatementExists
}

// guardRows returns rows that keep the connection from running anything else until they are closed.
func (c *cachingConn) guardRows(ctx context.Context, rows driver.Rows) (driver.Rows, error) {
	inner, ok := rows.(pqRows)
	if !ok {
		return nil, errors.Join(errNotPQ, rows.Close())
	}
	c.rowsOpen = true
	return &guardedRows{pqRows: inner, ctx: ctx, conn: c}, nil
}

// pqRows is what lib/pq's rows implement.
type pqRows interface {
	driver.Rows
	driver.RowsNextResultSet
	driver.RowsColumnTypeScanType
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypePrecisionScale
}

// guardedRows are the rows of a cachingConn.
type guardedRows struct {
	pqRows

	ctx  context.Context //nolint:containedctx // The query's, which lasts as long as its rows.
	conn *cachingConn
}

// Close implements driver.Rows.
func (r *guardedRows) Close() error {
	r.conn.rowsOpen = false
	err := r.pqRows.Close()
	if r.ctx.Err() != nil {
		r.conn.broken.Store(true) // As in runCached.
	}
	return err
}
