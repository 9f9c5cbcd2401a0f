// A server without a database: users and sessions are in its memory, and sessions also in their session_data cookie.
export default (options) => {
  const { cookieCache, ...session } = options.session; // Better Auth has defaults of its own without a database.
  return { ...options, database: undefined, session };
};
