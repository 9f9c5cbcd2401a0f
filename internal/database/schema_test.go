package database_test

import (
	"net/url"
	"strings"
	"testing"

	"taskql/internal/database"
	"taskql/internal/testkit"
)

// withParameter adds a parameter to a URL.
func withParameter(t *testing.T, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("not a URL") // The error would quote it, password included.
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// TestSchemas: servers in two schemas of a database don't see each other's data, whatever the parameter is called.
func TestSchemas(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.PostgresURL(t))
	for _, tt := range [][2]string{{"one", "schema"}, {`The "other" one`, "currentSchema"}, {"public", "schema"}} {
		name, parameter := tt[0], tt[1]
		db := open(t, database.Config{URL: withParameter(t, address, parameter, name), StatementCache: database.CacheOn})
		if db.Schema() != name {
			t.Errorf("the schema is %q, want %q", db.Schema(), name)
		}
		first, err := db.Migrate(t.Context())
		if err != nil || len(first.Applied) == 0 {
			t.Fatalf("%s: %+v, %v", name, first, err)
		}
		if again, err := db.Migrate(t.Context()); err != nil || len(again.Applied) != 0 || again.Version != first.Version {
			t.Errorf("%s again: %+v, %v", name, again, err)
		}
		list, err := db.MigrationStatuses(t.Context())
		if err != nil || len(list) != len(first.Applied) || list[0].AppliedAt.IsZero() {
			t.Errorf("%s: %v, %v", name, list, err)
		}
		for range 3 { // Also from the statement cache.
			if err := db.Driver().Exec(t.Context(), "INSERT INTO workspaces (id, created_at) VALUES (gen_random_uuid(), now())", []any{}, nil); err != nil {
				t.Error(err)
			}
		}
	}
	admin := open(t, database.Config{URL: address})
	for _, table := range []string{`one.workspaces`, `"The ""other"" one".workspaces`, `public.workspaces`} {
		var n int
		if err := admin.SQL.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil || n != 3 {
			t.Errorf("%s has %d rows, %v", table, n, err)
		}
	}
}

// TestSchemaAfterPublic: earlier releases ignored the parameter and used the schema public. Migrate then refuses to start with
// an empty schema.
func TestSchemaAfterPublic(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.PostgresURL(t))
	admin := open(t, database.Config{URL: address})
	if _, err := admin.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := catalog(t, admin.SQL)
	migrate := func() error {
		_, err := open(t, database.Config{URL: withParameter(t, address, "schema", "app")}).Migrate(t.Context())
		return err
	}
	if err := migrate(); err == nil || !strings.Contains(err.Error(), `take the parameter out of the URL`) {
		t.Errorf("got %v", err)
	}
	if strings.Join(before, "\n") != strings.Join(catalog(t, admin.SQL), "\n") {
		t.Error("something was made")
	}
	if _, err := admin.SQL.ExecContext(t.Context(), "CREATE SCHEMA app"); err != nil {
		t.Fatal(err)
	}
	if err := migrate(); err != nil {
		t.Error(err)
	}
}

// TestSchemaOfBothURLs: if DIRECT_DATABASE_URL and DATABASE_URL lead to different schemas, nothing is created.
func TestSchemaOfBothURLs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, pooled, direct, want string }{
		{"only DATABASE_URL has it", "schema=app", "", ""},
		{"both have it", "schema=app", "currentSchema=app", ""},
		{"PostgreSQL's default", "", "schema=public", ""},
		{"only DIRECT_DATABASE_URL has it", "", "schema=app", `names the schema "app"`},
		{"they differ", "schema=app", "schema=other", "let both name the same one"},
		{"a search_path to no schema", "search_path=nowhere", "search_path=nowhere", "names no schema that exists"},
		{"only one has a search_path", "", "search_path=app", `"public"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := testkit.DirectURL(t, testkit.PostgresURL(t))
			admin := open(t, database.Config{URL: address})
			if _, err := admin.SQL.ExecContext(t.Context(), "CREATE SCHEMA app"); err != nil {
				t.Fatal(err)
			}
			before := catalog(t, admin.SQL)
			db, err := database.Open(t.Context(), database.Config{URL: address + "&" + tt.pooled, DirectURL: address + "&" + tt.direct})
			if err == nil {
				defer func() { _ = db.Close() }()
				_, err = db.Migrate(t.Context())
			}
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "":
				if _, err := db.SQL.ExecContext(t.Context(), "SELECT FROM tasks"); err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), tt.want):
				t.Errorf("got %v", err)
			case strings.Join(before, "\n") != strings.Join(catalog(t, admin.SQL), "\n"):
				t.Error("something was made")
			}
		})
	}
}

// TestSchemaParameterDropped: if a pooler drops the schema's parameter, Open fails, because tables would be in another schema.
func TestSchemaParameterDropped(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.PostgresURL(t))
	admin := open(t, database.Config{URL: address})
	if _, err := admin.SQL.ExecContext(t.Context(), "CREATE SCHEMA elsewhere"); err != nil {
		t.Fatal(err)
	}
	var name string
	if err := admin.SQL.QueryRowContext(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.SQL.ExecContext(t.Context(), `ALTER DATABASE "`+name+`" SET search_path = elsewhere`); err != nil {
		t.Fatal(err)
	}
	_, err := database.Open(t.Context(), database.Config{URL: address + "&schema=public"}) // It is not asked for.
	if err == nil || !strings.Contains(err.Error(), `connections use "elsewhere"`) {
		t.Errorf("got %v", err)
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	address := testkit.DirectURL(t, testkit.PostgresURL(t))
	admin := open(t, database.Config{URL: address})
	var name string
	if err := admin.SQL.QueryRowContext(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{}
	for _, encoding := range []string{"SQL_ASCII", "LATIN1"} {
		other := name + "_" + strings.ToLower(encoding)
		if _, err := admin.SQL.ExecContext(t.Context(), `CREATE DATABASE "`+other+`" ENCODING '`+encoding+`' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := admin.SQL.Exec(`DROP DATABASE "` + other + `" WITH (FORCE)`); err != nil {
				t.Error(err)
			}
		})
		addresses[encoding] = strings.Replace(address, "/"+name, "/"+other, 1)
	}
	lite := testkit.SQLiteURL(t)
	made := open(t, database.Config{URL: lite, MaxOpenConns: 1})
	for _, statement := range []string{"PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t (a text)"} {
		if _, err := made.SQL.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	addresses["UTF-16le"] = lite
	for encoding, address := range addresses {
		_, err := database.Open(t.Context(), database.Config{URL: address})
		if err == nil || !strings.Contains(err.Error(), encoding+", and UTF") || !strings.Contains(err.Error(), "copy") || database.IsUnavailable(err) {
			t.Errorf("%s: %v", encoding, err)
		}
		if err := open(t, database.Config{URL: address, ReadOnly: true}).Ping(t.Context()); err != nil {
			t.Errorf("%s, to read it: %v", encoding, err)
		}
	}
}
