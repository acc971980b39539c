import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AptSource,
  debianMirror,
  parseDeb822Sources,
  parseOneLineSources,
  sourceFor,
} from "./apt-sources.js";
import { VmError } from "./errors.js";
import { ProgramError, run } from "./programs.js";

/** A package as apt would fetch it. */
export interface AptPackage {
  readonly name: string;
  readonly bytes: number;
}

/**
 * An apt of its own: it takes the mirror, its keys and the network settings from this machine's configuration, and
 * keeps all that it writes in one folder. The machine's own package lists and caches are never touched.
 */
export class PrivateApt {
  readonly #config: string;

  private constructor(config: string) {
    this.#config = config;
  }

  /**
   * @param folder an empty folder for lists and settings
   * @param suite the Debian release to see, such as "trixie"
   * @param type packages, or what they are built from
   * @throws VmError DOWNLOAD_FAILED when this machine's apt knows no Debian mirror.
   */
  static async create(folder: string, suite: string, type: "deb" | "deb-src" = "deb"): Promise<PrivateApt> {
    const [settings, sources] = await Promise.all([networkSettings(), configuredSources()]);
    const mirror = debianMirror(sources);
    if (!mirror) {
      throw new VmError(
        "DOWNLOAD_FAILED",
        "this machine's apt has no source for Debian's main archive, from which the VM's kernels and the tests' packages come; " +
          "add one to /etc/apt/sources.list.d (see sources.list(5))",
      );
    }
    for (const name of ["lists/partial", "archives/partial", "empty"]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    writeFileSync(join(folder, "debian.sources"), sourceFor(mirror, suite, type));
    writeFileSync(join(folder, "status"), "");
    const config = join(folder, "apt.conf");
    writeFileSync(
      config,
      [
        ...settings,
        // The machine's own settings are not read: among them may be hooks that clean its caches.
        `Dir::Etc::main "/dev/null";`,
        `Dir::Etc::parts "${folder}/empty";`,
        `Dir::Etc::preferences "/dev/null";`,
        `Dir::Etc::preferencesparts "${folder}/empty";`,
        `Dir::Etc::sourcelist "${folder}/debian.sources";`,
        `Dir::Etc::sourceparts "${folder}/empty";`,
        `Dir::State "${folder}";`,
        `Dir::State::lists "${folder}/lists";`,
        `Dir::State::status "${folder}/status";`,
        `Dir::Cache "${folder}";`,
        `Dir::Cache::archives "${folder}/archives";`,
        `APT::Architecture "amd64";`,
        `APT::Architectures { "amd64"; };`,
        // apt would drop to a user who cannot enter root's home.
        `APT::Sandbox::User "root";`,
        `Acquire::Languages "none";`,
        `Acquire::Retries "2";`,
        "",
      ].join("\n"),
    );
    const apt = new PrivateApt(config);
    await apt.#run("apt-get", ["-qq", "update"], `fetch the package list of Debian ${suite}`);
    return apt;
  }

  /** The packages with the kernel that `linux-image-amd64` stands for: the image and, from 7.x on, its parts. */
  async kernelPackages(): Promise<AptPackage[]> {
    const stdout = await this.#run(
      "apt-cache",
      ["depends", "--recurse", "--important", "--no-recommends", "linux-image-amd64"],
      "find the kernel's package",
    );
    const names = kernelPackageNames(stdout);
    if (names.length === 0) {
      throw new VmError(
        "DOWNLOAD_FAILED",
        "linux-image-amd64 names no kernel package on the configured mirror",
      );
    }
    const shown = await this.#run(
      "apt-cache",
      ["show", "--no-all-versions", ...names],
      "look up the kernel's packages",
    );
    return [...shown.matchAll(/^Package: (\S+)$[\s\S]*?^Size: (\d+)$/gm)].map((match) => ({
      name: match[1]!,
      bytes: Number(match[2]),
    }));
  }

  /** Fetches packages into a folder and checks them against the mirror's signed lists. */
  async download(names: readonly string[], folder: string): Promise<string[]> {
    await this.#run("apt-get", ["-qq", "download", ...names], `download ${names.join(", ")}`, folder);
    return readdirSync(folder)
      .filter((name) => name.endsWith(".deb"))
      .map((name) => join(folder, name));
  }

  /** Fetches the files of a source package into a folder and checks them likewise. */
  async downloadSource(name: string, folder: string): Promise<string[]> {
    const args = ["-qq", "--only-source", "--download-only", "source", name];
    await this.#run("apt-get", args, `download the source of ${name}`, folder);
    return readdirSync(folder).map((file) => join(folder, file));
  }

  async #run(program: string, args: readonly string[], what: string, cwd = "/"): Promise<string> {
    try {
      const env = { ...process.env, APT_CONFIG: this.#config, LC_ALL: "C.UTF-8" };
      const { stdout, stderr } = await run(program, args, { cwd, env });
      // apt-get update exits with 0 when a mirror cannot be reached and old lists might do; here there are none.
      if (/^(W|E): Failed to fetch/m.test(stderr)) throw new ProgramError(program, "failed", stderr);
      return stdout.toString();
    } catch (cause) {
      if (!(cause instanceof ProgramError)) throw cause;
      throw new VmError("DOWNLOAD_FAILED", `cannot ${what}: ${cause.message}`, { cause });
    }
  }
}

/** The packages of one kernel in the output of `apt-cache depends --recurse`, which names each in column 0. */
export function kernelPackageNames(depends: string): string[] {
  const names = depends
    .split("\n")
    .filter((line) => /^linux-(image|binary|modules|base)-\d\S*-amd64$/.test(line));
  return [...new Set(names)];
}

/** This machine's settings for fetching (proxies, retries, dates to accept), as lines of apt.conf. */
async function networkSettings(): Promise<string[]> {
  const { stdout } = await run("apt-config", ["dump"]);
  return stdout
    .toString()
    .split("\n")
    .filter((line) => /^Acquire::(?!Languages|Retries)/.test(line) && !/^\S+ "";$/.test(line));
}

async function configuredSources(): Promise<AptSource[]> {
  const { stdout } = await run("apt-config", [
    "shell",
    ...["list", "Dir::Etc::sourcelist/f"],
    ...["parts", "Dir::Etc::sourceparts/d"],
  ]);
  const [, list] = /^list='(.*)'$/m.exec(stdout.toString()) ?? [];
  const [, parts] = /^parts='(.*)'$/m.exec(stdout.toString()) ?? [];
  const files = [list, ...filesIn(parts)].filter((file) => file !== undefined);
  return files.flatMap((file) => {
    const text = readIfThere(file);
    return file.endsWith(".sources") ? parseDeb822Sources(text) : parseOneLineSources(text);
  });
}

function filesIn(folder: string | undefined): string[] {
  if (folder === undefined) return [];
  try {
    return readdirSync(folder)
      .filter((name) => /\.(list|sources)$/.test(name))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
