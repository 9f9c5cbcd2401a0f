import { liveEvents } from "./live-events";
import { Changes } from "./live-operations";
import { type Live, type Page, refusedDocument, scenario, type SignIn } from "./live-scenario";
import { liveSocket } from "./live-socket";
import { liveUrql } from "./live-urql";
import { bearer, url } from "./tap";
import type { Wire } from "./wire";

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
process.exit(0);
