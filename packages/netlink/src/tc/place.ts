import { NetlinkEncodeError } from "../schema/errors.js";
import { MAGIC_BLOCK } from "./filter.js";
import { type FilterParent, filterParent, formatHandle } from "./handle.js";

/** Where filters and chains are: at a place of a device, or in a block that several devices share. */
export type FilterPlace =
  | {
      /** The device. */
      readonly index: number;
      readonly parent: FilterParent;
      readonly block?: undefined;
    }
  | {
      /** The block's number, as clsact and ingress qdiscs name it (`ingressBlock`, `egressBlock`). */
      readonly block: number;
      readonly index?: undefined;
      readonly parent?: undefined;
    };

/** A place as the header of messages has it. */
export function placeHeader({ index, parent, block }: FilterPlace): { index: number; parent: number } {
  if (block === undefined) return { index, parent: filterParent(parent) };
  if (!Number.isInteger(block) || block <= 0 || block > 0xffff_ffff)
    throw new NetlinkEncodeError(`${block} is not the number of a block`);
  return { index: MAGIC_BLOCK, parent: block };
}

/** A place as sentences have it: "at egress of device 2", "in block 7". */
export function describePlace({ index, parent, block }: FilterPlace): string {
  if (block !== undefined) return `in block ${block}`;
  const number = filterParent(parent);
  const side = (["egress", "ingress"] as const).find((one) => filterParent(one) === number);
  return `at ${side ?? formatHandle(number)} of device ${index}`;
}
