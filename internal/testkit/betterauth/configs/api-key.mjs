// API keys that sign in, as docs/authentication.md says.
import { apiKey } from "@better-auth/api-key";

const plugins = [
    apiKey({
      enableSessionForAPIKeys: true, // a key signs in as its user
      customAPIKeyValidator: ({ ctx }) => ["/get-session", "/api-key/get"].includes(ctx.path), // and can do nothing else
      rateLimit: { timeWindow: 60_000, maxRequests: 100 }, // for each key; the default is 10 a day
    }),
];

export default (options) => ({ ...options, plugins: [...options.plugins, ...plugins] });
