import { BpfCommand, Fd } from "@weir/syscall";
import { btfLoad, mapCreate } from "../kernel/attributes.js";
import { callBpf } from "../kernel/call.js";
import { MapFlag, type MapType, mapTypeTable } from "../names/tables.js";
import { closed, remember, requirePermission } from "./answers.js";
import { typesBlob } from "./btf.js";

/** ENOTSUPP, which the kernel returns although it is not for user space. */
const ENOTSUPP = 524;

/** Whether the kernel has a map type. Throws SystemError where the process may not ask. */
export function mapType(type: MapType): boolean {
  if (type === "unspec") return false;
  return remember(`map type ${type}`, () => {
    using extra = new Extra(type);
    const attr = mapCreate.build({
      mapType: mapTypeTable.number(type),
      ...shapeOf(type),
      ...extra.fields,
    });
    const result = closed(callBpf(BpfCommand.MAP_CREATE, attr));
    requirePermission(result, `probe for maps of type ${type}`, ["CAP_BPF", "CAP_NET_ADMIN"]);
    // bpf_struct_ops_map_alloc does not find such an operation, which a kernel without the type never looks for.
    if (type === "struct_ops") return result === -ENOTSUPP;
    return result >= 0;
  });
}

/** The smallest map of a type that every kernel with the type accepts. */
function shapeOf(type: MapType) {
  const plain = { keySize: 4, valueSize: 4, maxEntries: 1, mapFlags: 0 };
  switch (type) {
    case "lpm_trie":
      return { ...plain, keySize: 8, mapFlags: MapFlag.NO_PREALLOC };
    case "stack_trace":
      return { ...plain, valueSize: 8 };
    case "cgroup_storage":
    case "percpu_cgroup_storage":
      return { ...plain, keySize: 16, maxEntries: 0 };
    case "queue":
    case "stack":
    case "bloom_filter":
      return { ...plain, keySize: 0 };
    case "ringbuf":
    case "user_ringbuf":
      return { ...plain, keySize: 0, valueSize: 0, maxEntries: 65_536 };
    case "arena":
      return { keySize: 0, valueSize: 0, maxEntries: 1, mapFlags: MapFlag.MMAPABLE };
    case "sk_storage":
    case "inode_storage":
    case "task_storage":
    case "cgrp_storage":
      return { ...plain, maxEntries: 0, mapFlags: MapFlag.NO_PREALLOC };
    default:
      return plain;
  }
}

/** What else the creation of a map takes, held until the map has been tried. */
class Extra implements Disposable {
  readonly fields: { [name: string]: number } = {};
  #fd: Fd | undefined;

  constructor(type: MapType) {
    if (type === "array_of_maps" || type === "hash_of_maps") {
      const inner = mapCreate.build({ mapType: mapTypeTable.number("array"), ...shapeOf("array") });
      this.#open(callBpf(BpfCommand.MAP_CREATE, inner), "innerMapFd");
    } else if (/^(sk|inode|task|cgrp)_storage$/.test(type)) {
      // bpf_local_storage_map_alloc_check wants types for keys and values, and a 32-bit integer for the key.
      const blob = typesBlob([[1, 1 << 24, 4, (1 << 24) | 32]]);
      this.#open(callBpf(BpfCommand.BTF_LOAD, btfLoad.build({ btf: blob, btfSize: blob.length })), "btfFd");
      Object.assign(this.fields, { btfKeyTypeId: 1, btfValueTypeId: 1 });
    } else if (type === "struct_ops") this.fields.btfVmlinuxValueTypeId = 1;
  }

  [Symbol.dispose](): void {
    this.#fd?.close();
  }

  #open(result: number, field: string): void {
    requirePermission(result, "probe the kernel's map types", ["CAP_BPF"]);
    if (result < 0) return;
    this.#fd = Fd.adopt(result, "probe");
    this.fields[field] = result;
  }
}
