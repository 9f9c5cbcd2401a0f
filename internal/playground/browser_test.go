package playground_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"taskql/internal/config"
	"taskql/internal/database"
	"taskql/internal/playground"
	"taskql/internal/server"
	"taskql/internal/testkit"
)

// newSite starts a server with a SQLite file of its own, and returns its address.
func newSite(t *testing.T, environ map[string]string) string {
	t.Helper()
	return newSiteAt(t, environ, time.Now)
}

// newSiteAt is newSite with a clock for the server.
func newSiteAt(t *testing.T, environ map[string]string, now func() time.Time) string {
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
	s, err := server.New(t.Context(), server.Config{Config: cfg, DB: db, Log: log, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- s.Serve(running, listener) }()
	t.Cleanup(func() {
		if stop(); <-served != nil {
			t.Error("the server did not stop cleanly")
		}
	})
	return "http://" + listener.Addr().String()
}

// patience is how long a test waits for a condition. It is long, because machines can be slow.
const patience = 2 * time.Minute

// screen is a size of the window and a colour scheme.
type screen struct {
	name          string
	width, height int64
	scheme        string // light or dark
}

func (s screen) isPhone() bool { return s.width < 760 }

func desktop() screen { return screen{"desktop-light", 1440, 900, "light"} }

// browser is a Chromium that records the problems of its page and the operations that it sent.
type browser struct {
	context.Context
	screen   screen
	mu       sync.Mutex
	problems []string
	sent     []operation
	streams  map[network.RequestID]bool // those that are open
}

// operation is an operation that the page sent to the API.
type operation struct {
	OperationName string         `json:"operationName"`
	Query         string         `json:"query"`
	Variables     map[string]any `json:"variables"`
}

// newBrowser starts Chromium. Errors, warnings and requests to other hosts are problems.
func newBrowser(t *testing.T, site string, s screen) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		testkit.Require(t, "Chromium", exec.ErrNotFound)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.WSURLReadTimeout(patience))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox refuses to run as root, as in containers.
	}
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator, chromedp.WithErrorf(func(format string, args ...any) {
		if !strings.HasPrefix(format, "unhandled node event") { // Chromium is newer than chromedp.
			fmt.Fprintf(os.Stderr, format+"\n", args...)
		}
	}))
	t.Cleanup(closeTab)
	b := &browser{Context: tab, screen: s, streams: map[network.RequestID]bool{}}
	host, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	chromedp.ListenTarget(tab, func(event any) { b.look(event, host.Host) })
	watch := chromedp.ActionFunc(func(ctx context.Context) error { // An eval whose error is caught is not logged.
		_, err := page.AddScriptToEvaluateOnNewDocument(`addEventListener("securitypolicyviolation", (e) => console.error("policy: " + e.violatedDirective + " " + e.blockedURI))`).Do(ctx)
		return err
	})
	viewport := []chromedp.EmulateViewportOption{}
	if s.isPhone() {
		viewport = append(viewport, chromedp.EmulateMobile, chromedp.EmulateScale(2))
	}
	scheme := emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.scheme}})
	if err := chromedp.Run(tab, network.Enable().WithMaxPostDataSize(1<<20), cdplog.Enable(), runtime.Enable(), page.Enable(), watch,
		chromedp.EmulateViewport(s.width, s.height, viewport...), scheme); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) look(event any, host string) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || (u.Scheme != "data" && u.Host != host) {
			b.complain("requested " + e.Request.URL)
			return
		}
		if u.Path == "/graphql" {
			b.record(e.Request.PostDataEntries)
		}
	case *network.EventResponseReceived:
		if e.Response.MimeType == "text/event-stream" {
			b.follow(e.RequestID, true)
		}
	case *page.EventFrameNavigated: // The answers of the page before end without an event.
		b.mu.Lock()
		defer b.mu.Unlock()
		clear(b.streams)
	case *network.EventLoadingFinished:
		b.follow(e.RequestID, false)
	case *network.EventLoadingFailed:
		b.follow(e.RequestID, false)
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
	case *cdplog.EventEntryAdded: // Violations of the policy are here.
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

