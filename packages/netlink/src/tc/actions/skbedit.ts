import { attributes } from "../../schema/attributes.js";
import { once, u16, u32 } from "../../schema/codec.js";
import { flags64 } from "../../schema/names.js";
import { struct } from "../../schema/struct.js";
import type { ActionInput } from "../action.js";
import { type Handle, parseHandle } from "../handle.js";
import { actionFields, actionTimes, type Verdict } from "../verdict.js";

export const skbeditParms = struct("tc_skbedit", actionFields);

/** skbedit: enum TCA_SKBEDIT_* of include/uapi/linux/tc_act/tc_skbedit.h. */
export const skbeditAttributes = once(() =>
  attributes({
    times: [1, "TCA_SKBEDIT_TM", actionTimes],
    parms: [2, "TCA_SKBEDIT_PARMS", skbeditParms],
    priority: [3, "TCA_SKBEDIT_PRIORITY", u32],
    queueMapping: [4, "TCA_SKBEDIT_QUEUE_MAPPING", u16],
    mark: [5, "TCA_SKBEDIT_MARK", u32],
    packetType: [7, "TCA_SKBEDIT_PTYPE", u16],
    mask: [8, "TCA_SKBEDIT_MASK", u32],
    flags: [
      9,
      "TCA_SKBEDIT_FLAGS",
      flags64({
        priority: 0x1n,
        queueMapping: 0x2n,
        mark: 0x4n,
        packetType: 0x8n,
        mask: 0x10n,
        inheritDsField: 0x20n,
        txQueueHash: 0x40n,
      }),
    ],
    queueMappingMax: [10, "TCA_SKBEDIT_QUEUE_MAPPING_MAX", u16],
  }),
);

/** What skbedit changes in a packet's metadata. */
export interface SkbeditOptions {
  /** skb->priority: a number, or the class that a classful qdisc puts the packet into, such as "1:10". */
  readonly priority?: Handle | undefined;
  readonly queueMapping?: number | undefined;
  readonly mark?: number | undefined;
  /** Which bits of the mark are changed; default all. */
  readonly markMask?: number | undefined;
  /** PACKET_*: 0 host, 1 broadcast, 2 multicast, 3 otherhost. */
  readonly packetType?: number | undefined;
  /** Takes the priority from the packet's DS field. */
  readonly inheritDsField?: boolean | undefined;
  /** Default "pipe", as tc(8) has it. */
  readonly action?: Verdict | undefined;
  readonly index?: number | undefined;
}

/** Changes a packet's metadata. */
export function skbedit(options: SkbeditOptions): ActionInput {
  const { priority, queueMapping, mark, markMask, packetType, inheritDsField, action, index } = options;
  return {
    kind: "skbedit",
    options: {
      parms: { index, action: action ?? "pipe" },
      queueMapping,
      priority: priority === undefined ? undefined : parseHandle(priority),
      mark,
      mask: markMask,
      packetType,
      flags: inheritDsField ? ["inheritDsField"] : undefined,
    },
  };
}
