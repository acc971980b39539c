import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Daemon } from "../process/daemon.js";
import { freePorts } from "../process/ports.js";

/** The bundled weir. */
const weir = fileURLToPath(new URL("../../../../packages/cni-plugin/bundle/weir", import.meta.url));

/** How an {@link Agent} is started. */
export interface AgentOptions {
  readonly node: string;
  readonly kubeconfig: string;
  /** For its log and its configuration file. */
  readonly folder: string;
  /** The configuration file's content, YAML. */
  readonly config?: string;
  /** The network namespace of the node. */
  readonly netns?: string;
  /** Beside its own. */
  readonly flags?: readonly string[];
}

/** `weir agent`, as on a node: it works on this machine's attachments, so it is for the VM. */
export class Agent implements AsyncDisposable {
  readonly #daemon: Daemon;
  readonly #address: string;

  private constructor(daemon: Daemon, address: string) {
    this.#daemon = daemon;
    this.#address = address;
  }

  /** Starts it and waits until it answers; it may not be ready yet. */
  static async start(options: AgentOptions): Promise<Agent> {
    if (process.env.WEIR_VM !== "1")
      throw new Error("the agent changes this machine: run it in the kernel VM");
    const { node, kubeconfig, folder, config = "{}", netns, flags = [] } = options;
    const [port] = (await freePorts(1)) as [number];
    const address = `127.0.0.1:${port}`;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "agent.yaml"), config);
    const daemon = new Daemon({
      command: [
        ...[weir, "agent", "--node-name", node, "--kubeconfig", kubeconfig],
        ...["--config", join(folder, "agent.yaml"), "--metrics-address", address, ...flags],
      ] as [string, ...string[]],
      logFile: join(folder, "agent.log"),
      ...(netns === undefined ? {} : { netns }),
    });
    const agent = new Agent(daemon, address);
    try {
      await daemon.until("it answers", async () => (await agent.#get("/healthz")).ok);
      return agent;
    } catch (error) {
      await daemon.stop("SIGKILL");
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
  async until(what: string, reached: () => Promise<boolean> | boolean, timeoutMs = 120_000): Promise<number> {
    const start = performance.now();
    while (performance.now() - start < timeoutMs) {
      if (await reached()) return Math.round(performance.now() - start);
      if (this.#daemon.end !== undefined) break;
      await sleep(20);
    }
    const ended = this.#daemon.end === undefined ? "" : ` The agent ended: ${this.#daemon.end}.`;
    throw new Error(`waited in vain until ${what}.${ended}\n${this.log.slice(-6000)}`);
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
  }
}
