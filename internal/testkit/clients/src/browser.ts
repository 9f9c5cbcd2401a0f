// What a browser does for a page of the API's site: it sends the cookie, with WebSockets too. Node 20 has no WebSocket and no
// EventSource.
import { EventSource as Events } from "eventsource";
import { WebSocket as Socket } from "ws";

export const browser = {
  cookie: "", // of the site, or empty
  requests: 0, // by fetch, so far
};

/** fetch as programs have it. */
export const plainFetch = globalThis.fetch;

const headers = (init?: HeadersInit) => {
  const all = new Headers(init);
  if (browser.cookie) all.set("cookie", browser.cookie);
  return all;
};

globalThis.fetch = (input, init) => {
  browser.requests++;
  return plainFetch(input, { ...init, headers: headers(init?.headers) });
};
globalThis.WebSocket = class extends Socket {
  constructor(url: string | URL, protocols?: string[]) {
    super(url, protocols, { headers: Object.fromEntries(headers()) });
  }
} as never;
globalThis.EventSource = class extends Events {
  constructor(url: string | URL) {
    super(url, { fetch: (input, init) => globalThis.fetch(input, init as RequestInit) });
  }
} as never;
