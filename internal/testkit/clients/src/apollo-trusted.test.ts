import { readFileSync } from "node:fs";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { codeOf } from "./apollo";
import "./browser";
import { socketLink, subscribeBy } from "./live-apollo";
import { Changes } from "./live-operations";
import { liveSocket } from "./live-socket";
import { CreateTask, TaskPage } from "./operations";
import { bearer, cookie, ok, url } from "./tap";

// What the build has written, by the operations' names.
const loadManifest = async () => JSON.parse(readFileSync(".build/apollo-manifest.json", "utf8"));
const client = (persisted: boolean) => new ApolloClient({
  link: ApolloLink.from([
    ...(persisted ? [new PersistedQueryLink(generatePersistedQueryIdsFromManifest({ loadManifest }))] : []),
    new HttpLink({ uri: url, headers: cookie }),
  ]),
  cache: new InMemoryCache(),
});
const made = await client(true).mutate({ mutation: CreateTask, variables: { input: { title: "trusted" } } });
ok(made.data!.createTask.task!.title === "trusted", "apollo-trusted a mutation by its id", made);
const page = await client(true).query({ query: TaskPage, variables: { first: 5 } });
ok(page.data!.tasks.edges[0]!.node.title === "trusted", "apollo-trusted a query by its id", page);
const refused = await client(false).query({ query: TaskPage, variables: { first: 5 } }).catch((e: unknown) => e);
ok(codeOf(refused) === "PERSISTED_QUERY_ID_REQUIRED", "apollo-trusted a document is refused", String(refused));

// Over a WebSocket.
const manifest = (await loadManifest()) as { operations: { id: string; name: string }[] };
const idOf = (name: string) => manifest.operations.find((operation) => operation.name === name)!.id;
const socket = liveSocket({ url: url.replace("http", "ws"), connectionParams: async () => bearer });
const first = (request: { query: string; documentId?: string; variables?: Record<string, unknown> }) => new Promise<any>((next, error) => {
  const stop = socket.subscribe(request, {
    next(result) {
      next(result);
      setTimeout(() => stop());
    },
    error, complete: () => {},
  });
});
const live = await first({ query: "", documentId: idOf("LiveTasks") });
ok(live.data.taskList.placed[0].edge.node.title === "trusted", "apollo-trusted a subscription by its id over a WebSocket", live);
const byId = await first({ query: "", documentId: idOf("TaskPage"), variables: { first: 5 } });
ok(byId.data.tasks.edges[0].node.title === "trusted", "apollo-trusted a query by its id over a WebSocket", byId);
const refusedOver = await first({ query: "subscription { changes { token } }" }).catch((errors: unknown) => errors);
ok(refusedOver[0].extensions.code === "PERSISTED_QUERY_ID_REQUIRED", "apollo-trusted a document over a WebSocket is refused", refusedOver);
const linked = client(true);
subscribeBy(linked, ApolloLink.from([new PersistedQueryLink(generatePersistedQueryIdsFromManifest({ loadManifest })), socketLink(socket)]));
const followed = await new Promise<any>((result) => linked.subscribe({ query: Changes }).subscribe(result));
ok(followed.data?.changes.reset === "FIRST", "apollo-trusted Apollo's link over a WebSocket", followed);
process.exit(0);
