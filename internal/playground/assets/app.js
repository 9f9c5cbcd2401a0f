"use strict";

const endpoint = document.body.dataset.endpoint;
const hasSignIn = document.body.dataset.signIn === "true";
const element = (id) => document.getElementById(id);
const query = element("query");
const variables = element("variables");

const taskFields = "id\n    version\n    title\n    completed";

// Each sample's variables may depend on the task that an answer showed last.
const samples = [
  {
    title: "Who am I?",
    query: "query Viewer {\n  viewer {\n    id\n    name\n    email\n    timeZone\n  }\n}",
  },
  {
    title: "Create a task",
    query: `mutation CreateTask($input: CreateTaskInput!) {\n  createTask(input: $input) {\n    task {\n      ${taskFields.replaceAll("\n", "\n  ")}\n      createdAt\n    }\n    userErrors {\n      code\n      message\n      field\n    }\n  }\n}`,
    variables: () => ({ input: { title: "Water the plants", description: "The fern first.", idempotencyKey: crypto.randomUUID?.() ?? String(Date.now()) } }),
  },
  {
    title: "List tasks",
    query: "query Tasks($first: Int, $after: String) {\n  tasks(first: $first, after: $after) {\n    totalCount\n    nodes {\n      id\n      version\n      title\n      completed\n      updatedAt\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}",
    variables: () => ({ first: 10 }),
  },
  {
    title: "Rename a task",
    query: `mutation UpdateTask($input: UpdateTaskInput!) {\n  updateTask(input: $input) {\n    task {\n      ${taskFields.replaceAll("\n", "\n  ")}\n    }\n    userErrors {\n      code\n      message\n      field\n    }\n  }\n}`,
    variables: (task) => ({ input: { id: task.id, ...(task.version ? { ifVersion: task.version } : {}), title: "Water all the plants" } }),
  },
  {
    title: "Complete a task",
    query: "mutation CompleteTask($input: CompleteTaskInput!) {\n  completeTask(input: $input) {\n    task {\n      id\n      version\n      completed\n      completedAt\n    }\n    userErrors {\n      code\n      message\n    }\n  }\n}",
    variables: (task) => ({ input: { id: task.id } }),
  },
  {
    title: "Reopen a task",
    query: "mutation ReopenTask($input: ReopenTaskInput!) {\n  reopenTask(input: $input) {\n    task {\n      id\n      version\n      completed\n    }\n    userErrors {\n      code\n      message\n    }\n  }\n}",
    variables: (task) => ({ input: { id: task.id } }),
  },
  {
    title: "Delete a task",
    query: "mutation DeleteTask($input: DeleteTaskInput!) {\n  deleteTask(input: $input) {\n    task {\n      id\n      version\n      deletedAt\n    }\n    userErrors {\n      code\n      message\n    }\n  }\n}",
    variables: (task) => ({ input: { id: task.id } }),
  },
];

let lastTask = { id: "the id of a task" };

// findTask looks for the first task in an answer, so that samples can go on with it.
function findTask(value) {
  if (value === null || typeof value !== "object") return null;
  if (typeof value.id === "string" && "completed" in value) return value;
  for (const child of Object.values(value)) {
    const task = findTask(child);
    if (task) return task;
  }
  return null;
}

function choose(sample, button) {
  query.value = sample.query;
  variables.value = sample.variables ? JSON.stringify(sample.variables(lastTask), null, 2) : "";
  for (const other of document.querySelectorAll("#samples button")) other.removeAttribute("aria-current");
  button.setAttribute("aria-current", "true");
  element("problem").textContent = "";
}

function listSamples() {
  for (const sample of samples) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sample.title;
    button.addEventListener("click", () => choose(sample, button));
    item.append(button);
    element("samples").append(item);
  }
  document.querySelector("#samples button").click();
}

// send runs one operation and returns the answer with its status.
async function send(document, values) {
  const response = await fetch(endpoint, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", Accept: "application/graphql-response+json, application/json;q=0.9" },
    body: JSON.stringify({ query: document, variables: values }),
  });
  const text = await response.text();
  let body = null;
  try { body = JSON.parse(text); } catch { /* shown as text */ }
  return { response, text, body };
}

