import type { Limits } from "../limits.js";
import type { Shaper } from "../shaper.js";

const limits = (bitsPerSecond: bigint, ...unshapedSubnets: string[]): Limits => ({
  egress: { bitsPerSecond },
  ingress: { bitsPerSecond },
  unshapedSubnets,
});
const eth0 = { id: "crash/eth0", device: "eth0" };
const net1 = { id: "crash/net1", device: "net1" };

/** Both interfaces, of one aggregate. */
export const pair: readonly string[] = [eth0.id, net1.id];

/** Gives a pod's interfaces eth0 and net1 one limit together. */
export function shareLimit(shaper: Shaper, netns: string): void {
  for (const each of [eth0, net1]) {
    shaper.apply({ ...each, netns, aggregate: "pod" }, limits(5_000_000n, "192.0.2.0/24", "fd00::/8"));
  }
}

/** What may be changed then. */
export const aggregateOperations: readonly {
  name: string;
  run: (shaper: Shaper, netns: string) => void;
}[] = [
  {
    name: "a change of an aggregate's limit",
    run: (shaper, netns) =>
      shaper.apply({ ...eth0, netns, aggregate: "pod" }, limits(7_000_000n, "198.51.100.0/24")),
  },
  {
    name: "a move into another aggregate",
    run: (shaper, netns) => shaper.apply({ ...eth0, netns, aggregate: "other" }, limits(7_000_000n)),
  },
  {
    name: "a parting from an aggregate",
    run: (shaper, netns) => shaper.apply({ ...eth0, netns }, limits(7_000_000n, "198.51.100.0/24")),
  },
  {
    name: "a removal from an aggregate",
    run: (shaper) => shaper.remove(eth0.id),
  },
];
