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

// StatementCache says whether a connection keeps prepared statements.
type StatementCache string

// The three ways. The zero value is CacheAuto.
const (
	// CacheAuto keeps them on connections that prove to be sessions of their own, and so never behind a pooler in
	// transaction mode.
	CacheAuto StatementCache = "auto"
	// CacheOn keeps them without proof. Behind a pooler that shares sessions and does not track statements
	// (PgBouncer before 1.21, or without max_prepared_statements) it makes queries fail, or run as other queries.
	CacheOn StatementCache = "on"
	// CacheOff prepares every statement anew.
	CacheOff StatementCache = "off"
)

const (
	// defaultCacheSize is how many statements a connection keeps. The API needs fewer; the bound is for the shapes that
	// filters and orders combine to.
	defaultCacheSize = 256
	// maxStatementText is the longest text that is kept, in bytes. Longer ones are lists of many values, which differ
	// from one another.
	maxStatementText = 8 << 10
	// sightings is how many texts the pool remembers having seen once.
	sightings = 2048
	// lostLimit is how many statements may get lost before the cache concludes that sessions are shared after all.
	lostLimit = 3
	// proof is the parameter that a session is given at its start, to be asked for afterwards. PostgreSQL takes any
	// name with a dot.
	proof = "taskql.session"
)

// The errors of PostgreSQL that concern a prepared statement and not what it says.
const (
	stateNoStatement      = "26000" // The session lost it: DEALLOCATE ALL, DISCARD ALL, another session.
	stateStatementExists  = "42P05" // The session has another's: it is shared.
	stateUnsupported      = "0A000" // With the routine below: the result's columns changed under the statement.
	routineChangedColumns = "RevalidateCachedQuery"
)

// errRowsOpen says that a statement came while another's rows were being read on the same connection. lib/pq would
// mix up the two answers.
var errRowsOpen = errors.New("the rows of another query are still open on this connection")

// statements is what the connections of a pool share about prepared statements.
type statements struct {
	size int
	log  *slog.Logger
	name string
	// trusted takes every connection for a session of its own, without proof.
	trusted bool
	// off is set when the sessions turn out to be shared; for good.
	off atomic.Bool
	// generation grows whenever a statement turns out to be stale. Every statement that is older is prepared anew, so
	// that after a migration few queries and not all run into that.
	generation atomic.Uint64
	lost       atomic.Int64
	// seen are hashes of the texts that were run once: only what comes a second time is worth the round trip of
	// preparing it.
	seen *lru.Cache[uint64, struct{}]
	seed maphash.Seed
}

func newStatements(mode StatementCache, size int, name string, log *slog.Logger) (*statements, error) {
	seen, err := lru.New[uint64, struct{}](sightings)
	if err != nil {
		return nil, fmt.Errorf("making the list of statements seen: %w", err)
	}
	return &statements{
		size: cmp.Or(size, defaultCacheSize), log: log, name: name, trusted: mode == CacheOn, seen: seen, seed: maphash.MakeSeed(),
	}, nil
}

// again says whether the text was seen before.
func (s *statements) again(text string) bool {
	known, _ := s.seen.ContainsOrAdd(maphash.String(s.seed, text), struct{}{})
	return known
}

// disable turns the cache off for good.
func (s *statements) disable(ctx context.Context, why string) {
	if !s.off.Swap(true) {
		s.log.WarnContext(ctx, "prepared statements are not kept: connections share sessions, as behind a pooler in transaction mode",
			slog.String("database", s.name), slog.String("because", why))
	}
}

// cachingConnector makes lib/pq's connections keep their prepared statements: what ent writes is then one round trip,
// and planned once, where each query would be parsed and planned anew.
type cachingConnector struct {
	connector

	statements *statements
}

// caching returns the connector with a cache of statements. SQLite's needs none.
func caching(c driver.Connector, s *statements) driver.Connector {
	if c, ok := c.(connector); ok {
		return cachingConnector{connector: c, statements: s}
	}
	return c
}

