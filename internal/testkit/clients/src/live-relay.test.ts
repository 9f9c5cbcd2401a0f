import { createOperationDescriptor, fetchQuery, getRequest, requestSubscription } from "relay-runtime";
import { liveEvents } from "./live-events";
import { type Live, type Page, scenario, type SignIn } from "./live-scenario";
import { liveSocket } from "./live-socket";
import { relay } from "./relay";
import nodeQuery from "./relay/__generated__/documentsNodeQuery.graphql";
import refusedSubscription from "./relay/__generated__/documentsRefusedSubscription.graphql";
import { followChanges, subscribeBy } from "./relay/live-relay";
import { bearer, url } from "./tap";
import type { Wire } from "./wire";

const open = (source: (wire: Wire, signIn: SignIn) => Parameters<typeof subscribeBy>[0]) => (wire: Wire, signIn: SignIn): Live => {
  let report = (_: Page) => {};
  const live = source(wire, signIn);
  const environment = relay(url, bearer, subscribeBy({
    ...live,
    subscribe: (request: any, sink: any) => live.subscribe(request, {
      ...sink,
      next(result: any) {
        if (result.data) report(result.data.changes);
        sink.next(result);
      },
    }),
  }));
  const record = (id: string) => environment.getStore().getSource().get(id);
  return {
    subscribe({ page, failed }, refused) {
      report = page;
      const onError = (error: Error) => failed(error.message);
      const { dispose } = refused ? requestSubscription(environment, { subscription: refusedSubscription, variables: {}, onError }) : followChanges(environment, onError);
      return dispose;
    },
    cache: {
      load(id) {
        environment.retain(createOperationDescriptor(getRequest(nodeQuery), { id }));
        return fetchQuery(environment, nodeQuery, { id }).toPromise();
      },
      title: (id) => record(id)?.["title"],
    },
  };
};
await scenario("live-relay graphql-ws", open((wire, { connectionParams }) => liveSocket({ url: wire.ws, connectionParams })));
await scenario("live-relay graphql-sse", open((wire, { address, headers }) => liveEvents({ url: () => address(wire.http), headers })));
process.exit(0);
