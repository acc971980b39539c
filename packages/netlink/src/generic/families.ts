import type { AttributePolicy } from "../netlink-error.js";
import { NetlinkError } from "../netlink-error.js";
import type { NetlinkRequest } from "../request.js";
import type { Decoded } from "../schema/codec.js";
import { encode } from "../schema/message-body.js";
import type { NetlinkSocket } from "../socket.js";
import { CONTROLLER_ID, type commandFlags, controller, controllerAttributes } from "./controller.js";
import { bodyOf } from "./family.js";

/** A generic netlink family, as the kernel has it. */
export interface Family {
  /** The message type, which the kernel chose when the family was registered. */
  readonly id: number;
  readonly name: string;
  readonly version: number;
  /** Bytes of the family's own header after `struct genlmsghdr`. */
  readonly headerSize: number;
  /** The highest attribute number. */
  readonly maxAttribute: number;
  readonly operations: readonly { readonly id: number; readonly flags: Decoded<typeof commandFlags> }[];
  readonly groups: readonly { readonly name: string; readonly id: number }[];
}

/** What a family's requests are checked by. */
export interface FamilyPolicies {
  /** For each command the number of its policy, for requests and for dumps. Linux 5.10 or later. */
  readonly operations: ReadonlyMap<number, { readonly do?: number; readonly dump?: number }>;
  /** Policies by number: what each attribute takes, by the attribute's number. */
  readonly policies: ReadonlyMap<number, ReadonlyMap<number, AttributePolicy>>;
}

const body = bodyOf(controller, controllerAttributes);

/** The generic netlink families that the kernel has. */
export class Families {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All families. */
  *dump(): Iterable<Family> {
    const request = controllerRequest("getFamily", "read the families", {});
    for (const { attributes } of this.#socket.dump(request, body)) yield familyOf(attributes);
  }

  /**
   * A family by its name; the kernel loads the module that has it.
   * @throws NetlinkError ENOENT where there is none
   */
  get(name: string): Family {
    return familyOf(
      this.#socket.get(controllerRequest("getFamily", `find the family "${name}"`, { name }), body)
        .attributes,
    );
  }

  /** A family by its name, or undefined. */
  find(name: string): Family | undefined {
    try {
      return this.get(name);
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /**
   * What the kernel takes in a family's requests. Linux 5.7 or later.
   * @param options.operation only the policies of that command; Linux 5.10 or later
   */
  policies(name: string, options: { readonly operation?: number } = {}): FamilyPolicies {
    const request = controllerRequest("getPolicy", `read the policies of the family "${name}"`, {
      name,
      operation: options.operation,
    });
    const operations = new Map<number, { do?: number; dump?: number }>();
    const policies = new Map<number, Map<number, AttributePolicy>>();
    for (const { attributes } of this.#socket.dump(request, body)) {
      for (const { key, value } of attributes.operationPolicies ?? []) operations.set(key, value);
      for (const { key: number, value } of attributes.policies ?? []) {
        const policy = policies.get(number) ?? new Map<number, AttributePolicy>();
        policies.set(number, policy);
        for (const { key: attribute, value: takes } of value) policy.set(attribute, takes);
      }
    }
    return { operations, policies };
  }
}

function controllerRequest(
  command: keyof (typeof controller)["commands"],
  action: string,
  attributes: Parameters<typeof controllerAttributes.encode>[1],
): NetlinkRequest {
  const { id, constant } = controller.commands[command];
  return {
    operation: constant,
    action,
    type: CONTROLLER_ID,
    body: encode(body, { header: { command: id, version: controller.version }, attributes }),
    schema: body,
  };
}

function familyOf(attributes: Decoded<typeof controllerAttributes>): Family {
  return {
    id: attributes.id ?? 0,
    name: attributes.name ?? "",
    version: attributes.version ?? 0,
    headerSize: attributes.headerSize ?? 0,
    maxAttribute: attributes.maxAttribute ?? 0,
    operations: (attributes.operations ?? []).map(({ id = 0, flags = [] }) => ({ id, flags })),
    groups: (attributes.groups ?? []).map(({ name = "", id = 0 }) => ({ name, id })),
  };
}
