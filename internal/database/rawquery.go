package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// QueryRaw runs a query and calls fn for every row. The values are the driver's: the bytes that PostgreSQL's uuid_send
// makes, a string, an int64, a bool or, for null, nil. The row and its bytes are valid until fn returns. fn must not use the
// database. If fn returns an error, QueryRaw stops and returns it.
//
// QueryRaw waits, fails and retries as queries through Driver do: a SELECT is retried if the connection is lost before the
// first row; a statement that may write is not.
//
// It calls the driver itself, because database/sql makes a goroutine, a context and a dozen objects for the rows of each
// query.
func (db *DB) QueryRaw(ctx context.Context, query string, args []any, fn func(row []driver.Value) error) error {
	return db.limited.queryRaw(ctx, query, args, fn)
}

func (p *pool) queryRaw(ctx context.Context, query string, args []any, fn func([]driver.Value) error) error {
	started := false
	err := p.queryRawOnce(ctx, query, args, func(row []driver.Value) error {
		started = true
		return fn(row)
	})
	if IsReadOnly(err) && ctx.Err() == nil { // As in runWrite.
		return p.queryRawOnce(ctx, query, args, fn)
	}
	if err == nil || started || !isSelect(query) || ctx.Err() != nil || !isConnectionLost(err) {
		return err
	}
	return p.queryScanned(ctx, query, args, fn)
}

// queryRawOnce runs a query on the driver's connection.
func (p *pool) queryRawOnce(ctx context.Context, query string, args []any, fn func([]driver.Value) error) error {
	conn, err := p.conn(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // It goes back to the pool, which drops it if it is broken.
	return queryRawOn(ctx, conn, query, args, fn)
}

// queryRawOn runs a query on a connection.
func queryRawOn(ctx context.Context, conn *sql.Conn, query string, args []any, fn func([]driver.Value) error) error {
	if err := ctx.Err(); err != nil { // The driver may notice it only after the query.
		return err
	}
	return conn.Raw(func(raw any) error {
		queryer, ok := raw.(driver.QueryerContext)
		if !ok {
			return fmt.Errorf("%w: it can't be queried", errNotPQ)
		}
		named, err := namedValues(raw, args)
		if err != nil {
			return err
		}
		rows, err := queryer.QueryContext(ctx, query, named)
		if err != nil {
			return err
		}
		return eachRow(rows, fn)
	})
}

// eachRow calls fn for every row, and closes the rows.
func eachRow(rows driver.Rows, fn func([]driver.Value) error) error {
	closed := false
	defer func() {
		if !closed { // After an error or a panic, which is what the caller is told.
			_ = rows.Close()
		}
	}()
	if err := readRows(rows, fn); err != nil {
		return err
	}
	closed = true
	return rows.Close()
}

func readRows(rows driver.Rows, fn func([]driver.Value) error) error {
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := fn(row); err != nil {
			return err
		}
	}
}

// conn returns a connection for the query. For a query that may write it always waits with the acquire timeout, because the
// caller must know that nothing was done.
func (p *pool) conn(ctx context.Context, query string) (*sql.Conn, error) {
	leave, saturated := p.enter()
	defer leave()
	if !saturated && isSelect(query) {
		return p.db.Conn(ctx)
	}
	return p.acquire(ctx)
}

// namedValues converts arguments to what drivers take, as database/sql does.
func namedValues(conn any, args []any) ([]driver.NamedValue, error) {
	checker, _ := conn.(driver.NamedValueChecker)
	named := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
		err := driver.ErrSkip
		if checker != nil {
			err = checker.CheckNamedValue(&named[i])
		}
		if errors.Is(err, driver.ErrSkip) {
			named[i].Value, err = driver.DefaultParameterConverter.ConvertValue(arg)
		}
		if err != nil {
			return nil, fmt.Errorf("converting argument $%d: %w", i+1, err)
		}
	}
	return named, nil
}

// queryScanned is queryRaw by way of database/sql, which tries the pool's connections until one answers.
func (p *pool) queryScanned(ctx context.Context, query string, args []any, fn func([]driver.Value) error) error {
	rows, err := p.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	row, dest := make([]driver.Value, len(columns)), make([]any, len(columns))
	for i := range row {
		dest[i] = (*any)(&row[i]) // Scan refuses to set a *driver.Value to null.
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return rows.Err()
}
