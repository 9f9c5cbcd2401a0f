// What users do with the app, in a browser, with the API and Better Auth.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { artifacts, axe, build, launch, origin, startApi, startApp, stop, stopAll } from "./app.mjs";

let browser;
const problems = [];

before(async () => {
  if (!process.env.BUILT) build();
  await startApi();
  await startApp();
  browser = await launch();
}, { timeout: 600_000 });

after(async () => {
  await browser?.close();
  await stopAll();
});

const story = (name, run) => test(name, { timeout: 300_000 }, async () => {
  problems.length = 0;
  const pages = [];
  try {
    await run(async (options = {}) => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", timezoneId: "Europe/Berlin", ...options });
      context.setDefaultTimeout(60_000);
      context.on("weberror", (error) => problems.push(String(error.error().stack)));
      const page = await context.newPage();
      pages.push(page);
      return page;
    });
    assert.deepEqual(problems, []);
  } catch (error) {
    const screen = `${artifacts}/failed-${name.replaceAll(/\W+/g, "-")}`;
    for (const [i, page] of pages.entries()) await page.screenshot({ path: `${screen}-${i}.png` }).catch(() => {});
    throw error;
  } finally {
    for (const page of pages) await page.context().close();
  }
});

let users = 0;

/** Signs up a new user, or opens the address of an invitation first. */
async function signUp(page, name, path = "/") {
  const email = `${name.toLowerCase()}${++users}@example.com`;
  await page.goto(origin + path);
  await page.getByRole("button", { name: "I am new here" }).click();
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill("correct horse");
  await page.getByRole("button", { name: "Sign up" }).click();
  await field(page).and(page.locator(":enabled")).waitFor();
  return email;
}

const field = (page) => page.getByRole("textbox", { name: "New task", exact: true });
const row = (page, title) => page.locator(".task", { has: page.getByRole("button", { name: title, exact: true }) });
const check = (page, title) => page.getByRole("main").getByRole("checkbox", { name: `Complete “${title}”` });
const titles = (page) => page.locator(".task .task-body > button.text").allTextContents();
const details = (page) => page.getByRole("complementary", { name: /^Details/ });
const nav = (page, name) => page.getByRole("navigation", { name: "Lists" }).getByRole("link", { name });
const toast = (page, text) => page.locator(".toast", { hasText: text });

async function add(page, ...names) {
  for (const name of names) {
    await field(page).fill(name);
    await page.keyboard.press("Enter");
    await row(page, name).waitFor();
  }
}

async function openDetails(page, title) {
  await page.getByRole("button", { name: `Details of “${title}”` }).click();
  await details(page).waitFor();
}

/** Waits until everything is sent and confirmed. */
const settled = (page) => page.locator(".task[data-pending]").first().waitFor({ state: "detached" });

