import { ipAddress } from "../schema/address.js";
import { attributes } from "../schema/attributes.js";
import { bool8, fixed, s32, u8, u16, u32, u32be } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { enumeration, flags } from "../schema/names.js";
import { padding, struct } from "../schema/struct.js";
import { stringUpTo } from "../schema/text.js";
import { family } from "./address.js";
import { routeProtocol } from "./route-schema.js";

/** What a rule does: FR_ACT_* of include/uapi/linux/fib_rules.h. */
export const ruleAction = enumeration(u8, {
  unspec: 0,
  table: 1,
  goto: 2,
  nop: 3,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
});

/** FIB_RULE_*. */
export const ruleFlags = flags(u32, {
  permanent: 0x1,
  invert: 0x2,
  unresolved: 0x4,
  inputDetached: 0x8,
  outputDetached: 0x10,
  findSourceAddress: 0x1_0000,
});

/** The header of rule messages. */
export const fibRuleHeader = struct("fib_rule_hdr", {
  family,
  destinationLength: u8,
  sourceLength: u8,
  tos: u8,
  table: u8,
  reserved1: padding(1),
  reserved2: padding(1),
  action: ruleAction,
  flags: ruleFlags,
});

/** User ids, both included. */
export const uidRange = struct("fib_rule_uid_range", { start: u32, end: u32 });
/** Ports in host byte order, both included. */
export const portRange = struct("fib_rule_port_range", { start: u16, end: u16 });

const u64be = fixed<bigint, bigint>(
  8,
  8,
  (input, at) => input.view.getBigUint64(at, false),
  (output, at, value) => output.view.setBigUint64(at, value, false),
);

const interfaceName = stringUpTo(16);

/** A rule's attributes: enum FRA_*. */
export const ruleAttributes = attributes({
  destination: [1, "FRA_DST", ipAddress],
  source: [2, "FRA_SRC", ipAddress],
  inputInterface: [3, "FRA_IIFNAME", interfaceName],
  goto: [4, "FRA_GOTO", u32],
  priority: [6, "FRA_PRIORITY", u32],
  mark: [10, "FRA_FWMARK", u32],
  flow: [11, "FRA_FLOW", u32],
  tunnelId: [12, "FRA_TUN_ID", u64be],
  /** -1 where none is suppressed. */
  suppressGroup: [13, "FRA_SUPPRESS_IFGROUP", s32],
  /** -1 where none is suppressed. */
  suppressPrefixLength: [14, "FRA_SUPPRESS_PREFIXLEN", s32],
  table: [15, "FRA_TABLE", u32],
  markMask: [16, "FRA_FWMASK", u32],
  outputInterface: [17, "FRA_OIFNAME", interfaceName],
  l3mdev: [19, "FRA_L3MDEV", bool8],
  uidRange: [20, "FRA_UID_RANGE", uidRange],
  protocol: [21, "FRA_PROTOCOL", routeProtocol],
  ipProtocol: [22, "FRA_IP_PROTO", u8],
  sourcePorts: [23, "FRA_SPORT_RANGE", portRange],
  destinationPorts: [24, "FRA_DPORT_RANGE", portRange],
  dscp: [25, "FRA_DSCP", u8],
  flowLabel: [26, "FRA_FLOWLABEL", u32be],
  flowLabelMask: [27, "FRA_FLOWLABEL_MASK", u32be],
  sourcePortMask: [28, "FRA_SPORT_MASK", u16],
  destinationPortMask: [29, "FRA_DPORT_MASK", u16],
  dscpMask: [30, "FRA_DSCP_MASK", u8],
});

/** The body of RTM_NEWRULE, RTM_DELRULE and RTM_GETRULE. */
export const ruleMessage = message(fibRuleHeader, ruleAttributes);
