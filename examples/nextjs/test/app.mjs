// Starts what the stories need: the API, the app as it was built, and Chromium.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const folder = new URL("..", import.meta.url).pathname;
const { PORT: port = "3790", API_PORT: apiPort = "8790" } = process.env;
const apiOrigin = `http://127.0.0.1:${apiPort}`; // the app is built with it
export const origin = `http://localhost:${port}`;
export const artifacts = process.env.ARTIFACTS ?? join(folder, "../../.cache/artifacts/nextjs");

const data = mkdtempSync(join(tmpdir(), "nextjs-example-"));
const secret = randomBytes(32).toString("base64");
const running = new Map();

export const build = () => {
  const { status } = spawnSync("npm", ["run", "--silent", "build"], { cwd: folder, stdio: "inherit", env: { ...process.env, API_ORIGIN: apiOrigin, BETTER_AUTH_SECRET: secret, NEXT_TELEMETRY_DISABLED: "1" } });
  if (status !== 0) throw new Error("the build failed");
};

async function start(name, command, args, env, url) {
  if (await fetch(url).then(() => true, () => false)) throw new Error(`something else answers ${url}: end it, or choose other ports with PORT and API_PORT`);
  const { PATH, HOME } = process.env; // other variables could change what they do
  const log = openSync(join(data, `${name}.log`), "a");
  const child = spawn(command, args, { cwd: folder, env: { PATH, HOME, ...env }, stdio: ["ignore", log, log] });
  running.set(name, child);
  for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    if (await fetch(url, { redirect: "manual" }).then(({ status }) => status < 500, () => false)) return;
    if (Date.now() > end || child.exitCode !== null) throw new Error(`${name} doesn't start:\n${readFileSync(join(data, `${name}.log`))}`);
  }
}

export const startApi = () => start("api", process.env.TEST_SERVER ?? join(folder, ".data/api"), [], {
  HOST: "127.0.0.1", PORT: apiPort, DATABASE_URL: `sqlite:${data}/tasks.db`, AUTH_SERVER_URL: origin, JWT_SECRET: secret, CORS_ORIGINS: origin, PUBLIC_URL: origin,
  SESSION_CACHE_TTL: "1s",
}, `${apiOrigin}/health`);

export const startApp = () => start("app", process.execPath, [require.resolve("next/dist/bin/next"), "start", "--hostname", "localhost", "--port", port], {
  API_ORIGIN: apiOrigin, BETTER_AUTH_URL: origin, BETTER_AUTH_SECRET: secret, AUTH_DATABASE_URL: `file:${data}/auth.db`, NEXT_TELEMETRY_DISABLED: "1",
}, `${origin}/sign-in`);

export async function stop(name) {
  const child = running.get(name);
  if (child.exitCode !== null) return;
  await new Promise((resolve) => {
    child.on("exit", resolve);
    child.kill("SIGTERM");
  });
}

/** Ends everything. */
export async function stopAll() {
  for (const name of running.keys()) await stop(name);
  rmSync(data, { recursive: true });
}

export function launch() {
  const paths = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = paths.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error("no Chromium: set CHROMIUM to its path");
  mkdirSync(artifacts, { recursive: true });
  return chromium.launch({ executablePath, args: ["--no-sandbox"] }); // in containers there is no sandbox
}

/** The code of axe-core, for pages. */
export const axe = () => readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
