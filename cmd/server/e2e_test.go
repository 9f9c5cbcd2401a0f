package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskql/internal/testkit"
)

// TestNodeProgram runs the program in docs/development.md against the server without any configuration.
func TestNodeProgram(t *testing.T) {
	t.Parallel()
	testkit.RequirePrograms(t, "node")
	page, err := os.ReadFile("../../docs/development.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "### A program without a browser\n")
	_, block, _ := strings.Cut(section, "```js\n")
	program, _, found := strings.Cut(block, "```\n")
	if !found || !strings.Contains(program, "http://localhost:8000") {
		t.Fatalf("docs/development.md has no program for the default address:\n%s", section)
	}
	p := start(t)
	p.healthy(t)
	file := filepath.Join(p.Dir, "program.mjs")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(program, "http://localhost:8000", p.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "node", file).CombinedOutput()
	if err != nil || !regexp.MustCompile(`\{"createTask":\{"task":\{"id":"[0-9a-f-]{36}","title":"Buy milk"\},"userErrors":\[\]\}\}`).Match(out) {
		t.Errorf("%v: no task was created:\n%s", err, out)
	}
}

// TestReadme runs the commands under "A first task" in README twice, in an empty folder with an empty environment. README's
// first query has the answer that README shows.
func TestReadme(t *testing.T) {
	t.Parallel()
	testkit.RequirePrograms(t, "curl")
	p := start(t)
	p.healthy(t)
	script := strings.ReplaceAll(readmeBlock(t, "A first task", "sh"), "http://localhost:8000", p.URL)
	for try, signedIn := range []string{`{"token":`, `{"redirect":false,`} {
		cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", script)
		cmd.Dir = p.Dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("run %d: %v\n%s", try+1, err, out)
		}
		created := regexp.MustCompile(`\{"createTask":\{"task":\{"id":"([0-9a-f-]{36})","title":"Buy milk","version":[0-9]+\},"userErrors":\[\]\}\}`).FindSubmatch(out)
		if created == nil {
			t.Fatalf("run %d: no task was created:\n%s", try+1, out)
		}
		for _, want := range []string{
			signedIn,
			`"email":"ada@example.com"`,
			`{"viewer":{"name":"Ada"},"tasks":{"totalCount":1,"nodes":[{"id":"` + string(created[1]) + `","title":"Buy milk","completed":false}],"pageInfo":{"hasNextPage":false,`,
			`{"completeTask":{"task":{"completed":true,"completedAt":"20`,
			`{"deleteTask":{"task":{"deletedAt":"20`,
		} {
			if !strings.Contains(string(out), want) {
				t.Errorf("run %d: no %s in\n%s", try+1, want, out)
			}
		}
	}
	checkReadmeAnswer(t, p)
	p.terminate(t)
}

// readmeBlock returns the first block of code in a section of README.
func readmeBlock(t *testing.T, section, language string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "\n## "+section+"\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	_, rest, _ = strings.Cut(rest, "\n```"+language+"\n")
	block, _, ok := strings.Cut(rest, "\n```\n")
	if !ok {
		t.Fatalf("README has no block of %q under %q", language, section)
	}
	return block
}