// paint shows JSON in colors, built of text nodes, so that no answer can become markup.
function paint(target, json) {
  target.textContent = "";
  const token = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  let end = 0;
  for (const match of json.matchAll(token)) {
    target.append(json.slice(end, match.index));
    const span = document.createElement("span");
    span.className = match[2] ? "key" : match[1] ? "string" : /^[tfn]/.test(match[0]) ? "word" : "number";
    span.textContent = match[1] ?? match[0];
    target.append(span, match[2] ?? "");
    end = match.index + match[0].length;
  }
  target.append(json.slice(end));
}

function readVariables() {
  if (variables.value.trim() === "") return undefined;
  const values = JSON.parse(variables.value);
  if (values === null || typeof values !== "object" || Array.isArray(values)) throw new Error("they must be an object");
  return values;
}

async function run() {
  const button = element("run");
  if (button.disabled) return;
  element("problem").textContent = "";
  let values;
  try {
    values = readVariables();
  } catch (error) {
    element("problem").textContent = `The variables are not valid: ${error.message}`;
    variables.focus();
    return;
  }
  button.disabled = true;
  const status = element("status");
  status.className = "";
  status.textContent = "Running…";
  const start = performance.now();
  try {
    const { response, text, body } = await send(query.value, values);
    const failed = !response.ok || Boolean(body?.errors?.length);
    status.className = failed ? "bad" : "good";
    status.textContent = `HTTP ${response.status} · ${Math.round(performance.now() - start)} ms · ${text.length.toLocaleString()} characters`;
    paint(element("answer"), body ? JSON.stringify(body, null, 2) : text);
    lastTask = findTask(body?.data) ?? lastTask;
  } catch (error) {
    status.className = "bad";
    status.textContent = "No answer";
    element("answer").textContent = `The server could not be reached: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

async function showWho() {
  const who = element("who");
  let user = null;
  let unknown = false;
  try {
    const { body } = await send("query Viewer { viewer { name email } }");
    user = body?.data?.viewer ?? null;
    unknown = !body?.data;
  } catch {
    unknown = true;
  }
  who.textContent = user ? "Signed in as " : unknown ? "It can't be told who is signed in." : "Not signed in.";
  if (user) {
    const name = document.createElement("strong");
    name.textContent = user.name || user.email;
    who.append(name);
    if (user.name) who.append(` (${user.email})`);
  } else if (!hasSignIn && !unknown) {
    who.textContent += " Sign in at your frontend; its session cookie counts here too.";
  }
  if (hasSignIn) {
    element("open-sign-in").hidden = Boolean(user);
    element("sign-out").hidden = !user;
  }
}

async function auth(path, body) {
  const response = await fetch(`/api/auth/${path}`, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (response.ok) return;
  const answer = await response.json().catch(() => ({}));
  throw new Error(answer.message || `The server answered ${response.status}.`);
}

function setUpSignIn() {
  const dialog = element("sign-in");
  let signingUp = false;
  const show = (up) => {
    signingUp = up;
    element("sign-in-title").textContent = up ? "Sign up" : "Sign in";
    element("sign-in-submit").textContent = up ? "Sign up" : "Sign in";
    element("sign-in-switch").textContent = up ? "Have an account? Sign in" : "New here? Sign up";
    element("name-row").hidden = !up;
    element("name").required = up;
    element("password").autocomplete = up ? "new-password" : "current-password";
    element("sign-in-error").textContent = "";
  };
  element("open-sign-in").addEventListener("click", () => { show(false); dialog.showModal(); });
  element("sign-in-cancel").addEventListener("click", () => dialog.close());
  element("sign-in-switch").addEventListener("click", () => show(!signingUp));
  element("sign-in-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const submit = element("sign-in-submit");
    submit.disabled = true;
    element("sign-in-error").textContent = "";
    const account = { email: element("email").value, password: element("password").value };
    try {
      await (signingUp ? auth("sign-up/email", { ...account, name: element("name").value }) : auth("sign-in/email", account));
      element("password").value = "";
      dialog.close();
      await showWho();
    } catch (error) {
      element("sign-in-error").textContent = error.message;
    } finally {
      submit.disabled = false;
    }
  });
  element("sign-out").addEventListener("click", async () => {
    try {
      await auth("sign-out", {});
    } catch (error) {
      element("problem").textContent = `Signing out failed: ${error.message}`;
    }
    await showWho();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  run();
});
element("run").addEventListener("click", run);
listSamples();
if (hasSignIn) setUpSignIn();
showWho();
