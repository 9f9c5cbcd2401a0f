// Session tokens made by a hook: UUIDs.
export default (options) => ({
  ...options,
  databaseHooks: {
    session: { create: { before: async (session) => ({ data: { ...session, token: crypto.randomUUID() } }) } },
  },
});
