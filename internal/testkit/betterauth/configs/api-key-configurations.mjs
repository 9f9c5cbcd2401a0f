// Two kinds of API keys that sign in, each with a header of its own. /api-key/get knows those of the default one.
import { apiKey } from "@better-auth/api-key";

const kinds = [
  { configId: "default", enableSessionForAPIKeys: true },
  { configId: "partners", enableSessionForAPIKeys: true, apiKeyHeaders: "x-partner-key" },
];

export default (options) => ({ ...options, plugins: [...options.plugins, apiKey(kinds)] });
