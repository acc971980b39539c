import { formatIpv4, formatIpv6, ipAddress, parseAddress } from "../schema/address.js";
import { attributes, flagged } from "../schema/attributes.js";
import { littleEndian } from "../schema/bytes.js";
import { type Codec, type Decoded, s64, u8, u16, u32, u64 } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import { listed } from "../schema/listed.js";
import { enumeration, flags } from "../schema/names.js";
import { struct } from "../schema/struct.js";
import { stringUpTo } from "../schema/text.js";
import { genericFamily } from "./family.js";

/** WG_KEY_LEN. */
const KEY_BYTES = 32;

/** A key of 32 bytes in base64, as wg(8) writes it. */
export const wireguardKey: Codec<string> = {
  decode: (input, start, end) =>
    end - start === KEY_BYTES ? Buffer.from(input.bytes.subarray(start, end)).toString("base64") : undefined,
  encode: (output, value) => {
    const bytes = typeof value === "string" ? Buffer.from(value, "base64") : undefined;
    // Node's decoder skips what is no base64.
    if (bytes?.length !== KEY_BYTES || bytes.toString("base64") !== value)
      throw new NetlinkEncodeError("a key is 32 bytes in base64");
    output.append(bytes);
  },
};

/** Where a peer is: an IP address and a UDP port. */
export interface WireguardEndpoint {
  readonly address: string;
  readonly port: number;
  /** IPv6: `sin6_flowinfo`; absent: 0. */
  readonly flowInfo?: number | undefined;
  /** IPv6: the index of the device that a link-local address belongs to; absent: 0. */
  readonly scopeId?: number | undefined;
}

const AF_INET = 2;
const AF_INET6 = 10;
const SOCKADDR_IN = 16;
const SOCKADDR_IN6 = 28;

/** struct sockaddr_in or struct sockaddr_in6. */
const socketAddress: Codec<WireguardEndpoint> = {
  decode: ({ bytes, view }, start, end) => {
    if (end - start < SOCKADDR_IN) return undefined;
    const family = view.getUint16(start, littleEndian);
    const port = view.getUint16(start + 2, false);
    if (family === AF_INET && end - start === SOCKADDR_IN)
      return { address: formatIpv4(bytes, start + 4), port };
    if (family !== AF_INET6 || end - start !== SOCKADDR_IN6) return undefined;
    const flowInfo = view.getUint32(start + 4, false);
    const scopeId = view.getUint32(start + 24, littleEndian);
    const zeros = { ...(flowInfo ? { flowInfo } : {}), ...(scopeId ? { scopeId } : {}) };
    return { address: formatIpv6(bytes, start + 8), port, ...zeros };
  },
  encode: (output, { address, port, flowInfo = 0, scopeId = 0 }) => {
    const { family, bytes } = parseAddress(address);
    if (!Number.isInteger(port) || port < 0 || port > 0xffff)
      throw new NetlinkEncodeError(`${port} is not a port`);
    const ipv4 = family === "ipv4";
    const at = output.reserve(ipv4 ? SOCKADDR_IN : SOCKADDR_IN6);
    output.view.setUint16(at, ipv4 ? AF_INET : AF_INET6, littleEndian);
    output.view.setUint16(at + 2, port, false);
    output.bytes.set(bytes, at + (ipv4 ? 4 : 8));
    if (ipv4) return;
    output.view.setUint32(at + 4, flowInfo, false);
    output.view.setUint32(at + 24, scopeId, littleEndian);
  },
  exact: ({ bytes }, start, end) =>
    end - start !== SOCKADDR_IN || bytes.subarray(start + 8, end).every((byte) => byte === 0),
};

/** Addresses that a peer may use, and that are sent to it: enum wgallowedip_attribute. */
export const wireguardAllowedIp = attributes({
  family: [1, "WGALLOWEDIP_A_FAMILY", enumeration(u16, { ipv4: AF_INET, ipv6: AF_INET6 })],
  address: [2, "WGALLOWEDIP_A_IPADDR", ipAddress],
  prefixLength: [3, "WGALLOWEDIP_A_CIDR_MASK", u8],
  /** "remove" takes them from the peer; Linux 6.16. */
  flags: [4, "WGALLOWEDIP_A_FLAGS", flags(u32, { remove: 1 })],
});

