// Package database opens the database that a URL names, PostgreSQL or SQLite, keeps its schema up to date, and tells
// an outage from a bug. What comes after opening goes through ent.
package database

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"entgo.io/ent/dialect"
	"github.com/cenkalti/backoff/v5"
)

// Config says which database to open and how. The zero value of a field other than URL takes its default.
type Config struct {
	// URL is a postgres://, postgresql:// or sqlite: address as people paste it, quotes and odd parameters included.
	URL string
	// DirectURL leads to the same PostgreSQL past a pooler, for migrations. Default: URL.
	DirectURL string
	// MaxOpenConns of the pool. Default: 10.
	MaxOpenConns int
	// MaxIdleConns of the pool. Default: MaxOpenConns.
	MaxIdleConns int
	// ConnMaxLifetime is the age at which a connection is replaced. Default: 30 minutes.
	ConnMaxLifetime time.Duration
	// ConnMaxIdleTime is how long an unused connection is kept. Default: 4 minutes, because Neon sleeps after 5.
	ConnMaxIdleTime time.Duration
	// ConnectTimeout is how long Open waits for a database that is not up yet. Default: 60 s.
	ConnectTimeout time.Duration
	// AcquireTimeout is how long a statement through Driver waits for a connection at most: for one that is free, or for a new one.
	// Default: 5 s.
	AcquireTimeout time.Duration
	// StatementTimeout is how long PostgreSQL may take for one statement of the pool, unless the URL has a
	// statement_timeout; migrations have no limit. 0 is none, and so is what a pooler allows that refuses to be asked for
	// it, as PgBouncer does.
	StatementTimeout time.Duration
	// StatementCache says whether PostgreSQL's connections keep prepared statements. Default: CacheAuto.
	StatementCache StatementCache
	// StatementCacheSize is how many statements each connection keeps. Default: 256.
	StatementCacheSize int
	// OpenPool makes the pool of the connector's connections, for those who measure it; the string is the dialect.
	// Default: sql.OpenDB.
	OpenPool func(driver.Connector, string) *sql.DB
	// MustExist makes it an error that a SQLite file is missing; otherwise it is made.
	MustExist bool
	// ReadOnly says that nothing will be written, as to the database of another program: then its encoding may be any.
	ReadOnly bool
	// Log gets a line for each try to connect, dropped parameters and migrations. Default: slog.Default().
	Log *slog.Logger
}

// DB is an open database. It is safe for use by several goroutines. It must be closed.
type DB struct {
	// SQL is the pool.
	SQL *sql.DB
	// Dialect is ent's name of the kind of database: dialect.Postgres or dialect.SQLite.
	Dialect string

	name   string
	schema string
	// readOnly is Config.ReadOnly.
	readOnly bool
	tls      TLS
	log      *slog.Logger
	// fair is the pool with a limit on waiting and a bound for each user.
	fair *fairPool
	// ping has connections of its own, so that a busy pool is not taken for an unreachable database.
	ping *sql.DB
	// direct makes the connections of migrations.
	direct driver.Connector
	// file is SQLite's, nil if there is none.
	file *sqliteFile
}

// target is what a URL comes to: how to connect to what, and what to call it in logs.
type target struct {
	dialect   string
	connector driver.Connector
	name      string
	// dropped are the parameters of the URL and variables of the environment that were ignored.
	dropped []string
	tls     TLS
	// schema is the one that the URL names; "" if it names none.
	schema string
	// file is SQLite's.
	file string
	// private is a database that only one connection can see: SQLite in memory.
	private bool
}

// CheckURL says what is wrong with a URL; nil where Open could use it. It connects to nothing and makes nothing. The
// error never quotes the URL.
func CheckURL(raw string) error {
	_, err := parse(raw)
	return err
}

