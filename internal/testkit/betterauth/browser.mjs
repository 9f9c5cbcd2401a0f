// What a browser does and Node's fetch doesn't: it keeps the cookies and names its origin.

/** Returns a fetch function with a jar of cookies for pages of the server at baseURL. */
export function browser(baseURL) {
  const jar = new Map();
  const browserFetch = async (url, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("origin", new URL(baseURL).origin);
    if (jar.size) headers.set("cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    const response = await fetch(url, { ...init, headers });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split("; ");
      const cut = pair.indexOf("=");
      if (attributes.some((a) => a.toLowerCase() === "max-age=0")) jar.delete(pair.slice(0, cut));
      else jar.set(pair.slice(0, cut), pair.slice(cut + 1));
    }
    return response;
  };
  return { jar, fetch: browserFetch };
}