// record records an operation if it has a name. The page's own query for the signed-in user has none.
func (b *browser) record(body []*network.PostDataEntry) {
	var sent operation
	for _, entry := range body {
		decoded, err := base64.StdEncoding.DecodeString(entry.Bytes)
		if err == nil {
			err = json.Unmarshal(decoded, &sent)
		}
		if err != nil {
			b.complain("sent " + entry.Bytes)
		}
	}
	if sent.OperationName == "" || sent.OperationName == "IntrospectionQuery" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, sent)
}

// follow remembers whether a request's answer is a stream that is open.
func (b *browser) follow(id network.RequestID, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.streams, id); open {
		b.streams[id] = true
	}
}

// hasStreams waits until so many streams are open.
func (b *browser) hasStreams(count int) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			b.mu.Lock()
			open := len(b.streams)
			b.mu.Unlock()
			if open == count {
				return nil
			}
			if err := chromedp.Sleep(20 * time.Millisecond).Do(ctx); err != nil {
				return fmt.Errorf("%d streams are open, not %d: %w", open, count, err)
			}
		}
	})
}

// operations returns the operations that were sent so far.
func (b *browser) operations() []operation {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sent)
}

// do runs the actions. If one fails, it saves a screenshot.
func (b *browser) do(t *testing.T, what string, steps ...chromedp.Action) {
	t.Helper()
	limited, cancel := context.WithTimeout(b, patience)
	defer cancel()
	if err := chromedp.Run(limited, steps...); err != nil {
		b.shoot(t, "failed-"+strings.ReplaceAll(t.Name(), "/", "-"))
		b.check(t)
		t.Fatalf("%s: %v", what, err)
	}
}