async function eventually(what, wanted) {
  for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const found = await what();
    try {
      return assert.deepEqual(found, wanted);
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/** Takes a picture of a screen. Axe finds nothing on it, and it is not wider than the window. */
async function inspect(page, screen) {
  await page.screenshot({ path: `${artifacts}/${screen}.png` });
  await page.evaluate(axe());
  const found = await page.evaluate(async () => {
    const isCovered = document.querySelector(".menu:popover-open") !== null; // what is behind a menu may be half hidden
    const { violations } = await globalThis.axe.run({ rules: { "target-size": { enabled: !isCovered } } }); // of WCAG 2.2, not one of axe's usual rules
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target)}`);
  });
  assert.deepEqual(found, [], screen);
  const [width, wide] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
  assert.ok(wide <= width, `${screen} is ${wide} pixels wide`);
}

story("A task is created, edited in place, completed, undone, deleted, restored and purged", async (open) => {
  const page = await open();
  await signUp(page, "Ada");
  await add(page, "Buy milk", "Call the dentist");
  await row(page, "Buy milk").getByRole("button", { name: "Buy milk", exact: true }).click();
  await page.getByLabel("New title of “Buy milk”").fill("Buy oat milk");
  await page.keyboard.press("Enter");
  await settled(page);
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Buy oat milk");
  await page.reload();
  await row(page, "Buy oat milk").waitFor();
  assert.deepEqual(await titles(page), ["Buy oat milk", "Call the dentist"]);

  await check(page, "Buy oat milk").press("Space");
  await row(page, "Buy oat milk").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement?.ariaLabel), "Complete “Call the dentist”");
  await page.waitForTimeout(500); // it was sent: undoChange takes it back
  await toast(page, "Completed “Buy oat milk”").getByRole("button", { name: "Undo" }).click();
  await toast(page, "Undone.").waitFor();
  await row(page, "Buy oat milk").waitFor();
  await check(page, "Call the dentist").press("ArrowUp");
  await page.keyboard.press("Space");
  await row(page, "Buy oat milk").waitFor({ state: "detached" });
  await page.keyboard.press("Control+z");
  await row(page, "Buy oat milk").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.ariaLabel), "Complete “Call the dentist”");

  await openDetails(page, "Call the dentist");
  await details(page).getByLabel("Description").fill("About the crown");
  await page.goBack(); // which leaves the field without a blur
  await openDetails(page, "Call the dentist");
  assert.equal(await details(page).getByLabel("Description").inputValue(), "About the crown");
  await details(page).getByLabel("Description").fill("About the bridge");
  await page.reload();
  await page.reload(); // with what was stored
  await details(page).waitFor();
  assert.equal(await details(page).getByLabel("Description").inputValue(), "About the bridge");
  await row(page, "Call the dentist").getByRole("button", { name: "Call the dentist", exact: true }).click();
  await page.getByLabel("New title of “Call the dentist”").fill("Call the doctor");
  await page.reload();
  await row(page, "Call the doctor").getByRole("button", { name: "Call the doctor", exact: true }).click();
  await page.getByLabel("New title of “Call the doctor”").fill("Call the dentist");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "All tasks" }).click();
  await page.keyboard.press("Escape");
  await details(page).waitFor({ state: "detached" });
  await openDetails(page, "Call the dentist");
  await details(page).getByRole("button", { name: "Delete" }).click();
  await row(page, "Call the dentist").waitFor({ state: "detached" });
  await nav(page, "Trash").click();
  await page.getByRole("button", { name: "Restore “Call the dentist”" }).click();
  await page.getByText("The trash is empty.").waitFor();
  await nav(page, "All tasks").click();
  await row(page, "Call the dentist").waitFor();

  await openDetails(page, "Buy oat milk");
  await details(page).getByText("History").click();
  await details(page).getByText("title: “Buy milk” → “Buy oat milk”").waitFor();
  await details(page).getByRole("button", { name: "Delete" }).click();
  await nav(page, "Trash").click();
  page.once("dialog", (dialog) => dialog.accept());
  await page.getByRole("button", { name: "Delete “Buy oat milk” for good" }).click();
  await page.getByText("The trash is empty.").waitFor();
  await page.waitForTimeout(300);
  await page.reload();
  await page.getByText("The trash is empty.").waitFor();
});

story("Due days are those of the viewer's time zone", async (open) => {
  for (const timezoneId of ["Pacific/Auckland", "America/Los_Angeles"]) {
    const page = await open({ timezoneId });
    await signUp(page, "Grace");
    const day = (offset) => new Intl.DateTimeFormat("en-CA", { timeZone: timezoneId }).format(new Date(Date.now() + offset * 86_400_000));
    const addDue = async (name, offset) => {
      await page.getByLabel("Due day").fill(day(offset));
      await add(page, name);
    };
    await addDue("Today's", 0);
    await addDue("Tomorrow's", 1);
    await addDue("Yesterday's", -1);
    await nav(page, "Today").click();
    await page.getByRole("heading", { name: "Overdue" }).waitFor();
    assert.deepEqual(await titles(page), ["Yesterday's", "Today's"]);
    // What is typed isn't saved with each key.
    await openDetails(page, "Yesterday's");
    const due = details(page).getByLabel("Due", { exact: true });
    await due.press("ArrowUp");
    assert.notEqual(await due.inputValue(), day(-1));
    await page.waitForTimeout(300);
    await row(page, "Yesterday's").getByText("Yesterday", { exact: true }).waitFor();
    await due.press("ArrowDown");
    await page.keyboard.press("Escape");
    await settled(page);
    await eventually(() => page.evaluate(async () => {
      const body = JSON.stringify({ query: "{ viewer { timeZone } tasks(filter: { due: { within: TODAY } }) { nodes { title } } }" });
      const answer = await fetch("/graphql", { method: "POST", headers: { "content-type": "application/json" }, body });
      return (await answer.json()).data;
    }), { viewer: { timeZone: timezoneId }, tasks: { nodes: [{ title: "Today's" }] } });
  }
});

story("Projects have sections, and tasks are moved by keyboard and pointer", async (open) => {
  const page = await open();
  await signUp(page, "Linus");
  await page.getByRole("button", { name: "New project" }).click();
  await page.getByLabel("Name of the new project").fill("Garden");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Garden" }).waitFor();
  await add(page, "Mow", "Water", "Plant");
  await page.getByRole("button", { name: "More for project “Garden”" }).click();
  await page.getByRole("button", { name: "Add a section" }).click();
  await page.getByRole("button", { name: "New section" }).and(page.locator(".text")).click();
  await page.getByLabel("New name of “New section”").fill("Later");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Later" }).waitFor();

  await page.getByRole("button", { name: "Move “Plant”" }).focus();
  await page.keyboard.press("Space");
  await page.getByText("Lifted Plant.").waitFor({ state: "attached" });
  for (const at of ["Water", "Mow"]) {
    const said = page.getByText(`Plant is at ${at}.`);
    do await page.keyboard.press("ArrowUp"); // dnd-kit takes keys a moment after it has said that the task is lifted
    while (!(await said.waitFor({ state: "attached", timeout: 3_000 }).then(() => true, () => false)));
  }
  await page.keyboard.press("Space");
  await eventually(() => titles(page), ["Plant", "Mow", "Water"]);

  const from = await page.getByRole("button", { name: "Move “Plant”" }).boundingBox();
  const to = await page.getByRole("heading", { name: "Later" }).boundingBox();
  await page.mouse.move(from.x + 5, from.y + 10);
  await page.mouse.down();
  await page.mouse.move(from.x + 5, from.y + 30, { steps: 4 });
  await page.mouse.move(from.x + 5, to.y + 12, { steps: 12 });
  await page.mouse.up();
  await eventually(() => titles(page), ["Mow", "Water", "Plant"]);
  const later = page.getByRole("region", { name: "Later" });
  await later.getByRole("button", { name: "Plant", exact: true }).waitFor();
  await settled(page);
  await page.reload();
  await later.getByRole("button", { name: "Plant", exact: true }).waitFor();
  assert.deepEqual(await titles(page), ["Mow", "Water", "Plant"]);

  await page.getByRole("button", { name: "More for project “Garden”" }).click();
  await page.getByRole("button", { name: "Archive the project" }).click();
  await page.getByText("Nothing to do.").waitFor();
  await page.getByText("Archived", { exact: true }).click();
  await page.getByRole("link", { name: "Garden" }).click();
  await page.getByRole("button", { name: "Bring back" }).click();
  await nav(page, "All tasks").click();
  await row(page, "Mow").waitFor();

  const name = "A garden whose name is so long that it doesn't fit beside anything else in a line";
  await nav(page, "Garden").click();
  await page.getByRole("heading").getByRole("button", { name: "Garden" }).click();
  await page.getByLabel("New name of “Garden”").fill(name);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: `More for project “${name}”` }).click();
  await page.getByRole("button", { name: "Delete the project" }).click();
  await page.getByText("Nothing to do. Add a task above.").waitFor();
  await page.goBack();
  await page.getByText("It is in the trash, with its tasks.").waitFor();
  assert.equal(await field(page).count(), 0);
  await nav(page, "Trash").click();
  await page.getByRole("button", { name: "Restore project" }).waitFor();
  assert.ok(await page.getByRole("heading", { name: "Trash" }).evaluate((title) => title.scrollWidth <= title.clientWidth));
  await page.goto(`${origin}/?list=${crypto.randomUUID()}`);
  await page.getByText("It was deleted, or it is in another workspace.").waitFor();
});

story("Tasks have tags, priorities and subtasks, and are found by them", async (open) => {
  const page = await open();
  await signUp(page, "Barbara");
  await add(page, "Bring the café chairs back", "Pack", "Sleep");
  await openDetails(page, "Pack");
  await details(page).getByLabel("Add a tag").fill("travel");
  await page.keyboard.press("Enter");
  await details(page).getByRole("combobox", { name: "Priority" }).selectOption("High");
  await details(page).getByLabel("Add a subtask").fill("Passport");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await row(page, "Pack").getByText("0/1").waitFor();
  assert.deepEqual(await titles(page), ["Bring the café chairs back", "Pack", "Passport", "Sleep"]);
  await settled(page);

  const facet = (name) => page.getByRole("region", { name: "Filters" }).getByRole("button", { name });
  await facet("travel").click();
  await eventually(() => titles(page), ["Pack"]);
  await facet("travel").click();
  await facet("high").click();
  await eventually(() => titles(page), ["Pack"]);
  await page.getByRole("button", { name: "Show all" }).click();
  await page.keyboard.press("/");
  await page.keyboard.type("CAFE chair");
  await eventually(() => titles(page), ["Bring the café chairs back"]);
  await page.getByRole("searchbox", { name: "Search" }).fill("nothing like this");
  await page.getByText("Nothing found").waitFor();
});

story("A task repeats as the preview says", async (open) => {
  const page = await open();
  await signUp(page, "Alan");
  await add(page, "Water the plants");
  await openDetails(page, "Water the plants");
  await details(page).getByLabel("Due", { exact: true }).fill("2027-03-01");
  await details(page).getByRole("combobox", { name: "Repeat" }).selectOption("Every week");
  await details(page).getByText("Next: 1 Mar 2027, 8 Mar 2027, 15 Mar 2027").waitFor();
  await details(page).getByRole("button", { name: "Save" }).click();
  await row(page, "Water the plants").getByText("repeats").waitFor({ state: "attached" });
  await details(page).getByRole("button", { name: "Skip once" }).click();
  await row(page, "Water the plants").getByText("8 Mar 2027").waitFor();
  await page.keyboard.press("Escape");
  await check(page, "Water the plants").click();
  await row(page, "Water the plants").getByText("15 Mar 2027").waitFor();
});

story("Reminders appear, and are snoozed and dismissed", async (open) => {
  const page = await open();
  await signUp(page, "Edsger");
  await add(page, "Stand up");
  await openDetails(page, "Stand up");
  const now = new Date(Date.now() - 60_000).toLocaleString("sv", { timeZone: "Europe/Berlin" }).slice(0, 16).replace(" ", "T");
  await details(page).getByLabel("Remind me at").fill(now);
  await page.keyboard.press("Enter");
  const fired = page.getByRole("alert", { name: "Reminders" });
  await fired.getByRole("button", { name: "Stand up" }).waitFor();
  await inspect(page, "reminder");
  await showNewWorkspace(page, "Team");
  await fired.getByText("in Edsger").waitFor();
  await fired.getByRole("button", { name: "Stand up" }).click();
  await fired.getByRole("button", { name: "In 10 minutes" }).click();
  await fired.waitFor({ state: "hidden" });
  await details(page).locator(".chips", { hasText: /\d\d:\d\d/ }).waitFor(); // today, or before midnight tomorrow
  const chips = details(page).locator(".chips", { has: page.getByRole("button", { name: "Remove the reminder" }) }).getByRole("listitem");
  await details(page).getByLabel("Remind me", { exact: true }).selectOption("in an hour");
  await chips.nth(1).waitFor();
  await chips.nth(1).getByRole("button").click();
  await eventually(() => chips.count(), 1);
  await page.reload();
  await eventually(() => chips.count(), 1);
  await add(page, "Stretch");
  await openDetails(page, "Stretch");
  await details(page).getByLabel("Remind me at").fill(now);
  await page.keyboard.press("Enter");
  await fired.getByRole("button", { name: "Dismiss" }).click();
  await fired.waitFor({ state: "hidden" });
});

async function showNewWorkspace(page, name) {
  await page.locator("button.workspace").click();
  await page.getByRole("button", { name: "New shared workspace" }).click();
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("button", { name: "Create" }).click();
  await page.locator("button.workspace", { hasText: name }).waitFor();
}

async function showWorkspace(page, name) {
  await page.locator("button.workspace").click();
  await page.locator(".menu").getByRole("button", { name }).click();
}

/** Opens the page of the same user in another browser. */
async function another(open, page, options) {
  const other = await open({ storageState: { cookies: await page.context().cookies(), origins: [] }, ...options });
  await other.goto(origin);
  await field(other).and(other.locator(":enabled")).waitFor();
  return other;
}

story("Two browsers stay equal, and conflicts are shown", async (open) => {
  const one = await open();
  await signUp(one, "Margaret");
  const two = await another(open, one);
  await add(one, "First", "Second");
  await eventually(() => titles(two), ["First", "Second"]);
  await check(two, "First").click();
  await eventually(() => titles(one), ["Second"]);

  await settled(one);
  await one.context().setOffline(true);
  await one.getByRole("button", { name: "Second", exact: true }).click();
  await one.getByLabel("New title of “Second”").fill("Mine");
  await one.keyboard.press("Enter");
  await one.getByText("One change will be sent later.").waitFor();
  await two.getByRole("button", { name: "Second", exact: true }).click();
  await two.getByLabel("New title of “Second”").fill("Theirs");
  await two.keyboard.press("Enter");
  await settled(two);
  await one.context().setOffline(false);
  await toast(one, "Theirs: “Theirs”. Yours: “Mine”.").waitFor();
  await eventually(() => titles(one), ["Theirs"]);
  await check(one, "Theirs").click(); // while the message stays
  await toast(one, "Completed").waitFor();
  await one.keyboard.press("Control+z");
  await eventually(() => titles(one), ["Theirs"]);
  await showNewWorkspace(one, "Elsewhere");
  await toast(one, "Theirs").getByRole("button", { name: "Use mine" }).click();
  await eventually(() => titles(two), ["Mine"]);
  await toast(one, "Done, in the other workspace.").waitFor();
  await showWorkspace(one, "Margaret only you");
  await eventually(() => titles(one), ["Mine"]);

  await one.getByRole("button", { name: "Mine", exact: true }).click();
  await one.getByLabel("New title of “Mine”").fill("My title"); // the field stays open
  await two.getByRole("button", { name: "Mine", exact: true }).click();
  await two.getByLabel("New title of “Mine”").fill("Their title");
  await two.keyboard.press("Enter");
  await one.getByLabel("Details of “Their title”").waitFor();
  await one.keyboard.press("Enter");
  await toast(one, "Theirs: “Their title”. Yours: “My title”.").getByRole("button", { name: "Use mine" }).click();
  await eventually(() => titles(two), ["My title"]);

  for (const page of [one, two]) await openDetails(page, "My title");
  await details(one).getByLabel("Description").fill("My text"); // the field stays open
  await details(one).getByLabel("Description").dispatchEvent("keydown", { key: "Escape", isComposing: true }); // is for what composes text
  await details(two).getByLabel("Description").fill("Their text");
  await two.keyboard.press("Escape");
  await toast(one, "Theirs: “Their text”. Yours: “My text”.").waitFor();
  assert.equal(await details(one).getByLabel("Description").inputValue(), "Their text");
  await toast(one, "My text").getByRole("button", { name: "Keep theirs" }).click();
  for (const page of [one, two]) await page.keyboard.press("Escape");

  await two.getByRole("button", { name: "My title", exact: true }).click();
  await two.getByLabel("New title of “My title”").fill("Typed as it goes");
  await check(one, "My title").click(); // the row goes while its title is edited
  await eventually(() => titles(two), []);
  for (const page of [one, two]) await page.getByLabel("Show completed").click();
  await eventually(() => titles(one), ["First", "Typed as it goes"]);
  for (const page of [one, two]) await page.getByLabel("Show completed").click();

  const names = ["1", "2", "3", "4", "5"];
  await add(one, ...names);
  await settled(one);
  const rename = async (page, from, to) => {
    await page.getByRole("button", { name: from, exact: true }).click();
    await page.getByLabel(`New title of “${from}”`).fill(to);
    await page.keyboard.press("Enter");
  };
  await eventually(() => titles(two), names);
  await one.context().setOffline(true);
  for (const name of names) {
    await rename(one, name, `Mine ${name}`);
    await rename(two, name, `Theirs ${name}`);
  }
  await settled(two);
  await one.context().setOffline(false);
  await eventually(() => toast(one, "Yours: “Mine").count(), 5);
});

/** Lets the page count its databases and channels that are open. */
const countHeld = (page) => page.addInitScript(() => {
  globalThis.held = new Set();
  const { close } = BroadcastChannel.prototype;
  globalThis.BroadcastChannel = new Proxy(BroadcastChannel, { construct: (target, args) => {
    const channel = new target(...args);
    held.add(channel);
    return channel;
  } });
  BroadcastChannel.prototype.close = function () { held.delete(this), close.call(this); };
  const [{ open }, { close: end }] = [IDBFactory.prototype, IDBDatabase.prototype];
  IDBFactory.prototype.open = function (...args) {
    const request = open.apply(this, args);
    request.addEventListener("success", () => held.add(request.result));
    return request;
  };
  IDBDatabase.prototype.close = function () { held.delete(this), end.call(this); };
});

/** What one workspace needs, and the channel for signing out. */
const holdsOne = (page) => eventually(() => page.evaluate(() => [...held].map(({ constructor }) => constructor.name).sort()), ["BroadcastChannel", "BroadcastChannel", "IDBDatabase"]);

story("A workspace that isn't shown any more sends its changes, and they can be undone", async (open) => {
  const page = await open();
  await countHeld(page);
  await signUp(page, "Niklaus");
  await add(page, "Done", "Not done", "Moved", "Last");
  await settled(page);
  const other = await another(open, page);
  await showNewWorkspace(page, "Elsewhere");
  const elsewhere = page.url();
  const leave = async (message, address, name) => { // the pointer stays on the message, which waits for it
    await message.hover();
    await page.evaluate((to) => history.pushState(null, "", to), address);
    await page.locator("button.workspace", { hasText: name }).waitFor();
    await message.getByRole("button", { name: "Undo" }).click();
  };
  await showWorkspace(page, "Niklaus only you");
  await row(page, "Not done").waitFor();
  await page.context().setOffline(true);
  await check(page, "Done").click();
  await check(page, "Not done").click();
  await leave(toast(page, "Completed “Not done”"), elsewhere, "Elsewhere");
  await toast(page, "Done, in the other workspace.").waitFor();
  assert.deepEqual(await titles(other), ["Done", "Not done", "Moved", "Last"]);
  await page.context().setOffline(false);
  await eventually(() => titles(other), ["Not done", "Moved", "Last"]);
  await showWorkspace(page, "Niklaus only you");
  await settled(page);
  assert.deepEqual(await titles(page), ["Not done", "Moved", "Last"]);

  // What has no opposite is undone once it was sent.
  await page.context().setOffline(true);
  await openDetails(page, "Moved");
  await details(page).getByLabel("Due", { exact: true }).fill("2027-03-01");
  await details(page).getByLabel("Due", { exact: true }).fill("");
  await toast(page, "no longer due").getByRole("button", { name: "Undo" }).click();
  await page.getByText("will be sent later").waitFor();
  await showWorkspace(page, "Elsewhere");
  await page.context().setOffline(false);
  await toast(page, "Undone.").waitFor();
  await row(other, "Moved").getByText("1 Mar 2027").waitFor();

  // A project that was archived and sent.
  await page.getByRole("button", { name: "New project" }).click();
  await page.getByLabel("Name of the new project").fill("Cellar");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "More for project “Cellar”" }).click();
  await page.getByRole("button", { name: "Archive the project" }).click();
  await page.waitForTimeout(500);
  await leave(toast(page, "Archived"), "/", "Niklaus");
  await toast(page, "Done, in the other workspace.").waitFor();
  await showWorkspace(page, "Elsewhere");
  await nav(page, "Cellar").waitFor();
  await settled(page);
  await holdsOne(page);
});

const pageIsKept = (page) => eventually(() => page.evaluate(async () => {
  await navigator.serviceWorker.ready;
  return (await (await caches.open("page")).keys()).length > 5;
}), true);

story("Offline the app opens, and what is done there is sent once, later", async (open) => {
  const page = await open();
  await signUp(page, "Katherine");
  await add(page, "Online");
  await settled(page);
  await pageIsKept(page);
  await page.context().setOffline(true);
  await page.reload();
  await row(page, "Online").waitFor();
  await add(page, "Offline");
  await check(page, "Online").click();
  await page.getByText(/Offline\. \d changes will be sent later\./).waitFor();
  await inspect(page, "offline");
  const second = await page.context().newPage(); // whose changes the first one sends
  await second.goto(origin);
  await row(second, "Offline").waitFor();
  await add(second, "Second tab");
  await second.getByText("Offline. 3 changes will be sent later.").waitFor();
  await second.close();
  await page.reload();
  await eventually(() => titles(page), ["Offline", "Second tab"]);
  const other = await another(open, page);
  await eventually(() => titles(other), ["Online"]);
  await page.context().setOffline(false);
  await eventually(() => titles(other), ["Offline", "Second tab"]);
  await settled(page);
  assert.deepEqual(await titles(page), ["Offline", "Second tab"]);
  await page.getByText("Offline.").waitFor({ state: "hidden" });
});

story("An organization shares a workspace, in which guests can only read", async (open) => {
  const owner = await open();
  await signUp(owner, "Dorothy");
  await owner.locator("button.workspace").click();
  await owner.getByRole("button", { name: "New shared workspace" }).click();
  await owner.getByLabel("Name", { exact: true }).fill("Family");
  await owner.getByRole("button", { name: "Create" }).click();
  await owner.locator("button.workspace", { hasText: "Family" }).waitFor();
  await add(owner, "Cook dinner");
  await owner.locator("button.workspace").click();
  await owner.getByRole("button", { name: "Members of Family" }).click();
  const members = owner.getByRole("dialog", { name: "Members of Family" });
  const invite = async (email, role) => {
    await members.getByLabel("E-mail of a new member").fill(email);
    await members.getByLabel("Role of the new member").selectOption(role);
    await members.getByRole("button", { name: "Invite" }).click();
    await members.getByText(email).waitFor();
    await owner.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await members.locator("li", { hasText: email }).getByRole("button", { name: "Copy the link" }).click();
    return new URL(await owner.evaluate(() => navigator.clipboard.readText()));
  };
  const join = async (name, role) => {
    const link = await invite(`${name.toLowerCase()}${users + 1}@example.com`, role);
    const page = await open();
    await signUp(page, name, link.pathname + link.search);
    await page.getByText("invites you to “Family”").waitFor();
    await inspect(page, `invitation-${role}`);
    await page.getByRole("button", { name: "Accept" }).click();
    await page.locator("button.workspace", { hasText: "Family" }).waitFor();
    await row(page, "Cook dinner").waitFor();
    return page;
  };
  const member = await join("Mary", "member");
  const guest = await join("Guido", "guest");
  await members.getByRole("button", { name: "Close" }).click();
  await owner.reload(); // with the new members

  await add(member, "Wash up");
  await row(owner, "Wash up").waitFor();
  await openDetails(owner, "Wash up");
  await details(owner).getByRole("combobox", { name: "Assignee" }).selectOption("Mary");
  await row(member, "Wash up").getByText("Mary").waitFor();
  await nav(member, "Assigned to me").click();
  await eventually(() => titles(member), ["Wash up"]);

  await row(guest, "Wash up").waitFor();
  await guest.getByText("You can read this workspace, and not change it.").waitFor();
  assert.equal(await field(guest).count(), 0);
  assert.ok(await check(guest, "Wash up").isDisabled());
  assert.equal(await guest.getByRole("button", { name: /^Move/ }).count(), 0);
  await openDetails(guest, "Wash up");
  await inspect(guest, "guest");
  await takePictures(owner);

  await showWorkspace(member, "Mary only you");
  await member.locator("button.workspace", { hasText: "Mary" }).waitFor();
  await eventually(() => titles(member), []);

  // The membership ends while something is being typed.
  await showWorkspace(member, "Family");
  await openDetails(member, "Wash up");
  await details(member).getByLabel("Description").fill("With the new soap");
  await owner.locator("button.workspace").click();
  await owner.getByRole("button", { name: "Members of Family" }).click();
  await members.getByRole("button", { name: "Remove Mary" }).click();
  await members.getByText("Mary").waitFor({ state: "detached" });
  await members.getByRole("button", { name: "Close" }).click();
  await owner.waitForTimeout(1_200); // the API remembers members for a second
  await add(owner, "Dry up");
  await member.getByText("This workspace isn’t there any more.").waitFor();
  await toast(member, "Not changed").waitFor();
  assert.equal(await field(member).count(), 0);
  await inspect(member, "gone");
  await member.getByRole("link", { name: "Go to your tasks" }).click();
  await field(member).waitFor();
});

/** Fills the shared workspace, and takes the pictures of README.md. */
async function takePictures(page) {
  await page.evaluate(async () => {
    const send = async (field, input, type = field[0].toUpperCase() + field.slice(1)) => {
      const query = `mutation($input: ${type}Input!) { ${field}(input: $input) { version userErrors { message } } }`;
      const answer = await fetch("/graphql", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query, variables: { input } }) });
      const { data, errors } = await answer.json();
      if (errors || data[field].userErrors.length > 0) throw new Error(JSON.stringify(errors ?? data[field].userErrors));
    };
    const workspaceId = new URLSearchParams(location.search).get("workspace");
    const [house, trip, home, phone] = Array.from({ length: 4 }, () => crypto.randomUUID());
    const day = (offset) => ({ date: new Date(Date.now() + offset * 86_400_000).toLocaleDateString("sv") });
    await send("createProject", { id: house, name: "Moving house", workspaceId });
    await send("createProject", { id: trip, name: "Trip to Norway", workspaceId });
    await send("createTag", { id: home, name: "home", workspaceId });
    await send("createTag", { id: phone, name: "phone", workspaceId });
    const movers = crypto.randomUUID();
    for (const task of [
      { id: movers, title: "Compare three moving companies", projectId: house, due: day(1), priority: "HIGH", tagIds: [phone], description: "Ask for a fixed price, and for insurance." },
      { title: "Cancel the electricity", projectId: house, due: day(-1), tagIds: [phone] },
      { title: "Book the ferry", projectId: trip, due: day(4), priority: "MEDIUM" },
      { title: "Water the plants", due: day(0), tagIds: [home], recurrence: { rule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU" } },
      { title: "Collect boxes", parentId: movers },
      { title: "Measure the piano", parentId: movers },
    ]) await send("createTask", { workspaceId, ...task });
  });
  await row(page, "Measure the piano").waitFor();
  await page.keyboard.press("Escape");
  for (const toast of await page.locator(".toast").getByRole("button", { name: "Close" }).all()) await toast.click();
  const take = async (name) => {
    await page.mouse.move(640, 790);
    await page.evaluate(() => document.activeElement?.blur());
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${process.env.PICTURES ?? artifacts}/${name}${colorScheme === "dark" ? "-dark" : ""}.png` });
    }
    await page.emulateMedia({ colorScheme: null });
  };
  await openDetails(page, "Compare three moving companies");
  await take("desktop");
  await page.keyboard.press("Escape");
  await page.setViewportSize({ width: 390, height: 844 });
  await take("phone");
  await page.setViewportSize({ width: 1280, height: 800 });
}

