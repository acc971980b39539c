import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { NodeLab } from "./node-lab.js";

const bundle = fileURLToPath(new URL("../../../cni-plugin/bundle/weir", import.meta.url));

/** How long anything may take: the kernel VM is emulated. */
const PATIENCE_MS = 600_000;

/** An agent that is a process of its own, on a node of the lab: one that can be killed. */
export class AgentProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  #log = "";

  /** @param flags further ones of `weir agent` */
  constructor(lab: NodeLab, port: number, ...flags: string[]) {
    if (!existsSync(bundle))
      throw new Error("node packages/cni-plugin/scripts/bundle.mjs makes the executable");
    this.port = port;
    this.#child = spawn(
      bundle,
      [
        ...["agent", "--node-name", "node-1", "--kubeconfig", `${lab.folder}/kubeconfig`],
        ...["--config", lab.configFile, "--metrics-address", `127.0.0.1:${port}`, ...flags],
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

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it answers to a request, or undefined. */
  get(path: string): Promise<Response | undefined> {
    return fetch(`http://127.0.0.1:${this.port}${path}`).catch(() => undefined);
  }

  /** Waits until it has listed the pods and looked at all of them. */
  ready(): Promise<void> {
    return this.until("it is ready", async () => (await this.get("/readyz"))?.status === 200, 100);
  }

  /** Waits until something is so. @param pauseMs between two looks @throws Error with the end of the agent's log */
  async until(what: string, reached: () => Promise<boolean> | boolean, pauseMs = 10): Promise<void> {
    for (const start = performance.now(); !(await reached()); ) {
      if (performance.now() - start > PATIENCE_MS || this.#hasEnded)
        throw new Error(`waited in vain until ${what}\n${this.#log.slice(-3000)}`);
      await sleep(pauseMs);
    }
  }

  /** Ends it, by default without a chance to do anything more. @returns its exit code, where no signal ended it */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    if (!this.#hasEnded) {
      const ended = once(this.#child, "exit");
      this.#child.kill(signal);
      await ended;
    }
    return this.#child.exitCode;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
