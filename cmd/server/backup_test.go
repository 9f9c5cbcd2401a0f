package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskql/ent/streamticket"
	"taskql/internal/database"
	"taskql/internal/testkit"
	"taskql/internal/testkit/pgcluster"
)

const backupGuide = "../../docs/operations/backup.md"

// TestBackup runs the commands of docs/operations/backup.md: it makes tasks, backs up, changes more, destroys the database and
// restores it. Then every row is as it was at the time of the backup, and the server starts on the restored database, accepts
// the old session and changes, and sends no 304 to a client that knows a lost change. A stream that goes on from a copy with a lost
// change begins with HISTORY_CHANGED.
func TestBackup(t *testing.T) {
	t.Parallel()
	guide := readBackupGuide(t)
	if _, version, _ := runToEnd(t, nil, "version"); strings.Contains(version, "commit unknown") {
		t.Fatal("entity tags of a binary without a commit end with the process, and then this test doesn't test them")
	}
	tests := []struct {
		name string
		// environment, backUp, restore and raise are the numbers of the guide's code blocks.
		environment, backUp, restore, raise []int
		// stopped reports that the server is stopped for the backup.
		stopped  bool
		database func(t *testing.T) *restorable
	}{
		{"postgres", []int{0}, []int{1}, []int{2, 3}, []int{4}, false, restorablePostgres},
		{"sqlite", nil, []int{5}, []int{6}, []int{7}, false, restorableSQLite},
		{"sqlite, stopped", nil, []int{8}, []int{9}, []int{7}, true, restorableSQLite},
	}
	used := map[int]bool{}
	for _, tt := range tests {
		for _, n := range slices.Concat(tt.environment, tt.backUp, tt.restore, tt.raise) {
			used[n] = true
		}
	}
	if len(used) != len(guide) {
		t.Fatalf("%s has %d blocks of commands, and %d are tested", backupGuide, len(guide), len(used))
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := tt.database(t)
			do := func(blocks []int) {
				t.Helper()
				var script []string
				for _, n := range slices.Concat(tt.environment, blocks) {
					script = append(script, guide[n])
				}
				r.run(t, strings.Join(script, "\n"))
			}

			p := start(t, "DATABASE_URL="+r.address)
			p.healthy(t)
			lost := &clientOfLost{client: client{t: t, url: p.URL, header: signUpHere(t, p, "ada@example.com", "Ada")}}
			lost.makeTasks()
			var out bytes.Buffer // It fills the table of erased users too.
			if err := run(t.Context(), []string{"erase", "--user", "eve", "--yes"}, []string{"DATABASE_URL=" + r.address}, strings.NewReader(""), &out, &out); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			if tt.stopped {
				p.terminate(t)
			}
			do(tt.backUp)
			want := rowsOf(t, r.address)
			if tt.stopped {
				p = start(t, "DATABASE_URL="+r.address)
				p.healthy(t)
				lost.url = p.URL
			}
			lost.changeWhatIsLost()
			if err := p.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-p.done
			r.lose(t)

			do(tt.restore)
			if diff := cmp.Diff(want, rowsOf(t, r.restored)); diff != "" {
				t.Errorf("restored rows (-backed up +restored):\n%s", diff)
			}
			do(tt.raise)
			p = start(t, "DATABASE_URL="+r.restored)
			p.healthy(t)
			lost.url = p.URL
			lost.checkRestored()
			p.terminate(t)
		})
	}
}

