import { type BpfLink, BpfObject, type LoadedObject, RingBuffer, type TcFilter } from "@weir/bpf-loader";
import type { Link, Rtnetlink } from "@weir/netlink";
import { monotonicNow, type NetworkNamespace } from "@weir/syscall";
import type { GcReport } from "../collection.js";
import { ShaperError } from "../errors.js";
import type { Direction } from "../limits.js";
import { EGRESS_PRIORITY, ifbName } from "../names.js";
import { DEFAULT_STATE_DIRECTORY, type ShaperOptions } from "../options.js";
import { openInside, reopenNamespace } from "../place.js";
import { type AttachmentRecord, RecordStore } from "../records.js";
import { traceObjectBase64 } from "./trace-object.js";

/** The name of the program of bpf/trace.bpf.c, by which tc shows its filters and weir finds them. */
const PROGRAM = "weir_trace";
/** A handle that nobody takes by chance. */
const HANDLE = 0x77e2;
/** Filters behind this priority belong to nobody who would mind one more. */
const LAST_PRIORITY = 0xffff;

/** A packet as it was stamped. */
export interface TraceSample {
  readonly direction: Direction;
  /** How long it will wait, in nanoseconds; 0 where it may leave at once. */
  readonly waitNs: number;
  /** Its bytes on the wire. */
  readonly bytes: number;
}

/** What the program counted since the trace began, both directions together. */
export interface TraceCounts {
  /** Packets that came by. */
  readonly seen: bigint;
  /** Those without a departure time: the limit is not for them. */
  readonly unstamped: bigint;
  /** Samples that were lost, since nobody read them in time. */
  readonly lost: bigint;
}

/** What to trace. */
export interface TraceOptions {
  /** One packet in so many is a sample, by chance; default 1. */
  readonly sampleEvery?: number;
  /**
   * After this many milliseconds the program does nothing any more, should this process have died without taking its
   * filters away; default 60,000.
   */
  readonly lifetimeMs?: number;
}

/**
 * A look at the departure times of an attachment's packets, behind the program that stamps them. The datapath is as it
 * was without one: the program of bpf/trace.bpf.c is attached only while a trace is open. Where a link stamps the
 * packets, it is a link that nothing pins, and ends with the process. Where a filter does, it is a filter, which a
 * process that is killed leaves behind; {@link removeTraces} takes it away, and it does nothing after its lifetime.
 */
export class Trace implements Disposable {
  readonly #loaded: LoadedObject;
  readonly #ring: RingBuffer;
  readonly #links: (BpfLink | TcFilter)[] = [];
  readonly #directions = new Map<number, Direction>();
  #closed = false;
  /** In which filters are removed. */
  readonly #namespace: NetworkNamespace;

  private constructor(namespace: NetworkNamespace, loaded: LoadedObject) {
    this.#namespace = namespace;
    this.#loaded = loaded;
    this.#ring = RingBuffer.open(loaded.map("samples"));
  }

  /**
   * Begins to look.
   * @throws ShaperError NOT_FOUND for an unknown id, NETNS_MISSING and DEVICE_MISSING where what it shaped is gone
   */
  static open(id: string, options: ShaperOptions & TraceOptions = {}): Trace {
    const { stateDirectory = DEFAULT_STATE_DIRECTORY, sampleEvery = 1, lifetimeMs = 60_000 } = options;
    const record = new RecordStore(stateDirectory).get(id);
    const namespace = reopenNamespace(record);
    if (!namespace) {
      throw new ShaperError(
        "NETNS_MISSING",
        `the network namespace ${record.netns} is gone, or is another one now`,
        { remedy: "If the pod is gone: weir gc" },
      );
    }
    let trace: Trace | undefined;
    try {
      using rt = openInside(namespace);
      const devices = stampedDevices(rt, record);
      for (const { index } of devices.values()) removeFrom(rt, index);
      trace = new Trace(namespace, load(sampleEvery, lifetimeMs));
      for (const [direction, { index }] of devices) trace.#attach(rt, direction, index, record.hold === true);
      return trace;
    } catch (error) {
      if (trace) trace.close();
      else namespace.close();
      throw error;
    }
  }

