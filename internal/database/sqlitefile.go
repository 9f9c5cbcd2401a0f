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
	// ErrFileGone is returned for a write if the SQLite file was removed or replaced while it was open. Nothing was written.
	ErrFileGone = errors.New("the SQLite file was removed or replaced while the server ran")
	// errChangeLost is returned for a write during which that happened.
	errChangeLost = errors.New("the SQLite file was removed or replaced while a change was written")
)

// sqliteFile detects that the files of an open database were removed or replaced. SQLite would go on writing to a file that
// nobody else can open, and the data would be lost when the server stops.
type sqliteFile struct {
	path string
	log  *slog.Logger
	// logged makes the error appear in the log once.
	logged sync.Once
	// opened holds the files as they were when the database was opened, by path.
	opened atomic.Pointer[map[string]fs.FileInfo]
}

// openSQLiteFile creates the SQLite file if it is missing, and makes t's connections check it. It returns nil for other
// databases. If the file is missing and c.MustExist is set, it returns an error.
func openSQLiteFile(t *target, c Config) (*sqliteFile, error) {
	if t.file == "" {
		return nil, nil //nolint:nilnil // There is no file, as the comment says.
	}
	if _, err := os.Stat(t.file); c.MustExist && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no database yet: %s is made by serve and migrate", t.name)
	}
	if err := makeFile(t.file); err != nil {
		return nil, err
	}
	file := &sqliteFile{path: t.file, log: c.Log}
	if err := file.watch(); err != nil {
		return nil, err
	}
	t.connector = watchedConnector{Connector: t.connector, file: file}
	return file, nil
}

// watch stores the present file and, if it exists, its write-ahead log.
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
	for path, before := range *opened {
		now, err := os.Stat(path)
		if err == nil && os.SameFile(before, now) {
			continue
		}
		f.logged.Do(func() {
			f.log.ErrorContext(ctx, "a SQLite file was removed or replaced: changes are refused until the server is started again", slog.String("file", path))
		})
		return ErrFileGone
	}
	return nil
}

// watchedConnector makes connections that refuse to write if the file is gone.
type watchedConnector struct {
	driver.Connector

	file *sqliteFile
}

// Connect opens a connection. It returns ErrFileGone if the file is not the one that was opened.
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

// errNotSQLite is returned if a connection lacks an interface that SQLite's connections implement.
var errNotSQLite = errors.New("the driver's connection lacks an interface that SQLite's connections implement")

// sqliteConn is what the connections of SQLite's driver implement.
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

// watchedConn checks the file before and after each write. Reads need no check: they read the file that was opened.
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
	if !c.inTx && !isSelect(query) {
		if err := c.file.check(ctx); err != nil {
			return nil, err
		}
	}
	return c.sqliteConn.QueryContext(ctx, query, args)
}

// checkWritten is check after a write. If the file is gone, it returns errChangeLost.
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

// useWAL turns on the write-ahead log, with which reads and a write don't wait for each other. The mode is stored in the file,
// so useWAL must not be called before the file is known to be this server's. From then on the log is watched too; the
// connection for pings stays open, so that SQLite doesn't remove it.
func (db *DB) useWAL(ctx context.Context) error {
	if db.file == nil {
		return nil
	}
	var mode string
	if err := db.SQL.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return fmt.Errorf("turning on the write-ahead log: %w", err)
	}
	if err := readAnything(ctx, db.ping); err != nil {
		return err
	}
	return db.file.watch()
}

// readAnything reads from the file, so that the pool has an open connection to it.
func readAnything(ctx context.Context, pool *sql.DB) error {
	var tables int
	if err := pool.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return fmt.Errorf("reading the SQLite file: %w", err)
	}
	return nil
}
