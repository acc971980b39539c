import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchNewerPlugins, referencePlugins } from "../clients/plugins.js";
import type { Subject } from "./bench.js";
import type { Device } from "./place.js";

const bundle = fileURLToPath(new URL("../../../../packages/cni-plugin/bundle/weir", import.meta.url));

const bandwidth = {
  ingressRate: 50_000_000,
  ingressBurst: 1_000_000,
  egressRate: 100_000_000,
  egressBurst: 1_000_000,
};

/** weir, for a pod with a device of one kind. */
export function weir(device: Device): Subject {
  const configuration = { type: "weir", runtimeConfig: { bandwidth } };
  return { title: `weir, ${device}`, executable: bundle, device, configuration };
}

/** The reference `bandwidth` plugin. @param folder that it lies in; @param version for the title */
export function referenceBandwidth(folder: string, version: string, device: Device): Subject {
  return {
    title: `bandwidth ${version}, ${device}`,
    executable: join(folder, "bandwidth"),
    device,
    configuration: { type: "bandwidth", runtimeConfig: { bandwidth } },
  };
}

/** The reference `tuning` plugin, which sets the device's MTU. @param folder that it lies in; @param version for the title */
export function referenceTuning(folder: string, version: string, device: Device): Subject {
  return {
    title: `tuning ${version}, ${device}`,
    executable: join(folder, "tuning"),
    device,
    configuration: { type: "tuning", mtu: 1400, dataDir: "/run/cni-conformance/tuning" },
  };
}

/** weir and the reference plugins beside it, as docs/cni-conformance.md shows them. */
export async function compared(): Promise<Subject[]> {
  const newer = await fetchNewerPlugins();
  return [
    weir("ipvlan"),
    weir("veth"),
    referenceBandwidth(referencePlugins, "1.1.1", "veth"),
    referenceBandwidth(newer, "1.9.1", "veth"),
    referenceBandwidth(newer, "1.9.1", "ipvlan"),
    referenceTuning(referencePlugins, "1.1.1", "veth"),
    referenceTuning(newer, "1.9.1", "veth"),
  ];
}
