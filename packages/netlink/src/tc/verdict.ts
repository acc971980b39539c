import { s32, u32, u64 } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import { enumeration } from "../schema/names.js";
import { struct } from "../schema/struct.js";

/** What becomes of a packet: TC_ACT_* of include/uapi/linux/pkt_cls.h. */
export const verdict = enumeration(s32, {
  unspec: -1,
  ok: 0,
  reclassify: 1,
  shot: 2,
  pipe: 3,
  stolen: 4,
  queued: 5,
  repeat: 6,
  redirect: 7,
  trap: 8,
});

/** What becomes of a packet: a name, or the number that {@link gotoChain} or {@link jump} gives. */
export type Verdict = keyof (typeof verdict)["names"] | number;

/** The verdict "go on with the filters of that chain". */
export function gotoChain(chain: number): number {
  return extended(2, chain);
}

/** The verdict "skip so many of the actions that follow". */
export function jump(actions: number): number {
  return extended(1, actions);
}

// __TC_ACT_EXT: an opcode in the upper 4 bits, and its value.
function extended(opcode: number, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= 1 << 28)
    throw new NetlinkEncodeError(`${value} is not a number below 2^28`);
  return (opcode << 28) | value;
}

/** When an action was made and used, in hundredths of a second ago. */
export const actionTimes = struct("tcf_t", { install: u64, lastUse: u64, expires: u64, firstUse: u64 });

/** The fields that every action's struct starts with: tc_gen of include/uapi/linux/pkt_cls.h. */
export const actionFields = {
  index: u32,
  capabilities: u32,
  action: verdict,
  references: s32,
  bindings: s32,
} as const;
