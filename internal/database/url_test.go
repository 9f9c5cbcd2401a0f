package database_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lib/pq"

	"taskql/internal/database"
)

const password = "s3cret-word"

func TestPostgresURLs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, url string
		want      string
		sslmode   string
		dropped   []string
		runtime   []string
	}{
		{
			name: "as it should be", url: "postgres://ann:s3cret-word@db.example.com:5433/tasks?sslmode=verify-full",
			want: "postgres://db.example.com:5433/tasks", sslmode: "verify-full",
		},
		{
			name: "Neon's, from the dashboard", sslmode: "verify-full",
			url:     "postgresql://neondb_owner:s3cret-word@ep-cool-darkness-a1b2c3d4-pooler.us-east-2.aws.neon.tech/neondb?sslmode=require&channel_binding=require",
			want:    "postgres://ep-cool-darkness-a1b2c3d4-pooler.us-east-2.aws.neon.tech:5432/neondb",
			dropped: []string{"channel_binding"},
		},
		{
			name: "Neon's command", sslmode: "verify-full",
			url:     "psql 'postgresql://o:s3cret-word@ep-x.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require'",
			want:    "postgres://ep-x.eu-central-1.aws.neon.tech:5432/neondb",
			dropped: []string{"channel_binding"},
		},
		{name: "quotes", url: `"postgres://ann:s3cret-word@db.example.com/tasks"`, want: "postgres://db.example.com:5432/tasks", sslmode: "verify-full"},
		{name: "quotes in spaces in quotes", url: ` ' "postgres://ann:s3cret-word@db.example.com/tasks" ' ` + "\n", want: "postgres://db.example.com:5432/tasks", sslmode: "verify-full"},
		{name: "with the variable's name", url: `DATABASE_URL="postgres://ann:s3cret-word@db.example.com/tasks"`, want: "postgres://db.example.com:5432/tasks", sslmode: "verify-full"},
		{name: "asyncpg", url: "postgresql+asyncpg://ann:s3cret-word@db.example.com/tasks?ssl=require", want: "postgres://db.example.com:5432/tasks", sslmode: "verify-full"},
		{name: "psycopg2", url: "postgresql+psycopg2://ann:s3cret-word@db.example.com/tasks", want: "postgres://db.example.com:5432/tasks", sslmode: "verify-full"},
		{name: "ssl=false", url: "postgres://ann:s3cret-word@db.example.com/tasks?ssl=false", want: "postgres://db.example.com:5432/tasks", sslmode: "disable"},
		{name: "upper case", url: "POSTGRESQL://ann:s3cret-word@db.example.com/tasks", want: "postgres://db.example.com:5432/tasks", sslmode: "verify-full"},
		{name: "JDBC", url: "jdbc:postgresql://db.example.com/tasks?user=ann&password=s3cret-word&currentSchema=x", want: "postgres://db.example.com:5432/tasks", sslmode: "verify-full", runtime: []string{"search_path"}},
		{
			name: "Prisma's, Supabase's, pgx's", sslmode: "verify-full",
			url:     "postgres://ann:s3cret-word@db.example.com:6543/tasks?pgbouncer=true&connection_limit=1&pool_timeout=20&schema=public&pool_max_conns=10&statement_cache_mode=describe&prepareThreshold=0",
			want:    "postgres://db.example.com:6543/tasks",
			dropped: []string{"connection_limit", "pgbouncer", "pool_max_conns", "pool_timeout", "prepareThreshold", "statement_cache_mode"},
		},
		{
			name: "libpq's own that lib/pq has not", sslmode: "verify-full",
			url:     "postgres://ann:s3cret-word@db.example.com/tasks?keepalives=1&keepalives_idle=30&gssencmode=disable&sslcompression=0&require_auth=scram-sha-256&tcp_user_timeout=1",
			want:    "postgres://db.example.com:5432/tasks",
			dropped: []string{"gssencmode", "keepalives", "keepalives_idle", "require_auth", "sslcompression", "tcp_user_timeout"},
		},
		{name: "direct TLS", url: "postgres://ann:s3cret-word@db.example.com/tasks?sslmode=require&sslnegotiation=direct", want: "postgres://db.example.com:5432/tasks", sslmode: "verify-full", dropped: []string{"sslnegotiation"}},
		{
			name: "what PostgreSQL knows stays", sslmode: "disable",
			url:     "postgres://ann:s3cret-word@localhost/tasks?sslmode=disable&application_name=mine&options=-c%20geqo%3Doff&search_path=app&statement_timeout=5000",
			want:    "postgres://localhost:5432/tasks",
			runtime: []string{"search_path", "statement_timeout"},
		},
		{name: "a password with everything in it", url: "postgres://ann:s3cret-word%40%2F%3A%3F%23%25@db.example.com/tasks", want: "postgres://db.example.com:5432/tasks", sslmode: "verify-full"},
		{name: "this machine has no TLS", url: "postgres://ann:s3cret-word@127.0.0.1/tasks", want: "postgres://127.0.0.1:5432/tasks", sslmode: "prefer"},
		{name: "Railway's own network", url: "postgresql://postgres:s3cret-word@postgres.railway.internal:5432/railway", want: "postgres://postgres.railway.internal:5432/railway", sslmode: "prefer"},
		{name: "Compose's network", url: "postgresql://postgres:s3cret-word@db/tasks", want: "postgres://db:5432/tasks", sslmode: "prefer"},
		{name: "IPv6", url: "postgres://ann:s3cret-word@[::1]:5433/tasks", want: "postgres://[::1]:5433/tasks", sslmode: "prefer"},
		{name: "a socket", url: "postgres://ann:s3cret-word@/tasks?host=/var/run/postgresql", want: "postgres:/var/run/postgresql/tasks", sslmode: "disable"},
		{name: "a socket's folder as the host", url: "postgres://ann:s3cret-word@%2Fvar%2Frun%2Fpostgresql/tasks", want: "postgres:/var/run/postgresql/tasks", sslmode: "disable"},
		{name: "a socket's folder and a port", url: "postgres://ann:s3cret-word@%2fvar%2frun%2fpostgresql:5433/tasks?application_name=mine", want: "postgres:/var/run/postgresql/tasks", sslmode: "disable"},
		{name: "several hosts", url: "postgres://ann:s3cret-word@a.example.com,b.example.com/tasks", want: "postgres://a.example.com:5432,b.example.com:5432/tasks", sslmode: "verify-full"},
		{name: "several hosts with ports", url: "postgres://ann:s3cret-word@10.0.0.1:5433,[fd00::1]:6000,c/tasks?target_session_attrs=primary", want: "postgres://10.0.0.1:5433,[fd00::1]:6000,c:5432/tasks", sslmode: "prefer"},
		{name: "several hosts as a parameter", url: "postgres://ann:s3cret-word@/tasks?host=a,b&port=1,2", want: "postgres://a:1,b:2/tasks", sslmode: "prefer"},
		{name: "several hosts and one port as a parameter", url: "postgres://ann:s3cret-word@a,b/tasks?port=6000", want: "postgres://a:6000,b:6000/tasks", sslmode: "prefer"},
		{name: "Prisma's schema", url: "postgres://ann:s3cret-word@localhost/tasks?schema=My%20tasks", want: "postgres://localhost:5432/tasks", sslmode: "prefer", runtime: []string{"search_path"}},
		{name: "no database", url: "postgres://ann:s3cret-word@localhost", want: "postgres://localhost:5432/ann", sslmode: "prefer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := database.Sanitise(test.url)
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != test.want {
				t.Errorf("name %q, want %q", got.Name, test.want)
			}
			if string(got.Config.SSLMode) != test.sslmode {
				t.Errorf("sslmode %q, want %q", got.Config.SSLMode, test.sslmode)
			}
			if diff := cmp.Diff(test.dropped, got.Ignored); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
			want := append(test.runtime, "TimeZone")
			slices.Sort(want)
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got.Config.Runtime))); diff != "" {
				t.Errorf("sent to the server (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(got.Config.Password, password) {
				t.Errorf("the password did not arrive: %q", got.Config.Password)
			}
			if strings.Contains(got.Name, password) {
				t.Error("the name contains the password")
			}
		})
	}
}

