import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { mock, test } from "node:test";
import type { AddressInfo } from "node:net";
import "fake-indexeddb/auto";
import { fetchTransport, IndexedDBStorage, kind, polling, randomId, serverSentEvents, Store, type Done, type Result, type Sink, type Transport, type Write } from "../store.js";
import { Network, Server, type Tag, type Task } from "./server.js";
import { fields, MemoryStorage, mutations, pass, randomNumbers, type Rows, SlowStorage, storedRows, Tab, until, useClock } from "./world.js";

/** A workspace with one task and one tag, and a tab that has a copy of it. */
async function opened(disk = new MemoryStorage()): Promise<{ server: Server; disk: MemoryStorage; tab: Tab }> {
  const server = new Server();
  server.mutate("createTask", { id: "t", title: "first" });
  server.mutate("createTag", { id: "g", name: "tag" });
  const tab = await openTab(server, disk);
  await until("there is a copy", () => tab.store.status.live);
  return { server, disk, tab };
}

async function openTab(server: Server, disk: MemoryStorage, selected = fields): Promise<Tab> {
  const tab = new Tab(server, randomNumbers(1), new SlowStorage(disk, () => 0), selected);
  let started = false;
  void tab.store.start().then(() => (started = true));
  await until("the tab has started", () => started);
  return tab;
}

useClock();

test("a change is shown at once, kept while offline and after a reload, and made once", async () => {
  const { server, disk, tab } = await opened();
  tab.network.online = false;
  tab.network.cut();
  tab.store.mutate("createTask", { id: "n", title: "offline" });
  tab.store.mutate("renameTask", { id: "n", title: "renamed" });
  assert.equal(tab.store.get("tasks", "n")?.title, "renamed");
  assert.ok(tab.store.isPending("tasks", "n"));
  await pass(50);
  assert.equal(tab.store.status.error, "NETWORK");
  void tab.store.stop();
  await pass(50);

  const next = await openTab(server, disk);
  assert.equal(next.store.get("tasks", "n")?.title, "renamed", "after the reload");
  assert.equal(server.state.tasks.has("n"), false);
  await until("both are confirmed", () => next.store.status.pending === 0);
  assert.equal(server.state.tasks.get("n")?.title, "renamed");
  assert.deepEqual(next.store.get("tasks", "n"), server.state.tasks.get("n"));
  assert.deepEqual(next.refused, [], "the second change was made on top of the first");
});

test("nothing of a copy is shown before its last page, and then all of it", async () => {
  const { server, tab } = await opened();
  server.first = 1;
  let seen = new Set([tab.shown()]);
  tab.store.subscribe(() => seen.add(tab.shown()));
  for (let i = 0; i < 5; i++) server.state.tasks.set(`s${i}`, { id: `s${i}`, version: 9, title: "", marks: [], tags: [] });
  server.state.version = 9;
  server.mutate("renameTask", { id: "t", title: "second" });
  await until("all are there", () => tab.shown() === server.rows());
  assert.equal(seen.size, 2);
});

test("a refused change is taken back and reported", async () => {
  const { server, tab } = await opened();
  tab.store.mutate("purgeTask", { id: "t" });
  assert.equal(tab.store.get("tasks", "t"), undefined);
  server.state.tasks.clear(); // somebody else was faster
  await until("it is reported", () => tab.refused.length === 1);
  assert.equal(tab.refused[0]?.errors[0]?.code, "NOT_FOUND");
  assert.equal(tab.store.status.pending, 0);
});

