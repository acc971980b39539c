import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Attachment, validateId } from "./attachment.js";
import { ShaperError } from "./errors.js";
import type { GsoRecord } from "./gso.js";
import type { GuardRecord } from "./guard/guard.js";
import { directions, type Limits } from "./limits.js";
import { namesIn, readState, removeFile, TEMPORARY, writeState } from "./state-files.js";

/** A root qdisc that weir took the place of, as the kernel described it. */
export interface FoundQdisc {
  kind: string;
  /** The qdisc's handle, major and minor in one number. */
  handle: number;
  /** TCA_OPTIONS byte for byte, in base64; absent where the kernel gave none. */
  options?: string;
  /** For mq: what hung at its queues, which count from 1, where that was not the default. */
  queues?: (FoundQdisc & { queue: number })[];
}

/** What weir remembers of an attachment: enough to repair it or take it away, whatever happened in between. */
export interface AttachmentRecord extends Attachment {
  /** The device's index, by which it is found again when it was renamed. */
  ifindex: number;
  /** The namespace's identity, "DEVICE:INODE" of nsfs. */
  namespace: string;
  /** The pair of map entries. */
  slot: number;
  limits: Limits;
  /**
   * "active" when the kernel should hold all of it; "applying", "changing" and "removing" name the operation that a
   * crash cut short.
   */
  state: "applying" | "active" | "changing" | "removing";
  /** The device as it was before. */
  found: {
    /** Its clsact qdisc was there. */
    clsact: boolean;
    /** Its root qdisc, where it was not the kernel's default. */
    root?: FoundQdisc;
  };
  /** How large its packets may get; absent where that was left alone, as by a weir that did not know of it. */
  gso?: GsoRecord;
  /** Whether links that the host holds stamp its packets, in place of filters. */
  hold?: boolean;
  /** How it is guarded on the host's side; absent where its egress is not limited, or the guard is switched off. */
  guard?: GuardRecord;
  /** When it was first applied, in milliseconds since 1970: a Date's text would cost each ADD a look at time zones. */
  createdAtMs: number;
}

/** The attachment that a record is of, as it is applied again. */
export function attachmentOf(record: AttachmentRecord): Attachment {
  const { id, netns, device, network, addresses, uplink, aggregate, pod, fixed } = record;
  return {
    id,
    netns,
    device,
    ...(network === undefined ? {} : { network }),
    ...(addresses ? { addresses } : {}),
    ...(uplink === undefined ? {} : { uplink }),
    ...(aggregate === undefined ? {} : { aggregate }),
    ...(pod ? { pod } : {}),
    ...(fixed ? { fixed } : {}),
  };
}

const VERSION = 1;

/** The records of a node: one small JSON file each, written whole and renamed into place. */
export class RecordStore {
  readonly #folder: string;

  /** @param stateDirectory the folder that holds weir's state, such as /run/weir; made when first written to */
  constructor(stateDirectory: string) {
    this.#folder = join(stateDirectory, "attachments");
  }

  /** Whether anything was ever recorded. */
  present(): boolean {
    return existsSync(this.#folder);
  }

  /** Whether there is a record of an id, readable or not. */
  exists(id: string): boolean {
    return existsSync(join(this.#folder, fileName(id)));
  }

  /** The record of an id. @throws ShaperError NOT_FOUND where there is none, INVALID_ATTACHMENT, STATE */
  get(id: string): AttachmentRecord {
    validateId(id);
    const record = this.read(id);
    if (!record) throw new ShaperError("NOT_FOUND", `nothing is known of the attachment ${id}`);
    return record;
  }

  /** The record of an id, or undefined. Throws ShaperError STATE where the file is damaged. */
  read(id: string): AttachmentRecord | undefined {
    return this.#readFile(fileName(id));
  }

  /** The record of an id, or undefined where there is none that can be read. */
  tryRead(id: string): AttachmentRecord | undefined {
    try {
      return this.read(id);
    } catch {
      return undefined;
    }
  }

  /** All readable records, and the damaged files with what is wrong with them. */
  readAll(): { records: AttachmentRecord[]; damaged: { file: string; message: string }[] } {
    const records: AttachmentRecord[] = [];
    const damaged: { file: string; message: string }[] = [];
    for (const name of this.#names(".json")) {
      try {
        const record = this.#readFile(name);
        if (record) records.push(record);
      } catch (error) {
        damaged.push({ file: join(this.#folder, name), message: (error as Error).message });
      }
    }
    return { records, damaged };
  }

  /** Whether another attachment has the same device. */
  hasTwin({ id, namespace, ifindex }: AttachmentRecord): boolean {
    return this.readAll().records.some(
      (other) => other.id !== id && other.namespace === namespace && other.ifindex === ifindex,
    );
  }

  /** Writes a record; after a crash there is the old one or the new one, never half of one. */
  write(record: AttachmentRecord): void {
    writeState(join(this.#folder, fileName(record.id)), { version: VERSION, ...record });
  }

  /** Removes a record; nothing happens where there is none. */
  remove(id: string): void {
    this.removeFile(join(this.#folder, fileName(id)));
  }

  /** Removes a file of the store, such as a damaged one; nothing happens where it is gone. */
  removeFile(path: string): void {
    removeFile(path);
  }

  /** Temporary files that a crash left behind. */
  leftovers(): string[] {
    return this.#names(TEMPORARY).map((name) => join(this.#folder, name));
  }

  #names(ending: string): string[] {
    return namesIn(this.#folder).filter((name) => name.endsWith(ending));
  }

  #readFile(name: string): AttachmentRecord | undefined {
    const remedy = "`weir gc` removes it; then apply the limits again.";
    return readState(join(this.#folder, name), decode, remedy);
  }
}

function decode(value: unknown): AttachmentRecord {
  const fields = value as Record<string, unknown> & { version?: number };
  if (fields?.version !== VERSION) throw new Error(`its version is ${fields?.version}, not ${VERSION}`);
  const { version: _, ...record } = fields as unknown as AttachmentRecord & { version: number };
  for (const name of ["id", "netns", "device", "namespace", "state"] as const) {
    if (typeof record[name] !== "string") throw new Error(`its field ${name} is missing`);
  }
  for (const name of ["ifindex", "slot", "createdAtMs"] as const) {
    if (!Number.isInteger(record[name])) throw new Error(`its field ${name} is missing`);
  }
  if (typeof record.found?.clsact !== "boolean") throw new Error("its field found is missing");
  const limits: Limits = {};
  for (const direction of directions) {
    const limit = record.limits?.[direction];
    if (!limit) continue;
    limits[direction] = { bitsPerSecond: BigInt(limit.bitsPerSecond) };
    if (limit.burstBits !== undefined) limits[direction].burstBits = BigInt(limit.burstBits);
    if (limit.guaranteeBitsPerSecond !== undefined) {
      limits[direction].guaranteeBitsPerSecond = BigInt(limit.guaranteeBitsPerSecond);
    }
    for (const name of ["horizonMs", "markMs", "weight"] as const) {
      if (limit[name] !== undefined) limits[direction][name] = Number(limit[name]);
    }
  }
  for (const name of ["shapedSubnets", "unshapedSubnets"] as const) {
    const subnets = record.limits?.[name];
    if (subnets !== undefined && Array.isArray(subnets)) limits[name] = subnets;
  }
  if (typeof record.pod?.namespace !== "string" || typeof record.pod.name !== "string") delete record.pod;
  return { ...record, limits };
}

/** An id as a file name: every character that a path could trip over is escaped. */
function fileName(id: string): string {
  return `${encodeURIComponent(id).replaceAll("*", "%2A")}.json`;
}
