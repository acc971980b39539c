import { errno, type Fd, possibleCpus, SystemError } from "@weir/syscall";
import type { Btf } from "../btf/btf.js";
import { BpfMap } from "../maps/map.js";
import type { MapCreateOptions } from "../maps/map-create.js";
import type { MapType } from "../names/tables.js";
import { BpfObjectError } from "../object/error.js";
import type { MapSpec } from "../object/map-spec.js";
import type { LoadedBtf } from "./btf-load.js";
import type { StructOpsTable } from "./struct-ops.js";

/** ENOTSUPP, which the kernel returns although it is not for user space. */
const ENOTSUPP = 524;

/** The smallest that there is: a larger page is a multiple of it, and the kernel refuses what is too small for it. */
const PAGE_SIZE = 4096;

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
  "arena",
]);

/** What a map needs besides its definition. */
export interface MapContext {
  /** The object's BTF in the kernel: called only if it is of use. */
  readonly loadBtf: () => LoadedBtf | undefined;
  /** A map like those that a map of maps is to hold, if its definition has no template. */
  readonly innerMap?: Fd | undefined;
  /** What the kernel knows of a struct_ops map. */
  readonly table?: StructOpsTable | undefined;
}

/** Creates a map by its definition. Throws NotSupportedError, BpfObjectError or SystemError. */
export function createFromSpec(spec: MapSpec, context: MapContext): BpfMap {
  const { loadBtf, table } = context;
  const types = withoutBtf.has(spec.type) ? undefined : spec.btfTypes;
  const needsBtf = types !== undefined && holdsSpinLock(types.btf, types.value);
  const loaded = types && loadBtf();
  const idOf = (id: number) => loaded!.slice.typeId(id);
  const btf = types && loaded?.fd && { fd: loaded.fd, key: idOf(types.key), value: idOf(types.value) };
  // Without BTF the kernel would not find the lock.
  if (needsBtf && loaded?.error) throw loaded.error;
  using template = spec.innerMap && createTemplate(spec.innerMap, context);
  const { name, type, keySize, valueSize, maxEntries, flags, mapExtra, numaNode } = spec;
  const innerMap = template?.fd ?? context.innerMap;
  const options: MapCreateOptions = {
    name,
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    mapExtra,
    ...(numaNode !== undefined && { numaNode }),
    ...(innerMap && { innerMap }),
    ...(table && structOpsFields(table, loadBtf)),
  };
  if ((type === "array_of_maps" || type === "hash_of_maps") && !innerMap) {
    throw new BpfObjectError("BPF_MAP", `map "${name}" holds maps of no known kind; assign its innerMap`);
  }
  const codecs = spec.codecs();
  if (!btf) return BpfMap.create(options, codecs);
  try {
    return BpfMap.create({ ...options, btf }, codecs);
  } catch (error) {
    // BTF only adds to what is known about a map, unless the kernel must find a lock in it.
    const refused =
      error instanceof SystemError && (error.errno === errno.EINVAL || error.errno === ENOTSUPP);
    if (!refused || needsBtf) throw error;
    return BpfMap.create(options, codecs);
  }
}

/** A map for the kernel to compare others with; it may go once the map of maps is there. */
function createTemplate(spec: MapSpec, context: MapContext): BpfMap {
  // The kernel takes no name with a dot before 5.2, nor cares for it.
  return createFromSpec(withDefaults(spec), { loadBtf: context.loadBtf });
}

function structOpsFields(
  table: StructOpsTable,
  loadBtf: () => LoadedBtf | undefined,
): Partial<MapCreateOptions> {
  const loaded = loadBtf();
  if (loaded?.error) throw loaded.error;
  return {
    valueSize: table.valueSize,
    flags: table.flags,
    kernelValueType: { id: table.valueTypeId, btf: table.module },
    ...(loaded && { btf: { fd: loaded.fd, key: 0, value: 0 } }),
  };
}

/** The definition with the sizes that the kernel wants and libbpf fills in. */
export function withDefaults(spec: MapSpec): MapSpec {
  const entries = spec.maxEntries;
  // One slot for each CPU.
  if (spec.type === "perf_event_array" && entries === 0) spec.maxEntries = possibleCpus();
  // A power of two pages (adjust_ringbuf_sz of libbpf).
  if ((spec.type === "ringbuf" || spec.type === "user_ringbuf") && entries > 0) {
    let size = PAGE_SIZE;
    while (size < entries) size *= 2;
    spec.maxEntries = size;
  }
  return spec;
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