story("With a thousand tasks a change or a key costs what it costs with ten", async (open) => {
  const page = await open();
  await page.addInitScript(() => { // counts what rendering a row and searching a task call
    const counts = (globalThis.counts = { formats: 0, formatted: 0, normalized: 0 });
    const { DateTimeFormat } = Intl;
    Intl.DateTimeFormat = new Proxy(DateTimeFormat, { construct: (target, args) => (counts.formats++, new target(...args)) });
    const { get } = Object.getOwnPropertyDescriptor(DateTimeFormat.prototype, "format");
    Object.defineProperty(DateTimeFormat.prototype, "format", { get() { return counts.formatted++, get.call(this); } });
    const { normalize } = String.prototype;
    String.prototype.normalize = function (...args) { return counts.normalized++, normalize.apply(this, args); };
  });
  await signUp(page, "Radia");
  await page.evaluate(async () => {
    for (let i = 0; i < 1000; i += 20) {
      const created = Array.from({ length: 20 }, (_, k) => `t${k}: createTask(input: { title: "Task ${i + k}", due: { date: "2027-03-01" } }) { userErrors { message } }`);
      const headers = { "content-type": "application/json" };
      await fetch("/graphql", { method: "POST", headers, body: JSON.stringify({ query: `mutation { ${created.join(" ")} }` }) });
    }
  });
  await nav(page, "All tasks").getByText("1000").waitFor();
  const rows = () => page.locator(".task").count();
  await eventually(rows, 200);
  const costOf = async (act) => {
    await page.evaluate(() => Object.assign(globalThis.counts, { formats: 0, formatted: 0, normalized: 0 }));
    await act();
    await settled(page);
    return page.evaluate(() => globalThis.counts);
  };
  const few = ({ formats, formatted }) => assert.ok(formats < 5 && formatted < 30, `${formats} formats were made, ${formatted} days formatted`);
  few(await costOf(async () => {
    await check(page, "Task 3").click();
    await row(page, "Task 3").waitFor({ state: "detached" });
  }));
  few(await costOf(async () => {
    await field(page).fill("One more");
    await page.keyboard.press("Enter");
    await nav(page, "All tasks").getByText("1000").waitFor();
  }));
  const search = page.getByRole("searchbox", { name: "Search" });
  await search.fill("task 77");
  await eventually(rows, 19);
  const { normalized } = await costOf(async () => {
    await search.press("7");
    await eventually(rows, 1);
  });
  assert.ok(normalized < 30, `${normalized} texts were normalized for one key`);
  await search.fill("");
  await eventually(rows, 200);
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await row(page, "Task 230").waitFor();
});

