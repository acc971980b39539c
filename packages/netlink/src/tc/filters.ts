import { MessageFlags, type MessageView } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import { doneUnlessError, RtmType, requestOf } from "../rtnetlink/messages.js";
import type { Input } from "../schema/bytes.js";
import type { NetlinkSocket } from "../socket.js";
import {
  type EtherProtocol,
  type Filter,
  type FilterKind,
  type FilterOptionsInputByKind,
  filterInfo,
  filterOptionsToWire,
  filterReply,
} from "./filter.js";
import { filterMessage } from "./filter-schema.js";
import { describePlace, type FilterPlace, placeHeader } from "./place.js";

/** Which filters {@link Filters.dump} gives. */
export type FilterQuery<K extends string = string> = FilterPlace & {
  readonly kind?: K | undefined;
  readonly priority?: number | undefined;
  readonly chain?: number | undefined;
};

/** What a filter is to be, wherever it is. */
export interface FilterSettings<K extends string = string> {
  readonly kind: K;
  /** Lower ones run first; default (or 0) the kernel's choice. */
  readonly priority?: number | undefined;
  /** Default "all". */
  readonly protocol?: EtherProtocol | undefined;
  /** The filter's own number; default (or 0) the kernel's choice. */
  readonly handle?: number | undefined;
  readonly chain?: number | undefined;
  readonly options?:
    | (K extends keyof FilterOptionsInputByKind ? FilterOptionsInputByKind[K] : never)
    | undefined;
  /** In place of options: the options' bytes, for kinds that are not known here. */
  readonly rawOptions?: Uint8Array | undefined;
}

/** A filter to be made or replaced. */
export type FilterRequest<K extends string = string> = FilterPlace & FilterSettings<K>;

/** Names a filter; without a handle all filters of that priority, without a priority all at that place. */
export type FilterReference = FilterPlace & {
  readonly kind?: string | undefined;
  readonly priority?: number | undefined;
  readonly protocol?: EtherProtocol | undefined;
  readonly handle?: number | undefined;
  readonly chain?: number | undefined;
};

/** The filters of a network namespace. */
export class Filters {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** The filters at one place of a device, or of a block. Nothing where the place does not exist. */
  dump<K extends FilterKind>(query: FilterQuery<K> & { readonly kind: K }): Iterable<Filter<K>>;
  dump(query: FilterQuery): Iterable<Filter>;
  *dump(query: FilterQuery): Iterable<Filter> {
    const { kind, priority = 0, chain } = query;
    const request = requestOf("RTM_GETTFILTER", `read the filters ${describePlace(query)}`, filterMessage, {
      header: { ...placeHeader(query), info: priority * 0x10000 },
      attributes: { chain },
    });
    const select = (_input: Input, message: MessageView) => message.type === RtmType.RTM_NEWTFILTER;
    for (const filter of this.#socket.dump(request, filterReply, { select })) {
      // Each priority is preceded by an entry for itself, with handle 0: it is no filter.
      if (filter.handle === 0 && filter.options === undefined) continue;
      if (kind === undefined || filter.kind === kind) yield filter;
    }
  }

  /**
   * Makes a filter.
   * @returns the filter as the kernel made it, with the handle and priority that it chose
   * @throws NetlinkError EEXIST where there is one with that priority and handle, ENOENT where the kernel lacks the kind
   */
  add<const K extends string>(request: FilterRequest<K>): Filter<K> {
    return this.#make(addFilter(request), request) as Filter<K>;
  }

  /**
   * Makes a filter, in place of the one with the same priority and handle. Give both: where either is left to the
   * kernel, a new filter is made each time.
   */
  replace<const K extends string>(request: FilterRequest<K>): Filter<K> {
    return this.#make(replaceFilter(request), request) as Filter<K>;
  }

  /** Removes a filter, or several: see {@link FilterReference}. @throws NetlinkError ENOENT where there is none */
  remove(reference: FilterReference): void {
    this.#socket.acknowledge(removeFilter(reference));
  }

  /** Removes a filter. @returns false where there was none */
  removeIfPresent(reference: FilterReference): boolean {
    // Without a clsact qdisc the kernel answers EINVAL ("Parent Qdisc doesn't exists").
    return doneUnlessError(["ENOENT", "EINVAL", "ENODEV"], () => this.remove(reference));
  }

  #make(request: NetlinkRequest, place: FilterPlace): Filter {
    let made: Filter | undefined;
    this.#socket.acknowledge(
      { ...request, flags: (request.flags ?? 0) | MessageFlags.ECHO },
      (input, message) => {
        if (message.type === RtmType.RTM_NEWTFILTER)
          made = filterReply.decode(input, message.start, message.end);
      },
    );
    if (!made) throw new Error(`could not ${request.action}: the kernel did not say what it made`);
    if (made.options !== undefined) return made;
    // matchall's notification is about no filter (net/sched/cls_matchall.c, mall_change): this is the one that it made.
    const { kind, priority, chain } = made;
    const [found = made] = this.dump({ ...place, kind, priority, chain });
    return found;
  }
}

/** RTM_NEWTFILTER that makes. */
export function addFilter<const K extends string>(request: FilterRequest<K>): NetlinkRequest {
  return filterRequest("add", MessageFlags.CREATE | MessageFlags.EXCL, request);
}

/** RTM_NEWTFILTER that makes or replaces. */
export function replaceFilter<const K extends string>(request: FilterRequest<K>): NetlinkRequest {
  // Not NLM_F_REPLACE: the kernel only looks at NLM_F_CREATE and NLM_F_EXCL (net/sched/cls_api.c, tc_new_tfilter).
  return filterRequest("set", MessageFlags.CREATE, request);
}

/** RTM_DELTFILTER. */
export function removeFilter(reference: FilterReference): NetlinkRequest {
  const { kind, priority = 0, handle = 0, chain } = reference;
  // Without a priority the protocol has to be left out too, and the kernel flushes the chain.
  const protocol = reference.protocol ?? (priority === 0 ? 0 : "all");
  return requestOf(
    "RTM_DELTFILTER",
    `remove the ${kind ?? ""} filter ${priority}/${handle} ${describePlace(reference)}`,
    filterMessage,
    {
      header: { ...placeHeader(reference), handle, info: filterInfo(priority, protocol) },
      attributes: { kind, chain },
    },
  );
}

/** A request of any kind. */
type AnyRequest = FilterPlace & Omit<FilterSettings, "options"> & { readonly options?: unknown };

function filterRequest(verb: string, flags: number, request: AnyRequest): NetlinkRequest {
  const { kind, priority = 0, protocol = "all", handle = 0, chain, options, rawOptions } = request;
  return requestOf(
    "RTM_NEWTFILTER",
    `${verb} the ${kind} filter ${describePlace(request)}`,
    filterMessage,
    {
      header: { ...placeHeader(request), handle, info: filterInfo(priority, protocol) },
      attributes: { kind, chain, options: rawOptions ?? filterOptionsToWire(kind, options, protocol) },
    },
    { flags },
  );
}