// TestTLSModes: TLS is upgraded to verify-full if the host's name can be verified and the URL doesn't ask for less.
func TestTLSModes(t *testing.T) {
	t.Parallel()
	full, pool := database.TLS{Mode: "verify-full", Upgraded: true, Public: true}, "ep-x-pooler.eu-central-1.aws.neon.tech"
	for _, test := range []struct {
		host, query string
		want        database.TLS
	}{
		{pool, "sslmode=require&channel_binding=require", full},
		{pool, "", full},
		{pool, "ssl=true", full},
		{pool, "sslmode=require&hostaddr=192.0.2.1", full},
		{pool + ".", "sslmode=require", full},
		{pool, "sslmode=verify-full", database.TLS{Mode: "verify-full", Public: true}},
		{pool, "sslrootcert=system", database.TLS{Mode: "verify-full", Public: true}},
		{pool, "sslmode=verify-ca", database.TLS{Mode: "verify-ca", Public: true}},
		{pool, "sslmode=require&sslrootcert=ca.pem", database.TLS{Mode: "require", Public: true}},
		{pool, "sslrootcert=ca.pem", database.TLS{Mode: "require", Public: true}},
		{pool, "sslmode=disable", database.TLS{Mode: "disable", Public: true}},
		{pool, "sslmode=prefer", database.TLS{Mode: "prefer", Public: true}},
		{pool, "sslmode=no-verify", database.TLS{Mode: "require", Public: true}},
		{pool, "ssl=no-verify", database.TLS{Mode: "require", Public: true}},
		{"192.0.2.1", "sslmode=require", database.TLS{Mode: "require", Public: true}},
		{"192.0.2.1", "", database.TLS{Mode: "require", Public: true}},
		{"[2001:db8::1]", "", database.TLS{Mode: "require", Public: true}},
		{"10.0.0.1", "sslmode=require", database.TLS{Mode: "require"}},
		{"127.0.0.1", "", database.TLS{Mode: "prefer"}},
		{"localhost", "sslmode=require", database.TLS{Mode: "require"}},
		{"LOCALHOST", "", database.TLS{Mode: "prefer"}},
		{"postgres.railway.internal", "sslmode=require", database.TLS{Mode: "require"}},
		{"Postgres.Railway.Internal", "", database.TLS{Mode: "prefer"}},
		{"db", "", database.TLS{Mode: "prefer"}},
		{"db.example.com,standby.example.com", "", full},
		{"db.example.com,10.0.0.1", "sslmode=require", database.TLS{Mode: "require", Public: true}},
	} {
		got, err := database.Sanitise("postgres://ann:s3cret-word@" + test.host + "/tasks?" + test.query)
		if err != nil {
			t.Errorf("%s?%s: %v", test.host, test.query, err)
			continue
		}
		if got.TLS != test.want || string(got.Config.SSLMode) != test.want.Mode {
			t.Errorf("%s?%s: %+v, connects with %s; want %+v", test.host, test.query, got.TLS, got.Config.SSLMode, test.want)
		}
	}
}