test("a change of a row that somebody else has changed is rebased or reported", async () => {
  const { server, tab } = await opened();
  const rename = (title: string) => {
    tab.network.online = false;
    tab.store.mutate("renameTask", { id: "t", title: "mine" });
    server.mutate("renameTask", { id: "t", title });
    tab.network.online = true;
  };
  rename("theirs");
  await until("it is rebased", () => server.state.tasks.get("t")?.title === "mine after theirs");
  await until("it is confirmed", () => tab.store.status.pending === 0);
  rename("others'");
  await until("it is reported", () => tab.refused.length === 1);
  assert.equal(tab.refused[0]?.errors[0]?.code, "STALE");
  assert.equal(tab.refused[0]?.current.title, "others'");
  await until("it is taken back", () => tab.store.get("tasks", "t")?.title === "others'");
});

test("all tabs are told that a change was made, and which", async () => {
  const { server, disk, tab } = await opened();
  const other = await openTab(server, disk);
  const key = other.store.mutate("renameTask", { id: "t", title: "mine" }); // the first tab sends it
  server.mutate("renameTask", { id: "t", title: "theirs" });
  const refused = other.store.mutate("markTask", { id: "missing", mark: "m" });
  for (const { store, done, refused: reported } of [tab, other]) {
    await until("it is told", () => done.length === 1 && reported.length === 1);
    const [{ payload, ...change }] = done as [Done];
    assert.deepEqual(change, { key, mutation: "renameTask", input: { id: "t", title: "mine after theirs" }, version: server.state.version });
    assert.equal(payload.task.title, "mine after theirs");
    assert.equal(reported[0]?.key, refused);
    await until("nothing is told twice", () => store.status.pending === 0);
    await pass(50);
    assert.equal(done.length, 1);
  }
});

test("a change is rebased with the row as the user saw it", async () => {
  const seen: unknown[] = [];
  const { rebase } = mutations.renameTask;
  mutations.renameTask.rebase = (input, current, row) => {
    seen.push([row?.title, current.title]);
    return rebase!(input, current, row);
  };
  const { server, disk, tab } = await opened();
  tab.network.online = false;
  tab.store.mutate("markTask", { id: "t", mark: "m" });
  tab.store.mutate("renameTask", { id: "t", title: "one" });
  tab.store.mutate("renameTask", { id: "t", title: "two" });
  void tab.store.stop(); // what was seen is kept over a reload
  await pass(50);
  server.mutate("renameTask", { id: "t", title: "theirs" });
  const next = await openTab(server, disk);
  await until("both are made", () => next.store.status.pending === 0);
  assert.deepEqual(seen, [["first", "theirs"], ["one", "one after theirs"]]);

  const before = next.store.get("tasks", "t");
  server.mutate("renameTask", { id: "t", title: "others'" });
  await until("it is shown", () => next.store.get("tasks", "t")?.title === "others'");
  next.store.mutate("renameTask", { id: "t", title: "three" }, before); // the field was open all the time
  await until("it is refused", () => next.refused.length === 1);
  assert.deepEqual(seen.at(-1), ["two after one after theirs", "others'"]);

  const open = next.store.get("tasks", "t");
  server.mutate("renameTask", { id: "t", title: "others' next" });
  await until("it is shown", () => next.store.get("tasks", "t")?.title === "others' next");
  next.store.mutate("renameTask", { id: "t", title: "four" }); // on top of that
  next.store.mutate("renameTask", { id: "t", title: "five" }, open); // not on top of that
  await until("both are made", () => next.store.status.pending === 0);
  assert.deepEqual(seen.at(-1), ["others'", "four"]);
  mutations.renameTask.rebase = rebase!;
});

test("changes of one row are made on top of each other", async () => {
  const { server, tab } = await opened();
  for (const title of ["one", "two", "three"]) tab.store.mutate("renameTask", { id: "t", title });
  await until("the first is answered", () => server.state.tasks.get("t")?.title === "one");
  tab.store.mutate("renameTask", { id: "t", title: "four" });
  await until("all are confirmed", () => tab.store.status.pending === 0);
  assert.equal(server.state.tasks.get("t")?.title, "four", "none was rebased");
});

