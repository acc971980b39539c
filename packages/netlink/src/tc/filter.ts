import { Fd } from "@weir/syscall";
import { formatIpv4, formatIpv6, parsePrefix } from "../schema/address.js";
import type { Input } from "../schema/bytes.js";
import type { Decoded, Encodable } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import { attributePayload } from "../schema/tlv.js";
import type { Action, ActionInput } from "./action.js";
import type { basicFilter } from "./classifiers/basic.js";
import type { FlowerKeys, FlowerKeysInput } from "./classifiers/flower.js";
import {
  etherProtocol,
  type etherProtocol as etherProtocolCodec,
  filterMessage,
  type u32Filter,
} from "./filter-schema.js";
import { type Handle, parseHandle } from "./handle.js";
import { tcmsg } from "./tc-schema.js";

/** A protocol by its name or number, as etherProtocol has them. */
export type EtherProtocol = Decoded<typeof etherProtocolCodec>;

/** What the bpf classifier reports. */
export interface BpfFilterOptions {
  /** The program's id. */
  readonly id: number | undefined;
  /** The program's tag, in hexadecimal. */
  readonly tag: string | undefined;
  readonly name: string | undefined;
  /** What the program finds in `skb->tc_classid`, and where a classful qdisc puts the packet. */
  readonly classid: number | undefined;
  /** Whether the program's result is the verdict (TCA_BPF_FLAG_ACT_DIRECT). */
  readonly directAction: boolean;
  readonly actions: readonly Action[];
}

/** What the bpf classifier takes. */
export interface BpfFilterInput {
  /** A loaded program of type SCHED_CLS, open at least until the call returns. */
  readonly fd: number | Fd;
  /** A name to show, 255 bytes at most; a filter without one cannot be told from others. */
  readonly name?: string | undefined;
  /** A class handle, or any number for the program to find in `skb->tc_classid`. */
  readonly classid?: Handle | undefined;
  /** Whether the program's result is the verdict; default true, as nearly every program wants it. */
  readonly directAction?: boolean | undefined;
  readonly actions?: readonly ActionInput[] | undefined;
}

type U32Wire = Decoded<typeof u32Filter>;

/** Where a filter runs. */
export interface OffloadInput {
  /** "skipHardware" keeps it out of the device, "skipSoftware" makes the device take it or fail. */
  readonly flags?: readonly ("skipHardware" | "skipSoftware" | "verbose")[] | undefined;
}

/** What the u32 classifier reports. */
export interface U32FilterOptions extends Omit<U32Wire, "actions"> {
  readonly actions: readonly Action[];
}

/** What the u32 classifier takes. */
export interface U32FilterInput extends OffloadInput {
  readonly classid?: Handle | undefined;
  /** Makes a hash table of so many buckets in place of a filter; the filter's handle names it. */
  readonly divisor?: number | undefined;
  /** The handle of the hash table that the filter is to be in. */
  readonly hash?: number | undefined;
  /** The handle of the hash table whose filters are tried next. */
  readonly link?: number | undefined;
  /** Which bits of the packet's mark to compare. */
  readonly mark?: { readonly value: number; readonly mask: number } | undefined;
  /** The device that packets came from, by name. */
  readonly inputDevice?: string | undefined;
  /** All of the keys must match; none at all matches every packet. */
  readonly keys?:
    | readonly {
        /** Which bits to compare. */
        readonly mask: number;
        readonly value: number;
        /** Bytes from the start of the network header. */
        readonly offset: number;
        readonly offsetMask?: number | undefined;
      }[]
    | undefined;
  readonly actions?: readonly ActionInput[] | undefined;
}

/** What the matchall classifier reports. */
export interface MatchallFilterOptions {
  readonly classid: number | undefined;
  readonly actions: readonly Action[];
}
/** What the matchall classifier takes. */
export interface MatchallFilterInput extends OffloadInput {
  readonly classid?: Handle | undefined;
  readonly actions?: readonly ActionInput[] | undefined;
}

/** What the fw classifier reports; the filter's handle is the mark that it looks for. */
export interface FwFilterOptions {
  readonly classid: number | undefined;
  /** Which bits of the mark count; undefined: all. */
  readonly mask: number | undefined;
  /** The device that packets came from, by name. */
  readonly inputDevice: string | undefined;
  readonly actions: readonly Action[];
}
/** What the fw classifier takes; the filter's handle is the mark that it looks for. */
export interface FwFilterInput {
  readonly classid?: Handle | undefined;
  readonly mask?: number | undefined;
  readonly inputDevice?: string | undefined;
  readonly actions?: readonly ActionInput[] | undefined;
}

