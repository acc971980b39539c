import { join } from "node:path";
import { Daemon } from "../process/daemon.js";
import { freePorts } from "../process/ports.js";

/** etcd on loopback, with its data in one folder. */
export class Etcd implements AsyncDisposable {
  readonly url: string;
  readonly #daemon: Daemon;

  private constructor(daemon: Daemon, url: string) {
    this.#daemon = daemon;
    this.url = url;
  }

  /** Starts it and waits until it answers. @param folder for its data and its log */
  static async start(program: string, folder: string): Promise<Etcd> {
    const [clients, peers] = (await freePorts(2)).map((port) => `http://127.0.0.1:${port}`) as [
      string,
      string,
    ];
    const daemon = new Daemon({
      command: [
        program,
        ...["--name", "only", "--data-dir", join(folder, "etcd"), "--log-level", "warn"],
        ...["--listen-client-urls", clients, "--advertise-client-urls", clients],
        ...["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers],
        ...["--initial-cluster", `only=${peers}`],
      ],
      logFile: join(folder, "etcd.log"),
    });
    const etcd = new Etcd(daemon, clients);
    try {
      await daemon.until("it is healthy", async () => (await fetch(`${clients}/health`)).ok);
      return etcd;
    } catch (error) {
      await daemon.stop();
      throw error;
    }
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  get residentMib(): number {
    return this.#daemon.residentMib;
  }

  /** Its version, such as "3.4.23". */
  async version(): Promise<string> {
    const { version } = (await this.#call("maintenance/status", {})) as { version: string };
    return version;
  }

  /** Forgets everything before now: an older revision can be neither listed nor watched any more. */
  async compact(): Promise<void> {
    const { header } = (await this.#call("maintenance/status", {})) as { header: { revision: string } };
    await this.#call("kv/compaction", { revision: header.revision, physical: true });
  }

  /** etcd's JSON gateway, https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/ */
  async #call(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.url}/v3/${path}`, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`etcd refused ${path}: ${text}`);
    return JSON.parse(text);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#daemon.stop("SIGKILL");
  }
}
