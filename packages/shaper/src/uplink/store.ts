import { join } from "node:path";
import { ShaperError } from "../errors.js";
import { namesIn, readState, removeFile, writeState } from "../state-files.js";
import type { UplinkRates } from "./rates.js";

/** What weir remembers of an uplink. */
export interface UplinkRecord extends UplinkRates {
  name: string;
  /** The pair of map entries. */
  slot: number;
}

const VERSION = 1;

/** The uplinks of a node: a small JSON file each, written whole and renamed into place. */
export class UplinkStore {
  readonly #folder: string;

  /** @param stateDirectory the folder that holds weir's state, such as /run/weir */
  constructor(stateDirectory: string) {
    this.#folder = join(stateDirectory, "uplinks");
  }

  /** The record of an uplink, or undefined. Throws ShaperError STATE where the file is damaged. */
  read(name: string): UplinkRecord | undefined {
    const remedy = `Set the uplink again: weir uplink set ${name} RATE`;
    return readState(this.#file(name), (value) => decode(name, value), remedy);
  }

  /** All readable records, by name. */
  readAll(): UplinkRecord[] {
    const records: UplinkRecord[] = [];
    for (const name of this.names()) {
      try {
        const record = this.read(name);
        if (record) records.push(record);
      } catch (error) {
        if (!(error instanceof ShaperError)) throw error;
      }
    }
    return records;
  }

  /** The names of all uplinks. */
  names(): string[] {
    return namesIn(this.#folder)
      .filter((file) => file.endsWith(".json"))
      .map((file) => file.slice(0, -".json".length));
  }

  /** Writes a record; after a crash there is the old one or the new one, never half of one. */
  write({ name, ...record }: UplinkRecord): void {
    writeState(this.#file(name), { version: VERSION, ...record });
  }

  /** Removes a record; nothing happens where there is none. */
  remove(name: string): void {
    removeFile(this.#file(name));
  }

  #file(name: string): string {
    return join(this.#folder, `${name}.json`);
  }
}

function decode(name: string, value: unknown): UplinkRecord {
  const fields = value as { version?: number; slot?: number; [name: string]: unknown };
  if (fields?.version !== VERSION) throw new Error(`its version is ${fields?.version}, not ${VERSION}`);
  if (!Number.isInteger(fields.slot)) throw new Error("its field slot is missing");
  const record: UplinkRecord = { name, slot: fields.slot!, bitsPerSecond: rate(fields.bitsPerSecond) };
  if (fields.ingressBitsPerSecond !== undefined) {
    record.ingressBitsPerSecond = rate(fields.ingressBitsPerSecond);
  }
  return record;
}

function rate(value: unknown): bigint {
  if (typeof value !== "string" || !/^\d+$/.test(value)) throw new Error(`${value} is no rate`);
  return BigInt(value);
}
