import type { Link, Rtnetlink } from "@weir/netlink";
import type { Attachment } from "../attachment.js";
import { ShaperError } from "../errors.js";
import type { Limits } from "../limits.js";
import { entryOf } from "../names.js";
import type { Problem } from "../problem.js";
import type { AttachmentRecord } from "../records.js";
import { entryOwner, ownerOf, type Slots } from "../slots.js";
import {
  type Guard,
  type Guarded,
  type GuardRecord,
  type GuardState,
  SWITCHED_OFF,
  succeed,
} from "./guard.js";
import { type GuardOptions, type GuardPolicy, guardPolicy } from "./options.js";

/** The guard as attachments' records speak of it, and as whoever applies limits wants it. */
export class AttachmentGuard implements Disposable {
  readonly #guard: Guard;
  readonly #slots: Slots;
  readonly #policy: GuardPolicy | undefined;
  /** Whether a guard was asked for, so that its absence is an error, or refused; undefined leaves it as it is. */
  readonly #isWanted: boolean | undefined;

  /** @throws ShaperError INVALID_LIMIT where the options are wrong */
  constructor(guard: Guard, slots: Slots, options: boolean | GuardOptions | undefined) {
    this.#guard = guard;
    this.#slots = slots;
    this.#policy = guardPolicy(options);
    this.#isWanted = options === undefined ? undefined : options !== false;
  }

  /**
   * How an attachment is to be guarded, beside what a guard that was there before leaves behind.
   * @throws ShaperError NOT_SUPPORTED where a guard is asked for and cannot be had
   */
  plan(
    rt: Rtnetlink,
    link: Link,
    { addresses = [] }: Attachment,
    limits: Limits,
    before?: GuardRecord,
  ): { guard?: GuardRecord } {
    if (!limits.egress) return before ? { guard: succeed(before, {}) } : {};
    if (!(this.#isWanted ?? before?.none !== SWITCHED_OFF)) {
      return { guard: succeed(before, { none: SWITCHED_OFF }) };
    }
    const guard = this.#guard.plan(rt, link, this.#policy, addresses);
    if (guard.none !== undefined && this.#isWanted) {
      throw new ShaperError("NOT_SUPPORTED", `there is no place for a guard: ${guard.none}`, {
        remedy: "Leave the guard's option out, to have one only where it is possible.",
      });
    }
    return { guard: succeed(before, guard) };
  }

  /** Makes the guard do what a record says. @returns the record with what became of it */
  protect(record: AttachmentRecord): AttachmentRecord {
    const { guard, ...rest } = record;
    const limit = record.limits.egress;
    if (!guard) return record;
    if (!limit) {
      this.release(record);
      return rest;
    }
    try {
      this.#guard.protect({ ...this.#guarded(record, guard), limit });
    } catch (error) {
      if (this.#isWanted) throw error;
      this.release(record);
      return { ...rest, guard: { none: (error as Error).message } };
    }
    const { leaving: _, ...kept } = guard;
    return Object.keys(kept).length === 0 ? rest : { ...rest, guard: kept };
  }

  /** Has the guard drop nothing while what it goes by changes, as {@link Guard.pause}. */
  pause(record: AttachmentRecord): void {
    if (record.guard) this.#guard.pause(this.#guarded(record, record.guard));
  }

  /** Takes an attachment out of the guard's care. */
  release(record: AttachmentRecord): void {
    if (record.guard) this.#guard.release(this.#guarded(record, record.guard));
  }

  /** What the guard counted, and what of it is missing; undefined where a record speaks of none. */
  inspect(record: AttachmentRecord): { state: GuardState; problems: Problem[] } | undefined {
    return record.guard && this.#guard.inspect(this.#guarded(record, record.guard));
  }

  /** As {@link Guard.gc}, for all records that there are. */
  gc(records: readonly AttachmentRecord[], remove: Parameters<Guard["gc"]>[1]): void {
    this.#guard.gc(guardedDevices(records), remove);
  }

  close(): void {
    this.#guard.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #guarded(record: AttachmentRecord, guard: GuardRecord): Omit<Guarded, "limit"> {
    const { id, slot, namespace } = record;
    return {
      entry: entryOf(slot, "egress"),
      entryOwner: entryOwner(record),
      shared: this.#slots.sharing(record),
      owner: ownerOf(id),
      netns: BigInt(namespace.split(":")[1]!),
      guard,
    };
  }
}

/** Who needs which of the host's devices guarded. */
function guardedDevices(records: readonly AttachmentRecord[]): Map<string, Set<bigint>> {
  const members = new Map<string, Set<bigint>>();
  for (const { id, guard } of records) {
    for (const device of [guard?.device, guard?.leaving?.device]) {
      if (device === undefined) continue;
      const owners = members.get(device) ?? new Set();
      members.set(device, owners.add(ownerOf(id)));
    }
  }
  return members;
}
