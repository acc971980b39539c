import { errno } from "./errno.js";
import { SystemError } from "./errors.js";
import { type Fd, fdResult } from "./fd.js";
import { addressOf, check, int, lastErrno, libc } from "./libc.js";
import { NetworkNamespace } from "./network-namespace.js";
import { onReadable, type Readiness } from "./readiness.js";
import { Struct } from "./struct.js";

const SOCK_CLOEXEC = 0o2000000;

/** Flags of recv(2) and send(2): include/linux/socket.h. */
export const MessageFlag = { PEEK: 0x02, CTRUNC: 0x08, TRUNC: 0x20, DONTWAIT: 0x40 } as const;

/** What {@link Socket.receiveMessage} received; lengths in bytes. */
export interface ReceivedMessage {
  /** Bytes written into the buffer, or with MSG_TRUNC the message's real length. */
  length: number;
  /** msg_flags: {@link MessageFlag} TRUNC where the buffer was too small. */
  flags: number;
  /** Bytes of ancillary data written into `control`. */
  controlLength: number;
  /** Bytes of the sender's address written into `address`. */
  addressLength: number;
}

/** A socket of any family, for families that Node does not know. All methods are synchronous. */
export class Socket implements Disposable {
  /** The descriptor, owned by the socket. */
  readonly fd: Fd;
  readonly #sent = new KnownAddress();
  readonly #received = new KnownAddress();

  private constructor(fd: Fd) {
    this.fd = fd;
  }

  /**
   * socket(2), always with close-on-exec.
   * @param family AF_*; @param type SOCK_*; @param protocol the family's protocol number
   * @param options.netns the network namespace that the socket belongs to for life, or its path: default the caller's
   * @param options.name what the socket is, for error messages
   */
  static open(
    family: number,
    type: number,
    protocol: number,
    options: { netns?: string | NetworkNamespace; name?: string } = {},
  ): Socket {
    const { netns, name = "socket" } = options;
    const open = () =>
      new Socket(
        fdResult(
          libc.socket(int(family, "family"), int(type | SOCK_CLOEXEC, "type"), int(protocol, "protocol")),
          name,
          "socket",
          `open a ${name}`,
        ),
      );
    if (netns === undefined) return open();
    if (netns instanceof NetworkNamespace) return netns.run(open);
    using namespace = NetworkNamespace.open(netns);
    return namespace.run(open);
  }

  /** bind(2). @param address a sockaddr of the socket's family */
  bind(address: Uint8Array): void {
    check(libc.bind(this.fd.number, address, address.length), "bind", `bind the ${this.fd.name}`);
  }

  /** connect(2). @param address a sockaddr of the socket's family */
  connect(address: Uint8Array): void {
    check(libc.connect(this.fd.number, address, address.length), "connect", `connect the ${this.fd.name}`);
  }

  /** getsockname(2): the sockaddr that the socket is bound to. */
  localAddress(): Uint8Array {
    const address = new Uint8Array(128);
    const length = new Struct(4).u32(0, address.length);
    check(
      libc.getsockname(this.fd.number, address, length.bytes),
      "getsockname",
      `read the address of the ${this.fd.name}`,
    );
    return address.slice(0, length.getU32(0));
  }

  /** setsockopt(2). @param value a C int, or the option's bytes */
  setOption(level: number, option: number, value: number | Uint8Array): void {
    const bytes = typeof value === "number" ? new Struct(4).i32(0, value).bytes : value;
    check(
      libc.setsockopt(this.fd.number, int(level, "level"), int(option, "option"), bytes, bytes.length),
      "setsockopt",
      `set option ${level}/${option} of the ${this.fd.name}`,
    );
  }

  /** getsockopt(2): up to `length` bytes of the option's value. */
  getOption(level: number, option: number, length: number): Uint8Array {
    const value = new Uint8Array(length);
    const size = new Struct(4).u32(0, length);
    check(
      libc.getsockopt(this.fd.number, int(level, "level"), int(option, "option"), value, size.bytes),
      "getsockopt",
      `read option ${level}/${option} of the ${this.fd.name}`,
    );
    return value.subarray(0, size.getU32(0));
  }

