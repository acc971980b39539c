/** What the host tells the guest once it is up. */
export interface GuestSettings {
  /** The folder of the kernel's modules, on the host. */
  readonly modules: string;
  readonly bpffs: boolean;
  /** Modules of network cards. */
  readonly drivers: readonly string[];
  /** Folders under /tmp or /run that stay visible although the guest has its own /tmp and /run. */
  readonly shows: readonly string[];
  /** Writable folders, in the order of QEMU's tags. */
  readonly shares: readonly string[];
  /** Ends each output stream; nothing else may contain it. */
  readonly marker: string;
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

/** The settings as the shell script that guest/session evaluates. */
export function settingsScript(settings: GuestSettings): string {
  const env = Object.entries(settings.env).map(([name, value]) => quote(`${name}=${value}`));
  return [
    `modules=${quote(settings.modules)}`,
    `bpffs=${settings.bpffs ? 1 : 0}`,
    `drivers=${quote(settings.drivers.join(" "))}`,
    `marker=${quote(settings.marker)}`,
    `directory=${quote(settings.directory)}`,
    "shows() { :",
    ...settings.shows.map((folder) => `show ${quote(folder)}`),
    "}",
    "shares() { :",
    ...settings.shares.map((folder, index) => `share share${index} ${quote(folder)}`),
    "}",
    "run_command() {",
    // An absolute path: busybox would prefer its own applets to the programs of the same names on PATH.
    // setsid: the command leads a process group, so that a signal reaches all of it.
    `exec setsid /usr/bin/env -i ${[...env, ...settings.command.map(quote)].join(" ")}`,
    "}",
    "",
  ].join("\n");
}

/**
 * A word in the shell's single quotes.
 *
 * @throws RangeError for a NUL character, which no argument can hold.
 */
export function quote(word: string): string {
  if (word.includes("\0"))
    throw new RangeError("a command's words and environment cannot hold NUL characters");
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The folders among `paths` that a fresh /tmp or /run would hide: `/tmp/a/b` asks for `/tmp/a`. */
export function hiddenFolders(paths: readonly string[]): string[] {
  const folders = paths.map((path) => /^\/(?:tmp|run)\/[^/]+/.exec(path)?.[0]);
  return [...new Set(folders.filter((folder) => folder !== undefined))];
}
