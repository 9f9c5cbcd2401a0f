// customSession that answers with the user of another session.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user, session }) => ({ session, user: { ...user, id: "somebody-else" } })),
  ],
});
