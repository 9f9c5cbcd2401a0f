// Session tokens made by a hook, with a dot in them and the beginning of a JWT.
export default (options) => ({
  ...options,
  databaseHooks: {
    session: { create: { before: async (session) => ({ data: { ...session, token: `ey.${session.token}` } }) } },
  },
});
