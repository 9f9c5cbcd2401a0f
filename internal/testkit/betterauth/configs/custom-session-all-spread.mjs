// customSession with the session and the user spread at the top level: "id" is the user's, as the last one.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user, session }) => ({ ...session, ...user })),
  ],
});
