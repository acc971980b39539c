import { setSocketOption } from "@weir/syscall";
import { type AttachableProgram, requireType } from "./create.js";

// include/uapi/asm-generic/socket.h
const SOL_SOCKET = 1;
const SO_DETACH_FILTER = 27;
const SO_ATTACH_BPF = 50;
const SO_ATTACH_REUSEPORT_EBPF = 52;
const SO_DETACH_REUSEPORT_BPF = 68;

/** A socket by its descriptor: a number such as Node gives, or whatever has one. */
export type SocketReference = number | { readonly number: number };

/** What {@link BpfProgram.attachSocket} does. */
export function attachSocket(program: AttachableProgram, socket: SocketReference): void {
  requireType(program, "attachSocket", "socket_filter", "sk_reuseport");
  const fd = typeof socket === "number" ? socket : socket.number;
  const option = program.type === "sk_reuseport" ? SO_ATTACH_REUSEPORT_EBPF : SO_ATTACH_BPF;
  const action = `attach program "${program.name}" to socket ${fd}`;
  const hint =
    "It takes a program of type socket_filter, or of type sk_reuseport and a socket of a group that shares its port.";
  setSocketOption(fd, SOL_SOCKET, option, program.fd.number, action, hint);
}

/**
 * Takes the program off a socket.
 * @param type what was attached: "socket_filter", or "sk_reuseport" for the group that the socket is in
 * @throws SystemError: ENOENT if there is none
 */
export function detachSocket(
  socket: SocketReference,
  type: "socket_filter" | "sk_reuseport" = "socket_filter",
): void {
  const fd = typeof socket === "number" ? socket : socket.number;
  const option = type === "sk_reuseport" ? SO_DETACH_REUSEPORT_BPF : SO_DETACH_FILTER;
  setSocketOption(fd, SOL_SOCKET, option, 0, `take the program of socket ${fd} off`);
}
