// JWTs that say nothing of the user but the id.
import { jwt } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [...options.plugins, jwt({ jwt: { definePayload: () => ({}) } })],
});
