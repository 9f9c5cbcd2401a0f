import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache, onlineSource, RefetchEventManager, windowFocusSource } from "@apollo/client";
import { CombinedGraphQLErrors } from "@apollo/client/errors";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import type { Result, Transport } from "./store";

/** The session has ended. */
class SignedOut extends Error {}

/** Gets a ticket, which signs in one WebSocket: it goes to the API's own address, to which the browser sends no cookie. */
async function ticket(): Promise<string> {
  const answer = await fetch("/graphql/ticket", { method: "POST" });
  if (answer.status === 401) throw new SignedOut();
  if (!answer.ok) throw new Error(`no ticket: ${answer.status}`);
  return ((await answer.json()) as { ticket: string }).ticket;
}

/** Queries and mutations go through the page's own origin, subscriptions to `liveUrl`. */
export function createApollo(liveUrl: string): ApolloClient {
  let silent: ReturnType<typeof setTimeout>;
  const socket = createClient({
    url: liveUrl,
    connectionParams: async () => ({ ticket: await ticket() }),
    retryAttempts: 0, // the store subscribes again
    keepAlive: 20_000,
    on: {
      ping: (received) => void (received || (silent = setTimeout(() => socket.terminate(), 10_000))),
      pong: () => clearTimeout(silent),
      closed: () => clearTimeout(silent),
    },
  });
  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      new HttpLink({ uri: "/graphql" }),
    ),
    cache: new InMemoryCache(),
    refetchEventManager: new RefetchEventManager({ sources: { windowFocus: windowFocusSource, online: onlineSource } }), // queries are asked again then
  });
}

/** What the store sends and receives goes through Apollo Client, past its cache. */
export function apolloTransport(client: ApolloClient): Transport {
  const past = { fetchPolicy: "no-cache", errorPolicy: "all" } as const;
  return {
    async execute(document, variables) {
      const context = { fetchOptions: { signal: AbortSignal.timeout(30_000) } };
      return resultOf(await client.mutate({ mutation: gql(document), variables, context, ...past }));
    },
    subscribe(document, variables, sink) {
      const closed = () => sink.closed();
      const next = (result: Parameters<typeof resultOf>[0]) => sink.next(resultOf(result));
      const subscription = client.subscribe({ query: gql(document), variables, ...past }).subscribe({ next, error: closed, complete: closed });
      return () => subscription.unsubscribe();
    },
  };
}

function resultOf({ data, error }: { data?: unknown; error?: unknown }): Result {
  if (error instanceof SignedOut) return { errors: [{ message: "Sign in again.", extensions: { code: "UNAUTHENTICATED" } }] };
  if (CombinedGraphQLErrors.is(error)) return { data: data as Result["data"], errors: error.errors as Result["errors"] };
  return error ? {} : { data: data as Result["data"] };
}
