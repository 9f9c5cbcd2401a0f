// customSession that fails for users by their names.
import { APIError } from "better-auth/api";
import { customSession } from "better-auth/plugins";

export default (options) => ({
  ...options,
  plugins: [
    ...options.plugins,
    customSession(async ({ user, session }) => {
      switch (user.name) {
        case "throws":
          throw new Error("no subscription");
        case "unauthorized":
          throw new APIError("UNAUTHORIZED", { code: "NO_SUBSCRIPTION", message: "Subscribe first." });
        case "forbidden":
          throw new APIError("FORBIDDEN");
        case "nothing":
          return undefined;
        case "slow":
          await new Promise((resolve) => setTimeout(resolve, 30000).unref());
      }
      return { user, session };
    }),
  ],
});
