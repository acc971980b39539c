import type { NetlinkRequest } from "../request.js";
import type { ActionInput } from "../tc/action.js";
import { addChain, type ChainReference, type ChainRequest, removeChain } from "../tc/chains.js";
import { addClass, type ClassRequest, removeClass, replaceClass } from "../tc/classes.js";
import {
  addFilter,
  type FilterReference,
  type FilterRequest,
  removeFilter,
  replaceFilter,
} from "../tc/filters.js";
import type { Handle } from "../tc/handle.js";
import {
  addQdisc,
  changeQdisc,
  type QdiscReference,
  type QdiscRequest,
  removeQdisc,
  replaceQdisc,
} from "../tc/qdiscs.js";
import { type ActionReference, addActions, removeAction, replaceActions } from "../tc/shared-actions.js";
import { type AddressRequest, addressRequest, CREATE, CREATE_OR_REPLACE } from "./address.js";
import {
  addLink,
  type LinkChanges,
  type LinkReference,
  type LinkRequest,
  removeLink,
  setLink,
} from "./link.js";
import { addMdbEntry, type MdbReference, type MdbRequest, removeMdbEntry } from "./mdb.js";
import type { Hold } from "./messages.js";
import { type FdbRequest, fdbRequest, type NeighbourRequest, neighbourRequest } from "./neighbour.js";
import { type NexthopRequest, nexthopRequest, removeNexthop } from "./nexthops.js";
import { type RouteRequest, routeRequest } from "./route.js";
import { type RuleRequest, ruleRequest } from "./rules.js";

/** Collects requests that change something, to be sent together. The methods are those of Rtnetlink's collections. */
export class Batch {
  readonly #add: (request: NetlinkRequest) => void;
  readonly #hold: Hold;

  /** @param add takes the requests in order; @param hold keeps what they refer to */
  constructor(add: (request: NetlinkRequest) => void, hold: Hold) {
    this.#add = add;
    this.#hold = hold;
  }

  /** As `rt.links`. */
  readonly links = {
    /** Makes a link; one that is there already is refused with EEXIST. */
    add: <const K extends string>(request: LinkRequest<K>): void => this.#add(addLink(request, this.#hold)),
    /** A link named by its name cannot get another name here: name it by its index then. */
    set: <const K extends string, const P extends string>(
      reference: LinkReference,
      changes: LinkChanges<K, P>,
    ): void => this.#add(setLink(reference, changes, this.#hold)),
    /** Removes a link. */
    remove: (reference: LinkReference): void => this.#add(removeLink(reference)),
  };

  /** As `rt.addresses`. */
  readonly addresses = {
    /** Makes an address; one that is there already is refused with EEXIST. */
    add: (request: AddressRequest): void => this.#add(addressRequest("RTM_NEWADDR", request, CREATE)),
    /** Makes an address, or puts it in the place of the one that is there. */
    replace: (request: AddressRequest): void =>
      this.#add(addressRequest("RTM_NEWADDR", request, CREATE_OR_REPLACE)),
    /** Removes an address. */
    remove: (request: AddressRequest): void => this.#add(addressRequest("RTM_DELADDR", request, 0)),
  };

  /** As `rt.routes`. */
  readonly routes = {
    /** Makes a route; one that is there already is refused with EEXIST. */
    add: (request: RouteRequest): void => this.#add(routeRequest("RTM_NEWROUTE", request, CREATE)),
    /** Makes a route, or puts it in the place of the one that is there. */
    replace: (request: RouteRequest): void =>
      this.#add(routeRequest("RTM_NEWROUTE", request, CREATE_OR_REPLACE)),
    /** Removes a route. */
    remove: (request: RouteRequest): void => this.#add(routeRequest("RTM_DELROUTE", request, 0)),
  };

  /** As `rt.rules`. */
  readonly rules = {
    /** Makes a rule; one that is there already is refused with EEXIST. */
    add: (request: RuleRequest): void => this.#add(ruleRequest("RTM_NEWRULE", request, CREATE)),
    /** Removes a rule. */
    remove: (request: RuleRequest): void => this.#add(ruleRequest("RTM_DELRULE", request, 0)),
  };

