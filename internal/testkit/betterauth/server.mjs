// A real Better Auth server for tests. It listens on 127.0.0.1 only, makes its tables at start, and prints
// "listening on http://127.0.0.1:<port>" once it can answer.
//
// Environment (default):
//   DATABASE_URL        PostgreSQL, required
//   BETTER_AUTH_SECRET  required; BETTER_AUTH_SECRETS ("2:new,1:old") rotates and is read by Better Auth itself
//   PORT                0 = any free port (0)
//   BASE_URL            what the server believes its address is (the address it listens on)
//   BASE_PATH           where the endpoints are (/api/auth)
//   TRAILING_SLASH      1 = redirect paths without a slash at the end to the same with one, as Next.js does (0)
//   TRUSTED_ORIGINS     commas, besides the base URL's own origin
//   COOKIE_CACHE        off | compact | jwt | jwe | jwks (off); jwks = a JWT signed by the jwt plugin's key
//   CACHE_MAX_AGE       seconds (300)        CACHE_VERSION  string (Better Auth's own, "1")
//   SECURE_COOKIES      1 = __Secure- names and the Secure attribute, 0 = plain (decided by BASE_URL's scheme)
//   COOKIE_PREFIX       (better-auth)        COOKIE_NAME    the session cookie's own full name (from the prefix)
//   ID_FORMAT           random | uuid | serial (random)
//   EXPIRES_IN          seconds (604800)     UPDATE_AGE     seconds (86400)     DEFER_REFRESH  1 | 0 (0)
//   PLUGINS             commas: bearer, jwt, admin, organization, multiSession (none)
//   BEARER_SIGNED       1 = bearer tokens must carry their signature (0)
//   JWT_HEADER          0 = no set-auth-jwt header (1)
//   JWT_ALG             EdDSA | ES256 | ES512 | PS256 | RS256, for the jwt plugin's key (EdDSA)
//   RATE_LIMIT          1 = on, 0 = off (on in production only)
//   FAT_FIELD           bytes of filler in a field of the user, which forces a chunked session_data cookie (0)
//   CONFIG              a file of configs/, without .mjs: its default export takes the options and env, and returns the
//                       options to use (none). Options without a database make a server without one.
//   EXIT_WITH_STDIN     1 = end when standard input ends, so that a killed test leaves no server behind (0)
//   CONTROL             1 = start no server but those that standard input asks for, a JSON object a line (0):
//                       {"start": 1, "env": {…}} is answered by "1 listening on http://…" or "1 failed: …",
//                       {"stop": 1} by "1 stopped". A start costs a tenth of a process's. The process ends with its input.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { admin, bearer, jwt, multiSession, organization } from "better-auth/plugins";
import pg from "pg";

