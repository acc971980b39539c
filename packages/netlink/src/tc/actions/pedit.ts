import { attributes, repeated } from "../../schema/attributes.js";
import { once, s32, u8, u16, u32, u32be } from "../../schema/codec.js";
import { enumeration } from "../../schema/names.js";
import { struct, structThenArray } from "../../schema/struct.js";
import type { ActionInput } from "../action.js";
import { actionFields, actionTimes, type Verdict } from "../verdict.js";

/** One change of 32 bits of a packet: they become (old & mask) ^ value. */
export const peditKey = struct("tc_pedit_key", {
  mask: u32be,
  value: u32be,
  offset: s32,
  at: u32,
  offsetMask: u32,
  shift: u32,
});
/** The changes' number, before them. */
export const peditSelector = struct("tc_pedit_sel", { ...actionFields, keyCount: u8, flags: u8 });

/** Where a key's offset counts from, and how it changes the bits: enum TCA_PEDIT_KEY_EX_*. */
export const peditKeyEx = once(() =>
  attributes({
    header: [
      1,
      "TCA_PEDIT_KEY_EX_HTYPE",
      enumeration(u16, { network: 0, eth: 1, ip4: 2, ip6: 3, tcp: 4, udp: 5 }),
    ],
    command: [2, "TCA_PEDIT_KEY_EX_CMD", enumeration(u16, { set: 0, add: 1 })],
  }),
);
/** A nest of as many TCA_PEDIT_KEY_EX as there are keys. */
export const peditKeysEx = once(() => attributes({ keys: [6, "TCA_PEDIT_KEY_EX", repeated(peditKeyEx())] }));

/** pedit: enum TCA_PEDIT_* of include/uapi/linux/tc_act/tc_pedit.h. */
export const peditAttributes = once(() => {
  const selector = structThenArray(peditSelector, "keys", peditKey);
  return attributes({
    times: [1, "TCA_PEDIT_TM", actionTimes],
    parms: [2, "TCA_PEDIT_PARMS", selector],
    parmsEx: [4, "TCA_PEDIT_PARMS_EX", selector],
    keysEx: [5, "TCA_PEDIT_KEYS_EX", peditKeysEx()],
  });
});

/** A change of 32 bits of a packet. */
export interface PeditKey {
  /** The bits that stay. */
  readonly mask: number;
  /** The bits that are set, or what is added. */
  readonly value: number;
  /** Bytes from the header's start, a multiple of 4. */
  readonly offset: number;
  /** Where the offset counts from; default "network". */
  readonly header?: "network" | "eth" | "ip4" | "ip6" | "tcp" | "udp" | undefined;
  /** Default "set". */
  readonly command?: "set" | "add" | undefined;
}

/** Changes packets, 32 bits at a time. Checksums are not made right: that is the csum action's work. */
export function pedit(options: {
  readonly keys: readonly PeditKey[];
  /** Default "pipe". */
  readonly action?: Verdict | undefined;
  readonly index?: number | undefined;
}): ActionInput {
  const { keys, action = "pipe", index } = options;
  return {
    kind: "pedit",
    options: {
      parmsEx: {
        index,
        action,
        keyCount: keys.length,
        keys: keys.map(({ mask, value, offset }) => ({ mask, value, offset })),
      },
      keysEx: { keys: keys.map(({ header = "network", command = "set" }) => ({ header, command })) },
    },
  };
}
