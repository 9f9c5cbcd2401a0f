package playground_test

import (
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"taskql/internal/testkit"
)

// isAt waits until the panel's heading is the project's name, and goTo chooses a project by its place in the list.
func isAt(name string) chromedp.Action {
	return becomes(`document.querySelector('.tasks h2 .name')?.innerText === $1`, name)
}

func goTo(name string) chromedp.Action {
	return chromedp.Tasks{
		chromedp.Click(".tasks h2 button", chromedp.ByQuery), chromedp.WaitVisible("#projects"),
		becomes(`[...document.querySelectorAll('#projects li button')].some((b) => b.querySelector('.name').innerText === $1 && (b.click(), true))`, name), isAt(name),
	}
}

// editProject opens the dialog of the chosen project.
func editProject() chromedp.Action {
	return chromedp.Tasks{chromedp.Focus(".tasks .edit", chromedp.ByQuery), enter(), chromedp.WaitVisible(dialog)}
}

// projects waits until the list of projects has these, each with its number of open tasks.
func projects(want string) chromedp.Action {
	return becomes(`[...document.querySelectorAll('#projects li button')].map((b) => b.querySelector('.name').textContent + ' ' + b.querySelector('.count').firstChild.data).join(', ') === $1`, want)
}

// setValue gives a field a value, as the user does.
func setValue(selector, value string) chromedp.Action {
	return becomes(`((field) => {
		if (!field || (field.localName === 'select' && ![...field.options].some((o) => o.value === $2 || o.text === $2))) return false;
		const value = field.localName === 'select' ? [...field.options].find((o) => o.value === $2 || o.text === $2).value : $2;
		Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value').set.call(field, value);
		field.dispatchEvent(new Event(field.localName === 'select' ? 'change' : 'input', { bubbles: true }));
		return true
	})(document.querySelector($1))`, selector, value)
}

// TestBrowserProjects: projects and their sections, on each screen.
func TestBrowserProjects(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	for _, s := range []screen{desktop(), {"phone-dark", 360, 740, "dark"}} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, map[string]string{})
			v := visit{newBrowser(t, site, s), "projects-" + s.name + "-"}
			v.do(t, "signing up", open(site), fillIn(), submit())
			if s.isPhone() {
				v.do(t, "opening the panel", chromedp.Click("#toggle-tasks"))
			}
			v.do(t, "a task", saysState("Live"), gone(".tasks .workspace"), addTasks("Buy milk"))
			v.makeProject(t)
			v.fillProject(t)
			v.leaveProject(t)
			v.check(t)
		})
	}
}

// makeProject makes a project, with the keyboard, and puts a new task into it.
func (v visit) makeProject(t *testing.T) {
	t.Helper()
	v.do(t, "a project", chromedp.Focus(".tasks h2 button", chromedp.ByQuery), enter(), chromedp.WaitVisible("#projects"), projects("All tasks 1"), press("#projects input"), input.InsertText("Home"), enter(),
		isAt("Home"), saysNews("Added the project “Home”"), sees(".tasks .empty", "No tasks in this project."), becomes(`!document.querySelector('#projects').matches(':popover-open')`))
	v.do(t, "a task in it", addTasks("Paint the wall"), titles("Paint the wall"), projects("All tasks 2, Home 1"))
	v.do(t, "closing the list", chromedp.Focus(".tasks h2 button", chromedp.ByQuery), enter(), chromedp.WaitVisible("#projects"))
	v.picture(t, "list")
	v.do(t, "closing the list", chromedp.KeyEvent(kb.Escape), becomes(`!document.querySelector('#projects').matches(':popover-open') && document.activeElement.matches('.tasks h2 button')`))
	v.do(t, "all tasks", goTo("All tasks"), titles("Buy milk", "Paint the wall"), sees(".tasks .list li:nth-child(2) .details", "Home"))
}

// fillProject makes sections, puts tasks into them, and renames the project. The choice is still there after a reload.
func (v visit) fillProject(t *testing.T) {
	t.Helper()
	v.do(t, "into the project", openDetails(), setValue(dialog+" [name=project]", "Home"), chromedp.KeyEvent(kb.Escape), gone(dialog), saysNews("Moved “Buy milk” to “Home”"), projects("All tasks 2, Home 2"))
	v.do(t, "sections", goTo("Home"), editProject(), chromedp.Click(dialog+" [name=section]", chromedp.ByQuery),
		input.InsertText("Later"), enter(), becomes(`document.querySelector('.tasks dialog .sections input')?.value === 'Later'`), input.InsertText("Now"), enter(), becomes(`document.querySelectorAll('.tasks dialog .sections li').length === 2`))
	v.picture(t, "dialog")
	v.do(t, "another name", setValue(dialog+" [name=name]", "House"), setValue(dialog+" [name=color]", "#0891b2"), chromedp.Click(dialog+" [type=submit]", chromedp.ByQuery), gone(dialog), isAt("House"), saysNews("Renamed the project “Home” to “House”"))
	v.do(t, "into a section", openDetails(), setValue(dialog+" [name=project]", "House: Later"), chromedp.KeyEvent(kb.Escape), gone(dialog), sees(".tasks .list h3", "Later 1"), titles("Paint the wall", "Buy milk"))
	v.do(t, "two in the section", addTasks("Call the painter"), openDetails(), setValue(dialog+" [name=project]", "House: Later"), chromedp.KeyEvent(kb.Escape), gone(dialog), titles("Call the painter", "Buy milk", "Paint the wall"))
	v.do(t, "moving in it", press(".tasks .list section li:nth-child(1) [data-control=grip]", kb.ArrowDown), titles("Call the painter", "Paint the wall", "Buy milk"), hasFocus("Buy milk", "grip"))
	v.picture(t, "sections")
	v.do(t, "after a reload", chromedp.Reload(), saysState("Live"), isAt("House"), titles("Call the painter", "Paint the wall", "Buy milk"))
	v.do(t, "without the section", editProject(), chromedp.Click(dialog+" .sections .delete", chromedp.ByQuery), becomes(`document.querySelectorAll('.tasks dialog .sections li').length === 1`), chromedp.KeyEvent(kb.Escape), gone(dialog),
		sees(".tasks .list h3", "Now 0"), saysNews("Changed the project “House”"))
}

// leaveProject archives and deletes the project, and takes both back.
func (v visit) leaveProject(t *testing.T) {
	t.Helper()
	action := func(n string) chromedp.Action {
		return chromedp.Tasks{editProject(), chromedp.Click(dialog+" > .row button:nth-child("+n+")", chromedp.ByQuery), gone(dialog), isAt("All tasks")}
	}
	v.do(t, "archiving", action("1"), saysNews("Archived the project “House”"), gone(".tasks .list li"), becomes(`document.querySelector('#projects summary').innerText === 'Archived (1)'`))
	v.do(t, "what is archived", chromedp.Click(".tasks h2 button", chromedp.ByQuery), chromedp.Click("#projects summary", chromedp.ByQuery), chromedp.Click("#projects details li button", chromedp.ByQuery), isAt("House"), saysState("Live, archived"), sees(".tasks .list", "Buy milk"))
	v.picture(t, "archived")
	v.do(t, "undoing it", chromedp.Click(undo), saysNews("Unarchived the project “House”"), saysState("Live"), gone("#projects details"))
	v.do(t, "deleting", action("2"), saysNews("Deleted the project “House”"), gone(".tasks .list li"), projects("All tasks 0"))
	v.do(t, "undoing it", chromedp.Click(undo), saysNews("Restored the project “House”"), sees(".tasks .list", "Buy milk"), projects("All tasks 3, House 3"))
}
