// Session tokens made by a hook: Better Auth's own with a prefix.
export default (options) => ({
  ...options,
  databaseHooks: {
    session: { create: { before: async (session) => ({ data: { ...session, token: `sess_${session.token}` } }) } },
  },
});
