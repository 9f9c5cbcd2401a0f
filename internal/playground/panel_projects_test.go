package playground_test

import (
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
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
		becomes(`[...document.querySelectorAll('#projects .choice')].some((b) => b.querySelector('.name').innerText === $1 && (b.click(), true))`, name), isAt(name),
	}
}

// editProject opens the dialog of the chosen project.
func editProject() chromedp.Action {
	return chromedp.Tasks{chromedp.Focus(".tasks .edit", chromedp.ByQuery), enter(), chromedp.WaitVisible(dialog)}
}

// projects waits until the list of projects has these, each with its number of open tasks.
func projects(want string) chromedp.Action {
	return becomes(`[...document.querySelectorAll('#projects .choice')].map((b) => b.querySelector('.name').textContent + ' ' + b.querySelector('.count').firstChild.data).join(', ') === $1`, want)
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
	sections := func(want string) chromedp.Action {
		return becomes(`[...document.querySelectorAll('.tasks dialog .sections input')].map(({ value }) => value).join(', ') === $1`, want)
	}
	v.do(t, "moving a section", press(dialog+" .sections li:nth-child(1) .grip", kb.ArrowDown), sections("Now, Later"),
		becomes(`document.activeElement.matches('.grip') && document.activeElement.closest('li').querySelector('input').value === 'Later'`))
	v.picture(t, "dialog")
	v.do(t, "and back", chromedp.KeyEvent(kb.ArrowUp), sections("Later, Now"))
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
	v.do(t, "what is archived", chromedp.Click(".tasks h2 button", chromedp.ByQuery), chromedp.Click("#projects summary", chromedp.ByQuery), chromedp.Click("#projects details .choice", chromedp.ByQuery), isAt("House"), saysState("Live, archived"), sees(".tasks .list", "Buy milk"))
	v.picture(t, "archived")
	v.do(t, "undoing it", chromedp.Click(undo), saysNews("Unarchived the project “House”"), saysState("Live"), gone("#projects details"))
	v.do(t, "deleting", action("2"), saysNews("Deleted the project “House”"), gone(".tasks .list li"), projects("All tasks 0"))
	v.do(t, "undoing it", chromedp.Click(undo), saysNews("Restored the project “House”"), sees(".tasks .list", "Buy milk"), projects("All tasks 3, House 3"))
	v.do(t, "another project", chromedp.Click(".tasks h2 button", chromedp.ByQuery), press("#projects input"), input.InsertText("Garden"), enter(), isAt("Garden"), projects("All tasks 3, House 3, Garden 0"))
	v.do(t, "moving it up", chromedp.Click(".tasks h2 button", chromedp.ByQuery), press("#projects li:nth-child(3) .grip", kb.ArrowUp), projects("All tasks 3, Garden 0, House 3"),
		saysNews("Moved the project “Garden”"), becomes(`document.activeElement.matches('#projects li:nth-child(2) .grip')`))
	v.picture(t, "moved")
	var x, from, to float64
	v.do(t, "dragging it down", chromedp.Evaluate(`(() => { const { left, width, top } = document.querySelector('#projects li:nth-child(2) .grip').getBoundingClientRect(); return [left + width / 2, top + 10] })()`, &[]*float64{&x, &from}),
		chromedp.Evaluate(`document.querySelector('#projects li:nth-child(3)').getBoundingClientRect().bottom - 4`, &to))
	v.do(t, "dragging it down", chromedp.MouseEvent(input.MousePressed, x, from, chromedp.ButtonLeft), chromedp.MouseEvent(input.MouseMoved, x, to, chromedp.ButtonLeft),
		becomes(`document.querySelector('#projects [data-drop=after]') !== null`), chromedp.MouseEvent(input.MouseReleased, x, to, chromedp.ButtonLeft), projects("All tasks 3, House 3, Garden 0"))
	v.do(t, "after a reload", chromedp.Reload(), saysState("Live"), projects("All tasks 3, House 3, Garden 0"))
}

// signUpAs signs up another account in the page.
func signUpAs(name, email string) chromedp.Action {
	return chromedp.Tasks{
		becomes(`fetch('/api/auth/sign-up/email', { method: 'POST', headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({ name: $1, email: $2, password: 'correct horse' }) }).then((r) => r.ok)`, name, email), chromedp.Reload(), sees(".who", name),
	}
}

const organizations = ".organizations"

// closeDialog closes the dialog of organizations.
func closeDialog() chromedp.Action {
	return chromedp.Tasks{chromedp.Click(organizations+" > .row button", chromedp.ByQuery), gone(organizations)}
}

