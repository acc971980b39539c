import type { MessageView } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import { parsePrefix } from "../schema/address.js";
import type { Input } from "../schema/bytes.js";
import { type Decoded, mapped } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import type { NetlinkSocket } from "../socket.js";
import { CREATE, type IpFamily } from "./address.js";
import { RtmType, requestOf } from "./messages.js";
import { RouteTable } from "./route.js";
import type { routeProtocol } from "./route-schema.js";
import { type ruleAction, type ruleAttributes, type ruleFlags, ruleMessage } from "./rule-schema.js";

/** A range of numbers, both ends included. */
export interface NumberRange {
  readonly start: number;
  readonly end: number;
}

/** A routing rule, as the kernel describes it. What it does not say is undefined. */
export interface Rule {
  readonly family: Decoded<typeof import("./address.js").family>;
  /** Rules are asked in order of their priority, 0 first. */
  readonly priority: number;
  readonly action: Decoded<typeof ruleAction>;
  /** The table to look in; 0 where `l3mdev` chooses it. */
  readonly table: number;
  /** "10.0.0.0/8"; undefined for all. */
  readonly source: string | undefined;
  readonly destination: string | undefined;
  readonly inputInterface: string | undefined;
  readonly outputInterface: string | undefined;
  readonly mark: number | undefined;
  readonly markMask: number | undefined;
  /** The priority of the rule to go on with. */
  readonly goto: number | undefined;
  readonly invert: boolean;
  readonly l3mdev: boolean;
  readonly uidRange: NumberRange | undefined;
  /** IPPROTO_*: 6 is TCP. */
  readonly ipProtocol: number | undefined;
  readonly sourcePorts: NumberRange | undefined;
  readonly destinationPorts: NumberRange | undefined;
  /** Routes with a prefix of this length or shorter do not count. */
  readonly suppressPrefixLength: number | undefined;
  /** Routes through a device of this group do not count. */
  readonly suppressGroup: number | undefined;
  readonly tos: number;
  readonly protocol: Decoded<typeof routeProtocol> | undefined;
  readonly flags: Decoded<typeof ruleFlags>;
  readonly attributes: Decoded<typeof ruleAttributes>;
}

/** A rule to be made, or what the rule to be removed looks like. */
export interface RuleRequest {
  /** Needed where neither `source` nor `destination` says it; default "ipv4". */
  readonly family?: IpFamily | undefined;
  /** Default the kernel's choice: one below the lowest that is there. */
  readonly priority?: number | undefined;
  /** Default "table", or "goto" where that is given. */
  readonly action?: Decoded<typeof ruleAction> | undefined;
  /** Default 254, main, where a rule is made; not with `l3mdev` or `goto`. */
  readonly table?: number | undefined;
  readonly source?: string | undefined;
  readonly destination?: string | undefined;
  readonly inputInterface?: string | undefined;
  readonly outputInterface?: string | undefined;
  readonly mark?: number | undefined;
  readonly markMask?: number | undefined;
  readonly goto?: number | undefined;
  readonly invert?: boolean | undefined;
  readonly l3mdev?: boolean | undefined;
  readonly uidRange?: NumberRange | undefined;
  readonly ipProtocol?: number | undefined;
  readonly sourcePorts?: NumberRange | undefined;
  readonly destinationPorts?: NumberRange | undefined;
  readonly suppressPrefixLength?: number | undefined;
  readonly suppressGroup?: number | undefined;
  readonly tos?: number | undefined;
  /** DSCP, 0 to 63; from Linux 6.12 on. */
  readonly dscp?: number | undefined;
  readonly protocol?: Decoded<typeof routeProtocol> | undefined;
}

/** Which rules {@link Rules.dump} gives. */
export interface RuleFilter {
  /** Default both. */
  readonly family?: IpFamily | undefined;
  readonly table?: number | undefined;
  readonly priority?: number | undefined;
}

const ruleReply = mapped(ruleMessage, ruleOf, (rule: never) => rule);

