// customSession with dates as JavaScript prints them, and a date for emailVerified.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user, session }) => {
      const date = String;
      return {
        session: {
          ...session,
          expiresAt: date(session.expiresAt),
          createdAt: date(session.createdAt),
          updatedAt: date(session.updatedAt),
        },
        user: { ...user, createdAt: date(user.createdAt), updatedAt: date(user.updatedAt), emailVerified: user.createdAt },
      };
    }),
  ],
});
