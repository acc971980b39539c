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
  SUBNETS_SHAPED,
  SUBNETS_SOURCE,
} from "./limit-entry.js";
import { type Direction, directions, type Limit, type Limits } from "./limits.js";
import { entryOf } from "./names.js";
import { parseProgram } from "./program-loader.js";
import { ALL_TRAFFIC, SubnetLists, type SubnetRule, sameSubnets, subnetsOf } from "./subnets.js";
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
  /** Packets that the limit is not for, by its lists of subnets; they are not among the others. */
  exempt: bigint;
}

const CLOCK_SIZE = 320;
const COUNTERS_SIZE = 64;
const FLOW_SET_SIZE = 64;

const SUBNET_KEY_SIZE = 24;

/** How long packets wait rather than overtake others that were queued under a limit which is no more. */
const PATIENCE_NS = 1_000_000_000n;

const maps = ["limits", "clocks", "counters", "flows", "subnets"] as const;

/** How many map entries there are: MAX_ENTRIES of bpf/weir.bpf.c. */
const MAX_ENTRIES = 4096;

/** How many sets of flows there are: SETS of bpf/weir.bpf.c. */
const FLOW_SETS = 32_768;

/** How many subnets fit, of all lists together: MAX_SUBNETS of bpf/weir.bpf.c. */
const MAX_SUBNETS = 65_536;

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
  readonly #subnets: BpfMap;
  /** The lists of subnets. */
  readonly subnetLists: SubnetLists;

  private constructor(program: BpfProgram, [limits, clocks, counters, flows, subnets]: BpfMap[]) {
    this.program = program;
    this.#limits = limits!;
    this.#clocks = clocks!;
    this.#counters = counters!;
    this.#flows = flows!;
    this.#subnets = subnets!;
    this.subnetLists = new SubnetLists(this.#subnets);
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
   * Sets a limit, live. The clock is another map's, so nothing that is under way is lost; only where the clock stands
   * beyond the new horizon is it set back. What comes then does not overtake what waits, unless that would take more
   * than a second, as after a limit of a few packets a second.
   * @param limit undefined lets packets through unshaped
   * @param uplink the entry of the uplink that it shares; 0 for none
   */
  setLimit(
    entry: number,
    limit: Limit | undefined,
    owner: bigint,
    { uplink = 0, rule = ALL_TRAFFIC }: { uplink?: number; rule?: SubnetRule } = {},
  ): void {
    const { generation } = this.limit(entry);
    const context = { generation, ...ruleFields(entry, rule), owner };
    const values: LimitEntry = { ...NO_LIMIT, ...(limit ? entryOfLimit(limit, uplink) : {}), ...context };
    this.#writeLimit(entry, values);
    const now = monotonicNow();
    const { nextNs, latestNs } = this.#clock(entry);
    if (limit && nextNs > now + values.horizonNs) {
      // The flows' clocks are ahead with it, and are forgotten, but not when their last packets leave.
      this.#setClock(entry, { nextNs: now, strangerNs: latestNs > now + PATIENCE_NS ? 0n : latestNs });
      this.#writeLimit(entry, { ...values, generation: next(generation) });
    }
  }

  /**
   * Sets both directions of a slot, live, and the list of subnets that they are for.
   * @param keep directions whose limit stays as it is, since others that share the entries have it
   * @param uplinks the entries of the uplinks that they share
   * @param previous the limits whose list of subnets is in force; without it, an old list is left for gc
   */
  setLimits(
    slot: number,
    limits: Limits,
    owner: bigint,
    {
      keep = [],
      previous,
      uplinks = {},
    }: {
      keep?: readonly Direction[];
      previous?: Limits;
      uplinks?: { [direction in Direction]?: number };
    } = {},
  ): void {
    const old = this.subnetRule(slot);
    const stays = previous && sameSubnets(previous, limits) && this.subnetLists.holds(old, limits);
    const rule = stays ? old : this.subnetLists.install(limits);
    for (const direction of directions) {
      const entry = entryOf(slot, direction);
      if (keep.includes(direction))
        this.#writeLimit(entry, { ...this.limit(entry), ...ruleFields(entry, rule) });
      else this.setLimit(entry, limits[direction], owner, { uplink: uplinks[direction] ?? 0, rule });
    }
    if (previous && old.list !== 0 && old.list !== rule.list) {
      this.subnetLists.remove(old.list, subnetsOf(previous));
    }
  }

  /** The list of subnets that a slot's limits are for. */
  subnetRule(slot: number): SubnetRule {
    const { subnets, subnetMode } = this.limit(entryOf(slot, "egress"));
    return { list: subnets, shaped: (subnetMode & SUBNETS_SHAPED) !== 0 };
  }

  /** Takes an entry: no limit yet, a new clock and counters, and flows that nobody knows. */
  take(entry: number, owner: bigint): void {
    const { generation } = this.limit(entry);
    this.#writeLimit(entry, { ...NO_LIMIT, generation: next(generation), owner });
    this.#setClock(entry, {});
    this.#counters.raw.set(key(entry), new Uint8Array(this.#counters.valueStride * possibleCpus()));
  }

  /** Gives an entry back. @param limits those that were in force, whose list of subnets goes with it */
  free(entry: number, limits: Limits = {}): void {
    const { generation, subnets } = this.limit(entry);
    this.#writeLimit(entry, { ...NO_LIMIT, generation });
    if (subnets !== 0) this.subnetLists.remove(subnets, subnetsOf(limits));
  }

  /** Removes lists of subnets that no entry names. @returns how many subnets that were */
  sweepSubnets(): number {
    const live = new Set(this.takenEntries().map((entry) => this.limit(entry).subnets));
    return this.subnetLists.sweep(live);
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
      exempt: 0n,
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
      sum.exempt += view.getBigUint64(at + 56, true);
    }
    return sum;
  }

  close(): void {
    const opened = [this.#limits, this.#clocks, this.#counters, this.#flows, this.#subnets];
    for (const handle of [this.program, ...opened]) handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #writeLimit(entry: number, values: LimitEntry): void {
    this.#limits.raw.set(key(entry), encodeLimitEntry(values));
  }

  #clock(entry: number): { nextNs: bigint; latestNs: bigint } {
    const bytes = this.#clocks.raw.get(key(entry));
    if (!bytes) return { nextNs: 0n, latestNs: 0n };
    const view = viewOf(bytes);
    return { nextNs: view.getBigUint64(0, true), latestNs: view.getBigUint64(312, true) };
  }

  /** Sets a clock back, its wheel included. */
  #setClock(entry: number, { nextNs = 0n, strangerNs = 0n }: { nextNs?: bigint; strangerNs?: bigint }): void {
    const bytes = new Uint8Array(CLOCK_SIZE);
    const view = viewOf(bytes);
    view.setBigUint64(0, nextNs, true);
    view.setBigUint64(296, strangerNs, true);
    this.#clocks.raw.set(key(entry), bytes);
  }

  #checkSizes(folder: string): void {
    for (const [name, map, size, entries] of [
      ["limits", this.#limits, LIMIT_SIZE, MAX_ENTRIES],
      ["clocks", this.#clocks, CLOCK_SIZE, MAX_ENTRIES],
      ["counters", this.#counters, COUNTERS_SIZE, MAX_ENTRIES],
      ["flows", this.#flows, FLOW_SET_SIZE, FLOW_SETS],
      ["subnets", this.#subnets, 4, MAX_SUBNETS],
    ] as const) {
      const { valueSize, maxEntries, keySize } = map;
      const isKeyed = keySize === (name === "subnets" ? SUBNET_KEY_SIZE : 4);
      if (valueSize === size && maxEntries === entries && isKeyed) continue;
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

function modeOf(entry: number, { list, shaped }: SubnetRule): number {
  if (list === 0) return 0;
  // The entries of an attachment are a pair, egress first.
  return (shaped ? SUBNETS_SHAPED : 0) | (entry % 2 === 1 ? SUBNETS_SOURCE : 0);
}

function ruleFields(entry: number, rule: SubnetRule): Pick<LimitEntry, "subnets" | "subnetMode"> {
  return { subnets: rule.list, subnetMode: modeOf(entry, rule) };
}

function key(entry: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, entry, true);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
