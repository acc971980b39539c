import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { ApiClient } from "../api/client.js";

interface Stored {
  metadata: { namespace: string; name: string; uid: string; resourceVersion: string; annotations: object };
  spec: object;
  status: object;
}

/**
 * A server that speaks the wire format of lists and watches of pods, and takes events, for tests of what a real one
 * cannot be made to do at will: expire, fall silent, break a line, refuse.
 */
export class TestApiServer {
  /** What was asked, in order. */
  readonly requests: { method: string; path: string; query: URLSearchParams }[] = [];
  /** Events that were posted, by name. */
  readonly events = new Map<string, { message: string; reason: string; involvedObject: { uid: string } }>();
  readonly patched: string[] = [];
  /** The status that every request is answered with; undefined for the usual. */
  refuse: number | undefined;
  /** Accept watches, and say nothing. */
  silent = false;
  readonly #server: Server;
  readonly #pods = new Map<string, Stored>();
  readonly #watchers = new Set<ServerResponse>();
  readonly #log: { version: number; line: string }[] = [];
  #version: number;
  #oldest = 0;

  private constructor(server: Server, version: number) {
    this.#server = server;
    this.#version = version;
  }

  /** @param version the newest that it knows */
  static async start(port = 0, version = 100): Promise<TestApiServer> {
    const server = createServer();
    const api = new TestApiServer(server, version);
    server.on("request", (request, response) => api.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return api;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** A kubeconfig for this server. */
  get kubeconfig(): string {
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        { name: "c", cluster: { server: `http://127.0.0.1:${this.port}`, "insecure-skip-tls-verify": true } },
      ],
      users: [{ name: "u", user: {} }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    });
  }

  get client(): ApiClient {
    const config = new KubeConfig();
    config.loadFromString(this.kubeconfig);
    return new ApiClient(config);
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Makes or changes a pod. */
  put(
    name: string,
    annotations: object = {},
    more: { uid?: string; spec?: object; status?: object } = {},
  ): void {
    const key = `default/${name}`;
    const before = this.#pods.get(key);
    const pod: Stored = {
      metadata: {
        namespace: "default",
        name,
        uid: more.uid ?? before?.metadata.uid ?? `uid-${name}`,
        resourceVersion: String(++this.#version),
        annotations,
      },
      spec: more.spec ?? {},
      status: more.status ?? { phase: "Running", podIP: "10.0.0.1" },
    };
    this.#pods.set(key, pod);
    this.#tell(before ? "MODIFIED" : "ADDED", pod);
  }

  delete(name: string): void {
    const pod = this.#pods.get(`default/${name}`);
    if (!pod) return;
    this.#pods.delete(`default/${name}`);
    this.#tell("DELETED", {
      ...pod,
      metadata: { ...pod.metadata, resourceVersion: String(++this.#version) },
    });
  }

  /** Sends a bookmark of a version that no pod has. */
  bookmark(): void {
    this.#tell("BOOKMARK", { metadata: { resourceVersion: String(++this.#version) } });
  }

  /** Forgets all versions up to now, so that watches from them are answered with 410. */
  compact(): void {
    this.#oldest = ++this.#version;
    this.#log.length = 0;
  }

  /** Ends all watches, as a server does in time. */
  endWatches(): void {
    for (const watcher of this.#watchers) watcher.end();
  }

  /** Breaks all connections. */
  break(): void {
    for (const watcher of this.#watchers) watcher.destroy();
  }

  /** Writes something into all watches. */
  write(text: string): void {
    for (const watcher of this.#watchers) watcher.write(text);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #tell(type: string, object: object): void {
    const line = `${JSON.stringify({ type, object })}\n`;
    this.#log.push({ version: this.#version, line });
    for (const watcher of this.#watchers) watcher.write(line);
  }

  #answer(request: IncomingMessage, response: ServerResponse): unknown {
    const url = new URL(request.url ?? "", "http://test");
    const { method = "" } = request;
    this.requests.push({ method, path: url.pathname, query: url.searchParams });
    const send = (status: number, body: object) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    const fail = (code: number, reason: string) =>
      send(code, { kind: "Status", code, reason, message: reason });
    if (this.refuse !== undefined) return fail(this.refuse, `refused with ${this.refuse}`);
    if (url.pathname.endsWith("/events") && method === "POST") {
      let text = "";
      request.on("data", (chunk) => {
        text += chunk;
      });
      request.on("end", () => {
        const event = JSON.parse(text);
        if (this.events.has(event.metadata.name)) return fail(409, "AlreadyExists");
        this.events.set(event.metadata.name, event);
        return send(201, event);
      });
      return undefined;
    }
    if (method === "PATCH") {
      this.patched.push(url.pathname);
      return send(200, {});
    }
    if (url.pathname !== "/api/v1/pods") return fail(404, "NotFound");
    if (url.searchParams.get("watch") === "true")
      return this.#serveWatch(url.searchParams, request, response);
    const items = [...this.#pods.values()];
    const limit = Number(url.searchParams.get("limit"));
    const from = Number(url.searchParams.get("continue") ?? 0);
    const more = from + limit < items.length ? String(from + limit) : undefined;
    return send(200, {
      kind: "PodList",
      metadata: { resourceVersion: String(this.#version), ...(more ? { continue: more } : {}) },
      items: items.slice(from, from + limit),
    });
  }

  #serveWatch(query: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const from = Number(query.get("resourceVersion"));
    if (from < this.#oldest) {
      const object = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" };
      response.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
      return;
    }
    if (this.silent) return;
    for (const { version, line } of this.#log) if (version > from) response.write(line);
    this.#watchers.add(response);
    request.on("close", () => this.#watchers.delete(response));
    response.on("close", () => this.#watchers.delete(response));
  }
}
