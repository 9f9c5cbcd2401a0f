package playground_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/server"
	"taskql/internal/testkit"
)

// newSite starts the whole server on a SQLite file of the test's own and returns its address.
func newSite(t *testing.T, environ map[string]string) string {
	t.Helper()
	environ["DATABASE_URL"] = "sqlite:" + filepath.Join(t.TempDir(), "t.db")
	cfg, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	db, err := database.Open(t.Context(), database.Config{URL: cfg.DatabaseURL.Reveal(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), server.Config{Config: cfg, DB: db, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(s.Handler())
	t.Cleanup(site.Close)
	return site.URL
}

// browser is a Chromium, with what its page should not have done.
type browser struct {
	context.Context
	mu       sync.Mutex
	problems []string
}

// newBrowser starts Chromium. Whatever the page complains of, and each request to another host, is a problem.
func newBrowser(t *testing.T, site string) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		testkit.Lack(t, "chromium is not installed: the playground can't be tried")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.WSURLReadTimeout(time.Minute))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox refuses root, as containers are.
	}
	limited, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	allocator, stop := chromedp.NewExecAllocator(limited, options...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	b := &browser{Context: tab}
	host, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	chromedp.ListenTarget(tab, func(event any) { b.look(event, host.Host) })
	watch := chromedp.ActionFunc(func(ctx context.Context) error { // An eval whose error is caught comes to no log.
		_, err := page.AddScriptToEvaluateOnNewDocument(`addEventListener("securitypolicyviolation", (e) => console.error("policy: " + e.violatedDirective + " " + e.blockedURI))`).Do(ctx)
		return err
	})
	if err := chromedp.Run(tab, network.Enable(), cdplog.Enable(), runtime.Enable(), page.Enable(), watch); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) look(event any, host string) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || (u.Scheme != "data" && u.Host != host) {
			b.complain("requested " + e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		b.complain("exception: " + e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			var text strings.Builder
			for _, argument := range e.Args {
				text.Write(argument.Value)
				text.WriteString(argument.Description)
			}
			b.complain("console: " + text.String())
		}
	case *cdplog.EventEntryAdded: // policy violations come here
		if e.Entry.Level == cdplog.LevelError || e.Entry.Level == cdplog.LevelWarning {
			b.complain("log: " + e.Entry.Text + " " + e.Entry.URL)
		}
	}
}

func (b *browser) complain(problem string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, problem)
}

// do runs the steps, and where one fails keeps a screenshot.
func (b *browser) do(t *testing.T, what string, steps ...chromedp.Action) {
	t.Helper()
	limited, cancel := context.WithTimeout(b, 30*time.Second)
	defer cancel()
	if err := chromedp.Run(limited, steps...); err != nil {
		b.shoot(t, "failed")
		b.check(t)
		t.Fatalf("%s: %v", what, err)
	}
}

// shoot keeps a screenshot in ARTIFACTS, by default .cache/artifacts.
func (b *browser) shoot(t *testing.T, name string) {
	t.Helper()
	folder := os.Getenv("ARTIFACTS")
	if folder == "" {
		folder = filepath.Join("..", "..", ".cache", "artifacts")
	}
	var png []byte
	if err := chromedp.Run(b, chromedp.CaptureScreenshot(&png)); err != nil {
		t.Error(err)
		return
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}

// expect fails the test where none of the problems holds the words, for each of them, and forgets those that do.
func (b *browser) expect(t *testing.T, words ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, want := range words {
		holds := func(problem string) bool { return strings.Contains(problem, want) }
		if !slices.ContainsFunc(b.problems, holds) {
			t.Errorf("not found out: %s\n%s", want, strings.Join(b.problems, "\n"))
		}
	}
	b.problems = slices.DeleteFunc(b.problems, func(problem string) bool {
		return slices.ContainsFunc(words, func(want string) bool { return strings.Contains(problem, want) })
	})
}

// check fails the test for what the page should not have done, and forgets it.
func (b *browser) check(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		t.Error(problem)
	}
	b.problems = nil
}

// sees waits until the element's text holds the words.
func sees(selector, words string) chromedp.Action {
	return chromedp.PollFunction(`(s, w) => (document.querySelector(s)?.innerText ?? '').replaceAll('\u00a0', ' ').includes(w)`, nil,
		chromedp.WithPollingArgs(selector, words), chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(25*time.Second))
}

const answer = ".graphiql-response .view-lines"

func run(sample string) chromedp.Action {
	return chromedp.Click(`button[data-sample="`+sample+`"] + button`, chromedp.ByQuery)
}