/** Starts a server with the options of env. Returns its address and what stops it. */
async function start(env) {
  const required = (name) => {
    if (!env[name]) throw new Error(`${name} is missing`);
    return env[name];
  };
  const list = (name) => (env[name] ?? "").split(",").filter(Boolean);
  const flag = (name) => (env[name] ? env[name] === "1" : undefined);
  const seconds = (name, otherwise) => Number(env[name] || otherwise);

  const cache = env.COOKIE_CACHE || "off";

  const plugins = {
    bearer: () => bearer({ requireSignature: flag("BEARER_SIGNED") }),
    jwt: () =>
      jwt({
        sessionCookieCache: cache === "jwks",
        disableSettingJwtHeader: flag("JWT_HEADER") === false,
        jwks: env.JWT_ALG ? { keyPairConfig: { alg: env.JWT_ALG } } : undefined,
      }),
    admin: () => admin(),
    organization: () => organization(),
    multiSession: () => multiSession(),
  };

  const filler = () => ({
    filler: { type: "string", required: false, input: false, defaultValue: "x".repeat(Number(env.FAT_FIELD)) },
  });

  const options = (database, address) => ({
    baseURL: env.BASE_URL || address,
    basePath: env.BASE_PATH || undefined,
    secret: required("BETTER_AUTH_SECRET"),
    database,
    trustedOrigins: list("TRUSTED_ORIGINS"),
    emailAndPassword: { enabled: true },
    user: env.FAT_FIELD ? { additionalFields: filler() } : {},
    session: {
      expiresIn: seconds("EXPIRES_IN", 604800),
      updateAge: seconds("UPDATE_AGE", 86400),
      deferSessionRefresh: flag("DEFER_REFRESH"),
      cookieCache: {
        enabled: cache !== "off",
        strategy: { jwks: "jwt", off: "compact" }[cache] ?? cache,
        maxAge: seconds("CACHE_MAX_AGE", 300),
        version: env.CACHE_VERSION || undefined,
      },
    },
    advanced: {
      skipTrailingSlashes: flag("TRAILING_SLASH"),
      useSecureCookies: flag("SECURE_COOKIES"),
      cookiePrefix: env.COOKIE_PREFIX || undefined,
      cookies: env.COOKIE_NAME ? { session_token: { name: env.COOKIE_NAME } } : undefined,
      database: { generateId: { uuid: "uuid", serial: "serial" }[env.ID_FORMAT] },
    },
    rateLimit: env.RATE_LIMIT ? { enabled: flag("RATE_LIMIT") } : undefined,
    plugins: list("PLUGINS").map((name) => plugins[name]()),
    telemetry: { enabled: false },
  });

  const pool = new pg.Pool({ connectionString: required("DATABASE_URL"), max: 10 });
  pool.on("error", (error) => console.error("idle database connection:", error.message));

  // The port is taken first and the auth server built second: its base URL holds the port.
  let handle = async (_, res) => res.writeHead(503).end();
  const server = createServer((req, res) => {
    const [path, query] = req.url.split("?");
    if (flag("TRAILING_SLASH") && !path.endsWith("/")) {
      res.writeHead(308, { location: `${path}/${query ? `?${query}` : ""}` }).end();
      return;
    }
    // toNodeHandler rejects on a Host or X-Forwarded-Proto that makes no URL; uncaught, that ends the process.
    handle(req, res).catch((error) => {
      console.error("request failed:", error.message);
      if (!res.headersSent) res.writeHead(400);
      res.end();
    });
  });
  await new Promise((ready, failed) => server.once("error", failed).listen(Number(env.PORT || 0), "127.0.0.1", ready));
  const address = `http://127.0.0.1:${server.address().port}`;

  const stop = async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    await pool.end();
  };
  try {
    const configure = env.CONFIG ? (await import(`./configs/${env.CONFIG}.mjs`)).default : (options) => options;
    const auth = betterAuth(configure(options(pool, address), env));
    if (auth.options.database) {
      const { runMigrations } = await getMigrations(auth.options);
      await runMigrations();
    }
    handle = toNodeHandler(auth);
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, stop };
}

async function one() {
  const { address, stop } = await start(process.env);
  console.log(`listening on ${address}`);
  const exit = () => stop().finally(() => process.exit(0));
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, exit);
  if (process.env.EXIT_WITH_STDIN === "1") process.stdin.once("end", exit).resume();
}

async function many() {
  const running = new Map();
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.start) {
      const starting = start(request.env);
      running.set(request.start, starting);
      starting.then(
        (server) => console.log(`${request.start} listening on ${server.address}`),
        (error) => console.log(`${request.start} failed: ${error.message.replaceAll("\n", " ")}`),
      );
    } else {
      const stopped = running.get(request.stop).then((server) => server.stop());
      running.delete(request.stop);
      stopped.catch(() => {}).then(() => console.log(`${request.stop} stopped`)); // What failed to start has stopped.
    }
  }
  process.exit(0);
}

await (process.env.CONTROL === "1" ? many() : one());
