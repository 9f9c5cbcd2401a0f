// Streams of somebody who is not signed in, and who gets no ticket: the client says so, and doesn't try for ever.
import { print } from "graphql";
import { apollo } from "./apollo";
import { browser } from "./browser";
import { multipartLink, subscribeBy } from "./live-apollo";
import { liveEvents } from "./live-events";
import { follow } from "./live-eventsource";
import { subscribe } from "./live-fetch";
import { Changes } from "./live-operations";
import { create, until } from "./live-scenario";
import { liveSocket } from "./live-socket";
import { SignedOut, watchedFetch } from "./resume";
import { cookie, ok, url } from "./tap";
import { ticket } from "./ticket";
import { stretchWire } from "./wire";

const query = print(Changes);
const address = async () => `${url}?ticket=${await ticket(`${url}/ticket`)}`;
const socket = url.replace("http", "ws");

const cases: Record<string, (seen: (problem: any) => void) => void> = {
  "graphql-ws without a ticket": (error) =>
    liveSocket({ url: socket, connectionParams: async () => ({ ticket: await ticket(`${url}/ticket`) }) })
      .subscribe({ query }, { next: error, error, complete: () => {} }),
  "graphql-ws without a cookie": (error) =>
    liveSocket({ url: socket }).subscribe({ query }, { next: error, error: (errors: any) => error(errors[0].extensions.code), complete: () => {} }),
  "graphql-sse without a ticket": (error) => liveEvents({ url: address }).subscribe({ query }, { next: error, error, complete: () => {} }),
  "graphql-sse without a cookie": (error) =>
    liveEvents({ url }).subscribe({ query }, { next: ({ errors }: any) => error(errors[0].extensions.code), error, complete: () => {} }),
  "fetch without a ticket": (error) => void subscribe(address, query).next().then(error, error),
  "EventSource without a ticket": (error) => void follow(address, query, {}, error, error),
  "multipart without a ticket"(error) {
    const client = apollo(url);
    subscribeBy(client, multipartLink(address));
    client.subscribe({ query: Changes }).subscribe((result) => error(result.error));
  },
};
for (const [name, run] of Object.entries(cases)) {
  const seen: unknown[] = [];
  run((problem) => seen.push(problem));
  await until(() => seen.length > 0, `live-signed-out ${name}`, () => seen);
  ok(seen[0] instanceof SignedOut || seen[0] === "UNAUTHENTICATED", `live-signed-out ${name}`, String(seen[0]));
}

// An event stream that is lost without a word.
browser.cookie = cookie["cookie"]!;
const wire = await stretchWire(url);
const headers = { "content-type": "application/json", accept: "text/event-stream" };
const answer = await watchedFetch(3_000)(wire.http, { method: "POST", headers, body: JSON.stringify({ query }) });
const reader = answer.body!.getReader();
await reader.read();
wire.silence();
await create("while nobody heard");
const read = async () => {
  while (!(await reader.read()).done);
};
const silent = await read().catch((problem: unknown) => problem);
ok(String(silent).includes("silent"), "live-signed-out a silent stream fails", String(silent));
process.exit(0);