// Connect opens one connection. Where that is not a session of its own, it keeps no statements.
func (c cachingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	s := c.statements
	if s.trusted {
		return s.wrap(c.connector.Connect(ctx))
	}
	if s.off.Load() {
		return c.connector.Connect(ctx)
	}
	// A session of one's own still has, after its start, the parameter that it was started with. A pooler refuses the
	// parameter or drops it, since the sessions were started before and for others. A proxy that only passes bytes on
	// lets it through.
	id := rand.Text()
	marked := c.connector
	marked.config = marked.config.Clone()
	marked.config.Runtime[proof] = id
	conn, err := marked.Connect(ctx)
	if refusesParameter(err) {
		plain, err := c.connector.Connect(ctx)
		if err == nil { // Else it was not that parameter.
			s.disable(ctx, "the server refuses a parameter that PostgreSQL takes")
		}
		return plain, err
	}
	if err != nil {
		return nil, err
	}
	own, err := hasParameter(ctx, conn, id)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asking whose session it is: %w", err), conn.Close())
	}
	if !own {
		s.disable(ctx, "the session lacks a parameter that it was started with")
		return conn, nil
	}
	return s.wrap(conn, nil)
}

// refusesParameter says whether the server refused to start a session because of what it was started with.
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

// hasParameter asks the session for the parameter.
func hasParameter(ctx context.Context, conn driver.Conn, id string) (bool, error) {
	queryer, ok := conn.(driver.QueryerContext)
	if !ok {
		return false, errNotPQ
	}
	rows, err := queryer.QueryContext(ctx, "SELECT coalesce(current_setting('"+proof+"', true), '')", nil)
	if err != nil {
		return false, err
	}
	var value [1]driver.Value
	if err := errors.Join(rows.Next(value[:]), rows.Close()); err != nil {
		return false, err
	}
	switch v := value[0].(type) {
	case string:
		return v == id, nil
	case []byte:
		return string(v) == id, nil
	}
	return false, nil
}

