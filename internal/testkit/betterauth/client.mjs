// Walks through sign-up, sign-out and sign-in with Better Auth's official client, the way a browser would:
//
//   node client.mjs <base URL>
//
// Prints one line of JSON with what each step answered, and exits 1 at the first step that is not as it should be.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createAuthClient } from "better-auth/client";
import { browser } from "./browser.mjs";

const baseURL = process.argv[2];
assert.ok(baseURL, "usage: node client.mjs <base URL>");

const { jar, fetch: browserFetch } = browser(baseURL);
const client = createAuthClient({ baseURL, fetchOptions: { customFetchImpl: browserFetch } });

const must = ({ data, error }) => {
  assert.equal(error, null);
  return data;
};
const email = `client-${randomUUID()}@example.com`;
const password = "correct horse battery";

const signedUp = must(await client.signUp.email({ name: "Clara Client", email, password }));
assert.equal(signedUp.user.email, email);
assert.deepEqual([...jar.keys()], ["better-auth.session_token"]);

const first = must(await client.getSession());
assert.equal(first.user.id, signedUp.user.id);
assert.equal(first.session.token, signedUp.token);
assert.ok(first.session.expiresAt instanceof Date);

assert.equal(must(await client.signOut()).success, true);
assert.equal(jar.size, 0);
assert.equal(must(await client.getSession()), null);

const refused = await client.signIn.email({ email, password: "not the password" });
assert.equal(refused.error.code, "INVALID_EMAIL_OR_PASSWORD");
assert.equal(refused.error.status, 401);

const signedIn = must(await client.signIn.email({ email: email.toUpperCase(), password, rememberMe: false }));
assert.equal(signedIn.user.id, signedUp.user.id);
assert.deepEqual([...jar.keys()].sort(), ["better-auth.dont_remember", "better-auth.session_token"]);
assert.equal(must(await client.getSession()).session.token, signedIn.token);
assert.equal(must(await client.signOut()).success, true);

const again = await client.signUp.email({ name: "Clara Client", email, password });
assert.equal(again.error.code, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL");

console.log(JSON.stringify({ userId: signedUp.user.id, email, steps: "ok" }));
