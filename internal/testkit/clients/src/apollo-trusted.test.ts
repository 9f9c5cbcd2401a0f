import { readFileSync } from "node:fs";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { codeOf } from "./apollo";
import { CreateTask, TaskPage } from "./operations";
import { cookie, ok, url } from "./tap";

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
process.exit(0);
