import {
  BpfCommand,
  errno,
  type Fd,
  hasCapability,
  type Struct,
  type SystemError,
  tryBpf,
} from "@weir/syscall";
import { mapElement } from "../kernel/attributes.js";
import { bpfError } from "../kernel/call.js";
import type { MapType } from "../names/tables.js";

/** BPF_F_LOCK of include/uapi/linux/bpf.h. */
export const BPF_F_LOCK = 4;

/** Sizes in bytes of what the kernel copies. */
export interface ElementShape {
  readonly name: string;
  readonly type: MapType | undefined;
  readonly keySize: number;
  /** Of a value as lookup and update copy it: for per-CPU maps, of all CPUs' values. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** Whether keys are the indexes below maxEntries. */
  readonly indexed: boolean;
}

/**
 * One key and one value at fixed addresses, and the `union bpf_attr` that points to them: calls on a map's elements
 * allocate nothing. Write the key (and value) here, call, and read the value from here before the next call.
 */
export class MapElements {
  readonly fd: Fd;
  readonly shape: ElementShape;
  readonly key: Uint8Array;
  readonly keyView: DataView;
  readonly value: Uint8Array;
  readonly valueView: DataView;
  readonly #attr: Struct;
  /** For deletion, which refuses an attribute with more than a key. */
  #deleteAttr: Struct | undefined;
  #flags = 0;

  constructor(fd: Fd, shape: ElementShape) {
    this.fd = fd;
    this.shape = shape;
    this.key = new Uint8Array(new ArrayBuffer(shape.keySize));
    this.keyView = new DataView(this.key.buffer);
    this.value = new Uint8Array(new ArrayBuffer(shape.valueSize));
    this.valueView = new DataView(this.value.buffer);
    this.#attr = mapElement.build({
      mapFd: fd.number,
      key: shape.keySize > 0 ? this.key : null,
      value: shape.valueSize > 0 ? this.value : null,
    });
  }

  /** Takes a key as bytes. */
  setKey(key: Uint8Array): void {
    if (key.length !== this.key.length) {
      throw new RangeError(
        `a key of map "${this.shape.name}" has ${this.key.length} bytes, not ${key.length}`,
      );
    }
    this.key.set(key);
  }

  /** Takes a value as bytes. */
  setValue(value: Uint8Array): void {
    if (value.length !== this.value.length) {
      throw new RangeError(
        `a value of map "${this.shape.name}" has ${this.value.length} bytes, not ${value.length}`,
      );
    }
    this.value.set(value);
  }

  /** Fills the value by the key; false if there is none. */
  lookup(flags: number): boolean {
    return this.#found(this.call(BpfCommand.MAP_LOOKUP_ELEM, flags), "look up an element of");
  }

  /** Writes the value. */
  update(flags: number): void {
    const result = this.call(BpfCommand.MAP_UPDATE_ELEM, flags);
    if (result < 0) throw this.error(BpfCommand.MAP_UPDATE_ELEM, result, "write an element of");
  }

  /** Deletes by the key; false if there was none. */
  remove(): boolean {
    this.fd.number;
    this.#deleteAttr ??= mapElement.build({
      mapFd: this.fd.number,
      key: this.shape.keySize > 0 ? this.key : null,
    });
    const result = tryBpf(BpfCommand.MAP_DELETE_ELEM, this.#deleteAttr);
    if (result >= 0) return true;
    if (result === -errno.ENOENT!) return false;
    throw this.error(BpfCommand.MAP_DELETE_ELEM, result, "delete an element of");
  }

  /** Fills the value by the key and deletes the element; false if there was none. */
  take(flags: number): boolean {
    const result = this.call(BpfCommand.MAP_LOOKUP_AND_DELETE_ELEM, flags);
    const withoutFlags = flags !== 0 && result === -errno.EINVAL!;
    if (!isMissingOperation(result) && !withoutFlags) return this.#found(result, "take an element of");
    // Before 5.14 only queues and stacks have it (map_lookup_and_delete_elem, kernel/bpf/syscall.c).
    return this.lookup(flags) && this.remove();
  }

  /** A command on the key and value; the result, or a negative error number. */
  call(command: number, flags: number): number {
    // Throws once the map is closed: its number may belong to another file by then.
    this.fd.number;
    if (flags !== this.#flags) {
      this.#attr.u32(mapElement.offset.flags, flags);
      this.#flags = flags;
    }
    return tryBpf(command, this.#attr);
  }

  /** What a command on the elements was refused with. */
  error(command: number, result: number, action: string): SystemError {
    const hint = isMissingOperation(result)
      ? `The kernel has no such operation for maps of type ${this.shape.type ?? "unknown"}.`
      : result === -errno.EPERM! && hasCapability("CAP_BPF")
        ? "The map is frozen, or it was made or opened for the other direction only."
        : hints[-result];
    return bpfError(command, -result, `${action} map "${this.shape.name}"`, ["CAP_BPF"], hint);
  }

  #found(result: number, action: string): boolean {
    if (result >= 0) return true;
    if (result === -errno.ENOENT!) return false;
    throw this.error(BpfCommand.MAP_LOOKUP_ELEM, result, action);
  }
}

/** Whether a command is refused because the map's type lacks it. ENOTSUPP is not for user space, but gets there. */
export function isMissingOperation(result: number): boolean {
  return result === -errno.ENOTSUPP! || result === -errno.EOPNOTSUPP!;
}

const hints: Readonly<Record<number, string>> = {
  [errno.E2BIG!]: "The map is full, or has no such index.",
  [errno.EAGAIN!]: "Try again.",
  // sock_map_lookup_sys, net/core/sock_map.c
  [errno.ENOSPC!]: "What a map of sockets holds is read as cookies, which takes values of 8 bytes.",
};
