import { readFileSync } from "node:fs";
import { BpfCommand, type Fd } from "@weir/syscall";
import { mapInfo, objectId } from "../kernel/attributes.js";
import { openBpf } from "../kernel/call.js";
import { objectInfo } from "../kernel/pin.js";
import { type MapType, mapTypeTable, type ProgramType, programTypeTable } from "../names/tables.js";

/** What the kernel says about a map. */
export interface MapInfo {
  readonly id: number;
  /** Undefined for a type that is newer than this library. */
  readonly type: MapType | undefined;
  /** At most 15 characters. */
  readonly name: string;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value; for per-CPU maps, on one CPU. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** A sum of {@link MapFlag}. */
  readonly flags: number;
  readonly mapExtra: bigint;
  /** The device that the map is offloaded to; 0 for none. */
  readonly ifindex: number;
  /** Id of its BTF; 0 if it has none. */
  readonly btfId: number;
  /** Ids in that BTF; 0 for none. */
  readonly btfKeyTypeId: number;
  readonly btfValueTypeId: number;
  /** For struct_ops: the value's type in the kernel's own BTF, or in the module's whose BTF id comes next. */
  readonly btfVmlinuxValueTypeId: number;
  readonly btfVmlinuxId: number;
}

/** What /proc says about a map. */
export interface MapUsage {
  /** Memory that it takes, in bytes, as far as the kernel counts it. */
  readonly memoryBytes: number;
  /** Whether user space can no longer write to it; see {@link BpfMap.freeze}. */
  readonly frozen: boolean;
  /** For program arrays: the type of the programs that may be put in, once one is or has used it. */
  readonly ownerProgramType?: ProgramType;
  /** For program arrays: whether these programs are compiled to machine code. */
  readonly ownerJited?: boolean;
}

/** BPF_OBJ_GET_INFO_BY_FD. */
export function readMapInfo(fd: Fd): MapInfo {
  const raw = objectInfo(fd, mapInfo);
  return {
    id: raw.id,
    type: mapTypeTable.name(raw.type),
    name: raw.name,
    keySize: raw.keySize,
    valueSize: raw.valueSize,
    maxEntries: raw.maxEntries,
    flags: raw.mapFlags,
    mapExtra: raw.mapExtra,
    ifindex: raw.ifindex,
    btfId: raw.btfId,
    btfKeyTypeId: raw.btfKeyTypeId,
    btfValueTypeId: raw.btfValueTypeId,
    btfVmlinuxValueTypeId: raw.btfVmlinuxValueTypeId,
    btfVmlinuxId: raw.btfVmlinuxId,
  };
}

/** bpf_map_show_fdinfo, kernel/bpf/syscall.c. */
export function readMapUsage(fd: Fd): MapUsage {
  const text = readFileSync(`/proc/self/fdinfo/${fd.number}`, "latin1");
  const field = (name: string) => {
    const value = new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const ownerType = field("owner_prog_type");
  const ownerProgramType = ownerType === undefined ? undefined : programTypeTable.name(ownerType);
  const ownerJited = field("owner_jited");
  return {
    memoryBytes: field("memlock") ?? 0,
    frozen: field("frozen") === 1,
    ...(ownerProgramType !== undefined && { ownerProgramType }),
    ...(ownerJited !== undefined && { ownerJited: ownerJited === 1 }),
  };
}

/** BPF_MAP_GET_FD_BY_ID. */
export function openMapId(id: number): Fd {
  const attr = objectId.build({ id });
  return openBpf(BpfCommand.MAP_GET_FD_BY_ID, attr, `map ${id}`, `open map ${id}`, ["CAP_SYS_ADMIN"]);
}
