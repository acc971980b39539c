export {
  type DecodedMessage,
  decodeMessage,
  decodeMessageBody,
  decodeMessages,
  type EncodableMessage,
  encodeMessage,
} from "./decoded-message.js";
export type { DumpOptions } from "./dump.js";
export { bitNames, ethtool } from "./generic/ethtool.js";
export { Families, type Family, type FamilyPolicies } from "./generic/families.js";
export {
  type AnyCommand,
  type Command,
  type Commands,
  type FamilyDeclaration,
  genericFamily,
  genlmsghdr,
  type Notification,
  type ReplyOf,
  type RequestOf,
} from "./generic/family.js";
export {
  controllerFamily,
  type GenericEvent,
  GenericFamily,
  GenericNetlink,
} from "./generic/generic-netlink.js";
export { genericMessages, type NumberedFamily } from "./generic/messages.js";
export { netdev } from "./generic/netdev.js";
export {
  joinWireguardDevice,
  type WireguardDevice,
  type WireguardEndpoint,
  wireguard,
  wireguardDevice,
} from "./generic/wireguard.js";
export { ControlType, MESSAGE_HEADER, MessageFlags, type MessageView } from "./message.js";
export type { MessageTypes } from "./message-types.js";
export { type Decode, Monitor } from "./monitor.js";
export {
  type AttributePolicy,
  type ExtendedAck,
  extendedAckAttributes,
  NetlinkDumpInterruptedError,
  NetlinkError,
  NetlinkUseError,
  policyAttributes,
} from "./netlink-error.js";
export type { NetlinkRequest } from "./request.js";
export {
  type AddressRequest,
  addressMessage,
  FOREVER,
  type InterfaceAddress,
  type IpFamily,
} from "./rtnetlink/address.js";
export { Addresses, type AddressFilter } from "./rtnetlink/addresses.js";
export type { Batch } from "./rtnetlink/batch.js";
export { type BridgeVlan, type BridgeVlanRequest, BridgeVlans } from "./rtnetlink/bridge-vlans.js";
export type { MplsLabel } from "./rtnetlink/encap.js";
export {
  type Change,
  type EventBody,
  type MonitorGroup,
  monitorGroups,
  type RtnetlinkEvent,
} from "./rtnetlink/events.js";
export { type FdbFilter, ForwardingDatabase } from "./rtnetlink/fdb.js";
export {
  isLinkKind,
  isPortKind,
  type Link,
  type LinkChanges,
  type LinkReference,
  type LinkRequest,
  type LinkRequestData,
  type LinkSettings,
  type NetnsReference,
  type VethPeer,
} from "./rtnetlink/link.js";
export {
  type LinkAttributes,
  type LinkDataInputOf,
  type LinkDataOf,
  type LinkKind,
  type LinkStats,
  linkAttributes,
  linkKinds,
  linkMessage,
  linkStats64,
  type PortDataInputOf,
  type PortDataOf,
  type PortKind,
  portKinds,
} from "./rtnetlink/link-schema.js";
export { type LinkDetails, type LinkFilter, Links } from "./rtnetlink/links.js";
export {
  type MdbEntry,
  type MdbFlush,
  type MdbReference,
  type MdbRequest,
  type MdbRouter,
  MulticastDatabase,
} from "./rtnetlink/mdb.js";
export { mdbMessage, mdbRequestMessage } from "./rtnetlink/mdb-schema.js";
export { rtnetlinkMessages } from "./rtnetlink/message-types.js";
export { RtmType } from "./rtnetlink/messages.js";
export { NamespaceIds, namespaceIdMessage } from "./rtnetlink/namespace-id.js";
export type {
  FdbRequest,
  Neighbour,
  NeighbourFlag,
  NeighbourRequest,
  NeighbourState,
} from "./rtnetlink/neighbour.js";
export {
  neighbourFlags,
  neighbourMessage,
  neighbourState,
  neighbourTableMessage,
} from "./rtnetlink/neighbour-schema.js";
export {
  type NeighbourFilter,
  Neighbours,
  type NeighbourTable,
  type NeighbourTableChanges,
  NeighbourTables,
} from "./rtnetlink/neighbours.js";
export { nexthopMessage } from "./rtnetlink/nexthop-schema.js";
export {
  type NexthopBucket,
  type NexthopFilter,
  type NexthopGroupMember,
  type NexthopObject,
  type NexthopRequest,
  Nexthops,
} from "./rtnetlink/nexthops.js";
export { type Nexthop, type Route, type RouteRequest, RouteTable } from "./rtnetlink/route.js";
export {
  nexthopAttributes,
  routeMessage,
  type WireNexthop,
  type WireNexthopInput,
} from "./rtnetlink/route-schema.js";
export { type RoutedPacket, type RouteFilter, Routes } from "./rtnetlink/routes.js";
export { type MonitorOptions, Rtnetlink } from "./rtnetlink/rtnetlink.js";
export { ruleMessage } from "./rtnetlink/rule-schema.js";
export { type NumberRange, type Rule, type RuleFilter, type RuleRequest, Rules } from "./rtnetlink/rules.js";
export type { Vf, VfChanges } from "./rtnetlink/vf.js";
export { type ParsedAddress, parseAddress, parsePrefix } from "./schema/address.js";
export { NetlinkDecodeError, NetlinkEncodeError } from "./schema/errors.js";
export * as schema from "./schema/index.js";
export {
  NetlinkProtocol,
  NetlinkSocket,
  type NetlinkSocketOptions,
  type OnNotification,
  type OnReply,
} from "./socket.js";
export { type Action, type ActionInput, gact, mirred } from "./tc/action.js";
export { actionMessage } from "./tc/action-message.js";
export { type BpfActionOptions, bpfAction } from "./tc/actions/bpf.js";
export { type PeditKey, pedit } from "./tc/actions/pedit.js";
export { type PoliceOptions, type PoliceSettings, police, policeSettings } from "./tc/actions/police.js";
export { type SkbeditOptions, skbedit } from "./tc/actions/skbedit.js";
export { type VlanActionOptions, vlan } from "./tc/actions/vlan.js";
export {
  type Chain,
  type ChainReference,
  type ChainRequest,
  type ChainSettings,
  Chains,
} from "./tc/chains.js";
export {
  Classes,
  type ClassRequest,
  type ClassXstats,
  type ClassXstatsByKind,
  isClassKind,
  type TrafficClass,
} from "./tc/classes.js";
export type { FlowerKeys, FlowerKeysInput } from "./tc/classifiers/flower.js";
export type { EstimatorOptions } from "./tc/estimator.js";
export {
  type BasicFilterInput,
  type BasicFilterOptions,
  type BpfFilterInput,
  type BpfFilterOptions,
  type EtherProtocol,
  type Filter,
  type FilterKind,
  type FilterOptionsByKind,
  type FilterOptionsInputByKind,
  type FlowerFilterInput,
  type FlowerFilterOptions,
  type FwFilterInput,
  type FwFilterOptions,
  isFilterKind,
  type MatchallFilterInput,
  type MatchallFilterOptions,
  type U32FilterInput,
  type U32FilterOptions,
} from "./tc/filter.js";
export { filterMessage } from "./tc/filter-schema.js";
export {
  type FilterQuery,
  type FilterReference,
  type FilterRequest,
  type FilterSettings,
  Filters,
} from "./tc/filters.js";
export { type FqOptions, type FqOptionsInput, type FqStats, fqAttributes, fqStats } from "./tc/fq.js";
export {
  type FilterParent,
  formatHandle,
  type Handle,
  parseHandle,
  type QdiscParent,
  TcHandle,
} from "./tc/handle.js";
export type { HtbClassOptions, HtbClassOptionsInput, HtbOptions, HtbOptionsInput } from "./tc/htb.js";
export {
  type CakeOptions,
  type CakeOptionsInput,
  type CakeStats,
  cakeAttributes,
  cakeXstats,
} from "./tc/kinds/cake.js";
export {
  type CodelOptions,
  type CodelOptionsInput,
  type CodelStats,
  codelAttributes,
  codelXstats,
  type FqCodelOptions,
  type FqCodelOptionsInput,
  type FqCodelStats,
  fqCodelAttributes,
  fqCodelFlowStats,
  fqCodelQdiscStats,
} from "./tc/kinds/codel.js";
export { type EtfOptions, type EtfOptionsInput, etfQopt } from "./tc/kinds/etf.js";
export type { MqprioOptions, MqprioOptionsInput } from "./tc/kinds/mqprio.js";
export type {
  NetemChance,
  NetemOptions,
  NetemOptionsInput,
  NetemRate,
  NetemSlot,
} from "./tc/kinds/netem-options.js";
export type { SfqOptions, SfqOptionsInput, SfqRed } from "./tc/kinds/sfq.js";
export type { FilterPlace } from "./tc/place.js";
export {
  isQdiscKind,
  type Qdisc,
  type QdiscKind,
  type QdiscOptionsByKind,
  type QdiscOptionsInputByKind,
  type QdiscXstatsByKind,
} from "./tc/qdisc.js";
export { type QdiscFilter, type QdiscReference, type QdiscRequest, Qdiscs } from "./tc/qdiscs.js";
export type { LinkLayer } from "./tc/rate.js";
export { type ActionReference, Actions } from "./tc/shared-actions.js";
export type { SizeTable, SizeTableInput } from "./tc/size-table.js";
export type { TcStats } from "./tc/stats.js";
export type { TbfOptions, TbfOptionsInput } from "./tc/tbf.js";
export { qdiscMessage } from "./tc/tc-schema.js";
export { etherProtocol } from "./tc/units.js";
export { gotoChain, jump, type Verdict, verdict } from "./tc/verdict.js";
