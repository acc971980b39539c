import type { Attachment } from "../attachment.js";
import { ShaperError } from "../errors.js";
import { type Direction, directions, type Limits } from "../limits.js";
import { entryOf } from "../names.js";
import { type Problem, repairable } from "../problem.js";
import type { AttachmentRecord } from "../records.js";
import { MAX_UPLINK_SLOTS, UplinkMaps } from "./maps.js";
import { capacityOf, type UplinkRates, validateUplinkName, validateUplinkRates } from "./rates.js";
import { type UplinkRecord, UplinkStore } from "./store.js";

/** An uplink and who shares it, as {@link Shaper.listUplinks} gives it. */
export interface Uplink extends UplinkRates {
  name: string;
  /** The ids of the attachments that share it. */
  attachments: string[];
  /** What is guaranteed to them together, in bits per second. */
  guaranteedBitsPerSecond: Record<Direction, bigint>;
}

/** The map entries of an uplink; 0 for a direction that is not shared. */
export type UplinkEntries = Readonly<Record<Direction, number>>;

const NO_ENTRIES: UplinkEntries = { egress: 0, ingress: 0 };

/**
 * The uplinks of a node: the records say what they are, and the maps follow them. A process that dies in between leaves
 * maps that the next change of anything that shares the uplink, or a collection, puts right. Where something is
 * changed, the caller holds the lock.
 */
export class Uplinks {
  readonly #folder: string;
  readonly #store: UplinkStore;

  /**
   * @param folder the folder on the BPF filesystem
   * @param stateDirectory the folder that holds weir's state
   */
  constructor(folder: string, stateDirectory: string) {
    this.#folder = folder;
    this.#store = new UplinkStore(stateDirectory);
  }

