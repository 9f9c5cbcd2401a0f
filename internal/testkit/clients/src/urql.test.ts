import { CreateTask, TaskPage } from "./operations";
import { bearer, cookie, ok, url } from "./tap";
import { urqlClient } from "./urql";

for (const [how, headers] of Object.entries({ cookie, bearer })) {
  const client = urqlClient(url, headers);
  const ids: string[] = [];
  for (const title of ["a", "b", "c"]) {
    const made = await client.mutation(CreateTask, { input: { title } });
    ids.push(made.data!.createTask.task!.id);
  }
  const filter = { id: { in: ids } };
  const first = await client.query(TaskPage, { first: 2, filter });
  ok(first.data?.tasks.edges.length === 2, `urql ${how} first page`, first);
  const both = await client.query(TaskPage, { first: 2, filter, after: first.data.tasks.pageInfo.endCursor });
  ok(both.data?.tasks.edges.length === 3, `urql ${how} relayPagination joins pages`, both);
  const bad = await client.query(TaskPage, { first: 0 });
  ok(bad.error?.graphQLErrors[0]?.extensions["code"] === "BAD_USER_INPUT", `urql ${how} extensions.code`, bad);
}
const nobody = await urqlClient(url, {}).query(TaskPage, { first: 1 });
ok(nobody.error?.graphQLErrors[0]?.extensions["code"] === "UNAUTHENTICATED", "urql signed out is UNAUTHENTICATED", nobody);