// value returns the value of a JavaScript expression, or of its promise.
func value[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	var v T
	b.do(t, expression, chromedp.Evaluate(expression, &v, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return v
}

// shoot saves a screenshot in the folder that the variable ARTIFACTS names, by default .cache/artifacts.
func (b *browser) shoot(t *testing.T, name string) {
	t.Helper()
	folder := os.Getenv("ARTIFACTS")
	if folder == "" {
		folder = filepath.Join("..", "..", ".cache", "artifacts")
	}
	b.shootInto(t, folder, name)
}

func (b *browser) shootInto(t *testing.T, folder, name string) {
	t.Helper()
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

// expect fails the test for each text that no problem contains, and removes the problems that contain them.
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

// check fails the test for each problem, and removes the problems.
func (b *browser) check(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		t.Error(problem)
	}
	b.problems = nil
}

// becomes waits until a JavaScript expression is true. The arguments are its $1, $2 and so on.
func becomes(expression string, arguments ...any) chromedp.Action {
	names := []string{"$1", "$2", "$3"}[:len(arguments)]
	return chromedp.PollFunction("("+strings.Join(names, ", ")+") => "+expression, nil, chromedp.WithPollingArgs(arguments...),
		chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience))
}

// sees waits until the element's visible text contains the words. It ignores spaces, because lines are wrapped.
func sees(selector, words string) chromedp.Action {
	return becomes(`(document.querySelector($1)?.innerText ?? '').replace(/\s/g, '').includes($2)`, selector, strings.Join(strings.Fields(words), ""))
}

// gone waits until the element is gone.
func gone(selector string) chromedp.Action {
	return becomes(`document.querySelector($1) === null`, selector)
}

// uncovered waits until the element is on the screen and nothing covers its centre.
func uncovered(selector string) chromedp.Action {
	return becomes(`(() => {
		const element = document.querySelector($1), box = element?.getBoundingClientRect();
		return Boolean(box) && box.width > 100 && box.height > 100 && box.top >= 0 && box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight
			&& element.contains(document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2))
	})()`, selector)
}

// settled moves the mouse away, and waits for the fonts, the editors' colours and the ends of transitions. No text may be underlined
// as a mistake, because no sample has one.
func settled() chromedp.Action {
	isColoured := `(editor) => { // mtk1 is the class of plain text. Brackets are coloured earlier.
		const parts = [...document.querySelectorAll(editor + ' .view-line [class^=mtk]')];
		return parts.length === 0 || parts.some((part) => /^mtk(?!1$)\d+$/.test(part.className))
	}`
	return chromedp.Tasks{
		chromedp.MouseEvent(input.MouseMoved, 1, 1),
		becomes(`document.fonts.status === 'loaded' && ['.graphiql-query-editor', '.graphiql-response'].every(` + isColoured + `)
			&& document.querySelector('.graphiql-editors .squiggly-error') === null
			&& document.getAnimations().every((a) => a.playState !== 'running' || a.effect.getComputedTiming().iterations === Infinity)`),
	}
}

// fits fails the test if the page is wider than the screen.
func (b *browser) fits(t *testing.T, what string) {
	t.Helper()
	if width := value[int64](t, b, `Math.max(document.documentElement.scrollWidth, innerWidth)`); width > b.screen.width {
		t.Errorf("%s: the page is %d pixels too wide", what, width-b.screen.width)
	}
}

const (
	queryText  = ".graphiql-query-editor .view-lines"
	answerText = ".graphiql-response .view-lines"
)

// clickSample opens a sample, and clickRun opens and runs it.
func clickSample(sample string) chromedp.Action {
	return chromedp.Click(`button[data-sample="`+sample+`"]`, chromedp.ByQuery)
}

func clickRun(sample string) chromedp.Action {
	return chromedp.Click(`button[data-sample="`+sample+`"] + button`, chromedp.ByQuery)
}

func open(site string) chromedp.Action {
	return chromedp.Tasks{chromedp.Navigate(site + "/"), sees(queryText, "query Viewer"), sees(".who", "Signed out")}
}

// fillIn opens the sign-in dialog and fills it in for a new account.
func fillIn() chromedp.Action {
	return chromedp.Tasks{
		chromedp.Click("#open-sign-in"), chromedp.WaitVisible(".sign-in"), chromedp.SendKeys(`input[name="name"]`, "Ada Lovelace"),
		chromedp.SendKeys(`input[name="email"]`, "ada@example.com"), chromedp.SendKeys(`input[name="password"]`, "correct horse"),
	}
}

func submit() chromedp.Action {
	return chromedp.Tasks{chromedp.Click(`.sign-in button[type="submit"]`), sees(".who", "Ada Lovelace")}
}

// answers are words in each sample's answer that are visible without scrolling.
func answers() map[string]string {
	return map[string]string{
		"01-viewer":         `"name": "Ada Lovelace"`,
		"02-create-tag":     `"name": "Home"`,
		"03-create-task":    `"title": "Water the plants"`,
		"04-demo-data":      `"title": "Buy bread"`,
		"05-list":           `"totalCount": 5`,
		"06-first-page":     `"title": "Plan the trip"`,
		"07-next-page":      `"title": "Call the dentist"`,
		"08-update":         `"title": "Water the plants"`,
		"09-bulk":           `"changedCount": 5`,
		"10-user-errors":    `"code": "BLANK"`,
		"11-stale":          `"title": "`,
		"12-bad-request":    `"message": "first must be 1 to 100, not 1000"`,
		"13-delete":         `"deletedAt": "20`,
		"14-changes":        `"reset": "FIRST"`,
		"15-task-list":      `"fresh": true`,
		"16-history":        `"action": "DELETED"`,
		"17-undo":           `"deletedAt": null`,
		"18-preview-rule":   `"rule": "FREQ=MONTHLY;BYMONTHDAY=-1"`,
		"19-repeat":         `"title": "Feed the cat"`,
		"20-next":           `"outcome": "COMPLETED"`,
		"21-skip":           `"number": 3`,
		"22-remind":         `"state": `,
		"23-fired":          `"firedReminders"`,
		"24-create-project": `"name": "House"`,
		"25-move":           `"name": "House"`,
		"26-projects":       `"openTaskCount": 2`,
		"27-assign":         `"name": "Ada Lovelace"`,
		"28-mine":           `"title": "`,
		"29-archive":        `"archivedAt": "20`,
		"30-workspaces":     `"kind": "PERSONAL"`,
		"31-workspace":      `"name": "Ada Lovelace"`,
	}
}

// done is what the tour says after so many of its samples.
func done(samples int) string { return fmt.Sprintf("%d of %d done", samples, len(answers())) }

// TestBrowserTour runs the whole tour on each screen, and saves a screenshot of each step.
func TestBrowserTour(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	for _, s := range []screen{desktop(), {"desktop-dark", 1440, 900, "dark"}, {"phone-light", 390, 844, "light"}, {"phone-dark", 390, 844, "dark"}} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, map[string]string{})
			v := visit{newBrowser(t, site, s), "tour-" + s.name + "-"}
			v.begin(t, site)
			v.takeSteps(t)
			v.reload(t)
			v.openPlugins(t)
			v.openDialogs(t)
			v.leaveAndReturn(t)
		})
	}
}

