#!/usr/bin/env node
// A Better Auth server to deploy beside taskql. README.md describes its environment variables.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { bearer, jwt } from "better-auth/plugins";
import pg from "pg";

const { env } = process;
const ipHeader = (env.IP_HEADER || "x-real-ip").toLowerCase();

// Report every problem at once.
const problems = [];
if (!env.DATABASE_URL) problems.push("DATABASE_URL is missing: the address of a PostgreSQL database");
if ((env.BETTER_AUTH_SECRET ?? "").length < 32) {
  problems.push("BETTER_AUTH_SECRET is missing or has fewer than 32 characters: generate one with `openssl rand -base64 32`");
}
if (!/^https?:/.test(env.BETTER_AUTH_URL ?? "") || !URL.canParse(env.BETTER_AUTH_URL)) {
  problems.push("BETTER_AUTH_URL is missing or not a URL: the address that browsers use, such as https://app.example.com");
}
if (problems.length > 0) {
  for (const problem of problems) console.error(problem);
  process.exit(1);
}

const pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: 10 });
pool.on("error", (error) => console.error("idle database connection:", error.message));

const auth = betterAuth({
  baseURL: new URL(env.BETTER_AUTH_URL).origin,
  secret: env.BETTER_AUTH_SECRET,
  trustedOrigins: (env.TRUSTED_ORIGINS ?? "").split(",").map((origin) => origin.trim()).filter(Boolean),
  database: pool,
  emailAndPassword: { enabled: true },
  // taskql accepts the session cookie as it is; bearer() and jwt() are for clients without cookies.
  plugins: [bearer(), jwt()],
  rateLimit: {
    enabled: true,
    customRules: {
      // taskql asks for each session every 15 seconds, always from the same address.
      "/get-session": { window: 10, max: 1000 },
      // Users behind a frontend's proxy share its address. The default of 3 would lock them out.
      "/sign-in/*": { window: 10, max: 20 },
      "/sign-up/*": { window: 10, max: 20 },
    },
  },
  // The rate limit counts by the client's address. The platform's proxy must set this header: clients can forge any other.
  advanced: { ipAddress: { ipAddressHeaders: [ipHeader] } },
  telemetry: { enabled: false },
});

// Replicas that start together take turns. A lock of a transaction also works behind a connection pooler.
const connection = await pool.connect();
try {
  await connection.query("BEGIN");
  await connection.query("SELECT pg_advisory_xact_lock(hashtext('better-auth migrations'))");
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
} finally {
  connection.release(true); // Closes the connection, which ends the transaction.
}

const handle = toNodeHandler(auth);
const server = createServer((req, res) => {
  req.headers[ipHeader] ??= req.socket.remoteAddress; // Without a proxy.
  // A malformed Host or X-Forwarded-Proto header rejects. Unhandled, that would end the process.
  handle(req, res).catch((error) => {
    console.error("request failed:", error.message);
    if (!res.headersSent) res.writeHead(400);
    res.end();
  });
});
server.listen(Number(env.PORT || 3001), env.HOST || undefined, () => {
  console.log(`Better Auth listens on port ${server.address().port} for ${auth.options.baseURL}`);
});

// Answer what has begun, then end.
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    server.close(() => pool.end().then(() => process.exit(0)));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 20_000).unref();
  });
}
