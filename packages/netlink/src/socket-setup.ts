import { errno, Fd, ioctl, NetworkNamespace, Socket, SystemError } from "@weir/syscall";
import { littleEndian } from "./schema/bytes.js";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
/** include/uapi/linux/sockios.h. */
const SIOCGSKNS = 0x894c;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;
const SO_RCVBUFFORCE = 33;
export const SOL_NETLINK = 270;
/** Options of a netlink socket: include/uapi/linux/netlink.h. */
export const SocketOption = {
  ADD_MEMBERSHIP: 1,
  DROP_MEMBERSHIP: 2,
  LISTEN_ALL_NSID: 8,
  CAP_ACK: 10,
  EXT_ACK: 11,
  GET_STRICT_CHK: 12,
} as const;

/** What {@link NetlinkSocket.open} takes. */
export interface NetlinkSocketOptions {
  /** The network namespace to speak to, or its path; default the caller's. It stays alive as long as the socket. */
  readonly netns?: string | NetworkNamespace;
  /** Have the kernel check dump requests strictly, and so filter by what they name; default true. */
  readonly strict?: boolean;
  /** Have the kernel say in words what it refuses, and why; default true. */
  readonly extendedAck?: boolean;
  /** The first size of the buffer that messages are received into, in bytes; it grows to what a message needs. */
  readonly bufferBytes?: number;
  /** How long to wait for an answer before giving up, default 10 seconds. The kernel answers at once. */
  readonly timeoutMs?: number;
}

/** Opens, binds and connects a netlink socket. */
export function openNetlink(
  protocol: number,
  options: NetlinkSocketOptions,
): { socket: Socket; port: number; strict: boolean } {
  const { netns, timeoutMs = 10_000, strict = true, extendedAck = true } = options;
  const socket = Socket.open(AF_NETLINK, SOCK_RAW, protocol, {
    name: "netlink socket",
    ...(netns === undefined ? {} : { netns }),
  });
  try {
    socket.bind(netlinkAddress());
    // Connected to the kernel (port 0), the socket takes messages from nobody else: netlink_unicast refuses
    // other senders with ECONNREFUSED (net/netlink/af_netlink.c, netlink_getsockbyportid).
    socket.connect(netlinkAddress());
    const timeout = new BigInt64Array([
      BigInt(Math.floor(timeoutMs / 1000)),
      BigInt(timeoutMs % 1000) * 1000n,
    ]);
    socket.setOption(SOL_SOCKET, SO_RCVTIMEO, new Uint8Array(timeout.buffer));
    if (extendedAck) trySetOption(socket, SocketOption.EXT_ACK);
    trySetOption(socket, SocketOption.CAP_ACK);
    const checks = strict && trySetOption(socket, SocketOption.GET_STRICT_CHK);
    const address = socket.localAddress();
    const port = new DataView(address.buffer, address.byteOffset).getUint32(4, littleEndian);
    return { socket, port, strict: checks };
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Asks for a receive buffer of that many bytes, beyond the system's limit where the caller may. */
export function setReceiveBuffer(socket: Socket, bytes: number): void {
  try {
    socket.setOption(SOL_SOCKET, SO_RCVBUFFORCE, bytes);
  } catch {
    socket.setOption(SOL_SOCKET, SO_RCVBUF, bytes);
  }
}

/** Opens the network namespace that a socket belongs to. @throws SystemError EPERM without CAP_NET_ADMIN */
export function networkNamespaceOf(socket: Socket): NetworkNamespace {
  const number = ioctl(socket.fd, SIOCGSKNS, null, "find the network namespace of a netlink socket");
  using fd = Fd.adopt(number, "network namespace");
  return NetworkNamespace.open(`/proc/self/fd/${fd.number}`);
}

/** The namespace id that the kernel sent beside a message: a struct cmsghdr with an int. */
export function namespaceIdIn(control: Uint8Array, length: number): number | undefined {
  const view = new DataView(control.buffer, control.byteOffset, length);
  for (let at = 0; at + 20 <= length; ) {
    const size = Number(view.getBigUint64(at, littleEndian));
    const level = view.getInt32(at + 8, littleEndian);
    const type = view.getInt32(at + 12, littleEndian);
    if (level === SOL_NETLINK && type === SocketOption.LISTEN_ALL_NSID)
      return view.getInt32(at + 16, littleEndian);
    at += Math.max(16, (size + 7) & ~7);
  }
  return undefined;
}

/** struct sockaddr_nl with port 0: the kernel; when binding, "choose one for me". */
function netlinkAddress(): Uint8Array {
  const address = new Uint8Array(12);
  new DataView(address.buffer).setUint16(0, AF_NETLINK, littleEndian);
  return address;
}

function trySetOption(socket: Socket, option: number): boolean {
  try {
    socket.setOption(SOL_NETLINK, option, 1);
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.errno === errno.ENOPROTOOPT) return false;
    throw error;
  }
}
