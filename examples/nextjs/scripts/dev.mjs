// `npm run dev`: starts the API with `go run`, unless API_ORIGIN says where one is, and the app. Both end together.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

process.chdir(new URL("..", import.meta.url).pathname);
const port = process.env.PORT ?? "3000";
const origin = `http://localhost:${port}`;
const apiPort = process.env.API_PORT ?? "8000";

// The databases and the secret of this machine.
mkdirSync(".data", { recursive: true });
if (!existsSync(".data/secret")) writeFileSync(".data/secret", randomBytes(32).toString("base64"), { mode: 0o600 });
const secret = process.env.BETTER_AUTH_SECRET ?? readFileSync(".data/secret", "utf8");

const env = {
  NEXT_TELEMETRY_DISABLED: "1", AUTH_DATABASE_URL: "file:.data/auth.db", API_ORIGIN: `http://127.0.0.1:${apiPort}`, BETTER_AUTH_URL: origin, ...process.env, BETTER_AUTH_SECRET: secret, PORT: port,
};
const ending = new AbortController();

function end(code) {
  process.exitCode ??= code;
  ending.abort();
}

function start(command, args, options) {
  const child = spawn(command, args, { stdio: "inherit", signal: ending.signal, ...options });
  child.on("error", (error) => ending.signal.aborted || (console.error(error.message), end(1)));
  child.on("exit", (code) => end(code ?? 0));
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit" });
  if (error) console.error(error.message);
  if (status !== 0) process.exit(status ?? 1);
}

const startsApi = !process.env.API_ORIGIN;
if (startsApi) {
  const problem = !existsSync("../../cmd/server") ? "The API isn't here, because this folder was copied out of its repository:"
    : spawnSync("go", ["version"]).error && "Go is missing, with which the API is started: install it from https://go.dev/dl, or";
  if (problem) {
    console.error(`${problem} set API_ORIGIN to an API that runs, such as http://localhost:8000. README.md says which variables it needs.`);
    process.exit(1);
  }
  console.log("Building the API. The first time this takes a minute or two.");
  run("go", ["build", "-buildvcs=false", "-o", ".data/api", "../../cmd/server"]);
}
run("npx", ["graphql-codegen", "--config", "codegen.ts", "--silent"]);
start(process.execPath, ["node_modules/next/dist/bin/next", "dev", "--hostname", "localhost", "--port", port], { env });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => end(0));

// The API asks the app for sessions, so it starts once the app answers.
while (!ending.signal.aborted && !(await fetch(`${origin}/api/auth/ok`).then(({ ok }) => ok, () => false))) await new Promise((resolve) => setTimeout(resolve, 500));
if (startsApi && !ending.signal.aborted) {
  start(".data/api", [], {
    env: {
      ...process.env, HOST: "127.0.0.1", PORT: apiPort, DATABASE_URL: "sqlite:.data/tasks.db", LOG_LEVEL: "warn",
      AUTH_SERVER_URL: origin, JWT_SECRET: secret, CORS_ORIGINS: origin, PUBLIC_URL: origin,
    },
  });
}
if (!ending.signal.aborted) console.log(`\nOpen ${origin}`);