/** What the basic classifier reports. */
export interface BasicFilterOptions extends Omit<Decoded<ReturnType<typeof basicFilter>>, "actions"> {
  readonly actions: readonly Action[];
}
/** What the basic classifier takes; without ematches it matches every packet. */
export interface BasicFilterInput extends Omit<Encodable<ReturnType<typeof basicFilter>>, "classid"> {
  readonly classid?: Handle | undefined;
}

/** What the flower classifier reports: keys, each followed by its mask. */
export interface FlowerFilterOptions extends Omit<FlowerKeys, "actions"> {
  readonly actions: readonly Action[];
}
/**
 * What the flower classifier takes: keys and their masks; a key without a mask is compared whole. An IP address may be a
 * prefix such as "10.0.0.0/8" in place of its mask. `ethType` is the filter's protocol unless given.
 */
export interface FlowerFilterInput extends Omit<FlowerKeysInput, "classid"> {
  readonly classid?: Handle | undefined;
}

/** What each kind of filter reports. */
export interface FilterOptionsByKind {
  basic: BasicFilterOptions;
  bpf: BpfFilterOptions;
  flower: FlowerFilterOptions;
  fw: FwFilterOptions;
  matchall: MatchallFilterOptions;
  u32: U32FilterOptions;
}
/** What each kind of filter takes. */
export interface FilterOptionsInputByKind {
  basic: BasicFilterInput;
  bpf: BpfFilterInput;
  flower: FlowerFilterInput;
  fw: FwFilterInput;
  matchall: MatchallFilterInput;
  u32: U32FilterInput;
}
/** The kinds of filter whose options are typed. */
export type FilterKind = keyof FilterOptionsByKind;

/** A filter, as the kernel describes it. */
export interface Filter<K extends string = string> {
  /** The device. */
  readonly index: number;
  readonly kind: K;
  /** Where it hangs: 0xfffffff3 is clsact's egress side, 0xfffffff2 its ingress side. */
  readonly parent: number;
  /** Its number among the filters of its priority; 0 stands for the priority itself. */
  readonly handle: number;
  /** Lower ones run first (tc's "pref"). */
  readonly priority: number;
  readonly protocol: EtherProtocol;
  readonly chain: number;
  /** The block that the filter belongs to, where devices share it: its index is -1 then, and its parent the block. */
  readonly block: number | undefined;
  readonly options:
    | (K extends FilterKind ? FilterOptionsByKind[K] : FilterOptionsByKind[FilterKind] | Uint8Array)
    | undefined;
  /** The options as the kernel sent them. */
  readonly rawOptions: Uint8Array | undefined;
}

/** Whether a filter is of a kind: its `options` are typed then. */
export function isFilterKind<K extends FilterKind>(filter: Filter, kind: K): filter is Filter<K> {
  return filter.kind === kind && filter.options !== undefined && !(filter.options instanceof Uint8Array);
}

const TCA_OPTIONS = 2;

/** TCM_IFINDEX_MAGIC_BLOCK of include/uapi/linux/rtnetlink.h, as tcm_ifindex holds it: tcm_parent names a block then. */
export const MAGIC_BLOCK = -1;

/** How an answer about filters reads. */
export const filterReply = {
  decode: (input: Input, start: number, end: number): Filter | undefined => {
    const wire = filterMessage.decode(input, start, end);
    return wire && filterOf(wire, attributePayload(input, start + tcmsg.size, end, TCA_OPTIONS));
  },
  encode: () => {
    throw new NetlinkEncodeError("answers are only read");
  },
};

function filterOf(wire: Decoded<typeof filterMessage>, rawOptions: Uint8Array | undefined): Filter {
  const { header, attributes } = wire;
  const { kind = "", options } = attributes;
  return {
    index: header.index,
    kind,
    parent: header.parent,
    handle: header.handle,
    priority: header.info >>> 16,
    protocol: protocolName(header.info & 0xffff),
    chain: attributes.chain ?? 0,
    block: header.index === MAGIC_BLOCK ? header.parent : undefined,
    options: options instanceof Uint8Array ? options : optionsFromWire(kind, options),
    rawOptions,
  };
}

type WireOptions = Exclude<Decoded<typeof filterMessage>["attributes"]["options"], Uint8Array | undefined>;

