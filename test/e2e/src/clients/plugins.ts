import { mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where Debian's containernetworking-plugins are. */
const REFERENCE_PLUGINS = "/usr/lib/cni";

/** The bundled weir. */
export const weir = fileURLToPath(new URL("../../../../packages/cni-plugin/bundle/weir", import.meta.url));

/** Makes a folder as /opt/cni/bin is on a node: the reference plugins and, by a symbolic link, weir. */
export function installPlugins(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(REFERENCE_PLUGINS))
    symlinkSync(join(REFERENCE_PLUGINS, name), join(folder, name));
  symlinkSync(weir, join(folder, "weir"));
  return folder;
}

/** The conflist of an ipvlan network and of a bridge network, each with weir after the plugin that makes the device. */
export function conflists(options: {
  uplink: string;
  cniVersion: string;
}): Record<"ipvlan" | "bridge", object> {
  const { uplink, cniVersion } = options;
  const shaping = { type: "weir", capabilities: { bandwidth: true } };
  const hostLocal = (subnet: string, more: object = {}) => ({
    ipam: { type: "host-local", dataDir: "/run/weir-clients/ipam", ranges: [[{ subnet, ...more }]] },
  });
  return {
    ipvlan: {
      cniVersion,
      name: "pods",
      plugins: [
        {
          type: "ipvlan",
          master: uplink,
          mode: "l2",
          ...hostLocal("172.51.0.0/16", { rangeStart: "172.51.1.200", rangeEnd: "172.51.1.250" }),
        },
        shaping,
      ],
    },
    bridge: {
      cniVersion,
      name: "bridged",
      plugins: [{ type: "bridge", bridge: "cni0", isGateway: true, ...hostLocal("10.88.0.0/16") }, shaping],
    },
  };
}
