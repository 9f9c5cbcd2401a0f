package testkit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"
	"testing"

	"entgo.io/ent/dialect"
)

// EachDriver runs a test on SQLite and on PostgreSQL, as EachDatabase does, for tests that stand between ent and the
// database.
func EachDriver(t *testing.T, test func(t *testing.T, driver dialect.Driver)) {
	t.Helper()
	for name, address := range map[string]func(testing.TB) string{"sqlite": SQLiteURL, "postgres": MigratedPostgresURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, OpenDatabase(t, address(t)).Driver())
		})
	}
}

// Statements is a driver that remembers which statements pass through it. It is safe for concurrent use.
type Statements struct {
	dialect.Driver

	mu    sync.Mutex
	texts []string
}

// Take returns the statements since the last call. Those that begin and end transactions are not among them.
func (s *Statements) Take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := slices.Clone(s.texts)
	s.texts = nil
	return taken
}

func (s *Statements) note(statement string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = append(s.texts, statement)
}

// Query implements dialect.Driver.
func (s *Statements) Query(ctx context.Context, statement string, args, v any) error {
	s.note(statement)
	return s.Driver.Query(ctx, statement, args, v)
}

// Exec implements dialect.Driver.
func (s *Statements) Exec(ctx context.Context, statement string, args, v any) error {
	s.note(statement)
	return s.Driver.Exec(ctx, statement, args, v)
}

// QueryContext is what ent's clients use for statements of ours.
func (s *Statements) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return queryContext(ctx, s, s.Driver, statement, args)
}

// QueryRaw is used for lists.
func (s *Statements) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	s.note(query)
	return QueryRawOf(s.Driver)(ctx, query, args, each)
}

// QueryRawOf returns the driver's QueryRaw method, or nil if it has none.
func QueryRawOf(d dialect.Driver) func(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	queryer, ok := d.(interface {
		QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error
	})
	if !ok {
		return nil
	}
	return queryer.QueryRaw
}

// ExecContext is what ent's clients use for statements of ours.
func (s *Statements) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	return execContext(ctx, s, s.Driver, statement, args)
}

// Tx implements dialect.Driver.
func (s *Statements) Tx(ctx context.Context) (dialect.Tx, error) {
	tx, err := s.Driver.Tx(ctx)
	if err != nil {
		return nil, err
	}
	return &transaction{Tx: tx, of: s}, nil
}

// BeginTx is what ent's clients use where they are asked for a kind of transaction.
func (s *Statements) BeginTx(ctx context.Context, o *sql.TxOptions) (dialect.Tx, error) {
	driver, ok := s.Driver.(interface {
		BeginTx(ctx context.Context, o *sql.TxOptions) (dialect.Tx, error)
	})
	if !ok {
		return nil, errOtherDriver
	}
	tx, err := driver.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &transaction{Tx: tx, of: s}, nil
}

// transaction notes the statements of a transaction.
type transaction struct {
	dialect.Tx

	of *Statements
}

func (t *transaction) Query(ctx context.Context, statement string, args, v any) error {
	t.of.note(statement)
	return t.Tx.Query(ctx, statement, args, v)
}

func (t *transaction) Exec(ctx context.Context, statement string, args, v any) error {
	t.of.note(statement)
	return t.Tx.Exec(ctx, statement, args, v)
}

func (t *transaction) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return queryContext(ctx, t.of, t.Tx, statement, args)
}

func (t *transaction) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	return execContext(ctx, t.of, t.Tx, statement, args)
}

var errOtherDriver = errors.New("the driver is none of ent's for SQL")

func queryContext(ctx context.Context, of *Statements, driver any, statement string, args []any) (*sql.Rows, error) {
	d, ok := driver.(interface {
		QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
	})
	if !ok {
		return nil, errOtherDriver
	}
	of.note(statement)
	return d.QueryContext(ctx, statement, args...)
}

func execContext(ctx context.Context, of *Statements, driver any, statement string, args []any) (sql.Result, error) {
	d, ok := driver.(interface {
		ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
	})
	if !ok {
		return nil, errOtherDriver
	}
	of.note(statement)
	return d.ExecContext(ctx, statement, args...)
}
