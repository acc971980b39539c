import { type Attachment, validateAttachment, validateId } from "./attachment.js";
import { Attachments } from "./attachments.js";
import { collect, type GcReport } from "./collection.js";
import type { Counters } from "./datapath.js";
import { type Inspection, inspect } from "./inspection.js";
import { type Direction, directions, type Limits, validateLimits } from "./limits.js";
import { entryOf } from "./names.js";
import { NodeState } from "./node-state.js";
import type { ShaperOptions } from "./options.js";
import { type AttachmentRecord, attachmentOf } from "./records.js";
import { hasTcx } from "./tcx/program-table.js";
import { type UplinkRates, validateShares } from "./uplink/rates.js";
import type { Uplink } from "./uplink/uplinks.js";

/**
 * Shapes network devices inside network namespaces.
 *
 * The truth is in the kernel: pinned maps, qdiscs and filters, which work on when no process of weir's is left. A
 * record on disk says what each attachment should be; every operation writes it before it touches the kernel, so that
 * the next `apply`, `remove` or `gc` can finish or undo what a crash left half done. All methods are synchronous, and
 * a lock on the state folder keeps several processes apart.
 */
export class Shaper implements Disposable {
  readonly #node: NodeState;
  readonly #attachments: Attachments;
  readonly #hold: boolean | undefined;

  private constructor(options: ShaperOptions) {
    this.#node = new NodeState(options);
    this.#attachments = new Attachments(this.#node);
    this.#hold = options.hold;
  }

  /** Makes a shaper. Nothing is opened or loaded before it is needed. */
  static open(options: ShaperOptions = {}): Shaper {
    return new Shaper(options);
  }

  /** The folder on the BPF filesystem that holds the pinned program and maps. */
  get pinFolder(): string {
    return this.#node.pins.folder;
  }

  /**
   * Limits a device. Calling it again changes the limits in place, without losing a packet; a direction that is left
   * out is no longer limited, and without any limit the attachment is removed. Where it fails, everything is as it was.
   * @throws ShaperError; SystemError and NetlinkError where the kernel refuses something unexpectedly
   */
  apply(attachment: Attachment, limits: Limits): void {
    this.#apply(attachment, limits, this.#hold);
  }

  /**
   * Puts links that the host holds in place of the filters that stamp an attachment's packets, which a pod with
   * CAP_NET_ADMIN could remove. Nothing else changes, and no packet is lost.
   * @returns false where the kernel has no tcx (Linux 6.6)
   * @throws ShaperError NOT_FOUND for an unknown id; else as {@link apply}
   */
  hold(id: string): boolean {
    const record = this.#node.records.get(id);
    if (!hasTcx()) return false;
    this.#apply(attachmentOf(record), record.limits, true);
    return true;
  }

  #apply(attachment: Attachment, limits: Limits, hold: boolean | undefined): void {
    validateAttachment(attachment);
    validateLimits(limits);
    validateShares(attachment, limits);
    if (limits.egress || limits.ingress) this.#attachments.apply(attachment, limits, hold);
    else this.remove(attachment.id, { drain: true });
  }

  /**
   * Takes an attachment's limits away and leaves the device as it was found. It succeeds as well where the namespace or
   * the device is gone.
   * @param options with `drain`, what is queued leaves first, for at most a second; without it what is queued is lost,
   *   which nobody misses whose pod has ended
   * @returns false where nothing was known under the id
   */
  remove(id: string, options: { drain?: boolean } = {}): boolean {
    validateId(id);
    const { records, enforcement } = this.#node;
    // Without a record there is nothing to do, and no reason to make a folder for the lock.
    if (!records.exists(id)) return false;
    using _lock = this.#node.lock();
    const record = records.read(id);
    if (!record) return false;
    if (options.drain) enforcement.empty(record);
    this.#attachments.takeAway(record);
    return true;
  }

  /** Compares what the kernel has with what the record says. @throws ShaperError NOT_FOUND for an unknown id */
  inspect(id: string): Inspection {
    return inspect(this.#node, this.#node.records.get(id));
  }

  /**
   * What was counted for an attachment, and nothing else: no look at its namespace, so that it can be asked for often.
   * Directions that are not limited are left out, and all of them where the maps are gone.
   * @throws ShaperError NOT_FOUND for an unknown id
   */
  counters(id: string): { [direction in Direction]?: Counters } {
    const record = this.#node.records.get(id);
    const datapath = this.#node.pins.find();
    const counted: { [direction in Direction]?: Counters } = {};
    for (const direction of directions) {
      if (datapath && record.limits[direction])
        counted[direction] = datapath.counters(entryOf(record.slot, direction));
    }
    return counted;
  }

  /**
   * Makes an uplink that attachments can share ({@link Attachment.uplink}), or changes what it carries, live. While they
   * want more than it carries together, each gets what it is guaranteed, and what is left is shared by weight.
   * @throws ShaperError INVALID_UPLINK; OVERCOMMITTED where more is guaranteed already; FULL beyond 63 uplinks
   */
  setUplink(name: string, rates: UplinkRates): void {
    const { pins, uplinks } = this.#node;
    pins.requireBpffs();
    using _lock = this.#node.lock();
    this.#attachments.openDatapath();
    uplinks.set(name, rates, this.list());
  }

  /**
   * Forgets an uplink.
   * @returns false where there is none of that name
   * @throws ShaperError UPLINK_IN_USE while attachments share it
   */
  removeUplink(name: string): boolean {
    const { uplinks } = this.#node;
    if (!uplinks.exists(name)) return false;
    using _lock = this.#node.lock();
    return uplinks.remove(name, this.list());
  }

  /** Every uplink and who shares it, by name. */
  listUplinks(): Uplink[] {
    return this.#node.uplinks.list(this.list());
  }

  /** Every attachment that has a record, damaged ones left out, by id. */
  list(): AttachmentRecord[] {
    return this.#node.records.readAll().records;
  }

  /**
   * Finishes changes that were cut short, and removes what belongs to nobody: attachments whose namespace or device is
   * gone, which are not among the valid ones, or which were never finished; map entries without a record; damaged
   * records. It goes on past errors.
   * @param valid ids to keep; undefined keeps every one whose device is there
   * @param network whose attachments `valid` speaks of ({@link Attachment.network}): others are kept while their device
   *   is there; undefined means everybody's
   */
  gc(valid?: ReadonlySet<string>, network?: string): GcReport {
    return collect(this.#node, this.#attachments, { valid, network });
  }

  /** Closes what was opened. What is shaped stays shaped. */
  close(): void {
    this.#node.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
