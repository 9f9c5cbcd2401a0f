// customSession with dates in milliseconds since 1970, and 1 for true.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user, session }) => {
      const date = (d) => d.getTime();
      return {
        session: {
          ...session,
          expiresAt: date(session.expiresAt),
          createdAt: date(session.createdAt),
          updatedAt: date(session.updatedAt),
        },
        user: { ...user, createdAt: date(user.createdAt), updatedAt: date(user.updatedAt), emailVerified: 1 },
      };
    }),
  ],
});
