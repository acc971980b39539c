import { join } from "node:path";
import { BpfMap, BpfProgram } from "@weir/bpf-loader";
import { isBpffs, monotonicNow, possibleCpus } from "@weir/syscall";
import { ShaperError } from "./errors.js";
import { type Installable, install, isInstalled } from "./installation.js";
import {
  decodeLimitEntry,
  encodeLimitEntry,
  entryOfLimit,
  LIMIT_SIZE,
  type LimitEntry,
  NO_LIMIT,
} from "./limit-entry.js";
import type { Limit } from "./limits.js";
import { parseProgram } from "./program-loader.js";
import { ProgramSlot, ProgramTable } from "./tcx/program-table.js";

/** What the program counted for one direction, over all CPUs. */
export interface Counters {
  /** Packets that were let through. */
  packets: bigint;
  /** Their bytes on the wire. */
  bytes: bigint;
  /** Packets that had to wait. */
  delayed: bigint;
  /** Packets that were dropped because they would have waited longer than the horizon for their flow's turn. */
  dropped: bigint;
  /** How long packets waited, in nanoseconds, summed. */
  delayNs: bigint;
  /** Packets that were marked as having met congestion (ECN). */
  marked: bigint;
  /** Packets of quiet flows that left before others that had been queued earlier. */
  passed: bigint;
}

const CLOCK_SIZE = 320;
const COUNTERS_SIZE = 56;
const FLOW_SET_SIZE = 64;

const maps = ["limits", "clocks", "counters", "flows"] as const;

/** How many map entries there are: MAX_ENTRIES of bpf/weir.bpf.c. */
const MAX_ENTRIES = 4096;

/** How many sets of flows there are: SETS of bpf/weir.bpf.c. */
const FLOW_SETS = 32_768;

/** How many attachments fit: two entries each, and slot 0 is left out. */
export const MAX_SLOTS = MAX_ENTRIES / 2 - 1;

/** The program as it is pinned. Its version grows with each change of bpf/weir.bpf.c. */
export const shapeInstallable: Installable = {
  name: "shape",
  version: 1,
  parse: parseProgram,
  carried: ["limits", "clocks", "counters"],
};

/** The program and the maps of a node: loaded once, pinned, and shared by every attachment. */
export class Datapath implements Disposable {
  readonly program: BpfProgram;
  readonly #limits: BpfMap;
  readonly #clocks: BpfMap;
  readonly #counters: BpfMap;
  readonly #flows: BpfMap;

  private constructor(program: BpfProgram, [limits, clocks, counters, flows]: BpfMap[]) {
    this.program = program;
    this.#limits = limits!;
    this.#clocks = clocks!;
    this.#counters = counters!;
    this.#flows = flows!;
  }

