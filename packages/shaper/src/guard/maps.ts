import { existsSync } from "node:fs";
import { endianness } from "node:os";
import { join } from "node:path";
import { BpfMap, BpfProgram } from "@weir/bpf-loader";
import { parseAddress, parsePrefix } from "@weir/netlink";
import { possibleCpus } from "@weir/syscall";
import { ShaperError } from "../errors.js";
import { type Installable, install, isInstalled } from "../installation.js";
import { ProgramSlot, ProgramTable } from "../tcx/program-table.js";
import { parseGuard } from "./program.js";

/** What the guard counted in one place, over all CPUs; what the shaper leaves alone is not among it. */
export interface GuardCounters {
  /** Packets that were let through. */
  packets: bigint;
  /** Their bytes on the wire. */
  bytes: bigint;
  /** Packets that were dropped because they were beyond the guard's limit. */
  dropped: bigint;
  /** Their bytes on the wire. */
  droppedBytes: bigint;
}

/** `struct guard_limit` of bpf/guard.bpf.c. */
export interface GuardLimit {
  /** 0: whatever comes is let through. */
  bitsPerSecond: bigint;
  burstNs: bigint;
  /** The monotonic time before which nothing is dropped. */
  sinceNs: bigint;
  /** Whatever comes is dropped. */
  drop: boolean;
  owner: bigint;
}

/** MAX_ENTRIES, MAX_UPLINKS and HOST of bpf/guard.bpf.c. */
export const MAX_ENTRIES = 4096;
export const MAX_UPLINKS = 64;
export const HOST_ENTRY = 0;

/** The classid of a place where everything is one entry's: PEER of bpf/guard.bpf.c. */
export const PEER = 0x8000;

const ENTRIES = MAX_ENTRIES + MAX_UPLINKS;

/** The guard as it is pinned. Its version grows with each change of bpf/guard.bpf.c. */
export const guardInstallable: Installable = {
  name: "guard",
  version: 1,
  parse: parseGuard,
  carried: ["guard_limits", "guard_clocks", "guard_counters"],
  // From bpf/limits.h: what a limit is for.
  shared: ["limits", "subnets"],
};
const NO_LIMIT: GuardLimit = { bitsPerSecond: 0n, burstNs: 0n, sinceNs: 0n, drop: false, owner: 0n };

const shapes = {
  guard_limits: [40, ENTRIES],
  guard_clocks: [24, ENTRIES],
  guard_counters: [32, ENTRIES],
  guard_addresses: [16, 32_768],
  guard_senders: [16, 8192],
  guard_known: [4, 1024],
} as const;
type MapName = keyof typeof shapes;

/** The guard's program and maps, pinned beside the shaper's. */
export class GuardMaps implements Disposable {
  readonly program: BpfProgram;
  readonly #maps: Record<MapName, BpfMap>;

  private constructor(program: BpfProgram, opened: Record<MapName, BpfMap>) {
    this.program = program;
    this.#maps = opened;
  }