/** When a handshake was: struct __kernel_timespec. */
export const wireguardTime = struct("__kernel_timespec", { seconds: s64, nanoseconds: s64 });

/** A peer: enum wgpeer_attribute. */
export const wireguardPeer = attributes({
  publicKey: [1, "WGPEER_A_PUBLIC_KEY", wireguardKey],
  /** All zeros: none. */
  presharedKey: [2, "WGPEER_A_PRESHARED_KEY", wireguardKey],
  flags: [3, "WGPEER_A_FLAGS", flags(u32, { remove: 1, replaceAllowedIps: 2, updateOnly: 4 })],
  endpoint: [4, "WGPEER_A_ENDPOINT", socketAddress],
  /** 0: off. */
  persistentKeepaliveSeconds: [5, "WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL", u16],
  /** Since 1970; 0 where there was none. */
  lastHandshake: [6, "WGPEER_A_LAST_HANDSHAKE_TIME", wireguardTime],
  rxBytes: [7, "WGPEER_A_RX_BYTES", u64],
  txBytes: [8, "WGPEER_A_TX_BYTES", u64],
  allowedIps: [9, "WGPEER_A_ALLOWEDIPS", flagged(listed(flagged(wireguardAllowedIp)))],
  protocolVersion: [10, "WGPEER_A_PROTOCOL_VERSION", u32],
});

/** A device: enum wgdevice_attribute. */
export const wireguardDevice = attributes({
  index: [1, "WGDEVICE_A_IFINDEX", u32],
  name: [2, "WGDEVICE_A_IFNAME", stringUpTo(16)],
  /** All zeros: none. */
  privateKey: [3, "WGDEVICE_A_PRIVATE_KEY", wireguardKey],
  publicKey: [4, "WGDEVICE_A_PUBLIC_KEY", wireguardKey],
  /** "replacePeers" removes the peers that are there before. */
  flags: [5, "WGDEVICE_A_FLAGS", flags(u32, { replacePeers: 1 })],
  /** 0: the kernel's choice. */
  listenPort: [6, "WGDEVICE_A_LISTEN_PORT", u16],
  /** The mark of the packets that it sends; 0: none. */
  mark: [7, "WGDEVICE_A_FWMARK", u32],
  peers: [8, "WGDEVICE_A_PEERS", flagged(listed(flagged(wireguardPeer)))],
});

/**
 * wireguard: include/uapi/linux/wireguard.h; Linux 5.6 or later. A device is named by its `index` or its `name`, and
 * dumped, in one message or several: see {@link joinWireguardDevice}. Both commands take CAP_NET_ADMIN.
 */
export const wireguard = genericFamily({
  name: "wireguard",
  version: 1,
  commands: {
    device: { constant: "WG_CMD_GET_DEVICE", id: 0, request: wireguardDevice },
    setDevice: { constant: "WG_CMD_SET_DEVICE", id: 1, request: wireguardDevice },
  },
});

/** A device with its peers, as the kernel describes it. */
export type WireguardDevice = Decoded<typeof wireguardDevice>;

/**
 * A device from the parts in which the kernel sends it: peers that do not fit a message go on in the next, and a peer
 * whose allowed addresses do not fit goes on as another one of the same key.
 * @returns undefined where there are no parts
 */
export function joinWireguardDevice(parts: Iterable<WireguardDevice>): WireguardDevice | undefined {
  let device: WireguardDevice | undefined;
  for (const part of parts) {
    if (!device) {
      device = { ...part, ...(part.peers ? { peers: [...part.peers] } : {}) };
      continue;
    }
    device.peers ??= [];
    for (const peer of part.peers ?? []) {
      const last = device.peers.at(-1);
      if (last && last.publicKey === peer.publicKey)
        device.peers[device.peers.length - 1] = {
          ...last,
          allowedIps: [...(last.allowedIps ?? []), ...(peer.allowedIps ?? [])],
        };
      else device.peers.push(peer);
    }
  }
  return device;
}
