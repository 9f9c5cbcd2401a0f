import { organizationClient } from "better-auth/client/plugins";
import { createAuthClient } from "better-auth/react";
import { roles } from "./roles";

/** Better Auth in the browser. It calls /api/auth on the page's own origin. */
export const authClient = createAuthClient({ plugins: [organizationClient({ roles })] });
