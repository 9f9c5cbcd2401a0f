import { fill, remember } from './seen.js';
import { settings } from './settings.js';

const wanted = {
  task: 'Run “Create a task” first: this operation takes the task you saw last.',
  tag: 'Run “Create a tag” first: this operation takes the tag you saw last.',
  tasks: 'Run “List with a filter” first: this operation takes the tasks you listed last.',
  cursor: 'Run “The first page” first: this operation goes on where that page ended.',
};

/** Returns GraphiQL's fetcher. It tells notify, with null or a notice, what the page should say about an answer. */
export function newFetcher(notify) {
  async function send(params, headers) {
    const response = await fetch(settings.endpoint, {
      method: 'POST',
      credentials: 'same-origin',
      headers: { Accept: 'application/graphql-response+json, application/json;q=0.9', ...headers, 'Content-Type': 'application/json' },
      body: JSON.stringify(params),
    });
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`The server answered HTTP ${response.status} with something that is not JSON: ${text.slice(0, 200)}`);
    }
  }

  async function fetcher(params, options) {
    const { filled, missing } = fill(params.variables ?? {});
    if (missing.length > 0) {
      return { errors: missing.map((name) => ({ message: wanted[name], extensions: { code: 'NOT_SENT' } })) };
    }
    let answer;
    try {
      answer = await send({ ...params, operationName: named(params), variables: filled }, options?.headers);
    } catch (error) {
      notify({ kind: 'unreachable', title: 'No answer.', text: 'The server can’t be reached, or answered with something else than GraphQL. Is it still running?' });
      throw error;
    }
    if (params.operationName === 'IntrospectionQuery') {
      if (!answer.data) notify(noSchema(answer));
      return answer;
    }
    notify(explain(answer));
    if (answer.data) remember(answer.data);
    return answer;
  }
  fetcher.send = send;
  return fetcher;
}

// GraphiQL looks for the operation's name a moment after the last change: what is run within it goes out with the
// name of the document before. The server picks a lone operation without one.
function named({ query, operationName }) {
  const names = [...query.matchAll(/\b(?:query|mutation|subscription)\s+(\w+)/g)].map((m) => m[1]);
  return names.includes(operationName) ? operationName : undefined;
}

function noSchema(answer) {
  return {
    kind: 'no-schema',
    title: 'The schema can’t be read here.',
    text: `Introspection is off, so there is no completion and no documentation; operations run all the same. The operator turns it on with INTROSPECTION=on. (${answer.errors?.[0]?.message ?? 'no reason given'})`,
  };
}

function explain(answer) {
  const codes = (answer.errors ?? []).map((e) => e.extensions?.code);
  if (codes.includes('UNAUTHENTICATED')) {
    const message = answer.errors.find((e) => e.extensions?.code === 'UNAUTHENTICATED').message;
    return settings.signIn
      ? { kind: 'signed-out', title: `401: ${message}.`, text: 'This operation needs an account. Signing in sets a cookie, which goes out with every operation from then on.' }
      : { kind: 'unauthenticated', title: `401: ${message}.`, text: 'Sign in at your frontend, on an origin whose cookie reaches this one, or put {"Authorization": "Bearer …"} under Headers.' };
  }
  if (codes.includes('CSRF_REFUSED')) {
    return { kind: 'refused', title: '403.', text: 'The server doesn’t take this page for its own origin. Set PUBLIC_URL to the address in the address bar.' };
  }
  return null;
}