// visit is a visitor's tour.
type visit struct {
	*browser
	prefix string // of the screenshots' names
}

// picture waits until the page is settled, checks the width, and saves a screenshot.
func (v visit) picture(t *testing.T, name string) {
	t.Helper()
	v.do(t, name, settled())
	v.fits(t, name)
	v.shoot(t, v.prefix+name)
}

// showTour opens the tour on a phone, on which it covers the editor. On other screens it is open already.
func (v visit) showTour(t *testing.T) {
	t.Helper()
	if v.screen.isPhone() {
		v.do(t, "showing the tour", chromedp.Click(`button[aria-label="Show Tour"]`), chromedp.WaitVisible(".tour"), uncovered(".graphiql-plugin"))
	}
}

// begin opens the page, checks its welcome, and creates an account.
func (v visit) begin(t *testing.T, site string) {
	t.Helper()
	v.do(t, "opening", open(site), sees(".card", fmt.Sprintf("Step 1 of %d", len(answers()))), sees(".card", "Run it"), uncovered(".card"))
	v.picture(t, "00-start")
	v.showTour(t)
	v.do(t, "the tour, signed out", sees(".tour .hint", "Sign in"))
	v.picture(t, "00-tour")
	v.do(t, "signing up", fillIn())
	v.picture(t, "00-sign-up")
	type box struct{ Left, Right float64 }
	dialog := value[box](t, v.browser, `document.querySelector('.sign-in').getBoundingClientRect().toJSON()`)
	for i, field := range value[[]box](t, v.browser, `[...document.querySelectorAll('.sign-in :is(input, button)')].map((e) => e.getBoundingClientRect().toJSON())`) {
		if field.Left < dialog.Left+16 || field.Right > dialog.Right-16 {
			t.Errorf("field %d is from %g to %g, the dialog from %g to %g", i, field.Left, field.Right, dialog.Left, dialog.Right)
		}
	}
	if dialog.Left < 16 || dialog.Right > float64(v.screen.width)-16 {
		t.Errorf("the dialog is from %g to %g", dialog.Left, dialog.Right)
	}
	v.do(t, "signing up", submit(), sees(".tour .hint", "Each step builds on those before it."), sees(".tour .progress", done(0)))
	if v.screen.isPhone() {
		v.do(t, "hiding the tour", chromedp.Click(`button[aria-label="Hide Tour"]`), gone(".tour"))
	}
	v.check(t)
}

// takeSteps runs every sample of the tour, alternately with its own button and in the editor.
func (v visit) takeSteps(t *testing.T) {
	t.Helper()
	samples, err := playground.Samples()
	if err != nil {
		t.Fatal(err)
	}
	for i, sample := range samples {
		v.showTour(t)
		v.do(t, "progress", sees(".tour .progress", done(i)))
		firstLine, _, _ := strings.Cut(sample.Query, "\n")
		if i%2 == 0 {
			v.do(t, sample.Name, clickRun(sample.Name))
		} else {
			v.do(t, sample.Name, clickSample(sample.Name), sees(".card", fmt.Sprintf("Step %d of %d %s %s", i+1, len(samples), sample.Title, sample.About)), uncovered(".card"))
			if i < 4 {
				v.picture(t, sample.Name+"-opened")
			}
			v.do(t, sample.Name, chromedp.Click(".graphiql-execute-button"))
		}
		v.do(t, sample.Name, sees(queryText, firstLine), uncovered(".graphiql-query-editor"), sees(answerText, answers()[sample.Name]), uncovered(".graphiql-response"), gone(".card"))
		if !v.screen.isPhone() {
			v.do(t, "ticking off "+sample.Name, becomes(`document.querySelector('[data-sample="'+$1+'"]').closest('li').dataset.done === 'true'`, sample.Name),
				sees(`[aria-current=step]`, sample.Title))
		}
		v.checkHistory(t, i+1)
		v.picture(t, sample.Name)
		v.check(t)
	}
}

