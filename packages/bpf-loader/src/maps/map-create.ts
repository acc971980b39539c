import { BpfCommand, errno, Fd, NotSupportedError } from "@weir/syscall";
import { mapCreate } from "../kernel/attributes.js";
import { bpfError, callBpf, kernelBefore } from "../kernel/call.js";
import { missingForMap } from "../kernel/explain.js";
import { kernelName } from "../kernel/pin.js";
import { MapFlag, type MapType, mapTypeTable } from "../names/tables.js";
import { type Descriptor, descriptorNumber } from "./descriptor.js";

/** A map to create without an object. */
export interface MapCreateOptions {
  /** Shown by the kernel; cut to 15 characters. */
  readonly name?: string;
  readonly type: MapType;
  /** Bytes of a key; 0 where the type has none. */
  readonly keySize: number;
  /** Bytes of a value; for per-CPU maps, on one CPU. */
  readonly valueSize: number;
  /** For ring buffers the size in bytes, for arenas in pages. */
  readonly maxEntries: number;
  /** A sum of {@link MapFlag}. */
  readonly flags?: number;
  /** Depends on the type: the number of a bloom filter's hash functions, the address of an arena. */
  readonly mapExtra?: bigint;
  readonly numaNode?: number;
  /** Type information in the kernel, and the types of key and value in it. A value with a spin lock needs it. */
  readonly btf?: { readonly fd: Fd; readonly key: number; readonly value: number } | undefined;
  /** For maps of maps: a map whose type, sizes and flags all of them share. It need not stay open. */
  readonly innerMap?: Descriptor | undefined;
  /** For struct_ops: the value's type in the kernel's BTF, or in that of a module, whose descriptor is `btf`. */
  readonly kernelValueType?: { readonly id: number; readonly btf?: Fd | undefined } | undefined;
}

/** BPF_MAP_CREATE. Throws NotSupportedError for a type that the kernel does not have, else SystemError. */
export function createMap(options: MapCreateOptions): Fd {
  const attr = mapCreate.build({
    mapType: mapTypeTable.number(options.type),
    keySize: options.keySize,
    valueSize: options.valueSize,
    maxEntries: options.maxEntries,
    mapFlags: options.flags ?? 0,
    innerMapFd: options.innerMap ? descriptorNumber(options.innerMap) : 0,
    numaNode: options.numaNode ?? 0,
    mapName: kernelName(options.name ?? ""),
    mapExtra: options.mapExtra ?? 0n,
    btfFd: options.btf?.fd.number ?? 0,
    btfKeyTypeId: options.btf?.key ?? 0,
    btfValueTypeId: options.btf?.value ?? 0,
    btfVmlinuxValueTypeId: options.kernelValueType?.id ?? 0,
    valueTypeBtfObjFd: options.kernelValueType?.btf?.number ?? 0,
  });
  const name = options.name ?? "";
  const result = callBpf(BpfCommand.MAP_CREATE, attr);
  if (result >= 0) return Fd.adopt(result, `map ${name}`.trimEnd());
  const missing =
    result === -errno.EINVAL! ? (missingForMap(options.type) ?? missingFlag(options)) : undefined;
  if (missing) throw missing;
  const { type, keySize, valueSize, maxEntries, flags = 0 } = options;
  const what = `${type}, key ${keySize}, value ${valueSize}, max_entries ${maxEntries}, flags 0x${flags.toString(16)}`;
  throw bpfError(
    BpfCommand.MAP_CREATE,
    -result,
    `create map "${name}" (${what})`,
    ["CAP_BPF", "CAP_NET_ADMIN"],
    result === -errno.EINVAL! ? hint(options) : undefined,
  );
}

/** A flag that the kernel may be too old for. It says no more than EINVAL, so only its version can tell. */
function missingFlag({ flags = 0 }: MapCreateOptions): NotSupportedError | undefined {
  for (const [name, major, minor] of youngFlags) {
    if ((flags & MapFlag[name]) === 0 || !kernelBefore(major, minor)) continue;
    return new NotSupportedError({ feature: `map flag BPF_F_${name}`, since: `${major}.${minor}` });
  }
  return undefined;
}

const youngFlags = [
  ["LINK", 6, 4],
  ["VTYPE_BTF_OBJ_FD", 6, 9],
  ["TOKEN_FD", 6, 9],
  ["SEGV_ON_FAULT", 6, 9],
  ["NO_USER_CONV", 6, 9],
] as const;

/** What the kernel wants of a type, where it only says EINVAL. */
function hint(options: MapCreateOptions): string | undefined {
  const { type, flags = 0 } = options;
  switch (type) {
    case "lpm_trie":
      if ((flags & MapFlag.NO_PREALLOC) === 0) return "An LPM trie takes MapFlag.NO_PREALLOC.";
      return "Its key is a 32-bit prefix length and 1 to 256 bytes.";
    case "array_of_maps":
    case "hash_of_maps":
      return options.innerMap ? undefined : "A map of maps takes an innerMap.";
    case "ringbuf":
    case "user_ringbuf":
      return "Its max_entries is a power of two and a multiple of the page size; it has no key and no value size.";
    case "arena":
      return "It takes MapFlag.MMAPABLE, and has no key and no value size.";
    case "queue":
    case "stack":
    case "bloom_filter":
      return options.keySize === 0 ? undefined : "It has no key: keySize is 0.";
    case "sk_storage":
    case "inode_storage":
    case "task_storage":
    case "cgrp_storage":
      return "It takes MapFlag.NO_PREALLOC, max_entries 0, an int as its key, and BTF for both key and value.";
    default:
      return undefined;
  }
}