// Open connects to the database. While that is out of reach it tries again, with growing pauses and a line in the log
// for each try, up to ConnectTimeout; a refused password, an unknown database, a wrong URL or a PostgreSQL older than 14
// fails at once. No error contains a password.
func Open(ctx context.Context, c Config) (*DB, error) {
	c.MaxOpenConns = cmp.Or(c.MaxOpenConns, 10)
	c.MaxIdleConns = cmp.Or(c.MaxIdleConns, c.MaxOpenConns)
	c.ConnMaxLifetime = cmp.Or(c.ConnMaxLifetime, 30*time.Minute)
	c.ConnMaxIdleTime = cmp.Or(c.ConnMaxIdleTime, 4*time.Minute)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, time.Minute)
	c.AcquireTimeout = cmp.Or(c.AcquireTimeout, 5*time.Second)
	c.Log = cmp.Or(c.Log, slog.Default())

	pooled, err := parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the database URL: %w", err)
	}
	direct := pooled
	if c.DirectURL != "" {
		if direct, err = parse(c.DirectURL); err != nil {
			return nil, fmt.Errorf("reading the direct database URL: %w", err)
		}
		if direct.dialect != pooled.dialect {
			return nil, fmt.Errorf("the direct database URL is for %s, the database URL for %s", direct.dialect, pooled.dialect)
		}
		if err := shareSchema(&pooled, &direct); err != nil {
			return nil, err
		}
	}
	if dropped := slices.Compact(slices.Sorted(slices.Values(slices.Concat(pooled.dropped, direct.dropped)))); len(dropped) > 0 {
		c.Log.WarnContext(ctx, "parameters of the database URL ignored", slog.String("database", pooled.name), slog.Any("parameters", dropped))
	}
	logTLS(ctx, c.Log, pooled.name, pooled.tls)
	if direct.tls != pooled.tls {
		logTLS(ctx, c.Log, direct.name, direct.tls)
	}

	var file *sqliteFile
	if pooled.file != "" {
		if _, err := os.Stat(pooled.file); c.MustExist && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no database yet: %s is made by serve and migrate", pooled.name)
		}
		if err := makeFile(pooled.file); err != nil {
			return nil, err
		}
		file = &sqliteFile{path: pooled.file, log: c.Log}
		if err := file.watch(); err != nil {
			return nil, err
		}
		pooled.connector = watchedConnector{Connector: pooled.connector, file: file}
	}
	pool := hurried(impatient(pooled.connector, poolSilence), c.StatementTimeout)
	if c.StatementCache != CacheOff {
		shared, err := newStatements(c.StatementCache, c.StatementCacheSize, pooled.name, c.Log)
		if err != nil {
			return nil, err
		}
		pool = caching(pool, shared)
	}
	open := c.OpenPool
	if open == nil {
		open = func(c driver.Connector, _ string) *sql.DB { return sql.OpenDB(c) }
	}
	db := &DB{
		SQL: open(pool, pooled.dialect), ping: sql.OpenDB(impatient(pooled.connector, pingSilence)),
		direct:  direct.connector,
		Dialect: pooled.dialect, name: pooled.name, schema: pooled.schema, readOnly: c.ReadOnly, tls: pooled.tls, file: file, log: c.Log,
	}
	db.fair = newFairPool(&patient{pool: db.SQL, wait: c.AcquireTimeout}, c.MaxOpenConns)
	db.SQL.SetMaxOpenConns(c.MaxOpenConns)
	db.SQL.SetMaxIdleConns(c.MaxIdleConns)
	db.SQL.SetConnMaxLifetime(c.ConnMaxLifetime)
	db.SQL.SetConnMaxIdleTime(c.ConnMaxIdleTime)
	db.ping.SetMaxOpenConns(1)
	if file == nil { // SQLite's stays open: see useWAL.
		db.ping.SetConnMaxIdleTime(time.Minute)
	}
	if pooled.private {
		// The database is gone when its only connection is, and a second one would see another database.
		db.SQL.SetMaxOpenConns(1)
		db.SQL.SetMaxIdleConns(1)
		db.SQL.SetConnMaxLifetime(0)
		db.SQL.SetConnMaxIdleTime(0)
		db.ping = db.SQL
	}
	if err := db.connect(ctx, c.ConnectTimeout); err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to %s: %w", db.name, err), db.Close())
	}
	return db, nil
}

