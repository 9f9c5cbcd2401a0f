import { gql } from "@apollo/client";
import { ApolloLink } from "@apollo/client";
import { tap } from "rxjs";
import { apollo } from "./apollo";
import { eventLink, followChanges, multipartLink, socketLink, subscribeBy } from "./live-apollo";
import { liveEvents } from "./live-events";
import { type Live, type Page, refusedDocument, scenario, type SignIn } from "./live-scenario";
import { liveSocket } from "./live-socket";
import { bearer, url } from "./tap";
import type { Wire } from "./wire";

const task = gql`query Task($id: ID!) { task(id: $id) { id title } }`;
const open = (link: (wire: Wire, signIn: SignIn) => ApolloLink) => (wire: Wire, signIn: SignIn): Live => {
  const client = apollo(url, bearer); // of queries and mutations
  return {
    subscribe({ page, failed }, refused) {
      const spy = new ApolloLink((operation, forward) => forward(operation).pipe(tap(({ data }) => data && page(data["changes"] as Page))));
      subscribeBy(client, ApolloLink.from([spy, link(wire, signIn)]));
      if (!refused) return followChanges(client);
      const subscription = client.subscribe({ query: gql(refusedDocument) }).subscribe(({ error }) => error && failed(error.message));
      return () => subscription.unsubscribe();
    },
    cache: {
      load: (id) => client.query({ query: task, variables: { id }, fetchPolicy: "network-only" }),
      title: (id) => (client.cache.extract() as Record<string, { title?: string }>)[`Task:${id}`]?.title,
    },
  };
};
await scenario("live-apollo GraphQLWsLink", open((wire, { connectionParams }) => socketLink(liveSocket({ url: wire.ws, connectionParams }))));
await scenario("live-apollo events", open((wire, { address, headers }) => eventLink(liveEvents({ url: () => address(wire.http), headers }))));
await scenario("live-apollo multipart", open((wire, { address, headers }) => multipartLink(() => address(wire.http), headers)));
process.exit(0);
