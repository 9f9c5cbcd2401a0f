import { Client, fetchExchange } from "@urql/core";
import { liveEvents } from "./live-events";
import { Changes } from "./live-operations";
import { create, type Live, type Page, refusedDocument, scenario, type SignIn, until } from "./live-scenario";
import { liveSocket } from "./live-socket";
import { liveUrql } from "./live-urql";
import { bearer, ok, url } from "./tap";
import { stretchWire, type Wire } from "./wire";

type Source = Parameters<typeof liveUrql>[1];
const task = "query Task($id: ID!) { task(id: $id) { id title } }";
const open = (source: (wire: Wire, signIn: SignIn) => Source) => (wire: Wire, signIn: SignIn): Live => {
  const client = liveUrql(url, source(wire, signIn), bearer);
  return {
    subscribe: ({ page, failed }, refused) =>
      client.subscription<{ changes: Page }>(refused ? refusedDocument : Changes, {}).subscribe(({ data, error }) => {
        if (error) failed(error.message);
        else if (data) page(data.changes);
      }).unsubscribe,
    cache: {
      load: (id) => client.query(task, { id }, { requestPolicy: "network-only" }).toPromise(),
      title: (id) => client.readQuery<{ task: { title: string } | null }>(task, { id }, { requestPolicy: "cache-only" })?.data?.task?.title,
    },
  };
};
await scenario("live-urql graphql-ws", open((wire, { connectionParams }) => liveSocket({ url: wire.ws, connectionParams })));
await scenario("live-urql graphql-sse", open((wire, { address, headers }) => liveEvents({ url: () => address(wire.http), headers })));

// urql's own support: it reads event streams, but it doesn't connect again.
const wire = await stretchWire(url);
const own = new Client({ url: wire.http, fetchSubscriptions: true, fetchOptions: { headers: bearer }, exchanges: [fetchExchange] });
const pages: Page[] = [];
const ends: unknown[] = [];
own.subscription<{ changes: Page }>(Changes, {}).subscribe(({ data, error, hasNext }) => {
  if (data && hasNext) pages.push(data.changes);
  if (error || !hasNext) ends.push(String(error));
});
await until(() => pages.length > 0, "live-urql fetchSubscriptions, the first page", () => pages);
const id = await create("to urql itself");
await until(() => pages.some((page) => page.tasks.some((task) => task.id === id)), "live-urql fetchSubscriptions, a change", () => pages);
ok(pages[0]!.reset === "FIRST", "live-urql fetchSubscriptions reads an event stream", pages[0]);
wire.cut();
await until(() => ends.length > 0, "live-urql fetchSubscriptions, the end", () => ends);
ok(ends.length === 1, "live-urql fetchSubscriptions ends with the connection", ends);
process.exit(0);