  /** Opens what is pinned; undefined where something of it is missing. Takes no ELF file and no verifier. */
  static open(folder: string): Datapath | undefined {
    if (!isInstalled(folder, shapeInstallable)) return undefined;
    const opened: (BpfMap | BpfProgram)[] = [];
    try {
      for (const name of maps) opened.push(BpfMap.open(join(folder, name)));
      const program = BpfProgram.open(join(folder, shapeInstallable.name));
      const datapath = new Datapath(program, opened as BpfMap[]);
      datapath.#checkSizes(folder);
      return datapath;
    } catch (error) {
      for (const handle of opened) handle.close();
      if ((error as { code?: string }).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /**
   * Loads the program and pins it and its maps, in the place of an earlier version's, whose state goes on; pinned maps
   * that are laid out alike are kept. To be called with the lock held.
   * @param bpffs where the BPF filesystem is mounted
   * @param folder the folder below it
   * @throws ShaperError STATE where a later version's is pinned
   */
  static load(bpffs: string, folder: string): Datapath {
    requireBpffs(bpffs);
    install(folder, shapeInstallable, (program) => {
      using table = ProgramTable.find(folder);
      table?.set(ProgramSlot.shape, program);
    });
    const datapath = Datapath.open(folder);
    if (!datapath) throw new ShaperError("STATE", `what was just pinned in ${folder} is gone`);
    return datapath;
  }

  /** Reads a limit. */
  limit(entry: number): LimitEntry {
    const bytes = this.#limits.raw.get(key(entry));
    if (!bytes) throw new ShaperError("STATE", `the limits map has no entry ${entry}`);
    return decodeLimitEntry(bytes);
  }

  /**
   * Sets a limit, live. The clock is another map's, so nothing that is under way is lost; only where the old limit was
   * so low that its clock stands beyond the new horizon is the clock set back.
   * @param limit undefined lets packets through unshaped
   * @param uplink the entry of the uplink that it shares; 0 for none
   */
  setLimit(entry: number, limit: Limit | undefined, owner: bigint, uplink = 0): void {
    const { generation } = this.limit(entry);
    const values: LimitEntry = { ...(limit ? entryOfLimit(limit, uplink) : NO_LIMIT), generation, owner };
    this.#writeLimit(entry, values);
    const now = monotonicNow();
    if (this.#clock(entry) > now + values.horizonNs) {
      this.#setClock(entry, now);
      // The flows' clocks are ahead with it.
      this.#writeLimit(entry, { ...values, generation: next(generation) });
    }
  }

  /** Takes an entry: no limit yet, a new clock and counters, and flows that nobody knows. */
  take(entry: number, owner: bigint): void {
    const { generation } = this.limit(entry);
    this.#writeLimit(entry, { ...NO_LIMIT, generation: next(generation), owner });
    this.#setClock(entry, 0n);
    this.#counters.raw.set(key(entry), new Uint8Array(this.#counters.valueStride * possibleCpus()));
  }

  /** Gives an entry back. */
  free(entry: number): void {
    this.#writeLimit(entry, { ...NO_LIMIT, generation: this.limit(entry).generation });
  }

  /** The entries that somebody owns. */
  takenEntries(): number[] {
    const taken: number[] = [];
    for (let entry = 0; entry < MAX_ENTRIES; entry++) {
      if (this.limit(entry).owner !== 0n) taken.push(entry);
    }
    return taken;
  }

  /** What was counted for an entry. */
  counters(entry: number): Counters {
    const bytes = this.#counters.raw.get(key(entry));
    const sum: Counters = {
      packets: 0n,
      bytes: 0n,
      delayed: 0n,
      dropped: 0n,
      delayNs: 0n,
      marked: 0n,
      passed: 0n,
    };
    if (!bytes) return sum;
    const view = viewOf(bytes);
    for (let at = 0; at + COUNTERS_SIZE <= bytes.length; at += COUNTERS_SIZE) {
      sum.packets += view.getBigUint64(at, true);
      sum.bytes += view.getBigUint64(at + 8, true);
      sum.delayed += view.getBigUint64(at + 16, true);
      sum.dropped += view.getBigUint64(at + 24, true);
      sum.delayNs += view.getBigUint64(at + 32, true);
      sum.marked += view.getBigUint64(at + 40, true);
      sum.passed += view.getBigUint64(at + 48, true);
    }
    return sum;
  }

  close(): void {
    for (const handle of [this.program, this.#limits, this.#clocks, this.#counters, this.#flows])
      handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #writeLimit(entry: number, values: LimitEntry): void {
    this.#limits.raw.set(key(entry), encodeLimitEntry(values));
  }

  #clock(entry: number): bigint {
    const bytes = this.#clocks.raw.get(key(entry));
    return bytes ? viewOf(bytes).getBigUint64(0, true) : 0n;
  }

  #setClock(entry: number, nextNs: bigint): void {
    const bytes = new Uint8Array(CLOCK_SIZE);
    viewOf(bytes).setBigUint64(0, nextNs, true);
    this.#clocks.raw.set(key(entry), bytes);
  }

  #checkSizes(folder: string): void {
    for (const [name, map, size, entries] of [
      ["limits", this.#limits, LIMIT_SIZE, MAX_ENTRIES],
      ["clocks", this.#clocks, CLOCK_SIZE, MAX_ENTRIES],
      ["counters", this.#counters, COUNTERS_SIZE, MAX_ENTRIES],
      ["flows", this.#flows, FLOW_SET_SIZE, FLOW_SETS],
    ] as const) {
      const { valueSize, maxEntries } = map;
      if (valueSize === size && maxEntries === entries) continue;
      this.close();
      throw new ShaperError(
        "STATE",
        `the map pinned at ${join(folder, name)} is another version's: values of ${valueSize} bytes and ${maxEntries} entries, where this version has ${size} and ${entries}`,
        { remedy: ANOTHER_VERSION_REMEDY },
      );
    }
  }
}

const next = (generation: number) => (generation + 1) >>> 0;

const ANOTHER_VERSION_REMEDY =
  "Remove every attachment with the version that made it, then remove the folder.";

/** Throws ShaperError NO_BPFFS unless a BPF filesystem is mounted at the path. */
export function requireBpffs(path: string): void {
  if (isBpffs(path)) return;
  throw new ShaperError("NO_BPFFS", `no BPF filesystem is mounted at ${path}`, {
    remedy: `Mount one: mount -t bpf bpf ${path}`,
  });
}

/** The number by which a map entry knows its attachment: 64-bit FNV-1a of the id, and never 0. */
export function ownerOf(id: string): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of Buffer.from(id)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash === 0n ? 1n : hash;
}

/** Finds a free slot, near where the owner's number points. Throws ShaperError FULL where there is none. */
export function findSlot(datapath: Datapath, owner: bigint): number {
  const first = Number(owner % BigInt(MAX_SLOTS));
  for (let i = 0; i < MAX_SLOTS; i++) {
    const slot = 1 + ((first + i) % MAX_SLOTS);
    if (datapath.limit(slot * 2).owner === 0n) return slot;
  }
  throw new ShaperError("FULL", `all ${MAX_SLOTS} entries are taken`, {
    remedy: "`weir gc` frees those whose pods are gone.",
  });
}

function key(entry: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, entry, true);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
