import { commitMutation, ConnectionHandler, createOperationDescriptor, fetchQuery, getRequest } from "relay-runtime";
import { relay } from "./relay";
import create, { type documentsCreateMutation } from "./relay/__generated__/documentsCreateMutation.graphql";
import nodeQuery from "./relay/__generated__/documentsNodeQuery.graphql";
import pageQuery from "./relay/__generated__/documentsPageQuery.graphql";
import query from "./relay/__generated__/documentsQuery.graphql";
import { bearer, cookie, ok, url } from "./tap";

for (const [how, headers] of Object.entries({ cookie, bearer })) {
  const environment = relay(url, headers);
  const ids = [1, 2, 3, 4].map(() => crypto.randomUUID());
  const filter = { id: { in: ids } };
  const connection = ConnectionHandler.getConnectionID("client:root", "documents_tasks", { filter });
  const edges = () => environment.getStore().getSource().get(connection)?.["edges"] as { __refs: string[] } | undefined;
  const add = (id: string, optimistic: boolean) => new Promise<void>((resolve, reject) => {
    commitMutation<documentsCreateMutation>(environment, {
      mutation: create,
      variables: { input: { id, title: "task" }, connections: optimistic ? [connection] : [] },
      ...(optimistic && { optimisticResponse: { createTask: { task: { id, title: "task" }, userErrors: [] } } }),
      onCompleted: () => resolve(),
      onError: reject,
    });
  });
  for (const id of ids.slice(0, 3)) await add(id, false);
  environment.retain(createOperationDescriptor(getRequest(query), { count: 2, filter }));
  await fetchQuery(environment, query, { count: 2, filter }).toPromise();
  ok(edges()?.__refs.length === 2, `relay ${how} @connection`, edges());
  const cursor = (environment.getStore().getSource().get(`${connection}:pageInfo`) as Record<string, unknown>)["endCursor"];
  await fetchQuery(environment, pageQuery, { count: 2, cursor: cursor as string, filter }).toPromise();
  ok(edges()?.__refs.length === 3, `relay ${how} the generated pagination query appends`, edges());
  const adding = add(ids[3]!, true);
  ok(edges()?.__refs.length === 4, `relay ${how} optimistic edge`, edges());
  await adding;
  ok(edges()?.__refs.length === 4, `relay ${how} the answer replaces it`, edges());
  const node = await fetchQuery(environment, nodeQuery, { id: ids[0]! }).toPromise();
  ok((environment.getStore().getSource().get(ids[0]!) as Record<string, unknown>)["completed"] === false, `relay ${how} node refetch`, node);
}
const failed = await fetchQuery(relay(url, {}), query, { count: 1 }).toPromise().catch((e: unknown) => e);
ok(String(failed).includes("UNAUTHENTICATED"), "relay signed out is UNAUTHENTICATED", String(failed));
