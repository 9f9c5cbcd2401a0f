package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskql/internal/config"
	"taskql/internal/testkit"
)

const deployGuide = "../../docs/deploy-railway.md"

// exampleAuthServer returns the absolute path of examples/auth-server, its packages installed.
func exampleAuthServer(t *testing.T) string {
	t.Helper()
	return testkit.NodePackages(t, "../../examples/auth-server")
}

// TestExampleAuthServer runs two replicas of examples/auth-server on an empty database, behind a frontend that forwards
// /api/auth and /graphql as docs/deploy-railway.md says. The server in production accepts the cookie, the bearer token
// and the JWT.
func TestExampleAuthServer(t *testing.T) {
	t.Parallel()
	dir := exampleAuthServer(t)
	pin := pinnedBetterAuth(t, dir)
	if tested := pinnedBetterAuth(t, "../../internal/testkit/betterauth"); pin != tested {
		t.Errorf("the example pins Better Auth %s, the tests use %s", pin, tested)
	}
	if installed := packageJSON(t, filepath.Join(dir, "node_modules", "better-auth")).Version; installed != pin {
		t.Errorf("Better Auth %s is installed, package.json pins %s", installed, pin)
	}

	frontend := httptest.NewUnstartedServer(nil) // It has an address before it is started.
	t.Cleanup(frontend.Close)
	origin := "http://" + frontend.Listener.Addr().String()
	database := testkit.DirectURL(t, testkit.PostgresURL(t))
	env := []string{"DATABASE_URL=" + database, "BETTER_AUTH_SECRET=" + testkit.BetterAuthSecret, "BETTER_AUTH_URL=" + origin}
	replicas := []*process{startExample(t, dir, env...), startExample(t, dir, env...)}
	for _, replica := range replicas {
		replica.answers(t, "/api/auth/ok", `{"ok":true}`)
	}
	auth := &testkit.AuthServer{URL: replicas[0].URL, Secret: testkit.BetterAuthSecret}
	api := start(t, append(production(t, database, auth),
		"CORS_ORIGINS="+origin, "PUBLIC_URL="+origin, "AUTH_ISSUER="+origin)...)
	api.healthy(t)
	frontend.Config.Handler = rewrites(t, auth.URL, api.URL)
	frontend.Start()

	testkit.RunBetterAuthClient(t, origin)
	ada := (&testkit.AuthServer{URL: origin}).SignUp(t, "Ada", "ada@example.com", "correct horse battery")
	cookie := ada.Header()
	cookie.Set("Origin", origin)
	for name, c := range map[string]*client{
		"cookie": {t: t, url: origin, header: cookie},
		"bearer": {t: t, url: api.URL, header: http.Header{"Authorization": {"Bearer " + ada.Token}}},
		"JWT":    {t: t, url: api.URL, header: http.Header{"Authorization": {"Bearer " + ada.JWT(t)}}},
	} {
		if got := c.ask(`{ viewer { email } }`, nil).one(t, "viewer.email"); got != "ada@example.com" {
			t.Errorf("%s: the viewer is %q", name, got)
		}
	}
	const window = 10 * time.Second // Better Auth's default is 100 requests in it.
	began := time.Now()
	for range 150 {
		if status, _, err := get(t, auth.URL+"/api/auth/get-session"); err != nil || status != http.StatusOK {
			t.Fatalf("get-session answers %d, %v: the server would be throttled", status, err)
		}
	}
	if took := time.Since(began); took > window {
		t.Logf("the requests took %s on this machine: too slow to see a rate limit", took)
	}
	for _, replica := range replicas {
		replica.terminate(t)
	}
}

// TestExampleAuthServerRefusesToStart: the error names all missing variables.
func TestExampleAuthServerRefusesToStart(t *testing.T) {
	t.Parallel()
	p := startExample(t, exampleAuthServer(t), "BETTER_AUTH_SECRET=short", "BETTER_AUTH_URL=app.example.com")
	<-p.done
	if p.err == nil {
		t.Error("it ended with code 0")
	}
	for _, name := range []string{"DATABASE_URL", "BETTER_AUTH_SECRET", "BETTER_AUTH_URL"} {
		if !strings.Contains(p.log.String(), name) {
			t.Errorf("%s is not mentioned:\n%s", name, p.log)
		}
	}
}

