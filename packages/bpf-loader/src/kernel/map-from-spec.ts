import { errno, SystemError } from "@weir/syscall";
import type { Btf } from "../btf/btf.js";
import { BpfMap } from "../maps/map.js";
import { createMap } from "../maps/map-create.js";
import type { MapType } from "../names/tables.js";
import { BpfObjectError } from "../object/error.js";
import type { MapSpec } from "../object/map-spec.js";
import type { LoadedBtf } from "./btf-load.js";

/** ENOTSUPP, which the kernel returns although it is not for user space. */
const ENOTSUPP = 524;

/** Types whose keys and values are not what BTF describes; the kernel refuses BTF for them (map_check_btf). */
const withoutBtf = new Set<MapType>([
  "perf_event_array",
  "cgroup_array",
  "stack_trace",
  "array_of_maps",
  "hash_of_maps",
  "devmap",
  "devmap_hash",
  "cpumap",
  "xskmap",
  "sockmap",
  "sockhash",
  "queue",
  "stack",
]);

/** Creates a map by its definition. `loadBtf` gives the object's BTF in the kernel, and is called only if it is of use. */
export function createFromSpec(spec: MapSpec, loadBtf: () => LoadedBtf | undefined): BpfMap {
  if (spec.contents || spec.innerMap) {
    throw new BpfObjectError(
      "BPF_UNSUPPORTED",
      `map "${spec.name}" holds ${spec.contents}, which is not supported yet`,
    );
  }
  const types = withoutBtf.has(spec.type) ? undefined : spec.btfTypes;
  const needsBtf = types !== undefined && holdsSpinLock(types.btf, types.value);
  const loaded = types && loadBtf();
  const btf = types && loaded?.fd ? { fd: loaded.fd, key: types.key, value: types.value } : undefined;
  // Without BTF the kernel would not find the lock.
  if (needsBtf && loaded?.error) throw loaded.error;
  const { name, type, keySize, valueSize, maxEntries, flags, mapExtra, numaNode } = spec;
  const options = {
    name,
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    mapExtra,
    ...(numaNode !== undefined && { numaNode }),
  };
  const codecs = { key: spec.keyCodec(), value: spec.valueCodec() };
  if (!btf) return BpfMap.adopt(createMap(options), name, codecs);
  try {
    return BpfMap.adopt(createMap({ ...options, btf }), name, codecs);
  } catch (error) {
    // BTF only adds to what is known about a map, unless the kernel must find a lock in it.
    const refused =
      error instanceof SystemError && (error.errno === errno.EINVAL || error.errno === ENOTSUPP);
    if (!refused || needsBtf) throw error;
    return BpfMap.adopt(createMap(options), name, codecs);
  }
}

/** Whether a value has a field that the kernel manages, and finds by BTF alone. */
function holdsSpinLock(btf: Btf, id: number): boolean {
  const type = btf.resolve(id);
  if (type.kind !== "struct") return false;
  return type.members.some((member) => {
    const field = btf.resolve(member.type);
    return field.kind === "struct" && (field.name === "bpf_spin_lock" || field.name === "bpf_timer");
  });
}