/** The routing rules of a network namespace. */
export class Rules {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All rules, or those that the filter names, in order of their priority for each family. */
  *dump(filter: RuleFilter = {}): Iterable<Rule> {
    const { family, table, priority } = filter;
    // The kernel's dump takes no filter: net/core/fib_rules.c, fib_valid_dumprule_req.
    const request = requestOf("RTM_GETRULE", "read the rules", ruleMessage, {
      header: { family: family ?? "unspec" },
    });
    const select = (_input: Input, message: MessageView) => message.type === RtmType.RTM_NEWRULE;
    for (const rule of this.#socket.dump(request, ruleReply, { select })) {
      if (rule.family !== "ipv4" && rule.family !== "ipv6") continue;
      if (family !== undefined && rule.family !== family) continue;
      if (table !== undefined && rule.table !== table) continue;
      if (priority !== undefined && rule.priority !== priority) continue;
      yield rule;
    }
  }

  /** The first rule that the filter names, or undefined. */
  find(filter: RuleFilter): Rule | undefined {
    for (const rule of this.dump(filter)) return rule;
    return undefined;
  }

  /** Makes a rule. @throws NetlinkError EEXIST where there is the same */
  add(request: RuleRequest): void {
    this.#socket.acknowledge(ruleRequest("RTM_NEWRULE", request, CREATE));
  }

  /** Removes the first rule that looks like the request. @throws NetlinkError ENOENT where there is none */
  remove(request: RuleRequest): void {
    this.#socket.acknowledge(ruleRequest("RTM_DELRULE", request, 0));
  }
}

/** The rule that a message describes. */
export function ruleOf(wire: Decoded<typeof ruleMessage>): Rule {
  const { header, attributes } = wire;
  const { suppressPrefixLength, suppressGroup } = attributes;
  return {
    family: header.family,
    priority: attributes.priority ?? 0,
    action: header.action,
    table: attributes.table ?? header.table,
    source: attributes.source === undefined ? undefined : `${attributes.source}/${header.sourceLength}`,
    destination:
      attributes.destination === undefined
        ? undefined
        : `${attributes.destination}/${header.destinationLength}`,
    inputInterface: attributes.inputInterface,
    outputInterface: attributes.outputInterface,
    mark: attributes.mark,
    markMask: attributes.markMask,
    goto: attributes.goto,
    invert: header.flags.includes("invert"),
    l3mdev: attributes.l3mdev ?? false,
    uidRange: attributes.uidRange,
    ipProtocol: attributes.ipProtocol,
    sourcePorts: attributes.sourcePorts,
    destinationPorts: attributes.destinationPorts,
    suppressPrefixLength: suppressPrefixLength === -1 ? undefined : suppressPrefixLength,
    suppressGroup: suppressGroup === -1 ? undefined : suppressGroup,
    tos: header.tos,
    protocol: attributes.protocol,
    flags: header.flags,
    attributes,
  };
}

/** RTM_NEWRULE, RTM_DELRULE. */
export function ruleRequest(
  operation: "RTM_NEWRULE" | "RTM_DELRULE",
  request: RuleRequest,
  messageFlags: number,
): NetlinkRequest {
  const { source, destination, action, table, invert, tos, family, l3mdev, ...rest } = request;
  const from = source === undefined ? undefined : parsePrefix(source);
  const to = destination === undefined ? undefined : parsePrefix(destination);
  const version = family ?? from?.family ?? to?.family ?? "ipv4";
  for (const one of [from, to])
    if (one && one.family !== version)
      throw new NetlinkEncodeError(`the rule's prefixes are not both ${version}`);
  const adding = operation === "RTM_NEWRULE";
  const does = action ?? (rest.goto === undefined ? (adding ? "table" : "unspec") : "goto");
  const looksIn = table ?? (adding && does === "table" && !l3mdev ? RouteTable.main : undefined);
  return requestOf(
    operation,
    `${adding ? "add" : "remove"} the ${version} rule${rest.priority === undefined ? "" : ` of priority ${rest.priority}`}`,
    ruleMessage,
    {
      header: {
        family: version,
        destinationLength: to?.prefixLength ?? 0,
        sourceLength: from?.prefixLength ?? 0,
        tos: tos ?? 0,
        table: looksIn !== undefined && looksIn < 256 ? looksIn : 0,
        action: does,
        flags: invert ? ["invert"] : [],
      },
      attributes: {
        ...rest,
        source: source?.split("/")[0],
        destination: destination?.split("/")[0],
        table: looksIn,
        l3mdev: l3mdev || undefined,
      },
    },
    { flags: messageFlags },
  );
}
