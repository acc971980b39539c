import { type FSWatcher, watch } from "node:fs";

/** Changes of folders, told once they have settled. Folders that are not there yet are looked for again on `retry`. */
export class FolderWatch implements Disposable {
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #changed: () => void;
  readonly #settleMs: () => number;
  #timer: NodeJS.Timeout | undefined;
  #folders: readonly string[] = [];

  /**
   * @param changed is told that something has changed, at most once in each settling time
   * @param settleMs how long changes are left to settle
   */
  constructor(changed: () => void, settleMs: () => number = () => 50) {
    this.#changed = changed;
    this.#settleMs = settleMs;
  }

  /** Watches these folders, and no others. */
  set folders(folders: readonly string[]) {
    this.#folders = folders;
    for (const [folder, watcher] of this.#watchers) {
      if (folders.includes(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    this.retry();
  }

  /** Watches the folders that were not there before. */
  retry(): void {
    for (const folder of this.#folders) {
      if (this.#watchers.has(folder)) continue;
      try {
        const drop = () => {
          watcher.close();
          this.#watchers.delete(folder);
        };
        const watcher = watch(folder, { persistent: false }, () => this.#settle()).on("error", drop);
        this.#watchers.set(folder, watcher);
      } catch {
        // It is not there.
      }
    }
  }

  #settle(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#changed();
    }, this.#settleMs());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }
}
