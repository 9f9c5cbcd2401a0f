import { ClientError } from "graphql-request";
import { requests } from "./graphql-request";
import { CreateTask, TaskPage } from "./operations";
import { bearer, cookie, ok, url } from "./tap";

for (const [how, headers] of Object.entries({ cookie, bearer })) {
  const client = requests(url, headers);
  const input = { title: "once", idempotencyKey: crypto.randomUUID() };
  const made = await client.request(CreateTask, { input });
  const again = await client.request(CreateTask, { input });
  ok(made.createTask.task!.id === again.createTask.task!.id, `graphql-request ${how} an idempotency key repeats the answer`);
  const raw = await client.rawRequest("{ viewer { name } }");
  ok(raw.status === 200 && raw.headers.get("x-request-id"), `graphql-request ${how} rawRequest has the headers`, raw);
  const bad = await client.request(TaskPage, { first: 0 }).catch((e: unknown) => e);
  ok(bad instanceof ClientError && bad.response.errors?.[0]?.extensions["code"] === "BAD_USER_INPUT", `graphql-request ${how} extensions.code`, bad);
}
const nobody = await requests(url, {}).request(TaskPage, { first: 1 }).catch((e: unknown) => e);
ok(nobody instanceof ClientError && nobody.response.errors?.[0]?.extensions["code"] === "UNAUTHENTICATED", "graphql-request signed out is UNAUTHENTICATED", nobody);
