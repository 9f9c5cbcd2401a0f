// Package database opens the PostgreSQL or SQLite database that a URL names, migrates its schema, and tells outages from
// other errors. Queries go through ent, on the driver that [DB.Driver] returns, or through [DB.QueryRaw].
package database

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config configures Open. A zero field has the default that its comment names.
type Config struct {
	// URL is a postgres://, postgresql:// or sqlite: URL as people paste it, quotes and unknown parameters included.
	URL string
	// DirectURL leads to the same PostgreSQL database past a pooler, for migrations. Default: URL.
	DirectURL string
	// MaxOpenConns is the size of the pool. Default: 10.
	MaxOpenConns int
	// MaxIdleConns is how many unused connections the pool keeps. Default: MaxOpenConns.
	MaxIdleConns int
	// ConnMaxLifetime is the age at which a connection is replaced. Default: 30 minutes.
	ConnMaxLifetime time.Duration
	// ConnMaxIdleTime is how long an unused connection is kept. Default: 4 minutes, because Neon sleeps after 5.
	ConnMaxIdleTime time.Duration
	// ConnectTimeout is how long Open waits for a database that is not up yet. Default: 60 s.
	ConnectTimeout time.Duration
	// AcquireTimeout is how long a statement through Driver waits for a connection, free or new. Default: 5 s.
	AcquireTimeout time.Duration
	// StatementTimeout is how long PostgreSQL may take for a statement of the pool, unless the URL has a
	// statement_timeout. Migrations have no limit. 0 means no limit. There is none either behind a pooler that refuses
	// the parameter, as PgBouncer does.
	StatementTimeout time.Duration
	// StatementCache says whether PostgreSQL connections keep prepared statements. Default: CacheAuto.
	StatementCache StatementCache
	// StatementCacheSize is how many prepared statements each connection keeps. Default: 256.
	StatementCacheSize int
	// OpenPool makes the pool from a connector and the dialect's name, so that callers can instrument it.
	// Default: sql.OpenDB.
	OpenPool func(driver.Connector, string) *sql.DB
	// MustExist makes Open fail if a SQLite file does not exist. Otherwise Open creates it.
	MustExist bool
	// ReadOnly promises that nothing will be written, as to another program's database. Any encoding is accepted then.
	ReadOnly bool
	// Log receives attempts to connect, ignored parameters and migrations. Default: slog.Default().
	Log *slog.Logger
}

// withDefaults returns the configuration with its defaults set.
func (c Config) withDefaults() Config {
	c.MaxOpenConns = cmp.Or(c.MaxOpenConns, 10)
	c.MaxIdleConns = cmp.Or(c.MaxIdleConns, c.MaxOpenConns)
	c.ConnMaxLifetime = cmp.Or(c.ConnMaxLifetime, 30*time.Minute)
	c.ConnMaxIdleTime = cmp.Or(c.ConnMaxIdleTime, 4*time.Minute)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, time.Minute)
	c.AcquireTimeout = cmp.Or(c.AcquireTimeout, 5*time.Second)
	c.Log = cmp.Or(c.Log, slog.Default())
	if c.OpenPool == nil {
		c.OpenPool = func(c driver.Connector, _ string) *sql.DB { return sql.OpenDB(c) }
	}
	return c
}

// DB is an open database. It is safe for concurrent use. It must be closed.
type DB struct {
	// SQL is the pool, without the limits of Driver.
	SQL *sql.DB
	// Dialect is ent's name of the kind of database: dialect.Postgres or dialect.SQLite.
	Dialect string

	name     string
	schema   string
	readOnly bool
	tls      TLS
	log      *slog.Logger
	// limited is the pool with an acquire timeout and a limit for each user.
	limited *limitedPool
	// ping has a connection of its own, so that a busy pool doesn't look like an unreachable database.
	ping *sql.DB
	// direct makes the connections of migrations.
	direct driver.Connector
	// listenURL is for the connections of Listen.
	listenURL string
	// state is that of the pool's connections; nil on SQLite.
	state *poolState
	// file is the SQLite file, or nil.
	file *sqliteFile
}

