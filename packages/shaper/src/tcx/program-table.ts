import { endianness } from "node:os";
import { join } from "node:path";
import { BpfMap, type BpfProgram, features } from "@weir/bpf-loader";
import { kernelVersion } from "@weir/syscall";

/** Where a shared program stands in the table. */
export const ProgramSlot = { shape: 0, guard: 1 } as const;

const SLOTS = 4;

/** The file on the BPF filesystem that holds the table. */
export const TABLE_PIN = "programs";

/**
 * The table through which the programs of tcx links call the shared ones: writing a slot changes the program of every
 * attachment of the node at once. It is there only where the kernel has tcx (Linux 6.6). The kernel empties the table
 * when no file names it any more (kernel/bpf/arraymap.c, prog_array_map_clear).
 */
export class ProgramTable implements Disposable {
  readonly map: BpfMap;

  private constructor(map: BpfMap) {
    this.map = map;
  }

  /** Opens the pinned table; undefined where there is none. */
  static find(folder: string): ProgramTable | undefined {
    try {
      return new ProgramTable(BpfMap.open(join(folder, TABLE_PIN)));
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Opens the pinned table, or makes it, with a program in its slot; undefined where the kernel has no tcx. */
  static open(folder: string, slot: number, program: BpfProgram): ProgramTable | undefined {
    const table = ProgramTable.find(folder) ?? ProgramTable.#create(folder);
    if (table && table.programId(slot) !== program.info.id) table.set(slot, program);
    return table;
  }

  static #create(folder: string): ProgramTable | undefined {
    if (!hasTcx()) return undefined;
    const map = BpfMap.create({
      name: "weir_programs",
      type: "prog_array",
      keySize: 4,
      valueSize: 4,
      maxEntries: SLOTS,
    });
    try {
      map.pin(join(folder, TABLE_PIN));
      return new ProgramTable(map);
    } catch (error) {
      map.close();
      throw error;
    }
  }

  /** Puts a program into a slot: from now on every attachment runs it. */
  set(slot: number, program: BpfProgram): void {
    this.map.raw.set(number32(slot), number32(program.fd.number));
  }

  /** The id of the program in a slot, or undefined where it is empty. */
  programId(slot: number): number | undefined {
    const value = this.map.raw.get(number32(slot));
    if (!value) return undefined;
    return new DataView(value.buffer, value.byteOffset).getUint32(0, endianness() === "LE") || undefined;
  }

  close(): void {
    this.map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Whether the kernel has tcx links: Linux 6.6. */
export function hasTcx(): boolean {
  const { major, minor } = kernelVersion();
  // Asking takes a program load, so it is not done where the answer is known.
  return (major > 6 || (major === 6 && minor >= 6)) && features.tcx();
}

function number32(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value, endianness() === "LE");
  return new Uint8Array(view.buffer);
}
