import { policyAttributes } from "../netlink-error.js";
import { attributes } from "../schema/attributes.js";
import { u16, u32 } from "../schema/codec.js";
import { indexed, keyed } from "../schema/indexed.js";
import { flags } from "../schema/names.js";
import { string, stringUpTo } from "../schema/text.js";
import { genericFamily } from "./family.js";

/** GENL_ID_CTRL: the family that knows the others has a fixed number. */
export const CONTROLLER_ID = 16;

/** What may be done with a command: GENL_* of include/uapi/linux/genetlink.h. */
export const commandFlags = flags(u32, {
  adminPermission: 0x1,
  do: 0x2,
  dump: 0x4,
  hasPolicy: 0x8,
  namespaceAdminPermission: 0x10,
});

/** A command: enum CTRL_ATTR_OP_*. */
export const operationAttributes = attributes({
  id: [1, "CTRL_ATTR_OP_ID", u32],
  flags: [2, "CTRL_ATTR_OP_FLAGS", commandFlags],
});

/** A multicast group: enum CTRL_ATTR_MCAST_GRP_*. */
export const multicastGroupAttributes = attributes({
  name: [1, "CTRL_ATTR_MCAST_GRP_NAME", string],
  id: [2, "CTRL_ATTR_MCAST_GRP_ID", u32],
});

/** Which policies a command's requests are checked by: enum CTRL_ATTR_POLICY_*. */
export const operationPolicyAttributes = attributes({
  do: [1, "CTRL_ATTR_POLICY_DO", u32],
  dump: [2, "CTRL_ATTR_POLICY_DUMP", u32],
});

/** What the controller says and takes: enum CTRL_ATTR_*. */
export const controllerAttributes = attributes({
  id: [1, "CTRL_ATTR_FAMILY_ID", u16],
  /** GENL_NAMSIZ, with the NUL. */
  name: [2, "CTRL_ATTR_FAMILY_NAME", stringUpTo(16)],
  version: [3, "CTRL_ATTR_VERSION", u32],
  headerSize: [4, "CTRL_ATTR_HDRSIZE", u32],
  maxAttribute: [5, "CTRL_ATTR_MAXATTR", u32],
  operations: [6, "CTRL_ATTR_OPS", indexed(operationAttributes)],
  groups: [7, "CTRL_ATTR_MCAST_GROUPS", indexed(multicastGroupAttributes)],
  /** By the policy's number, then by the attribute's. */
  policies: [8, "CTRL_ATTR_POLICY", keyed(keyed(policyAttributes))],
  /** By the command's number. */
  operationPolicies: [9, "CTRL_ATTR_OP_POLICY", keyed(operationPolicyAttributes)],
  operation: [10, "CTRL_ATTR_OP", u32],
});

const anything = { request: controllerAttributes } as const;

/** nlctrl, the family that knows the others. */
export const controller = genericFamily({
  name: "nlctrl",
  version: 2,
  commands: {
    getFamily: {
      constant: "CTRL_CMD_GETFAMILY",
      id: 3,
      replyId: 1,
      replyConstant: "CTRL_CMD_NEWFAMILY",
      ...anything,
    },
    getPolicy: { constant: "CTRL_CMD_GETPOLICY", id: 10, ...anything },
  },
  notifications: {
    newFamily: { constant: "CTRL_CMD_NEWFAMILY", id: 1, attributes: controllerAttributes },
    removeFamily: { constant: "CTRL_CMD_DELFAMILY", id: 2, attributes: controllerAttributes },
    newGroup: { constant: "CTRL_CMD_NEWMCAST_GRP", id: 7, attributes: controllerAttributes },
    removeGroup: { constant: "CTRL_CMD_DELMCAST_GRP", id: 8, attributes: controllerAttributes },
  },
});
