package playground_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"taskql/internal/testkit"
	"taskql/internal/testkit/toxic"
)

// titles waits until the panel shows these tasks in this order.
func titles(want ...string) chromedp.Action {
	return becomes(`[...document.querySelectorAll('.tasks .text')].map((e) => e.innerText).join('\n') === $1`, strings.Join(want, "\n"))
}

// control is the selector of a control of the nth task in the panel: grip, check, title or delete.
func control(n int, name string) string {
	return fmt.Sprintf(".tasks .list li:nth-child(%d) [data-control=%s]", n, name)
}

// hasFocus waits until the control of the task has the focus.
func hasFocus(title, name string) chromedp.Action {
	return becomes(`document.activeElement.dataset.control === $2 && document.activeElement.closest('li')?.querySelector('.text')?.innerText === $1`, title, name)
}

// enter presses the Enter key. chromedp.KeyEvent sends its character also if the page has taken the key, as no keyboard does.
func enter() chromedp.Action {
	return chromedp.Tasks{
		input.DispatchKeyEvent(input.KeyDown).WithKey("Enter").WithCode("Enter").WithWindowsVirtualKeyCode(13).WithText("\r"),
		input.DispatchKeyEvent(input.KeyUp).WithKey("Enter").WithCode("Enter").WithWindowsVirtualKeyCode(13),
	}
}

// press focuses a control and presses keys, without the mouse.
func press(selector string, keys ...string) chromedp.Action {
	steps := chromedp.Tasks{chromedp.Focus(selector, chromedp.ByQuery)}
	for _, key := range keys {
		steps = append(steps, chromedp.KeyEvent(key))
	}
	return steps
}

// addTasks adds tasks in the panel's field.
func addTasks(names ...string) chromedp.Action {
	steps := chromedp.Tasks{chromedp.Click(".tasks .add input", chromedp.ByQuery)}
	for _, name := range names {
		steps = append(steps, input.InsertText(name), chromedp.KeyEvent(kb.Enter), sees(".tasks .list", name))
	}
	return steps
}

// saysState waits until the panel says so of its connection, and saysNews of the last change.
func saysState(words string) chromedp.Action { return sees(".tasks .state", words) }

func saysNews(words string) chromedp.Action { return sees(".tasks .news", words) }

// signIn signs in to the account that fillIn and submit have made.
func signIn() chromedp.Action {
	return chromedp.Tasks{
		chromedp.Click("#open-sign-in"), chromedp.Click(".sign-in .link"), gone(`.sign-in input[name="name"]`),
		chromedp.SendKeys(`input[name="email"]`, "ada@example.com"), chromedp.SendKeys(`input[name="password"]`, "correct horse"), submit(),
	}
}

