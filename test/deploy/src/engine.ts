import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fetchPackages } from "@weir/test-vm";

/** A containerd of its own, from Debian's packages, which runs images and leaves nothing. */
export class Engine implements AsyncDisposable {
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(folder: string, child: ChildProcess, env: NodeJS.ProcessEnv) {
    this.folder = folder;
    this.#child = child;
    this.#env = env;
  }

  static async start(): Promise<Engine> {
    const containerd = await fetchPackages("trixie", ["containerd"]);
    // That of bookworm, which runs with that release's libraries.
    const runc = await fetchPackages("bookworm", ["runc"]);
    const folders = [join(containerd, "usr/bin"), join(runc, "usr/sbin"), process.env.PATH];
    const env = { ...process.env, PATH: folders.join(":") };
    const folder = mkdtempSync("/var/tmp/weir-engine-");
    const settings = [
      "version = 2",
      `root = "${join(folder, "root")}"`,
      `state = "${join(folder, "state")}"`,
      'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
      "[grpc]",
      `address = "${join(folder, "socket")}"`,
      "",
    ];
    writeFileSync(join(folder, "config.toml"), settings.join("\n"));
    const log = openSync(join(folder, "log"), "w");
    const stdio = ["ignore", log, log] as const;
    const child = spawn("containerd", ["--config", join(folder, "config.toml")], { env, stdio: [...stdio] });
    closeSync(log);
    const engine = new Engine(folder, child, env);
    for (let tries = 0; engine.#ctr(["version"]).status !== 0; tries++) {
      if (tries === 300 || child.exitCode !== null) {
        const said = readFileSync(join(folder, "log"), "utf8").slice(-2000);
        await engine[Symbol.asyncDispose]();
        throw new Error(`containerd did not start: ${said}`);
      }
      await sleep(100);
    }
    return engine;
  }

  /** Imports an archive. @returns the names of the images that there are then */
  import(archive: string): string[] {
    const { status, stderr } = this.#ctr(["images", "import", "--snapshotter", "native", archive]);
    if (status !== 0) throw new Error(`ctr images import failed: ${stderr}`);
    return this.#ctr(["images", "ls", "-q"]).stdout.trim().split("\n");
  }

  /**
   * Runs a command in a container.
   * @param options options of `ctr run`
   * @param mounts folders of the host, made where they are missing, by their place in the container
   */
  run(
    image: string,
    command: readonly string[],
    options: readonly string[] = [],
    mounts: Readonly<Record<string, string>> = {},
  ): SpawnSyncReturns<string> {
    const binds = Object.entries(mounts).flatMap(([place, folder]) => {
      mkdirSync(folder, { recursive: true });
      return ["--mount", `type=bind,src=${folder},dst=${place},options=rbind:rw`];
    });
    const args = ["run", "--snapshotter", "native", "--rm", ...options, ...binds, image, "one", ...command];
    return this.#ctr(args);
  }

  #ctr(args: readonly string[]): SpawnSyncReturns<string> {
    const address = ["--address", join(this.folder, "socket")];
    return spawnSync("ctr", [...address, ...args], { env: this.#env, encoding: "utf8" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const ended = new Promise((resolve) => this.#child.once("close", resolve));
      this.#child.kill();
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
