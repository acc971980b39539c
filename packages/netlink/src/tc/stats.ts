import { type AttributesOf, attributes } from "../schema/attributes.js";
import { binary, type Decoded, lazy, u32, u64 } from "../schema/codec.js";
import { struct } from "../schema/struct.js";
import { subMessage } from "../schema/sub-message.js";
import { fqStats } from "./fq.js";
import { htbXstats } from "./htb.js";
import { cakeXstats } from "./kinds/cake.js";
import { codelXstats, fqCodelXstats } from "./kinds/codel.js";
import { sfqXstats } from "./kinds/sfq.js";

/** What went through: include/uapi/linux/gen_stats.h. */
export const basicStats = struct("gnet_stats_basic", { bytes: u64, packets: u32 });
/** What waits and what went wrong. */
export const queueStats = struct("gnet_stats_queue", {
  queueLength: u32,
  backlogBytes: u32,
  drops: u32,
  requeues: u32,
  overlimits: u32,
});
/** Estimated rates. */
export const rateEstimate = struct("gnet_stats_rate_est", { bytesPerSecond: u32, packetsPerSecond: u32 });
/** Estimated rates, in 64 bits. */
export const rateEstimate64 = struct("gnet_stats_rate_est64", { bytesPerSecond: u64, packetsPerSecond: u64 });

/** The older, smaller counters. */
export const tcStats = struct("tc_stats", {
  bytes: u64,
  packets: u32,
  drops: u32,
  overlimits: u32,
  bytesPerSecond: u32,
  packetsPerSecond: u32,
  queueLength: u32,
  backlogBytes: u32,
});

/** Counters particular to a kind, by TCA_KIND. */
export const xstatsKinds = {
  cake: lazy(cakeXstats),
  codel: codelXstats,
  fq: fqStats,
  fq_codel: fqCodelXstats,
  htb: htbXstats,
  sfq: sfqXstats,
} as const;

/** Counters of qdiscs, classes and actions: enum TCA_STATS_*. */
export const stats2 = attributes({
  basic: [1, "TCA_STATS_BASIC", basicStats],
  rate: [2, "TCA_STATS_RATE_EST", rateEstimate],
  queue: [3, "TCA_STATS_QUEUE", queueStats],
  app: [4, "TCA_STATS_APP", subMessage("kind", xstatsKinds)],
  rate64: [5, "TCA_STATS_RATE_EST64", rateEstimate64],
  hardware: [7, "TCA_STATS_BASIC_HW", basicStats],
  packets64: [8, "TCA_STATS_PKT64", u64],
  padding: [6, "TCA_STATS_PAD", binary],
});

/** Counters of a qdisc or class since it was made. */
export interface TcStats {
  readonly bytes: bigint;
  readonly packets: bigint;
  readonly drops: number;
  readonly overlimits: number;
  readonly requeues: number;
  /** Packets that wait now. */
  readonly queueLength: number;
  /** Bytes that wait now. */
  readonly backlogBytes: number;
  /** What an estimator found, where there is one. */
  readonly estimate?: { readonly bitsPerSecond: bigint; readonly packetsPerSecond: bigint } | undefined;
  /** What of it the device's own hardware sent. */
  readonly hardware?: { readonly bytes: bigint; readonly packets: bigint } | undefined;
}

/** The counters in one piece. */
export function statsOf(
  wire: AttributesOf<(typeof stats2)["declarations"]> | undefined,
): TcStats | undefined {
  if (!wire) return undefined;
  const { basic, queue, packets64, rate, rate64, hardware } = wire;
  const estimate = rate64 ?? rate;
  return {
    bytes: basic?.bytes ?? 0n,
    packets: packets64 ?? BigInt(basic?.packets ?? 0),
    drops: queue?.drops ?? 0,
    overlimits: queue?.overlimits ?? 0,
    requeues: queue?.requeues ?? 0,
    queueLength: queue?.queueLength ?? 0,
    backlogBytes: queue?.backlogBytes ?? 0,
    ...(estimate
      ? {
          estimate: {
            bitsPerSecond: BigInt(estimate.bytesPerSecond) * 8n,
            packetsPerSecond: BigInt(estimate.packetsPerSecond),
          },
        }
      : {}),
    ...(hardware ? { hardware: { bytes: hardware.bytes, packets: BigInt(hardware.packets) } } : {}),
  };
}

/** Counters particular to a kind. */
export type XstatsOf<K extends keyof typeof xstatsKinds> = Decoded<(typeof xstatsKinds)[K]>;