// newProxy starts a proxy for the site, and returns it with its address.
func newProxy(t *testing.T, site string) (*toxic.Proxy, string) {
	t.Helper()
	u, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := toxic.Start(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy, "http://" + proxy.Listen
}

// TestBrowserPanel: what is done to the list in one browser is seen in another one of the same user, also if its connection was cut
// meanwhile.
func TestBrowserPanel(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	site := newSite(t, map[string]string{"SESSION_CACHE_TTL": "1s"})
	proxy, remote := newProxy(t, site)
	p := pair{newBrowser(t, site, desktop()), newBrowser(t, remote, desktop())}
	p.a.do(t, "signing up", open(site), sees(".tasks", "You are signed out."), fillIn(), submit(), saysState("Live"), sees(".tasks", "No tasks"))
	p.b.do(t, "signing in", open(remote), signIn(), saysState("Live"))
	p.edit(t)
	p.order(t)
	p.focus(t)
	p.cut(t, proxy)
	p.signOut(t)
}

// centre returns the x and y of an element's centre.
func (b *browser) centre(t *testing.T, selector string) (float64, float64) {
	t.Helper()
	centre := value[[]float64](t, b, `(({ left, top, width, height }) => [left + width / 2, top + height / 2])(document.querySelector('`+selector+`').getBoundingClientRect())`)
	return centre[0], centre[1]
}

// pair is two browsers of one user.
type pair struct{ a, b *browser }

// shows waits until both browsers show these tasks.
func (p pair) shows(t *testing.T, want ...string) {
	t.Helper()
	p.a.do(t, "the list in the first browser", titles(want...))
	p.b.do(t, "the list in the second browser", titles(want...))
	p.a.check(t)
	p.b.check(t)
}

// edit adds, completes, reopens, renames, deletes and restores tasks.
func (p pair) edit(t *testing.T) {
	t.Helper()
	p.a.do(t, "adding", addTasks("one", "two", "three"))
	p.shows(t, "one", "two", "three")
	p.a.do(t, "completing", chromedp.Click(control(2, "check"), chromedp.ByQuery))
	p.b.do(t, "what was completed", saysNews("Completed “two”"), becomes(`document.querySelector($1).checked`, control(2, "check")))
	p.b.do(t, "hiding it", chromedp.Click(".tasks .toggle"), titles("one", "three"), chromedp.Click(".tasks .toggle"), titles("one", "two", "three"))
	p.b.do(t, "reopening with the keyboard", press(control(2, "check"), " "))
	p.a.do(t, "what was reopened", saysNews("Reopened “two”"), becomes(`!document.querySelector($1).checked`, control(2, "check")))
	p.a.do(t, "renaming", chromedp.Click(control(2, "title"), chromedp.ByQuery), chromedp.WaitVisible(".tasks .rename"), input.InsertText("zwei"), enter(), hasFocus("zwei", "title"))
	p.shows(t, "one", "zwei", "three")
	p.b.do(t, "what was renamed", saysNews("Renamed “two” to “zwei”"))
	p.b.do(t, "not renaming", press(control(2, "title"), kb.Enter), chromedp.WaitVisible(".tasks .rename"), input.InsertText("due"), chromedp.KeyEvent(kb.Escape), hasFocus("zwei", "title"))
	p.b.do(t, "deleting", press(control(1, "delete"), kb.Enter), saysNews("Deleted “one”"))
	p.shows(t, "zwei", "three")
	p.a.do(t, "undoing", saysNews("Deleted “one”"), chromedp.Click(".tasks .news button"), saysNews("Added “one”"))
	p.shows(t, "one", "zwei", "three")
	p.a.do(t, "a change of the API", chromedp.Evaluate(`fetch('/graphql', { method: 'POST', headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ query: 'mutation { createTask(input: { title: "by the API" }) { task { id } } }' }) })`, nil), saysNews("Added “by the API”"))
	p.shows(t, "one", "zwei", "three", "by the API")
	p.a.do(t, "a subtask", chromedp.Evaluate(`fetch('/graphql', { method: 'POST', headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ query: 'mutation ($id: ID!) { createTask(input: { title: "subtask", parentId: $id }) { task { id } } }', variables: { id: document.querySelector('.tasks .list li').dataset.task } }) })`, nil))
	p.shows(t, "one", "subtask", "zwei", "three", "by the API")
	p.a.do(t, "deleting the parent", chromedp.Click(control(1, "delete"), chromedp.ByQuery))
	p.shows(t, "zwei", "three", "by the API")
	p.b.do(t, "restoring the parent", saysNews("Deleted 2 tasks"), chromedp.Click(".tasks .news button"))
	p.shows(t, "one", "subtask", "zwei", "three", "by the API")
	p.a.do(t, "deleting the subtask", chromedp.Click(control(2, "delete"), chromedp.ByQuery))
	p.shows(t, "one", "zwei", "three", "by the API")
}

// order moves tasks by mouse and by keyboard.
func (p pair) order(t *testing.T) {
	t.Helper()
	x, from := p.a.centre(t, control(3, "grip"))
	_, to := p.a.centre(t, control(1, "grip"))
	drag := chromedp.Tasks{
		chromedp.MouseEvent(input.MousePressed, x, from, chromedp.ButtonLeft, chromedp.ClickCount(1)),
		chromedp.MouseEvent(input.MouseMoved, x, (from+to)/2, chromedp.ButtonLeft), chromedp.MouseEvent(input.MouseMoved, x, to-4, chromedp.ButtonLeft),
		becomes(`document.querySelector('.tasks .list li:first-child').dataset.drop === 'before'`),
	}
	p.a.do(t, "dragging", drag)
	p.a.shoot(t, "panel-dragging")
	p.a.do(t, "not dropping", chromedp.KeyEvent(kb.Escape), gone(".tasks [data-drop]"), chromedp.MouseEvent(input.MouseReleased, x, to-4, chromedp.ButtonLeft))
	p.a.do(t, "dropping", drag, chromedp.MouseEvent(input.MouseReleased, x, to-4, chromedp.ButtonLeft), gone(".tasks [data-drop]"))
	p.shows(t, "three", "one", "zwei", "by the API")
	p.b.do(t, "what was moved", saysNews("Moved “three”"))
	p.b.do(t, "moving with the keyboard", press(control(1, "grip"), kb.ArrowDown, kb.ArrowDown), hasFocus("three", "grip"))
	p.shows(t, "one", "zwei", "three", "by the API")
	p.b.do(t, "at the top and the end", press(control(1, "grip"), kb.ArrowUp), press(control(4, "grip"), kb.ArrowDown), hasFocus("by the API", "grip"))
	p.shows(t, "one", "zwei", "three", "by the API")
}

// focus checks where the focus is after the task that has it was deleted, here or by somebody else.
func (p pair) focus(t *testing.T) {
	t.Helper()
	p.b.do(t, "focus", chromedp.Focus(control(2, "check"), chromedp.ByQuery))
	p.a.do(t, "deleting elsewhere", press(control(2, "delete"), kb.Enter), hasFocus("three", "delete"))
	p.b.do(t, "focus", hasFocus("three", "check"))
	p.shows(t, "one", "three", "by the API")
}

// cut cuts the second browser's connection. Both make changes meanwhile.
func (p pair) cut(t *testing.T, proxy *toxic.Proxy) {
	t.Helper()
	top := `document.querySelector('.tasks .list').getBoundingClientRect().top`
	before := value[float64](t, p.b, top)
	proxy.Stop()
	p.b.do(t, "offline", saysState("Offline"))
	if now := value[float64](t, p.b, top); now != before {
		t.Errorf("offline, the list is %g pixels lower", now-before)
	}
	p.b.do(t, "changes offline", addTasks("offline"), saysState("Offline. 1 unsent change"), chromedp.Click(control(1, "check"), chromedp.ByQuery), saysState("Offline. 2 unsent changes"))
	p.b.do(t, "moves offline", press(control(4, "grip"), slices.Repeat([]string{kb.ArrowUp, kb.ArrowUp, kb.ArrowDown}, 5)...), titles("one", "offline", "three", "by the API"))
	p.b.do(t, "the screenshot", settled())
	p.b.shoot(t, "panel-offline")
	p.a.do(t, "changes online", addTasks("online"), chromedp.Click(control(2, "delete"), chromedp.ByQuery), titles("one", "by the API", "online"))
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	p.b.do(t, "online again", chromedp.Click(".tasks .state button"), saysState("Live"))
	p.b.expect(t, "net::ERR_") // Chromium logs them.
	p.shows(t, "one", "offline", "by the API", "online")
	p.a.do(t, "what was completed offline", becomes(`document.querySelector($1).checked`, control(1, "check")))
	p.b.do(t, "nothing is left to send", becomes(`document.querySelector('.tasks [data-pending=true]') === null`))
}

// signOut signs out the second browser as if in another window, and the first one by its button.
func (p pair) signOut(t *testing.T) {
	t.Helper()
	p.b.do(t, "signing out elsewhere", p.b.hasStreams(1), becomes(`fetch('/api/auth/sign-out', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' }).then((r) => r.ok)`))
	for !value[bool](t, p.b, `document.querySelector('.tasks').innerText.includes('You are signed out.')`) {
		p.a.do(t, "a change", chromedp.Click(control(1, "check"), chromedp.ByQuery)) // Delivered while the session is cached.
	}
	p.b.do(t, "signed out", sees(".who", "Signed out"), p.b.hasStreams(0), gone(".tasks .list li"))
	p.a.do(t, "a change that is not delivered", addTasks("last"))
	p.b.do(t, "signing in again", signIn(), saysState("Live"), titles("one", "offline", "by the API", "online", "last"))
	p.a.do(t, "signing out", p.a.hasStreams(1), chromedp.Click("#sign-out"), sees(".tasks", "You are signed out."), p.a.hasStreams(0), gone(".tasks .list li"))
	p.a.do(t, "the copy", becomes(`indexedDB.databases().then((all) => all.filter(({ name }) => name.startsWith('taskql'))).then(async ([{ name }]) => {
		const opened = indexedDB.open(name);
		await new Promise((resolve) => opened.onsuccess = resolve);
		const rows = opened.result.transaction('rows').objectStore('rows').count();
		await new Promise((resolve) => rows.onsuccess = resolve);
		return rows.result === 0
	})`))
	p.a.check(t)
	p.b.check(t)
}

// TestBrowserSubscription: a subscription in the editor shows each result until it is stopped or the connection is lost.
func TestBrowserSubscription(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	proxy, site := newProxy(t, newSite(t, map[string]string{}))
	b := newBrowser(t, site, desktop())
	b.do(t, "signing up", open(site), fillIn(), submit(), saysState("Live"), b.hasStreams(1))
	b.do(t, "subscribing", clickRun("14-changes"), sees(answerText, `"reset": "FIRST"`), b.hasStreams(2), sees(".tour .progress", done(1)))
	b.do(t, "a change", addTasks("seen"), sees(answerText, `"title": "seen"`), sees(answerText, `"reset": null`))
	b.do(t, "stopping", chromedp.Click(".graphiql-execute-button"), b.hasStreams(1), addTasks("not seen"))
	if text := value[string](t, b, `document.querySelector('`+answerText+`').innerText`); strings.Contains(text, "not") {
		t.Errorf("after it was stopped: %s", text)
	}
	b.do(t, "running again", chromedp.Click(".graphiql-execute-button"), sees(answerText, `"title": "not seen"`), b.hasStreams(2))
	b.do(t, "a list", clickRun("15-task-list"), sees(answerText, `"fresh": true`), sees(answerText, `"title": "not seen"`), b.hasStreams(2))
	b.do(t, "a task that leaves it", chromedp.Click(control(1, "check"), chromedp.ByQuery), sees(answerText, `"fresh": false`), sees(answerText, `"placed": []`), sees(answerText, `"totalCount": 1`))
	b.do(t, "another sample", clickRun("01-viewer"), sees(answerText, `"name": "Ada Lovelace"`), b.hasStreams(1))
	b.do(t, "a field that is refused", chromedp.Click(queryText), chromedp.KeyEvent("a", chromedp.KeyModifiers(input.ModifierCtrl)),
		chromedp.Evaluate(`document.execCommand('insertText', false, 'subscription { changes { tasks { overdue } } }'); document.querySelector('.graphiql-execute-button').click()`, nil),
		sees(answerText, "overdue"), sees(answerText, `"errors"`), b.hasStreams(1))
	b.check(t)
	b.do(t, "subscribing", clickRun("14-changes"), sees(answerText, `"reset": "FIRST"`), b.hasStreams(2))
	proxy.Stop()
	b.do(t, "losing the connection", sees(answerText, "The connection was lost"), saysState("Offline"), becomes(`document.querySelector('.graphiql-execute-button').getAttribute('aria-label').startsWith('Execute')`))
	b.expect(t, "net::ERR_")
	b.check(t)
}

// TestBrowserPanelTabs: of two tabs of a browser one follows the feed, and both show the list. If that one is closed, the other does.
func TestBrowserPanelTabs(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	site := newSite(t, map[string]string{})
	b := newBrowser(t, site, desktop())
	b.do(t, "signing up", open(site), fillIn(), submit(), saysState("Live"), addTasks("one"))
	tab, closeTab := chromedp.NewContext(b.Context)
	t.Cleanup(closeTab)
	limited, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	if err := chromedp.Run(limited, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(site+"/"), titles("one"), saysState("Live in another tab"), addTasks("two")); err != nil {
		t.Fatal(err)
	}
	b.do(t, "what was added in the other tab", titles("one", "two"), chromedp.Navigate("about:blank"))
	if err := chromedp.Run(limited, becomes(`document.querySelector('.tasks .state').innerText.trim() === 'Live'`), addTasks("three"), becomes(`document.querySelector('.tasks [data-pending=true]') === null`)); err != nil {
		t.Fatal(err)
	}
	b.do(t, "coming back", chromedp.Navigate(site+"/"), titles("one", "two", "three"), saysState("Live in another tab"))
	b.check(t)
}

// TestBrowserPanelScreens: the panel on each screen. It opens and closes, and stays so after the page was loaded again.
func TestBrowserPanelScreens(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	for _, s := range []screen{{"desktop-dark", 1280, 800, "dark"}, {"tablet-light", 820, 1180, "light"}, {"phone-light", 360, 740, "light"}, {"phone-dark", 360, 740, "dark"}} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, map[string]string{})
			v := visit{newBrowser(t, site, s), "panel-" + s.name + "-"}
			v.do(t, "opening", open(site))
			isOpenAtFirst := s.width >= 1200
			if isOpenAtFirst != value[bool](t, v.browser, `document.querySelector('.tasks') !== null`) {
				t.Errorf("at first it is open: %t", !isOpenAtFirst)
			}
			if !isOpenAtFirst {
				v.do(t, "opening the panel", chromedp.Click("#toggle-tasks"))
			}
			v.do(t, "signed out", sees(".tasks", "You are signed out."))
			v.picture(t, "signed-out")
			v.do(t, "signing up", chromedp.Click(".tasks .empty button"), chromedp.WaitVisible(".sign-in"), chromedp.SendKeys(`input[name="name"]`, "Ada Lovelace"),
				chromedp.SendKeys(`input[name="email"]`, "ada@example.com"), chromedp.SendKeys(`input[name="password"]`, "correct horse"), submit(), sees(".tasks", "No tasks"))
			v.picture(t, "empty")
			v.do(t, "tasks", addTasks("Buy milk", "Ask the neighbours whether they can water the plants, the fern too, while everybody is away in August",
				"Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", "Return the parcel"), chromedp.Click(control(1, "check"), chromedp.ByQuery))
			v.picture(t, "tasks")
			if s.isPhone() {
				v.dragByFinger(t)
			}
			v.do(t, "after a reload", chromedp.Reload(), sees(".tasks .list", "Return the parcel"), saysState("Live"))
			v.do(t, "closing", chromedp.Click("#toggle-tasks"), gone(".tasks"), v.hasStreams(0), chromedp.Reload(), sees(".who", "Ada Lovelace"), gone(".tasks"))
			v.fits(t, "closed")
			v.check(t)
		})
	}
}

// dragByFinger drags the last of four tasks to the top.
func (v visit) dragByFinger(t *testing.T) {
	t.Helper()
	x, from := v.centre(t, control(4, "grip"))
	_, to := v.centre(t, control(1, "grip"))
	touch := func(kind input.TouchType, points ...*input.TouchPoint) chromedp.Action {
		return input.DispatchTouchEvent(kind, points)
	}
	v.do(t, "dragging by finger", touch(input.TouchStart, &input.TouchPoint{X: x, Y: from}), touch(input.TouchMove, &input.TouchPoint{X: x, Y: (from + to) / 2}),
		touch(input.TouchMove, &input.TouchPoint{X: x, Y: to - 4}), becomes(`document.querySelector('.tasks .list li:first-child').dataset.drop === 'before'`))
	v.shoot(t, v.prefix+"dragging")
	v.do(t, "dropping", touch(input.TouchEnd), sees(".tasks .list li:first-child", "Return the parcel"), saysNews("Moved “Return the parcel”"))
}