// TestTargetSession: with several hosts, connections lead to the one that accepts changes, unless the URL asks for another.
func TestTargetSession(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]pq.TargetSessionAttrs{
		"postgres://a/tasks":                                "",
		"postgres://a,b/tasks":                              pq.TargetSessionAttrsReadWrite,
		"postgres://a,b/tasks?target_session_attrs=any":     pq.TargetSessionAttrsAny,
		"postgres://a,b/tasks?target_session_attrs=primary": pq.TargetSessionAttrsPrimary,
	} {
		got, err := database.Sanitise(url)
		if err != nil {
			t.Fatal(err)
		}
		if got.Config.TargetSessionAttrs != want {
			t.Errorf("%s: %q, want %q", url, got.Config.TargetSessionAttrs, want)
		}
	}
}

func TestApplicationName(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://localhost/tasks":                       "taskql",
		"postgres://localhost/tasks?application_name=mine": "mine",
	} {
		got, err := database.Sanitise(url)
		if err != nil {
			t.Fatal(err)
		}
		if got.Config.ApplicationName != want {
			t.Errorf("%s: %q, want %q", url, got.Config.ApplicationName, want)
		}
	}
}

func TestWrongURLsAreNotQuoted(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, url, want string }{
		{"nothing", "", "no scheme"},
		{"no scheme", "s3cret-word", "no scheme"},
		{"another scheme", "mysql://ann:s3cret-word@localhost/tasks", "scheme"},
		{"a password as scheme", "s3cret-word://localhost", "scheme"},
		{"a hash in the password", "postgres://ann:s3cret-word#1@localhost/tasks", "percent-encoded"},
		{"a slash in the password", "postgres://ann:s3cret-word/1@localhost/tasks", "percent-encoded"},
		{"a comma and a slash in the password", "postgres://ann:a,s3cret-word/1@localhost/tasks", "percent-encoded"},
		{"a percent sign in the password", "postgres://ann:s3cret-word%zz@localhost/tasks", "percent-encoded"},
		{"no slashes", "postgres:ann:s3cret-word@localhost/tasks", "percent-encoded"},
		{"a port that is none", "postgres://ann:s3cret-word@localhost:s3cret-word/tasks", "percent-encoded"},
		{"a mode that is none", "postgres://ann:s3cret-word@localhost/tasks?sslmode=s3cret-word", "password"},
		{"a mode of nobody's", "postgres://ann:s3cret-word@localhost/tasks?sslmode=strict", "supported values are"},
		{"a time-out that is none", "postgres://ann:s3cret-word@localhost/tasks?connect_timeout=soon", "connect_timeout"},
		{"bad parameters", "postgres://ann:s3cret-word@localhost/tasks?a=%zzs3cret-word", "parameters"},
		{"a schema twice", "postgres://ann:s3cret-word@localhost/tasks?schema=a&currentSchema=b", "different schemas"},
		{"several schemas", "postgres://ann:s3cret-word@localhost/tasks?currentSchema=a,b", "several schemas"},
		{"a schema and a search_path", "postgres://ann:s3cret-word@localhost/tasks?schema=a&search_path=b", "both schema and search_path"},
		{"a port of several that is no number", "postgres://ann:s3cret-word@a:5432,b:s3cret-word/tasks", "host1:5432,host2:5432"},
		{"no host after the comma", "postgres://ann:s3cret-word@a:5432,/tasks", "has no name"},
		{"a host that is badly encoded", "postgres://ann:s3cret-word@%2Frun%zz/tasks", "hexadecimal"},
		{"ports for other hosts", "postgres://ann:s3cret-word@a,b/tasks?port=1,2,3", "3 port numbers to 2 hosts"},
		{"a standby", "postgres://ann:s3cret-word@a,b/tasks?target_session_attrs=standby", "read-only"},
		{"a preference for a standby", "postgres://ann:s3cret-word@a/tasks?target_session_attrs=prefer-standby", "read-only"},
		{"no file", "sqlite:", "names no file"},
		{"a folder without a file", "sqlite:" + os.TempDir(), "not a folder"},
		{"a folder that is not there", "sqlite:/nowhere/at/all.db", "no such file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := database.Open(t.Context(), database.Config{URL: test.url})
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("the error contains the password: %v", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q is not in the error: %v", test.want, err)
			}
		})
	}
}

