// The admin plugin, and JWTs that say who impersonates their user.
import { admin, jwt } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    admin(),
    jwt({ jwt: { definePayload: ({ user, session }) => ({ ...user, impersonatedBy: session.impersonatedBy }) } }),
  ],
});
