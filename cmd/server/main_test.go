package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/doctor"
	"taskql/internal/importer"
	"taskql/internal/testkit"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		args    []string
		environ []string
		in      string // standard input
		usage   bool   // a wrong command line
		err     string // part of the error, or "" if there is none
		out     string // part of standard output
	}{
		{"help", []string{"help"}, nil, "", false, "", "DATABASE_URL"},
		{"help by flag", []string{"--help"}, nil, "", false, "", "Usage: server [command]"},
		{"schema, whatever the environment", []string{"schema"}, []string{"PORT=x", "ENVIRONMENT=production"}, "", false, "", "\ntype Task implements Node {\n"},
		{"version", []string{"version"}, nil, "", false, "", "go1."},
		{"an unknown command", []string{"bogus"}, nil, "", true, "bogus", ""},
		{"an unknown word", []string{"migrate", "down"}, nil, "", true, "migrate down", ""},
		{"serve with a wrong environment", nil, []string{"PORT=x"}, "", false, "PORT must be a whole number", ""},
		{"migrate with a wrong environment", []string{"migrate"}, []string{"ENVIRONMENT=production"}, "", false, "DATABASE_URL is required", ""},
		{"doctor of a wrong environment", []string{"doctor"}, []string{"PORT=x", "DATABASE_URL=sqlite::memory:"}, "", false, "not healthy: 1 failure", "PORT must be a whole number"},
		{"doctor with defaults", []string{"doctor"}, []string{"DATABASE_URL=sqlite::memory:"}, "", false, "", "0 failures, 0 warnings"},
		{"doctor with a cookie from standard input", []string{"doctor", "--cookie", "-"}, []string{"DATABASE_URL=sqlite::memory:"}, "a=b\n", false, "", "the session was not checked"},
		{"doctor with too much", []string{"doctor", "x"}, nil, "", true, "doctor takes --cookie", ""},
		{"doctor with an unknown flag", []string{"doctor", "--secret"}, nil, "", true, "doctor takes --cookie", ""},
		{"import from nowhere", []string{"import"}, nil, "", true, "import takes --from", ""},
		{"import with a wrong environment", []string{"import", "--from", "postgres://u@h/d"}, []string{"PORT=x"}, "", false, "PORT must be a whole number", ""},
		{"health of nobody", []string{"health"}, []string{"PORT=1", "LOG_LEVEL=nonsense"}, "", false, "connection refused", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), tt.args, tt.environ, strings.NewReader(tt.in), &stdout, &stderr)
			if (err != nil) != (tt.err != "") || (err != nil && !strings.Contains(err.Error(), tt.err)) || errors.Is(err, errUsage) != tt.usage {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			if !strings.Contains(stdout.String(), tt.out) {
				t.Errorf("standard output lacks %q: %s", tt.out, stdout.String())
			}
		})
	}
}

// TestHelpListsCommands: help, and the error of a wrong command line, list all commands.
func TestHelpListsCommands(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"help"}, nil, strings.NewReader(""), &stdout, &stdout); err != nil {
		t.Fatal(err)
	}
	list, _, _ := strings.Cut(stdout.String(), "\nEverything is configured")
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
		if !regexp.MustCompile(`(?m)^  ` + c.name + ` +\w`).MatchString(list) {
			t.Errorf("help does not explain %s:\n%s", c.name, list)
		}
	}
	if want := []string{"serve", "migrate", "migrate status", "doctor", "import", "erase", "workspaces", "schema", "health", "version", "help"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	for line := range strings.Lines(list) {
		if len(line) > 120 {
			t.Errorf("not readable: %q", line)
		}
	}
}

