import { MessageFlags, type MessageView } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import { doneUnlessError, RtmType, requestOf } from "../rtnetlink/messages.js";
import { type Input, littleEndian } from "../schema/bytes.js";
import type { NetlinkSocket } from "../socket.js";
import { type EstimatorOptions, estimatorToWire } from "./estimator.js";
import { formatHandle, type Handle, parseHandle, type QdiscParent, qdiscParent, TcHandle } from "./handle.js";
import {
  defaultHandle,
  optionsToWire,
  type Qdisc,
  type QdiscKind,
  type QdiscOptionsInputByKind,
  qdiscReply,
} from "./qdisc.js";
import { type SizeTableInput, sizeTableToWire } from "./size-table.js";
import { qdiscMessage } from "./tc-schema.js";

/** Which qdiscs {@link Qdiscs.dump} gives. */
export interface QdiscFilter<K extends string = string> {
  /** The device. */
  readonly index?: number | undefined;
  readonly kind?: K | undefined;
  readonly parent?: QdiscParent | undefined;
}

/** A qdisc to be made or changed. */
export interface QdiscRequest<K extends string = string> {
  /** The device. */
  readonly index: number;
  readonly kind: K;
  /** Where it hangs; for clsact and ingress this is known. */
  readonly parent?: QdiscParent | undefined;
  /** Its own handle, such as "1:0"; default the kernel's choice. */
  readonly handle?: Handle | undefined;
  /** The kind's parameters. */
  readonly options?:
    | (K extends keyof QdiscOptionsInputByKind ? QdiscOptionsInputByKind[K] : never)
    | undefined;
  /** In place of options: the parameters' bytes, for kinds that are not known here. */
  readonly rawOptions?: Uint8Array | undefined;
  /** For clsact and ingress: a block of filters, by its number, which devices share on ingress. */
  readonly ingressBlock?: number | undefined;
  /** For clsact: the block of filters on egress. */
  readonly egressBlock?: number | undefined;
  /** How packets' sizes are reckoned before the qdisc sees them (tc's "stab"). */
  readonly sizeTable?: SizeTableInput | undefined;
  /** Have the kernel estimate the rate: it stands in `stats.estimate` then. */
  readonly estimator?: EstimatorOptions | undefined;
}

/** Names a qdisc by its place, and where given by its handle or kind too. */
export interface QdiscReference {
  /** The device. */
  readonly index: number;
  readonly parent: QdiscParent;
  readonly handle?: Handle | undefined;
  readonly kind?: string | undefined;
}

