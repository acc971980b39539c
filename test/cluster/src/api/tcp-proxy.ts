import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A connection through the proxy: the client's side and the server's. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** What comes goes nowhere, for the rest of the connection's life. */
  frozen: boolean;
}

/** What goes wrong on the way between a client and a server. */
export interface Faults {
  /** Each piece of data waits this long, in both directions. */
  delayMs?: number;
  /** What one connection passes in each direction. */
  bytesPerSecond?: number;
}

/** A way to a server on which things go wrong when they are told to. */
export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  readonly #target: { host: string; port: number };
  readonly #pairs = new Set<Pair>();
  #server: Server | undefined;
  #frozen = false;
  #faults: Faults = {};
  #accepted = 0;

  private constructor(port: number, target: { host: string; port: number }, server: Server) {
    this.port = port;
    this.#target = target;
    this.#server = server;
    server.on("connection", (client) => this.#join(client));
  }

  /** Listens on a free port of loopback. */
  static async open(target: { host: string; port: number }): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TcpProxy((server.address() as { port: number }).port, target, server);
  }

  /** How many connections were ever accepted. */
  get accepted(): number {
    return this.#accepted;
  }

  /** How many connections are open. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Sets what goes wrong with all connections from now on; `{}` nothing. */
  set faults(faults: Faults) {
    this.#faults = faults;
  }

  /** Breaks every connection with a reset. */
  cut(): void {
    for (const { client, server } of [...this.#pairs]) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /**
   * Half-open: what comes is taken and goes nowhere, the end of a connection too; new connections are accepted, and
   * nobody answers.
   */
  freeze(): void {
    this.#frozen = true;
    for (const pair of this.#pairs) pair.frozen = true;
  }

  /** New connections pass again; what was frozen is lost for good, as on a machine that lost its power. */
  thaw(): void {
    this.#frozen = false;
  }

  /** Nothing listens any more, and every connection is reset. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    server.close();
    this.cut();
    await once(server, "close");
  }

  /** Listens on the same port again. */
  async accept(): Promise<void> {
    if (this.#server) return;
    this.#server = createServer({ allowHalfOpen: true });
    this.#server.on("connection", (client) => this.#join(client));
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  #join(client: Socket): void {
    this.#accepted++;
    const server = connect({ ...this.#target, allowHalfOpen: true });
    const pair: Pair = { client, server, frozen: this.#frozen };
    this.#pairs.add(pair);
    this.#pass(client, server, pair);
    this.#pass(server, client, pair);
    for (const socket of [client, server]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        // The client of a frozen connection does not hear that the server has gone.
        if (pair.frozen && socket === server) return;
        this.#pairs.delete(pair);
        client.destroy();
        server.destroy();
      });
    }
  }

  #pass(from: Socket, to: Socket, pair: Pair): void {
    // Data leaves in the order in which it came, each piece after what it has to wait for.
    let way = Promise.resolve();
    let waiting = 0;
    const send = (work: () => void, waitMs: number) => {
      waiting++;
      from.pause();
      way = way
        .then(() => (waitMs > 0 ? new Promise<void>((resolve) => setTimeout(resolve, waitMs)) : undefined))
        .then(() => {
          if (!pair.frozen && !to.destroyed) work();
          if (--waiting === 0) from.resume();
        });
    };
    from.on("data", (data) => {
      const { delayMs = 0, bytesPerSecond } = this.#faults;
      const transmission = bytesPerSecond === undefined ? 0 : (data.length / bytesPerSecond) * 1000;
      send(() => to.write(data), delayMs + transmission);
    });
    from.on("end", () => send(() => to.end(), 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
    this.cut();
  }
}
