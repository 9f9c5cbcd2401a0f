import type { NextConfig } from "next";

const config: NextConfig = {
  // Browsers know one origin: its cookie signs them in at the API, too.
  async rewrites() {
    const api = process.env["API_ORIGIN"];
    if (!api) throw new Error("API_ORIGIN is missing: the API's address, such as https://api-production-xxxx.up.railway.app");
    return ["/graphql", "/graphql/ticket"].map((path) => ({ source: path, destination: api + path }));
  },
  serverExternalPackages: ["@libsql/kysely-libsql"], // it loads a binary
};

export default config;
