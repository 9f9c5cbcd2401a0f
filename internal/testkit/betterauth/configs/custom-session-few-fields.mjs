// customSession with few fields: no expiry, no token and no times.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user, session }) => ({
      user: { name: user.name, email: user.email, banned: user.banned },
      session: { userId: session.userId },
    })),
  ],
});
