import { LibsqlDialect } from "@libsql/kysely-libsql";
import { betterAuth } from "better-auth";
import { nextCookies } from "better-auth/next-js";
import { organization } from "better-auth/plugins";
import { roles } from "./roles";

/** Better Auth, inside this app. It owns users, sessions, organizations and their members. */
export const auth = betterAuth({
  // BETTER_AUTH_URL and BETTER_AUTH_SECRET are read from the environment. The API's JWT_SECRET is the same secret.
  // The database is SQLite in a file; on hosts without files, libsql://….turso.io with its token.
  database: {
    dialect: new LibsqlDialect({ url: process.env["AUTH_DATABASE_URL"] ?? "file:auth.db", authToken: process.env["AUTH_DATABASE_TOKEN"] }),
    type: "sqlite",
  },
  emailAndPassword: { enabled: true },
  plugins: [organization({ roles }), nextCookies()],
  rateLimit: {
    customRules: {
      // The API asks for each session every 15 seconds, always from the same address.
      "/get-session": false,
      "/organization/*": false,
      "/sign-in/*": { window: 10, max: 20 },
      "/sign-up/*": { window: 10, max: 20 },
    },
  },
  telemetry: { enabled: false },
});
