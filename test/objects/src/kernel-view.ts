import { readFileSync } from "node:fs";
import { endianness } from "node:os";
import { BpfCommand, bpf, type Fd, possibleCpus, Struct } from "@weir/syscall";

/** What the kernel tells of a map, in its own numbers, without what differs from one load to the next. */
export interface MapView {
  /** In the kernel; a data section by its suffix, since libbpf puts the file's name before it. */
  readonly name: string;
  readonly facts: Readonly<Record<string, number | string | boolean>>;
  /** The elements of a small array, as hexadecimal digits. */
  readonly contents: readonly string[];
}

/** What the kernel tells of a program, likewise. */
export interface ProgramView {
  readonly name: string;
  readonly facts: Readonly<Record<string, number | string | boolean>>;
  /** The names of the maps that it uses. */
  readonly maps: readonly string[];
  /** The verifier's instructions, one a line; maps by their names. */
  readonly instructions: readonly Instruction[];
}

/** An instruction as text, and the kernel's address in it where there is one. */
export interface Instruction {
  readonly text: string;
  readonly address?: bigint;
}

const little = endianness() === "LE";

/** Reads about a map (`struct bpf_map_info`, include/uapi/linux/bpf.h). */
export function viewMap(fd: Fd): MapView {
  const info = objectInfo(fd, 88);
  const u32 = (offset: number) => info.getUint32(offset, little);
  const [type, keySize, valueSize, maxEntries, flags] = [u32(0), u32(8), u32(12), u32(16), u32(20)];
  return {
    name: sectionName(text(info, 24)),
    facts: {
      type,
      keySize,
      valueSize,
      maxEntries,
      flags,
      keyHasBtf: u32(68) !== 0,
      valueHasBtf: u32(72) !== 0,
      kernelValueType: u32(44),
      mapExtra: String(info.getBigUint64(80, little)),
      frozen: fdinfo(fd).get("frozen") === "1",
    },
    contents: contents(fd, { type, valueSize, maxEntries }),
  };
}

/** Reads about a program (`struct bpf_prog_info`). `mapNames` names maps by their ids. */
export function viewProgram(fd: Fd, mapNames: ReadonlyMap<number, string>): ProgramView {
  const info = objectInfo(fd, 232);
  const u32 = (offset: number) => info.getUint32(offset, little);
  const code = pointedTo(fd, u32(20), (struct, bytes) => struct.u32(20, bytes.length).pointer(32, bytes));
  const ids = pointedTo(fd, u32(52) * 4, (struct, bytes) =>
    struct.u32(52, bytes.length / 4).pointer(56, bytes),
  );
  const idView = new DataView(ids.buffer);
  const name = (id: number) => mapNames.get(id) ?? `map ${id}`;
  return {
    name: text(info, 64),
    facts: {
      type: u32(0),
      jited: u32(16) > 0,
      ifindex: u32(80),
      gplCompatible: u32(84) & 1,
      functions: u32(104),
      hasBtf: u32(128) !== 0,
      functionInfos: u32(144),
      lineInfos: u32(148),
      programTags: u32(180),
      verifiedInstructions: u32(216),
      attachBtfId: u32(224),
    },
    maps: Array.from({ length: ids.length / 4 }, (_, i) => name(idView.getUint32(i * 4, little))).sort(),
    instructions: instructions(code, name),
  };
}

/** The id of a map. */
export function mapId(fd: Fd): number {
  return objectInfo(fd, 88).getUint32(4, little);
}

/** BPF_OBJ_GET_INFO_BY_FD; `prepare` may ask for what the struct points to. */
function objectInfo(fd: Fd, size: number, prepare: (info: Struct) => unknown = () => {}): DataView {
  const info = new Struct(size);
  prepare(info);
  const attr = new Struct(16).u32(0, fd.number).u32(4, size).pointer(8, info);
  bpf(BpfCommand.OBJ_GET_INFO_BY_FD, attr, `read about the ${fd.name}`);
  return info.view;
}

function pointedTo(fd: Fd, size: number, point: (info: Struct, bytes: Uint8Array) => unknown): Uint8Array {
  const bytes = new Uint8Array(size);
  if (size > 0) objectInfo(fd, 232, (info) => point(info, bytes));
  return bytes;
}

/** Arrays (2) and arrays per CPU (6) of at most 64 elements; a map's other kinds say nothing about who loaded it. */
function contents(fd: Fd, shape: { type: number; valueSize: number; maxEntries: number }): string[] {
  if ((shape.type !== 2 && shape.type !== 6) || shape.maxEntries > 64) return [];
  const size = shape.type === 2 ? shape.valueSize : ((shape.valueSize + 7) & ~7) * possibleCpus();
  return Array.from({ length: shape.maxEntries }, (_, index) => {
    const key = new Struct(4).u32(0, index);
    const value = new Uint8Array(size);
    const attr = new Struct(32).u32(0, fd.number).pointer(8, key).pointer(16, value);
    bpf(BpfCommand.MAP_LOOKUP_ELEM, attr, `read the ${fd.name}`);
    return Buffer.from(value).toString("hex");
  });
}

/** Instructions as bpf_insn_prepare_dump (kernel/bpf/syscall.c) gives them: loads of maps hold ids. */
function instructions(code: Uint8Array, mapName: (id: number) => string): Instruction[] {
  const view = new DataView(code.buffer);
  const lines: Instruction[] = [];
  for (let at = 0; at < code.length; at += 8) {
    const hex = (from: number, to: number) => Buffer.from(code.subarray(from, to)).toString("hex");
    // BPF_LD | BPF_IMM | BPF_DW takes two slots; the upper half of its first register byte is a BPF_PSEUDO_ number.
    if (code[at] !== 0x18) {
      lines.push({ text: hex(at, at + 8) });
      continue;
    }
    const kind = code[at + 1]! >> 4;
    const [low, high] = [view.getUint32(at + 4, little), view.getUint32(at + 12, little)];
    if (kind === 1) lines.push({ text: `${hex(at, at + 4)} map ${mapName(low)}` });
    else if (kind === 2) lines.push({ text: `${hex(at, at + 4)} value of map ${mapName(low)} at ${high}` });
    else lines.push({ text: hex(at, at + 4), address: (BigInt(high) << 32n) | BigInt(low) });
    at += 8;
  }
  return lines;
}

function text(view: DataView, offset: number): string {
  const bytes = Buffer.from(view.buffer, offset, 16);
  return bytes.subarray(0, bytes.indexOf(0)).toString();
}

function sectionName(name: string): string {
  const dot = name.indexOf(".");
  return dot === -1 ? name : name.slice(dot);
}

function fdinfo(fd: Fd): Map<string, string> {
  const lines = readFileSync(`/proc/self/fdinfo/${fd.number}`, "utf8").trim().split("\n");
  return new Map(lines.map((line) => line.split(":\t") as [string, string]));
}
