import { type AttributesInput, type AttributesOf, attributes } from "../schema/attributes.js";
import { binary, s32, u16, u32, u64 } from "../schema/codec.js";
import { indexed } from "../schema/indexed.js";
import { enumeration } from "../schema/names.js";
import { struct } from "../schema/struct.js";
import { subMessage } from "../schema/sub-message.js";
import { string } from "../schema/text.js";
import { stats2 } from "./stats.js";

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

/** Bits that are on or off, and which of them are meant. */
export const bitfield32 = struct("nla_bitfield32", { value: u32, selector: u32 });

/** When an action was made and used, in hundredths of a second ago. */
export const actionTimes = struct("tcf_t", { install: u64, lastUse: u64, expires: u64, firstUse: u64 });

const generic = { index: u32, capabilities: u32, action: verdict, references: s32, bindings: s32 } as const;

/** mirred: which packet goes where, TCA_EGRESS_* and TCA_INGRESS_*. */
export const mirredParms = struct("tc_mirred", {
  ...generic,
  mode: enumeration(s32, { egressRedirect: 1, egressMirror: 2, ingressRedirect: 3, ingressMirror: 4 }),
  ifindex: u32,
});
/** gact: only a verdict. */
export const gactParms = struct("tc_gact", generic);
/** gact: a verdict that is only given at random. */
export const gactProbability = struct("tc_gact_p", { type: u16, value: u16, action: verdict });

const mirredOptions = attributes({
  times: [1, "TCA_MIRRED_TM", actionTimes],
  parms: [2, "TCA_MIRRED_PARMS", mirredParms],
  blockId: [4, "TCA_MIRRED_BLOCKID", u32],
});
const gactOptions = attributes({
  times: [1, "TCA_GACT_TM", actionTimes],
  parms: [2, "TCA_GACT_PARMS", gactParms],
  probability: [3, "TCA_GACT_PROB", gactProbability],
});

/** The options of actions by TCA_ACT_KIND. */
export const actionKinds = { gact: gactOptions, mirred: mirredOptions } as const;

/** One action: enum TCA_ACT_*. */
export const actionAttributes = attributes({
  kind: [1, "TCA_ACT_KIND", string],
  options: [2, "TCA_ACT_OPTIONS", subMessage("kind", actionKinds)],
  index: [3, "TCA_ACT_INDEX", u32],
  stats: [4, "TCA_ACT_STATS", stats2],
  cookie: [6, "TCA_ACT_COOKIE", binary],
  flags: [7, "TCA_ACT_FLAGS", bitfield32],
  hardwareStats: [8, "TCA_ACT_HW_STATS", bitfield32],
  usedHardwareStats: [9, "TCA_ACT_USED_HW_STATS", bitfield32],
  inHardwareCount: [10, "TCA_ACT_IN_HW_COUNT", u32],
});

/** Up to 32 actions, carried out in order. */
export const actionList = indexed(actionAttributes);

/** An action as the kernel reports it; the options of kinds that are not known here are bytes. */
export type Action = AttributesOf<(typeof actionAttributes)["declarations"]>;
/** An action to set; see {@link mirred} and {@link gact}. */
export type ActionInput = AttributesInput<(typeof actionAttributes)["declarations"]>;

/**
 * Sends packets, or copies of them, to another device.
 * @param options.to the device's index
 * @param options.mode "redirect" takes the packet away, "mirror" sends a copy and goes on
 * @param options.direction "egress" sends it out of the device, "ingress" lets it arrive there
 */
export function mirred(options: {
  readonly to: number;
  readonly mode?: "redirect" | "mirror";
  readonly direction?: "egress" | "ingress";
}): ActionInput {
  const { to, mode = "redirect", direction = "egress" } = options;
  return {
    kind: "mirred",
    options: {
      parms: {
        // As tc(8) has it: a redirected packet is stolen, after a mirrored one the next action follows.
        action: mode === "redirect" ? "stolen" : "pipe",
        mode: `${direction}${mode === "redirect" ? "Redirect" : "Mirror"}`,
        ifindex: to,
      },
    },
  };
}

/** Gives a verdict: "shot" drops the packet, "ok" lets it pass, "pipe" goes on to the next action. */
export function gact(action: keyof (typeof verdict)["names"]): ActionInput {
  return { kind: "gact", options: { parms: { action } } };
}
