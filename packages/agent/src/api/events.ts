import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { keyOf, type Pod } from "../pods/pod.js";
import type { WrongAnnotation } from "../pods/wanted.js";
import { Backoff } from "./backoff.js";
import { type ApiClient, ApiError } from "./client.js";

/** How many events wait for an API server that is away; more than a node can need. */
const MAX_WAITING = 500;

const TRIES = 20;

/**
 * Writes Warning events onto pods whose annotations are wrong: one for each wrong value. The event's name is made of the
 * pod and the value, so that the server itself refuses a second one, also from an agent that was started anew.
 */
export class EventWriter {
  readonly #client: ApiClient;
  readonly #nodeName: string;
  readonly #log: Logger;
  readonly #written = new Set<string>();
  readonly #waiting: { pod: Pod; wrong: WrongAnnotation; name: string }[] = [];
  #writing = false;
  #closed = false;

  constructor(client: ApiClient, nodeName: string, log: Logger) {
    this.#client = client;
    this.#nodeName = nodeName;
    this.#log = log;
  }

  /** Says once that an annotation is wrong. @returns whether that is new */
  warn(pod: Pod, wrong: WrongAnnotation): boolean {
    const name = eventName(pod, wrong);
    if (this.#written.has(name)) return false;
    this.#written.add(name);
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push({ pod, wrong, name });
    if (!this.#writing) void this.#write();
    return true;
  }

  /** Forgets what was said of a pod that is gone. */
  forget(pod: Pod): void {
    for (const name of this.#written) if (name.startsWith(`${prefix(pod)}.`)) this.#written.delete(name);
  }

  /** Ends it; what waits is not written any more. */
  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
  }

  async #write(): Promise<void> {
    this.#writing = true;
    const backoff = new Backoff(1_000, 60_000);
    while (!this.#closed) {
      const [first] = this.#waiting;
      if (!first) break;
      try {
        await this.#post(first);
        backoff.reset();
      } catch (error) {
        const { status = 0, message } = error as ApiError;
        // What is refused today is refused tomorrow; what could not be asked is asked again.
        const isFinal = status >= 400 && status < 500 && status !== 429;
        if (!isFinal && backoff.failures < TRIES) {
          await sleep(backoff.next(), undefined, { ref: false });
          continue;
        }
        this.#log.warn({ pod: keyOf(first.pod) }, `no event could be written: ${message}`);
        backoff.reset();
      }
      this.#waiting.shift();
    }
    this.#writing = false;
  }

  async #post({ pod, wrong, name }: { pod: Pod; wrong: WrongAnnotation; name: string }): Promise<void> {
    const folder = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/events`;
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    try {
      await this.#client.post(folder, {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name, namespace: pod.namespace },
        involvedObject: {
          apiVersion: "v1",
          kind: "Pod",
          namespace: pod.namespace,
          name: pod.name,
          uid: pod.uid,
        },
        type: "Warning",
        reason: "InvalidBandwidth",
        message: `The annotation ${wrong.annotation} changes nothing: ${wrong.message}`.slice(0, 1024),
        source: { component: "weir-agent", host: this.#nodeName },
        reportingComponent: "weir-agent",
        reportingInstance: this.#nodeName,
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      });
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error;
      await this.#client.patch(`${folder}/${encodeURIComponent(name)}`, { lastTimestamp: now });
    }
  }
}

function eventName(pod: Pod, { annotation, value }: WrongAnnotation): string {
  const hash = createHash("sha256").update(`${annotation}\0${value}`).digest("hex").slice(0, 16);
  return `${prefix(pod)}.${hash}`;
}

/** A name is at most 253 characters long, and a pod's can be as long. */
function prefix({ name, uid }: Pod): string {
  return `${name.slice(0, 180).replace(/[.-]+$/, "")}.${uid.slice(0, 36)}`.toLowerCase();
}
