import { type AttributesInput, type AttributesOf, attributes } from "../schema/attributes.js";
import { binary, type Codec, lazy, s32, u16, u32 } from "../schema/codec.js";
import { indexed } from "../schema/indexed.js";
import { enumeration } from "../schema/names.js";
import { struct } from "../schema/struct.js";
import { subMessage } from "../schema/sub-message.js";
import { string } from "../schema/text.js";
import { bpfAttributes } from "./actions/bpf.js";
import { peditAttributes } from "./actions/pedit.js";
import { policeAttributes } from "./actions/police.js";
import { skbeditAttributes } from "./actions/skbedit.js";
import { vlanAttributes } from "./actions/vlan.js";
import { stats2 } from "./stats.js";
import { actionFields, actionTimes, type Verdict, verdict } from "./verdict.js";

/** Bits that are on or off, and which of them are meant. */
export const bitfield32 = struct("nla_bitfield32", { value: u32, selector: u32 });

/** mirred: which packet goes where, TCA_EGRESS_* and TCA_INGRESS_*. */
export const mirredParms = struct("tc_mirred", {
  ...actionFields,
  mode: enumeration(s32, { egressRedirect: 1, egressMirror: 2, ingressRedirect: 3, ingressMirror: 4 }),
  ifindex: u32,
});
/** gact: only a verdict. */
export const gactParms = struct("tc_gact", actionFields);
/** gact: a verdict that is only given at random. */
export const gactProbability = struct("tc_gact_p", {
  type: enumeration(u16, { none: 0, netrand: 1, determ: 2 }),
  /** Every packet of this number, or on average. */
  value: u16,
  action: verdict,
});

/** mirred: enum TCA_MIRRED_*. */
export const mirredOptions = attributes({
  times: [1, "TCA_MIRRED_TM", actionTimes],
  parms: [2, "TCA_MIRRED_PARMS", mirredParms],
  blockId: [4, "TCA_MIRRED_BLOCKID", u32],
});
/** gact: enum TCA_GACT_*. */
export const gactOptions = attributes({
  times: [1, "TCA_GACT_TM", actionTimes],
  parms: [2, "TCA_GACT_PARMS", gactParms],
  probability: [3, "TCA_GACT_PROB", gactProbability],
});

/** The options of actions by TCA_ACT_KIND. */
export const actionKinds = {
  bpf: lazy(bpfAttributes),
  gact: gactOptions,
  mirred: mirredOptions,
  pedit: lazy(peditAttributes),
  police: lazy(policeAttributes),
  skbedit: lazy(skbeditAttributes),
  vlan: lazy(vlanAttributes),
} as const;

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
export const actionList: Codec<Action[], readonly ActionInput[]> = indexed(
  actionAttributes as Codec<Action, ActionInput>,
);

/** An action as the kernel reports it; the options of kinds that are not known here are bytes. */
export interface Action extends AttributesOf<(typeof actionAttributes)["declarations"]> {}
/** An action to set; see {@link mirred}, {@link gact}, `police`, `skbedit`, `vlan`, `bpfAction` and `pedit`. */
export interface ActionInput extends AttributesInput<(typeof actionAttributes)["declarations"]> {}

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
export function gact(
  action: Verdict,
  options: {
    /** Gives another verdict to some of the packets: at random, or to every packet of a number. */
    readonly random?:
      | { readonly type: "netrand" | "determ"; readonly every: number; readonly action: Verdict }
      | undefined;
    readonly index?: number | undefined;
  } = {},
): ActionInput {
  const { random, index } = options;
  return {
    kind: "gact",
    options: {
      parms: { index, action },
      probability: random && { type: random.type, value: random.every, action: random.action },
    },
  };
}
