// customSession with the shape that Better Auth's documentation shows: the session and the user, each with more fields.
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user, session }) => ({ roles: ["editor"], user: { ...user, theme: "dark" }, session })),
  ],
});
