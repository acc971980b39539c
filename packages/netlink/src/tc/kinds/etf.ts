import { attributes } from "../../schema/attributes.js";
import { type Decoded, type Encodable, once, s32, u32 } from "../../schema/codec.js";
import { enumeration, flags } from "../../schema/names.js";
import { struct } from "../../schema/struct.js";

/** The earliest-TxTime-first qdisc's parameters: include/uapi/linux/pkt_sched.h. */
export const etfQopt = struct("tc_etf_qopt", {
  /** How long before its time a packet is handed to the device, in nanoseconds. */
  deltaNs: s32,
  /** The clock of the packets' times: CLOCK_* of include/uapi/linux/time.h. The kernel takes "tai" alone. */
  clock: enumeration(s32, { realtime: 0, monotonic: 1, monotonicRaw: 4, boottime: 7, tai: 11 }),
  flags: flags(u32, { deadlineMode: 1, offload: 2, skipSockCheck: 4 }),
});

/** The etf qdisc on the wire: enum TCA_ETF_*. */
export const etfAttributes = once(() => attributes({ parms: [1, "TCA_ETF_PARMS", etfQopt] }));

/** The etf qdisc's parameters as the kernel reports them. */
export type EtfOptions = Decoded<typeof etfQopt>;
/** The etf qdisc's parameters to set. The clock is "tai" unless given. */
export type EtfOptionsInput = Encodable<typeof etfQopt>;

type Wire = ReturnType<typeof etfAttributes>;

/** The options as the kernel takes them. */
export function etfToWire(options: EtfOptionsInput): Encodable<Wire> {
  return { parms: { ...options, clock: options.clock ?? "tai" } };
}

/** The options as the kernel reports them. */
export function etfFromWire(wire: Decoded<Wire>): EtfOptions | undefined {
  return wire.parms;
}
