import { existsSync, mkdirSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { isBpffs } from "@weir/syscall";
import type { BpfMap, BpfProgram, MapSpec } from "../index.js";
import { CommandError } from "./errors.js";
import { reason } from "./input.js";

/** A folder of a BPF filesystem that is being filled. Disposing it before {@link keep} undoes all that was done in it. */
export class PinFolder implements Disposable {
  readonly path: string;
  /** The folders that were made for it, outermost first. */
  readonly #made: readonly string[];
  readonly #pins: string[] = [];
  /** Where maps that are pinned by name will lie once the object is loaded, and did not before. */
  #byName: string[] = [];
  #kept = false;

  private constructor(path: string, made: readonly string[]) {
    this.path = path;
    this.#made = made;
  }

  /** Makes the folder unless it is there. Throws {@link CommandError} for one that is not in a BPF filesystem. */
  static prepare(given: string): PinFolder {
    const path = resolve(given);
    const missing: string[] = [];
    let parent = path;
    for (; !existsSync(parent); parent = dirname(parent)) missing.unshift(parent);
    if (!isBpffs(parent)) {
      throw new CommandError(
        `${given} is not in a BPF filesystem, the only place where BPF objects can be pinned: ` +
          "use a folder in /sys/fs/bpf, or mount one with `mount -t bpf bpf FOLDER`",
      );
    }
    const made: string[] = [];
    try {
      for (const folder of missing) {
        mkdirSync(folder);
        made.push(folder);
      }
    } catch (error) {
      for (const folder of made.reverse()) rmdirSync(folder);
      throw new CommandError(`cannot make ${given}: ${reason(error)}`, { cause: error });
    }
    return new PinFolder(path, made);
  }

  /** Throws {@link CommandError} where something is in the way. Maps that are pinned by name may be there: they are reused. */
  requireFree(programs: readonly string[], maps: readonly MapSpec[]): void {
    const taken = new Map<string, string>();
    const reserve = (what: string, name: string) => {
      const path = this.pathOf(name);
      const other = taken.get(path);
      if (other) {
        throw new CommandError(
          `${what} and ${other} would both be pinned at ${path}: load one of them with --program`,
        );
      }
      taken.set(path, what);
      return path;
    };
    const wanted = programs.map((name) => reserve(`program "${name}"`, name));
    for (const map of maps) {
      const path = reserve(`map "${map.name}"`, map.name);
      if (map.pinning === "none") wanted.push(path);
      else if (!existsSync(path)) this.#byName.push(path);
    }
    const existing = wanted.filter((path) => existsSync(path));
    if (existing.length > 0) {
      throw new CommandError(
        `${existing[0]}${existing.length > 1 ? ` and ${existing.length - 1} more` : ""} ` +
          `${existing.length > 1 ? "exist" : "exists"} already: ` +
          "remove what is pinned there, or pin into another folder",
      );
    }
  }

  /** Where something of that name is pinned. A BPF filesystem takes no dots (bpf_lookup, kernel/bpf/inode.c). */
  pathOf(name: string): string {
    return join(this.path, name.replaceAll(".", "_"));
  }

  /** Pins programs and maps by name. Throws SystemError. */
  pinAll(objects: Iterable<BpfProgram | BpfMap>): void {
    for (const object of objects) {
      const path = this.pathOf(object.name);
      // A map that is pinned by name was pinned when it was loaded.
      if (existsSync(path)) continue;
      object.pin(path);
      this.#pins.push(path);
    }
  }

  /** What was pinned stays. */
  keep(): void {
    this.#kept = true;
  }

  [Symbol.dispose](): void {
    if (this.#kept) return;
    for (const path of [...this.#pins, ...this.#byName]) rmSync(path, { force: true });
    for (const folder of [...this.#made].reverse()) {
      try {
        rmdirSync(folder);
      } catch {
        // Someone else has put something into it meanwhile: it is theirs now.
      }
    }
  }
}