story("Signing out ends all tabs, and leaves nothing in the browser", async (open) => {
  const page = await open();
  await countHeld(page);
  const email = await signUp(page, "Hedy");
  await add(page, "Secret");
  await settled(page);
  const other = await page.context().newPage();
  await other.goto(origin);
  await row(other, "Secret").waitFor();

  // What is not sent from a workspace that isn't shown any more is not lost unasked.
  await page.locator("button.workspace").click();
  await page.getByRole("button", { name: "New shared workspace" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Team");
  await page.getByRole("button", { name: "Create" }).click();
  await page.locator("button.workspace", { hasText: "Team" }).waitFor();
  await add(page, "Sent");
  await settled(page);
  await pageIsKept(page);
  await page.context().setOffline(true);
  await add(page, "Not sent");
  await page.goto(origin);
  await row(page, "Secret").waitFor();
  await page.context().setOffline(false);
  await page.getByText("Offline.").waitFor({ state: "hidden" });
  const [question] = await Promise.all([page.waitForEvent("dialog"), page.getByRole("button", { name: "Sign out" }).click({ noWaitAfter: true })]);
  assert.match(question.message(), /One change has not been sent/);
  await question.dismiss();
  await holdsOne(page);
  page.once("dialog", (dialog) => dialog.accept());
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await other.getByRole("heading", { name: "Sign in" }).waitFor();
  await eventually(() => page.evaluate(async () => [(await indexedDB.databases()).length, localStorage.length, await caches.has("page")]), [0, 0, false]);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill("wrong horse");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Invalid email or password").waitFor();
  assert.equal(await page.getByLabel("E-mail").inputValue(), email);
  await signUp(page, "Eve");
  assert.deepEqual(await titles(page), []);
});

story("What is done while the API restarts or the sign-in is down is made later, once", async (open) => {
  const page = await open();
  await signUp(page, "Frances");
  await add(page, "Before");
  await settled(page);
  await stop("api");
  await add(page, "Meanwhile");
  await page.getByText("will be sent later").waitFor();
  await startApi();
  await page.getByRole("button", { name: "Try now" }).click({ timeout: 3_000 }).catch(() => {}); // or it has tried by itself
  await settled(page);
  await stop("app");
  await add(page, "Sign-in is down");
  await page.getByText("will be sent later").waitFor();
  await startApp();
  await page.getByRole("button", { name: "Try now" }).click({ timeout: 3_000 }).catch(() => {});
  await settled(page);
  const other = await another(open, page);
  await eventually(() => titles(other), ["Before", "Meanwhile", "Sign-in is down"]);
});

story("axe finds nothing, light and dark, on desktop and phone", async (open) => {
  for (const colorScheme of ["light", "dark"]) {
    for (const [device, viewport] of [["desktop", { width: 1280, height: 800 }], ["phone", { width: 390, height: 844 }]]) {
      const page = await open({ viewport, colorScheme, reducedMotion: "reduce" });
      const see = (screen) => inspect(page, `${screen}-${device}-${colorScheme}`);
      await page.goto(`${origin}/sign-in`);
      await see("sign-in");
      await signUp(page, "Tim");
      await see("empty");
      await add(page, "Book a train to Hamburg", "Call the dentist", "Water the plants", "Write to grandmother");
      await openDetails(page, "Call the dentist");
      await details(page).getByLabel("Due", { exact: true }).fill("2026-11-20");
      await details(page).getByRole("combobox", { name: "Priority" }).selectOption("Urgent");
      await details(page).getByLabel("Add a tag").fill("health");
      await page.keyboard.press("Enter");
      await details(page).getByLabel("Add a subtask").fill("Find the insurance card");
      await page.keyboard.press("Enter");
      await details(page).getByRole("combobox", { name: "Repeat" }).selectOption("Every month");
      await details(page).getByText("Next:").waitFor();
      await details(page).getByText("History").click();
      await details(page).getByText("Created").waitFor();
      await settled(page);
      await see("details");
      await page.keyboard.press("Escape");
      await check(page, "Water the plants").click();
      await toast(page, "Completed").waitFor();
      await see("list");
      await openDetails(page, "Write to grandmother");
      await details(page).getByRole("button", { name: "Delete" }).click();
      const lists = async () => device === "phone" && (await page.getByRole("button", { name: "Lists and filters" }).click());
      await lists();
      await nav(page, "Trash").click();
      await settled(page); // what is pending is paler
      await see("trash");
      await lists();
      await page.getByRole("button", { name: "New project" }).click();
      await page.getByLabel("Name of the new project").fill("Moving house");
      await page.keyboard.press("Enter");
      await add(page, "Cancel the electricity");
      await page.getByRole("button", { name: "More for project “Moving house”" }).click();
      await page.getByRole("button", { name: "Add a section" }).click();
      await page.getByRole("heading", { name: "New section" }).waitFor();
      await see("project");
      await lists();
      await page.locator("button.workspace").click();
      await see("menu");
      await page.getByRole("button", { name: "New shared workspace" }).click();
      await page.getByLabel("Name", { exact: true }).fill("Family");
      await page.getByRole("button", { name: "Create" }).click();
      await page.getByText("Nothing to do.").waitFor();
      await lists();
      await page.locator("button.workspace").click();
      await page.getByRole("button", { name: "Members of Family" }).click();
      const dialog = page.getByRole("dialog", { name: "Members of Family" });
      await dialog.getByLabel("E-mail of a new member").fill("grace@example.com");
      await dialog.getByRole("button", { name: "Invite" }).click();
      await dialog.getByText("invited").waitFor();
      await see("members");
    }
  }
});