func TestBrowser(t *testing.T) {
	t.Parallel()
	site := newSite(t, map[string]string{})
	b := newBrowser(t, site)
	started := time.Now()
	b.do(t, "opening", chromedp.EmulateViewport(1440, 900), chromedp.Navigate(site+"/"),
		sees(".graphiql-query-editor .view-lines", "query Viewer"), sees(".who", "Signed out"))
	t.Logf("the editor was there after %s", time.Since(started).Round(time.Millisecond))
	b.do(t, "asking signed out", run("01-viewer"), sees(answer, `"viewer": null`))
	b.shoot(t, "playground-signed-out")
	b.check(t)

	b.do(t, "a sample too early", run("04-list"), sees(answer, "Run “Create a tag” first"))
	b.do(t, "signing up", chromedp.Click("#open-sign-in"), chromedp.WaitVisible(".sign-in"), chromedp.SendKeys(`input[name="name"]`, "Ada Lovelace"),
		chromedp.SendKeys(`input[name="email"]`, "ada@example.com"), chromedp.SendKeys(`input[name="password"]`, "correct horse"))
	b.shoot(t, "playground-sign-in")
	b.do(t, "signing up", chromedp.Click(`.sign-in button[type="submit"]`), sees(".who", "Ada Lovelace"))
	b.do(t, "running samples", run("02-create-tag"), sees(answer, `"color": "#4f46e5"`), run("03-create-task"), sees(answer, "Water the plants"),
		run("04-list"), sees(answer, `"totalCount": 1`), chromedp.Sleep(time.Second))
	b.shoot(t, "playground")
	b.do(t, "the documentation", chromedp.Click(`button[aria-label="Show Documentation Explorer"]`), sees(".graphiql-plugin", "Query"))
	b.shoot(t, "playground-docs")
	b.do(t, "the history", chromedp.Click(`button[aria-label="Show History"]`), sees(".graphiql-plugin", "CreateTask"))
	b.check(t)
	b.do(t, "in the dark", chromedp.Evaluate(`localStorage.setItem('graphiql:theme', 'dark')`, nil), chromedp.Reload(),
		sees(".who", "Ada Lovelace"), sees(".graphiql-query-editor .view-lines", "query"), chromedp.Sleep(2*time.Second))
	b.shoot(t, "playground-dark")
	b.do(t, "a phone", chromedp.Evaluate(`localStorage.clear()`, nil), chromedp.EmulateViewport(390, 844), chromedp.Reload(),
		sees(".who", "Ada Lovelace"), sees(".graphiql-query-editor .view-lines", "query Viewer"), chromedp.Click(".graphiql-execute-button"), sees(answer, `"timeZone": "UTC"`))
	b.shoot(t, "playground-phone")
	var overflow int
	b.do(t, "a phone's width", chromedp.Evaluate(`document.documentElement.scrollWidth - innerWidth`, &overflow))
	if overflow > 0 {
		t.Errorf("the page is %d pixels too wide for a phone", overflow)
	}
	b.do(t, "a phone's tour", chromedp.Click(`button[aria-label="Show Tour"]`), chromedp.WaitVisible(".tour"))
	b.shoot(t, "playground-phone-tour")
	b.check(t)
	b.do(t, "signing out", chromedp.Click("#sign-out"), sees(".who", "Signed out"))
	b.check(t)
}

// TestBrowserWithoutIntrospection: the page says what is off, and that operations run all the same; a 401 is explained.
func TestBrowserWithoutIntrospection(t *testing.T) {
	t.Parallel()
	site := newSite(t, map[string]string{"INTROSPECTION": "off"})
	b := newBrowser(t, site)
	b.do(t, "opening", chromedp.EmulateViewport(1440, 900), chromedp.Navigate(site+"/"), sees(".notice", "The schema can’t be read here"), sees(".graphiql-query-editor .view-lines", "query"))
	b.shoot(t, "playground-no-introspection")
	b.expect(t, "status of 400 (Bad Request) "+site+"/graphql") // The page has asked for the schema, and Chromium logs the answer.
	b.check(t)
	b.do(t, "a 401", run("05-first-page"), sees(".notice", "401: Not authenticated"))
	b.shoot(t, "playground-401")
	b.expect(t, "status of 401 (Unauthorized) "+site+"/graphql")
	b.check(t)
}

// TestDetector: a page that does what the playground must not do is found out, of each kind. Its policy is the
// playground's own.
func TestDetector(t *testing.T) {
	t.Parallel()
	foreign := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(foreign.Close)
	playground := newSite(t, map[string]string{})
	response, err := http.Get(playground + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	policy := response.Header.Get("Content-Security-Policy")
	script := `console.error("a message"); fetch("` + foreign.URL + `/fetched").catch(() => {}); try { eval("1") } catch (e) {}
		setTimeout(() => { throw new Error("an exception") }); setTimeout(() => document.title = "done", 100)`
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if w.Header().Set("Content-Security-Policy", policy); r.URL.Path == "/script.js" {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, script)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><script>document.title = "inline"</script><img src="`+foreign.URL+`/image.png"><script src="/script.js"></script>`)
	}))
	t.Cleanup(bad.Close)
	b := newBrowser(t, bad.URL)
	b.do(t, "opening", chromedp.Navigate(bad.URL), chromedp.Poll(`document.title === "done"`, nil, chromedp.WithPollingTimeout(25*time.Second)))
	b.expect(t, "requested "+foreign.URL+"/image.png", "Executing inline script violates", "Loading the image '"+foreign.URL, "Connecting to '"+foreign.URL+"/fetched",
		"policy: script-src eval", "exception: ", `console: "a message"`)
}
