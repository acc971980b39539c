import type { Fd } from "@weir/syscall";
import { type ProgramType, programTypeTable } from "../names/tables.js";
import { programInfo } from "./attributes.js";
import { objectInfo } from "./pin.js";

/** What the kernel says about a program. */
export interface ProgramInfo {
  readonly id: number;
  /** Undefined for a type that is newer than this library. */
  readonly type: ProgramType | undefined;
  /** At most 15 characters. */
  readonly name: string;
  /** Hash of the instructions, as hexadecimal digits. */
  readonly tag: string;
  /** Bytes of machine code; 0 if the program is interpreted, or nothing may be known. */
  readonly jitedSize: number;
  /** Bytes of instructions after the verifier has rewritten them. */
  readonly translatedSize: number;
  /** Nanoseconds since boot. */
  readonly loadedAt: bigint;
  readonly createdByUid: number;
  readonly gplCompatible: boolean;
  /** Ids of the maps that it uses. */
  readonly mapIds: readonly number[];
  /** Id of its BTF; 0 if it has none. */
  readonly btfId: number;
  /** Nanoseconds and runs, counted only while BPF statistics are on (kernel.bpf_stats_enabled). */
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  /** Runs that did not happen because the program was running already; Linux 5.12. */
  readonly recursionMisses: bigint;
  /** Instructions that the verifier went through; Linux 5.16. */
  readonly verifiedInstructions: number;
  /** For programs that attach to a function: its id in the BTF with the id {@link attachBtfObjectId}; else 0. Linux 5.17. */
  readonly attachBtfId: number;
  readonly attachBtfObjectId: number;
}

/** BPF_OBJ_GET_INFO_BY_FD of a program. Throws SystemError. */
export function readProgramInfo(fd: Fd): ProgramInfo {
  const raw = objectInfo(fd, programInfo);
  return {
    id: raw.id,
    type: programTypeTable.name(raw.type),
    name: raw.name,
    tag: Buffer.from(raw.tag).toString("hex"),
    jitedSize: raw.jitedProgLen,
    translatedSize: raw.xlatedProgLen,
    loadedAt: raw.loadTime,
    createdByUid: raw.createdByUid,
    gplCompatible: (raw.gplCompatible & 1) !== 0,
    mapIds: mapIds(fd, raw.nrMapIds),
    btfId: raw.btfId,
    runTimeNs: raw.runTimeNs,
    runCount: raw.runCnt,
    recursionMisses: raw.recursionMisses,
    verifiedInstructions: raw.verifiedInsns,
    attachBtfId: raw.attachBtfId,
    attachBtfObjectId: raw.attachBtfObjId,
  };
}

/** The instructions as the verifier rewrote them. Throws SystemError. */
export function readTranslated(fd: Fd): Uint8Array {
  const { xlatedProgLen } = objectInfo(fd, programInfo);
  const code = new Uint8Array(xlatedProgLen);
  objectInfo(fd, programInfo, programInfo.build({ xlatedProgLen, xlatedProgInsns: code }));
  return code;
}

/** The machine code of the program and its functions. Throws SystemError. */
export function readMachineCode(fd: Fd): Uint8Array {
  const { jitedProgLen } = objectInfo(fd, programInfo);
  const code = new Uint8Array(jitedProgLen);
  if (jitedProgLen > 0)
    objectInfo(fd, programInfo, programInfo.build({ jitedProgLen, jitedProgInsns: code }));
  return code;
}

function mapIds(fd: Fd, count: number): number[] {
  if (count === 0) return [];
  const ids = new Uint32Array(count);
  const bytes = new Uint8Array(ids.buffer);
  objectInfo(fd, programInfo, programInfo.build({ nrMapIds: count, mapIds: bytes }));
  return [...ids];
}