  /**
   * send(2), repeated while a signal interrupts it.
   * @param length how many of the bytes to send, default all of them
   * @returns bytes sent
   */
  send(bytes: Uint8Array, flags = 0, length = bytes.length): number {
    if (length > bytes.length) throw new RangeError(`${length} of ${bytes.length} bytes cannot be sent`);
    for (;;) {
      const result = libc.send(this.fd.number, this.#sent.addressOf(bytes), length, flags);
      if (result >= 0) return result;
      this.#unlessInterrupted("send", `send on the ${this.fd.name}`);
    }
  }

  /**
   * recv(2), repeated while a signal interrupts it. It blocks unless the flags hold DONTWAIT.
   * @param offset where in the buffer to begin; what comes may fill the rest of it
   * @returns bytes received; with {@link MessageFlag} TRUNC the message's real length, which may exceed the buffer
   * @throws SystemError, EAGAIN where nothing is there and DONTWAIT was given
   */
  receive(into: Uint8Array, flags = 0, offset = 0): number {
    const room = into.length - offset;
    if (!(offset >= 0 && room >= 0)) throw new RangeError(`${offset} is not within ${into.length} bytes`);
    for (;;) {
      const result = libc.recv(this.fd.number, this.#received.addressOf(into) + offset, room, flags);
      if (result >= 0) return result;
      this.#unlessInterrupted("recv", `receive on the ${this.fd.name}`);
    }
  }

  /**
   * recvmsg(2): a message with its ancillary data and its sender's address.
   * @returns undefined where nothing is there and the flags hold DONTWAIT
   */
  receiveMessage(
    into: Uint8Array,
    options: { flags?: number; control?: Uint8Array; address?: Uint8Array } = {},
  ): ReceivedMessage | undefined {
    const { flags = 0, control, address } = options;
    const iovec = new Struct(16).pointer(0, into).u64(8, into.length);
    // struct msghdr on 64-bit: name, namelen, iov, iovlen, control, controllen, flags.
    const header = new Struct(56).pointer(16, iovec).u64(24, 1);
    if (address) header.pointer(0, address).u32(8, address.length);
    if (control) header.pointer(32, control).u64(40, control.length);
    for (;;) {
      const length = libc.recvmsg(this.fd.number, header.bytes, flags);
      if (length >= 0) {
        return {
          length,
          flags: header.getU32(48),
          controlLength: Number(header.getU64(40)),
          addressLength: header.getU32(8),
        };
      }
      if (lastErrno() === errno.EAGAIN) return undefined;
      this.#unlessInterrupted("recvmsg", `receive on the ${this.fd.name}`);
    }
  }

  /**
   * Calls back on the main loop whenever something can be received. Drain with DONTWAIT until EAGAIN.
   * @param callback what it throws is reported as an uncaught exception, never into libuv. It gets an error where
   *   polling has stopped (ENOBUFS on a netlink socket): drain, then call `restart()`.
   */
  onReadable(callback: (error?: SystemError) => void): Readiness {
    return onReadable(this.fd, callback);
  }

  /** Closes the socket; a second call does nothing. Close its {@link Readiness} first. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #unlessInterrupted(syscall: string, action: string): void {
    const number = lastErrno();
    if (number !== errno.EINTR) throw new SystemError({ errno: number, syscall, action });
  }
}

/** The address of the buffer that is used time and again, which is held meanwhile: asking for it takes long. */
class KnownAddress {
  #buffer: ArrayBufferLike | undefined;
  #address = 0;

  /** The address of the first of the bytes. */
  addressOf(bytes: Uint8Array): number {
    const { buffer } = bytes;
    if (buffer !== this.#buffer) {
      this.#address = Number(addressOf(bytes)) - bytes.byteOffset;
      this.#buffer = buffer;
    }
    return this.#address + bytes.byteOffset;
  }
}
