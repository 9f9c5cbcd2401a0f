// customSession with the session spread at the top level, beside the user.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user, session }) => ({ ...session, user })),
  ],
});
