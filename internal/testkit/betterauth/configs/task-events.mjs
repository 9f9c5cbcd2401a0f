// task-events.mjs: tells taskql of deleted and banned users, of anonymous users who have registered, and of ended sessions.
import { createHmac, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

// Sends an event, up to three times. It throws if the event can't be delivered.
async function send(type, data) {
  const id = randomUUID();
  const body = JSON.stringify({ type, data });
  for (let attempt = 1; ; attempt++) {
    const timestamp = Math.floor(Date.now() / 1000);
    const signature = createHmac("sha256", process.env.AUTH_HOOK_SECRET).update(`${id}.${timestamp}.${body}`).digest("base64");
    const headers = {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": `v1,${signature}`,
    };
    const problem = await fetch(process.env.AUTH_HOOK_URL, { method: "POST", headers, body, signal: AbortSignal.timeout(5000) }).then(
      async (answer) => (answer.ok ? null : `${answer.status} ${await answer.text()}`),
      (error) => error.message,
    );
    if (!problem) return;
    if (attempt === 3) throw new Error(`${type} can't be delivered: ${problem}`);
    await pause(attempt * 500);
  }
}

// The user is deleted already, so this must not fail.
export async function onUserDeleted(user) {
  try {
    await send("user.deleted", { userId: user.id });
  } catch (error) {
    console.error(`${error.message}. Run: server erase --user ${user.id} --yes`);
  }
}

// This fails if the event can't be delivered: otherwise Better Auth deletes the anonymous user, and the tasks are erased.
export async function onLinkAccount({ anonymousUser, newUser }) {
  if (anonymousUser.user.id === newUser.user.id) return;
  await send("user.linked", { fromUserId: anonymousUser.user.id, toUserId: newUser.user.id });
}

// These two close what is open of a user who signs out or is banned. They don't wait: if an event can't be delivered, taskql
// finds out by itself within minutes.
export async function onSessionEnded(session) {
  send("session.ended", { userId: session.userId }).catch((error) => console.error(error.message));
}

export async function onUserUpdated(user) {
  if (user.banned) send("user.banned", { userId: user.id }).catch((error) => console.error(error.message));
}
