import { organizationClient } from "better-auth/client/plugins";
import { createAuthClient } from "better-auth/react";
import { roles } from "./roles";

/** Better Auth in the browser. It calls /api/auth on the page's own origin. Without a network it answers with an error, and doesn't throw. */
export const authClient = createAuthClient({
  plugins: [organizationClient({ roles })],
  fetchOptions: { customFetchImpl: (...request) => fetch(...request).catch(() => new Response(null, { status: 503 })) },
});
