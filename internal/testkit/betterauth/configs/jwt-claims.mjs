// JWTs with an issuer and audiences of their own.
import { jwt } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [...options.plugins, jwt({ jwt: { issuer: "https://issuer.example.com", audience: ["other", "tasks"] } })],
});
