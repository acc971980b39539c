import type { Decoded, Encodable } from "../schema/codec.js";
import type { LinkLayer } from "./rate.js";
import { wireSize } from "./rate.js";
import type { sizeSpec, sizeTable } from "./tc-schema.js";

/** How a qdisc reckons packets' sizes (tc's "stab"), whatever its kind. */
export interface SizeTable {
  /** Bytes added to each packet. */
  readonly overheadBytes: number;
  /** How sizes on the wire come about. */
  readonly linkLayer: Decoded<typeof sizeSpec>["linkLayer"];
  /** The smallest size that a packet counts as. */
  readonly mpuBytes: number;
  /** The largest packet that the table covers; 0 where there is no table. */
  readonly mtuBytes: number;
  /** How many entries the table has; 0 where only the overhead counts. */
  readonly tableSize: number;
}

/** What to set of a size table. */
export interface SizeTableInput {
  /** Bytes added to each packet; may be negative. */
  readonly overheadBytes?: number | undefined;
  /** Default "ethernet". */
  readonly linkLayer?: LinkLayer | undefined;
  /** The smallest size that a packet counts as; default 0. */
  readonly mpuBytes?: number | undefined;
  /** The largest packet, in bytes; default 2047. */
  readonly mtuBytes?: number | undefined;
  /** How many entries the table has, where one is needed; default 512. */
  readonly tableSize?: number | undefined;
}

type WireTable = Encodable<typeof sizeTable>;

/** The table as the kernel takes it: `__qdisc_calculate_pkt_len` of net/sched/sch_api.c looks sizes up in it. */
export function sizeTableToWire(options: SizeTableInput): WireTable {
  const { overheadBytes = 0, linkLayer = "ethernet", mpuBytes = 0 } = options;
  // Without cells or a smallest size the overhead is all there is to reckon, and the kernel needs no table.
  if (linkLayer === "ethernet" && mpuBytes === 0) return { base: { overheadBytes, linkLayer } };
  const { mtuBytes = 2047, tableSize = 512 } = options;
  let cellLog = 0;
  while (mtuBytes >> cellLog > tableSize - 1) cellLog++;
  const sizes = Array.from({ length: tableSize }, (_, cell) =>
    wireSize(Math.max((cell + 1) << cellLog, mpuBytes), linkLayer),
  );
  let sizeLog = 0;
  while ((sizes.at(-1) ?? 0) >> sizeLog > 0xffff) sizeLog++;
  return {
    base: { cellLog, sizeLog, cellAlign: -1, overheadBytes, linkLayer, mpuBytes, mtuBytes, tableSize },
    data: sizes.map((size) => size >> sizeLog),
  };
}

/** The table as the kernel reports it, which is without its entries. */
export function sizeTableFromWire(wire: Decoded<typeof sizeTable> | undefined): SizeTable | undefined {
  if (!wire?.base) return undefined;
  const { overheadBytes, linkLayer, mpuBytes, mtuBytes, tableSize } = wire.base;
  return { overheadBytes, linkLayer, mpuBytes, mtuBytes, tableSize };
}