function optionsFromWire(kind: string, options: WireOptions | undefined): Filter["options"] {
  if (!options) return undefined;
  const actions = options.actions ?? [];
  if (kind === "bpf") {
    const { id, tag, name, classid, flags } = options as Extract<WireOptions, { id?: number }>;
    return { id, tag, name, classid, directAction: flags?.includes("directAction") ?? false, actions };
  }
  if (kind === "u32") return { ...(options as U32Wire), actions };
  if (kind === "flower") return { ...(options as FlowerKeys), actions };
  if (kind === "basic") return { ...(options as Decoded<ReturnType<typeof basicFilter>>), actions };
  if (kind === "fw") {
    const { mask, inputDevice } = options as { mask?: number; inputDevice?: string };
    return { classid: options.classid, mask, inputDevice, actions };
  }
  return { classid: options.classid, actions };
}

/** A kind's options as the kernel takes them. */
export function filterOptionsToWire(
  kind: string,
  options: unknown,
  protocol: EtherProtocol = "all",
): Encodable<typeof filterMessage.attributes>["options"] {
  if (options === undefined) return undefined;
  if (kind === "bpf") {
    const { fd, name, classid, directAction = true, actions } = options as BpfFilterInput;
    return {
      actions,
      classid: classOf(classid),
      fd: fd instanceof Fd ? fd.number : fd,
      name,
      flags: directAction ? ["directAction"] : undefined,
    };
  }
  if (kind === "u32") {
    const { classid, keys, actions, divisor, hash, link, mark, inputDevice, flags } =
      options as U32FilterInput;
    if (divisor !== undefined) return { divisor, flags };
    // What looks for nothing matches everything, which tc(8) says with a key of an empty mask ("match u32 0 0").
    const some = keys?.length || mark ? (keys ?? []) : [{ mask: 0, value: 0, offset: 0 }];
    return {
      classid: classOf(classid),
      hash,
      link,
      mark,
      inputDevice,
      // A filter that leads on to a table ends nothing by itself.
      selector: { flags: link === undefined ? ["terminal"] : [], keyCount: some.length, keys: some },
      actions,
      flags,
    };
  }
  if (kind === "matchall") {
    const { classid, actions, flags } = options as MatchallFilterInput;
    return { classid: classOf(classid), actions, flags };
  }
  if (kind === "flower") {
    const { classid, ...keys } = options as FlowerFilterInput;
    // The kernel needs it for all but the keys of Ethernet: net/sched/cls_flower.c, fl_set_key.
    const ethType = keys.ethType ?? (protocol === "all" ? undefined : protocol);
    return { ...prefixes(keys), classid: classOf(classid), ethType };
  }
  if (kind === "fw" || kind === "basic") {
    const { classid, ...rest } = options as FwFilterInput & BasicFilterInput;
    return { ...rest, classid: classOf(classid) };
  }
  throw new NetlinkEncodeError(`options of ${kind} filters must be given as rawOptions`);
}

/** A prefix such as "10.0.0.0/8" as an address and a mask. */
function prefixes(keys: Omit<FlowerFilterInput, "classid">): FlowerKeysInput {
  const whole: Record<string, unknown> = { ...keys };
  for (const [name, value] of Object.entries(keys)) {
    if (typeof value !== "string" || !value.includes("/")) continue;
    const { family, bytes, prefixLength } = parsePrefix(value);
    const mask = bytes.map((_, at) => 0xff & ~(0xff >> Math.min(8, Math.max(0, prefixLength - at * 8))));
    whole[name] = value.split("/")[0];
    whole[`${name}Mask`] = family === "ipv4" ? formatIpv4(mask) : formatIpv6(mask);
  }
  return whole;
}

/** The upper and lower half of tcm_info: priority, and protocol in network byte order. */
export function filterInfo(priority: number, protocol: EtherProtocol): number {
  if (!Number.isInteger(priority) || priority < 0 || priority > 0xffff)
    throw new NetlinkEncodeError(`${priority} is not a priority from 0 to 65535`);
  const number = typeof protocol === "number" ? protocol : etherProtocol.names[protocol];
  if (number === undefined || !Number.isInteger(number) || number < 0 || number > 0xffff)
    throw new NetlinkEncodeError(`"${protocol}" is not a protocol`);
  return priority * 0x10000 + networkOrder(number);
}

function protocolName(wire: number): EtherProtocol {
  const number = networkOrder(wire);
  for (const [name, value] of Object.entries(etherProtocol.names))
    if (value === number) return name as EtherProtocol;
  return number;
}

/** htons(3) and back. */
function networkOrder(value: number): number {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value, false);
  return new Uint16Array(bytes.buffer)[0] as number;
}

function classOf(classid: Handle | undefined): number | undefined {
  return classid === undefined ? undefined : parseHandle(classid);
}