  /** Makes an uplink, or changes it in place. The maps must be pinned already. @throws ShaperError OVERCOMMITTED, FULL */
  set(name: string, rates: UplinkRates, records: readonly AttachmentRecord[]): void {
    validateUplinkName(name);
    validateUplinkRates(rates);
    using maps = new UplinkMaps(this.#folder);
    const slot = this.#known(name)?.slot ?? this.#freeSlot(maps);
    const { bitsPerSecond, ingressBitsPerSecond } = rates;
    const record: UplinkRecord = { name, slot, bitsPerSecond };
    if (ingressBitsPerSecond !== undefined) record.ingressBitsPerSecond = ingressBitsPerSecond;
    const sharers = onePerEntry(sharersOf(name, records));
    for (const direction of directions) {
      const guarantees = sharers.map(({ id, limits }) => guaranteeOf(id, limits, direction));
      checkSum(record, direction, guarantees);
    }
    this.#store.write(record);
    writeCapacities(maps, record);
  }

  /** Whether anything is known of an uplink, readable or not. @throws ShaperError INVALID_UPLINK */
  exists(name: string): boolean {
    validateUplinkName(name);
    return this.#store.names().includes(name);
  }

  /** Forgets an uplink that nobody shares. @returns false where there is none @throws ShaperError UPLINK_IN_USE */
  remove(name: string, records: readonly AttachmentRecord[]): boolean {
    const record = this.#known(name);
    if (!record) return this.exists(name) && this.#forget(name);
    const ids = sharersOf(name, records).map(({ id }) => id);
    if (ids.length > 0) {
      throw new ShaperError(
        "UPLINK_IN_USE",
        `the uplink ${name} is shared by ${ids.slice(0, 5).join(", ")}${ids.length > 5 ? ` and ${ids.length - 5} more` : ""}`,
        { remedy: "Remove these attachments, or apply their limits without an uplink." },
      );
    }
    this.#withMaps((maps) => {
      for (const direction of directions) maps.setCapacity(entryOf(record.slot, direction), undefined);
    });
    return this.#forget(name);
  }

  /** All uplinks, by name. */
  list(records: readonly AttachmentRecord[]): Uplink[] {
    return this.#store.readAll().map(({ slot: _, ...rates }) => {
      const sharers = sharersOf(rates.name, records);
      const sum = (direction: Direction) =>
        onePerEntry(sharers).reduce(
          (total, { limits }) => total + (limits[direction]?.guaranteeBitsPerSecond ?? 0n),
          0n,
        );
      return {
        ...rates,
        attachments: sharers.map(({ id }) => id),
        guaranteedBitsPerSecond: { egress: sum("egress"), ingress: sum("ingress") },
      };
    });
  }

  /** The map entries that an attachment's limits name: none where it shares no uplink, or its uplink is lost. */
  entries({ uplink }: Pick<Attachment, "uplink">): UplinkEntries {
    const record = uplink === undefined ? undefined : this.#known(uplink);
    return record ? entriesOf(record) : NO_ENTRIES;
  }

  /**
   * Checks that an attachment may share its uplink as its limits say, before anything is changed.
   * @param slots the pairs of map entries that are its own already, or its aggregate's
   * @param records gives all attachments, which are asked for only when it is to be said who has what
   * @throws ShaperError UPLINK_MISSING, OVERCOMMITTED, INVALID_LIMIT
   */
  admit(
    { id, uplink }: Attachment,
    limits: Limits,
    slots: readonly number[],
    records: () => readonly AttachmentRecord[],
  ): void {
    if (uplink === undefined) return;
    validateUplinkName(uplink);
    const record = this.#known(uplink);
    if (!record) {
      throw new ShaperError("UPLINK_MISSING", `there is no uplink ${JSON.stringify(uplink)}`, {
        remedy: `Set it first: weir uplink set ${uplink} RATE`,
      });
    }
    using maps = new UplinkMaps(this.#folder);
    writeCapacities(maps, record);
    const entries = entriesOf(record);
    for (const direction of directions) {
      const limit = limits[direction];
      if (!limit || (limit.guaranteeBitsPerSecond === undefined && limit.weight === undefined)) continue;
      if (entries[direction] === 0) {
        throw new ShaperError(
          "INVALID_LIMIT",
          `the ${direction} limit has a guarantee or a weight, but the uplink ${uplink} does not share what its attachments receive`,
          { remedy: `Set its capacity: weir uplink set ${uplink} RATE --ingress RATE` },
        );
      }
      const mine = limit.guaranteeBitsPerSecond ?? 0n;
      if (mine === 0n) continue;
      const others = maps.guarantees(entries[direction]);
      for (const slot of slots) others.delete(entryOf(slot, direction));
      const sum = [...others.values()].reduce((total, guarantee) => total + guarantee, mine);
      if (sum <= capacityOf(record, direction)!) continue;
      const named = sharersOf(uplink, records())
        .filter((other) => other.id !== id && !slots.includes(other.slot))
        .map((other) => guaranteeOf(other.id, other.limits, direction));
      throw overcommitted(record, direction, sum, [guaranteeOf(id, limits, direction), ...named]);
    }
  }

  /** Has the maps hold what the records say. */
  restore(): void {
    const records = this.#store.readAll();
    if (records.length === 0) return;
    this.#withMaps((maps) => {
      for (const record of records) writeCapacities(maps, record);
    });
  }

  /** What is wrong with the uplink of an attachment. */
  problems({ id, uplink }: Pick<Attachment, "id" | "uplink">): Problem[] {
    if (uplink === undefined) return [];
    const record = this.#known(uplink);
    if (!record) {
      const remedy = `Set it again: weir uplink set ${uplink} RATE. Then apply the limits again.`;
      return [{ code: "UPLINK_MISSING", message: `the uplink ${uplink} that ${id} shares is gone`, remedy }];
    }
    const problems: Problem[] = [];
    this.#withMaps((maps) => {
      for (const direction of directions) {
        const [is, wanted] = [maps.capacity(entryOf(record.slot, direction)), capacityOf(record, direction)];
        if (is === (wanted ?? 0n)) continue;
        const message = `the uplink ${uplink} carries ${is} bit/s of ${direction} in the kernel, not ${wanted ?? 0n}`;
        problems.push(repairable("UPLINK_DIFFERS", message));
      }
    });
    return problems;
  }

  /** A record, or undefined where there is none or it cannot be read. */
  #known(name: string): UplinkRecord | undefined {
    try {
      return this.#store.read(name);
    } catch (error) {
      if ((error as { code?: string }).code === "STATE") return undefined;
      throw error;
    }
  }

  #forget(name: string): true {
    this.#store.remove(name);
    return true;
  }

  /** A slot that no record claims, and no limit either: an uplink whose record was lost may have sharers still. */
  #freeSlot(maps: UplinkMaps): number {
    const taken = new Set(this.#store.readAll().map(({ slot }) => slot));
    const named = maps.namedEntries();
    const isNamed = (slot: number) => directions.some((direction) => named.has(entryOf(slot, direction)));
    for (let slot = 1; slot <= MAX_UPLINK_SLOTS; slot++) if (!taken.has(slot) && !isNamed(slot)) return slot;
    throw new ShaperError("FULL", `there are ${MAX_UPLINK_SLOTS} uplinks already`);
  }

  /** Does something with the maps, or nothing where they are not pinned. */
  #withMaps(work: (maps: UplinkMaps) => void): void {
    let maps: UplinkMaps;
    try {
      maps = new UplinkMaps(this.#folder);
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return;
      throw error;
    }
    using opened = maps;
    work(opened);
  }
}

