import { print } from "graphql";
import { browser } from "./browser";
import { Changes } from "./live-operations";
import { create, type Page, refusedDocument, scenario, send, until } from "./live-scenario";
import { liveSocket } from "./live-socket";
import { cookie, ok, url } from "./tap";
import { stretchWire } from "./wire";

await scenario("live-graphql-ws", (wire, { connectionParams }) => ({
  subscribe: (subscriber, refused) =>
    liveSocket({ url: wire.ws, connectionParams }).subscribe({ query: refused ? refusedDocument : print(Changes) }, {
      next: ({ data }) => subscriber.page(data!["changes"] as Page),
      error: (error: any) => subscriber.failed(error[0]?.message ?? String(error)),
      complete: () => {},
    }),
}));

// Several operations of all types over one connection.
browser.cookie = cookie["cookie"]!;
const wire = await stretchWire(url);
let pongs = 0;
const client = liveSocket({ url: wire.ws, on: { pong: (received) => received && pongs++ } }, 500);
const once = (query: string, variables?: Record<string, unknown>) =>
  new Promise<any>((resolve, reject) => {
    let result: unknown;
    client.subscribe({ query, variables }, { next: (next) => (result = next), error: reject, complete: () => resolve(result) });
  });
const pages: Page[] = [];
const stop = client.subscribe({ query: print(Changes) }, { next: ({ data }) => pages.push(data!["changes"] as Page), error: console.error, complete: () => {} });
const made = await once("mutation($input: CreateTaskInput!) { createTask(input: $input) { task { id } version } }", { input: { title: "by socket" } });
ok(made.data.createTask.task.id, "live-graphql-ws a mutation", made);
const { id } = made.data.createTask.task;
const read = await once("query($id: ID!) { task(id: $id) { title } }", { id });
ok(read.data.task.title === "by socket", "live-graphql-ws a query", read);
await until(() => pages.at(-1)!.version >= made.data.createTask.version, "live-graphql-ws the mutation's version", () => pages);
ok(pages.some((page) => page.tasks.some((row) => row.id === id)), "live-graphql-ws a change is in the feed when its version is reached", pages);
ok(wire.open === 1, "live-graphql-ws one connection carries all operations", wire.open);

// A connection that is lost without a word.
await until(() => pongs > 0, "live-graphql-ws pings", () => pongs);
ok(true, "live-graphql-ws pings are answered");
wire.silence();
const lost = await create("while nobody heard");
await until(() => pages.some((page) => page.tasks.some((row) => row.id === lost)), "live-graphql-ws a silent connection is replaced", () => pages);
ok(pages.slice(1).every((page) => !page.reset), "live-graphql-ws it continues over another connection", pages);
stop();
process.exit(0);
