import { type Limits, Shaper } from "@weir/shaper";

/** What is known of a container's interface eth0, and what the kernel has otherwise. */
export function shaping(containerId: string): { limits: Limits; problems: unknown[] } {
  using shaper = Shaper.open();
  const { limits, problems } = shaper.inspect(`${containerId}/eth0`);
  return { limits, problems };
}

/** How many interfaces are shaped. */
export function shapedCount(): number {
  using shaper = Shaper.open();
  return shaper.list().length;
}

/** A limit as the shaper gives it. */
export const rate = (bitsPerSecond: number) => ({ bitsPerSecond: BigInt(bitsPerSecond) });