function entriesOf(record: UplinkRecord): UplinkEntries {
  const entry = (direction: Direction) =>
    capacityOf(record, direction) === undefined ? 0 : entryOf(record.slot, direction);
  return { egress: entry("egress"), ingress: entry("ingress") };
}

function writeCapacities(maps: UplinkMaps, record: UplinkRecord): void {
  for (const direction of directions) {
    const entry = entryOf(record.slot, direction);
    const capacity = capacityOf(record, direction);
    if (maps.capacity(entry) !== (capacity ?? 0n)) maps.setCapacity(entry, capacity);
  }
}

function sharersOf(name: string, records: readonly AttachmentRecord[]): readonly AttachmentRecord[] {
  return records.filter(({ uplink }) => uplink === name);
}

/** One attachment of each aggregate: what they are guaranteed is one guarantee. */
function onePerEntry(records: readonly AttachmentRecord[]): AttachmentRecord[] {
  return [...new Map(records.map((record) => [record.slot, record])).values()];
}

interface Guarantee {
  id: string;
  bitsPerSecond: bigint;
}

function guaranteeOf(id: string, limits: Limits, direction: Direction): Guarantee {
  return { id, bitsPerSecond: limits[direction]?.guaranteeBitsPerSecond ?? 0n };
}

function checkSum(record: UplinkRecord, direction: Direction, guarantees: readonly Guarantee[]): void {
  const sum = guarantees.reduce((total, { bitsPerSecond }) => total + bitsPerSecond, 0n);
  if (sum > (capacityOf(record, direction) ?? sum)) throw overcommitted(record, direction, sum, guarantees);
}

const NAMED = 8;

function overcommitted(
  record: UplinkRecord,
  direction: Direction,
  sum: bigint,
  guarantees: readonly Guarantee[],
): ShaperError {
  const given = guarantees.filter(({ bitsPerSecond }) => bitsPerSecond > 0n);
  const parts = given.slice(0, NAMED).map(({ id, bitsPerSecond }) => `${id} ${bitsPerSecond}`);
  if (given.length > NAMED) parts.push(`${given.length - NAMED} more`);
  return new ShaperError(
    "OVERCOMMITTED",
    `the ${direction} guarantees at the uplink ${record.name} would be ${sum} bit/s, but it carries ${capacityOf(record, direction)} (${parts.join(", ")})`,
    { remedy: "Lower some of them; a weight takes no capacity away." },
  );
}