// TestBrowserOrganization: two accounts share a workspace. What the one changes is seen by the other; who may only read sees disabled
// controls; and who was removed sees nothing of it any more. With PICTURES=docs/images (an absolute path) it also writes the README's
// pictures there:
//
//	TEST_SUITE=browser PICTURES=$PWD/docs/images go test ./internal/playground -run '^TestBrowserOrganization$'
func TestBrowserOrganization(t *testing.T) {
	testkit.Suite(t, "browser")
	t.Parallel()
	site := newSite(t, map[string]string{"SESSION_CACHE_TTL": "1s", "WORKSPACE_ROLES": "owner:ADMIN;admin:WRITE"})
	p := pair{newBrowser(t, site, desktop()), newBrowser(t, site, screen{"phone-dark", 390, 844, "dark"})}
	p.a.do(t, "signing up", open(site), signUpAs("Ada", "ada@example.com"), saysState("Live"), gone(".tasks .workspace"))
	p.a.do(t, "an organization", chromedp.Click("#open-organizations"), chromedp.WaitVisible(organizations), press(organizations+" [name=name]"), input.InsertText("Engines"), enter(), sees(organizations, "Ada (you)"))
	p.a.do(t, "an invitation", press(organizations+" [name=email]"), input.InsertText("bob@example.com"), enter(), chromedp.WaitVisible(organizations+" [readonly]"))
	link := value[string](t, p.a, `document.querySelector('.organizations [readonly]').value`)
	p.a.do(t, "the workspace", closeDialog(), becomes(`document.querySelector('.tasks .workspace').selectedOptions[0].text === 'Engines (admin)'`), saysState("Live"), addTasks("Cards with holes"))
	p.join(t, link)
	p.read(t)
	p.write(t)
	if folder := os.Getenv("PICTURES"); folder != "" {
		p.takePictures(t, folder)
	}
	p.remove(t)
}

// takePictures writes the README's pictures into a folder: the shared workspace in the editor and in the panel.
func (p pair) takePictures(t *testing.T, folder string) {
	t.Helper()
	p.a.do(t, "more tasks", becomes(`(async () => {
		const send = async (query, variables) => (await (await fetch('/graphql', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ query, variables }) })).json()).data;
		const { workspaces } = await send('{ workspaces { id members { person { id name } } projects { nodes { id } } } }');
		const { id, members, projects } = workspaces.at(-1);
		const [ada, bob] = members.map(({ person }) => person.id), project = projects.nodes[0].id;
		const sections = [];
		for (const name of ['This week', 'Later']) sections.push((await send('mutation ($input: CreateSectionInput!) { createSection(input: $input) { section { id } } }', { input: { projectId: project, name } })).createSection.section.id);
		const add = (input) => send('mutation ($input: CreateTaskInput!) { createTask(input: $input) { version } }', { input });
		const day = (n) => ({ date: new Date(Date.now() + n * 864e5).toISOString().slice(0, 10) });
		await add({ title: 'Order the cards', sectionId: sections[0], assigneeId: bob, priority: 'HIGH', due: day(1) });
		await add({ title: 'Check the Bernoulli numbers', sectionId: sections[0], assigneeId: ada, due: day(3) });
		await add({ title: 'Write the notes', sectionId: sections[1], assigneeId: ada });
		await send('mutation ($input: CreateProjectInput!) { createProject(input: $input) { version } }', { input: { name: 'Exhibition', workspaceId: id, color: '#0891b2' } });
		return true
	})()`))
	p.a.do(t, "the workspace", goTo("Analysis"), sees(".tasks .list", "Write the notes"), clickRun("30-workspaces"), sees(answerText, `"name": "Engines"`), clickRun("31-workspace"), sees(answerText, `"name": "Exhibition"`))
	for scheme, name := range map[string]string{"light": "playground", "dark": "playground-dark"} {
		p.a.do(t, name, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}), chromedp.Sleep(time.Second), settled())
		p.a.shootInto(t, folder, name)
	}
}

// join has the second browser accept the invitation, which asks to sign in first.
func (p pair) join(t *testing.T, link string) {
	t.Helper()
	p.b.do(t, "the invitation", chromedp.Navigate(link), chromedp.WaitVisible(".sign-in"), chromedp.SendKeys(`input[name="name"]`, "Bob"), chromedp.SendKeys(`input[name="email"]`, "bob@example.com"),
		chromedp.SendKeys(`input[name="password"]`, "correct horse"), chromedp.Click(`.sign-in button[type="submit"]`), sees(".invitation", "ada@example.com invites you to Engines as member."))
	v := visit{p.b, "organization-"}
	v.picture(t, "invitation")
	p.b.do(t, "accepting", chromedp.Click(".invitation button", chromedp.ByQuery), sees(organizations, "Bob (you)"))
	v.picture(t, "joined")
	p.b.do(t, "the panel", closeDialog(), chromedp.Click("#toggle-tasks"), saysState("Live"), titles("Cards with holes"))
	if at := value[string](t, p.b, `location.search`); at != "" {
		t.Errorf("the address still has the invitation: %s", at)
	}
}

