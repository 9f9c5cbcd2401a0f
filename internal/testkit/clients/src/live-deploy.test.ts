// A deployment: the server is told to stop while another one runs already. All clients continue there.
import { print } from "graphql";
import { apollo } from "./apollo";
import { browser, plainFetch } from "./browser";
import { multipartLink, subscribeBy } from "./live-apollo";
import { liveEvents } from "./live-events";
import { follow } from "./live-eventsource";
import { subscribe } from "./live-fetch";
import { Changes } from "./live-operations";
import { create, type Page, until } from "./live-scenario";
import { liveSocket } from "./live-socket";
import { bearer, cookie, env, ok, url } from "./tap";
import { stretchWire } from "./wire";

browser.cookie = cookie["cookie"]!;
const wire = await stretchWire(env("OLD_URL"));
const pages: Record<string, Page[]> = {};
const taker = (name: string) => {
  const taken: Page[] = (pages[name] = []);
  return ({ data }: any) => data && taken.push(data.changes);
};
const problem = (name: string) => (problem: unknown) => ok(false, `live-deploy ${name} sees no error`, String(problem));
const ended = (name: string) => () => ok(false, `live-deploy ${name} does not end`);

const closed: number[] = [];
liveSocket({ url: wire.ws, on: { closed: (event) => closed.push((event as CloseEvent).code) } })
  .subscribe({ query: print(Changes) }, { next: taker("graphql-ws"), error: problem("graphql-ws"), complete: ended("graphql-ws") });
liveEvents({ url: wire.http })
  .subscribe({ query: print(Changes) }, { next: taker("graphql-sse"), error: problem("graphql-sse"), complete: ended("graphql-sse") });
follow(() => wire.http, print(Changes), {}, taker("EventSource"), problem("EventSource"));
void (async () => {
  const take = taker("fetch");
  for await (const result of subscribe(() => wire.http, print(Changes))) take(result);
  ended("fetch")();
})();
const client = apollo(url, bearer);
subscribeBy(client, multipartLink(() => wire.http));
const multipart = taker("multipart");
client.subscribe({ query: Changes }).subscribe({
  next: ({ data, error }) => (error ? problem("multipart")(error) : multipart({ data })), complete: ended("multipart"),
});

const all = (condition: (pages: Page[]) => unknown, what: string) =>
  until(() => Object.values(pages).every(condition), `live-deploy ${what}`, () => pages);
const has = (id: string) => (pages: Page[]) => pages.some((page) => page.tasks.some((task) => task.id === id));
await all((pages) => pages.at(-1)?.complete, "the first pages");
await all(has(await create("before")), "a change before");

wire.target = env("NEW_URL");
await plainFetch(env("STOP_URL"), { method: "POST" });
const during = await create("during");
await until(() => closed.length > 0, "live-deploy the socket is closed", () => closed);
ok(closed[0] === 1012, "live-deploy a WebSocket is closed with 1012", closed);
const after = await create("after");
await all(has(during), "a change during the deployment");
await all(has(after), "a change after it");
for (const [name, taken] of Object.entries(pages)) {
  const ids = taken.flatMap((page) => page.tasks.map((task) => `${task.id} ${task.version}`));
  ok(taken.slice(1).every((page) => !page.reset) && new Set(ids).size === ids.length, `live-deploy ${name} continues elsewhere`, taken);
}
process.exit(0);
