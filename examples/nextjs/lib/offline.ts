import { deleteCopies } from "./sync";

// What lets the app open without a network, and what signing out takes away from the browser.

const cacheName = "page"; // as in public/sw.js

/** Keeps this page and what it has loaded, for public/sw.js to serve when there is no network. */
export async function keepPage(): Promise<void> {
  if (process.env.NODE_ENV !== "production" || !("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("/sw.js");
  const loaded = performance.getEntriesByType("resource").map(({ name }) => name).filter((url) => url.startsWith(`${location.origin}/_next/static/`));
  const wanted = new Set([`${location.origin}/`, ...loaded]);
  const cache = await caches.open(cacheName);
  await Promise.all([...wanted].map((url) => cache.add(url).catch(() => {})));
  for (const { url } of await cache.keys()) if (!wanted.has(url)) await cache.delete(url);
}

const channel = () => new BroadcastChannel("sign-out");

/** Calls the listener once a tab has signed out. */
export function onSignOut(listener: () => void): () => void {
  const tabs = channel();
  tabs.onmessage = listener;
  return () => tabs.close();
}

/** Deletes everything that this browser has of the user, and tells all tabs. */
export async function forgetUser(): Promise<void> {
  localStorage.clear();
  await globalThis.caches?.delete(cacheName);
  await deleteCopies();
  channel().postMessage("signed out");
}