// TestConfigurationErrors: problems of the configuration are JSON lines in the log, or a list with LOG_FORMAT=text, also if
// LOG_FORMAT itself is wrong.
func TestConfigurationErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		environ []string
		json    bool
	}{
		{"production", []string{"ENVIRONMENT=production", "PORT=x"}, true},
		{"production as text", []string{"ENVIRONMENT=production", "PORT=x", "LOG_FORMAT=text"}, false},
		{"production with a wrong format", []string{"ENVIRONMENT=production", "PORT=x", "LOG_FORMAT=xml"}, true},
		{"a wrong environment", []string{"ENVIRONMENT=prod", "PORT=x"}, true},
		{"development", []string{"PORT=x", "LOG_LEVEL=loud"}, false},
		{"development as JSON", []string{"PORT=x", "LOG_FORMAT=JSON", "LOG_LEVEL=loud"}, true},
		{"development with a wrong format", []string{"PORT=x", "LOG_FORMAT=xml"}, false},
	} {
		_, problems := config.LoadPartial(config.FromEnviron(tt.environ))
		for _, command := range []string{"serve", "migrate", "migrate status", "import --from postgres://h/d"} {
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), strings.Fields(command), tt.environ, strings.NewReader(""), &stdout, &stderr)
			if err == nil || errors.Is(err, errLogged) != tt.json {
				t.Errorf("%s, %s: got %v", tt.name, command, err)
			}
			log := stdout.String() + stderr.String()
			if !tt.json {
				if log != "" || !strings.Contains(err.Error(), "\n  PORT must be a whole number") {
					t.Errorf("%s, %s: %v\n%s", tt.name, command, err, log)
				}
				continue
			}
			var variables []string
			for line := range strings.Lines(log) {
				var attrs struct{ Level, Message, Variable, Error string }
				if err := json.Unmarshal([]byte(line), &attrs); err != nil || attrs.Level != "error" || attrs.Message != "configuration" || !strings.HasPrefix(attrs.Error, attrs.Variable+" ") {
					t.Errorf("%s, %s: %v: %s", tt.name, command, err, line)
				}
				variables = append(variables, attrs.Variable)
			}
			if len(variables) != len(problems) || !slices.Contains(variables, "PORT") {
				t.Errorf("%s, %s: problems of %q are logged, want all of %v", tt.name, command, variables, problems)
			}
		}
	}
}

