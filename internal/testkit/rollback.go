package testkit

import (
	"database/sql"
	"fmt"
	"testing"
)

// RollBack has PostgreSQL end so many of the next transactions that insert into the table or update it with that code, as it
// does if another one is in the way. Then it lets them through.
func RollBack(t testing.TB, db *sql.DB, table, code string, times int) {
	t.Helper()
	// A sequence counts on although the transaction is rolled back.
	for _, statement := range []string{
		"CREATE SEQUENCE IF NOT EXISTS refusals",
		"SELECT setval('refusals', 1, false)",
		fmt.Sprintf(`CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('refusals') <= %d THEN RAISE EXCEPTION 'refused' USING ERRCODE = '%s'; END IF; RETURN NEW; END $$`, times, code),
		fmt.Sprintf("CREATE OR REPLACE TRIGGER refuse BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION refuse()", table),
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
