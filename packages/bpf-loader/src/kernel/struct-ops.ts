import { type Fd, NotSupportedError } from "@weir/syscall";
import { hostLittleEndian } from "../asm.js";
import type { Btf } from "../btf/btf.js";
import type { BtfMember, BtfType, BtfTypeOf } from "../btf/types.js";
import type { BpfLink } from "../link/link.js";
import { attachStructOps } from "../link/struct-ops.js";
import type { BpfMap } from "../maps/map.js";
import { MapFlag } from "../names/tables.js";
import { BpfObjectError } from "../object/error.js";
import type { ProgramSpec } from "../object/program-spec.js";
import type { StructOpsSpec } from "../object/struct-ops.js";
import type { AttachTarget } from "./attach-target.js";
import type { KernelTypes } from "./kernel-types.js";

/** A struct_ops variable in the kernel: its map, and the value that makes the kernel use it. */
export class LoadedStructOps {
  /** The variable's name. */
  readonly name: string;
  /** The kernel's struct: "tcp_congestion_ops". */
  readonly structName: string;
  /** The map. Its one element, 0, is empty until {@link attach} writes `value` to it. */
  readonly map: BpfMap;
  /** The element: the kernel's `struct bpf_struct_ops_...` with the programs' descriptors filled in. */
  readonly value: Uint8Array;
  /** Whether a link puts it to use (section ".struct_ops.link", Linux 6.4), rather than the value itself. */
  readonly linked: boolean;

  /** Made by {@link BpfObject.load}. */
  constructor(spec: StructOpsSpec, map: BpfMap, value: Uint8Array) {
    this.name = spec.name;
    this.structName = spec.structName;
    this.linked = spec.linked;
    this.map = map;
    this.value = value;
  }

  /**
   * Puts it to use: from now on the kernel calls its programs, where somebody chooses them by name as a rule.
   * @returns what ends its use: a link of the kernel, or without one the removal of the value
   * @throws SystemError; NotSupportedError for a link before Linux 6.4
   */
  attach(): BpfLink {
    const { name, value } = this;
    return attachStructOps({ fd: this.map.fd, name, flags: this.linked ? MapFlag.LINK : 0, value });
  }
}

/** A member of the struct that is a program: what the program attaches to, and where its descriptor goes. */
interface ProgramMember {
  readonly program: ProgramSpec;
  /** The program's expected attach type. */
  readonly index: number;
  /** In the value, in bytes. */
  readonly offset: number;
}

/** A struct_ops variable, matched with the kernel's types. */
export class StructOpsTable {
  readonly spec: StructOpsSpec;
  /** Type of the map's value in the BTF of `module`, or the kernel's own. */
  readonly valueTypeId: number;
  /** Bytes of the map's value. */
  readonly valueSize: number;
  readonly module: Fd | undefined;
  readonly #structTypeId: number;
  readonly #members: ProgramMember[] = [];
  readonly #value: Uint8Array;

  /**
   * Finds the kernel's struct and its members by name (bpf_map__init_kern_struct_ops of libbpf).
   * @throws NotSupportedError if the kernel has no such struct_ops
   * @throws BpfObjectError if a member is not the kernel's, or has another shape there
   */
  constructor(spec: StructOpsSpec, types: KernelTypes) {
    this.spec = spec;
    const { structName } = spec;
    const wrapper = types.find(`bpf_struct_ops_${structName}`, "struct");
    // Its first members are the kernel's; the struct itself is the one called "data".
    const data = wrapper?.type.members.find((member) => {
      const type = wrapper.btf.resolve(member.type);
      return type.kind === "struct" && type.name === structName;
    });
    if (!wrapper || !data) {
      throw new NotSupportedError({
        feature: `struct_ops of type ${structName}`,
        hint: "The kernel's BTF does not know it; a module that brings it may have to be loaded first.",
      });
    }
    const struct = wrapper.btf.resolve(data.type) as BtfTypeOf<"struct">;
    this.module = wrapper.module;
    this.valueTypeId = wrapper.type.id;
    this.valueSize = wrapper.type.size;
    this.#structTypeId = struct.id;
    this.#value = new Uint8Array(wrapper.type.size);
    const start = data.bitOffset / 8;
    for (const member of spec.type.members) this.#place(member, wrapper.btf, struct, start);
  }

  /** What one of its programs attaches to: once for each member that it is; nothing for a program that is none. */
  attachTargets(program: ProgramSpec): (AttachTarget & { readonly index: number })[] {
    return this.#members
      .filter((member) => member.program === program)
      .map(({ index }) => ({ id: this.#structTypeId, fd: this.module, index }));
  }

  /** The map's flags: the kernel wants to know where the value's type comes from. */
  get flags(): number {
    const { map, linked } = this.spec;
    return map.flags | (linked ? MapFlag.LINK : 0) | (this.module ? MapFlag.VTYPE_BTF_OBJ_FD : 0);
  }

  /** The map's value, with the descriptors of loaded programs. */
  value(programs: ReadonlyMap<ProgramSpec, { readonly fd: Fd }>): Uint8Array {
    const view = new DataView(this.#value.buffer);
    for (const { program, offset } of this.#members) {
      view.setBigUint64(offset, BigInt(programs.get(program)!.fd.number), hostLittleEndian);
    }
    return this.#value;
  }

  #place(member: BtfMember, kernel: Btf, struct: BtfTypeOf<"struct">, start: number): void {
    const { btf, contents, programs } = this.spec;
    const size = sizeOf(btf, member);
    const from = member.bitOffset / 8;
    const bytes = contents.subarray(from, from + size);
    const program = programs.get(member.name);
    const index = struct.members.findIndex((one) => one.name === member.name);
    const target = struct.members[index];
    if (!target) {
      // An older kernel may lack what is not used.
      if (!program && bytes.every((byte) => byte === 0)) return;
      throw new NotSupportedError({
        feature: `member "${member.name}" in struct ${this.spec.structName}`,
        hint: `"${this.spec.name}" sets it.`,
      });
    }
    if (member.bitSize !== 0 || target.bitSize !== 0) {
      if (bytes.every((byte) => byte === 0)) return;
      throw this.#problem(member, "is a bit-field, which cannot be set");
    }
    const offset = start + target.bitOffset / 8;
    if (program) {
      if (!isFunctionPointer(kernel, kernel.resolve(target.type)))
        throw this.#problem(member, "is no function in the kernel");
      this.#members.push({ program, index, offset });
      return;
    }
    const [own, theirs] = [btf.resolve(member.type).kind, kernel.resolve(target.type).kind];
    if (own === "ptr" && bytes.every((byte) => byte === 0)) return;
    if (own !== theirs || size !== kernel.sizeOf(target.type))
      throw this.#problem(
        member,
        `is a ${own} of ${size} bytes, but a ${theirs} of ${kernel.sizeOf(target.type)} in the kernel`,
      );
    this.#value.set(bytes, offset);
  }

  #problem(member: BtfMember, what: string): BpfObjectError {
    return new BpfObjectError("BPF_EXTERN", `member "${member.name}" of "${this.spec.name}" ${what}`);
  }
}

/** Functions and other things without a size take none. */
function sizeOf(btf: Btf, member: BtfMember): number {
  if (member.bitSize !== 0) return Math.ceil(((member.bitOffset % 8) + member.bitSize) / 8);
  return btf.sizeOf(member.type);
}

function isFunctionPointer(btf: Btf, type: BtfType): boolean {
  return type.kind === "ptr" && btf.resolve(type.type).kind === "func_proto";
}