test("of two states of one thing the higher version stands", async () => {
  const task = (version: number) => ({ id: "t", version, title: `${version}`, marks: [], tags: [] });
  const gone = (version: number) => [{ kind: "TASK", id: "t", version }];
  let send: (page: object) => void = () => {};
  const tab = new Tab(new Server(), Math.random, new SlowStorage(new MemoryStorage(), () => 0));
  tab.network.subscribe = (_, __, sink) => {
    let token = 0;
    send = (page) => sink.next({ data: { changes: { reset: null, gone: [], tags: [], tasks: [], token: `${token++}`, version: 9, complete: true, ...page } } });
    return () => {};
  };
  void tab.store.start();
  await pass(10);
  const after = (...pages: object[]) => {
    for (const page of pages) send(page);
    return tab.store.get("tasks", "t")?.title;
  };
  assert.equal(after({ reset: "FIRST", gone: gone(5), tasks: [task(7)] }), "7", "the id was used again");
  assert.equal(after({ tasks: [task(6)] }), "7", "an older state of a row");
  assert.equal(after({ gone: gone(6) }), "7", "an older end");
  assert.equal(after({ tasks: [task(9)], complete: false }, { tasks: [task(8)] }), "9", "in two pages");
  assert.equal(after({ gone: gone(10) }), undefined);
  void tab.store.stop();
  await pass(20);
});

test("a creation whose key was forgotten is confirmed by its id", async () => {
  const { server, tab } = await opened();
  tab.network.faults = { ...tab.network.faults, lostAnswer: 1 };
  tab.store.mutate("createTask", { id: "n", title: "new" });
  await until("it was made", () => server.state.tasks.has("n"));
  server.state.answers.clear();
  tab.network.faults = { ...tab.network.faults, lostAnswer: 0 };
  await until("it is confirmed", () => tab.store.status.pending === 0);
  assert.deepEqual(tab.refused, []);
  assert.ok(tab.store.get("tasks", "n"));
});

test("an error that passes is waited for, another is reported", async () => {
  const { server, tab } = await opened();
  server.down = "RATE_LIMITED";
  tab.store.mutate("markTask", { id: "t", mark: "a" });
  await pass(200);
  assert.equal(tab.store.status.error, "RATE_LIMITED");
  assert.equal(tab.store.status.pending, 1);
  server.down = "BAD_USER_INPUT";
  await until("it is reported", () => tab.refused.length === 1);
  server.down = "INTERNAL";
  const execute = mock.method(tab.network, "execute");
  tab.store.mutate("markTask", { id: "t", mark: "b" });
  await until("a bug is reported too", () => tab.refused.length === 2);
  assert.deepEqual(tab.refused.map((refusal) => refusal.errors[0]?.code), ["BAD_USER_INPUT", "INTERNAL"]);
  assert.equal(execute.mock.callCount(), 6);
  assert.deepEqual(server.state.tasks.get("t")?.marks, []);
});

test("the feed is asked again when the server says", async () => {
  const { tab } = await opened();
  const subscribe = mock.method(tab.network, "subscribe", (_: string, __: object, sink: Sink) => {
    sink.next({ errors: [{ message: "wait", extensions: { code: "RATE_LIMITED", retryAfter: 2 } }] });
    sink.closed();
    return () => {};
  });
  tab.network.cut();
  await until("it was asked", () => subscribe.mock.callCount() === 1);
  await pass(1900);
  assert.equal(subscribe.mock.callCount(), 1);
  assert.equal(tab.store.status.error, "RATE_LIMITED");
  await pass(200);
  assert.equal(subscribe.mock.callCount(), 2);
});

