import { mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchPackages, type Progress } from "@weir/test-vm";

/** Where this machine's containernetworking-plugins are: 1.1.1, which speak CNI up to 1.0.0. */
export const referencePlugins = "/usr/lib/cni";

/** Fetches those of forky, 1.9.1, which speak 1.1.0. @returns their folder */
export async function fetchNewerPlugins(progress?: Progress): Promise<string> {
  const folder = await fetchPackages("forky", ["containernetworking-plugins"], progress ? { progress } : {});
  return join(folder, "usr/lib/cni");
}

/** The bundled weir. */
export const weir = fileURLToPath(new URL("../../../../packages/cni-plugin/bundle/weir", import.meta.url));

/** Makes a folder as /opt/cni/bin is on a node: the reference plugins and, by a symbolic link, weir. */
export function installPlugins(folder: string, reference = referencePlugins): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(reference)) symlinkSync(join(reference, name), join(folder, name));
  symlinkSync(weir, join(folder, "weir"));
  return folder;
}

/** A conflist, as far as clients look at it. */
export interface Conflist {
  cniVersion: string;
  name: string;
  plugins: object[];
}

/**
 * The conflist of an ipvlan network and of a bridge network, each with weir after the plugin that makes the device.
 * @param options.limits written into weir's entry; without them weir takes what the runtime says
 */
export function conflists(options: {
  uplink: string;
  cniVersion: string;
  limits?: { egressRate?: number; ingressRate?: number };
}): Record<"ipvlan" | "bridge", Conflist> {
  const { uplink, cniVersion, limits } = options;
  const shaping = { type: "weir", ...(limits ?? { capabilities: { bandwidth: true } }) };
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
