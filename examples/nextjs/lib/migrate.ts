import { getMigrations } from "better-auth/db/migration";
import { auth } from "./auth";

// Makes Better Auth's tables, or changes them after an update.
const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
