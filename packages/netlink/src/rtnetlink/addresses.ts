import type { MessageView } from "../message.js";
import { parseAddress } from "../schema/address.js";
import type { Input } from "../schema/bytes.js";
import { mapped } from "../schema/codec.js";
import type { NetlinkSocket } from "../socket.js";
import {
  type AddressRequest,
  addressMessage,
  addressOf,
  addressRequest,
  CREATE,
  CREATE_OR_REPLACE,
  type InterfaceAddress,
  type IpFamily,
} from "./address.js";
import { RtmType, requestOf } from "./messages.js";

const addressReply = mapped(addressMessage, addressOf, (address: never) => address);

/** Which addresses {@link Addresses.dump} gives. */
export interface AddressFilter {
  /** The device. */
  readonly index?: number | undefined;
  readonly family?: IpFamily | undefined;
}

/** The IP addresses of a network namespace's devices. */
export class Addresses {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All addresses, or those that the filter names. @throws NetlinkError ENODEV where there is no such device */
  *dump(filter: AddressFilter = {}): Iterable<InterfaceAddress> {
    const { index, family } = filter;
    const request = requestOf("RTM_GETADDR", "read the addresses", addressMessage, {
      header: { index: index ?? 0, family: family ?? "unspec" },
    });
    const select = (_input: Input, message: MessageView) => message.type === RtmType.RTM_NEWADDR;
    for (const address of this.#socket.dump(request, addressReply, { select })) {
      // Kernels before 4.20 give all devices' addresses.
      if (index !== undefined && address.index !== index) continue;
      if (family !== undefined && address.family !== family) continue;
      yield address;
    }
  }

  /** A device's address, or undefined. @param address without its prefix length: "192.0.2.1" */
  find(index: number, address: string): InterfaceAddress | undefined {
    const { family } = parseAddress(address);
    for (const one of this.dump({ index, family })) if (sameAddress(one.address, address)) return one;
    return undefined;
  }

  /** Gives a device an address. @throws NetlinkError EEXIST where it has it already */
  add(request: AddressRequest): void {
    this.#socket.acknowledge(addressRequest("RTM_NEWADDR", request, CREATE));
  }

  /** Gives a device an address, or changes the lifetimes and flags of one that it has. */
  replace(request: AddressRequest): void {
    this.#socket.acknowledge(addressRequest("RTM_NEWADDR", request, CREATE_OR_REPLACE));
  }

  /** Takes an address from a device. @throws NetlinkError EADDRNOTAVAIL where it has no such address */
  remove(request: AddressRequest): void {
    this.#socket.acknowledge(addressRequest("RTM_DELADDR", request, 0));
  }
}

function sameAddress(one: string, other: string): boolean {
  return Buffer.compare(parseAddress(one).bytes, parseAddress(other).bytes) === 0;
}
