import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fetchPackages, type Progress } from "@weir/test-vm";
import { Cri } from "./cri.js";
import { PAUSE_IMAGE, writePauseImage } from "./pause-image.js";

/** Debian's releases of containerd, oldest first. */
export const CONTAINERDS = [
  { version: "1.6", suite: "bookworm" },
  { version: "1.7", suite: "trixie" },
  { version: "2.1", suite: "forky" },
] as const;

/** Fetches what a containerd takes: itself, and the runc of bookworm, which runs with that release's libraries. */
export async function fetchContainerd(suite: string, progress?: Progress): Promise<string[]> {
  const options = progress ? { progress } : {};
  const runc = await fetchPackages("bookworm", ["runc"], options);
  const containerd = await fetchPackages(suite, ["containerd"], options);
  return [join(containerd, "usr/bin"), join(runc, "usr/sbin")];
}

/** A container runtime on a node of the lab, with nothing on disk but one folder. */
export class Containerd implements AsyncDisposable {
  readonly cri: Cri;
  readonly #child: ChildProcess;
  readonly #folder: string;

  readonly #env: NodeJS.ProcessEnv;

  private constructor(child: ChildProcess, folder: string, env: NodeJS.ProcessEnv) {
    this.#child = child;
    this.#env = env;
    this.#folder = folder;
    this.cri = new Cri(join(folder, "socket"));
  }

  /**
   * Starts containerd and waits until it can make pods.
   * @param options.netns the node's network namespace
   * @param options.folder for all of its files, made anew
   * @param options.programs folders of containerd and runc
   * @param options.plugins the folder of CNI plugins
   * @param options.networks conflists by the name of the runtime handler that uses them
   * @param options.snapshotter how images become root filesystems: "native" copies all of their files, for which any
   *   filesystem will do; "overlayfs" is what nodes use. Default: "native".
   */
  static async start(options: {
    netns: string;
    folder: string;
    programs: readonly string[];
    plugins: string;
    networks: Record<string, object>;
    snapshotter?: "native" | "overlayfs";
  }): Promise<Containerd> {
    const { netns, folder, programs } = options;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "config.toml"), configuration(options));
    const path = [...programs, process.env.PATH].join(":");
    const env = { ...process.env, PATH: path };
    const log = openSync(join(folder, "log"), "w");
    const child = spawn(
      "nsenter",
      [`--net=${netns}`, "containerd", "--config", join(folder, "config.toml")],
      {
        env,
        stdio: ["ignore", log, log],
      },
    );
    closeSync(log);
    const containerd = new Containerd(child, folder, env);
    try {
      await containerd.#until("it answers", () => containerd.cri.version().then(() => true));
      writePauseImage(join(folder, "pause.tar"));
      containerd.import(join(folder, "pause.tar"));
      await containerd.#until("it knows the image", () => containerd.cri.hasImage(PAUSE_IMAGE));
      return containerd;
    } catch (error) {
      await containerd[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The path of its socket. */
  get socket(): string {
    return join(this.#folder, "socket");
  }

  /** Takes an image from an OCI archive, for pods to run. */
  import(archive: string): void {
    const args = ["--address", this.socket, "--namespace", "k8s.io", "images", "import", archive];
    const { status, stderr } = spawnSync("ctr", args, { env: this.#env, encoding: "utf8" });
    if (status !== 0) throw new Error(`ctr images import failed: ${stderr}`);
  }

  /** What it logged so far, its last lines. */
  get log(): string {
    const file = join(this.#folder, "log");
    return existsSync(file) ? readFileSync(file, "utf8").slice(-4000) : "";
  }

  async #until(what: string, reached: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 180_000;
    let last = "";
    while (Date.now() < deadline) {
      if (this.#child.exitCode !== null) throw new Error(`containerd ended: ${this.log}`);
      try {
        if (await reached()) return;
      } catch (error) {
        last = (error as Error).message;
      }
      await sleep(200);
    }
    throw new Error(`waited in vain until ${what}: ${last}\n${this.log}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cri[Symbol.dispose]();
    if (this.#child.exitCode === null) {
      const ended = new Promise((resolve) => this.#child.once("close", resolve));
      this.#child.kill();
      await ended;
    }
  }
}

/** The form of 1.6 and 1.7, which 2.x converts to its own. */
function configuration({
  folder,
  plugins,
  networks,
  snapshotter = "native",
}: {
  folder: string;
  plugins: string;
  networks: Record<string, object>;
  snapshotter?: string;
}): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  const [first] = Object.keys(networks);
  const runtimes = Object.entries(networks).map(([name, conflist]) => {
    const conf = join(folder, "net.d", name);
    mkdirSync(conf, { recursive: true });
    writeFileSync(join(conf, "10.conflist"), JSON.stringify(conflist, null, 2));
    return [
      `[${cri}.containerd.runtimes.${name}]`,
      'runtime_type = "io.containerd.runc.v2"',
      `cni_conf_dir = "${conf}"`,
    ].join("\n");
  });
  return [
    "version = 2",
    `root = "${join(folder, "root")}"`,
    `state = "${join(folder, "state")}"`,
    "[grpc]",
    `address = "${join(folder, "socket")}"`,
    `[${cri}]`,
    `sandbox_image = "${PAUSE_IMAGE}"`,
    // Without CAP_SYS_RESOURCE runc could not lower it.
    "restrict_oom_score_adj = true",
    "disable_apparmor = true",
    `[${cri}.cni]`,
    `bin_dir = "${plugins}"`,
    `conf_dir = "${join(folder, "net.d", first!)}"`,
    `[${cri}.containerd]`,
    `snapshotter = "${snapshotter}"`,
    `default_runtime_name = "${first}"`,
    ...runtimes,
    "",
  ].join("\n");
}
