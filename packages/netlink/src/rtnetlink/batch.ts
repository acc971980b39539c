import type { NetlinkRequest } from "../request.js";
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
import { type AddressRequest, addressRequest, CREATE, CREATE_OR_REPLACE } from "./address.js";
import {
  addLink,
  type LinkChanges,
  type LinkReference,
  type LinkRequest,
  removeLink,
  setLink,
} from "./link.js";
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

  readonly links = {
    add: <const K extends string>(request: LinkRequest<K>): void => this.#add(addLink(request, this.#hold)),
    /** A link named by its name cannot get another name here: name it by its index then. */
    set: <const K extends string, const P extends string>(
      reference: LinkReference,
      changes: LinkChanges<K, P>,
    ): void => this.#add(setLink(reference, changes, this.#hold)),
    remove: (reference: LinkReference): void => this.#add(removeLink(reference)),
  };

  readonly addresses = {
    add: (request: AddressRequest): void => this.#add(addressRequest("RTM_NEWADDR", request, CREATE)),
    replace: (request: AddressRequest): void =>
      this.#add(addressRequest("RTM_NEWADDR", request, CREATE_OR_REPLACE)),
    remove: (request: AddressRequest): void => this.#add(addressRequest("RTM_DELADDR", request, 0)),
  };

  readonly routes = {
    add: (request: RouteRequest): void => this.#add(routeRequest("RTM_NEWROUTE", request, CREATE)),
    replace: (request: RouteRequest): void =>
      this.#add(routeRequest("RTM_NEWROUTE", request, CREATE_OR_REPLACE)),
    remove: (request: RouteRequest): void => this.#add(routeRequest("RTM_DELROUTE", request, 0)),
  };

  readonly rules = {
    add: (request: RuleRequest): void => this.#add(ruleRequest("RTM_NEWRULE", request, CREATE)),
    remove: (request: RuleRequest): void => this.#add(ruleRequest("RTM_DELRULE", request, 0)),
  };

  readonly neighbours = {
    add: (request: NeighbourRequest): void => this.#add(neighbourRequest("RTM_NEWNEIGH", request, CREATE)),
    replace: (request: NeighbourRequest): void =>
      this.#add(neighbourRequest("RTM_NEWNEIGH", request, CREATE_OR_REPLACE)),
    remove: (request: NeighbourRequest): void => this.#add(neighbourRequest("RTM_DELNEIGH", request, 0)),
  };

  readonly fdb = {
    add: (request: FdbRequest): void => this.#add(fdbRequest("RTM_NEWNEIGH", request, CREATE)),
    replace: (request: FdbRequest): void => this.#add(fdbRequest("RTM_NEWNEIGH", request, CREATE_OR_REPLACE)),
    remove: (request: FdbRequest): void => this.#add(fdbRequest("RTM_DELNEIGH", request, 0)),
  };

  readonly nexthops = {
    add: (request: NexthopRequest): void => this.#add(nexthopRequest(request, CREATE)),
    replace: (request: NexthopRequest & { readonly id: number }): void =>
      this.#add(nexthopRequest(request, CREATE_OR_REPLACE)),
    remove: (id: number): void => this.#add(removeNexthop(id)),
  };

  readonly qdiscs = {
    add: <const K extends string>(request: QdiscRequest<K>): void => this.#add(addQdisc(request)),
    replace: <const K extends string>(request: QdiscRequest<K>): void => this.#add(replaceQdisc(request)),
    change: <const K extends string>(request: QdiscRequest<K>): void => this.#add(changeQdisc(request)),
    remove: (reference: QdiscReference): void => this.#add(removeQdisc(reference)),
  };

  readonly classes = {
    add: (request: ClassRequest): void => this.#add(addClass(request)),
    replace: (request: ClassRequest): void => this.#add(replaceClass(request)),
    remove: (reference: { readonly index: number; readonly handle: Handle }): void =>
      this.#add(removeClass(reference)),
  };

  readonly filters = {
    add: <const K extends string>(request: FilterRequest<K>): void => this.#add(addFilter(request)),
    replace: <const K extends string>(request: FilterRequest<K>): void => this.#add(replaceFilter(request)),
    remove: (reference: FilterReference): void => this.#add(removeFilter(reference)),
  };
}