// readBackupGuide returns the guide's blocks of commands, in order.
func readBackupGuide(t *testing.T) []string {
	t.Helper()
	guide, err := os.ReadFile(backupGuide)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, match := range regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```$").FindAllStringSubmatch(string(guide), -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

// restorable is a database that the guide's commands back up and restore.
type restorable struct {
	// address is DATABASE_URL before the loss, restored the one after it.
	address, restored string
	// lose destroys the database.
	lose func(t *testing.T)

	dir string
	// path is the folder of the programs that the commands need, beside the server's.
	path string
	// addresses replaces the guide's addresses with the test's.
	addresses *strings.Replacer
}

// run runs commands of the guide, which must succeed.
func (r *restorable) run(t *testing.T, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", r.addresses.Replace(script))
	cmd.Dir = r.dir
	cmd.Env = []string{"HOME=" + r.dir, "PATH=" + strings.Join([]string{binaryDir, r.path, os.Getenv("PATH")}, string(os.PathListSeparator))}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	if strings.Contains(script, "AS broken") && !regexp.MustCompile(`broken\s+-+\s+0\s`).Match(out) {
		t.Errorf("broken is not 0:\n%s", out)
	}
	if strings.Contains(script, "integrity_check") && !regexp.MustCompile(`(?m)\Aok\n1\|4\|1\|20.*\n0\n\z`).Match(out) {
		t.Errorf("the checks say\n%s", out)
	}
}

func restorablePostgres(t *testing.T) *restorable {
	t.Helper()
	path, err := pgcluster.Programs("psql", "pg_dump", "pg_restore")
	testkit.Require(t, "PostgreSQL's client programs", err)
	old := testkit.PostgresURL(t)
	admin := openRows(t, old)
	checkDumps(t, path, admin)
	parsed, err := url.Parse(testkit.DirectURL(t, old))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(parsed.Path, "/") + "_restored"
	restored := *parsed
	restored.Path = "/" + name
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := admin.SQL.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return &restorable{
		address: parsed.String(), restored: restored.String(), dir: t.TempDir(), path: path,
		lose: func(t *testing.T) {
			t.Helper()
			if _, err := admin.SQL.ExecContext(t.Context(), "DROP SCHEMA public CASCADE"); err != nil {
				t.Fatal(err)
			}
		},
		addresses: strings.NewReplacer(
			"postgres://taskql:password@db.example.com:5432/taskql_restored", restored.String(),
			"postgres://taskql:password@db.example.com:5432/taskql", parsed.String(),
			"taskql_restored", name,
		),
	}
}

// checkDumps ends the test if pg_dump is older than the database, because it fails then.
func checkDumps(t *testing.T, path string, db *database.DB) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(path, "pg_dump"), "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var program, server int
	if _, err := fmt.Sscanf(string(out), "pg_dump (PostgreSQL) %d", &program); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	err = db.SQL.QueryRowContext(t.Context(), "SELECT current_setting('server_version_num')::int / 10000").Scan(&server)
	if err != nil {
		t.Fatal(err)
	}
	if program < server {
		testkit.Require(t, "a pg_dump as new as the server", fmt.Errorf("the server is PostgreSQL %d, pg_dump %d", server, program))
	}
}

func restorableSQLite(t *testing.T) *restorable {
	t.Helper()
	path, err := exec.LookPath("sqlite3")
	testkit.Require(t, "the program sqlite3", err)
	dir := t.TempDir()
	file := filepath.Join(dir, "taskql.db")
	return &restorable{
		address: "sqlite:" + file, restored: "sqlite:" + file, dir: dir, path: filepath.Dir(path),
		lose: func(t *testing.T) {
			t.Helper()
			// The killed server leaves a write-ahead log with the lost changes, which a restore must not apply.
			if _, err := os.Stat(file + "-wal"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("lost"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		addresses: strings.NewReplacer(),
	}
}

// clientOfLost is a client that knows changes that the restore undoes.
type clientOfLost struct {
	client

	tag     string // the entity tag of a list with a lost change
	version string // of the task with a lost change
	token   string // of a copy with a lost change
	created string // the first answer to keyed
}

const (
	changedTask = "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c01"
	keyed       = `mutation { createTask(input: {title: "Pay rent", idempotencyKey: "k1"}) { task { id version } userErrors { code } } }`
	list        = `{ tasks(orderBy: [{field: CREATED_AT}]) { nodes { title completed version } } }`
)

// makeTasks fills every table.
func (c *clientOfLost) makeTasks() {
	c.t.Helper()
	for _, mutation := range []string{
		`createTag(input: {id: "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4ca0", name: "home"}) { userErrors { code } }`,
		`createTask(input: {id: "` + changedTask + `", title: "Buy milk", tagIds: ["0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4ca0"], due: {date: "2026-12-01"}, recurrence: {rule: "FREQ=DAILY"}}) { userErrors { code } }`,
		`setReminders(input: {taskId: "` + changedTask + `", reminders: [{at: "2099-01-01T09:00:00Z"}]}) { userErrors { code } }`,
		`createTask(input: {title: "Oat milk", parentId: "` + changedTask + `"}) { userErrors { code } }`,
		`createTask(input: {id: "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c02", title: "Bin"}) { userErrors { code } }`,
		`deleteTask(input: {id: "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c02"}) { userErrors { code } }`,
		// It leaves a tombstone.
		`createTask(input: {id: "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c03", title: "Gone"}) { userErrors { code } }`,
		`deleteTask(input: {id: "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c03"}) { userErrors { code } }`,
		`purgeTask(input: {id: "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c03"}) { userErrors { code } }`,
		`createProject(input: {id: "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4cb0", name: "Garden"}) { userErrors { code } }`,
		`createSection(input: {projectId: "0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4cb0", name: "Beds"}) { userErrors { code } }`,
	} {
		c.change(mutation)
	}
	c.makeOrganization()
	c.ask("{ changes { token } }", nil) // The first token makes the epoch.
	c.created = string(c.ask(keyed, nil).Data["createTask"])
}

// makeOrganization makes an organization at the development sign-in, invites somebody and uses its workspace.
func (c *clientOfLost) makeOrganization() {
	c.t.Helper()
	post := func(path, body string) string {
		c.t.Helper()
		r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url+"/api/auth/organization/"+path, strings.NewReader(body))
		if err != nil {
			c.t.Fatal(err)
		}
		maps.Copy(r.Header, c.header)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", c.url)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			c.t.Fatal(err)
		}
		defer resp.Body.Close()
		var made struct{ ID string }
		if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || resp.StatusCode != http.StatusOK || made.ID == "" {
			c.t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
		}
		return made.ID
	}
	id := post("create", `{"name": "Acme", "slug": "acme"}`)
	post("set-active", fmt.Sprintf(`{"organizationId": %q}`, id))
	post("invite-member", fmt.Sprintf(`{"organizationId": %q, "email": "eve@example.com", "role": "member"}`, id))
	if got := c.ask(fmt.Sprintf(`{ workspace(id: "organization/%s") { name } }`, id), nil).one(c.t, "workspace.name"); !strings.Contains(got, "Acme") {
		c.t.Fatalf("the organization's workspace is %s", got)
	}
}

// change runs a mutation that must succeed.
func (c *clientOfLost) change(mutation string) {
	c.t.Helper()
	if got := c.ask("mutation { r: "+mutation+" }", nil).one(c.t, "r.userErrors"); got != "[]" {
		c.t.Fatalf("%s: %s", mutation, got)
	}
}

func (c *clientOfLost) changeWhatIsLost() {
	c.t.Helper()
	answer := c.ask(`mutation { r: updateTask(input: {id: "`+changedTask+`", title: "A lost title"}) { task { version } } }`, nil)
	c.version = answer.one(c.t, "r.task.version")
	if _, c.tag = c.poll(); c.tag == "" {
		c.t.Fatal("no entity tag")
	}
	c.token = c.ask("{ changes { token tasks { title } } }", nil).one(c.t, "changes.token")
}

// checkCopyIsRefused checks that a stream that goes on from a copy with a lost change begins with a reset.
func (c *clientOfLost) checkCopyIsRefused() {
	c.t.Helper()
	document := fmt.Sprintf(`subscription { changes(after: %q) { reset tasks { title } } }`, c.token)
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/graphql?"+url.Values{"query": {document}}.Encode(), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	maps.Copy(r.Header, c.header)
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if !strings.Contains(data, `"HISTORY_CHANGED"`) || strings.Contains(data, "lost") || !strings.Contains(data, "Oat milk") {
			c.t.Errorf("a copy with a lost change is continued with %s", data)
		}
		return
	}
	c.t.Error("the stream has ended")
}

// poll asks for the list unless it is still the one with the entity tag.
func (c *clientOfLost) poll() (int, string) {
	c.t.Helper()
	address := c.url + "/graphql?" + url.Values{"query": {list}}.Encode()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	maps.Copy(r.Header, c.header)
	r.Header.Set("Accept", "application/graphql-response+json")
	if c.tag != "" {
		r.Header.Set("If-None-Match", c.tag)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("ETag")
}

// checkRestored checks the restored database through the server, with the session and the entity tag of before.
func (c *clientOfLost) checkRestored() {
	c.t.Helper()
	c.checkCopyIsRefused()
	if got := c.ask(list, nil).one(c.t, "tasks.nodes"); !strings.Contains(got, "Buy milk") || strings.Contains(got, "lost") {
		c.t.Errorf("restored: %s", got)
	}
	if got := string(c.ask(keyed, nil).Data["createTask"]); got != c.created {
		c.t.Errorf("the repeated request is answered %s, and before the restore %s", got, c.created)
	}
	// As many changes as were lost, so that the versions could be the same.
	c.change(`updateTask(input: {id: "` + changedTask + `", title: "After the restore"}) { userErrors { code } }`)
	if status, _ := c.poll(); status != http.StatusOK {
		c.t.Errorf("a client with an answer of a lost version is told %d, want 200", status)
	}
	overwrite := fmt.Sprintf(`mutation { r: updateTask(input: {id: %q, ifVersion: %s, title: "Overwritten"}) { userErrors { code } } }`, changedTask, c.version)
	if got := c.ask(overwrite, nil).one(c.t, "r.userErrors"); !strings.Contains(got, "STALE") {
		c.t.Errorf("a change of a lost version is answered %s, want STALE", got)
	}
	c.change(`createTask(input: {title: "New"}) { userErrors { code } }`)
}

// openRows opens a database directly.
func openRows(t *testing.T, address string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), database.Config{URL: address, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // It only reads.
	return db
}

// rowsOf returns all rows by table, sorted by their values.
func rowsOf(t *testing.T, address string) map[string][]string {
	t.Helper()
	found := testkit.AllRows(t, openRows(t, address))
	for name, rows := range found {
		if len(rows) == 0 && name != streamticket.Table { // Tickets are valid for half a minute.
			t.Errorf("the table %s is empty, so it tells nothing", name)
		}
	}
	if len(found) < 10 {
		t.Errorf("only %d tables", len(found))
	}
	return found
}