// checkHistory fails the test unless the history has one entry for each operation that was sent, with its variables.
func (v visit) checkHistory(t *testing.T, runs int) {
	t.Helper()
	sent := v.operations()
	var history struct {
		Queries []struct{ Query, OperationName, Variables string }
	}
	if err := json.Unmarshal([]byte(value[string](t, v.browser, `localStorage.getItem('graphiql:queries')`)), &history); err != nil {
		t.Fatal(err)
	}
	if len(sent) != runs || len(history.Queries) != runs {
		t.Fatalf("after %d runs, %d operations were sent and the history has %d: %+v", runs, len(sent), len(history.Queries), history)
	}
	entry, want := history.Queries[runs-1], sent[runs-1]
	variables := map[string]any{}
	if entry.Variables != "" {
		if err := json.Unmarshal([]byte(entry.Variables), &variables); err != nil {
			t.Error(err)
		}
	}
	if entry.Query != want.Query || entry.OperationName != want.OperationName || !reflect.DeepEqual(variables, want.Variables) {
		t.Errorf("the history has %+v, sent was %+v", entry, want)
	}
}

// reload checks that the samples are still ticked off after a reload.
func (v visit) reload(t *testing.T) {
	t.Helper()
	v.showTour(t)
	// GraphiQL saves tabs and variables some time after the last change.
	v.do(t, "reloading", clickSample("13-delete"), becomes(`JSON.parse(localStorage.getItem('graphiql:tabState')).tabs[0].title === 'DeleteTask' && localStorage.getItem('graphiql:query').includes('DeleteTask') && localStorage.getItem('graphiql:variables').includes('"id"')`),
		chromedp.Reload(), sees(".who", "Ada Lovelace"), sees(queryText, "mutation DeleteTask"))
	if !v.screen.isPhone() { // On a phone the variables are collapsed.
		v.do(t, "the variables", sees(".graphiql-editor-tool .view-lines", `"id":`))
	}
	v.showTour(t)
	v.do(t, "the finished tour", sees(".tour .progress", done(len(answers()))), becomes(`document.querySelectorAll('.tour li[data-done=true]').length === $1`, len(answers())))
	v.picture(t, "14-done")
	v.check(t)
}

// openPlugins opens the documentation and the history.
func (v visit) openPlugins(t *testing.T) {
	t.Helper()
	v.do(t, "the documentation", chromedp.Click(`button[aria-label="Show Documentation Explorer"]`), sees(".graphiql-plugin", "Root Types"))
	v.picture(t, "15-documentation")
	lacking := value[float64](t, v.browser, `(() => {
		const field = document.querySelector('.graphiql-doc-explorer-search input'), style = getComputedStyle(field), pen = document.createElement('canvas').getContext('2d');
		pen.font = style.fontWeight + ' ' + style.fontSize + ' ' + style.fontFamily;
		return pen.measureText(field.placeholder).width - (field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight))
	})()`)
	if lacking > 0 {
		t.Errorf("the placeholder of the documentation's search is cut off by %g pixels", lacking)
	}
	v.do(t, "the history", chromedp.Click(`button[aria-label="Show History"]`), sees(".graphiql-plugin", "CreateTask"))
	v.picture(t, "16-history")
	v.do(t, "an entry of the history", chromedp.Click(fmt.Sprintf(`.graphiql-history-items li:nth-child(%d) button`, len(answers())-10), chromedp.ByQuery), sees(queryText, "mutation Stale"), uncovered(".graphiql-query-editor"))
	v.check(t)
}