// wrap gives the connection its cache.
func (s *statements) wrap(conn driver.Conn, err error) (driver.Conn, error) {
	if err != nil {
		return nil, err
	}
	inner, ok := conn.(pqConn)
	if !ok {
		return nil, errors.Join(errNotPQ, conn.Close())
	}
	c := &cachingConn{pqConn: inner, shared: s}
	c.kept, err = simplelru.NewLRU(s.size, func(_ string, k kept) { c.drop(k) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the cache of statements: %w", err), conn.Close())
	}
	return c, nil
}

// errNotPQ says that lib/pq lost an interface.
var errNotPQ = errors.New("the driver's connection is not what lib/pq's was")

// pqConn is what lib/pq's connections are to database/sql.
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

// pqStmt is what lib/pq's prepared statements are.
type pqStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// kept is a prepared statement that stays.
type kept struct {
	stmt       pqStmt
	generation uint64
}

// cachingConn is a connection that keeps its prepared statements. Like every connection of database/sql it is used by
// one goroutine at a time.
type cachingConn struct {
	pqConn

	shared *statements
	kept   *simplelru.LRU[string, kept]
	// inTx says that a transaction is open: an error ends it, so that trying again is its owner's business.
	inTx bool
	// reading says that a query's rows are open.
	reading bool
	// broken says that the connection is in doubt and must not be used again.
	broken atomic.Bool
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

// PrepareContext implements driver.ConnPrepareContext: the statement is the caller's, and not kept.
func (c *cachingConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	if c.reading {
		return nil, errRowsOpen
	}
	return c.pqConn.PrepareContext(ctx, text)
}

// QueryContext implements driver.QueryerContext.
func (c *cachingConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := run(ctx, c, text,
		func() (driver.Rows, error) { return c.pqConn.QueryContext(ctx, text, args) },
		func(stmt pqStmt) (driver.Rows, error) { return stmt.QueryContext(ctx, args) })
	if err != nil {
		return nil, err
	}
	return c.read(ctx, rows)
}

// ExecContext implements driver.ExecerContext.
func (c *cachingConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return run(ctx, c, text,
		func() (driver.Result, error) { return c.pqConn.ExecContext(ctx, text, args) },
		func(stmt pqStmt) (driver.Result, error) { return stmt.ExecContext(ctx, args) })
}

// run runs a text as a statement that is kept, where it is worth it, else plainly. A statement that went stale is
// dropped and, outside of a transaction, run once more, plainly, so that another change can't come between preparing
// and running it. PostgreSQL says that a statement is stale before it runs anything.
func run[T any](ctx context.Context, c *cachingConn, text string, plain func() (T, error), prepared func(pqStmt) (T, error)) (T, error) {
	var none T
	if c.reading {
		return none, errRowsOpen
	}
	stmt, err := c.statement(ctx, text)
	if err != nil {
		return none, err
	}
	if stmt == nil {
		return plain()
	}
	result, err := prepared(stmt)
	if ctx.Err() != nil {
		c.broken.Store(true) // The request to cancel may still be on its way to the session.
		return result, err
	}
	if err == nil || !isStale(err) {
		return result, err
	}
	c.shared.generation.Add(1)
	c.kept.Remove(text)
	if isLost(err) && !c.shared.trusted && c.shared.lost.Add(1) >= lostLimit {
		c.shared.disable(ctx, "prepared statements get lost")
	}
	if c.inTx {
		return none, err
	}
	return plain()
}

// statement returns the text's prepared statement, nil where the text is to be run plainly.
func (c *cachingConn) statement(ctx context.Context, text string) (pqStmt, error) {
	if c.shared.off.Load() {
		c.kept.Purge()
		return nil, nil //nolint:nilnil // Run it plainly, as the comment says.
	}
	generation := c.shared.generation.Load()
	if k, ok := c.kept.Get(text); ok {
		if k.generation == generation {
			return k.stmt, nil
		}
		c.kept.Remove(text)
	} else if !worthKeeping(text) || !c.shared.again(text) {
		return nil, nil //nolint:nilnil // As above.
	}
	stmt, err := c.pqConn.PrepareContext(ctx, text)
	if err != nil {
		if isShared(err) {
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
	c.kept.Add(text, kept{stmt: prepared, generation: generation})
	return prepared, nil
}

// drop closes a statement that is no longer kept. Where sessions are shared, its name may be another's by now.
func (c *cachingConn) drop(k kept) {
	if c.shared.off.Load() {
		return
	}
	if err := k.stmt.Close(); err != nil {
		c.broken.Store(true)
	}
}

// worthKeeping says whether a text is a single statement that PostgreSQL plans. What has more, such as a migration,
// can't be prepared.
func worthKeeping(text string) bool {
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

// isStale says whether a prepared statement has to be prepared anew.
func isStale(err error) bool {
	var refused *pq.Error
	return errors.As(err, &refused) && (refused.Code == stateNoStatement ||
		refused.Code == stateUnsupported && refused.Routine == routineChangedColumns)
}

// isLost says whether the session does not know the prepared statement.
func isLost(err error) bool {
	var refused *pq.Error
	return errors.As(err, &refused) && refused.Code == stateNoStatement
}

// isShared says whether the session has a prepared statement of another connection.
func isShared(err error) bool {
	var refused *pq.Error
	return errors.As(err, &refused) && refused.Code == stateStatementExists
}

// read guards a query's rows: nothing else may be sent until they are closed.
func (c *cachingConn) read(ctx context.Context, rows driver.Rows) (driver.Rows, error) {
	inner, ok := rows.(pqRows)
	if !ok {
		return nil, errors.Join(errNotPQ, rows.Close())
	}
	c.reading = true
	return &guardedRows{pqRows: inner, ctx: ctx, conn: c}, nil
}

// pqRows is what lib/pq's rows are to database/sql.
type pqRows interface {
	driver.Rows
	driver.RowsNextResultSet
	driver.RowsColumnTypeScanType
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypePrecisionScale
}

// guardedRows tells the connection when they are closed.
type guardedRows struct {
	pqRows

	ctx  context.Context //nolint:containedctx // The query's, which lasts as long as its rows.
	conn *cachingConn
}

// Close implements driver.Rows.
func (r *guardedRows) Close() error {
	r.conn.reading = false
	err := r.pqRows.Close()
	if r.ctx.Err() != nil {
		r.conn.broken.Store(true) // As in run.
	}
	return err
}