// checkReadmeAnswer makes the tasks that README's first query finds, and compares the answers.
func checkReadmeAnswer(t *testing.T, p *process) {
	t.Helper()
	c := &client{t: t, url: p.URL, header: signUpHere(t, p, "grace@example.com", "Ada")}
	tags := map[string]string{}
	for _, name := range []string{"home", "paperwork"} {
		tags[name] = c.ask(`mutation($name: String!) { createTag(input: {name: $name}) { tag { id } } }`, map[string]any{"name": name}).one(t, "createTag.tag.id")
	}
	create := func(title, priority string, more map[string]any) string {
		t.Helper()
		input := map[string]any{"title": title, "priority": priority}
		maps.Copy(input, more)
		return c.ask(`mutation($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }`, map[string]any{"input": input}).one(t, "createTask.task.id")
	}
	week := map[string]any{"date": time.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly)} // In the week even if it is midnight now.
	taxes := create("File the tax return", "URGENT", map[string]any{"due": week, "tagIds": []string{tags["home"], tags["paperwork"]}})
	create("Renew the passport", "HIGH", map[string]any{"due": week, "tagIds": []string{tags["paperwork"]}})
	create("Call the bank", "LOW", map[string]any{"due": week})
	create("Learn the accordion", "URGENT", nil)
	create("Find the receipts", "NONE", map[string]any{"parentId": taxes})
	done := create("Find the form", "NONE", map[string]any{"parentId": taxes})
	c.ask(`mutation($id: ID!) { completeTask(input: {id: $id}) { task { id } } }`, map[string]any{"id": done}).one(t, "completeTask.task.id")

	const section = "A query and its answer"
	resp, err := c.post(t.Context(), http.DefaultClient, readmeBlock(t, section, "graphql"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got, want map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(readmeBlock(t, section, "json")), &want); err != nil {
		t.Fatal(err)
	}
	delete(got, "extensions") // The cost, which development always tells.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("README shows another answer (-README +server):\n%s", diff)
	}
}

// TestReadmeCommands: README lists the commands that the binary has.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	command := regexp.MustCompile(`(?m)^ {0,2}([a-z]+) `)
	var want, got []string
	for _, c := range commands() {
		name, _, _ := strings.Cut(c.name, " ") // README names "migrate status" beside "migrate".
		want = append(want, name)
	}
	for _, match := range command.FindAllStringSubmatch(readmeBlock(t, "Operations", ""), -1) {
		got = append(got, match[1])
	}
	if want = slices.Compact(want); !slices.Equal(got, want) || len(want) < 8 {
		t.Errorf("README lists %q, the binary %q", got, want)
	}
}

// client sends requests to a server with one session.
type client struct {
	t      *testing.T
	url    string
	header http.Header
}

type answer struct {
	Status int
	Data   map[string]json.RawMessage
	Errors []struct {
		Message    string
		Extensions map[string]any
	}
}

func (c *client) ask(query string, variables map[string]any) answer {
	c.t.Helper()
	resp, err := c.post(c.t.Context(), http.DefaultClient, query, variables)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{Status: resp.StatusCode}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *client) post(ctx context.Context, by *http.Client, query string, variables map[string]any) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range c.header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/graphql-response+json")
	return by.Do(r)
}

// one returns a field of the data, such as createTask.task.id.
func (a answer) one(t *testing.T, path string) string {
	t.Helper()
	if len(a.Errors) > 0 {
		t.Fatalf("status %d: %+v", a.Status, a.Errors)
	}
	names := strings.Split(path, ".")
	value := a.Data[names[0]]
	for _, name := range names[1:] {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(value, &fields); err != nil {
			t.Fatalf("%s: %v in %s", path, err, value)
		}
		value = fields[name]
	}
	return strings.Trim(string(value), `"`)
}

func (a answer) code() any {
	if len(a.Errors) == 0 {
		return nil
	}
	return a.Errors[0].Extensions["code"]
}

