import {
  errno,
  MessageFlag,
  type NetworkNamespace,
  type Readiness,
  type Socket,
  type SystemError,
} from "@weir/syscall";
import { chunkOf, type DumpChunk, type DumpOptions, DumpReader, dumpOf, dumpPieces } from "./dump.js";
import { appendFrame, ControlType, MessageFlags, type MessageView, messageAt } from "./message.js";
import { type Acknowledgement, NetlinkError, NetlinkUseError, readAcknowledgement } from "./netlink-error.js";
import { ReceiveBuffer } from "./receive-buffer.js";
import type { NetlinkRequest } from "./request.js";
import { type Input, Output } from "./schema/bytes.js";
import type { Codec } from "./schema/codec.js";
import { NetlinkDecodeError } from "./schema/errors.js";
import {
  type NetlinkSocketOptions,
  namespaceIdIn,
  networkNamespaceOf,
  openNetlink,
  SOL_NETLINK,
  SocketOption,
  setReceiveBuffer,
} from "./socket-setup.js";

export type { NetlinkSocketOptions } from "./socket-setup.js";

// The kernel's dumps come in pieces of up to 32 KiB (net/netlink/af_netlink.c, netlink_recvmsg).
const INITIAL_BUFFER = 64 << 10;
// What a batch may have unanswered: the acknowledgements (about 1 KiB each) must fit the default receive buffer.
const BATCH_MESSAGES = 64;
const BATCH_BYTES = 32 << 10;

/** Families of netlink: include/uapi/linux/netlink.h. */
export const NetlinkProtocol = {
  ROUTE: 0,
  SOCK_DIAG: 4,
  NETFILTER: 12,
  KOBJECT_UEVENT: 15,
  GENERIC: 16,
} as const;

/** A message that answers a request, within the socket's buffer: valid during the callback only. */
export type OnReply = (input: Input, message: MessageView) => void;

/**
 * A message that the kernel sent of its own accord, within the socket's buffer: valid during the callback only.
 * @param netnsId the id of the namespace that it is about, where that is another than the socket's own
 */
export type OnNotification = (input: Input, message: MessageView, netnsId: number | undefined) => void;

/**
 * A netlink socket of any family. All methods are synchronous.
 *
 * One rule for concurrent use: a socket does one thing at a time. A request made while a dump is still being iterated
 * first reads the rest of that dump into memory, where the iteration goes on: nothing is lost, and the kernel never
 * answers EBUSY. A request from within a callback of the same socket, or on a socket that has joined a multicast
 * group, is a NetlinkUseError: notifications want a socket of their own.
 */
export class NetlinkSocket implements Disposable {
  /** The port (nl_pid) that the kernel gave the socket. */
  readonly port: number;
  /** Whether the kernel checks dump requests strictly, and so filters by what they name (Linux 4.20 or later). */
  readonly strict: boolean;
  readonly #socket: Socket;
  readonly #buffer: ReceiveBuffer;
  readonly #output = new Output();
  #sequence = 1;
  #dump: DumpReader | undefined;
  #control: Uint8Array | undefined;
  #groups = 0;
  #inCallback = false;

  private constructor(socket: Socket, port: number, strict: boolean, bufferBytes: number) {
    this.#socket = socket;
    this.#buffer = new ReceiveBuffer(socket, bufferBytes);
    this.port = port;
    this.strict = strict;
  }

  /**
   * Opens a socket, with extended acknowledgements and strict checking where the kernel has them.
   * @param protocol the family, one of {@link NetlinkProtocol}
   * @throws SystemError EPROTONOSUPPORT where the kernel lacks the family
   */
  static open(protocol: number, options: NetlinkSocketOptions = {}): NetlinkSocket {
    const { socket, port, strict } = openNetlink(protocol, options);
    return new NetlinkSocket(socket, port, strict, options.bufferBytes ?? INITIAL_BUFFER);
  }

