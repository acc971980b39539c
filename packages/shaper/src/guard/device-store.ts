import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ShaperError } from "../errors.js";
import { namesIn, readState, removeEmpty, writeState } from "../state-files.js";
import type { GuardPolicy } from "./options.js";

/** A device of the host's where the guard runs, as it is remembered on disk. */
export interface GuardedDevice {
  /** Its name in the store: the inode number of its namespace, and its index. */
  key: string;
  /** The inode number of its namespace. */
  netns: string;
  ifindex: number;
  name: string;
  /** Where at the device it runs. */
  direction: "egress" | "ingress";
  /** The uplink's number, or PEER and the entry. */
  classid: number;
  /** What it hangs on: a link that a file holds, or a filter of the device's clsact qdisc. */
  hook: "tcx" | "clsact";
  /** The clsact qdisc was there before. */
  clsactFound: boolean;
  /** For uplinks: what happens to packets from unknown sources. */
  policy?: GuardPolicy;
}

/**
 * The guarded devices of a node and who makes them be guarded: for each device a folder with a file that describes it
 * and a folder of empty files, one for each attachment, so that the last one to leave is known without counting.
 */
export class DeviceStore {
  readonly #folder: string;

  /** @param stateDirectory the folder that holds weir's state */
  constructor(stateDirectory: string) {
    this.#folder = join(stateDirectory, "guard");
  }

  /** Notes that an attachment needs a device guarded, before anything is done about it. */
  join(key: string, owner: bigint): void {
    const members = this.#members(key);
    mkdirSync(members, { recursive: true, mode: 0o755 });
    writeFileSync(join(members, memberName(owner)), "");
  }

  /** Notes that an attachment does not need it any more. @returns whether nobody does */
  leave(key: string, owner: bigint): boolean {
    rmSync(join(this.#members(key), memberName(owner)), { force: true });
    return this.isDeserted(key);
  }

  /** Whether nobody needs a device guarded. It makes that so for good: whoever comes next begins anew. */
  isDeserted(key: string): boolean {
    return removeEmpty(this.#members(key));
  }

  /** The owners that need a device guarded. */
  members(key: string): bigint[] {
    return namesIn(this.#members(key)).map((name) => BigInt(`0x${name}`));
  }

  read(key: string): GuardedDevice | undefined {
    try {
      return readState(this.#file(key), decode, "");
    } catch (error) {
      // What cannot be read is made anew: everything in it is found out again.
      if (error instanceof ShaperError) return undefined;
      throw error;
    }
  }

  write(device: GuardedDevice): void {
    writeState(this.#file(device.key), device);
  }

  /** Forgets a device. */
  remove(key: string): void {
    rmSync(join(this.#folder, key), { recursive: true, force: true });
  }

  /** The names of all devices that are or were about to be guarded. */
  keys(): string[] {
    return namesIn(this.#folder);
  }

  #members(key: string): string {
    return join(this.#folder, key, "members");
  }

  #file(key: string): string {
    return join(this.#folder, key, "device.json");
  }
}

function memberName(owner: bigint): string {
  return owner.toString(16).padStart(16, "0");
}

function decode(value: unknown): GuardedDevice {
  const device = value as GuardedDevice;
  const { policy } = device;
  if (!policy) return device;
  const { unknown } = policy;
  return {
    ...device,
    policy: { ...policy, unknown: /^\d+$/.test(String(unknown)) ? BigInt(unknown) : unknown },
  };
}
