import { attributes } from "../schema/attributes.js";
import { binary, lazy, s32, u8, u16, u16be, u32, u32be, u64 } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { flags } from "../schema/names.js";
import { padding, struct, structThenArray } from "../schema/struct.js";
import { subMessage } from "../schema/sub-message.js";
import { string } from "../schema/text.js";
import { actionList } from "./action.js";
import { policeAttributes } from "./actions/police.js";
import { basicFilter } from "./classifiers/basic.js";
import { flower } from "./classifiers/flower.js";
import { fwFilter } from "./classifiers/fw.js";
import { tcAttributesWith, tcmsg } from "./tc-schema.js";
import { offloadFlags, programTag } from "./units.js";

export { etherProtocol } from "./units.js";

/** The bpf classifier: enum TCA_BPF_*. */
export const bpfFilter = attributes({
  actions: [1, "TCA_BPF_ACT", actionList],
  police: [2, "TCA_BPF_POLICE", lazy(policeAttributes)],
  classid: [3, "TCA_BPF_CLASSID", u32],
  opcodeCount: [4, "TCA_BPF_OPS_LEN", u16],
  opcodes: [5, "TCA_BPF_OPS", binary],
  fd: [6, "TCA_BPF_FD", u32],
  name: [7, "TCA_BPF_NAME", string],
  flags: [8, "TCA_BPF_FLAGS", flags(u32, { directAction: 1 })],
  offloadFlags: [9, "TCA_BPF_FLAGS_GEN", offloadFlags],
  tag: [10, "TCA_BPF_TAG", programTag],
  id: [11, "TCA_BPF_ID", u32],
});

/** One comparison of u32: 32 bits of the packet at an offset, masked. */
export const u32Key = struct("tc_u32_key", { mask: u32be, value: u32be, offset: s32, offsetMask: s32 });

/** What u32 looks for, without its keys. */
export const u32SelectorHeader = struct("tc_u32_sel", {
  flags: flags(u8, { terminal: 1, offset: 2, varOffset: 4, eat: 8 }),
  offsetShift: u8,
  keyCount: u8,
  hole: padding(1),
  offsetMask: u16be,
  offset: u16,
  offsetOffset: u16,
  hashOffset: u16,
  hashMask: u32be,
});

/** How often a filter was asked, and how often it matched; how often each key did follows. */
export const u32Counts = struct("tc_u32_pcnt", { asked: u64, hits: u64 });
/** A comparison with the packet's mark, and how often it matched. */
export const u32Mark = struct("tc_u32_mark", { value: u32, mask: u32, hits: u32 });

/** The u32 classifier: enum TCA_U32_*. */
export const u32Filter = attributes({
  classid: [1, "TCA_U32_CLASSID", u32],
  hash: [2, "TCA_U32_HASH", u32],
  link: [3, "TCA_U32_LINK", u32],
  divisor: [4, "TCA_U32_DIVISOR", u32],
  selector: [5, "TCA_U32_SEL", structThenArray(u32SelectorHeader, "keys", u32Key)],
  police: [6, "TCA_U32_POLICE", lazy(policeAttributes)],
  actions: [7, "TCA_U32_ACT", actionList],
  inputDevice: [8, "TCA_U32_INDEV", string],
  counts: [9, "TCA_U32_PCNT", structThenArray(u32Counts, "keys", u64)],
  mark: [10, "TCA_U32_MARK", u32Mark],
  flags: [11, "TCA_U32_FLAGS", offloadFlags],
});

/** How many packets a filter saw. */
export const matchallCounts = struct("tc_matchall_pcnt", { hits: u64 });

/** The matchall classifier: enum TCA_MATCHALL_*. */
export const matchallFilter = attributes({
  classid: [1, "TCA_MATCHALL_CLASSID", u32],
  actions: [2, "TCA_MATCHALL_ACT", actionList],
  flags: [3, "TCA_MATCHALL_FLAGS", offloadFlags],
  counts: [4, "TCA_MATCHALL_PCNT", matchallCounts],
});

/** The options of filters by TCA_KIND. */
export const filterKinds = {
  basic: lazy(basicFilter),
  bpf: bpfFilter,
  flower,
  fw: lazy(fwFilter),
  matchall: matchallFilter,
  u32: u32Filter,
} as const;

/** A message about a filter. */
export const filterMessage = message(tcmsg, tcAttributesWith(subMessage("kind", filterKinds)));