  /**
   * Sends a request that changes something, and waits until the kernel has done it.
   * @param onReply called with each message that comes before the acknowledgement (with NLM_F_ECHO)
   * @returns the kernel's warning, where it has one
   * @throws NetlinkError where the kernel refuses
   */
  acknowledge(request: NetlinkRequest, onReply?: OnReply): string | undefined {
    const sequence = this.#send([request], MessageFlags.ACK);
    let result: Acknowledgement | undefined;
    while (!result)
      this.#eachMessage(request, onReply !== undefined, (input, message) => {
        if (message.sequence !== sequence) return;
        if (message.type === ControlType.ERROR) result = readAcknowledgement(input, message);
        else if (message.type > ControlType.OVERRUN) onReply?.(input, message);
      });
    if (result.errno !== 0) throw new NetlinkError({ request, ...result });
    return result.extended?.message;
  }

  /**
   * Sends a request for one object.
   * @param reply how the answer's body reads
   * @throws NetlinkError where the kernel refuses, ENOENT or ENODEV where there is no such object
   */
  get<Out>(request: NetlinkRequest, reply: Codec<Out, never>): Out {
    for (;;) {
      const sequence = this.#send([request], 0);
      let truncated = false;
      while (!truncated) {
        const length = this.#buffer.receive(0, false);
        if (length === undefined) throw timedOut(request);
        // Asking again costs nothing but time, and is rarer than peeking at each answer's length would be.
        truncated = this.#buffer.truncated(length);
        if (truncated) continue;
        const { input, start } = this.#buffer;
        const end = start + length;
        for (let at = start; at < end; ) {
          const message = messageAt(input, at, end);
          at = message.next;
          if (message.sequence !== sequence || message.port !== this.port) continue;
          if (message.type > ControlType.OVERRUN) return this.#decode(reply, input, message);
          if (message.type === ControlType.ERROR)
            throw new NetlinkError({
              request,
              ...withErrno(readAcknowledgement(input, message), errno.ENOENT as number),
            });
        }
      }
    }
  }

  /**
   * A table's entries, read as they are iterated; each iteration asks anew. Breaking off early drains the rest.
   * @param reply how an entry's body reads
   */
  dump<Out>(request: NetlinkRequest, reply: Codec<Out, never>, options: DumpOptions = {}): Iterable<Out> {
    return dumpOf(this.dumpPieces(request, reply, options));
  }

  /**
   * As {@link dump}, but gives the entries in arrays, as many as the kernel sent at a time (some hundreds): the
   * quickest way to read a large table.
   */
  dumpPieces<Out>(
    request: NetlinkRequest,
    reply: Codec<Out, never>,
    options: DumpOptions = {},
  ): Iterable<Out[]> {
    const start = () => this.#startDump(request);
    const decode = (input: Input, message: MessageView) => decodeBody(reply, input, message);
    return dumpPieces(request, start, decode, options, (work) => this.#calling(work));
  }

  /**
   * Sends many requests with few system calls. The kernel carries all of them out, in order, also after one failed.
   * @returns for each request its error, or undefined
   */
  batch(requests: readonly NetlinkRequest[]): (NetlinkError | undefined)[] {
    const results: (NetlinkError | undefined)[] = [];
    for (let from = 0; from < requests.length; ) {
      let to = from;
      for (let size = 0; to < requests.length && to - from < BATCH_MESSAGES && size < BATCH_BYTES; to++)
        size += (requests[to] as NetlinkRequest).body.length + 16;
      results.push(...this.#sendPart(requests.slice(from, to)));
      from = to;
    }
    return results;
  }

  /** Joins a multicast group by its number. From then on the socket takes no requests. */
  join(group: number): void {
    this.#socket.setOption(SOL_NETLINK, SocketOption.ADD_MEMBERSHIP, group);
    this.#groups++;
  }

  /** Leaves a multicast group. */
  leave(group: number): void {
    this.#socket.setOption(SOL_NETLINK, SocketOption.DROP_MEMBERSHIP, group);
    this.#groups--;
  }

  /**
   * Takes notifications from all namespaces that have an id in the socket's own: see {@link OnNotification}.
   * @throws SystemError EPERM without CAP_NET_BROADCAST
   */
  listenToAllNamespaces(): void {
    this.#socket.setOption(SOL_NETLINK, SocketOption.LISTEN_ALL_NSID, 1);
    this.#control = new Uint8Array(64);
  }

  /** Asks for a receive buffer of that many bytes, beyond the system's limit where the caller may. */
  setReceiveBuffer(bytes: number): void {
    setReceiveBuffer(this.#socket, bytes);
  }

  /**
   * Reads one datagram of notifications without waiting.
   * @returns false where nothing is there
   * @throws SystemError ENOBUFS where the kernel had to drop notifications
   */
  receiveNotifications(onMessage: OnNotification): boolean {
    if (this.#groups === 0)
      throw new NetlinkUseError(
        "this netlink socket has joined no multicast group: there is nothing to receive",
      );
    const control = this.#control;
    if (!control) {
      const length = this.#buffer.receive(MessageFlag.DONTWAIT, true);
      if (length === undefined) return false;
      this.#walk(length, (input, message) => onMessage(input, message, undefined));
      return true;
    }
    const received = this.#buffer.receiveMessage(MessageFlag.DONTWAIT, control);
    if (!received) return false;
    const netnsId = namespaceIdIn(control, received.controlLength);
    this.#walk(received.length, (input, message) => onMessage(input, message, netnsId));
    return true;
  }

  /** Opens the network namespace that the socket belongs to. @throws SystemError EPERM without CAP_NET_ADMIN */
  networkNamespace(): NetworkNamespace {
    return networkNamespaceOf(this.#socket);
  }

  /** Calls back when there is something to receive: see `Socket.onReadable` of the syscall package. */
  onReadable(callback: (error?: SystemError) => void): Readiness {
    return this.#socket.onReadable(callback);
  }

  /** Closes the socket; a second call does nothing. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #sendPart(requests: readonly NetlinkRequest[]): (NetlinkError | undefined)[] {
    // Refusals come unasked, and the kernel goes through a datagram in order (net/netlink/af_netlink.c,
    // netlink_rcv_skb): the last one's acknowledgement says that all have been carried out.
    const first = this.#send(requests, 0, MessageFlags.ACK);
    const results = new Array<NetlinkError | undefined>(requests.length).fill(undefined);
    let done = false;
    while (!done)
      this.#eachMessage(requests[0] as NetlinkRequest, false, (input, message) => {
        const index = message.sequence - first;
        const request = requests[index];
        if (message.type !== ControlType.ERROR || !request) return;
        const result = readAcknowledgement(input, message);
        if (result.errno !== 0) results[index] = new NetlinkError({ request, ...result });
        if (index === requests.length - 1) done = true;
      });
    return results;
  }

  /** Sends requests in one datagram and gives the first one's sequence number; the others follow it. */
  #send(requests: readonly NetlinkRequest[], flags: number, lastFlags = flags): number {
    if (this.#inCallback)
      throw new NetlinkUseError(
        "a netlink socket cannot take a request while it hands out what it received: do it after the callback, or use another socket",
      );
    if (this.#groups > 0)
      throw new NetlinkUseError(
        "this netlink socket has joined a multicast group: send requests through another socket",
      );
    this.#dump?.finish();
    this.#dump = undefined;
    const first = this.#sequence + requests.length > 0xffff_ffff ? 1 : this.#sequence;
    const output = this.#output;
    output.clear();
    for (let index = 0; index < requests.length; index++) {
      const { type, flags: own = 0, body } = requests[index] as NetlinkRequest;
      const added = index === requests.length - 1 ? lastFlags : flags;
      appendFrame(output, type, own | MessageFlags.REQUEST | added, first + index, body);
    }
    this.#sequence = first + requests.length;
    // A kernel without CAP_ACK repeats the whole request in a refusal.
    this.#buffer.least = output.length + 4096;
    this.#socket.send(output.bytes, 0, output.length);
    return first;
  }

  #startDump(request: NetlinkRequest): DumpReader {
    const sequence = this.#send([request], MessageFlags.DUMP);
    const reader = new DumpReader(() => this.#receiveDump(request, sequence));
    this.#dump = reader;
    return reader;
  }

  /** The next piece of a dump, in the socket's buffer. */
  #receiveDump(request: NetlinkRequest, sequence: number): DumpChunk {
    for (;;) {
      const length = this.#buffer.receive(0, true);
      if (length === undefined) throw timedOut(request);
      const { input, start } = this.#buffer;
      const chunk = chunkOf(request, input, start, start + length, sequence, this.port);
      if (chunk) return chunk;
    }
  }

  /** Receives a datagram and hands out its messages. @returns false where it was cut off; the buffer has grown then */
  #eachMessage(request: NetlinkRequest, peek: boolean, onMessage: OnReply): boolean {
    const length = this.#buffer.receive(0, peek);
    if (length === undefined) throw timedOut(request);
    if (this.#buffer.truncated(length)) return false;
    this.#walk(length, (input, message) => {
      if (message.port === this.port) onMessage(input, message);
    });
    return true;
  }

  #decode<Out>(reply: Codec<Out, never>, input: Input, message: MessageView): Out {
    const before = this.#inCallback;
    this.#inCallback = true;
    try {
      return decodeBody(reply, input, message);
    } finally {
      this.#inCallback = before;
    }
  }

  #walk(length: number, onMessage: OnReply): void {
    const { input, start } = this.#buffer;
    const end = start + length;
    this.#calling(() => {
      for (let at = start; at < end; ) {
        const message = messageAt(input, at, end);
        onMessage(input, message);
        at = message.next;
      }
    });
  }

  /** Runs code of the caller's, which must not use the socket meanwhile. */
  #calling<T>(work: () => T): T {
    const before = this.#inCallback;
    this.#inCallback = true;
    try {
      return work();
    } finally {
      this.#inCallback = before;
    }
  }
}

function decodeBody<Out>(codec: Codec<Out, never>, input: Input, message: MessageView): Out {
  const value = codec.decode(input, message.start, message.end, undefined);
  if (value === undefined)
    throw new NetlinkDecodeError(
      `a message of type ${message.type} does not have the declared form`,
      message.start,
    );
  return value;
}

/** An answer that is an acknowledgement alone names no object: it says that there is none. */
function withErrno(acknowledgement: Acknowledgement, none: number): Acknowledgement {
  return acknowledgement.errno === 0 ? { ...acknowledgement, errno: none } : acknowledgement;
}

function timedOut(request: NetlinkRequest): NetlinkError {
  return new NetlinkError({ request, errno: errno.ETIMEDOUT as number });
}
