import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Passes connections on to a server, until it is cut. */
export interface Wire {
  http: string;
  ws: string;
  /** Where connections lead to. */
  target: string;
  /** How many connections are open over which something was sent. (Node's fetch opens another one after each that it aborts.) */
  readonly open: number;
  /** Breaks all connections, and refuses new ones until it is mended. */
  cut(): void;
  mend(): void;
  /** Loses all that is sent over the open connections, and doesn't say so. */
  silence(): void;
}

export async function stretchWire(target: string): Promise<Wire> {
  const [all, open] = [new Set<Socket>(), new Set<Socket>()];
  const servers = new WeakMap<Socket, Socket>();
  let broken = false;
  const relay = createServer((client) => {
    if (broken) return void client.destroy();
    const { hostname, port } = new URL(wire.target);
    const server = connect(Number(port), hostname);
    all.add(client);
    servers.set(client, server);
    client.once("data", () => open.add(client));
    for (const [one, other] of [[client, server], [server, client]] as const) {
      one.on("error", () => {});
      one.on("close", () => {
        all.delete(client);
        open.delete(client);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((listening) => relay.listen(0, "127.0.0.1", listening));
  relay.unref();
  const address = `127.0.0.1:${(relay.address() as AddressInfo).port}${new URL(target).pathname}`;
  const wire: Wire = {
    http: `http://${address}`, ws: `ws://${address}`, target,
    get open() { return open.size; },
    cut() {
      broken = true;
      for (const client of all) client.destroy();
    },
    mend: () => (broken = false),
    silence: () => open.forEach((client) => servers.get(client)!.unpipe().pause()),
  };
  return wire;
}
