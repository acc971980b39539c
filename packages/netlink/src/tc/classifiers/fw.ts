import { attributes } from "../../schema/attributes.js";
import { once, u32 } from "../../schema/codec.js";
import { string } from "../../schema/text.js";
import { actionList } from "../action.js";
import { policeAttributes } from "../actions/police.js";

/** The fw classifier, whose handle is the packet's mark: enum TCA_FW_*. */
export const fwFilter = once(() =>
  attributes({
    classid: [1, "TCA_FW_CLASSID", u32],
    police: [2, "TCA_FW_POLICE", policeAttributes()],
    inputDevice: [3, "TCA_FW_INDEV", string],
    actions: [4, "TCA_FW_ACT", actionList],
    mask: [5, "TCA_FW_MASK", u32],
  }),
);
