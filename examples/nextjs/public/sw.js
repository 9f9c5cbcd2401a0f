// Opens the app without a network. lib/offline.ts keeps the page and its files in the cache.

const cacheName = "page";

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate" && url.pathname === "/") event.respondWith(page(request));
  if (url.pathname.startsWith("/_next/static/")) event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
});

/** The page from the network, which knows who is signed in; or as it was the last time. */
async function page(request) {
  const cache = await caches.open(cacheName);
  try {
    const response = await fetch(request);
    if (response.ok && response.type === "basic") await cache.put("/", response.clone());
    return response;
  } catch {
    return (await cache.match("/")) ?? Response.error();
  }
}
