import { askAs } from "./server-side";
import { cookie, ok, url } from "./tap";

// What a browser sends when the visitor follows a link on another site.
const visitor = new Headers({
  ...cookie, accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "sec-fetch-dest": "document", "sec-fetch-mode": "navigate",
  "sec-fetch-site": "cross-site", "sec-fetch-user": "?1", "upgrade-insecure-requests": "1",
});
const signedIn = await askAs(visitor, url, "{ viewer { name } }");
ok(JSON.stringify(signedIn.data) === '{"viewer":{"name":"Ada"}}', "server-side the visitor's session counts", signedIn);
const stranger = await askAs(new Headers(), url, "{ viewer { name } }");
ok(JSON.stringify(stranger.data) === '{"viewer":null}', "server-side without a cookie nobody is signed in", stranger);
const whole = await fetch(url, {
  method: "POST", body: JSON.stringify({ query: "{ viewer { name } }" }), headers: { ...Object.fromEntries(visitor), "content-type": "application/json" },
});
ok(whole.status === 200 && (await whole.text()).includes("Ada"), "server-side all headers of the visitor by POST", whole.status);
const get = await fetch(`${url}?query={viewer{name}}`, { headers: visitor });
ok(get.status === 403 && (await get.text()).includes("cookie header alone"), "server-side all headers of the visitor by GET", get.status);