  /** Opens what this version has pinned; undefined where something of it is missing. */
  static find(folder: string): GuardMaps | undefined {
    if (!isInstalled(folder, guardInstallable)) return undefined;
    const opened = {} as Record<MapName, BpfMap>;
    try {
      for (const name of Object.keys(shapes) as MapName[]) {
        opened[name] = BpfMap.open(join(folder, name));
        checkShape(folder, name, opened[name]);
      }
      return new GuardMaps(BpfProgram.open(join(folder, guardInstallable.name)), opened);
    } catch (error) {
      for (const map of Object.values(opened)) map.close();
      if ((error as { code?: string }).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /**
   * Loads and pins it, in the place of an earlier version's; to be called with the lock held.
   * @throws ShaperError STATE where a later version's is pinned
   */
  static install(folder: string): GuardMaps {
    install(folder, guardInstallable, (program) => {
      using table = ProgramTable.find(folder);
      table?.set(ProgramSlot.guard, program);
    });
    const maps = GuardMaps.find(folder);
    if (!maps) throw new ShaperError("STATE", `what was just pinned in ${folder} is gone`);
    return maps;
  }

  /** Whether the program reads the shaper's maps as they are pinned now: somebody may have removed their pins. */
  readsShaper(folder: string): boolean {
    const { mapIds } = this.program.info;
    return (guardInstallable.shared ?? []).every((name) => {
      if (!existsSync(join(folder, name))) return false;
      using map = BpfMap.open(join(folder, name));
      return mapIds.includes(map.info.id);
    });
  }

  limit(entry: number): GuardLimit {
    const view = viewOf(this.#maps.guard_limits.raw.get(number32(entry)) ?? new Uint8Array(40));
    return {
      bitsPerSecond: view.getBigUint64(0, little),
      burstNs: view.getBigUint64(8, little),
      sinceNs: view.getBigUint64(16, little),
      drop: view.getUint32(24, little) !== 0,
      owner: view.getBigUint64(32, little),
    };
  }

  setLimit(entry: number, limit: GuardLimit): void {
    const view = new DataView(new ArrayBuffer(40));
    view.setBigUint64(0, limit.bitsPerSecond, little);
    view.setBigUint64(8, limit.burstNs, little);
    view.setBigUint64(16, limit.sinceNs, little);
    view.setUint32(24, limit.drop ? 1 : 0, little);
    view.setBigUint64(32, limit.owner, little);
    this.#maps.guard_limits.raw.set(number32(entry), new Uint8Array(view.buffer));
  }

  /** Takes an entry: a new clock and counters. */
  take(entry: number, limit: GuardLimit): void {
    const { guard_clocks, guard_counters } = this.#maps;
    guard_clocks.raw.set(number32(entry), new Uint8Array(guard_clocks.valueStride));
    guard_counters.raw.set(number32(entry), new Uint8Array(guard_counters.valueStride * possibleCpus()));
    this.setLimit(entry, limit);
  }

  /** Gives an entry back. */
  free(entry: number): void {
    this.setLimit(entry, NO_LIMIT);
  }

  /** Charges an address to an entry. @param netns the inode number of the namespace that it belongs to */
  setAddress(uplink: number, address: string, entry: number, netns: bigint, owner: bigint): void {
    const value = new DataView(new ArrayBuffer(16));
    value.setUint32(0, entry, little);
    value.setUint32(4, Number(netns), little);
    value.setBigUint64(8, owner, little);
    this.#maps.guard_addresses.raw.set(addressKey(uplink, address), new Uint8Array(value.buffer));
  }

  /** Whom an address is charged to. */
  address(uplink: number, address: string): { entry: number; netns: bigint; owner: bigint } | undefined {
    const bytes = this.#maps.guard_addresses.raw.get(addressKey(uplink, address));
    if (!bytes) return undefined;
    const view = viewOf(bytes);
    return {
      entry: view.getUint32(0, little),
      netns: BigInt(view.getUint32(4, little)),
      owner: view.getBigUint64(8, little),
    };
  }

  /** Charges an address to nobody, if it was charged to this owner. */
  removeAddress(uplink: number, address: string, owner: bigint): void {
    if (this.address(uplink, address)?.owner !== owner) return;
    this.#maps.guard_addresses.raw.delete(addressKey(uplink, address));
  }

  /** Charges what a namespace sends from addresses that are not its own. */
  setSender(uplink: number, netns: bigint, entry: number, owner: bigint): void {
    const value = new DataView(new ArrayBuffer(16));
    value.setUint32(0, entry, little);
    value.setBigUint64(8, owner, little);
    this.#maps.guard_senders.raw.set(senderKey(uplink, netns), new Uint8Array(value.buffer));
  }

  sender(uplink: number, netns: bigint): { entry: number; owner: bigint } | undefined {
    const bytes = this.#maps.guard_senders.raw.get(senderKey(uplink, netns));
    if (!bytes) return undefined;
    const view = viewOf(bytes);
    return { entry: view.getUint32(0, little), owner: view.getBigUint64(8, little) };
  }

  removeSender(uplink: number, netns: bigint, owner: bigint): void {
    if (this.sender(uplink, netns)?.owner !== owner) return;
    this.#maps.guard_senders.raw.delete(senderKey(uplink, netns));
  }

  /** Makes these the known prefixes of an uplink, and no others. */
  setKnown(uplink: number, prefixes: Iterable<string>): void {
    const { raw } = this.#maps.guard_known;
    const wanted = new Map([...prefixes].map((prefix) => [prefix, prefixKey(uplink, prefix)]));
    const keys = new Set([...wanted.values()].map((key) => Buffer.from(key).toString("hex")));
    for (const key of wanted.values()) raw.set(key, new Uint8Array(4));
    for (const key of [...raw.keys()]) {
      if (viewOf(key).getUint32(4, little) === uplink && !keys.has(Buffer.from(key).toString("hex"))) {
        raw.delete(key);
      }
    }
  }

  /** Removes every element that names an uplink: called when nobody is left on it, so there is little. */
  forgetUplink(uplink: number): void {
    this.setKnown(uplink, []);
    for (const name of ["guard_addresses", "guard_senders"] as const) {
      const { raw } = this.#maps[name];
      for (const key of [...raw.keys()]) if (viewOf(key).getUint32(0, little) === uplink) raw.delete(key);
    }
  }

  /** Removes addresses and namespaces that are charged to none of these owners. */
  sweep(owners: ReadonlySet<bigint>): void {
    for (const name of ["guard_addresses", "guard_senders"] as const) {
      const { raw } = this.#maps[name];
      for (const [key, value] of [...raw.entries()]) {
        const view = viewOf(value);
        const isHost = view.getUint32(0, little) === HOST_ENTRY;
        if (!isHost && !owners.has(view.getBigUint64(8, little))) raw.delete(key);
      }
    }
  }

  counters(entry: number): GuardCounters {
    const bytes = this.#maps.guard_counters.raw.get(number32(entry)) ?? new Uint8Array();
    const view = viewOf(bytes);
    const sum: GuardCounters = { packets: 0n, bytes: 0n, dropped: 0n, droppedBytes: 0n };
    for (let at = 0; at + 32 <= bytes.length; at += 32) {
      sum.packets += view.getBigUint64(at, little);
      sum.bytes += view.getBigUint64(at + 8, little);
      sum.dropped += view.getBigUint64(at + 16, little);
      sum.droppedBytes += view.getBigUint64(at + 24, little);
    }
    return sum;
  }

  close(): void {
    this.program.close();
    for (const map of Object.values(this.#maps)) map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const little = endianness() === "LE";

function checkShape(folder: string, name: MapName, { valueSize, maxEntries }: BpfMap): void {
  const [size, entries] = shapes[name];
  if (valueSize === size && maxEntries === entries) return;
  throw new ShaperError(
    "STATE",
    `the map pinned at ${join(folder, name)} is another version's: values of ${valueSize} bytes and ${maxEntries} entries, where this version has ${size} and ${entries}`,
    { remedy: "Remove every attachment with the version that made it, then remove the folder." },
  );
}

/** `struct address`: IPv4 as ::ffff:a.b.c.d. */
function addressKey(uplink: number, text: string): Uint8Array {
  const key = new Uint8Array(20);
  viewOf(key).setUint32(0, uplink, little);
  mapped(parseAddress(text).bytes, key.subarray(4));
  return key;
}

/** `struct sender`. */
function senderKey(uplink: number, netns: bigint): Uint8Array {
  const key = new Uint8Array(8);
  viewOf(key).setUint32(0, uplink, little);
  viewOf(key).setUint32(4, Number(netns), little);
  return key;
}

/** `struct known`: the length counts the uplink's 32 bits too. */
function prefixKey(uplink: number, text: string): Uint8Array {
  const { bytes, prefixLength } = parsePrefix(text);
  const key = new Uint8Array(24);
  viewOf(key).setUint32(0, 32 + (bytes.length === 4 ? 96 : 0) + prefixLength, little);
  viewOf(key).setUint32(4, uplink, little);
  mapped(bytes, key.subarray(8));
  return key;
}

function mapped(bytes: Uint8Array, into: Uint8Array): void {
  if (bytes.length === 4) into.fill(0xff, 10, 12);
  into.set(bytes, into.length - bytes.length);
}

function number32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, little);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
