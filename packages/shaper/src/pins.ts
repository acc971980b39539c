import { join } from "node:path";
import type { BpfProgram } from "@weir/bpf-loader";
import { Datapath, requireBpffs, shapeInstallable } from "./datapath.js";
import { installedVersion } from "./installation.js";
import { type Problem, repairable } from "./problem.js";
import { ProgramSlot, ProgramTable } from "./tcx/program-table.js";

/** What of this version's is pinned on a BPF filesystem: opened when it is first asked for, and then kept open. */
export class Pins implements Disposable {
  readonly #bpffs: string;
  /** The folder that holds the pinned program and maps. */
  readonly folder: string;
  #datapath: Datapath | undefined;
  #table: ProgramTable | undefined;

  /** @param bpffs where the BPF filesystem is mounted */
  constructor(bpffs: string) {
    this.#bpffs = bpffs;
    this.folder = join(bpffs, "weir");
  }

  /** @throws ShaperError NO_BPFFS where there is no BPF filesystem to pin to */
  requireBpffs(): void {
    requireBpffs(this.#bpffs);
  }

  /** The program and the maps; undefined where something of them is missing. */
  find(): Datapath | undefined {
    this.#datapath ??= Datapath.open(this.folder);
    return this.#datapath;
  }

  /** As {@link Datapath.load}: to be called with the lock held, where {@link find} finds nothing. */
  load(): Datapath {
    this.#datapath = Datapath.load(this.#bpffs, this.folder);
    return this.#datapath;
  }

  /** Whether an earlier version's program and maps are pinned. */
  get areEarlier(): boolean {
    const version = installedVersion(this.folder, shapeInstallable);
    return version !== undefined && version < shapeInstallable.version;
  }

  /** What is wrong where {@link find} finds nothing. */
  problem(): Problem {
    const version = installedVersion(this.folder, shapeInstallable);
    if (version === undefined || version === shapeInstallable.version) {
      return repairable("PINS_MISSING", `the pinned program or maps in ${this.folder} are gone`);
    }
    const message = `the program pinned in ${this.folder} is version ${version}, and this weir has version ${shapeInstallable.version}`;
    return version < shapeInstallable.version
      ? repairable("PROGRAM_EARLIER", message)
      : { code: "PROGRAM_LATER", message, remedy: "Use the later weir." };
  }

  /** The table through which links call the program; undefined where there is none. */
  findTable(): ProgramTable | undefined {
    this.#table ??= ProgramTable.find(this.folder);
    return this.#table;
  }

  /** The table, made where it is missing; undefined where the kernel has no tcx. */
  openTable(program: BpfProgram): ProgramTable | undefined {
    this.#table ??= ProgramTable.open(this.folder, ProgramSlot.shape, program);
    return this.#table;
  }

  close(): void {
    this.#table?.close();
    this.#table = undefined;
    this.#datapath?.close();
    this.#datapath = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