// connect tries until the database answers, time runs out or trying again is of no use.
func (db *DB) connect(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: %s", errUnreachable, limit))
	defer cancel()
	var last error
	try := func() (struct{}, error) {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		err := db.check(attempt)
		if err != nil && !retryable(err) {
			err = backoff.Permanent(err)
		}
		last = err
		return struct{}{}, err
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 250*time.Millisecond, 5*time.Second
	tries := 0
	_, err := backoff.Retry(ctx, try, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(limit),
		backoff.WithNotify(func(err error, pause time.Duration) {
			tries++
			db.log.WarnContext(ctx, "the database is not reachable yet", slog.String("database", db.name),
				slog.Int("try", tries), slog.Duration("again_in", pause.Round(time.Millisecond)), slog.Any("error", err))
		}))
	if err != nil && ctx.Err() != nil && last != nil && !errors.Is(err, last) {
		return fmt.Errorf("%w: %w", err, last)
	}
	return err
}

// check asks for the version of the database, which also proves that it answers, and whether it can be used.
func (db *DB) check(ctx context.Context) error {
	if db.Dialect == dialect.SQLite {
		// Opening does not touch the file yet; this does.
		var encoding string
		if err := db.SQL.QueryRowContext(ctx, "PRAGMA encoding").Scan(&encoding); err != nil {
			return explain(err)
		}
		return db.checkEncoding(encoding)
	}
	var number int
	var version, encoding, schema string
	err := db.SQL.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
		current_setting('server_encoding'), coalesce(current_schema(), '')`).Scan(&number, &version, &encoding, &schema)
	if err != nil {
		return explain(err)
	}
	if err := checkVersion(number, version); err != nil {
		return err
	}
	if err := db.checkEncoding(encoding); err != nil {
		return err
	}
	return db.checkSchema(schema)
}

// checkVersion takes the server's version as server_version_num, such as 150012, and as people write it.
func checkVersion(number int, version string) error {
	if number < 140000 {
		return fmt.Errorf("the server is PostgreSQL %s, and 14 or later is needed", version)
	}
	return nil
}

// checkEncoding refuses a database that keeps text in another form than UTF-8: some can't hold every character, and
// SQL_ASCII holds bytes that are no text.
func (db *DB) checkEncoding(encoding string) error {
	switch {
	case encoding == "UTF8", encoding == "UTF-8", db.readOnly:
		return nil
	case db.Dialect == dialect.SQLite:
		return unsuitableError{fmt.Errorf("the file keeps text as %s, and UTF-8 is needed: copy it by sqlite3 FILE .dump | sqlite3 NEW", encoding)}
	default:
		return unsuitableError{fmt.Errorf("the database keeps text as %s, and UTF8 is needed: make one by createdb -E UTF8 -T template0 NEW, "+
			"and copy what is in this one by pg_dump and psql", encoding)}
	}
}

// Ping says whether the database can be reached: nil, or why not. It uses a connection of its own, so that a busy
// pool is not an unreachable database. It returns when the context ends at the latest, even while the driver still
// waits for a network that swallows everything. If SQLite's file is gone, it is ErrFileGone.
func (db *DB) Ping(ctx context.Context) error {
	if db.file != nil {
		if err := db.file.check(ctx); err != nil {
			return fmt.Errorf("pinging %s: %w", db.name, err)
		}
	}
	answered := make(chan error, 1)
	go func() {
		var one int
		answered <- db.ping.QueryRowContext(ctx, "SELECT 1").Scan(&one)
	}()
	var err error
	select {
	case err = <-answered:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("pinging %s: %w", db.name, err)
	}
	return nil
}

// Close closes the pool, after the statements that are running.
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

// String is the database's kind and name, such as postgres://host:5432/name or sqlite:/path: never a user, a password
// or a parameter.
func (db *DB) String() string { return db.name }
