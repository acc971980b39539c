import { chmodSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { ShaperOptions } from "@weir/shaper";
import { CniError, CniErrorCode } from "../cni/errors.js";
import { answer } from "../cni/plugin.js";
import { VERSION } from "../version.js";
import { MAX_WIRE_BYTES, sightOf, socketPath, type WireCall, type WireReply } from "./wire.js";

/** A caller that says nothing for so long is cut off. */
const IDLE_MS = 10_000;

/** A call that a server has answered. */
export interface ServedCall {
  /** ADD, DEL or CHECK. */
  readonly command: string;
  /** The container's id and the interface's name. */
  readonly id: string;
  readonly durationMs: number;
  /** The error's sentence, or why the server left the call to the plugin. */
  readonly problem?: string;
}

/**
 * Answers the plugin's calls in a process that stays: the plugin then costs a pod the start of Node.js and little
 * more, since the shaper and the BPF loader are loaded already. Without a server the plugin does the same work itself;
 * nothing is kept in memory between calls, so that the server may come, go and be replaced at any moment.
 *
 * It listens on `cni.sock` in the state directory, for root alone.
 */
export class CallServer {
  readonly path: string;
  readonly #options: ShaperOptions;
  readonly #served: (call: ServedCall) => void;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #inode = 0n;

  private constructor(options: ShaperOptions, served: (call: ServedCall) => void) {
    this.path = socketPath(options);
    this.#options = options;
    this.#served = served;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#receive(socket));
  }

  /**
   * Begins to listen. Another server on the same state directory gets no new calls from then on.
   * @param served is told of each call
   * @throws what mkdir(2), bind(2) or rename(2) say
   */
  static async listen(
    options: ShaperOptions = {},
    served: (call: ServedCall) => void = () => {},
  ): Promise<CallServer> {
    const server = new CallServer(options, served);
    await server.#listen();
    return server;
  }

  /** Ends listening, answers what has arrived, and leaves a successor's socket alone. */
  async close(): Promise<void> {
    if (inodeOf(this.path) === this.#inode) rmSync(this.path, { force: true });
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      // What has not sent its call yet is told so by the end of the connection, and does the work itself.
      for (const socket of this.#sockets) if (!socket.readableEnded) socket.destroy();
    });
  }

  async #listen(): Promise<void> {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o755 });
    // Under its own name only once it is closed to others and ready, in place of whatever was there.
    const temporary = `${this.path}.${process.pid}`;
    rmSync(temporary, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(temporary, resolve);
    });
    chmodSync(temporary, 0o600);
    this.#inode = inodeOf(temporary) ?? 0n;
    renameSync(temporary, this.path);
  }

  #receive(socket: Socket): void {
    this.#sockets.add(socket);
    const chunks: Buffer[] = [];
    let total = 0;
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    // A caller that went away before its reply; nobody is left to be told.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      total += chunk.length;
      if (total > MAX_WIRE_BYTES) socket.destroy();
    });
    socket.on("end", () => socket.end(JSON.stringify(this.#reply(Buffer.concat(chunks).toString("utf8")))));
  }

  #reply(text: string): WireReply {
    let call: WireCall;
    try {
      call = JSON.parse(text) as WireCall;
    } catch {
      return { declined: "the call is no JSON" };
    }
    if (call.version !== VERSION) return { declined: `the server is weir ${VERSION}` };
    const started = process.hrtime.bigint();
    const reply = this.#answer(call);
    const { command, containerId, ifname } = call.environment;
    const problem =
      "error" in reply
        ? reply.error.message
        : "declined" in reply
          ? `declined: ${reply.declined}`
          : undefined;
    this.#served({
      command,
      id: `${containerId}/${ifname}`,
      durationMs: Number(process.hrtime.bigint() - started) / 1e6,
      ...(problem === undefined ? {} : { problem }),
    });
    return reply;
  }

  #answer({ environment, input, sight, deadlineNs }: WireCall): WireReply {
    const own = sightOf(environment, this.#options);
    if (own.netns !== sight.netns)
      return { declined: `the server sees another file at ${environment.netns}` };
    if (own.bpffs !== sight.bpffs) return { declined: "the server sees another BPF filesystem" };
    // The caller has begun to do it itself: what came later than this call must not be undone by it.
    if (process.hrtime.bigint() > BigInt(deadlineNs)) return { declined: "the call came too late" };
    try {
      return { output: answer({ environment, input, options: this.#options }).output };
    } catch (error) {
      const { code, message, details } =
        error instanceof CniError
          ? error
          : new CniError(CniErrorCode.INTERNAL, `weir failed: ${(error as Error).message}`);
      return { error: { code, message, details } };
    }
  }
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { throwIfNoEntry: false, bigint: true })?.ino;
}
