package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

var (
	// ErrFileGone is returned for a change if the SQLite file was removed or replaced while it was open. Nothing was changed.
	ErrFileGone = errors.New("the SQLite file was removed or replaced while the server ran")
	// errChangeLost is returned for a change during which that happened.
	errChangeLost = errors.New("the SQLite file was removed or replaced while a change was written")
)

// sqliteFile watches the files of an open database. SQLite goes on in a file that nobody can open any more, and what it
// writes there is lost when the server stops.
type sqliteFile struct {
	path string
	log  *slog.Logger
	told sync.Once
	// opened are the files as they were when they were opened, by their paths.
	opened atomic.Pointer[map[string]fs.FileInfo]
}

// watch remembers the file and, once it exists, its write-ahead log.
func (f *sqliteFile) watch() error {
	opened := map[string]fs.FileInfo{}
	for _, path := range []string{f.path, f.path + "-wal"} {
		info, err := os.Stat(path)
		if path != f.path && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("looking at the SQLite file: %w", err)
		}
		opened[path] = info
	}
	f.opened.Store(&opened)
	return nil
}

// check returns ErrFileGone if one of the files is not the one that was opened.
func (f *sqliteFile) check(ctx context.Context) error {
	opened := f.opened.Load()
	if opened == nil {
		return nil
	}
	for path, was := range *opened {
		is, err := os.Stat(path)
		if err == nil && os.SameFile(was, is) {
			continue
		}
		f.told.Do(func() {
			f.log.ErrorContext(ctx, "a SQLite file was removed or replaced: changes are refused until the server is started again", slog.String("file", path))
		})
		return ErrFileGone
	}
	return nil
}

// watchedConnector makes connections that refuse to write once the file is gone.
type watchedConnector struct {
	driver.Connector

	file *sqliteFile
}

// Connect opens one connection, never to another file than the others'.
func (c watchedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.file.check(ctx); err != nil {
		return nil, err
	}
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := conn.(sqliteConn)
	if !ok {
		return nil, errors.Join(errNotSQLite, conn.Close())
	}
	return &watchedConn{sqliteConn: inner, file: c.file}, nil
}

// errNotSQLite says that the driver for SQLite lost an interface.
var errNotSQLite = errors.New("the driver's connection is not what SQLite's was")

// sqliteConn is what the connections of SQLite's driver are to database/sql.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// watchedConn looks at the file before and after a change. Reads don't: they are answered from the file that was opened.
type watchedConn struct {
	sqliteConn

	file *sqliteFile
	inTx bool
}

// BeginTx implements driver.ConnBeginTx.
func (c *watchedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.file.check(ctx); err != nil {
		return nil, err
	}
	tx, err := c.sqliteConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	c.inTx = true
	return watchedTx{Tx: tx, conn: c}, nil
}

// ExecContext implements driver.ExecerContext.
func (c *watchedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.inTx {
		return c.sqliteConn.ExecContext(ctx, query, args)
	}
	if err := c.file.check(ctx); err != nil {
		return nil, err
	}
	result, err := c.sqliteConn.ExecContext(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return result, c.file.checkWritten(ctx)
}

// QueryContext implements driver.QueryerContext.
func (c *watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if !c.inTx && !readsOnly(query) {
		if err := c.file.check(ctx); err != nil {
			return nil, err
		}
	}
	return c.sqliteConn.QueryContext(ctx, query, args)
}

// checkWritten is check after a change.
func (f *sqliteFile) checkWritten(ctx context.Context) error {
	if f.check(ctx) != nil {
		return errChangeLost
	}
	return nil
}

type watchedTx struct {
	driver.Tx

	conn *watchedConn
}

// Commit implements driver.Tx.
func (t watchedTx) Commit() error {
	t.conn.inTx = false
	if err := t.Tx.Commit(); err != nil {
		return err
	}
	return t.conn.file.checkWritten(context.Background())
}

// Rollback implements driver.Tx.
func (t watchedTx) Rollback() error {
	t.conn.inTx = false
	return t.Tx.Rollback()
}

// useWAL lets readers and a writer go on beside each other. The mode is the file's, so it is set when the file is known to
// be this server's. From then on the log is watched too: the connection for pings stays open, and with it the log.
func (db *DB) useWAL(ctx context.Context) error {
	if db.file == nil {
		return nil
	}
	var mode string
	if err := db.SQL.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return fmt.Errorf("turning on the write-ahead log: %w", err)
	}
	if err := readTables(ctx, db.ping); err != nil {
		return err
	}
	return db.file.watch()
}

// readTables reads a little.
func readTables(ctx context.Context, pool *sql.DB) error {
	var tables int
	if err := pool.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return fmt.Errorf("reading the SQLite file: %w", err)
	}
	return nil
}
