import { attributes } from "../schema/attributes.js";
import { binary, bool8, type Codec, lazy, s8, s16, s32, u8, u16, u32 } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { enumeration } from "../schema/names.js";
import { elements, padding, struct } from "../schema/struct.js";
import { subMessage } from "../schema/sub-message.js";
import { string, stringUpTo } from "../schema/text.js";
import { fqAttributes, prioQopt } from "./fq.js";
import { htbAttributes } from "./htb.js";
import { cakeAttributes } from "./kinds/cake.js";
import { codelAttributes, fqCodelAttributes } from "./kinds/codel.js";
import { etfAttributes } from "./kinds/etf.js";
import { mqprioBody } from "./kinds/mqprio.js";
import { netemBody } from "./kinds/netem.js";
import { sfqOptions } from "./kinds/sfq.js";
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

/** The ingress and clsact qdiscs have no options, and say so with an empty nest. */
const noOptions = attributes({});

/** How packets' sizes are reckoned before a qdisc sees them. */
export const sizeSpec = struct("tc_sizespec", {
  cellLog: u8,
  sizeLog: u8,
  cellAlign: s16,
  overheadBytes: s32,
  linkLayer: enumeration(u32, { unaware: 0, ethernet: 1, atm: 2 }),
  mpuBytes: u32,
  mtuBytes: u32,
  tableSize: u32,
});
/** A table of sizes: enum TCA_STAB_*. */
export const sizeTable = attributes({
  base: [1, "TCA_STAB_BASE", sizeSpec],
  data: [2, "TCA_STAB_DATA", elements(u16)],
});
/** How often rates are estimated: every 2^interval quarters of a second, averaged over 2^ewmaLog of them. */
export const estimator = struct("tc_estimator", { interval: s8, ewmaLog: u8 });

/** The options of qdiscs and classes by TCA_KIND. */
export const qdiscKinds = {
  bfifo: fifoQopt,
  cake: lazy(cakeAttributes),
  clsact: noOptions,
  codel: lazy(codelAttributes),
  etf: lazy(etfAttributes),
  fq: fqAttributes,
  fq_codel: lazy(fqCodelAttributes),
  htb: htbAttributes,
  ingress: noOptions,
  mqprio: lazy(mqprioBody),
  netem: lazy(netemBody),
  pfifo: fifoQopt,
  pfifo_fast: prioQopt,
  pfifo_head_drop: fifoQopt,
  prio: prioQopt,
  sfq: sfqOptions,
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
    rate: [5, "TCA_RATE", estimator],
    stats2: [7, "TCA_STATS2", stats2],
    sizeTable: [8, "TCA_STAB", sizeTable],
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
