package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// QueryRaw runs a query and calls each with every row: its values as the driver has them, such as the bytes that PostgreSQL's
// uuid_send makes, a text, an int64 or a bool; a null is nil. The row and its bytes are each's until it returns; it must not
// use the database. It waits, fails and is repeated as Driver's queries are: a SELECT where the connection turns out dead before the
// first row, and nothing that may write.
//
// It asks the driver itself. database/sql makes a goroutine, a context and a dozen objects for a query's rows, so that
// anybody may hold and scan them.
func (db *DB) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	return db.fair.queryRaw(ctx, query, args, each)
}

func (p *patient) queryRaw(ctx context.Context, query string, args []any, each func([]driver.Value) error) error {
	come := false
	first := func(row []driver.Value) error {
		come = true
		return each(row)
	}
	err := p.queryRawConn(ctx, query, args, first)
	if IsReadOnly(err) && ctx.Err() == nil { // As in once.
		return p.queryRawConn(ctx, query, args, each)
	}
	if err == nil || come || !readsOnly(query) || ctx.Err() != nil || !isLostConnection(err) {
		return err
	}
	return p.queryRawScanned(ctx, query, args, each)
}

// queryRawConn asks the driver.
func (p *patient) queryRawConn(ctx context.Context, query string, args []any, each func([]driver.Value) error) error {
	conn, err := p.take(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // It goes back to the pool, or is dropped there.
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
		return eachOf(rows, each)
	})
}

// eachOf calls each with every row, and closes the rows.
func eachOf(rows driver.Rows, each func([]driver.Value) error) error {
	closed := false
	defer func() {
		if !closed { // After an error, or a panic: that is what is told.
			_ = rows.Close()
		}
	}()
	if err := readRows(rows, each); err != nil {
		return err
	}
	closed = true
	return rows.Close()
}

func readRows(rows driver.Rows, each func([]driver.Value) error) error {
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// take takes a connection: for what may write always within the limit, since its caller must know that nothing was done.
func (p *patient) take(ctx context.Context, query string) (*sql.Conn, error) {
	leave, crowded := p.enter()
	defer leave()
	if !crowded && readsOnly(query) {
		return p.pool.Conn(ctx)
	}
	return p.connection(ctx)
}

// namedValues makes of arguments what drivers take, as database/sql does.
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

// queryRawScanned asks database/sql, which goes through the pool until a connection answers.
func (p *patient) queryRawScanned(ctx context.Context, query string, args []any, each func([]driver.Value) error) error {
	rows, err := p.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	row, into := make([]driver.Value, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = (*any)(&row[i]) // As a *driver.Value it would take no null.
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return rows.Err()
}
