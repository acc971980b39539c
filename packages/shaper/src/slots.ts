import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Attachment } from "./attachment.js";
import { type Datapath, MAX_SLOTS } from "./datapath.js";
import { ShaperError } from "./errors.js";
import { type Direction, directions } from "./limits.js";
import { entryOf } from "./names.js";
import type { AttachmentRecord, RecordStore } from "./records.js";
import { namesIn, removeEmpty } from "./state-files.js";

/**
 * Who has which pair of map entries: each attachment one of its own, or all attachments of an aggregate one together.
 * The members of an aggregate are found by markers, empty files named by their ids: aggregates/NAME/ID. A marker is
 * there before its record is and goes after it, and counts only with the record.
 */
export class Slots {
  readonly #records: RecordStore;
  readonly #folder: string;

  constructor(records: RecordStore, stateDirectory: string) {
    this.#records = records;
    this.#folder = join(stateDirectory, "aggregates");
  }

  /** Gives an attachment its entries: those of its aggregate, or new ones with a new clock and counters. */
  claim(datapath: Datapath, attachment: Attachment): number {
    const { aggregate } = attachment;
    if (aggregate !== undefined) {
      mkdirSync(join(this.#folder, encode(aggregate)), { recursive: true, mode: 0o755 });
      writeFileSync(this.#marker(attachment), "");
      const [member] = this.members(attachment);
      if (member && directions.every((direction) => owns(datapath, member, direction))) return member.slot;
    }
    const owner = entryOwner(attachment);
    const slot = findSlot(datapath, owner);
    for (const direction of directions) datapath.take(entryOf(slot, direction), owner);
    return slot;
  }

  /** Gives the entries of an attachment back, unless others of its aggregate have them; its record may be gone. */
  release(datapath: Datapath | undefined, record: AttachmentRecord): void {
    if (datapath && !this.sharing(record)) {
      for (const direction of directions) {
        if (owns(datapath, record, direction)) datapath.free(entryOf(record.slot, direction), record.limits);
      }
    }
  }

  /** Takes an attachment out of its aggregate. */
  leave(attachment: Attachment): void {
    if (attachment.aggregate === undefined) return;
    rmSync(this.#marker(attachment), { force: true });
    removeEmpty(join(this.#folder, encode(attachment.aggregate)));
  }

  /** The other attachments of an aggregate, those that are being removed left out. */
  members({ id, aggregate }: Pick<Attachment, "id" | "aggregate">): AttachmentRecord[] {
    if (aggregate === undefined) return [];
    return namesIn(join(this.#folder, encode(aggregate)))
      .map(decodeURIComponent)
      .filter((other) => other !== id)
      .map((other) => this.#records.tryRead(other))
      .filter((record) => record !== undefined)
      .filter((record) => record.aggregate === aggregate && record.state !== "removing");
  }

  /** Whether others have the same entries as an attachment. */
  sharing(record: AttachmentRecord): boolean {
    return this.members(record).some(({ slot }) => slot === record.slot);
  }

  /** Removes markers without a record. */
  sweep(): void {
    for (const aggregate of namesIn(this.#folder)) {
      for (const id of namesIn(join(this.#folder, aggregate))) {
        const record = this.#records.tryRead(decodeURIComponent(id));
        if (record?.aggregate === undefined || encode(record.aggregate) !== aggregate) {
          rmSync(join(this.#folder, aggregate, id), { force: true });
        }
      }
      removeEmpty(join(this.#folder, aggregate));
    }
  }

  #marker({ id, aggregate }: Attachment): string {
    return join(this.#folder, encode(aggregate!), encode(id));
  }
}

/** The number by which map entries know whose they are: an attachment, or an aggregate, which no id can look like. */
export function entryOwner({ id, aggregate }: Pick<Attachment, "id" | "aggregate">): bigint {
  return ownerOf(aggregate === undefined ? id : `aggregate ${aggregate}`);
}

/** A name as a number: 64-bit FNV-1a, and never 0. */
export function ownerOf(name: string): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of Buffer.from(name)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash === 0n ? 1n : hash;
}

function owns(datapath: Datapath, record: AttachmentRecord, direction: Direction): boolean {
  return datapath.limit(entryOf(record.slot, direction)).owner === entryOwner(record);
}

/** Finds a free slot, near where the owner's number points. Throws ShaperError FULL where there is none. */
function findSlot(datapath: Datapath, owner: bigint): number {
  const first = Number(owner % BigInt(MAX_SLOTS));
  for (let i = 0; i < MAX_SLOTS; i++) {
    const slot = 1 + ((first + i) % MAX_SLOTS);
    if (datapath.limit(slot * 2).owner === 0n) return slot;
  }
  throw new ShaperError("FULL", `all ${MAX_SLOTS} entries are taken`, {
    remedy: "`weir gc` frees those whose pods are gone.",
  });
}

function encode(name: string): string {
  return encodeURIComponent(name).replaceAll("*", "%2A").replaceAll(".", "%2E");
}
