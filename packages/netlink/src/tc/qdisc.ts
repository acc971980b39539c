import type { Input } from "../schema/bytes.js";
import type { Decoded, Encodable } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import { attributePayload } from "../schema/tlv.js";
import type { FqOptions, FqOptionsInput, prioQopt } from "./fq.js";
import { TcHandle } from "./handle.js";
import { type HtbOptions, type HtbOptionsInput, htbFromWire, htbToWire } from "./htb.js";
import type { CakeOptions, CakeOptionsInput } from "./kinds/cake.js";
import type { CodelOptions, CodelOptionsInput, FqCodelOptions, FqCodelOptionsInput } from "./kinds/codel.js";
import { type EtfOptions, type EtfOptionsInput, etfFromWire, etfToWire } from "./kinds/etf.js";
import { type MqprioOptions, type MqprioOptionsInput, mqprioFromWire, mqprioToWire } from "./kinds/mqprio.js";
import {
  type NetemOptions,
  type NetemOptionsInput,
  netemFromWire,
  netemToWire,
} from "./kinds/netem-options.js";
import { type SfqOptions, type SfqOptionsInput, sfqFromWire, sfqToWire } from "./kinds/sfq.js";
import { type SizeTable, sizeTableFromWire } from "./size-table.js";
import { statsOf, type TcStats, type XstatsOf } from "./stats.js";
import { type TbfOptions, type TbfOptionsInput, tbfFromWire, tbfToWire } from "./tbf.js";
import { type fifoQopt, qdiscMessage, tcmsg } from "./tc-schema.js";

/** What each kind of qdisc reports. */
export interface QdiscOptionsByKind {
  bfifo: Decoded<typeof fifoQopt>;
  cake: CakeOptions;
  codel: CodelOptions;
  etf: EtfOptions;
  fq: FqOptions;
  fq_codel: FqCodelOptions;
  htb: HtbOptions;
  mqprio: MqprioOptions;
  netem: NetemOptions;
  pfifo: Decoded<typeof fifoQopt>;
  pfifo_fast: Decoded<typeof prioQopt>;
  pfifo_head_drop: Decoded<typeof fifoQopt>;
  prio: Decoded<typeof prioQopt>;
  sfq: SfqOptions;
  tbf: TbfOptions;
}

/** What each kind of qdisc takes. */
export interface QdiscOptionsInputByKind {
  bfifo: Encodable<typeof fifoQopt>;
  cake: CakeOptionsInput;
  codel: CodelOptionsInput;
  etf: EtfOptionsInput;
  fq: FqOptionsInput;
  fq_codel: FqCodelOptionsInput;
  htb: HtbOptionsInput;
  mqprio: MqprioOptionsInput;
  netem: NetemOptionsInput;
  pfifo: Encodable<typeof fifoQopt>;
  pfifo_head_drop: Encodable<typeof fifoQopt>;
  prio: Encodable<typeof prioQopt>;
  sfq: SfqOptionsInput;
  tbf: TbfOptionsInput;
}

/** The kinds of qdisc whose options are typed. */
export type QdiscKind = keyof QdiscOptionsByKind;

/** Counters particular to a kind. */
export interface QdiscXstatsByKind {
  cake: XstatsOf<"cake">;
  codel: XstatsOf<"codel">;
  fq: XstatsOf<"fq">;
  fq_codel: XstatsOf<"fq_codel">;
}

/** A qdisc, as the kernel describes it. */
export interface Qdisc<K extends string = string> {
  /** The device. */
  readonly index: number;
  readonly kind: K;
  /** Its own handle: 0x10000 is "1:", 0 that of a default qdisc. See `formatHandle`. */
  readonly handle: number;
  /** Where it hangs: 0xffffffff is the root, 0xfffffff1 clsact, otherwise a class. */
  readonly parent: number;
  /** The kind's parameters; bytes where the kind is not known here, undefined where it has none. */
  readonly options:
    | (K extends QdiscKind ? QdiscOptionsByKind[K] : QdiscOptionsByKind[QdiscKind] | Uint8Array)
    | undefined;
  /**
   * The parameters as the kernel sent them, good for giving them back with `replace`. Not for htb, which refuses the
   * version that it reports: give its `options` back.
   */
  readonly rawOptions: Uint8Array | undefined;
  readonly stats: TcStats | undefined;
  /** Counters particular to the kind; bytes where the kind is not known here. */
  readonly xstats:
    | (K extends keyof QdiscXstatsByKind
        ? QdiscXstatsByKind[K]
        : QdiscXstatsByKind[keyof QdiscXstatsByKind] | Uint8Array)
    | undefined;
  /** How many queues or classes share the qdisc. */
  readonly references: number;
  /** The block of filters that devices share on ingress, where there is one. */
  readonly ingressBlock: number | undefined;
  readonly egressBlock: number | undefined;
  /** How packets' sizes are reckoned before the qdisc sees them, where that was set. */
  readonly sizeTable: SizeTable | undefined;
}

