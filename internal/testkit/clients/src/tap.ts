// Says what works, one line a claim, as TAP does. The first claim that fails ends the run.
export function ok(claim: unknown, text: string, seen?: unknown): asserts claim {
  console.log(`${claim ? "ok" : "not ok"} ${text}${claim ? "" : ` ${JSON.stringify(seen)}`}`);
  if (!claim) process.exit(1);
}

export const env = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

export const url = env("GRAPHQL_URL");
export const cookie: Record<string, string> = { cookie: env("COOKIE") };
export const bearer: Record<string, string> = { authorization: `Bearer ${env("TOKEN")}` };
export const down = process.env["DOWN_URL"] ?? "";
