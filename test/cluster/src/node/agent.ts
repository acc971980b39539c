import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Daemon } from "../process/daemon.js";
import { freePorts } from "../process/ports.js";
import { runProgram } from "../process/run.js";

/** The bundled weir. */
const weir = fileURLToPath(new URL("../../../../packages/cni-plugin/bundle/weir", import.meta.url));

/** How an {@link Agent} is started. */
export interface AgentOptions {
  readonly node: string;
  readonly kubeconfig: string;
  /** For its log and all of its state. */
  readonly folder: string;
}

/**
 * `weir agent` as it is towards the API server: with a state and a BPF filesystem of its own, so that it knows of no
 * attachment of this machine's and changes none.
 */
export class Agent implements AsyncDisposable {
  readonly #daemon: Daemon;
  readonly #address: string;
  readonly #bpffs: string;

  private constructor(daemon: Daemon, address: string, bpffs: string) {
    this.#daemon = daemon;
    this.#address = address;
    this.#bpffs = bpffs;
  }

  /** Starts it and waits until it answers; it may not be ready yet. */
  static async start(options: AgentOptions): Promise<Agent> {
    const { node, kubeconfig, folder } = options;
    const [state, bpffs] = [join(folder, "agent-state"), join(folder, "agent-bpf")];
    for (const each of [state, bpffs]) mkdirSync(each);
    await runProgram("mount", ["-t", "bpf", "none", bpffs]);
    const [port] = (await freePorts(1)) as [number];
    const address = `127.0.0.1:${port}`;
    const config = join(folder, "agent.yaml");
    writeFileSync(config, JSON.stringify({ cniCacheFolders: [join(state, "cni")] }));
    const daemon = new Daemon({
      command: [
        ...([weir, "agent", "--node-name", node, "--kubeconfig", kubeconfig] as const),
        ...["--config", config, "--metrics-address", address, "--no-serve"],
      ],
      logFile: join(folder, "agent.log"),
      env: { ...process.env, WEIR_STATE_DIRECTORY: state, WEIR_BPFFS: bpffs },
    });
    const agent = new Agent(daemon, address, bpffs);
    try {
      await daemon.until("it answers", () => agent.isHealthy());
      return agent;
    } catch (error) {
      await agent[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  get residentMib(): number {
    return this.#daemon.residentMib;
  }

  get log(): string {
    return this.#daemon.log;
  }

  /** Whether it says that it need not be restarted. */
  async isHealthy(): Promise<boolean> {
    return (await this.#get("/healthz")).ok;
  }

  /** Waits until it has listed the pods and looked at all of them. */
  async ready(): Promise<void> {
    await this.#daemon.until("it is ready", async () => (await this.#get("/readyz")).ok);
  }

  /** One value of its metrics, such as `weir_limit_bits_per_second{pod="one",direction="egress"}`; all must match. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
    const text = await (await this.#get("/metrics")).text();
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const line = text
      .split("\n")
      .filter((each) => each.startsWith(`${name}{`) || each.startsWith(`${name} `))
      .find((each) => wanted.every((label) => each.includes(label)));
    return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(" ") + 1));
  }

  /**
   * Waits until something is so.
   * @returns after how many milliseconds it was
   * @throws where it is not in time; the message holds the end of its log
   */
  until(what: string, reached: () => Promise<boolean> | boolean, timeoutMs = 120_000): Promise<number> {
    return this.#daemon.until(what, reached, timeoutMs, 20);
  }

  /** Ends it. @param signal SIGKILL: it can do nothing more */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | NodeJS.Signals | undefined> {
    await this.#daemon.stop(signal);
    return this.#daemon.end;
  }

  #get(path: string): Promise<Response> {
    return fetch(`http://${this.#address}${path}`, { signal: AbortSignal.timeout(20_000) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
    await runProgram("umount", [this.#bpffs]).catch(() => {});
  }
}
