import { directions, type Limits } from "@weir/shaper";
import type { Planner } from "../place/planner.js";

/** A planner that knows rates and `markMs`: the plugin's own is the one of another package. */
export const testPlanner: Planner = (text, { containerId, ifname, netns, pod }) => {
  const { name, markMs, runtimeConfig, egressRate } = JSON.parse(text) as {
    name: string;
    markMs?: number;
    egressRate?: number;
    runtimeConfig?: { bandwidth: { [name: string]: number } };
  };
  const bandwidth = egressRate === undefined ? runtimeConfig?.bandwidth : { egressRate };
  if (!bandwidth) return undefined;
  const limits: Limits = {};
  for (const direction of directions) {
    const rate = bandwidth[`${direction}Rate`];
    if (rate !== undefined) {
      limits[direction] = { bitsPerSecond: BigInt(rate), ...(markMs === undefined ? {} : { markMs }) };
    }
  }
  return {
    attachment: {
      id: `${containerId}/${ifname}`,
      netns,
      device: ifname,
      network: name,
      ...(pod ? { pod } : {}),
      ...(egressRate === undefined ? {} : { fixed: true }),
    },
    limits,
  };
};