// openDialogs opens GraphiQL's dialogs and closes them by their icon.
func (v visit) openDialogs(t *testing.T) {
	t.Helper()
	for name, label := range map[string]string{"17-settings": "Open settings dialog", "18-shortcuts": "Open short keys dialog"} {
		v.do(t, name, chromedp.Click(`button[aria-label="`+label+`"]`), chromedp.WaitVisible(".graphiql-dialog"))
		v.picture(t, name)
		icon := value[struct{ Width, Contrast float64 }](t, v.browser, `(() => {
			const icon = document.querySelector('.graphiql-dialog-close svg');
			const colour = (text) => text.match(/[\d.]+/g).map(Number);
			const under = colour(getComputedStyle(icon.closest('.graphiql-dialog')).backgroundColor), [r, g, b, alpha = 1] = colour(getComputedStyle(icon).color);
			const luminance = (c) => c.map((x) => x / 255).map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4).reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
			const [low, high] = [luminance([r, g, b].map((x, i) => x * alpha + under[i] * (1 - alpha))), luminance(under.slice(0, 3))].sort((x, y) => x - y);
			const { paddingLeft, paddingRight } = getComputedStyle(icon);
			return { Width: icon.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight), Contrast: (high + 0.05) / (low + 0.05) }
		})()`)
		if icon.Width < 8 || icon.Contrast < 4.5 {
			t.Errorf("%s: the icon that closes the dialog is %g pixels wide and has a contrast of %.1f", name, icon.Width, icon.Contrast)
		}
		if hidden := value[int](t, v.browser, `(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.graphiql-dialog'))`); hidden > 0 {
			t.Errorf("%s: %d pixels of the dialog's width are hidden", name, hidden)
		}
		v.do(t, name, chromedp.Click(".graphiql-dialog-close"), gone(".graphiql-dialog"))
	}
	v.check(t)
}

// leaveAndReturn signs out, which clears the ticks, and in again. The demo data is not created twice.
func (v visit) leaveAndReturn(t *testing.T) {
	t.Helper()
	v.do(t, "signing out", chromedp.Click(`button[aria-label="Show Tour"]`), chromedp.Click("#sign-out"), sees(".who", "Signed out"),
		sees(".tour .progress", done(0)), sees(".tour .hint", "Sign in"), gone(".tour li[data-done=true]"))
	v.do(t, "signing in again", chromedp.Click("#open-sign-in"), chromedp.Click(".sign-in .link"), gone(`.sign-in input[name="name"]`),
		chromedp.SendKeys(`input[name="email"]`, "ada@example.com"), chromedp.SendKeys(`input[name="password"]`, "correct horse"))
	v.picture(t, "19-sign-in")
	v.do(t, "the demo data again", submit(), clickRun("04-demo-data"), sees(answerText, `"code": "TAKEN"`), gone(".card"))
	count := value[string](t, v.browser, `fetch('/graphql', { method: 'POST', headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ query: '{ tasks(scope: ALL) { totalCount } tags { totalCount } }' }) }).then((r) => r.json()).then((a) => a.data.tasks.totalCount + ' tasks, ' + a.data.tags.totalCount + ' tags')`)
	if count != "10 tasks, 2 tags" {
		t.Errorf("after the demo data was added twice there are %s", count)
	}
	v.check(t)
}

// TestBrowserSignedOut: each sample that needs an account says to sign in.
func TestBrowserSignedOut(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	site := newSite(t, map[string]string{})
	b := newBrowser(t, site, desktop())
	samples, err := playground.Samples()
	if err != nil {
		t.Fatal(err)
	}
	b.do(t, "opening", open(site), clickRun("01-viewer"), sees(answerText, `"viewer": null`), sees(".tour .progress", done(1)), gone(".notice"))
	b.check(t)
	for _, sample := range samples[1:] {
		b.do(t, sample.Name, clickSample(sample.Name), sees(".card", sample.Title), sees(".card button", "Sign in to run it"))
		b.do(t, sample.Name, clickRun(sample.Name), sees(answerText, `"code": "UNAUTHENTICATED"`), sees(".notice", "Sign in first."), sees(".notice", "answered “Not authenticated”"),
			chromedp.Click(`button[aria-label="Close this message"]`), gone(".notice"))
		if !strings.HasPrefix(sample.Query, "subscription") {
			b.expect(t, "status of 401 (Unauthorized) "+site+"/graphql") // Chromium logs the answer.
		}
	}
	b.do(t, "one more", clickRun("02-create-tag"), sees(".notice", "Sign in first."), settled(), sees(".tour .progress", done(1)))
	b.shoot(t, "playground-401")
	b.do(t, "the notice's button", chromedp.Click(`.notice button`), chromedp.WaitVisible(".sign-in"))
	b.expect(t, "status of 401 (Unauthorized) "+site+"/graphql")
	b.check(t)
}

