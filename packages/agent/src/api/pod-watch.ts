import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { keyOf, type Pod, podOf } from "../pods/pod.js";
import { Backoff } from "./backoff.js";
import { type ApiClient, ApiError } from "./client.js";

/** How many pods an answer holds at most, so that no answer is large. */
const PAGE = 100;

/** How long the server is asked to keep a watch open, in seconds: at random in between, so that not all end at once. */
const WATCH_SECONDS = [240, 360] as const;

/**
 * How long a watch may be silent. Bookmarks come about once a minute, so one that says nothing for so long has lost its
 * connection; where a server sends none, opening another costs nothing.
 */
const SILENCE_MS = 150_000;

/**
 * A watch that was open for so long has worked, whatever ended it, as has one that told something: tries begin from the
 * shortest delay again. client-go's reflector draws the line there too.
 */
const STABLE_MS = 1_000;

/** Who is told of pods. */
export interface PodListener {
  /** A pod is there, or has changed; `receivedAt` is of performance.now(). */
  present(pod: Pod, receivedAt: number): void;
  /** A pod is not there any more. */
  gone(pod: Pod): void;
  /** All pods that there are have been told, for the first time or after a new list. */
  listed(): void;
}

/** What a {@link PodWatch} watches, and how. */
export interface PodWatchOptions {
  client: ApiClient;
  nodeName: string;
  listener: PodListener;
  log: Logger;
  /** How long a watch may be silent; default 150 s. */
  silenceMs?: number;
  /** For how long a watch that tells nothing must be open to have worked; default 1 s. */
  stableMs?: number;
  /** The delays between tries; default from 0.5 to 30 s. */
  backoff?: Backoff;
}

/**
 * The pods of a node, listed and then watched, for ever: a watch that ends goes on from the last version it told of, one
 * that has expired (410) lists again. No failure ends it, and none makes it forget what it knows.
 */
export class PodWatch {
  /** What is known of the node's pods, by namespace and name. */
  readonly pods = new Map<string, Pod>();
  /** Whether a watch is open. */
  connected = false;
  /** Whether the pods have been listed since the start. */
  synced = false;
  readonly #options: PodWatchOptions;
  readonly #backoff: Backoff;
  readonly #end = new AbortController();
  /** From where on to watch; undefined where a list is due. */
  #version: string | undefined;
  /** Whether the list must not be older than now: what a cache of the server has was too old for a watch. */
  #fresh = false;
  #said: string | undefined;

  constructor(options: PodWatchOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? new Backoff(500, 30_000);
  }

