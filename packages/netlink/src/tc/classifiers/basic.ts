import { attributes } from "../../schema/attributes.js";
import { once, u16, u32, u64 } from "../../schema/codec.js";
import { indexed } from "../../schema/indexed.js";
import { enumeration } from "../../schema/names.js";
import { struct } from "../../schema/struct.js";
import { actionList } from "../action.js";
import { policeAttributes } from "../actions/police.js";

/** How many extended matches there are, and who made them. */
export const ematchTreeHeader = struct("tcf_ematch_tree_hdr", { count: u16, programId: u16 });

/**
 * One extended match; what follows the struct is in `tail`. Its flags are the relation to the next one (0 the end, 1
 * and, 2 or), 4 for "not", and 8 where the data is a number.
 */
export const ematchHeader = struct("tcf_ematch_hdr", {
  matchId: u16,
  /** TCF_EM_* of include/uapi/linux/pkt_cls.h. */
  kind: enumeration(u16, {
    container: 0,
    cmp: 1,
    nbyte: 2,
    u32: 3,
    meta: 4,
    text: 5,
    vlan: 6,
    canid: 7,
    ipset: 8,
    ipt: 9,
  }),
  flags: u16,
  pad: u16,
});

/** Extended matches: enum TCA_EMATCH_TREE_*. */
export const ematchTree = once(() =>
  attributes({
    header: [1, "TCA_EMATCH_TREE_HDR", ematchTreeHeader],
    matches: [2, "TCA_EMATCH_TREE_LIST", indexed(ematchHeader)],
  }),
);

/** How often a filter was asked, and how often it matched. */
export const basicCounts = struct("tc_basic_pcnt", { asked: u64, hits: u64 });

/** The basic classifier: enum TCA_BASIC_*. */
export const basicFilter = once(() =>
  attributes({
    classid: [1, "TCA_BASIC_CLASSID", u32],
    ematches: [2, "TCA_BASIC_EMATCHES", ematchTree()],
    actions: [3, "TCA_BASIC_ACT", actionList],
    police: [4, "TCA_BASIC_POLICE", policeAttributes()],
    counts: [5, "TCA_BASIC_PCNT", basicCounts],
  }),
);
