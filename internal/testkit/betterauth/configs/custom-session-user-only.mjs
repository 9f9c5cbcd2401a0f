// customSession without a session.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user }) => ({ user, roles: ["editor"] })),
  ],
});