/** The qdiscs of a network namespace. */
export class Qdiscs {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All qdiscs, or those that the filter names. */
  dump<K extends QdiscKind>(filter: QdiscFilter<K> & { readonly kind: K }): Iterable<Qdisc<K>>;
  dump(filter?: QdiscFilter): Iterable<Qdisc>;
  *dump(filter: QdiscFilter = {}): Iterable<Qdisc> {
    const { index, kind, parent } = filter;
    const place = parent === undefined ? undefined : qdiscParent(parent);
    const request = requestOf("RTM_GETQDISC", "read the qdiscs", qdiscMessage, {
      header: { index: index ?? 0 },
    });
    // The kernel gives all devices' qdiscs whatever the index says: net/sched/sch_api.c, tc_dump_qdisc.
    const select = (input: Input, message: MessageView) =>
      message.type === RtmType.RTM_NEWQDISC &&
      (index === undefined || input.view.getInt32(message.start + 4, littleEndian) === index) &&
      (place === undefined || input.view.getUint32(message.start + 12, littleEndian) === place);
    for (const qdisc of this.#socket.dump(request, qdiscReply, { select }))
      if (kind === undefined || qdisc.kind === kind) yield qdisc;
  }

  /** The qdisc at a place of a device, or undefined. @param parent default the root */
  find(index: number, parent: QdiscParent = "root"): Qdisc | undefined {
    for (const qdisc of this.dump({ index, parent })) return qdisc;
    return undefined;
  }

  /** Makes a qdisc. @throws NetlinkError EEXIST where the place is taken, ENOENT where the kernel lacks the kind */
  add<const K extends string>(request: QdiscRequest<K>): void {
    this.#socket.acknowledge(addQdisc(request));
  }

  /** Makes a qdisc, in place of what is there; one of the same kind (and handle) is changed and keeps its packets. */
  replace<const K extends string>(request: QdiscRequest<K>): void {
    this.#socket.acknowledge(replaceQdisc(request));
  }

  /** Changes a qdisc that is there. @throws NetlinkError ENOENT where there is none */
  change<const K extends string>(request: QdiscRequest<K>): void {
    this.#socket.acknowledge(changeQdisc(request));
  }

  /** Removes a qdisc with its classes and filters. @throws NetlinkError ENOENT or EINVAL where there is none */
  remove(reference: QdiscReference): void {
    this.#socket.acknowledge(removeQdisc(reference));
  }

  /** Removes a qdisc. @returns false where there was none */
  removeIfPresent(reference: QdiscReference): boolean {
    // A root that only holds a default qdisc answers ENOENT, an empty clsact hook EINVAL on older kernels.
    return doneUnlessError(["ENOENT", "EINVAL", "ENODEV"], () => this.remove(reference));
  }
}

/** RTM_NEWQDISC that makes. */
export function addQdisc<const K extends string>(request: QdiscRequest<K>): NetlinkRequest {
  return qdiscRequest("add", MessageFlags.CREATE | MessageFlags.EXCL, request);
}

/** RTM_NEWQDISC that makes or replaces. */
export function replaceQdisc<const K extends string>(request: QdiscRequest<K>): NetlinkRequest {
  return qdiscRequest("set", MessageFlags.CREATE | MessageFlags.REPLACE, request);
}

/** RTM_NEWQDISC that changes. */
export function changeQdisc<const K extends string>(request: QdiscRequest<K>): NetlinkRequest {
  return qdiscRequest("change", 0, request);
}

/** RTM_DELQDISC. */
export function removeQdisc(reference: QdiscReference): NetlinkRequest {
  const { index, handle, kind } = reference;
  const parent = qdiscParent(reference.parent);
  return requestOf(
    "RTM_DELQDISC",
    `remove the ${kind ?? "qdisc"} at ${formatHandle(parent)} of device ${index}`,
    qdiscMessage,
    {
      header: { index, parent, handle: handle === undefined ? handleAt(parent) : parseHandle(handle) },
      attributes: { kind },
    },
  );
}

function qdiscRequest(verb: string, flags: number, request: QdiscRequest): NetlinkRequest {
  const { index, kind, options, rawOptions, ingressBlock, egressBlock, sizeTable, estimator } = request;
  const hook = kind === "clsact" || kind === "ingress";
  const parent =
    request.parent === undefined && hook ? TcHandle.CLSACT : qdiscParent(request.parent ?? "root");
  const handle = request.handle === undefined ? defaultHandle(kind) : parseHandle(request.handle);
  return requestOf(
    "RTM_NEWQDISC",
    `${verb} the ${kind} qdisc at ${formatHandle(parent)} of device ${index}`,
    qdiscMessage,
    {
      header: { index, parent, handle },
      attributes: {
        kind,
        rate: estimator && estimatorToWire(estimator),
        sizeTable: sizeTable && sizeTableToWire(sizeTable),
        options: rawOptions ?? optionsToWire(kind, options),
        ingressBlock,
        egressBlock,
      },
    },
    { flags, hint: (errno) => qdiscHint(kind, errno) },
  );
}

function handleAt(parent: number): number {
  return parent === TcHandle.CLSACT ? TcHandle.CLSACT_QDISC : TcHandle.UNSPEC;
}

function qdiscHint(kind: string, errno: number): string | undefined {
  const ENOENT = 2;
  // The kernel answers ENOENT with "Specified qdisc kind is unknown": net/sched/sch_api.c, qdisc_create.
  return errno === ENOENT ? `Where the kind is unknown, this kernel has no sch_${kind} module.` : undefined;
}
