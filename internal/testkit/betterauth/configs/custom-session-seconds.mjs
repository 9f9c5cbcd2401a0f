// customSession with dates in seconds since 1970, as text, and "true" for true.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user, session }) => {
      const date = (d) => String(Math.floor(d.getTime() / 1000));
      return {
        session: {
          ...session,
          expiresAt: date(session.expiresAt),
          createdAt: date(session.createdAt),
          updatedAt: date(session.updatedAt),
        },
        user: { ...user, createdAt: date(user.createdAt), updatedAt: date(user.updatedAt), emailVerified: "true" },
      };
    }),
  ],
});
