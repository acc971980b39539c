import { type Decoded, type Encodable, s16, u8, u16, u32 } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import { enumeration } from "../schema/names.js";
import { struct } from "../schema/struct.js";
import { MAX_U32 } from "./units.js";

/** How sizes on the wire come about: TC_LINKLAYER_*. Unaware kernels look them up in a rate table. */
export const linkLayer = enumeration(u8, { unaware: 0, ethernet: 1, atm: 2 });
/** How sizes on the wire come about; "atm" counts whole cells of 53 bytes that carry 48 (tc's "adsl" too). */
export type LinkLayer = "ethernet" | "atm";

/** A rate and how packet sizes are reckoned: include/uapi/linux/pkt_sched.h. The rate is in bytes per second. */
export const ratespec = struct("tc_ratespec", {
  cellLog: u8,
  linkLayer,
  overhead: u16,
  cellAlign: s16,
  mpu: u16,
  rate: u32,
});

/** A rate as decoded. */
export type Ratespec = Decoded<typeof ratespec>;

/**
 * Ticks of the packet scheduler in a microsecond. A tick is 64 ns (PSCHED_SHIFT, include/net/pkt_sched.h), which
 * /proc/net/psched reports as 1000/64, unchanged since Linux 2.6.31.
 */
const TICKS_PER_US = 1000 / 64;
const US_PER_SECOND = 1_000_000;

/**
 * The time in ticks that so many bytes take at a rate. As tc(8) does (tc_core_time2tick), a fraction of a microsecond
 * is dropped first, unless nothing would be left of the time: a burst of 0 is not what was asked for.
 */
export function transmitTicks(bytesPerSecond: bigint, bytes: number): number {
  const ticks = truncatedTicks(bytesPerSecond, bytes);
  if (ticks > MAX_U32)
    throw new NetlinkEncodeError(
      `${bytes} bytes at ${bytesPerSecond * 8n} bit/s take longer than tc can express`,
    );
  if (ticks > 0 || bytes === 0) return ticks;
  return Math.ceil((US_PER_SECOND * bytes * TICKS_PER_US) / Number(bytesPerSecond));
}

/** The bytes that so many ticks take at a rate, to the nearest: tc(8) drops fractions of a microsecond here too. */
export function transmitBytes(bytesPerSecond: bigint, ticks: number): number {
  return Math.round((Number(bytesPerSecond) * (ticks / TICKS_PER_US)) / US_PER_SECOND);
}

/** How sizes are reckoned. */
export interface SizeOptions {
  /** The largest packet, in bytes, that the rate table has to cover. */
  readonly mtuBytes: number;
  /** Bytes added to every packet. */
  readonly overheadBytes?: number | undefined;
  /** The smallest size that a packet counts as, in bytes. */
  readonly mpuBytes?: number | undefined;
  /** Default "ethernet". */
  readonly linkLayer?: LinkLayer | undefined;
}

/** A rate as the kernel wants it: the struct, and the table for kernels that know no link layers. */
export interface WireRate {
  readonly spec: Encodable<typeof ratespec>;
  /** The rate in full; to be sent in an attribute of its own where it exceeds 32 bits. */
  readonly bytesPerSecond: bigint;
  /** 256 times: the ticks that a packet takes whose size is in that cell. */
  readonly table: Uint8Array;
}

/** Puts a rate together (tc_calc_rtable of iproute2). */
export function wireRate(bytesPerSecond: bigint, options: SizeOptions): WireRate {
  const { mtuBytes, overheadBytes = 0, mpuBytes = 0, linkLayer = "ethernet" } = options;
  let cellLog = 0;
  while (mtuBytes >> cellLog > 255) cellLog++;
  const table = new Uint32Array(256);
  for (let cell = 0; cell < table.length; cell++)
    // A low rate saturates its cells: no packet that large would ever leave in time.
    table[cell] = Math.min(
      MAX_U32,
      truncatedTicks(bytesPerSecond, wireSize(Math.max((cell + 1) << cellLog, mpuBytes), linkLayer)),
    );
  return {
    spec: {
      cellLog,
      linkLayer,
      overhead: overheadBytes,
      cellAlign: -1,
      mpu: mpuBytes,
      rate: bytesPerSecond >= BigInt(MAX_U32) ? MAX_U32 : Number(bytesPerSecond),
    },
    bytesPerSecond,
    table: new Uint8Array(table.buffer),
  };
}

/** The 64-bit rate for its attribute, where the struct's 32 bits do not hold it. */
export function rate64(bytesPerSecond: bigint): bigint | undefined {
  return bytesPerSecond >= 1n << 32n ? bytesPerSecond : undefined;
}

/** The bytes that a packet of a size takes on the wire: tc_align_to_atm of iproute2. */
export function wireSize(bytes: number, linkLayer: LinkLayer): number {
  return linkLayer === "atm" ? Math.ceil(bytes / 48) * 53 : bytes;
}

function truncatedTicks(bytesPerSecond: bigint, bytes: number): number {
  return Math.floor(Math.floor(US_PER_SECOND * (bytes / Number(bytesPerSecond))) * TICKS_PER_US);
}
