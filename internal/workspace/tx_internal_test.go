package workspace

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"testing"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"taskql/ent"
	"taskql/internal/viewer"
)

// brokenDB is a database that answers every query with one row, and then an error.
type brokenDB struct{ err error }

func (db brokenDB) Connect(context.Context) (driver.Conn, error) { return db, nil }
func (db brokenDB) Driver() driver.Driver                        { return nil }
func (db brokenDB) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (db brokenDB) Close() error                                 { return nil }
func (db brokenDB) Begin() (driver.Tx, error)                    { return db, nil }
func (db brokenDB) Commit() error                                { return nil }
func (db brokenDB) Rollback() error                              { return nil }
func (db brokenDB) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &brokenRows{err: db.err}, nil
}

type brokenRows struct {
	err   error
	found bool
}

func (r *brokenRows) Columns() []string { return []string{"version", "history_bytes"} }
func (r *brokenRows) Close() error      { return nil }
func (r *brokenRows) Next(dest []driver.Value) error {
	if r.found {
		return r.err
	}
	r.found, dest[0], dest[1] = true, int64(1), int64(0)
	return nil
}

// A statement that fails after it has returned the workspace's row has failed.
func TestErrorAfterTheRow(t *testing.T) {
	t.Parallel()
	failure := errors.New("failed after the row")
	for _, want := range []error{failure, io.EOF} {
		client := ent.NewClient(ent.Driver(entsql.OpenDB(dialect.SQLite, sql.OpenDB(brokenDB{want}))))
		s, err := New(Config{Database: Database{Client: client, Dialect: dialect.SQLite}})
		if err != nil {
			t.Fatal(err)
		}
		applied := false
		err = s.Apply(t.Context(), viewer.Viewer{WorkspaceID: "alice"}, Counter{}, func(*Tx) error {
			applied = true
			return ErrNoCommit
		})
		if failed := want == failure; applied == failed || errors.Is(err, failure) != failed { //nolint:errorlint // It is this very error.
			t.Errorf("with %q after the row: applied %t, %v", want, applied, err)
		}
	}
}
