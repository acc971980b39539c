import { MessageFlags, type MessageView } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import { doneUnlessError, RtmType, requestOf } from "../rtnetlink/messages.js";
import type { Input } from "../schema/bytes.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import type { NetlinkSocket } from "../socket.js";
import {
  type EtherProtocol,
  type Filter,
  type FilterOptionsInputByKind,
  filterInfo,
  filterOptionsToWire,
  filterReply,
} from "./filter.js";
import { filterMessage } from "./filter-schema.js";
import { describePlace, type FilterPlace, placeHeader } from "./place.js";

/** A chain of filters, as the kernel describes it. */
export interface Chain {
  /** The device. */
  readonly index: number;
  /** Where it hangs: 0xfffffff3 is clsact's egress side, 0xfffffff2 its ingress side. */
  readonly parent: number;
  /** Its number; packets start in chain 0, and get to others by the verdict that `gotoChain` makes. */
  readonly chain: number;
  /** The kind of filters that it takes, where it has a template. */
  readonly kind: string | undefined;
  /** The template: the keys and masks that all of its filters are made of. */
  readonly template: Filter["options"];
  /** The block that the chain belongs to, where devices share it: its index is -1 then, and its parent the block. */
  readonly block: number | undefined;
}

/** Names a chain. */
export type ChainReference = FilterPlace & {
  readonly chain: number;
};

/** What a chain is to hold: nothing, and with a template where a kind is given. */
export interface ChainSettings<K extends string = string> {
  /** The kind of filters that the chain takes, with a template; the kernel knows templates of flower. */
  readonly kind?: K | undefined;
  /** The protocol of the template; default "all". */
  readonly protocol?: EtherProtocol | undefined;
  /** The template: keys whose masks say what the chain's filters look at. */
  readonly template?:
    | (K extends keyof FilterOptionsInputByKind ? FilterOptionsInputByKind[K] : never)
    | undefined;
}

/** A chain to be made. */
export type ChainRequest<K extends string = string> = ChainReference & ChainSettings<K>;

const chainReply = {
  decode: (input: Input, start: number, end: number): Chain | undefined => {
    const wire = filterReply.decode(input, start, end);
    if (!wire) return undefined;
    const { index, parent, chain, kind, options, block } = wire;
    return { index, parent, chain, kind: kind === "" ? undefined : kind, template: options, block };
  },
  encode: () => {
    throw new NetlinkEncodeError("answers are only read");
  },
};

/** The chains of a network namespace's filters: include/uapi/linux/rtnetlink.h, RTM_NEWCHAIN. */
export class Chains {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** The chains at one place of a device or of a block: those that hold filters, and those that were made. */
  dump(query: FilterPlace): Iterable<Chain> {
    const action = `read the chains ${describePlace(query)}`;
    const request = requestOf("RTM_GETCHAIN", action, filterMessage, { header: placeHeader(query) });
    const select = (_input: Input, message: MessageView) => message.type === RtmType.RTM_NEWCHAIN;
    return this.#socket.dump(request, chainReply, { select });
  }

  /** One chain. @throws NetlinkError ENOENT or EINVAL where there is none */
  get(reference: ChainReference): Chain {
    return this.#socket.get(chainRequest("RTM_GETCHAIN", "read", reference), chainReply);
  }

  /** Makes a chain. @throws NetlinkError EEXIST where it was made before */
  add<const K extends string>(request: ChainRequest<K>): void {
    this.#socket.acknowledge(addChain(request));
  }

  /** Removes a chain with its filters. @throws NetlinkError ENOENT or EINVAL where there is none */
  remove(reference: ChainReference): void {
    this.#socket.acknowledge(removeChain(reference));
  }

  /** Removes a chain. @returns false where there was none */
  removeIfPresent(reference: ChainReference): boolean {
    // The kernel answers EINVAL with "Cannot find specified filter chain": net/sched/cls_api.c, tc_ctl_chain.
    return doneUnlessError(["ENOENT", "EINVAL", "ENODEV"], () => this.remove(reference));
  }
}

/** RTM_NEWCHAIN. */
export function addChain<const K extends string>(request: ChainRequest<K>): NetlinkRequest {
  return chainRequest("RTM_NEWCHAIN", "add", request, MessageFlags.CREATE | MessageFlags.EXCL);
}

/** RTM_DELCHAIN. */
export function removeChain(reference: ChainReference): NetlinkRequest {
  return chainRequest("RTM_DELCHAIN", "remove", reference);
}

/** A request of any kind. */
type AnyRequest = ChainReference & Omit<ChainSettings, "template"> & { readonly template?: unknown };

function chainRequest(
  operation: "RTM_NEWCHAIN" | "RTM_DELCHAIN" | "RTM_GETCHAIN",
  verb: string,
  request: AnyRequest,
  flags = 0,
): NetlinkRequest {
  const { chain, kind, template } = request;
  const { protocol = kind === undefined ? 0 : "all" } = request;
  return requestOf(
    operation,
    `${verb} chain ${chain} ${describePlace(request)}`,
    filterMessage,
    {
      header: { ...placeHeader(request), info: filterInfo(0, protocol) },
      attributes: {
        chain,
        kind,
        options: kind === undefined ? undefined : filterOptionsToWire(kind, template, protocol),
      },
    },
    { flags },
  );
}
