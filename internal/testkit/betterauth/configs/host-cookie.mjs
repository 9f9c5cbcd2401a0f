// A session cookie that no other host of the domain can set.
export default (options) => ({
  ...options,
  advanced: {
    ...options.advanced,
    useSecureCookies: false, // It would put __Secure- in front.
    cookies: { session_token: { name: "__Host-session", attributes: { secure: true } } },
  },
});
