import { Kind, OperationTypeNode, parse } from 'graphql';
import { fill, finish, isSignedIn, remember } from './session.js';
import { sampleOf, settings } from './settings.js';
import { subscription } from './subscription.js';

const wanted = {
  task: 'Run “Create a task” first: this operation takes the task that an answer showed last.',
  tag: 'Run “Create a tag” first: this operation takes the tag that an answer showed last.',
  tasks: 'Run “List with a filter” first: this operation takes the tasks that were listed last.',
  next: 'Run “A task that repeats” and “Complete it” first: this operation takes the next occurrence.',
  change: 'Run “The history” first: this operation takes its newest change.',
  workspace: 'Run “Your workspaces” first: this operation takes the last one of the list.',
  cursor: 'Run “Add demo data” and “The first page” first: this operation goes on after that page.',
};

/**
 * Returns GraphiQL's fetcher. It calls notify with a notice that explains the answer, or null. Its property onSend, if
 * set, is called with the query and its operation's name before they are sent.
 */
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

  async function sendOrNotify(params, headers) {
    try {
      return await send(params, headers);
    } catch (error) {
      notify({ kind: 'unreachable', title: 'No answer.', text: 'The server can’t be reached, or answered with something other than GraphQL. Is it still running?' });
      throw error;
    }
  }

  async function fetcher(params, options) {
    if (params.operationName === 'IntrospectionQuery') {
      const answer = await sendOrNotify(params, options?.headers);
      if (!answer.data) notify(noSchema(answer));
      return answer;
    }
    const { operationName, isSubscription } = operationIn(params);
    fetcher.onSend?.(params.query, operationName);
    const { filled, missing } = fill(params.variables ?? {});
    // Signed out, the operation goes out as it is: the server refuses it before it looks at the variables, and that
    // answer says what is really missing.
    if (missing.size > 0 && (isSignedIn() || hasAuthorization(options?.headers))) {
      return { errors: [...missing].map((name) => ({ message: wanted[name] ?? 'This operation needs an account that is signed in by its cookie.', extensions: { code: 'NOT_SENT' } })) };
    }
    const answered = (answer) => {
      notify(explain(answer));
      if (answer.data) remember(answer.data);
      const sample = sampleOf(operationName);
      if (sample && isFinished(sample, answer)) finish(sample);
      return answer;
    };
    const operation = { ...params, operationName, variables: filled };
    if (isSubscription) return subscription(operation, options?.headers, answered);
    return answered(await sendOrNotify(operation, options?.headers));
  }
  fetcher.send = send;
  return fetcher;
}

// Returns the name of the operation to run, and whether it is a subscription: GraphiQL's, if it is in the document, else the
// first. GraphiQL looks for the name some time after the last change, so that its name may be that of the document before.
function operationIn({ query, operationName }) {
  try {
    const operations = parse(query).definitions.filter((d) => d.kind === Kind.OPERATION_DEFINITION);
    const operation = operations.find((d) => d.name?.value === operationName) ?? operations[0];
    return { operationName: operation?.name?.value, isSubscription: operation?.operation === OperationTypeNode.SUBSCRIPTION };
  } catch {
    return {}; // The server says what is wrong with the document.
  }
}

const hasAuthorization = (headers) => Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization');

const codesOf = (answer) => (answer.errors ?? []).map((e) => e.extensions?.code);

// Reports whether an answer is what the sample is meant to show.
function isFinished(sample, answer) {
  return sample.error ? codesOf(answer).includes(sample.error) : codesOf(answer).length === 0;
}

function noSchema(answer) {
  return {
    kind: 'no-schema',
    title: 'The schema can’t be read here.',
    text: `Introspection is off, so there is no completion and no documentation. Operations can still be run. The operator turns it on with INTROSPECTION=on. (${answer.errors?.[0]?.message ?? 'no reason given'})`,
  };
}

function explain(answer) {
  if (codesOf(answer).includes('UNAUTHENTICATED')) {
    const { message } = answer.errors.find((e) => e.extensions?.code === 'UNAUTHENTICATED');
    const refusal = `The server answered “${message}”: this operation needs an account.`;
    return settings.signIn
      ? { kind: 'signed-out', title: 'Sign in first.', text: refusal }
      : { kind: 'unauthenticated', title: 'Sign in first.', text: `${refusal} Sign in at your frontend, on an origin whose cookie reaches this one, or put {"Authorization": "Bearer …"} under Headers.` };
  }
  if (codesOf(answer).includes('CSRF_REFUSED')) {
    return { kind: 'refused', title: '403.', text: 'The server doesn’t take this page for its own origin. Set PUBLIC_URL to the address in the address bar.' };
  }
  return null;
}
