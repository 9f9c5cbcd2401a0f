// Organizations in JWTs and with API keys, as docs/organizations.md says.
import { apiKey } from "@better-auth/api-key";
import { jwt } from "better-auth/plugins";

export default (options) => {
  let auth; // In an application, what betterAuth returns.
  const context = { id: "context", init: (initialized) => { auth = { $context: initialized }; } };

  const plugins = [
    jwt({
      jwt: {
        definePayload: async ({ user }) => {
          const { adapter } = await auth.$context;
          const members = await adapter.findMany({ model: "member", where: [{ field: "userId", value: user.id }] });
          return { ...user, orgs: Object.fromEntries(members.map((member) => [member.organizationId, member.role])) };
        },
      },
    }),
    apiKey({
      enableSessionForAPIKeys: true,
      customAPIKeyValidator: ({ ctx }) =>
        [
          "/get-session", "/api-key/get",
          "/organization/list", "/organization/get-active-member-role", "/organization/list-members",
        ].includes(ctx.path),
      rateLimit: { timeWindow: 60_000, maxRequests: 1000 },
    }),
  ];
  return { ...options, plugins: [...options.plugins, ...plugins, context] };
};
