import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import { builtIn, parseSettings, type Settings } from "./config.js";
import { FolderWatch } from "./node/folder-watch.js";

/** How long a burst of changes in the folder is left to settle: a ConfigMap's swap is several. */
const SETTLE_MS = 200;

/** How often the file is read in any case: a folder that did not exist yet cannot be watched. */
const REREAD_MS = 30_000;

/** What {@link ConfigFile} needs. */
export interface ConfigFileOptions {
  /** The file, which may be missing. */
  path: string;
  /** Where the last good version is kept, for a start with a bad one. */
  stateDirectory: string;
  log: Logger;
}

/**
 * The configuration file, watched. Settings that were read once are in force until others can be read: a file that is
 * wrong changes nothing, after a restart either.
 */
export class ConfigFile implements Disposable {
  /** What is in force. */
  settings: Settings;
  /** Whether the file is as it should be. */
  valid = true;
  readonly #path: string;
  readonly #lastGood: string;
  readonly #log: Logger;
  readonly #folder = new FolderWatch(
    () => this.#reread(),
    () => SETTLE_MS,
  );
  #text: string | undefined;
  #onChange: (settings: Settings) => void = () => {};
  #interval: NodeJS.Timeout | undefined;

  /** Reads the file; {@link watch} goes on reading it. */
  constructor({ path, stateDirectory, log }: ConfigFileOptions) {
    this.#path = path;
    this.#lastGood = join(stateDirectory, "agent.yaml");
    this.#log = log;
    this.settings = builtIn;
    const read = this.#read();
    if (read) {
      this.settings = read;
      return;
    }
    if (this.valid) return;
    try {
      this.settings = parseSettings(readFileSync(this.#lastGood, "utf8"));
      log.warn({ file: this.#lastGood }, "configuration: the last good one is in force");
    } catch {
      log.warn("configuration: nothing is configured until the file is right");
    }
  }

  /** Tells of each change until it is disposed of. */
  watch(onChange: (settings: Settings) => void): void {
    this.#onChange = onChange;
    // The folder: the kubelet changes a ConfigMap's files by swapping a link beside them.
    this.#folder.folders = [dirname(this.#path)];
    this.#interval = setInterval(() => this.#reread(), REREAD_MS).unref();
  }

  #reread(): void {
    this.#folder.retry();
    const settings = this.#read();
    if (!settings) return;
    this.settings = settings;
    this.#onChange(settings);
  }

  /** What the file says; undefined where it says nothing new, or something wrong. */
  #read(): Settings | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      // At start nothing is configured then. A file that was there and is gone is a mistake, or about to come back.
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (missing && this.#text === undefined) {
        this.#log.info({ file: this.#path }, "configuration: there is no file");
        this.#text = "";
        return builtIn;
      }
      if (missing && this.#text === "") return undefined;
      if (this.valid) this.#log.error({ file: this.#path }, `configuration: ${(error as Error).message}`);
      this.valid = false;
      // Whatever comes back is read, also where it is what was there.
      this.#text = "\0";
      return undefined;
    }
    if (text === this.#text) return undefined;
    try {
      const settings = parseSettings(text);
      this.#text = text;
      this.valid = true;
      this.#keep(text);
      this.#log.info({ file: this.#path }, "configuration: read");
      return settings;
    } catch (error) {
      this.#text = text;
      this.valid = false;
      const message = `configuration: ${(error as Error).message}; what was in force before stays`;
      this.#log.error({ file: this.#path }, message);
      return undefined;
    }
  }

  #keep(text: string): void {
    try {
      mkdirSync(dirname(this.#lastGood), { recursive: true, mode: 0o755 });
      writeFileSync(`${this.#lastGood}.tmp`, text, { mode: 0o600 });
      renameSync(`${this.#lastGood}.tmp`, this.#lastGood);
    } catch (error) {
      this.#log.warn(`configuration: it could not be kept for a restart: ${(error as Error).message}`);
    }
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
    clearInterval(this.#interval);
  }
}