// Open connects to the database. If it is out of reach, Open retries with growing pauses for up to ConnectTimeout, and logs
// each attempt. A refused password, an unknown database, a wrong URL or a PostgreSQL older than 14 fails at once. No error
// contains a password.
func Open(ctx context.Context, c Config) (*DB, error) {
	c = c.withDefaults()
	pooled, direct, err := parseURLs(c.URL, c.DirectURL)
	if err != nil {
		return nil, err
	}
	logTargets(ctx, c.Log, pooled, direct)
	file, err := openSQLiteFile(&pooled, c)
	if err != nil {
		return nil, err
	}
	connector, err := poolConnector(pooled, c)
	if err != nil {
		return nil, err
	}
	db := &DB{
		Dialect: pooled.dialect, name: pooled.name, schema: pooled.schema, readOnly: c.ReadOnly, tls: pooled.tls, log: c.Log,
		direct: direct.connector, listenURL: direct.listenURL, file: file,
	}
	db.openPools(c, pooled, connector)
	if err := db.connect(ctx, c.ConnectTimeout); err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to %s: %w", db.name, err), db.Close())
	}
	return db, nil
}

// poolConnector returns the connector of the pool: with an I/O timeout, a statement timeout and a statement cache, as far as
// the database and c have them.
func poolConnector(t target, c Config) (driver.Connector, error) {
	connector := withStatementTimeout(withIOTimeout(t.connector, poolIOTimeout), c.StatementTimeout)
	if c.StatementCache == CacheOff {
		return connector, nil
	}
	cache, err := newStmtCache(c.StatementCache, c.StatementCacheSize, t.name, c.Log)
	if err != nil {
		return nil, err
	}
	return withStmtCache(connector, cache), nil
}

// openPools makes the pool and the connection for pings. It doesn't connect yet.
func (db *DB) openPools(c Config, t target, connector driver.Connector) {
	db.SQL = c.OpenPool(connector, t.dialect)
	db.state = stateOf(t.connector)
	db.limited = newLimitedPool(&pool{db: db.SQL, acquireTimeout: c.AcquireTimeout}, c.MaxOpenConns)
	if t.inMemory {
		// The database disappears with its only connection, and a second connection would see another database.
		db.SQL.SetMaxOpenConns(1)
		db.SQL.SetMaxIdleConns(1)
		db.ping = db.SQL
		return
	}
	db.SQL.SetMaxOpenConns(c.MaxOpenConns)
	db.SQL.SetMaxIdleConns(c.MaxIdleConns)
	db.SQL.SetConnMaxLifetime(c.ConnMaxLifetime)
	db.SQL.SetConnMaxIdleTime(c.ConnMaxIdleTime)
	db.ping = sql.OpenDB(withIOTimeout(t.connector, pingIOTimeout))
	db.ping.SetMaxOpenConns(1)
	if db.file == nil { // The connection to a SQLite file stays open: see useWAL.
		db.ping.SetConnMaxIdleTime(time.Minute)
	}
}

// Ping returns nil if the database can be reached, and the reason otherwise. It uses a connection of its own, so that a
// busy pool doesn't look like an unreachable database. It returns when the context ends at the latest, even if the driver
// still waits for the network. If the SQLite file is gone, the error is ErrFileGone.
func (db *DB) Ping(ctx context.Context) error {
	if db.file != nil {
		if err := db.file.check(ctx); err != nil {
			return fmt.Errorf("pinging %s: %w", db.name, err)
		}
	}
	done := make(chan error, 1)
	go func() {
		var one int
		done <- db.ping.QueryRowContext(ctx, "SELECT 1").Scan(&one)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("pinging %s: %w", db.name, err)
	}
	return nil
}

// Opened returns how many connections to PostgreSQL were opened so far. A new one may lead to another server than those before.
func (db *DB) Opened() uint64 {
	if db.state == nil {
		return 0
	}
	return db.state.opened.Load()
}

// Close closes the pool after the running statements have finished.
func (db *DB) Close() error {
	var errs []error
	if err := db.SQL.Close(); err != nil {
		errs = append(errs, fmt.Errorf("closing the pool: %w", err))
	}
	if err := db.ping.Close(); err != nil {
		errs = append(errs, fmt.Errorf("closing the connection for pings: %w", err))
	}
	return errors.Join(errs...)
}

// String returns the database's kind and name, such as postgres://host:5432/name or sqlite:/path: never a user, a password
// or a parameter.
func (db *DB) String() string { return db.name }