test("rows and their array are the same until one of them changes", async () => {
  const { server, tab } = await opened();
  mock.method(tab.network, "subscribe", () => () => {}); // the feed says nothing more
  tab.network.cut();
  tab.store.mutate("renameTask", { id: "t", title: "mine" });
  const [tasks, task] = [tab.store.all("tasks"), tab.store.get("tasks", "t")];
  let calls = 0;
  tab.store.subscribe(() => calls++);
  await until("it is made", () => server.state.tasks.get("t")?.title === "mine");
  await pass(20);
  assert.ok(calls > 0, "the answer was taken");
  assert.equal(tab.store.all("tasks"), tasks);
  assert.equal(tab.store.get("tasks", "t"), task);
  tab.store.mutate("renameTask", { id: "t", title: "next" });
  assert.deepEqual(tab.store.all("tasks"), [{ ...task, title: "next" }]);
  assert.equal(tasks[0]?.title, "mine");
});

test("the status is the same object until it changes", async () => {
  const { server, tab } = await opened();
  const { status } = tab.store;
  let calls = 0;
  tab.store.subscribe(() => calls++);
  server.mutate("renameTask", { id: "t", title: "theirs" });
  await until("it is shown", () => tab.store.get("tasks", "t")?.title === "theirs");
  assert.ok(calls > 0);
  assert.equal(tab.store.status, status);
});

test("the copy of another workspace is deleted at once, with its changes", async () => {
  const { server, disk, tab } = await opened();
  tab.network.online = false;
  tab.network.cut();
  tab.store.mutate("markTask", { id: "t", mark: "a" });
  await pass(20);
  server.workspace = "B";
  server.state = new Server().state;
  server.mutate("createTask", { id: "other", title: "B's" });
  tab.network.online = true;
  await until("the copy is B's", () => tab.shown() === server.rows());
  assert.deepEqual(tab.refused.map((refusal) => refusal.errors[0]?.code), ["OTHER_WORKSPACE"]);
  await pass(20);
  assert.deepEqual((await disk.load()).queue, []);
});

test("the copy of a workspace that is not the user's any more is deleted, and the store stops", async () => {
  const { server, disk, tab } = await opened();
  server.down = "NOT_FOUND";
  tab.network.cut();
  await until("it has stopped", () => tab.store.status.error === "NOT_FOUND");
  await pass(20);
  assert.deepEqual(tab.store.all("tasks"), []);
  assert.deepEqual((await disk.load()).rows, []);
  assert.throws(() => tab.store.mutate("markTask", { id: "t", mark: "a" }), /stopped/);
});

test("each request names the workspace of the copy", async () => {
  const asked: unknown[] = [];
  const page = { reset: null, gone: [], tags: [], tasks: [], token: "1", version: 1, complete: true };
  const transport: Transport = {
    execute: async (document, variables) => {
      asked.push([document.includes("query Changes") && document.includes("workspaceId: $workspaceId"), variables]);
      return { data: { changes: { ...page, reset: variables["after"] ? null : "FIRST" } } };
    },
    subscribe: () => () => {},
  };
  const store = new Store<Rows, {}>({
    workspaceId: "organization/o1", kinds: { tags: kind<Tag>("TAG", "id"), tasks: kind<Task>("TASK", "id") }, mutations: {},
    transport: polling(transport, 100), storage: new MemoryStorage(),
  });
  void store.start();
  await until("it was asked twice", () => asked.length === 2);
  const workspaceId = "organization/o1";
  assert.deepEqual(asked, [[true, { after: null, workspaceId }], [true, { after: "1", workspaceId }]]);
  void store.stop();
  await pass(200);
});

test("a token that the server can't read is given up", async () => {
  const { server, tab } = await opened();
  server.down = "BAD_USER_INPUT";
  tab.network.cut();
  await until("it was refused", () => tab.store.status.error === "BAD_USER_INPUT");
  server.down = undefined;
  server.state.tasks.delete("t"); // without a trace: only a new copy shows it
  await until("there is a new copy", () => tab.shown() === server.rows());
});

test("clear deletes everything, in all tabs", async () => {
  const { server, disk, tab } = await opened();
  const other = await openTab(server, disk);
  server.down = "UNAUTHENTICATED";
  void tab.store.clear();
  await until("both are empty", () => tab.store.all("tasks").length + other.store.all("tasks").length === 0);
  await pass(20);
  assert.deepEqual((await storedRows(disk)).saved.rows, []);
});

