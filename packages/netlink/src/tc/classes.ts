import { MessageFlags, type MessageView } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import { RtmType, requestOf } from "../rtnetlink/messages.js";
import { type Input, littleEndian } from "../schema/bytes.js";
import type { Decoded } from "../schema/codec.js";
import { mapped } from "../schema/codec.js";
import type { NetlinkSocket } from "../socket.js";
import { type EstimatorOptions, estimatorToWire } from "./estimator.js";
import { formatHandle, type Handle, parseHandle, TcHandle } from "./handle.js";
import { type HtbClassOptions, type HtbClassOptionsInput, htbClassFromWire, htbClassToWire } from "./htb.js";
import { statsOf, type TcStats, type XstatsOf } from "./stats.js";
import { type qdiscKinds, qdiscMessage } from "./tc-schema.js";

/** Counters of classes that are particular to a kind. */
export interface ClassXstatsByKind {
  cake: XstatsOf<"cake">;
  fq_codel: XstatsOf<"fq_codel">;
  htb: XstatsOf<"htb">;
  sfq: XstatsOf<"sfq">;
}
/** Counters of a class of any kind; bytes where the kind is not known here. */
export type ClassXstats = ClassXstatsByKind[keyof ClassXstatsByKind] | Uint8Array;

/** Whether a class is of a kind: its `xstats` are typed then. */
export function isClassKind<K extends keyof ClassXstatsByKind>(
  one: TrafficClass,
  kind: K,
): one is TrafficClass<K> {
  return one.kind === kind && !(one.xstats instanceof Uint8Array);
}

/** A class of a classful qdisc, as the kernel describes it. */
export interface TrafficClass<K extends string = string> {
  /** The device. */
  readonly index: number;
  /** The qdisc's kind, such as "htb". */
  readonly kind: K;
  /** Its own handle: 0x10010 is "1:10". */
  readonly handle: number;
  /** The class or qdisc above; 0xffffffff is the qdisc itself. */
  readonly parent: number;
  /** The handle of the qdisc within, where there is one. */
  readonly leaf: number;
  /** Parameters of htb's classes; undefined for other kinds. */
  readonly options: HtbClassOptions | undefined;
  readonly stats: TcStats | undefined;
  /** Counters particular to the kind: of htb's classes, or of the flows that some qdiscs show as classes. */
  readonly xstats: (K extends keyof ClassXstatsByKind ? ClassXstatsByKind[K] : ClassXstats) | undefined;
}

/** A class of htb to be made or changed. */
export interface ClassRequest {
  /** The device. */
  readonly index: number;
  /** The kind of the qdisc. */
  readonly kind: "htb";
  /** The qdisc, or the class above: "1:" or "1:1". */
  readonly parent: Handle;
  /** Its own handle, within the qdisc's: "1:10". */
  readonly handle: Handle;
  readonly options: HtbClassOptionsInput;
  /** Have the kernel estimate the rate: it stands in `stats.estimate` then. */
  readonly estimator?: EstimatorOptions | undefined;
}

const classReply = mapped(qdiscMessage, classOf, (value: never) => value);

/** The classes of a network namespace's qdiscs. */
export class Classes {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All classes of a device. */
  dump(filter: { readonly index: number }): Iterable<TrafficClass> {
    const { index } = filter;
    const request = requestOf("RTM_GETTCLASS", `read the classes of device ${index}`, qdiscMessage, {
      header: { index },
    });
    const select = (input: Input, message: MessageView) =>
      message.type === RtmType.RTM_NEWTCLASS &&
      input.view.getInt32(message.start + 4, littleEndian) === index;
    return this.#socket.dump(request, classReply, { select });
  }

  /** Makes a class. @throws NetlinkError EEXIST where there is one with that handle */
  add(request: ClassRequest): void {
    this.#socket.acknowledge(addClass(request));
  }

  /** Makes a class, or changes it where it is there. */
  replace(request: ClassRequest): void {
    this.#socket.acknowledge(replaceClass(request));
  }

  /** Removes a class. @throws NetlinkError EBUSY while filters or classes refer to it */
  remove(reference: { readonly index: number; readonly handle: Handle }): void {
    this.#socket.acknowledge(removeClass(reference));
  }
}

/** RTM_NEWTCLASS that makes. */
export function addClass(request: ClassRequest): NetlinkRequest {
  return classRequest("add", MessageFlags.CREATE | MessageFlags.EXCL, request);
}

/** RTM_NEWTCLASS that makes or changes. */
export function replaceClass(request: ClassRequest): NetlinkRequest {
  return classRequest("set", MessageFlags.CREATE | MessageFlags.REPLACE, request);
}

/** RTM_DELTCLASS. */
export function removeClass(reference: { readonly index: number; readonly handle: Handle }): NetlinkRequest {
  const handle = parseHandle(reference.handle);
  return requestOf(
    "RTM_DELTCLASS",
    `remove the class ${formatHandle(handle)} of device ${reference.index}`,
    qdiscMessage,
    { header: { index: reference.index, handle, parent: TcHandle.UNSPEC } },
  );
}

function classRequest(verb: string, flags: number, request: ClassRequest): NetlinkRequest {
  const { kind, estimator } = request;
  const handle = parseHandle(request.handle);
  return requestOf(
    "RTM_NEWTCLASS",
    `${verb} the class ${formatHandle(handle)} of device ${request.index}`,
    qdiscMessage,
    {
      header: { index: request.index, handle, parent: parseHandle(request.parent) },
      attributes: {
        kind,
        rate: estimator && estimatorToWire(estimator),
        options: htbClassToWire(request.options),
      },
    },
    { flags },
  );
}

/** The class that a message describes. */
export function classOf(wire: Decoded<typeof qdiscMessage>): TrafficClass {
  const { header, attributes } = wire;
  const { kind = "", options, stats2, xstats } = attributes;
  const htb = kind === "htb" && options !== undefined && !(options instanceof Uint8Array);
  return {
    index: header.index,
    kind,
    handle: header.handle,
    parent: header.parent,
    leaf: header.info,
    options: htb ? htbClassFromWire(options as Decoded<(typeof qdiscKinds)["htb"]>) : undefined,
    stats: statsOf(stats2),
    xstats: (stats2?.app ?? xstats) as TrafficClass["xstats"],
  };
}
