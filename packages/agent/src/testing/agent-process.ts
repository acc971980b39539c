import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { NodeLab } from "./node-lab.js";

/** The bundled executable: node packages/cni-plugin/scripts/bundle.mjs makes it. */
export const bundle = fileURLToPath(new URL("../../../cni-plugin/bundle/weir", import.meta.url));

/** An agent that is a process of its own, on a node of the lab: one that can be killed. */
export class AgentProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  #log = "";

  constructor(lab: NodeLab, port: number) {
    this.port = port;
    this.#child = spawn(
      bundle,
      [
        ...["agent", "--node-name", "node-1", "--kubeconfig", `${lab.folder}/kubeconfig`],
        ...["--config", lab.configFile, "--metrics-address", `127.0.0.1:${port}`, "--no-serve"],
      ],
      {
        env: {
          ...process.env,
          WEIR_NODE: process.execPath,
          WEIR_STATE_DIRECTORY: lab.shaper.stateDirectory,
          WEIR_BPFFS: lab.shaper.bpffs,
        },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    this.#child.stdout!.on("data", (chunk) => {
      this.#log += chunk;
    });
  }

  /** What it has logged. */
  get log(): string {
    return this.#log;
  }

  /** Whether it has listed the pods and looked at all of them. */
  async isReady(): Promise<boolean> {
    const response = await fetch(`http://127.0.0.1:${this.port}/readyz`).catch(() => undefined);
    return response?.status === 200;
  }

  /** Ends it without a chance to do anything more. */
  async kill(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}