// read checks what the second browser shows to a member who may only read.
func (p pair) read(t *testing.T) {
	t.Helper()
	p.b.do(t, "read only", becomes(`document.querySelector('.tasks .workspace').selectedOptions[0].text === 'Engines (read only)'`), saysState("Live, read only"),
		becomes(`['.add input', '[data-control=grip]', '[data-control=check]', '[data-control=title]', '[data-control=delete]'].every((s) => {
			const { disabled, title } = document.querySelector('.tasks ' + s);
			return disabled && title === 'You may only read this workspace.'
		})`))
	visit{p.b, "organization-"}.picture(t, "read-only")
	p.a.do(t, "a project", goTo("All tasks"), chromedp.Click(".tasks h2 button", chromedp.ByQuery), press("#projects input"), input.InsertText("Analysis"), enter(), isAt("Analysis"), addTasks("Tables"), goTo("All tasks"))
	p.b.do(t, "what was added", titles("Cards with holes", "Tables"), goTo("Analysis"), titles("Tables"), goTo("All tasks"), becomes(`document.querySelector('#projects fieldset').disabled`))
	p.b.do(t, "the details of a task", openDetails(), sees(dialog, "You may only read this workspace."), becomes(`document.querySelector('.tasks dialog fieldset').disabled && !document.querySelector('.tasks dialog .remind button').disabled`),
		chromedp.KeyEvent(kb.Escape), gone(dialog))
	p.a.check(t)
	p.b.check(t)
}

// write lets the second account write, and gives it a task.
func (p pair) write(t *testing.T) {
	t.Helper()
	p.a.do(t, "another role", chromedp.Click("#open-organizations"), setValue(organizations+` [aria-label="Role of Bob"]`, "admin"), becomes(`document.querySelector('.organizations [aria-label="Role of Bob"]').value === 'admin'`), closeDialog())
	p.a.do(t, "an assignee", openDetails(), setValue(dialog+" [name=assignee]", "Bob"), chromedp.KeyEvent(kb.Escape), gone(dialog), sees(".tasks .list .details", "for Bob"))
	p.b.do(t, "what is assigned", sees(".tasks .list .details", "for Bob"), saysNews("Changed “Cards with holes”"))
	for value[bool](t, p.b, `document.querySelector('.tasks .add input').disabled`) {
		p.b.do(t, "the new role", chromedp.Evaluate(`document.querySelector('.tasks .workspace').blur()`, nil), chromedp.Focus(".tasks .workspace", chromedp.ByQuery))
	}
	p.b.do(t, "writing", becomes(`document.querySelector('.tasks .workspace').selectedOptions[0].text === 'Engines (can edit)'`), chromedp.Click(control(1, "check"), chromedp.ByQuery), addTasks("By Bob"))
	p.a.do(t, "what was written", titles("Cards with holes", "Tables", "By Bob"), becomes(`document.querySelector($1).checked`, control(1, "check")), saysNews("Added “By Bob”"))
	p.b.do(t, "who may delete projects", goTo("Analysis"), editProject(), sees(dialog, "Only admins of the workspace may delete projects."), becomes(`document.querySelector('.tasks dialog > .row button:nth-child(2)').disabled`),
		chromedp.KeyEvent(kb.Escape), gone(dialog))
	p.b.do(t, "after a reload", chromedp.Reload(), isAt("Analysis"), titles("Tables"), saysState("Live"))
	p.a.check(t)
	p.b.check(t)
}

// remove removes the second account from the organization.
func (p pair) remove(t *testing.T) {
	t.Helper()
	p.a.do(t, "removing", chromedp.Click("#open-organizations"), chromedp.Click(organizations+` [aria-label="Remove Bob from Engines"]`), becomes(`!document.querySelector('.organizations').innerText.includes('Bob')`), closeDialog())
	p.a.do(t, "a change that is not delivered", addTasks("Secret"))
	p.b.do(t, "no member any more", sees(".notice", "Engines is gone. You are no longer a member"), gone(".tasks .workspace"), isAt("All tasks"), sees(".tasks", "No tasks."), saysState("Live"))
	p.b.do(t, "the copies", becomes(`indexedDB.databases().then((all) => Promise.all(all.filter(({ name }) => name.startsWith('taskql')).map(async ({ name }) => {
		const opened = indexedDB.open(name);
		await new Promise((resolve) => opened.onsuccess = resolve);
		const rows = opened.result.transaction('rows').objectStore('rows').count();
		await new Promise((resolve) => rows.onsuccess = resolve);
		opened.result.close();
		return rows.result
	}))).then((rows) => rows.length === 2 && rows.every((n) => n === 0))`))
	p.a.do(t, "signing out", chromedp.Click("#sign-out"), sees(".tasks", "You are signed out."), becomes(`indexedDB.databases().then((all) => all.filter(({ name }) => name.startsWith('taskql')).length === 1)`))
	p.a.check(t)
	p.b.check(t)
}