// TestBrowserMissing: a sample that needs another one says which.
func TestBrowserMissing(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	site := newSite(t, map[string]string{})
	b := newBrowser(t, site, desktop())
	b.do(t, "signing up", open(site), fillIn(), submit())
	for sample, words := range map[string]string{"03-create-task": "Run “Create a tag” first", "07-next-page": "Run “Add demo data” and “The first page” first", "08-update": "Run “Create a task” first", "09-bulk": "Run “List with a filter” first"} {
		b.do(t, sample, clickRun(sample), sees(answerText, words), sees(".tour .progress", done(0)))
	}
	b.check(t)
}

// TestBrowserScroll: a sample is shown from its beginning, whatever the editor showed before.
func TestBrowserScroll(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	site := newSite(t, map[string]string{})
	b := newBrowser(t, site, desktop())
	b.do(t, "opening", open(site))
	for i, text := range []string{"query { viewer { name } } # " + strings.Repeat("and so on ", 40), strings.Repeat("# and so on\n", 200)} {
		b.do(t, "writing", chromedp.Click(".graphiql-query-editor .view-lines"), chromedp.KeyEvent("a", chromedp.KeyModifiers(input.ModifierCtrl)),
			input.InsertText(text), chromedp.KeyEvent(kb.End, chromedp.KeyModifiers(input.ModifierCtrl)), sees(queryText, "and so on"))
		b.do(t, "opening a sample", clickSample("05-list"), becomes(`(() => {
			const pane = document.querySelector('.graphiql-query-editor .monaco-editor').getBoundingClientRect();
			const line = [...document.querySelectorAll('.graphiql-query-editor .view-line')].find((l) => l.innerText.replaceAll('\u00a0', ' ').startsWith('query List('));
			const text = line?.querySelector('span').getBoundingClientRect();
			return Boolean(text) && text.left > pane.left + 20 && text.top >= pane.top && text.bottom <= pane.bottom
		})()`))
		if tabs := value[int](t, b, `document.querySelectorAll('.graphiql-tab').length`); tabs != i+2 {
			t.Errorf("%d tabs: what was written by hand should be in one, the sample in another", tabs)
		}
	}
	b.check(t)
}

// TestBrowserHistory: an operation that is run immediately after it was written is recorded once, as it was sent. GraphiQL reads the
// editor a moment later, for which the script leaves no time.
func TestBrowserHistory(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	site := newSite(t, map[string]string{})
	b := newBrowser(t, site, desktop())
	v := visit{b, ""}
	b.do(t, "opening", open(site), chromedp.Click(queryText), chromedp.KeyEvent("a", chromedp.KeyModifiers(input.ModifierCtrl)))
	for i, text := range []string{"query Mine { viewer { name } }", " query Ours { viewer { email } }"} {
		b.do(t, "writing and running", chromedp.Evaluate(`document.execCommand('insertText', false, '`+text+`'); document.querySelector('.graphiql-execute-button').click()`, nil),
			sees(answerText, `"viewer": null`), sees(queryText, text))
		v.checkHistory(t, i+1)
	}
	b.check(t)
}

// TestBrowserWithoutIntrospection: the page says what is off, and that operations can still be run.
func TestBrowserWithoutIntrospection(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	site := newSite(t, map[string]string{"INTROSPECTION": "off"})
	b := newBrowser(t, site, desktop())
	b.do(t, "opening", open(site), sees(".notice", "The schema can’t be read here"), settled())
	b.shoot(t, "playground-no-introspection")
	b.expect(t, "status of 400 (Bad Request) "+site+"/graphql") // The page has asked for the schema, and Chromium logs the answer.
	b.do(t, "running", clickRun("01-viewer"), sees(answerText, `"viewer": null`))
	b.check(t)
}

// TestBrowserDetector: the checks above detect each kind of problem. The page has the playground's own policy.
func TestBrowserDetector(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	foreign := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(foreign.Close)
	site := newSite(t, map[string]string{})
	response, err := http.Get(site + "/")
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
	b := newBrowser(t, bad.URL, desktop())
	b.do(t, "opening", chromedp.Navigate(bad.URL), becomes(`document.title === "done"`))
	b.expect(t, "requested "+foreign.URL+"/image.png", "Executing inline script violates", "Loading the image '"+foreign.URL, "Connecting to '"+foreign.URL+"/fetched",
		"policy: script-src eval", "exception: ", `console: "a message"`)
}
