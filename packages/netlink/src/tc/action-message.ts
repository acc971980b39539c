import { attributes } from "../schema/attributes.js";
import { type Codec, once, u8, u32 } from "../schema/codec.js";
import { indexed } from "../schema/indexed.js";
import { message } from "../schema/message-body.js";
import { flags } from "../schema/names.js";
import { padding, struct } from "../schema/struct.js";
import { string } from "../schema/text.js";
import { NLA_TYPE_MASK, walk } from "../schema/tlv.js";
import { type Action, type ActionInput, actionAttributes } from "./action.js";

/** The header of messages about actions: include/uapi/linux/rtnetlink.h. */
export const tcamsg = struct("tcamsg", { family: u8, pad1: padding(1), pad2: padding(2) });

const one = actionAttributes as Codec<Action, ActionInput>;
const fromOne = indexed(one);
const fromZero = indexed(one, 0);

/**
 * Actions, whose numbers are their places: from 1 in requests and their answers, from 0 in dumps
 * (net/sched/act_api.c, tcf_action_dump and tcf_dump_walker). They are written from 1.
 */
const actionTab: Codec<Action[], readonly ActionInput[]> = {
  ...fromOne,
  decode: (input, start, end, scope) =>
    (startsAtZero(input, start, end) ? fromZero : fromOne).decode(input, start, end, scope),
  exact: (input, start, end) => !startsAtZero(input, start, end),
};

function startsAtZero(...[input, start, end]: Parameters<typeof walk>): boolean {
  for (const { type } of walk(input, start, end)) return (type & NLA_TYPE_MASK) === 0;
  return false;
}

/** What may be asked of a dump: TCA_FLAG_*, or TCA_ACT_FLAG_*. */
export const actionDumpFlags = flags(u32, { largeDump: 1, terse: 2 });

/** Bits that are on or off, and which of them are meant: struct nla_bitfield32. */
const bitfield = struct("nla_bitfield32", { value: actionDumpFlags, selector: actionDumpFlags });

/** The body of RTM_NEWACTION, RTM_DELACTION and RTM_GETACTION: enum TCA_ROOT_*. */
export const actionMessage = once(() =>
  message(
    tcamsg,
    attributes({
      actions: [1, "TCA_ROOT_TAB", actionTab],
      flags: [2, "TCA_ROOT_FLAGS", bitfield],
      /** How many actions the message has. */
      count: [3, "TCA_ROOT_COUNT", u32],
      /** Only actions that were used within so many milliseconds. */
      timeDeltaMs: [4, "TCA_ROOT_TIME_DELTA", u32],
      warning: [5, "TCA_ROOT_EXT_WARN_MSG", string],
    }),
  ),
);