// startExample runs the auth server in dir with those variables, on a free port of 127.0.0.1.
func startExample(t *testing.T, dir string, env ...string) *process {
	t.Helper()
	return startRelease(t, filepath.Join(dir, "server.mjs"), append(env, "NODE_ENV=production", "PATH="+os.Getenv("PATH"))...)
}

// answers waits until a path answers 200 with that body.
func (p *process) answers(t *testing.T, path, want string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.done:
			t.Fatalf("the server ended: %v\n%s", p.err, p.log)
		default:
		}
		if status, body, err := get(t, p.URL+path); err == nil && status == http.StatusOK && body == want {
			return
		}
	}
	t.Fatalf("%s does not answer %s:\n%s", path, want, p.log)
}

// rewrites forwards /api/auth and /graphql to the two servers, as Next.js does.
func rewrites(t *testing.T, auth, api string) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	for path, address := range map[string]string{"/api/auth/": auth, "/graphql": api} {
		target, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle(path, &httputil.ReverseProxy{
			Transport: &http.Transport{DisableKeepAlives: true}, // Node closes connections that were idle for five seconds.
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.SetXForwarded()
			},
		})
	}
	return mux
}

type nodePackage struct {
	Version      string
	Dependencies map[string]string
}

func packageJSON(t *testing.T, dir string) nodePackage {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	var p nodePackage
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// pinnedBetterAuth returns the version of Better Auth that a package.json names.
func pinnedBetterAuth(t *testing.T, dir string) string {
	t.Helper()
	return packageJSON(t, dir).Dependencies["better-auth"]
}

// TestRehearsal runs the commands under "Rehearse it" in docs/deploy-railway.md, with other ports and another database, and
// without npm ci, make build, createdb and dropdb, whose work is done already.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	testkit.RequirePrograms(t, "curl", "openssl", "awk", "bash") // The guide uses them.
	dir := t.TempDir()
	server, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"bin/server": server, "examples/auth-server": exampleAuthServer(t)} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(link)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	out := runScript(t, dir, rehearsal(t))
	for _, want := range []string{
		`{"ok":true}`, `{"status":"healthy"}`, `"email":"ada@example.com"`,
		`"title":"Deploy"},"userErrors":[]}}}`, `{"data":{"viewer":{"name":"Ada"},"tasks":{"nodes":[{"title":"Deploy"}]}}}`,
		"ok       get-session: the auth server knows the session", "0 failures, 0 warnings",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

// rehearsal returns the guide's commands with the ports and the database of this test.
func rehearsal(t *testing.T) string {
	t.Helper()
	script := section(t, `(?s)## Rehearse it.*?`+"```sh\n(.*?)```")
	for _, replace := range []struct{ old, by string }{
		{"createdb -h 127.0.0.1 -U postgres taskql\n", ""},
		{"dropdb -h 127.0.0.1 -U postgres taskql\n", ""},
		{"npm ci --prefix examples/auth-server\n", ""},
		{"make build\n", ""},
		{"postgres://postgres@127.0.0.1:5432/taskql?sslmode=disable", testkit.DirectURL(t, testkit.PostgresURL(t))},
		{"3001", freePort(t)},
		{"8000", freePort(t)},
	} {
		if !strings.Contains(script, replace.old) {
			t.Fatalf("the commands have no %q", replace.old)
		}
		script = strings.ReplaceAll(script, replace.old, replace.by)
	}
	return script
}

func section(t *testing.T, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(deployGuide)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		t.Fatalf("the guide has nothing that fits %s", pattern)
	}
	return string(found[1])
}