  /** Gives the samples that have come since the last call. There is room for some 10,000: ask ten times a second. */
  read(handler: (sample: TraceSample) => void): void {
    this.#ring.consume(({ data }) => {
      // struct sample of bpf/trace.bpf.c, in the byte order of the object.
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      const direction = this.#directions.get(view.getUint32(8, true));
      const [waitNs, bytes] = [Number(view.getBigUint64(0, true)), view.getUint32(12, true)];
      if (direction) handler({ direction, waitNs, bytes });
    });
  }

  /** What was counted until now. */
  get counts(): TraceCounts {
    const sum = { seen: 0n, unstamped: 0n, lost: 0n };
    const cpus = this.#loaded.map("counts").get(0) as unknown as { [name in keyof TraceCounts]: bigint }[];
    for (const { seen, unstamped, lost } of cpus) {
      sum.seen += seen;
      sum.unstamped += unstamped;
      sum.lost += lost;
    }
    return sum;
  }

  /** Takes the program away; a second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      for (const link of this.#links) link.close();
    } finally {
      this.#ring.close();
      this.#loaded.close();
      this.#namespace.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #attach(rt: Rtnetlink, direction: Direction, ifindex: number, hold: boolean): void {
    const program = this.#loaded.program(PROGRAM);
    // What a pod receives is stamped as it leaves an ifb device.
    const place = { ifindex, direction: "egress", netns: this.#namespace } as const;
    this.#directions.set(ifindex, direction);
    this.#links.push(
      hold
        ? (program.attachTcx({ ...place, after: "all", fallback: false }) as BpfLink)
        : program.attachTc({ ...place, handle: HANDLE, priority: freePriority(rt, ifindex) }),
    );
  }
}

function load(sampleEvery: number, lifetimeMs: number): LoadedObject {
  const object = BpfObject.parse(Buffer.from(traceObjectBase64, "base64"));
  object.variable("sample_every").set(sampleEvery);
  object.variable("until_ns").set(monotonicNow() + BigInt(lifetimeMs) * 1_000_000n);
  return object.load();
}

/**
 * Removes filters of traces whose process died without doing so, from every attachment's devices. A trace that is under
 * way ends.
 * @returns the ids of the attachments that had some, and what could not be removed; it goes on past errors
 */
export function removeTraces({ stateDirectory = DEFAULT_STATE_DIRECTORY }: ShaperOptions = {}): GcReport {
  const report: GcReport = { removed: [], problems: [] };
  const { records } = new RecordStore(stateDirectory).readAll();
  for (const record of records) {
    const { id } = record;
    try {
      if (removeTrace(record)) report.removed.push(id);
    } catch (error) {
      report.problems.push({ id, message: (error as Error).message });
    }
  }
  return report;
}

function removeTrace(record: AttachmentRecord): boolean {
  const namespace = reopenNamespace(record);
  if (!namespace) return false;
  using _namespace = namespace;
  using rt = openInside(namespace);
  let removed = false;
  for (const device of [rt.links.find(record.ifindex), rt.links.find(ifbName(record.ifindex))]) {
    if (device && removeFrom(rt, device.index)) removed = true;
  }
  return removed;
}

function removeFrom(rt: Rtnetlink, index: number): boolean {
  let removed = false;
  for (const { kind, handle, priority, ...filter } of rt.filters.dump({ index, parent: "egress" })) {
    const { name } = (filter.options ?? {}) as { name?: unknown };
    if (kind !== "bpf" || handle !== HANDLE || name !== PROGRAM) continue;
    rt.filters.removeIfPresent({ index, parent: "egress", priority, handle, kind });
    removed = true;
  }
  return removed;
}

/** The devices at whose egress packets are stamped, by direction. */
function stampedDevices(rt: Rtnetlink, { limits, ifindex, device }: AttachmentRecord): Map<Direction, Link> {
  const devices = new Map<Direction, Link>();
  const found = (direction: Direction, link: Link | undefined, name: string) => {
    if (!link) {
      throw new ShaperError("DEVICE_MISSING", `the device ${name} is gone`, {
        remedy: "`weir doctor` says what is damaged; apply the limits again.",
      });
    }
    devices.set(direction, link);
  };
  if (limits.egress) found("egress", rt.links.find(ifindex), device);
  if (limits.ingress) found("ingress", rt.links.find(ifbName(ifindex)), ifbName(ifindex));
  return devices;
}

/** The first priority behind weir's filter that nobody else has. */
function freePriority(rt: Rtnetlink, index: number): number {
  const taken = new Set([...rt.filters.dump({ index, parent: "egress" })].map(({ priority }) => priority));
  for (let priority = EGRESS_PRIORITY + 1; priority <= LAST_PRIORITY; priority++) {
    if (!taken.has(priority)) return priority;
  }
  throw new ShaperError("CONFLICT", `every priority of filters of device ${index} is taken`);
}
