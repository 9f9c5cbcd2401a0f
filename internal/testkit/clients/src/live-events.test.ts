// Server-sent events: graphql-sse, and code of one's own.
import { print } from "graphql";
import { liveEvents } from "./live-events";
import { follow } from "./live-eventsource";
import { subscribe } from "./live-fetch";
import { Changes } from "./live-operations";
import { type Page, refusedDocument, scenario, type Subscriber } from "./live-scenario";

const documentOf = (refused: boolean) => (refused ? refusedDocument : print(Changes));
const pass = ({ page, failed }: Subscriber) => ({ data, errors }: any) => (data ? page(data.changes) : failed(errors[0].message));

await scenario("live-events graphql-sse", (wire, { address, headers }) => ({
  subscribe: (subscriber, refused) =>
    liveEvents({ url: () => address(wire.http), headers }).subscribe({ query: documentOf(refused) }, {
      next: pass(subscriber),
      error: (error) => subscriber.failed(String(error)),
      complete: () => {},
    }),
}));
await scenario("live-events fetch", (wire, { address, headers }) => ({
  subscribe(subscriber, refused) {
    const abort = new AbortController();
    void (async () => {
      const init = { headers, signal: abort.signal };
      for await (const result of subscribe(() => address(wire.http), documentOf(refused), {}, init)) pass(subscriber)(result);
    })();
    return () => abort.abort();
  },
}));
await scenario("live-events EventSource", (wire, { address }) => ({
  subscribe: (subscriber, refused) => follow(() => address(wire.http), documentOf(refused), {}, pass(subscriber), (problem) => subscriber.failed(String(problem))),
}), { bearer: "impossible, EventSource sends no headers of the page's choice" });
process.exit(0);
