import { once } from "node:events";
import { createServer } from "node:net";

/** Finds ports that nothing listens on at an address, all different. */
export async function freePorts(count: number, address = "127.0.0.1"): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, address));
  try {
    await Promise.all(servers.map((server) => once(server, "listening")));
    return servers.map((server) => (server.address() as { port: number }).port);
  } finally {
    for (const server of servers) server.close();
  }
}