// TestUnsupportedVariables: libpq's variables that lib/pq doesn't support are ignored.
func TestUnsupportedVariables(t *testing.T) { //nolint:paralleltest // It changes the environment.
	t.Setenv("PGCHANNELBINDING", "require")
	t.Setenv("PGGSSENCMODE", "disable")
	got, err := database.Sanitise("postgres://localhost/tasks?channel_binding=require")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"PGCHANNELBINDING", "PGGSSENCMODE", "channel_binding"}, got.Ignored); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
}

func TestSQLiteURLs(t *testing.T) { //nolint:paralleltest // It changes the working folder.
	dir := t.TempDir()
	t.Chdir(dir)
	for url, want := range map[string]string{
		"sqlite:taskql.db":                       filepath.Join(dir, "taskql.db"),
		"sqlite://other.db":                      filepath.Join(dir, "other.db"),
		"sqlite://" + dir + "/a b?mode=ro":       filepath.Join(dir, "a b"),
		"sqlite:" + dir + "/100%#.db":            filepath.Join(dir, "100%#.db"),
		`"sqlite+aiosqlite:///` + dir + `/q.db"`: filepath.Join(dir, "q.db"),
	} {
		db, err := database.Open(t.Context(), database.Config{URL: url})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := db.String(); got != "sqlite:"+want {
			t.Errorf("%s: %q, want %q", url, got, "sqlite:"+want)
		}
		if _, err := db.Migrate(t.Context()); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if info, err := os.Stat(want); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: the file is not as it should be: %v, %v", url, info, err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}
