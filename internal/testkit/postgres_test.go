package testkit

import (
	"context"
	"database/sql"
	"testing"
)

func TestPostgresURL(t *testing.T) {
	t.Parallel()
	for range 3 {
		db, err := sql.Open("postgres", PostgresURL(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		if _, err := db.ExecContext(t.Context(), "CREATE TABLE only_here (id int)"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTemplateIsMadeOnce(t *testing.T) {
	t.Parallel()
	made := 0
	fill := func(ctx context.Context, address string) error {
		made++
		db, err := sql.Open("postgres", address)
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.ExecContext(ctx, "CREATE TABLE from_template (id int)")
		return err
	}
	name := template(t, []byte(t.Name()), fill)
	t.Cleanup(func() { admin(t, "DROP DATABASE "+name) })
	for range 2 {
		db, err := sql.Open("postgres", newDatabase(t, template(t, []byte(t.Name()), fill)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		if _, err := db.ExecContext(t.Context(), "SELECT * FROM from_template"); err != nil {
			t.Fatal(err)
		}
	}
	if made != 1 {
		t.Errorf("the template was made %d times", made)
	}
}

func TestMigratedPostgresURL(t *testing.T) {
	t.Parallel()
	for range 3 {
		db, err := sql.Open("postgres", MigratedPostgresURL(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		if _, err := db.ExecContext(t.Context(), "INSERT INTO users VALUES ('u', 'n', 'e', NULL, 'UTC', now(), now())"); err != nil {
			t.Fatal(err)
		}
	}
}
