// The live list of docs/live.md: as a component in a page, and with Apollo Client.
import { print } from "graphql";
import { Window } from "happy-dom";
import { browser } from "./browser";
import { apollo } from "./apollo";
import type { LiveTasksSubscription } from "./gql/graphql";
import { applyPatch, emptyList } from "./list";
import { socketLink, subscribeBy } from "./live-apollo";
import { liveEvents } from "./live-events";
import { LiveTasks as LiveTasksDocument } from "./live-operations";
import { create, purge, rename, until } from "./live-scenario";
import { liveSocket } from "./live-socket";
import { bearer, cookie, ok, url } from "./tap";
import { stretchWire } from "./wire";

browser.cookie = cookie["cookie"]!;
const window = new Window();
Object.assign(globalThis, { window, document: window.document, navigator: window.navigator });
const { createRoot } = await import("react-dom/client");
const { LiveTasks } = await import("./LiveTasks");

const wire = await stretchWire(url);
const root = window.document.createElement("div");
window.document.body.append(root);
createRoot(root as never).render(<LiveTasks client={liveSocket({ url: wire.ws })} />);

// The same list by other clients.
type Patch = LiveTasksSubscription["taskList"];
const lists: Record<string, { titles: string; patches: Patch[] }> = {};
const taker = (name: string) => {
  const kept: { titles: string; patches: Patch[] } = (lists[name] = { titles: "", patches: [] });
  let list = emptyList<Patch["placed"][number]["edge"]["node"]>();
  return (patch: Patch | undefined) => {
    if (!patch) return;
    kept.patches.push(patch);
    list = applyPatch(list, patch);
    kept.titles = list.edges.map(({ node }) => node.title).join();
  };
};
const client = apollo(url, bearer);
subscribeBy(client, socketLink(liveSocket({ url: wire.ws })));
const apolloTakes = taker("Apollo");
client.subscribe({ query: LiveTasksDocument }).subscribe(({ data, error }) => {
  if (error) ok(false, "live-list Apollo has no error", error);
  apolloTakes(data?.taskList);
});
const eventsTake = taker("graphql-sse");
liveEvents({ url: wire.http }).subscribe<LiveTasksSubscription>({ query: print(LiveTasksDocument) }, {
  next: ({ data }) => eventsTake(data?.taskList as Patch), error: (error) => ok(false, "live-list events", String(error)), complete: () => {},
});

const shown = () => [...root.querySelectorAll("li")].map((item) => item.textContent).join();
const show = async (titles: string, what: string) => {
  const seen = () => ({ shown: shown(), ...lists });
  await until(() => shown() === titles && Object.values(lists).every((list) => list.titles === titles), `live-list ${what}`, seen);
  ok(true, `live-list ${what}`);
};
await until(() => root.querySelector("h2"), "live-list the page shows a list", () => root.innerHTML);
await until(() => Object.values(lists).every(({ patches }) => patches[0]?.fresh), "live-list the first patch is fresh", () => lists);
const a = await create("a");
await create("b");
await show("b,a", "new tasks enter at the top");
await rename(a, "A");
await show("b,A", "a task is updated");
await purge(a);
await show("b", "a task leaves");
ok(root.querySelector("h2")!.textContent === "1 tasks", "live-list the count follows", root.innerHTML);

const patches = Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, list.patches.length]));
wire.cut();
wire.mend();
await until(() => Object.entries(lists).every(([name, list]) => list.patches.length > patches[name]!), "live-list clients come back", () => lists);
ok(Object.values(lists).every(({ patches }) => !patches.at(-1)!.fresh && patches.at(-1)!.placed.length === 0),
  "live-list who comes back is not sent what it has", lists);
wire.cut();
await create("c");
wire.mend();
await show("c,b", "a change while the connection was lost is seen");

wire.cut();
ok(shown() === "c,b", "live-list the page keeps the list meanwhile", shown());
process.exit(0);
