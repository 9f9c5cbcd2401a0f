import type { AddressInfo } from "node:net";
import { ApolloProvider } from "@apollo/client/react";
import { renderToString } from "react-dom/server";
import { createServer, type ProxyOptions } from "vite";
import { WebSocket as Socket } from "ws";
import { TaskPage } from "./operations";
import { ok } from "./tap";

// Starts Vite's dev server with the page's vite.config.ts, and returns the page's origin.
async function dev(proxy: Record<string, string | ProxyOptions> = {}) {
  const server = await createServer({
    root: ".build", configFile: ".build/vite.config.ts", logLevel: "error", optimizeDeps: { noDiscovery: true },
    server: { host: "127.0.0.1", port: 0, watch: null, ws: false, proxy },
  });
  await server.listen();
  return `http://127.0.0.1:${(server.httpServer!.address() as AddressInfo).port}`;
}

// What a browser does for a page: it resolves addresses, keeps cookies and names the origin.
const origin = await dev();
Object.assign(globalThis, { window: Object.assign(new EventTarget(), { location: new URL(origin) }) });
const jar = new Map<string, string>();
const plain = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const headers = new Headers(init?.headers);
  headers.set("origin", origin);
  headers.set("cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
  const answer = await plain(new URL(String(input), origin), { ...init, headers });
  for (const [, name, value] of answer.headers.getSetCookie().map((line) => /^([^=]+)=([^;]*)/.exec(line)!)) {
    if (value) jar.set(name!, value);
    else jar.delete(name!);
  }
  return answer;
};

const { App, SignIn, Tasks } = await import("./App");
const { addTask } = await import("./add-task");
const { apollo } = await import("./apollo");
const { authClient } = await import("./auth-client");
const { signOut } = await import("./sign-out");

ok(renderToString(<App />).includes("Loading"), "vite the app renders");
ok(renderToString(<SignIn />).includes("Sign in"), "vite the sign-in form renders");
const user = { name: "Ada", email: "vite-page@example.com", password: "correct horse battery" };
const signedUp = await authClient.signUp.email(user);
ok(signedUp.data?.user.email === user.email && jar.size > 0, "vite sign-up through the proxy", signedUp);
const session = await authClient.getSession();
ok(session.data?.user.name === "Ada", "vite getSession", session);

const client = apollo("/graphql");
const variables = { first: 20 };
const titles = () => client.readQuery({ query: TaskPage, variables }, true)?.tasks.edges.map((edge) => edge.node.title).join();
const first = await client.query({ query: TaskPage, variables });
ok(first.data?.tasks.edges.length === 0, "vite a query through the proxy", first);
await addTask(client, "one");
const adding = addTask(client, "two");
ok(titles() === "two,one", "vite an optimistic update is first in the list", titles());
const added = await adding;
ok(added.data?.createTask.task && titles() === "two,one", "vite the answer replaces it", added);
const refusing = addTask(client, "");
ok(titles() === ",two,one", "vite an optimistic update that will be refused", titles());
const refused = await refusing;
ok(refused.data?.createTask.userErrors.length === 1 && titles() === "two,one", "vite a refused update is taken back", titles());
const page = renderToString(<ApolloProvider client={client}><Tasks name="Ada" /></ApolloProvider>);
ok(page.includes("<li>two</li><li>one</li>"), "vite the list renders", page);

const { liveSocket } = await import("./live-socket");
globalThis.WebSocket = class extends Socket {
  constructor(url: string | URL, protocols?: string[]) {
    super(url, protocols, { origin, headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") } });
  }
} as never;
const live = liveSocket({ url: `${origin.replace("http", "ws")}/graphql` }).iterate({ query: "subscription { taskList { totalCount } }" });
const counted = await live.next();
ok(JSON.stringify(counted.value?.data) === '{"taskList":{"totalCount":2}}', "vite a subscription through the proxy", counted);
await live.return?.();

const target = process.env["API_ORIGIN"]!;
const changing = await dev({ "/graphql": target, "/api/auth": { target, changeOrigin: true } }); // The short form sets it too.
const query = { method: "POST", headers: { "content-type": "application/json" }, body: '{"query":"{ viewer { name } }"}' };
const refusal = await fetch(`${changing}/graphql`, query);
const foreign = `${refusal.status} ${await refusal.text()}`;
ok(foreign.startsWith("403") && foreign.includes("CSRF_REFUSED"), "vite changeOrigin: /graphql refuses", foreign);
const signIn = await authClient.signIn.email(user, { baseURL: `${changing}/api/auth` });
ok(signIn.error?.status === 403 && signIn.error.message?.includes("Invalid origin"), "vite changeOrigin: /api/auth refuses", signIn);

await signOut(client);
ok(Object.keys(client.cache.extract() as object).length === 0 && jar.size === 0, "vite sign-out clears the cache", client.cache.extract());
process.exit(0);
