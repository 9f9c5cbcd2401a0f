// What each client of each transport has to do, however it is signed in.
import { browser, plainFetch } from "./browser";
import { bearer, cookie, ok, url } from "./tap";
import { ticket } from "./ticket";
import { stretchWire, type Wire } from "./wire";

export interface Page {
  reset: string | null;
  gone: { id: string }[];
  tasks: { id: string; version: number; title: string }[];
  version: number;
  complete: boolean;
}

export interface Subscriber {
  page(page: Page): void;
  failed(message: string): void;
}

/** A client, with one way to sign in. */
export interface Live {
  /** Subscribes to changes, or to something that is refused, until the returned function is called. */
  subscribe(subscriber: Subscriber, refused: boolean): () => void;
  /** If it has a cache: `load` asks for a task, `title` looks into the cache alone. */
  cache?: { load(id: string): Promise<unknown>; title(id: string): unknown };
}

/** The three ways to sign in. A ticket is for pages whose cookie doesn't reach the API: they get it through their own origin. */
export interface SignIn {
  connectionParams?: () => Promise<Record<string, string>>;
  headers: Record<string, string>;
  address(url: string): Promise<string>;
}

const newTicket = () => ticket(`${url}/ticket`, { headers: cookie });
const signIns: Record<string, SignIn> = {
  cookie: { headers: {}, address: async (url) => url },
  bearer: { connectionParams: async () => bearer, headers: bearer, address: async (url) => url },
  ticket: {
    connectionParams: async () => ({ ticket: await newTicket() }), headers: {},
    address: async (url) => `${url}?ticket=${await newTicket()}`,
  },
};

export async function until(condition: () => unknown, what: string, seen: () => unknown): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > 30_000) ok(false, what, seen());
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Sends an operation as somebody else's program would: another device of the user. */
export async function send(query: string, variables: object = {}): Promise<any> {
  const headers = { ...cookie, "content-type": "application/json" };
  const answer = await plainFetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = (await answer.json()) as { data: any; errors?: unknown };
  if (errors) throw new Error(JSON.stringify(errors));
  return Object.values(data)[0];
}

export const create = async (title: string): Promise<string> =>
  (await send("mutation($title: String!) { createTask(input: {title: $title}) { task { id } } }", { title })).task.id;
export const rename = (id: string, title: string) =>
  send("mutation($id: ID!, $title: String!) { updateTask(input: {id: $id, title: $title}) { task { id } } }", { id, title });
export async function purge(id: string): Promise<void> {
  await send("mutation($id: ID!) { deleteTask(input: {id: $id}) { task { id } } }", { id });
  await send("mutation($id: ID!) { purgeTask(input: {id: $id}) { purgedTaskId } }", { id });
}

/** Runs the scenario for each way to sign in; those in `impossible` have the reason why not. */
export async function scenario(name: string, open: (wire: Wire, signIn: SignIn) => Live, impossible: Record<string, string> = {}): Promise<void> {
  for (const [how, signIn] of Object.entries(signIns)) {
    if (impossible[how]) {
      console.log(`# ${name} by ${how}: ${impossible[how]}`);
      continue;
    }
    browser.cookie = how === "cookie" ? cookie["cookie"]! : "";
    await follow(`${name} by ${how}:`, open, signIn);
    await refuse(`${name} by ${how}:`, open, signIn);
  }
}

async function follow(name: string, open: (wire: Wire, signIn: SignIn) => Live, signIn: SignIn): Promise<void> {
  const wire = await stretchWire(url);
  const live = open(wire, signIn);
  const pages: Page[] = [];
  const rows = (from = 0) => pages.slice(from).flatMap((page) => page.tasks);
  const arrived = (id: string, title: string) =>
    until(() => rows().some((row) => row.id === id && row.title === title), `${name} ${title} arrives`, () => pages.slice(-3));
  const stop = live.subscribe({ page: (page) => pages.push(page), failed: (message) => ok(false, `${name} no error`, message) }, false);

  await until(() => pages.at(-1)?.complete, `${name} the first page`, () => pages);
  ok(pages[0]!.reset === "FIRST" && pages.slice(1).every((page) => !page.reset), `${name} the first page begins a copy`, pages);

  const id = await create("made");
  await arrived(id, "made");
  if (live.cache) {
    const { load, title } = live.cache;
    await load(id);
    ok(title(id) === "made", `${name} a query is cached`, title(id));
    const before = browser.requests;
    await rename(id, "renamed");
    await until(() => title(id) === "renamed", `${name} the cache is updated`, () => title(id));
    ok(browser.requests === before, `${name} without asking again`, browser.requests - before);
    const gone = await create("to be purged");
    await load(gone);
    await purge(gone);
    await until(() => title(gone) === undefined, `${name} what is purged leaves the cache`, () => title(gone));
  }

  const before = pages.length;
  wire.cut();
  const [other] = await Promise.all([create("made meanwhile"), rename(id, "renamed meanwhile")]);
  wire.mend();
  await arrived(other, "made meanwhile");
  await arrived(id, "renamed meanwhile");
  const last = await create("made afterwards");
  await arrived(last, "made afterwards");
  const later = rows(before).map((row) => row.id);
  ok(pages.slice(before).every((page) => !page.reset) && later.sort().join() === [id, other, last].sort().join(),
    `${name} it continues without gap or repetition`, pages.slice(before));

  stop();
  await until(() => wire.open === 0, `${name} it ends its connection`, () => wire.open);
  const count = pages.length;
  await rename(id, "renamed afterwards");
  ok(pages.length === count, `${name} nothing comes after the end`, pages.slice(count));
}

async function refuse(name: string, open: (wire: Wire, signIn: SignIn) => Live, signIn: SignIn): Promise<void> {
  const failures: string[] = [];
  const stop = open(await stretchWire(url), signIn).subscribe({ page: (page) => ok(false, `${name} no page`, page), failed: (text) => failures.push(text) }, true);
  await until(() => failures.length > 0, `${name} an error`, () => failures);
  ok(failures[0]!.includes("overdue"), `${name} the error names the field that can't be selected`, failures);
  stop();
}

/** What is refused: a field that changes without a change of its row. */
export const refusedDocument = "subscription Refused { changes { tasks { id overdue } token } }";
