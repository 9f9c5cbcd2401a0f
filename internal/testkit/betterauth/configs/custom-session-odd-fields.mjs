// customSession with objects, lists and numbers in fields that should be text.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user, session }) => ({
      session: { ...session, id: [session.id], createdAt: { at: session.createdAt }, updatedAt: false },
      user: { ...user, name: 7, image: { url: "https://example.com/a.png" }, emailVerified: {}, createdAt: "tomorrow" },
      organizations: Array.from({ length: 1000 }, (_, id) => ({ id, name: "x".repeat(1000) })),
    })),
  ],
});
