import { poll } from "./polling";
import { requests } from "./graphql-request";
import { CreateTask } from "./operations";
import { bearer, cookie, ok, url } from "./tap";

const statuses: number[] = [];
const original = globalThis.fetch;
globalThis.fetch = async (...args) => {
  const answer = await original(...args);
  statuses.push(answer.status);
  return answer;
};
for (const [how, headers] of Object.entries({ cookie, bearer })) {
  const ask = poll(url, "{ tasks(first: 1) { totalCount nodes { title } } }", {}, headers);
  const first = await ask();
  ok(first?.data && statuses.at(-1) === 200, `polling ${how} the first answer is whole`, first);
  ok((await ask()) === undefined && statuses.at(-1) === 304, `polling ${how} nothing has changed`, statuses);
  await requests(url, headers).request(CreateTask, { input: { title: `polled by ${how}` } });
  const next = await ask();
  ok(JSON.stringify(next?.data).includes(`polled by ${how}`), `polling ${how} a change is seen`, next);
}
