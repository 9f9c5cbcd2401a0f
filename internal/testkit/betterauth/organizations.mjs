// Calls Better Auth's official client with the organization plugin, for tests that are in Go:
//
//   node organizations.mjs <base URL>
//
// Reads a JSON object a line, such as {"cookie": "…", "method": "organization.create", "argument": {…}}, and answers each
// with a line of JSON: {"data": …, "error": …} as the client returns it, and the Set-Cookie headers of the response. Ends
// with its input.
import { createInterface } from "node:readline";
import { createAuthClient } from "better-auth/client";
import { organizationClient } from "better-auth/client/plugins";

const baseURL = process.argv[2];

for await (const line of createInterface({ input: process.stdin })) {
  const { cookie, method, argument } = JSON.parse(line);
  const setCookies = [];
  const customFetchImpl = async (url, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("origin", new URL(baseURL).origin);
    headers.set("cookie", cookie);
    const response = await fetch(url, { ...init, headers });
    setCookies.push(...response.headers.getSetCookie());
    return response;
  };
  const client = createAuthClient({ baseURL, fetchOptions: { customFetchImpl }, plugins: [organizationClient()] });
  const call = method.split(".").reduce((object, name) => object[name], client);
  const { data, error } = await call(argument);
  console.log(JSON.stringify({ data, error, setCookies }));
}
process.exit(0);
