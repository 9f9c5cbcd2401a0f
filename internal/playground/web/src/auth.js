/** Sends a request to the server's own sign-in, by POST if there is a body, and returns the answer. It throws what the sign-in refuses. */
export async function auth(path, body) {
  const response = await fetch(`/api/auth/${path}`, {
    credentials: 'same-origin',
    ...(body && { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Error(answer?.message ?? `The server answered HTTP ${response.status}.`);
  return answer;
}