test("a tab of an older version of the application stops when a newer one begins its copy", async () => {
  const { server, disk, tab } = await opened();
  const newer = await openTab(server, disk, `${fields} completed`);
  await until("the older has stopped", () => tab.store.status.error === "OUTDATED");
  await until("the newer has a copy", () => newer.store.status.live && newer.shown() === server.rows());
  assert.equal((await disk.load()).query.includes("completed"), true);
});

test("a storage that fails is reported, and the store goes on in memory", async () => {
  const { server, disk, tab } = await opened();
  const errors = mock.method(console, "error", () => {});
  mock.method(disk, "write", () => Promise.reject(new DOMException("full", "QuotaExceededError")));
  tab.store.mutate("markTask", { id: "t", mark: "a" });
  await until("it is confirmed", () => tab.store.status.pending === 0 && tab.shown() === server.rows());
  assert.equal(tab.store.status.stored, false);
  assert.deepEqual(server.state.tasks.get("t")?.marks, ["a"]);
  errors.mock.restore();
});

test("the same array is returned until a row of its kind changes", async () => {
  const { server, tab } = await opened();
  const [tasks, tags] = [tab.store.all("tasks"), tab.store.all("tags")];
  server.mutate("renameTask", { id: "t", title: "second" });
  await until("it is shown", () => tab.store.get("tasks", "t")?.title === "second");
  assert.notEqual(tab.store.all("tasks"), tasks);
  assert.equal(tab.store.all("tags"), tags);
});

test("random ids are UUIDs of version 4, all different", () => {
  const ids = Array.from({ length: 100 }, randomId);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(ids).size, 100);
});

test("polling asks again for what follows, and then waits", async () => {
  const { server } = await opened();
  server.first = 1;
  const network = new Network(server, () => 0);
  const asked: string[] = [];
  const pages = { execute: async (document: string, { after }: any): Promise<Result> => {
    asked.push(document);
    return { data: { changes: server.page(after, "") } };
  }, subscribe: network.subscribe };
  let received = 0;
  const end = polling(pages, 1000).subscribe("subscription { changes }", { after: null }, { next: () => received++, closed: () => {} });
  await pass(10);
  assert.equal(received, 2);
  await pass(1000);
  assert.equal(received, 3);
  end();
  await pass(2000);
  assert.equal(received, 3);
  assert.equal(asked[0], "query { changes }");
});

test("events are parsed however they are cut", async () => {
  const text = "event: next\r\ndata: {\"a\":\ndata: \"ü\"}\r\rid: 1\n:ping\n\nevent:complete\ndata\n\nevent:complete\n\nevent: cut";
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = chunks.shift();
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const events = [];
    for await (const event of serverSentEvents(body)) events.push(event);
    assert.deepEqual(events, [{ event: "next", data: "{\"a\":\n\"ü\"}" }, { event: "complete", data: "" }, { event: "complete", data: "" }], `chunks of ${size}`);
  }
});

