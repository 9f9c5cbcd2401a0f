// A base URL for each host by which the server is reached.
export default (options) => ({
  ...options,
  baseURL: { allowedHosts: ["127.0.0.1:*", "*.example.com"], protocol: "http" },
});
