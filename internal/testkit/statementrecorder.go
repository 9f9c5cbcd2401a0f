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

// EachDriver runs a test on SQLite and on PostgreSQL, as EachDatabase does. The test gets the driver instead of a
// client, so that it can put something between ent and the database.
func EachDriver(t *testing.T, test func(t *testing.T, driver dialect.Driver)) {
	t.Helper()
	for name, address := range Databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, OpenDatabase(t, address(t)).Driver())
		})
	}
}

// StatementRecorder is an ent driver that records each statement that passes through it. It is safe for concurrent use.
type StatementRecorder struct {
	dialect.Driver

	// Before, if set, is called with each statement before it is run.
	Before func(statement string)

	mu         sync.Mutex
	statements []Statement
}

// Statement is a statement that was run.
type Statement struct {
	Text string
	Args []any
}

// Take returns the texts of the statements since its last call, without those that begin and end transactions.
func (s *StatementRecorder) Take() []string {
	var texts []string
	for _, statement := range s.TakeStatements() {
		texts = append(texts, statement.Text)
	}
	return texts
}

// TakeStatements is Take with the arguments.
func (s *StatementRecorder) TakeStatements() []Statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := slices.Clone(s.statements)
	s.statements = nil
	return taken
}

func (s *StatementRecorder) record(text string, args any) {
	if s.Before != nil {
		s.Before(text)
	}
	list, _ := args.([]any) // ent's are always a list.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statements = append(s.statements, Statement{text, slices.Clone(list)})
}

// Query implements dialect.Driver.
func (s *StatementRecorder) Query(ctx context.Context, statement string, args, v any) error {
	s.record(statement, args)
	return s.Driver.Query(ctx, statement, args, v)
}

// Exec implements dialect.Driver.
func (s *StatementRecorder) Exec(ctx context.Context, statement string, args, v any) error {
	s.record(statement, args)
	return s.Driver.Exec(ctx, statement, args, v)
}

// QueryContext is called by ent's clients for SQL that ent did not write.
func (s *StatementRecorder) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return queryContext(ctx, s, s.Driver, statement, args)
}

// QueryRaw is called for lists, which are read without ent.
func (s *StatementRecorder) QueryRaw(ctx context.Context, query string, args []any, each func(row []driver.Value) error) error {
	s.record(query, args)
	return QueryRawOf(s.Driver)(ctx, query, args, each)
}

// Snapshot is called for reads that have to be of one moment.
func (s *StatementRecorder) Snapshot(ctx context.Context, fn func(ctx context.Context) error) error {
	d, ok := s.Driver.(interface {
		Snapshot(ctx context.Context, fn func(ctx context.Context) error) error
	})
	if !ok {
		return errOtherDriver
	}
	return d.Snapshot(ctx, fn)
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

// ExecContext is called by ent's clients for SQL that ent did not write.
func (s *StatementRecorder) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	return execContext(ctx, s, s.Driver, statement, args)
}

// Tx implements dialect.Driver.
func (s *StatementRecorder) Tx(ctx context.Context) (dialect.Tx, error) {
	tx, err := s.Driver.Tx(ctx)
	if err != nil {
		return nil, err
	}
	return &recordedTx{Tx: tx, recorder: s}, nil
}

// BeginTx is called by ent's clients for transactions with options.
func (s *StatementRecorder) BeginTx(ctx context.Context, o *sql.TxOptions) (dialect.Tx, error) {
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
	return &recordedTx{Tx: tx, recorder: s}, nil
}

// recordedTx records the statements of a transaction.
type recordedTx struct {
	dialect.Tx

	recorder *StatementRecorder
}

func (t *recordedTx) Query(ctx context.Context, statement string, args, v any) error {
	t.recorder.record(statement, args)
	return t.Tx.Query(ctx, statement, args, v)
}

func (t *recordedTx) Exec(ctx context.Context, statement string, args, v any) error {
	t.recorder.record(statement, args)
	return t.Tx.Exec(ctx, statement, args, v)
}

func (t *recordedTx) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return queryContext(ctx, t.recorder, t.Tx, statement, args)
}

func (t *recordedTx) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	return execContext(ctx, t.recorder, t.Tx, statement, args)
}

var errOtherDriver = errors.New("the driver is not one of ent's SQL drivers")

func queryContext(ctx context.Context, recorder *StatementRecorder, driver any, statement string, args []any) (*sql.Rows, error) {
	d, ok := driver.(interface {
		QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
	})
	if !ok {
		return nil, errOtherDriver
	}
	recorder.record(statement, args)
	return d.QueryContext(ctx, statement, args...)
}

func execContext(ctx context.Context, recorder *StatementRecorder, driver any, statement string, args []any) (sql.Result, error) {
	d, ok := driver.(interface {
		ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
	})
	if !ok {
		return nil, errOtherDriver
	}
	recorder.record(statement, args)
	return d.ExecContext(ctx, statement, args...)
}
