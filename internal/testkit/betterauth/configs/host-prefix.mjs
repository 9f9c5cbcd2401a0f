// All cookies with names that no other host of the domain can set.
export default (options) => ({
  ...options,
  advanced: {
    ...options.advanced,
    useSecureCookies: false, // It would put __Secure- in front.
    cookiePrefix: "__Host-acme",
    defaultCookieAttributes: { secure: true },
  },
});