// TestBadManifest: all errors in trusted documents are reported, before the database is created or changed.
func TestBadManifest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	manifest, file := filepath.Join(dir, "m.json"), filepath.Join(dir, "tasks.db")
	if err := os.WriteFile(manifest, []byte(`{"a":1,"b":"query Old { viewer { nope } }","c":"","d":"query Good { viewer { id } }"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"DATABASE_URL=sqlite:" + file, "TRUSTED_DOCUMENTS=allow", "TRUSTED_DOCUMENTS_FILE=" + manifest}
	for _, command := range []string{"serve", "migrate", "doctor"} {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), []string{command}, environ, strings.NewReader(""), &stdout, &stderr)
		said := fmt.Sprint(err, stdout.String())
		for _, want := range []string{manifest, `"a" must be a document's text`, `"c" must be a document's text`, `Old (b): input:1:22: Cannot query field "nope"`} {
			if err == nil || !strings.Contains(strings.ReplaceAll(said, `\"`, `"`), want) {
				t.Errorf("%s does not say %s: %s", command, want, said)
			}
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s made the database: %v", command, err)
		}
	}
}

// TestDoctor checks a real session with the server's own settings, and a forged one.
func TestDoctor(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{CookiePrefix: "my-app", SecureCookies: true})
	cookie := auth.SignUp(t, "Ada", "ada@example.com", "correct horse").Header().Get("Cookie")
	environ := append(production(t, testkit.MigratedPostgresURL(t), auth), "AUTH_COOKIE_PREFIX=my-app")
	for _, tt := range []struct {
		cookie, want string
		err          error
	}{
		{"Cookie: " + cookie + "\n", "ok       user: user ", nil},
		{strings.Replace(cookie, "session_token=", "session_token=x", 1), "failure  signature: ", doctor.ErrUnhealthy},
	} {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), []string{"doctor", "--cookie", "-"}, environ, strings.NewReader(tt.cookie), &stdout, &stderr)
		if !errors.Is(err, tt.err) || !strings.Contains(stdout.String(), tt.want) {
			t.Errorf("%v, want %v and %q:\n%s", err, tt.err, tt.want, stdout.String())
		}
	}
}

// TestDoctorAPIKey checks a real API key.
func TestDoctorAPIKey(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{Config: "api-key"})
	var made struct{ Key string }
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse")
	if err := json.Unmarshal(ada.Post(t, "/api/auth/api-key/create", map[string]any{}), &made); err != nil {
		t.Fatal(err)
	}
	environ := production(t, testkit.MigratedPostgresURL(t), auth)
	for _, tt := range []struct {
		key, variable, want string
		err                 error
	}{
		{made.Key, "", "  ok       get-session: the auth server knows the key\n", nil},
		{"X-API-Key: " + made.Key + "\n", "", "  ok       permissions: none: the key may do whatever its user may\n", nil},
		{made.Key, "", "  ok       limits: 6 of 100 requests in 1m0s used\n", nil},
		{made.Key, "AUTH_API_KEY_HEADER=x-tasks-key", "  failure  get-session: api_key_unknown: the auth server accepts no API keys from this header", doctor.ErrUnhealthy},
		{made.Key, "AUTH_API_KEY_HEADER=off", "  failure  API keys are ignored: AUTH_API_KEY_HEADER is off\n", doctor.ErrUnhealthy},
		{made.Key[1:], "", "  failure  get-session: api_key_unknown\n", doctor.ErrUnhealthy},
		{"a b", "", "  failure  API key: what the header x-api-key holds is no key\n", doctor.ErrUnhealthy},
	} {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), []string{"doctor", "--api-key", "-"}, append(environ, tt.variable), strings.NewReader(tt.key), &stdout, &stderr)
		if !errors.Is(err, tt.err) || !strings.Contains(stdout.String(), tt.want) {
			t.Errorf("%v, want %v and %q:\n%s", err, tt.err, tt.want, stdout.String())
		}
		if strings.Contains(stdout.String(), made.Key[1:]) {
			t.Errorf("the key is told:\n%s", stdout.String())
		}
	}
}

// TestMigrate: status lists pending migrations without changing anything, and migrate applies them.
func TestMigrate(t *testing.T) {
	t.Parallel()
	environ := []string{"DATABASE_URL=" + testkit.PostgresURL(t)}
	ask := func(args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), args, environ, strings.NewReader(""), &stdout, &stderr); err != nil {
			t.Fatalf("%v: %v\n%s%s", args, err, stdout.String(), stderr.String())
		}
		return stdout.String()
	}
	for range 2 {
		if got := ask("migrate", "status"); !strings.Contains(got, "pending") || strings.Contains(got, "applied") {
			t.Errorf("before: %s", got)
		}
	}
	ask("migrate")
	if got := ask("migrate", "status"); strings.Contains(got, "pending") || !strings.Contains(got, "applied") {
		t.Errorf("after: %s", got)
	}
}

// TestImport: the URL may come from standard input, the report goes to standard output, and an incomplete import has an error of
// its own that is not logged.
func TestImport(t *testing.T) {
	t.Parallel()
	from := testkit.PostgresURL(t)
	source, err := sql.Open("postgres", testkit.DirectURL(t, from))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	_, err = source.ExecContext(t.Context(), `CREATE TABLE tasks (id int, title text, user_id text); INSERT INTO tasks VALUES (1, 'x', 'u'), (2, ' ', 'u')`)
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{"DATABASE_URL=" + testkit.PostgresURL(t)} // Not migrated yet.
	ask := func(args ...string) (string, string, error) {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), append([]string{"import", "--from", "-"}, args...), environ, strings.NewReader(from+"\n"), &stdout, &stderr)
		return stdout.String(), stderr.String(), err
	}
	if out, log, err := ask("--dry-run"); err == nil || !strings.Contains(err.Error(), "server migrate") || out != "" || !strings.Contains(log, "the command has failed") {
		t.Errorf("a dry run on an empty database: %v\n%s%s", err, out, log)
	}
	out, log, err := ask("--verbose")
	if !errors.Is(err, importer.ErrIncomplete) || errors.Is(err, errLogged) || !strings.Contains(out, "1 tasks, 0 tags and 0 categories taken") {
		t.Errorf("%v\n%s", err, out)
	}
	if !strings.Contains(log, "2 of 2 tasks read (100 %)") || strings.Contains(log, "has failed") {
		t.Error(log)
	}
	if out, _, err := ask("--user", "u", "--dry-run"); !errors.Is(err, importer.ErrIncomplete) || !strings.Contains(out, "1 tasks, 0 tags and 0 categories were here already") {
		t.Errorf("again: %v\n%s", err, out)
	}
}

// TestStatusMakesNoFile: status doesn't create a missing SQLite file.
func TestStatusMakesNoFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "t.db")
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"migrate", "status"}, []string{"DATABASE_URL=sqlite:" + file}, strings.NewReader(""), &stdout, &stderr)
	if _, statErr := os.Stat(file); err == nil || !errors.Is(statErr, fs.ErrNotExist) {
		t.Errorf("got %v, and of the file %v", err, statErr)
	}
}

// TestMigrateSQLite: the command creates the database. (TestFirstStart tests serve.)
func TestMigrateSQLite(t *testing.T) {
	t.Parallel()
	environ := []string{"DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "t.db")}
	for _, command := range []string{"", "status"} {
		var stdout, stderr bytes.Buffer
		args := strings.Fields("migrate " + command)
		if err := run(t.Context(), args, environ, strings.NewReader(""), &stdout, &stderr); err != nil || stdout.Len() == 0 {
			t.Errorf("%v: %v\n%s%s", args, err, stdout.String(), stderr.String())
		}
	}
}

// TestDatabaseConfig: every variable of the database is passed on.
func TestDatabaseConfig(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(map[string]string{
		"DATABASE_URL": "postgres://u@pool/x", "DIRECT_DATABASE_URL": "postgres://u@direct/x", "DB_MAX_OPEN_CONNS": "7",
		"DB_MAX_IDLE_CONNS": "3", "DB_CONN_MAX_LIFETIME": "11m", "DB_CONN_MAX_IDLE_TIME": "2m",
		"DB_STATEMENT_CACHE_SIZE": "77", "DB_WAIT": "4s",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := database.Config{
		URL: "postgres://u@pool/x", DirectURL: "postgres://u@direct/x", MaxOpenConns: 7, MaxIdleConns: 3, AcquireTimeout: 4 * time.Second,
		ConnMaxLifetime: 11 * time.Minute, ConnMaxIdleTime: 2 * time.Minute, StatementTimeout: 5 * time.Second,
		StatementCache: database.CacheAuto, StatementCacheSize: 77,
	}
	if diff := cmp.Diff(want, databaseConfig(cfg)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for address, cache := range map[string]database.StatementCache{"postgres://u@h:6432/x": database.CacheOff, "postgres://u@h/x": database.CacheAuto} {
		if got := databaseConfig(config.Config{DatabaseURL: config.Secret(address), DBStatementCache: "auto"}).StatementCache; got != cache {
			t.Errorf("%s: the cache is %s, want %s", address, got, cache)
		}
	}
}

// TestDatabaseURLs: errors in a database URL are reported with all other problems, under the variable's name. What Open repairs
// is no problem.
func TestDatabaseURLs(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"postgres://u:pa#ss@h/d", "postgres://u:pass@h/d?sslmode=bogus", "postgres://u:pass@h:99999/d", "mysql://u:pass@h/d", "postgres://u:pass@h/d?schema=a&currentSchema=b", "postgres://u:pass@a:1,b:x/d", "postgres://u:pass@a,b/d?target_session_attrs=standby"} {
		_, err := config.Load(map[string]string{"DATABASE_URL": bad, "PORT": "x"}, database.CheckURL)
		if err == nil || !strings.Contains(err.Error(), "DATABASE_URL") || !strings.Contains(err.Error(), "PORT") || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, good := range []string{"psql 'postgres://u@h/d'", "DATABASE_URL=postgres://u@h/d", "postgresql+asyncpg://u@h/d", "sqlite3:x.db", "postgres://u:pa${word}ss@h/d", "postgres://u:pass@a:5432,b:5432/d?schema=app", "postgres://u@%2Fvar%2Frun%2Fpostgresql/d"} {
		if _, err := config.Load(map[string]string{"DATABASE_URL": good}, database.CheckURL); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