/** Whether a qdisc is of a kind: its `options` are typed then. */
export function isQdiscKind<K extends QdiscKind>(qdisc: Qdisc, kind: K): qdisc is Qdisc<K> {
  return qdisc.kind === kind && !(qdisc.options instanceof Uint8Array);
}

const TCA_OPTIONS = 2;

/** How an answer about qdiscs reads. */
export const qdiscReply = {
  decode: (input: Input, start: number, end: number): Qdisc | undefined => {
    const wire = qdiscMessage.decode(input, start, end);
    return wire && qdiscOf(wire, attributePayload(input, start + tcmsg.size, end, TCA_OPTIONS));
  },
  encode: () => {
    throw new NetlinkEncodeError("answers are only read");
  },
};

function qdiscOf(wire: Decoded<typeof qdiscMessage>, rawOptions: Uint8Array | undefined): Qdisc {
  const { header, attributes } = wire;
  const { kind = "", options } = attributes;
  return {
    index: header.index,
    kind,
    handle: header.handle,
    parent: header.parent,
    options: optionsFromWire(kind, options),
    rawOptions,
    stats: statsOf(attributes.stats2),
    xstats: (attributes.stats2?.app ?? attributes.xstats) as Qdisc["xstats"],
    references: header.info,
    ingressBlock: attributes.ingressBlock,
    egressBlock: attributes.egressBlock,
    sizeTable: sizeTableFromWire(attributes.sizeTable),
  };
}

type WireOptions = NonNullable<Decoded<typeof qdiscMessage>["attributes"]["options"]>;

function optionsFromWire(kind: string, options: WireOptions | undefined): Qdisc["options"] {
  if (options === undefined || options instanceof Uint8Array) return options;
  const convert = conversionOf(kind);
  return convert ? convert.from(options as never) : (options as Qdisc["options"]);
}

type PrioOptions = Decoded<typeof prioQopt>;

/** Where tc(8) puts the 16 priorities: interactive traffic first, bulk last. */
const PRIOMAP = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];

function prioToWire({ bands = 3, priomap = PRIOMAP }: Encodable<typeof prioQopt>) {
  return { bands, priomap };
}

/**
 * The kinds whose parameters are not written on the wire as the API has them. The kernel refuses to make some kinds
 * without parameters: these have a default.
 */
const conversions = {
  etf: { from: etfFromWire, to: etfToWire },
  htb: { from: htbFromWire, to: htbToWire, default: () => htbToWire({}) },
  mqprio: { from: mqprioFromWire, to: mqprioToWire },
  netem: { from: netemFromWire, to: netemToWire, default: () => netemToWire({}) },
  prio: { from: (wire: PrioOptions) => wire, to: prioToWire, default: () => prioToWire({}) },
  sfq: { from: sfqFromWire, to: sfqToWire },
  tbf: { from: tbfFromWire, to: tbfToWire },
} as const;

function conversionOf(kind: string) {
  return Object.hasOwn(conversions, kind) ? conversions[kind as keyof typeof conversions] : undefined;
}

/** A kind's parameters as the kernel takes them. */
export function optionsToWire(
  kind: string,
  options: unknown,
): Encodable<typeof qdiscMessage.attributes>["options"] {
  const convert = conversionOf(kind);
  if (options === undefined) return convert && "default" in convert ? convert.default() : undefined;
  return convert ? convert.to(options as never) : (options as Uint8Array);
}

/** The handle that a kind has where none is asked for. */
export function defaultHandle(kind: string): number {
  return kind === "clsact" || kind === "ingress" ? TcHandle.CLSACT_QDISC : TcHandle.UNSPEC;
}
