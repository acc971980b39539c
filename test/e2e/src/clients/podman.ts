import { spawn } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fetchPackages, type Progress } from "@weir/test-vm";
import { writePauseRootfs } from "./pause-image.js";

/** podman of bookworm, the last release of Debian's whose podman speaks CNI, and the libraries beside it. */
const PACKAGES = [
  "podman",
  "conmon",
  "golang-github-containers-common",
  "golang-github-containers-image",
  "libgpgme11",
  "libassuan0",
  "libsubid4",
  "libdevmapper1.02.1",
  "libglib2.0-0",
  "libsystemd0",
  "libsemanage2",
  "libseccomp2",
];

/** Fetches podman. @returns the folder in which it was unpacked, and that of runc */
export async function fetchPodman(progress?: Progress): Promise<{ podman: string; runc: string }> {
  const options = progress ? { progress } : {};
  const podman = await fetchPackages("bookworm", PACKAGES, options);
  return { podman, runc: await fetchPackages("bookworm", ["runc"], options) };
}

/** podman with its CNI backend on a node of the lab. It writes to /etc/containers, so it is for the VM. */
export class Podman {
  readonly #options: { netns: string; folder: string; programs: { podman: string; runc: string } };

  /**
   * @param options.netns the node's network namespace
   * @param options.folder for all of its files but /etc/containers
   * @param options.programs where it was unpacked
   * @param options.plugins the folder of CNI plugins
   * @param options.networks conflists
   */
  constructor(options: {
    netns: string;
    folder: string;
    programs: { podman: string; runc: string };
    plugins: string;
    networks: readonly object[];
  }) {
    this.#options = options;
    const { folder, programs, plugins, networks } = options;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, "net.d"), { recursive: true });
    for (const [index, conflist] of networks.entries()) {
      writeFileSync(join(folder, "net.d", `${10 + index}.conflist`), JSON.stringify(conflist));
    }
    writePauseRootfs(join(folder, "rootfs"));
    cpSync(join(programs.podman, "etc/containers"), "/etc/containers", { recursive: true });
    writeFileSync(
      join(folder, "containers.conf"),
      [
        "[network]",
        'network_backend = "cni"',
        `cni_plugin_dirs = ["${plugins}"]`,
        `network_config_dir = "${join(folder, "net.d")}"`,
        "[engine]",
        'runtime = "runc"',
        'cgroup_manager = "cgroupfs"',
        'events_logger = "file"',
        `conmon_path = ["${join(programs.podman, "usr/bin/conmon")}"]`,
        "[engine.runtimes]",
        `runc = ["${join(programs.runc, "usr/sbin/runc")}"]`,
        "",
      ].join("\n"),
    );
    writeFileSync(
      join(folder, "storage.conf"),
      `[storage]\ndriver = "vfs"\ngraphroot = "${join(folder, "graph")}"\nrunroot = "${join(folder, "run")}"\n`,
    );
  }

  /** Starts a container that waits for ever. @returns its id */
  async start(name: string, network: string): Promise<string> {
    const more = ["--name", name, "--network", network, "--security-opt", "seccomp=unconfined"];
    const rootfs = join(this.#options.folder, "rootfs");
    return (await this.#podman("run", "--detach", ...more, "--rootfs", rootfs, "/pause")).trim();
  }

  async remove(name: string): Promise<void> {
    await this.#podman("rm", "--force", "--time", "0", name);
  }

  #podman(...args: string[]): Promise<string> {
    const { netns, folder, programs } = this.#options;
    const libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
    const child = spawn("nsenter", [`--net=${netns}`, join(programs.podman, "usr/bin/podman"), ...args], {
      env: {
        ...process.env,
        LD_LIBRARY_PATH: libraries.map((each) => join(programs.podman, each)).join(":"),
        CONTAINERS_CONF: join(folder, "containers.conf"),
        CONTAINERS_STORAGE_CONF: join(folder, "storage.conf"),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (text) => {
      stdout += text;
    });
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      // What it left running in the background may hold the pipes open.
      child.on("exit", (status) => {
        if (status === 0) setImmediate(() => resolve(stdout));
        else reject(new Error(`podman ${args.join(" ")} failed: ${stderr}`));
      });
    });
  }
}
