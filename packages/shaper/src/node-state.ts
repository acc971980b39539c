import type { FileLock } from "@weir/syscall";
import { AggregateLimits } from "./aggregate.js";
import { Enforcement } from "./enforcement.js";
import { AttachmentGuard } from "./guard/attachment-guard.js";
import { Guard } from "./guard/guard.js";
import { DEFAULT_BPFFS, DEFAULT_STATE_DIRECTORY, type ShaperOptions } from "./options.js";
import { Pins } from "./pins.js";
import { RecordStore } from "./records.js";
import { Slots } from "./slots.js";
import { lockState } from "./state-lock.js";
import { Uplinks } from "./uplink/uplinks.js";

/** What weir keeps on a node, part by part. Nothing is opened or loaded before it is needed. */
export class NodeState implements Disposable {
  readonly pins: Pins;
  readonly records: RecordStore;
  readonly slots: Slots;
  readonly uplinks: Uplinks;
  readonly limits: AggregateLimits;
  readonly guard: AttachmentGuard;
  readonly enforcement: Enforcement;
  readonly #directory: string;
  readonly #lockTimeoutMs: number;

  constructor(options: ShaperOptions) {
    const { bpffs = DEFAULT_BPFFS, stateDirectory = DEFAULT_STATE_DIRECTORY } = options;
    this.#directory = stateDirectory;
    this.#lockTimeoutMs = options.lockTimeoutMs ?? 10_000;
    this.pins = new Pins(bpffs);
    this.records = new RecordStore(stateDirectory);
    this.slots = new Slots(this.records, stateDirectory);
    this.uplinks = new Uplinks(this.pins.folder, stateDirectory);
    this.limits = new AggregateLimits(this.records, this.slots, this.uplinks);
    this.guard = new AttachmentGuard(new Guard(this.pins.folder, stateDirectory), this.slots, options.guard);
    this.enforcement = new Enforcement(this.pins, this.records, this.limits);
  }

  /** Keeps other processes from changing anything until it is disposed of. @throws ShaperError BUSY, NOT_PERMITTED, STATE */
  lock(): FileLock {
    return lockState(this.#directory, this.#lockTimeoutMs);
  }

  close(): void {
    this.guard.close();
    this.pins.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