// TestProduction: users who signed in at a real Better Auth server make, list, complete and delete tasks in PostgreSQL, with only
// the cookie.
func TestProduction(t *testing.T) {
	t.Parallel()
	auth := testkit.BetterAuth(t, testkit.BetterAuthOptions{})
	p := start(t, production(t, testkit.PostgresURL(t), auth)...)
	p.healthy(t)
	ada := auth.SignUp(t, "Ada", "ada@example.com", "correct horse battery")
	eve := auth.SignUp(t, "Eve", "eve@example.com", "staple horse battery")
	a := &client{t: t, url: p.URL, header: ada.Header()}
	e := &client{t: t, url: p.URL, header: eve.Header()}

	if got := a.ask(`{ viewer { name email } }`, nil).one(t, "viewer.email"); got != "ada@example.com" {
		t.Errorf("the viewer is %q", got)
	}
	created := a.ask(`mutation { createTask(input: {title: "Buy milk"}) { task { id version } userErrors { code } } }`, nil)
	id := created.one(t, "createTask.task.id")
	if got := a.ask(`{ tasks { totalCount } }`, nil).one(t, "tasks.totalCount"); got != "1" {
		t.Errorf("%s tasks, want 1", got)
	}
	byID := map[string]any{"id": id}
	completed := a.ask(`mutation($id: ID!) { completeTask(input: {id: $id, ifVersion: 1}) { task { completed } } }`, byID)
	if got := completed.one(t, "completeTask.task.completed"); got != "true" {
		t.Errorf("completed is %s", got)
	}

	// Another user doesn't see the tasks.
	for query, want := range map[string]string{
		`query($id: ID!) { r: task(id: $id) { id } }`:                                                                                   `null`,
		`query($id: ID!) { r: node(id: $id) { id } }`:                                                                                   `null`,
		`query($id: ID!) { r: nodes(ids: [$id]) { id } }`:                                                                               `[null]`,
		`{ r: tasks(scope: ALL) { totalCount nodes { id } } }`:                                                                          `{"totalCount":0,"nodes":[]}`,
		`mutation($id: ID!) { r: updateTask(input: {id: $id, title: "mine"}) { task { id } userErrors { code } } }`:                     `{"task":null,"userErrors":[{"code":"NOT_FOUND"}]}`,
		`mutation($id: ID!) { r: completeTask(input: {id: $id}) { task { id } userErrors { code } } }`:                                  `{"task":null,"userErrors":[{"code":"NOT_FOUND"}]}`,
		`mutation($id: ID!) { r: reopenTask(input: {id: $id}) { task { id } userErrors { code } } }`:                                    `{"task":null,"userErrors":[{"code":"NOT_FOUND"}]}`,
		`mutation($id: ID!) { r: deleteTask(input: {id: $id}) { task { id } userErrors { code } } }`:                                    `{"task":null,"userErrors":[{"code":"NOT_FOUND"}]}`,
		`mutation($id: ID!) { r: createTask(input: {id: $id, title: "mine"}) { task { id } userErrors { code } } }`:                     `{"task":null,"userErrors":[{"code":"TAKEN"}]}`,
		`mutation($id: ID!) { r: updateTask(input: {id: $id, ifVersion: 1, title: "mine"}) { task { title } userErrors { message } } }`: `{"task":null,"userErrors":[{"message":"There is no such task."}]}`,
	} {
		var variables map[string]any
		if strings.Contains(query, "$id") {
			variables = byID
		}
		if got := string(e.ask(query, variables).Data["r"]); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}

	deleted := a.ask(`mutation($id: ID!) { deleteTask(input: {id: $id}) { task { deletedAt version } } }`, byID)
	if got := deleted.one(t, "deleteTask.task.version"); got != "3" {
		t.Errorf("version %s, want 3", got)
	}

	// No cookie, a forged one, and the one of a session that was signed out.
	nobody := (&client{t: t, url: p.URL}).ask(`{ tasks { totalCount } }`, nil)
	if nobody.Status != http.StatusUnauthorized || nobody.code() != "UNAUTHENTICATED" || nobody.Errors[0].Message != "Not authenticated" {
		t.Errorf("nobody: %+v", nobody)
	}
	forged := a.header.Clone()
	forged.Set("Cookie", strings.Replace(forged.Get("Cookie"), "session_token=", "session_token=x", 1))
	if got := (&client{t: t, url: p.URL, header: forged}).ask(`{ tasks { totalCount } }`, nil); got.Status != http.StatusUnauthorized || got.Errors[0].Message != "Invalid session" {
		t.Errorf("forged: %+v", got)
	}
	if got := a.ask(`{ __schema { types { name } } }`, nil); got.code() == nil {
		t.Error("introspection is on in production")
	}
	if status, _, err := get(t, p.URL+"/"); err != nil || status != http.StatusNotFound {
		t.Errorf("the playground in production: %d, %v", status, err)
	}
	if status, _, err := get(t, p.URL+"/api/auth/ok"); err != nil || status != http.StatusNotFound {
		t.Errorf("the development sign-in in production: %d, %v", status, err)
	}
	p.terminate(t)
	p.checkLog(t, auth.Secret, strings.TrimPrefix(a.header.Get("Cookie"), "better-auth.session_token=")[:32], "Buy milk")
}

