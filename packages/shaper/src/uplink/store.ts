import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ShaperError } from "../errors.js";
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
    const path = this.#file(name);
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    try {
      return decode(name, JSON.parse(text));
    } catch (error) {
      throw new ShaperError("STATE", `the record ${path} is damaged: ${(error as Error).message}`, {
        remedy: `Set the uplink again: weir uplink set ${name} RATE`,
        cause: error,
      });
    }
  }

  /** All readable records, by name. */
  readAll(): UplinkRecord[] {
    const records: UplinkRecord[] = [];
    for (const name of this.names()) {
      try {
        const record = this.read(name);
        if (record) records.push(record);
      } catch (error) {
        if ((error as { code?: string }).code !== "STATE") throw error;
      }
    }
    return records;
  }

  /** The names of all uplinks. */
  names(): string[] {
    try {
      return readdirSync(this.#folder)
        .filter((file) => file.endsWith(".json"))
        .map((file) => file.slice(0, -".json".length))
        .sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }

  /** Writes a record; after a crash there is the old one or the new one, never half of one. */
  write({ name, ...record }: UplinkRecord): void {
    const path = this.#file(name);
    const text = JSON.stringify({ version: VERSION, ...record }, (_key, value) =>
      typeof value === "bigint" ? value.toString() : value,
    );
    const temporary = `${path}.tmp`;
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
      writeFileSync(temporary, `${text}\n`, { mode: 0o644 });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw new ShaperError("STATE", `could not write the record ${path}: ${(error as Error).message}`, {
        remedy: "Make sure that the folder is writable and not full.",
        cause: error,
      });
    }
  }

  /** Removes a record; nothing happens where there is none. */
  remove(name: string): void {
    try {
      unlinkSync(this.#file(name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
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