  /** As `rt.neighbours`. */
  readonly neighbours = {
    /** Makes a neighbour; one that is there already is refused with EEXIST. */
    add: (request: NeighbourRequest): void => this.#add(neighbourRequest("RTM_NEWNEIGH", request, CREATE)),
    /** Makes a neighbour, or puts it in the place of the one that is there. */
    replace: (request: NeighbourRequest): void =>
      this.#add(neighbourRequest("RTM_NEWNEIGH", request, CREATE_OR_REPLACE)),
    /** Removes a neighbour. */
    remove: (request: NeighbourRequest): void => this.#add(neighbourRequest("RTM_DELNEIGH", request, 0)),
  };

  /** As `rt.fdb`. */
  readonly fdb = {
    /** Makes a forwarding entry; one that is there already is refused with EEXIST. */
    add: (request: FdbRequest): void => this.#add(fdbRequest("RTM_NEWNEIGH", request, CREATE)),
    /** Makes a forwarding entry, or puts it in the place of the one that is there. */
    replace: (request: FdbRequest): void => this.#add(fdbRequest("RTM_NEWNEIGH", request, CREATE_OR_REPLACE)),
    /** Removes a forwarding entry. */
    remove: (request: FdbRequest): void => this.#add(fdbRequest("RTM_DELNEIGH", request, 0)),
  };

  /** As `rt.nexthops`. */
  readonly nexthops = {
    /** Makes a nexthop object; one that is there already is refused with EEXIST. */
    add: (request: NexthopRequest): void => this.#add(nexthopRequest(request, CREATE)),
    /** Makes a nexthop object, or puts it in the place of the one that is there. */
    replace: (request: NexthopRequest & { readonly id: number }): void =>
      this.#add(nexthopRequest(request, CREATE_OR_REPLACE)),
    /** Removes a nexthop object. */
    remove: (id: number): void => this.#add(removeNexthop(id)),
  };

  /** As `rt.qdiscs`. */
  readonly qdiscs = {
    /** Makes a qdisc; one that is there already is refused with EEXIST. */
    add: <const K extends string>(request: QdiscRequest<K>): void => this.#add(addQdisc(request)),
    /** Makes a qdisc, or puts it in the place of the one that is there. */
    replace: <const K extends string>(request: QdiscRequest<K>): void => this.#add(replaceQdisc(request)),
    /** Changes a qdisc that is there. */
    change: <const K extends string>(request: QdiscRequest<K>): void => this.#add(changeQdisc(request)),
    /** Removes a qdisc. */
    remove: (reference: QdiscReference): void => this.#add(removeQdisc(reference)),
  };

  /** As `rt.classes`. */
  readonly classes = {
    /** Makes a class; one that is there already is refused with EEXIST. */
    add: (request: ClassRequest): void => this.#add(addClass(request)),
    /** Makes a class, or puts it in the place of the one that is there. */
    replace: (request: ClassRequest): void => this.#add(replaceClass(request)),
    /** Removes a class. */
    remove: (reference: { readonly index: number; readonly handle: Handle }): void =>
      this.#add(removeClass(reference)),
  };

  /** As `rt.filters`. */
  readonly filters = {
    /** Makes a filter; one that is there already is refused with EEXIST. */
    add: <const K extends string>(request: FilterRequest<K>): void => this.#add(addFilter(request)),
    /** Makes a filter, or puts it in the place of the one that is there. */
    replace: <const K extends string>(request: FilterRequest<K>): void => this.#add(replaceFilter(request)),
    /** Removes a filter. */
    remove: (reference: FilterReference): void => this.#add(removeFilter(reference)),
  };

  /** As `rt.chains`. */
  readonly chains = {
    /** Makes a chain; one that is there already is refused with EEXIST. */
    add: <const K extends string>(request: ChainRequest<K>): void => this.#add(addChain(request)),
    /** Removes a chain with its filters. */
    remove: (reference: ChainReference): void => this.#add(removeChain(reference)),
  };

  /** As `rt.actions`. */
  readonly actions = {
    /** Makes actions; one whose number is there already is refused with EEXIST. */
    add: (...actions: readonly ActionInput[]): void => this.#add(addActions(actions)),
    /** Makes actions, or changes those that are there. */
    replace: (...actions: readonly ActionInput[]): void => this.#add(replaceActions(actions)),
    /** Removes an action. */
    remove: (reference: ActionReference): void => this.#add(removeAction(reference)),
  };

  /** As `rt.mdb`. */
  readonly mdb = {
    /** Puts a port into a multicast group; one that is there already is refused with EEXIST. */
    add: (request: MdbRequest): void => this.#add(addMdbEntry(request)),
    /** Takes a port out of a multicast group. */
    remove: (reference: MdbReference): void => this.#add(removeMdbEntry(reference)),
  };
}