  /** Lists and watches until it is closed. */
  async run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list();
        await this.#watch();
      } catch (error) {
        this.connected = false;
        if (this.#end.signal.aborted) return;
        const { status } = error as ApiError;
        const delay = this.#backoff.next();
        // A version that a server which was restored from a backup has not reached is refused with 400 or 504.
        if (status === 410 || status === 400 || status === 504) {
          const isFirst = status === 410 && !this.#fresh;
          this.#expire(status);
          // At once, but not again and again.
          if (isFirst) continue;
        }
        this.#say((error as Error).message, delay);
        await pause(delay, this.#end.signal);
      }
    }
  }

  /** Ends it. */
  close(): void {
    this.#end.abort();
    this.connected = false;
  }

  async #list(): Promise<void> {
    const { client, listener } = this.#options;
    const found = new Map<string, Pod>();
    let version: string | undefined;
    let next: string | undefined;
    do {
      // Version 0 lets the server answer from its cache, which spares etcd when all nodes come at once.
      const page = (await client.get("/api/v1/pods", {
        ...this.#selector,
        limit: PAGE,
        ...(next === undefined ? (this.#fresh ? {} : { resourceVersion: "0" }) : { continue: next }),
      })) as PodList;
      if (!Array.isArray(page?.items) || typeof page.metadata?.resourceVersion !== "string") {
        throw new ApiError(0, "the API server's list of pods is no list");
      }
      for (const item of page.items) {
        const pod = podOf(item);
        if (pod) found.set(keyOf(pod), pod);
      }
      version = page.metadata.resourceVersion;
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
    const receivedAt = performance.now();
    for (const [key, pod] of [...this.pods]) if (!found.has(key)) this.#remove(pod);
    for (const pod of found.values()) this.#put(pod, receivedAt);
    this.#version = version;
    this.synced = true;
    listener.listed();
  }

  async #watch(): Promise<void> {
    const { client, silenceMs = SILENCE_MS, stableMs = STABLE_MS } = this.#options;
    const [shortest, longest] = WATCH_SECONDS;
    using quiet = new Silence(silenceMs, this.#end.signal);
    const answer = await client.stream(
      "/api/v1/pods",
      {
        ...this.#selector,
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: this.#version,
        timeoutSeconds: Math.round(shortest + Math.random() * (longest - shortest)),
      },
      quiet.signal,
    );
    const openedAt = performance.now();
    this.connected = true;
    if (this.#said !== undefined) this.#options.log.info("the API server answers again");
    this.#said = undefined;
    let told = false;
    const hasWorked = () => told || performance.now() - openedAt >= stableMs;
    // An error of the stream ends the lines; it is thrown after them.
    let broken: Error | undefined;
    answer.on("error", (error) => {
      broken = error;
    });
    const lines = createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY });
    // A connection that is given up has no end.
    answer.on("close", () => lines.close());
    try {
      for await (const line of lines) {
        quiet.heard();
        if (line.trim() === "") continue;
        this.#hear(JSON.parse(line) as WatchEvent);
        told = true;
      }
    } finally {
      answer.destroy();
      this.connected = false;
      if (hasWorked()) this.#backoff.reset();
    }
    if (broken && !this.#end.signal.aborted) throw broken;
    // A server that ends watches at once must not be asked again and again without a pause.
    if (!hasWorked()) throw new ApiError(0, "the API server ends watches at once");
  }

  #hear({ type, object }: WatchEvent): void {
    if (type === "ERROR") {
      const { code = 0, message = "the watch failed", reason } = (object ?? {}) as StatusObject;
      throw new ApiError(reason === "Expired" || reason === "Gone" ? 410 : code, message, reason);
    }
    const version = (object as PodList)?.metadata?.resourceVersion;
    if (typeof version !== "string") throw new ApiError(0, `an event ${type} has no version`);
    if (type !== "BOOKMARK") {
      const pod = podOf(object);
      if (pod && type === "DELETED") this.#remove(pod);
      else if (pod) this.#put(pod, performance.now());
    }
    this.#version = version;
    this.#fresh = false;
  }

  #put(pod: Pod, receivedAt: number): void {
    const key = keyOf(pod);
    const before = this.pods.get(key);
    this.pods.set(key, pod);
    if (before && before.uid !== pod.uid) this.#options.listener.gone(before);
    const isOld = before?.uid === pod.uid && before.resourceVersion === pod.resourceVersion;
    if (!isOld) this.#options.listener.present(pod, receivedAt);
  }

  #remove(pod: Pod): void {
    const key = keyOf(pod);
    const known = this.pods.get(key);
    if (known?.uid !== pod.uid) return;
    this.pods.delete(key);
    this.#options.listener.gone(known);
  }

  #expire(status: number): void {
    if (status === 410) this.#options.log.info("the watch has expired; the pods are listed again");
    this.#fresh = true;
    this.#version = undefined;
  }

  /** One line for each new failure, not for each try. */
  #say(message: string, delayMs: number): void {
    const { log, client } = this.#options;
    if (message !== this.#said) {
      log.warn(
        { server: client.server, retryMs: delayMs },
        `the API server: ${message}; limits stay as they are`,
      );
    } else log.debug({ retryMs: delayMs }, `the API server: ${message}`);
    this.#said = message;
  }

  get #selector(): { fieldSelector: string } {
    return { fieldSelector: `spec.nodeName=${this.#options.nodeName}` };
  }
}

/** A signal that comes where nothing was heard for too long, or when everything ends. */
class Silence implements Disposable {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number, end: AbortSignal) {
    this.signal = AbortSignal.any([this.#controller.signal, end]);
    this.#timer = setTimeout(() => this.#controller.abort(), ms).unref();
  }

  heard(): void {
    this.#timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** Ends early, and without an error, when the signal comes. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => {});
}

interface PodList {
  metadata?: { resourceVersion?: string; continue?: string };
  items?: unknown[];
}
interface StatusObject {
  code?: number;
  message?: string;
  reason?: string;
}
interface WatchEvent {
  type: string;
  object?: unknown;
}
