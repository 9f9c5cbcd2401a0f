package testkit

import (
	"database/sql"
	"fmt"
	"testing"
)

// FailWrites makes the next inserts into a PostgreSQL table and updates of it fail, as many as times says, with an
// SQLSTATE such as 40001, which rolls their transactions back. Later ones succeed.
func FailWrites(t testing.TB, db *sql.DB, table, code string, times int) {
	t.Helper()
	// A rollback does not reset a sequence, so it counts across the failed transactions.
	for _, statement := range []string{
		"CREATE SEQUENCE IF NOT EXISTS failures",
		"SELECT setval('failures', 1, false)",
		fmt.Sprintf(`CREATE OR REPLACE FUNCTION fail_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('failures') <= %d THEN RAISE EXCEPTION 'the write fails' USING ERRCODE = '%s'; END IF; RETURN NEW; END $$`, times, code),
		fmt.Sprintf("CREATE OR REPLACE TRIGGER fail_write BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION fail_write()", table),
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
