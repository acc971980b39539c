import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What the listener answers with. */
export interface HttpAnswers {
  /** All metrics as text, and the text's type. */
  metrics: () => Promise<{ text: string; type: string }>;
  /** What is wrong, so that a restart is due; empty where nothing is. */
  healthProblems: () => string[];
  /** What is not ready yet; empty where all is. */
  readyProblems: () => string[];
}

/** Serves metrics and health to whoever may connect. Nothing can be changed through it. */
export class HttpListener {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Begins to listen.
   * @param port 0 takes any that is free
   * @throws what listen(2) says: EADDRINUSE, EADDRNOTAVAIL, EACCES
   */
  static async listen(host: string, port: number, answers: HttpAnswers): Promise<HttpListener> {
    const server = createServer((request, response) => {
      void answer(request, response, answers);
    });
    // A scraper asks every few seconds; whoever holds a connection without asking has no use for it.
    server.requestTimeout = 10_000;
    server.headersTimeout = 10_000;
    server.maxConnections = 64;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    return new HttpListener(server);
  }

  /** Where it listens. */
  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  /** Ends it and all of its connections. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  answers: HttpAnswers,
): Promise<void> {
  const send = (status: number, text: string, type = "text/plain; charset=utf-8", headers = {}) => {
    response.writeHead(status, {
      "content-type": type,
      "content-length": Buffer.byteLength(text),
      "cache-control": "no-store",
      ...headers,
    });
    response.end(request.method === "HEAD" ? undefined : text);
  };
  const check = (problems: string[]) =>
    problems.length === 0 ? send(200, "ok\n") : send(503, problems.map((line) => `${line}\n`).join(""));
  if (request.method !== "GET" && request.method !== "HEAD") {
    return send(405, "only GET and HEAD\n", undefined, { allow: "GET, HEAD" });
  }
  const [path] = (request.url ?? "").split("?", 1);
  if (path === "/healthz") return check(answers.healthProblems());
  if (path === "/readyz") return check(answers.readyProblems());
  if (path !== "/metrics") return send(404, "there are /metrics, /healthz and /readyz\n");
  try {
    const { text, type } = await answers.metrics();
    send(200, text, type);
  } catch (error) {
    send(500, `${(error as Error).message}\n`);
  }
}