// runScript runs bash in dir and returns its output. Processes that the script leaves running end with the test.
func runScript(t *testing.T, dir, script string) string {
	t.Helper()
	out := &lockedBuffer{}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out.String()
}

// TestGuideHasTheSettingsOfRailwayJSON compares the guide's `railway environment edit` with railway.json: Railway reads
// the file for old services only.
func TestGuideHasTheSettingsOfRailwayJSON(t *testing.T) {
	t.Parallel()
	for service, file := range map[string]string{"api": "../../railway.json", "auth": "../../examples/auth-server/railway.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var want struct{ Deploy map[string]json.RawMessage }
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		command := section(t, `(?s)(railway environment edit --message "`+service+`: health check.*?)\nrailway up`)
		got := regexp.MustCompile(`--service-config `+service+` deploy\.(\w+) (\S+)`).FindAllStringSubmatch(command, -1)
		if len(got) == 0 || len(got) != len(want.Deploy) {
			t.Errorf("%s: the guide has %d settings, %s has %d", service, len(got), file, len(want.Deploy))
		}
		for _, setting := range got {
			if value := strings.Trim(string(want.Deploy[setting[1]]), `"`); value != setting[2] {
				t.Errorf("%s: the guide sets %s to %s, %s to %q", service, setting[1], setting[2], file, value)
			}
		}
	}
}

// TestGuideVariables resolves the references in the guide's commands as Railway does: each names a service and a variable
// that exist, and the variables of api and doctor are a production configuration without a problem or a warning.
func TestGuideVariables(t *testing.T) {
	t.Parallel()
	services := guideVariables(t)
	for _, service := range []string{"api", "auth", "doctor"} {
		if len(services[service]) < 3 {
			t.Fatalf("the guide sets %v for %s", services[service], service)
		}
	}
	reference := regexp.MustCompile(`\$\{\{(\w+)\.(\w+)\}\}`)
	var resolve func(value string) string
	resolve = func(value string) string {
		return reference.ReplaceAllStringFunc(value, func(found string) string {
			name := reference.FindStringSubmatch(found)
			value, ok := services[name[1]][name[2]]
			if !ok {
				t.Errorf("%s: no such service or variable", found)
			}
			return resolve(value)
		})
	}
	for _, service := range []string{"api", "doctor"} {
		environ := map[string]string{"RAILWAY_ENVIRONMENT_NAME": "production"}
		for name, value := range services[service] {
			environ[name] = resolve(value)
		}
		cfg, err := config.Load(environ)
		if err != nil {
			t.Errorf("%s: %v", service, err)
		}
		if len(cfg.Warnings) > 0 {
			t.Errorf("%s: %q", service, cfg.Warnings)
		}
		for _, topology := range cfg.Topology() {
			if !topology.Works {
				t.Errorf("%s: %s: %s", service, topology.Origin, topology.Detail)
			}
		}
	}
}

// guideVariables returns the variables that the guide's commands set, by service, and those that Railway sets.
func guideVariables(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile(deployGuide)
	if err != nil {
		t.Fatal(err)
	}
	services := map[string]map[string]string{"Postgres": {"DATABASE_URL": "postgres://postgres:pw@postgres.railway.internal:5432/railway"}}
	joined := strings.NewReplacer("\\\n", " ", "$(openssl rand -base64 32)", testkit.BetterAuthSecret).Replace(string(text))
	for _, command := range regexp.MustCompile(`(?m)^railway (?:add|variable set) --service (\w+) (.*)$`).FindAllStringSubmatch(joined, -1) {
		variables := services[command[1]]
		if variables == nil {
			variables = map[string]string{"RAILWAY_PUBLIC_DOMAIN": command[1] + "-production-1a2b.up.railway.app"}
			services[command[1]] = variables
		}
		for _, pair := range regexp.MustCompile(`(?:^|[ '"])([A-Z][A-Z_]+)=([^ '"]+)`).FindAllStringSubmatch(command[2], -1) {
			variables[pair[1]] = pair[2]
		}
	}
	return services
}