test("operations by POST, subscriptions as server-sent events", async () => {
  mock.timers.reset();
  const requests: { accept: string | undefined; token: string | undefined; body: any }[] = [];
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => response.setHeader("content-type", "application/json").end('{"data":{"a":1}}'),
    (response) => response.writeHead(503).end("no upstream"),
    (response) => {
      response.setHeader("content-type", "text/event-stream; charset=utf-8");
      response.end('event: next\ndata: {"data":{"n":1}}\n\n:\n\nevent: complete\ndata:\n\n');
    },
    (response) => response.writeHead(401, { "content-type": "application/json" }).end('{"errors":[{"message":"no"}]}'),
  ];
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { accept, authorization: token } = request.headers;
    requests.push({ accept, token, body: JSON.parse(Buffer.concat(chunks).toString()) });
    answers.shift()!(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
  const transport = fetchTransport(url, () => ({ headers: { authorization: "Bearer x" } }));
  assert.deepEqual(await transport.execute("{ a }", { v: 1 }), { data: { a: 1 } });
  await assert.rejects(transport.execute("{ a }", {}), "an answer that is not GraphQL");
  const receive = () => new Promise<Result[]>((resolve) => {
    const results: Result[] = [];
    transport.subscribe("subscription { n }", {}, { next: (result) => results.push(result), closed: () => resolve(results) });
  });
  assert.deepEqual(await receive(), [{ data: { n: 1 } }]);
  assert.deepEqual(await receive(), [{ errors: [{ message: "no" }] }]);
  assert.deepEqual(requests[0]?.body, { query: "{ a }", variables: { v: 1 } });
  assert.deepEqual(requests.map((request) => request.accept?.split(",")[0]), ["application/graphql-response+json", "application/graphql-response+json", "text/event-stream", "text/event-stream"]);
  assert.ok(requests.every((request) => request.token === "Bearer x"));
  server.close();
  useClock();
});

test("IndexedDB keeps a copy and a queue, all or nothing, and tells other tabs", async () => {
  mock.timers.reset();
  const released = new AbortController();
  const [here, there] = [new IndexedDBStorage("test"), new IndexedDBStorage("test")];
  const row = { id: "t", version: 1 };
  const entry = { key: "k", order: 1, mutation: "markTask", input: { id: "t" } };
  const heard = new Promise<Write>((resolve) => there.watch(resolve, released.signal));
  here.watch(() => {}, released.signal);
  const copy = { query: "q", from: null, token: "1", version: 1, clear: true, put: [["tasks", row]], remove: [] } as const;
  assert.equal(await here.write({ tab: "here", copy, put: [entry] }), true);
  assert.deepEqual((await heard).put, [entry]);
  assert.equal(await there.write({ tab: "there", copy, put: [{ ...entry, key: "other" }] }), false, "the token is not null any more");
  assert.deepEqual(await there.load(), { query: "q", token: "1", version: 1, rows: [["tasks", row]], queue: [entry] });
  const next = { ...copy, from: "1", token: "2", version: 2, clear: false, put: [], remove: [["tasks", "t"]] } as const;
  assert.equal(await there.write({ tab: "there", copy: next, remove: ["k"] }), true);
  assert.deepEqual(await here.load(), { query: "q", token: "2", version: 2, rows: [], queue: [] });
  const many = Array.from({ length: 1000 }, (_, i) => ["tasks", { id: `${i}`, version: 3 }] as const);
  const [won, lost] = await Promise.all(["here", "there"].map((tab) => here.write({ tab, copy: { ...next, from: "2", token: "3", put: many, remove: [] } })));
  assert.deepEqual([won, lost, (await there.load()).rows.length], [true, false, 1000]);
  const deleted = indexedDB.deleteDatabase("test"); // as another tab does that signs out
  await new Promise((resolve) => (deleted.onsuccess = resolve));
  released.abort();
  useClock();
});

test("one tab leads by Web Locks until it stops", async () => {
  const storage = new IndexedDBStorage("locks");
  let held: Promise<void> = Promise.resolve();
  const locks = { request: (_: string, __: object, hold: () => Promise<void>) => (held = held.then(hold)) };
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  const [first, second] = [new AbortController(), new AbortController()];
  const order: number[] = [];
  const done = [storage.lead(first.signal).then(() => order.push(1)), storage.lead(second.signal).then(() => order.push(2))];
  await done[0];
  await new Promise(setImmediate);
  assert.deepEqual(order, [1]);
  first.abort();
  await done[1];
  storage.watch(() => {}, second.signal);
  second.abort();

  // A tab that stops while the browser grants the lock gives it back.
  const late = new AbortController();
  void storage.lead(late.signal);
  late.abort();
  await held;
});
