export { BpfCommand, bpf, tryBpf } from "./bpf.js";
export { Epoll, EpollEvent } from "./epoll.js";
export { errno, errnoName, errnoText } from "./errno.js";
export { NotSupportedError, SystemError } from "./errors.js";
export { Fd } from "./fd.js";
export { FileLock } from "./file-lock.js";
export { ioctl } from "./ioctl.js";
export { MemoryMap } from "./memory-map.js";
export { isBpffs, MountFlag, mount, mountBpffs, unmount } from "./mount.js";
export { makeNamedPipe } from "./named-pipe.js";
export { NetworkNamespace } from "./network-namespace.js";
export { perfEventOpen } from "./perf-event.js";
export { hasCapability, raiseMemlockLimit } from "./process.js";
export { onReadable, type Readiness } from "./readiness.js";
export { MessageFlag, type ReceivedMessage, Socket } from "./socket.js";
export { setSocketOption } from "./socket-option.js";
export { cString, Struct } from "./struct.js";
export {
  type KernelVersion,
  kernelVersion,
  monotonicNow,
  onlineCpus,
  pageSize,
  possibleCpus,
} from "./system.js";
