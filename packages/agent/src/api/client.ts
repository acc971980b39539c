import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";

/** How long a request other than a watch may take, from the connection to the last byte. */
const REQUEST_MS = 30_000;

/** The largest answer that is read: a node's pods are far less. */
const MAX_ANSWER_BYTES = 64 << 20;

/** An answer of the API server that is no success. */
export class ApiError extends Error {
  override name = "ApiError";
  /** The HTTP status; 0 where the answer was none. */
  readonly status: number;
  /** Kubernetes' own word for it, such as Expired. */
  readonly reason: string | undefined;

  constructor(status: number, message: string, reason?: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** What is asked for beside the path. */
export interface ApiQuery {
  [name: string]: string | number | boolean | undefined;
}

/**
 * The Kubernetes API as the agent needs it. Credentials are the client library's business; they are asked for with each
 * request, as tokens and certificates are replaced while the agent runs. Requests are made here, since a connection
 * that falls silent must be given up at every stage.
 */
export class ApiClient {
  readonly #config: KubeConfig;

  /** @param config how to reach the server, and as whom */
  constructor(config: KubeConfig) {
    this.#config = config;
  }

  /**
   * @param kubeconfig a kubeconfig file; without one, the pod's service account
   * @throws Error in one sentence where neither is there
   */
  static open(kubeconfig?: string): ApiClient {
    const config = new KubeConfig();
    if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
    else {
      if (!process.env.KUBERNETES_SERVICE_HOST) {
        throw new Error(
          "this is no pod of a cluster, so --kubeconfig (or KUBECONFIG) must say how to reach the API server",
        );
      }
      config.loadFromCluster();
    }
    if (!config.getCurrentCluster())
      throw new Error(`the kubeconfig ${kubeconfig ?? ""} names no current cluster`);
    return new ApiClient(config);
  }

  /** The server's address. */
  get server(): string {
    return this.#config.getCurrentCluster()?.server ?? "";
  }

  /** GET; gives the decoded JSON. @throws ApiError, and what the connection says */
  get(path: string, query: ApiQuery = {}): Promise<unknown> {
    return this.#whole("GET", path, query);
  }

  /** POST of JSON; gives the decoded answer. @throws ApiError, and what the connection says */
  post(path: string, body: unknown): Promise<unknown> {
    return this.#whole("POST", path, {}, body, "application/json");
  }

  /** A JSON merge patch; gives the decoded answer. @throws ApiError, and what the connection says */
  patch(path: string, body: unknown): Promise<unknown> {
    return this.#whole("PATCH", path, {}, body, "application/merge-patch+json");
  }

  /**
   * A GET whose answer does not end: gives the answer once its head has come.
   * @param signal gives the connection up
   * @throws ApiError, and what the connection says
   */
  async stream(path: string, query: ApiQuery, signal: AbortSignal): Promise<IncomingMessage> {
    const answer = await this.#send("GET", path, query, undefined, undefined, signal);
    if (answer.statusCode === 200) return answer;
    throw failure(answer.statusCode, await read(answer));
  }

  async #whole(
    method: string,
    path: string,
    query: ApiQuery,
    body?: unknown,
    type?: string,
  ): Promise<unknown> {
    const answer = await this.#send(method, path, query, body, type, AbortSignal.timeout(REQUEST_MS));
    const text = await read(answer);
    const status = answer.statusCode ?? 0;
    if (status < 200 || status > 299) throw failure(status, text);
    try {
      return JSON.parse(text);
    } catch {
      throw new ApiError(0, `${method} ${path} was answered with something that is no JSON`);
    }
  }

  async #send(
    method: string,
    path: string,
    query: ApiQuery,
    body: unknown,
    type: string | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const url = new URL(this.server + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const text = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      method,
      headers: {
        accept: "application/json",
        "user-agent": "weir-agent",
        ...(text === undefined ? {} : { "content-type": type, "content-length": Buffer.byteLength(text) }),
      },
      signal,
    };
    await this.#config.applyToHTTPSOptions(options);
    const send = url.protocol === "http:" ? httpRequest : httpsRequest;
    return new Promise((resolve, reject) => {
      const request = send(url, options, resolve);
      request.on("error", (error) => reject(describe(error, signal)));
      request.on("socket", (socket) => socket.setKeepAlive(true, 15_000));
      request.end(text);
    });
  }
}

/** Node says of a refused connection to a name with several addresses nothing but "AggregateError". */
function describe(error: Error, signal: AbortSignal): Error {
  if (signal.aborted) return new ApiError(0, "the API server did not answer in time");
  const { errors } = error as AggregateError;
  return error.message === "" && Array.isArray(errors) && errors[0] ? errors[0] : error;
}

async function read(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_ANSWER_BYTES) throw new ApiError(0, `an answer has more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** What an answer that is no success says: a Status object, or whatever a proxy between wrote. */
function failure(status = 0, text: string): ApiError {
  try {
    const { message, reason, code } = JSON.parse(text) as {
      message?: string;
      reason?: string;
      code?: number;
    };
    return new ApiError(code ?? status, message ?? `HTTP ${status}`, reason);
  } catch {
    return new ApiError(status, `HTTP ${status}: ${text.slice(0, 200).trim()}`);
  }
}
