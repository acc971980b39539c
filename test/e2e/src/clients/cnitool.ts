import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, fetchPackages, fetchSource, type Progress } from "@weir/test-vm";

/** libcni's own command line, which Debian has the source of but not the program. */
const SOURCE = "golang-github-appc-cni";
const COMPILER = ["golang-1.19-go", "golang-1.19-src"];

/**
 * Builds cnitool from Debian's source with Debian's Go, both unpacked into the cache; the first call takes half a
 * minute. @returns the program's path
 */
export async function buildCnitool(progress?: Progress): Promise<string> {
  const program = join(cacheFolder(), "clients/cnitool");
  if (existsSync(program)) return program;
  const options = progress ? { progress } : {};
  const source = await fetchSource("bookworm", SOURCE, options);
  const go = await fetchPackages("bookworm", COMPILER, options);
  progress?.("building cnitool");
  mkdirSync(join(cacheFolder(), "clients"), { recursive: true });
  const work = mkdtempSync(join(cacheFolder(), "clients/building-"));
  try {
    // Without modules Go finds a package by its folder's name, and asks no network for what only its tests import.
    const folder = join(work, "src/github.com/containernetworking/cni");
    cpSync(source, folder, { recursive: true });
    const { status, stderr } = spawnSync(
      join(go, "usr/lib/go-1.19/bin/go"),
      ["build", "-o", join(work, "cnitool"), "./cnitool"],
      {
        cwd: folder,
        encoding: "utf8",
        env: {
          PATH: process.env.PATH,
          GOROOT: join(go, "usr/lib/go-1.19"),
          GOPATH: work,
          GOCACHE: join(work, "cache"),
          GO111MODULE: "off",
          CGO_ENABLED: "0",
        },
      },
    );
    if (status !== 0) throw new Error(`cnitool could not be built: ${stderr}`);
    renameSync(join(work, "cnitool"), program);
    return program;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** cnitool on a node, with one conflist. */
export class Cnitool {
  readonly #program: string;
  readonly #options: { netns: string; plugins: string; conflist: { name: string } };
  readonly #folder: string;

  /**
   * @param program cnitool's path
   * @param options.netns the node's network namespace
   * @param options.plugins the folder of CNI plugins
   * @param folder for the conflist
   */
  constructor(
    program: string,
    options: { netns: string; plugins: string; conflist: { name: string } },
    folder: string,
  ) {
    this.#program = program;
    this.#options = options;
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "10.conflist"), JSON.stringify(options.conflist));
  }

  /**
   * Runs cnitool for a namespace.
   * @param capabilities what the runtime gives the plugins that ask for it
   */
  run(
    command: "add" | "check" | "del",
    netns: string,
    capabilities: Record<string, unknown> = {},
  ): Promise<{ status: number | null; stdout: string; stderr: string }> {
    const { plugins, conflist, netns: node } = this.#options;
    const child = spawn("nsenter", [`--net=${node}`, this.#program, command, conflist.name, netns], {
      env: {
        PATH: process.env.PATH,
        CNI_PATH: plugins,
        NETCONFPATH: this.#folder,
        CAP_ARGS: JSON.stringify(capabilities),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
      });
    }
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (status) => resolve({ status, ...output }));
    });
  }
}
