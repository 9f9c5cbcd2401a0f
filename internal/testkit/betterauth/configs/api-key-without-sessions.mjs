// The API key plugin as it is by default: keys are for the auth server's own code, and sign in nobody.
import { apiKey } from "@better-auth/api-key";

export default (options) => ({ ...options, plugins: [...options.plugins, apiKey()] });
