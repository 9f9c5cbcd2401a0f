package playground_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"taskql/internal/testkit"
)

const (
	dialog = ".tasks dialog"
	undo   = ".tasks .news button"
)

// setField gives a field of the dialog a value, as its picker does.
func setField(name, value string) chromedp.Action {
	return becomes(`((field) => {
		Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value').set.call(field, $2);
		field.dispatchEvent(new Event(field.localName === 'select' ? 'change' : 'input', { bubbles: true }));
		return true
	})(document.querySelector('.tasks dialog [name=' + $1 + ']'))`, name, value)
}

// openDetails opens the dialog of the first task with the keyboard. closeDetails closes it: the focus goes back.
func openDetails() chromedp.Action {
	return chromedp.Tasks{press(control(1, "details"), kb.Enter), chromedp.WaitVisible(dialog)}
}

func closeDetails() chromedp.Action {
	return chromedp.Tasks{chromedp.KeyEvent(kb.Escape), gone(dialog), hasFocus("Feed the cat", "details")}
}

// TestBrowserPanelDetails: changes are undone and redone, tasks repeat, and reminders fire, on each screen.
func TestBrowserPanelDetails(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	for _, s := range []screen{desktop(), {"desktop-dark", 1280, 800, "dark"}, {"phone-light", 360, 740, "light"}, {"phone-dark", 360, 740, "dark"}} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, map[string]string{})
			v := visit{newBrowser(t, site, s), "details-" + s.name + "-"}
			v.do(t, "signing up", open(site), fillIn(), submit())
			if s.isPhone() {
				v.do(t, "opening the panel", chromedp.Click("#toggle-tasks"))
			}
			v.do(t, "adding", saysState("Live"), addTasks("Feed the cat"))
			v.undo(t)
			v.repeat(t)
			v.remind(t)
			v.check(t)
		})
	}
}

// undo undoes and redoes a change. What was changed since is not overwritten.
func (v visit) undo(t *testing.T) {
	t.Helper()
	isChecked := func(want string) chromedp.Action {
		return becomes(`String(document.querySelector($1).checked) === $2`, control(1, "check"), want)
	}
	v.do(t, "undoing", chromedp.Click(control(1, "check"), chromedp.ByQuery), saysNews("Completed “Feed the cat” Undo"), chromedp.Click(undo), isChecked("false"))
	v.do(t, "redoing", saysNews("Reopened “Feed the cat” Redo"), chromedp.Click(undo), isChecked("true"), saysNews("Completed “Feed the cat” Undo"))
	v.picture(t, "undo")
	v.do(t, "a change just before the undo", becomes(`(() => {
		const send = window.fetch, id = document.querySelector('.tasks .list li').dataset.task;
		window.fetch = async (url, options) => {
			if (options.body?.includes('undoChange')) {
				window.fetch = send;
				await send('/graphql', { method: 'POST', headers: { 'Content-Type': 'application/json' },
					body: JSON.stringify({ query: 'mutation ($id: ID!) { reopenTask(input: { id: $id }) { version } }', variables: { id } }) });
			}
			return send(url, options)
		};
		return true
	})()`), chromedp.Click(undo), saysNews("Not undone. Changed since: “Feed the cat” (completed)"), isChecked("false"))
	v.picture(t, "conflict")
}

// repeat makes a task repeat, skips an occurrence, and completes one.
func (v visit) repeat(t *testing.T) {
	t.Helper()
	v.do(t, "a rule that is wrong", openDetails(), setField("due", "2030-06-01"), setField("repeats", "custom"), setField("rule", "FREQ=SOMETIMES"),
		sees(dialog+" [data-bad=true]", "FREQ"), becomes(`document.querySelector('.tasks dialog [type=submit]').disabled`))
	v.do(t, "a rule", setField("repeats", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"), sees(dialog+" .preview", "On Mon, Jun 3, 2030; Tue, Jun 4, 2030"))
	v.picture(t, "repeat")
	v.do(t, "saving", chromedp.Click(dialog+" [type=submit]", chromedp.ByQuery), sees(".tasks .list li .details", "repeats on weekdays · 2030-06-03"), sees(dialog, "Skip this one"))
	v.do(t, "skipping", chromedp.Click(dialog+" form .quiet", chromedp.ByQuery), sees(".tasks .list li .details", "2030-06-04"), closeDetails())
	v.do(t, "completing", chromedp.Click(control(1, "check"), chromedp.ByQuery), titles("Feed the cat", "Feed the cat"), sees(".tasks .list li:nth-child(2) .details", "repeats on weekdays · 2030-06-05"))
	v.do(t, "undoing it", sees(undo, "Undo"), chromedp.Click(undo), titles("Feed the cat"), sees(".tasks .list li .details", "repeats on weekdays · 2030-06-04"))
	v.do(t, "ending it", openDetails(), setField("repeats", ""), chromedp.Click(dialog+" [type=submit]", chromedp.ByQuery),
		becomes(`document.querySelector('.tasks .list li .details').innerText === '2030-06-04'`), closeDetails())
}

// remind sets reminders. One fires, is snoozed, and another one is dismissed.
func (v visit) remind(t *testing.T) {
	t.Helper()
	minutesAgo := func(minutes int) string { // as the field has it
		return value[string](t, v.browser, fmt.Sprintf(`(() => { const now = new Date(); return new Date(now - (now.getTimezoneOffset() + %d) * 60000).toISOString().slice(0, 16) })()`, minutes))
	}
	add := chromedp.Click(dialog+" .remind [type=submit]", chromedp.ByQuery)
	v.do(t, "a day before", openDetails(), setField("remind", "dayBefore"), add, sees(dialog+" .reminders", "the day before, 09:00"))
	v.do(t, "now", setField("remind", "at"), setField("at", minutesAgo(0)), add, closeDetails(), sees(".tasks .fired", "Feed the cat"))
	v.picture(t, "fired")
	v.do(t, "snoozing", chromedp.Click(".tasks .fired button:first-of-type", chromedp.ByQuery), gone(".tasks .fired p"), openDetails(), becomes(`document.querySelectorAll('.tasks .reminders li').length === 2`))
	v.picture(t, "reminders")
	v.do(t, "another one", setField("at", minutesAgo(5)), add, closeDetails(), sees(".tasks .fired", "Feed the cat"))
	v.do(t, "dismissing", press(".tasks .fired button:last-of-type", kb.Enter), gone(".tasks .fired p"), openDetails(), chromedp.Click(dialog+" .reminders button", chromedp.ByQuery),
		becomes(`document.querySelectorAll('.tasks .reminders li').length === 1`), closeDetails())
	v.do(t, "after a reload", chromedp.Reload(), saysState("Live"), becomes(`document.querySelector('.tasks .fired p') === null`))
}
