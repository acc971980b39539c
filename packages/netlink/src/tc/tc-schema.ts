import { attributes } from "../schema/attributes.js";
import { binary, bool8, type Codec, s32, u8, u32 } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { padding, struct } from "../schema/struct.js";
import { subMessage } from "../schema/sub-message.js";
import { string, stringUpTo } from "../schema/text.js";
import { fqAttributes, prioQopt } from "./fq.js";
import { htbAttributes } from "./htb.js";
import { stats2, tcStats, xstatsKinds } from "./stats.js";
import { tbfAttributes } from "./tbf.js";

/** The header of traffic control messages: include/uapi/linux/rtnetlink.h. */
export const tcmsg = struct("tcmsg", {
  family: u8,
  pad1: padding(1),
  pad2: padding(2),
  index: s32,
  handle: u32,
  parent: u32,
  info: u32,
});

/** pfifo and bfifo: packets or bytes. */
export const fifoQopt = struct("tc_fifo_qopt", { limit: u32 });

/** The options of qdiscs and classes by TCA_KIND. */
export const qdiscKinds = {
  bfifo: fifoQopt,
  fq: fqAttributes,
  htb: htbAttributes,
  pfifo: fifoQopt,
  pfifo_fast: prioQopt,
  pfifo_head_drop: fifoQopt,
  prio: prioQopt,
  tbf: tbfAttributes,
} as const;

/** The attributes of traffic control, around options that depend on the object: enum TCA_*. */
export function tcAttributesWith<Out, In>(options: Codec<Out, In>) {
  return attributes({
    /** IFNAMSIZ, with the NUL. */
    kind: [1, "TCA_KIND", stringUpTo(16)],
    options: [2, "TCA_OPTIONS", options],
    stats: [3, "TCA_STATS", tcStats],
    xstats: [4, "TCA_XSTATS", subMessage("kind", xstatsKinds)],
    rate: [5, "TCA_RATE", binary],
    stats2: [7, "TCA_STATS2", stats2],
    sizeTable: [8, "TCA_STAB", binary],
    dumpInvisible: [10, "TCA_DUMP_INVISIBLE", binary],
    chain: [11, "TCA_CHAIN", u32],
    hardwareOffload: [12, "TCA_HW_OFFLOAD", bool8],
    ingressBlock: [13, "TCA_INGRESS_BLOCK", u32],
    egressBlock: [14, "TCA_EGRESS_BLOCK", u32],
    dumpFlags: [15, "TCA_DUMP_FLAGS", binary],
    warning: [16, "TCA_EXT_WARN_MSG", string],
  });
}

/** A message about a qdisc or class. */
export const qdiscMessage = message(tcmsg, tcAttributesWith(subMessage("kind", qdiscKinds)));
