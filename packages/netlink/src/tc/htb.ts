import { attributes } from "../schema/attributes.js";
import { binary, type Decoded, type Encodable, present, u32, u64 } from "../schema/codec.js";
import { struct } from "../schema/struct.js";
import { type LinkLayer, rate64, ratespec, transmitBytes, transmitTicks, wireRate } from "./rate.js";
import { toBytesPerSecond } from "./units.js";

/** A class's parameters; `buffer` and `cbuffer` are times in ticks. */
export const htbOpt = struct("tc_htb_opt", {
  rate: ratespec,
  ceil: ratespec,
  buffer: u32,
  cbuffer: u32,
  quantum: u32,
  level: u32,
  priority: u32,
});

/** The qdisc's parameters. */
export const htbGlob = struct("tc_htb_glob", {
  version: u32,
  rate2quantum: u32,
  defaultClass: u32,
  debug: u32,
  directPackets: u32,
});

/** A class's own counters; tokens are in ticks. */
export const htbXstats = struct("tc_htb_xstats", {
  lends: u32,
  borrows: u32,
  giants: u32,
  tokens: u32,
  ctokens: u32,
});

/** The htb qdisc and its classes on the wire: enum TCA_HTB_*. */
export const htbAttributes = attributes({
  parms: [1, "TCA_HTB_PARMS", htbOpt],
  init: [2, "TCA_HTB_INIT", htbGlob],
  ceilTable: [3, "TCA_HTB_CTAB", binary],
  rateTable: [4, "TCA_HTB_RTAB", binary],
  directQueueLength: [5, "TCA_HTB_DIRECT_QLEN", u32],
  rate64: [6, "TCA_HTB_RATE64", u64],
  ceil64: [7, "TCA_HTB_CEIL64", u64],
  offload: [9, "TCA_HTB_OFFLOAD", present],
});

/** The htb qdisc. */
export interface HtbOptions {
  /** The minor number of the class for packets that no filter sends elsewhere; 0 lets them pass unshaped. */
  readonly defaultClass: number;
  /** A class's quantum is its rate in bytes per second divided by this; default 10. */
  readonly rateToQuantum: number;
  /** Packets that may wait outside all classes. */
  readonly directQueueLength?: number | undefined;
  /** Packets that went past all classes, since the qdisc was made. */
  readonly directPackets?: number | undefined;
}
/** What to set on an htb qdisc. */
export type HtbOptionsInput = Partial<Omit<HtbOptions, "directPackets">>;

/** A class of htb. */
export interface HtbClassOptions {
  /** What the class has for itself. */
  readonly rateBitsPerSecond: bigint;
  /** What it may use at most, borrowing from its parent; default the rate. */
  readonly ceilBitsPerSecond: bigint;
  /** What may go out at once at the rate; default as tc(8) reckons it, a packet and a little. */
  readonly burstBytes: number;
  /** What may go out at once at the ceiling. */
  readonly ceilBurstBytes: number;
  /** Bytes that the class may send in its turn; 0 or absent: the rate divided by rateToQuantum. */
  readonly quantumBytes?: number | undefined;
  /** 0 to 7; lower ones borrow first. */
  readonly priority: number;
  /** 0 for a class without children. */
  readonly level: number;
  /** Bytes added to each packet. */
  readonly overheadBytes: number;
  /** The smallest size that a packet counts as, in bytes. */
  readonly mpuBytes: number;
  /** How sizes on the wire come about. */
  readonly linkLayer: LinkLayer | "unaware" | number;
}
/** What to set on a class of htb. */
export interface HtbClassOptionsInput {
  readonly rateBitsPerSecond: bigint | number;
  readonly ceilBitsPerSecond?: bigint | number | undefined;
  readonly burstBytes?: number | undefined;
  readonly ceilBurstBytes?: number | undefined;
  readonly quantumBytes?: number | undefined;
  readonly priority?: number | undefined;
  /** The largest packet, in bytes; default 1600 as tc(8) has it. */
  readonly mtuBytes?: number | undefined;
  readonly overheadBytes?: number | undefined;
  readonly mpuBytes?: number | undefined;
  /** How sizes on the wire come about; default "ethernet". */
  readonly linkLayer?: LinkLayer | undefined;
}

/** The qdisc's options as the kernel takes them. */
export function htbToWire(options: HtbOptionsInput): Encodable<typeof htbAttributes> {
  return {
    // TC_HTB_PROTOVER: the kernel takes version 3 and reports 0x30011.
    init: { version: 3, rate2quantum: options.rateToQuantum ?? 10, defaultClass: options.defaultClass ?? 0 },
    directQueueLength: options.directQueueLength,
  };
}

/** The qdisc's options as the kernel reports them. */
export function htbFromWire(wire: Decoded<typeof htbAttributes>): HtbOptions | undefined {
  const { init, directQueueLength } = wire;
  if (!init) return undefined;
  return {
    defaultClass: init.defaultClass,
    rateToQuantum: init.rate2quantum,
    directQueueLength,
    directPackets: init.directPackets,
  };
}

/** A class's options as the kernel takes them. */
export function htbClassToWire(options: HtbClassOptionsInput): Encodable<typeof htbAttributes> {
  const { mtuBytes = 1600, overheadBytes, mpuBytes, linkLayer } = options;
  const sizes = { mtuBytes, overheadBytes, mpuBytes, linkLayer };
  const rate = wireRate(toBytesPerSecond(options.rateBitsPerSecond), sizes);
  const ceil = wireRate(toBytesPerSecond(options.ceilBitsPerSecond ?? options.rateBitsPerSecond), sizes);
  // tc(8) divides by the timer's resolution, which is 10^9 a second wherever there are high-resolution timers.
  const burst = options.burstBytes ?? Number(rate.bytesPerSecond / 1_000_000_000n) + mtuBytes;
  const ceilBurst = options.ceilBurstBytes ?? Number(ceil.bytesPerSecond / 1_000_000_000n) + mtuBytes;
  return {
    rate64: rate64(rate.bytesPerSecond),
    ceil64: rate64(ceil.bytesPerSecond),
    parms: {
      rate: rate.spec,
      ceil: ceil.spec,
      buffer: transmitTicks(rate.bytesPerSecond, burst),
      cbuffer: transmitTicks(ceil.bytesPerSecond, ceilBurst),
      quantum: options.quantumBytes ?? 0,
      priority: options.priority ?? 0,
    },
    rateTable: rate.table,
    ceilTable: ceil.table,
  };
}

/** A class's options as the kernel reports them. */
export function htbClassFromWire(wire: Decoded<typeof htbAttributes>): HtbClassOptions | undefined {
  const { parms } = wire;
  if (!parms) return undefined;
  const rate = wire.rate64 ?? BigInt(parms.rate.rate);
  const ceil = wire.ceil64 ?? BigInt(parms.ceil.rate);
  return {
    rateBitsPerSecond: rate * 8n,
    ceilBitsPerSecond: ceil * 8n,
    burstBytes: transmitBytes(rate, parms.buffer),
    ceilBurstBytes: transmitBytes(ceil, parms.cbuffer),
    quantumBytes: parms.quantum,
    priority: parms.priority,
    level: parms.level,
    overheadBytes: parms.rate.overhead,
    mpuBytes: parms.rate.mpu,
    linkLayer: parms.rate.linkLayer,
  };
}
