import { MessageFlags } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import { AddressFamily, ipAddress, type parseAddress, parsePrefix } from "../schema/address.js";
import { attributes } from "../schema/attributes.js";
import { type Decoded, s32, u8, u32 } from "../schema/codec.js";
import { message } from "../schema/message-body.js";
import { enumeration, flags } from "../schema/names.js";
import { struct } from "../schema/struct.js";
import { stringUpTo } from "../schema/text.js";
import { requestOf } from "./messages.js";

/** Address families by name: AF_* of include/linux/socket.h. */
export const family = enumeration(u8, AddressFamily);
/** An IP address family. */
export type IpFamily = "ipv4" | "ipv6";

/** How far an address or route reaches: enum rt_scope_t. */
export const scope = enumeration(u8, { global: 0, site: 200, link: 253, host: 254, nowhere: 255 });

const addressFlags = flags(u32, {
  secondary: 0x01,
  noDad: 0x02,
  optimistic: 0x04,
  dadFailed: 0x08,
  homeAddress: 0x10,
  deprecated: 0x20,
  tentative: 0x40,
  permanent: 0x80,
  manageTempAddress: 0x100,
  noPrefixRoute: 0x200,
  multicastAutoJoin: 0x400,
  stablePrivacy: 0x800,
});

/** The header of address messages: include/uapi/linux/if_addr.h. */
export const ifaddrmsg = struct("ifaddrmsg", { family, prefixLength: u8, flags: u8, scope, index: u32 });

/** How long an address is good for, in seconds; 0xffffffff is for ever. */
export const ifaCacheinfo = struct("ifa_cacheinfo", {
  preferred: u32,
  valid: u32,
  created: u32,
  updated: u32,
});

/** An address's attributes: enum IFA_*. */
export const addressAttributes = attributes({
  address: [1, "IFA_ADDRESS", ipAddress],
  local: [2, "IFA_LOCAL", ipAddress],
  label: [3, "IFA_LABEL", stringUpTo(16)],
  broadcast: [4, "IFA_BROADCAST", ipAddress],
  anycast: [5, "IFA_ANYCAST", ipAddress],
  cacheInfo: [6, "IFA_CACHEINFO", ifaCacheinfo],
  multicast: [7, "IFA_MULTICAST", ipAddress],
  flags: [8, "IFA_FLAGS", addressFlags],
  routePriority: [9, "IFA_RT_PRIORITY", u32],
  targetNetnsId: [10, "IFA_TARGET_NETNSID", s32],
  protocol: [11, "IFA_PROTO", u8],
});

/** The body of RTM_NEWADDR, RTM_DELADDR and RTM_GETADDR. */
export const addressMessage = message(ifaddrmsg, addressAttributes);

/** The lifetime that means for ever, in seconds. */
export const FOREVER = 0xffff_ffff;

/** An IP address of a device, as the kernel describes it. */
export interface InterfaceAddress {
  /** The device. */
  readonly index: number;
  readonly family: Decoded<typeof family>;
  /** The device's own address, without its length. */
  readonly address: string;
  readonly prefixLength: number;
  /** The other end's address, where the device is point to point. */
  readonly peer: string | undefined;
  readonly broadcast: string | undefined;
  readonly label: string | undefined;
  readonly scope: Decoded<typeof scope>;
  readonly flags: Decoded<typeof addressFlags>;
  /** Who gave the address: IFAPROT_*, 0 where nobody said. Linux 5.18 or later. */
  readonly protocol: number;
  /** Seconds; 0xffffffff is for ever. */
  readonly validSeconds: number;
  readonly preferredSeconds: number;
  readonly attributes: Decoded<typeof addressAttributes>;
}

/** An address to be given to a device, or taken from it. */
export interface AddressRequest {
  /** The device. */
  readonly index: number;
  /** "192.0.2.1/24", or with a point-to-point peer the address alone. A colon makes it IPv6. */
  readonly address: string;
  /** The other end of a point-to-point device, with the prefix length: "192.0.2.2/32". */
  readonly peer?: string | undefined;
  readonly broadcast?: string | undefined;
  /** A name for ifconfig(8), which must begin with the device's. */
  readonly label?: string | undefined;
  readonly scope?: Decoded<typeof scope> | undefined;
  readonly flags?: readonly (keyof (typeof addressFlags)["names"])[] | undefined;
  /** Seconds; default for ever. */
  readonly validSeconds?: number | undefined;
  readonly preferredSeconds?: number | undefined;
  /** The metric of the route to the prefix. */
  readonly routePriority?: number | undefined;
  /** Who gives the address: a number of one's own, above 3. Linux 5.18 or later, ignored before. */
  readonly protocol?: number | undefined;
}

/** The address that a message describes. */
export function addressOf(wire: Decoded<typeof addressMessage>): InterfaceAddress {
  const { header, attributes } = wire;
  const { address, local, cacheInfo } = attributes;
  return {
    index: header.index,
    family: header.family,
    // For IPv6 without a peer there is only IFA_ADDRESS; for IPv4 both are there and equal.
    address: local ?? address ?? "",
    prefixLength: header.prefixLength,
    peer: local !== undefined && address !== local ? address : undefined,
    broadcast: attributes.broadcast,
    label: attributes.label,
    scope: header.scope,
    flags: attributes.flags ?? [],
    protocol: attributes.protocol ?? 0,
    validSeconds: cacheInfo?.valid ?? FOREVER,
    preferredSeconds: cacheInfo?.preferred ?? FOREVER,
    attributes,
  };
}

/** RTM_NEWADDR, RTM_DELADDR. */
export function addressRequest(
  operation: "RTM_NEWADDR" | "RTM_DELADDR",
  request: AddressRequest,
  messageFlags: number,
): NetlinkRequest {
  const { index, broadcast, label, flags, validSeconds, preferredSeconds, routePriority, protocol } = request;
  const verb = operation === "RTM_NEWADDR" ? "add" : "remove";
  const own = parsePrefix(request.address);
  const peer = request.peer === undefined ? undefined : parsePrefix(request.peer);
  const local = request.address.split("/")[0] as string;
  const lifetime = validSeconds !== undefined || preferredSeconds !== undefined;
  return requestOf(
    operation,
    `${verb} the address ${request.address} ${verb === "add" ? "to" : "from"} device ${index}`,
    addressMessage,
    {
      header: {
        index,
        family: own.family,
        prefixLength: peer?.prefixLength ?? own.prefixLength,
        scope: request.scope ?? defaultScope(own),
      },
      attributes: {
        local,
        address: request.peer?.split("/")[0] ?? local,
        broadcast,
        label,
        flags,
        routePriority,
        protocol,
        cacheInfo: lifetime
          ? { valid: validSeconds ?? FOREVER, preferred: preferredSeconds ?? validSeconds ?? FOREVER }
          : undefined,
      },
    },
    { flags: messageFlags },
  );
}

/** The flags of a request that makes: fails with EEXIST, or replaces. */
export const CREATE = MessageFlags.CREATE | MessageFlags.EXCL;
export const CREATE_OR_REPLACE = MessageFlags.CREATE | MessageFlags.REPLACE;

// As ip(8) has it: loopback addresses reach no further than the host.
function defaultScope({ bytes }: ReturnType<typeof parseAddress>): "host" | "global" {
  return bytes.length === 4 && bytes[0] === 127 ? "host" : "global";
}
