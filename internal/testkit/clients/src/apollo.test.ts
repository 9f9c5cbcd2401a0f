import { CombinedGraphQLErrors, ServerError } from "@apollo/client/errors";
import { apollo, codeOf } from "./apollo";
import { CompleteTask, CreateTask, TaskPage } from "./operations";
import { bearer, cookie, down, ok, url } from "./tap";

for (const [how, headers] of Object.entries({ cookie, bearer })) {
  const client = apollo(url, headers);
  const prefix = `apollo ${how}`;
  const ids: string[] = [];
  for (const title of ["a", "b", "c"]) {
    const made = await client.mutate({ mutation: CreateTask, variables: { input: { title, idempotencyKey: crypto.randomUUID() } } });
    ids.push(made.data!.createTask.task!.id);
  }
  const watched = client.watchQuery({ query: TaskPage, variables: { first: 2, filter: { id: { in: ids } } } });
  await new Promise<void>((done) => watched.subscribe((r) => !r.loading && done()));
  await watched.fetchMore({ variables: { after: watched.getCurrentResult().data!.tasks!.pageInfo!.endCursor } });
  const edges = client.readQuery({ query: TaskPage, variables: { first: 2, filter: { id: { in: ids } } } })!.tasks.edges;
  ok(edges.length === 3 && new Set(edges.map((e) => e.node.id)).size === 3, `${prefix} fetchMore with relayStylePagination`, edges);
  const stale = await client.mutate({ mutation: CompleteTask, variables: { input: { id: ids[0]!, ifVersion: 0 } } });
  ok(stale.data!.completeTask.userErrors[0]!.code === "STALE", `${prefix} ifVersion`, stale);
  await client.mutate({ mutation: CompleteTask, variables: { input: { id: ids[0]! } } });
  ok((client.cache.extract() as Record<string, Record<string, unknown>>)[`Task:${ids[0]}`]!["completed"] === true, `${prefix} mutation updates the cache by node id`);
  const bad = await client.query({ query: TaskPage, variables: { first: 0 }, errorPolicy: "none" }).catch((e: unknown) => e);
  ok(CombinedGraphQLErrors.is(bad) && codeOf(bad) === "BAD_USER_INPUT", `${prefix} extensions.code`, bad);
}
const nobody = await apollo(url, {}).query({ query: TaskPage, variables: { first: 1 } }).catch((e: unknown) => e);
ok(codeOf(nobody) === "UNAUTHENTICATED", "apollo signed out is UNAUTHENTICATED", String(nobody));
const outage = await apollo(down, {}).query({ query: TaskPage, variables: { first: 1 } }).catch((e: unknown) => e);
ok(ServerError.is(outage) && outage.statusCode === 503, "apollo a proxy's 503 is a network error", String(outage));
process.exit(0);
