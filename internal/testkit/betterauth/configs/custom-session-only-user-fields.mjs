// customSession with the user's fields at the top level, and nothing else.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user }) => ({ ...user, roles: ["editor"] })),
  ],
});