// TestTwoReplicas starts two servers at the same time on an empty database. Both start, and the migrations run once.
func TestTwoReplicas(t *testing.T) {
	t.Parallel()
	auth := &testkit.AuthServer{URL: "http://127.0.0.1:1", Secret: testkit.BetterAuthSecret}
	env := production(t, testkit.PostgresURL(t), auth)
	replicas := []*process{start(t, env...), start(t, env...)}
	log := ""
	for _, p := range replicas {
		p.healthy(t)
		p.logs(t, `"message":"the auth server is not usable; requests with a session get SERVICE_UNAVAILABLE"`) // It isn't there, and that is no reason not to start.
		log += p.log.String()
	}
	if n := strings.Count(log, "migration applied"); n != migrationsInBinary(t) {
		t.Errorf("%d migrations applied by two replicas, want %d:\n%s", n, migrationsInBinary(t), log)
	}
	for _, p := range replicas {
		p.terminate(t)
	}
}

func migrationsInBinary(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("../../ent/migrate/migrations")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".sql") {
			n++
		}
	}
	return n
}

// TestFaultsTermination sends SIGTERM during about 200 requests a second, half of them on new connections. Every accepted
// request is answered.
func TestFaultsTermination(t *testing.T) {
	t.Parallel()
	testkit.Suite(t, "faults")
	p := start(t, "LOG_LEVEL=warning")
	p.healthy(t)
	c := &client{t: t, url: p.URL, header: signUpHere(t, p, "ada@example.com", "Ada")}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var answered, failed atomic.Int64
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() {
			transport := &http.Transport{DisableKeepAlives: i%2 == 0}
			defer transport.CloseIdleConnections()
			by := &http.Client{Transport: transport}
			for tick := time.NewTicker(40 * time.Millisecond); ctx.Err() == nil; <-tick.C {
				resp, err := c.post(ctx, by, `mutation { createTask(input: {title: "x"}) { task { id } userErrors { code } } }`, nil)
				if errors.Is(err, syscall.ECONNREFUSED) {
					return // Not accepted: the listener is closed.
				}
				if err == nil {
					var body []byte
					if body, err = io.ReadAll(resp.Body); err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"userErrors":[]`))) {
						err = fmt.Errorf("status %d: %s", resp.StatusCode, body)
					}
					resp.Body.Close()
				}
				if err != nil {
					failed.Add(1)
					t.Errorf("after %d answers: %v", answered.Load(), err)
					return
				}
				answered.Add(1)
			}
		})
	}
	time.Sleep(3 * time.Second)
	before := answered.Load()
	p.terminate(t)
	workers.Wait()
	if ctx.Err() != nil {
		t.Error("the listener was still open when the test ended")
	}
	t.Logf("%d requests answered, %d of them after SIGTERM, %d failed", answered.Load(), answered.Load()-before, failed.Load())
	if before < 400 {
		t.Logf("only %d requests in 3 s: a slow machine", before)
	}
}

// signUpHere signs up at the development sign-in and returns the header of a session.
func signUpHere(t *testing.T, p *process, email, name string) http.Header {
	t.Helper()
	body := strings.NewReader(`{"name":"` + name + `","email":"` + email + `","password":"correct horse"}`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/api/auth/sign-up/email", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	header := http.Header{}
	for _, c := range resp.Cookies() {
		if c.Name == "better-auth.session_token" {
			header.Set("Cookie", c.Name+"="+c.Value)
		}
	}
	if header.Get("Cookie") == "" {
		t.Fatalf("no session: status %d", resp.StatusCode)
	}
	return header
}

// TestSignalWhileWaiting: a signal while the server waits for the database ends it with exit code 0.
func TestSignalWhileWaiting(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := start(t, "DATABASE_URL=postgres://nobody@127.0.0.1:1/x", "BETTER_AUTH_SECRET=short")
		p.logs(t, "not reachable yet")
		if _, _, err := get(t, p.URL+"/health"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the port is open before the migrations: %v", err)
		}
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		<-p.done
		if p.err != nil {
			t.Errorf("%s: ended with %v, want exit code 0", signal, p.err)
		}
		if !strings.Contains(p.log.String(), "BETTER_AUTH_SECRET has fewer than 32") {
			t.Errorf("the warnings of the configuration are not in the log:\n%s", p.log)
		}
	}
}

// TestFirstStart: a start without any configuration ends with a line that has the playground's URL.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.healthy(t)
	p.logs(t, "Playground: ") // It may answer before it says so.
	lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasSuffix(last, `msg="Playground: `+p.URL+`"`) {
		t.Errorf("the last line is %s", last)
	}
	if status, page, err := get(t, p.URL); err != nil || status != http.StatusOK || !strings.Contains(page, "<html") {
		t.Errorf("%d, %v: %.100s", status, err, page)
	}
	p.terminate(t)
}

// TestPortInUse: a port in use is found before the database is created, and the error names a free one.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tasks.db")
	code, stdout, stderr := runToEnd(t, []string{"HOST=127.0.0.1", "PORT=" + port, "DATABASE_URL=sqlite:" + file})
	said := regexp.MustCompile("PORT " + port + ` is in use .*PORT=(\d+)`).FindStringSubmatch(stdout)
	if code != 1 || said == nil || said[1] == port || stderr != "" || !strings.Contains(stdout, "the server has stopped") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the database was made: %v", err)
	}
}

// TestUsageErrors: a wrong command line prints the commands and, as the last line, what is wrong.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ line, want string }{
		{"bogus", "server: wrong command line: unknown command: bogus\n"},
		{"import", "server: wrong command line: import takes --from"},
	} {
		code, stdout, stderr := runToEnd(t, nil, strings.Fields(tt.line)...)
		lines := slices.Collect(strings.Lines(stderr))
		if code != 2 || stdout != "" || !strings.Contains(stderr, "Usage: server [command]") || !strings.HasPrefix(lines[len(lines)-1], tt.want) {
			t.Errorf("%s: exit code %d, want the last line %q:\n%s%s", tt.line, code, tt.want, stdout, stderr)
		}
	}
}

// TestRefusesToStart: the error names all missing variables, and the exit code is 1.
func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		code, stdout, stderr := runToEnd(t, []string{"ENVIRONMENT=production", "PORT=0", "LOG_FORMAT=" + format})
		if code != 1 || (format == "json") != (stderr == "") {
			t.Errorf("%s: exit code %d, want 1; on standard error: %s", format, code, stderr)
		}
		for _, name := range []string{"DATABASE_URL", "AUTH_SERVER_URL", "JWT_SECRET", "CORS_ORIGINS", "PORT"} {
			if !strings.Contains(stdout+stderr, name) {
				t.Errorf("%s: %s is not mentioned:\n%s%s", format, name, stdout, stderr)
			}
		}
	}
	if code, out, _ := runToEnd(t, []string{"ENVIRONMENT=production"}, "doctor"); code != 1 || !strings.Contains(out, "  failure  JWT_SECRET is required in production") {
		t.Errorf("doctor: exit code %d:\n%s", code, out)
	}
	secret := url.QueryEscape("hunter2!")
	if code, out, stderr := runToEnd(t, []string{"DATABASE_URL=mysql://ada:" + secret + "@db/x"}); code != 1 || strings.Contains(out+stderr, secret) {
		t.Errorf("exit code %d:\n%s%s", code, out, stderr)
	}
}
