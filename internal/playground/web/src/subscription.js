import { serverSentEvents } from '../../../../examples/sync/store.ts';
import { settings } from './settings.js';

/**
 * Returns an observable, as GraphiQL takes it, of the results of a subscription. They come as server-sent events: with the
 * page's cookie and the headers of the operation, as every other answer. Each goes through answered first.
 */
export const subscription = (params, headers, answered) => ({
  subscribe({ next, error, complete }) {
    const abort = new AbortController();
    let timer;
    const heard = () => { // The server sends a comment every 25 seconds at least.
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(new Error('The server was silent.')), 60_000);
    };
    const run = async () => {
      heard();
      const response = await fetch(settings.endpoint, {
        method: 'POST', credentials: 'same-origin', signal: abort.signal,
        headers: { ...headers, Accept: 'text/event-stream', 'Content-Type': 'application/json' }, body: JSON.stringify(params),
      });
      if (!response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
        next(answered(await response.json()));
        return complete();
      }
      for await (const { event, data } of serverSentEvents(response.body, heard)) {
        if (event === 'next') next(answered(JSON.parse(data)));
        if (event === 'complete') return complete();
      }
      throw new Error('The stream has ended.');
    };
    let isStopped = false;
    run().catch((reason) => {
      if (!isStopped) error({ message: `The connection was lost: run it again. (${reason.message})` });
    }).finally(() => {
      clearTimeout(timer);
      abort.abort();
    });
    return {
      unsubscribe() {
        isStopped = true;
        abort.abort();
      },
    };
  },
});
