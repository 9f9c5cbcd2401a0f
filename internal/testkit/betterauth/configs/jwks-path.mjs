// The jwt plugin's keys at another path.
import { jwt } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [...options.plugins, jwt({ jwks: { jwksPath: "/.well-known/jwks.json" } })],
});
