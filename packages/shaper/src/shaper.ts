import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Link, Rtnetlink } from "@weir/netlink";
import { FileLock, NetworkNamespace, SystemError } from "@weir/syscall";
import { type Attachment, validateAttachment, validateId } from "./attachment.js";
import { type Counters, Datapath, findSlot, ownerOf, requireBpffs } from "./datapath.js";
import { checkEgress, findClsact, findRoot, stampEgress, unstampEgress } from "./egress.js";
import { ShaperError } from "./errors.js";
import { checkIngress, removeIfb, stampIngress, unstampIngress } from "./ingress.js";
import { type Direction, directions, horizonNs, type Limit, type Limits, validateLimits } from "./limits.js";
import { entryOf } from "./names.js";
import { type Problem, repairable } from "./problem.js";
import { type AttachmentRecord, RecordStore } from "./records.js";

/** Where a shaper keeps its state. */
export interface ShaperOptions {
  /** Where the BPF filesystem is mounted; default /sys/fs/bpf. */
  bpffs?: string;
  /** The folder of records and of the lock; default /run/weir. It must not survive a reboot. */
  stateDirectory?: string;
  /** How long to wait for another process that is changing an attachment; default 10,000. */
  lockTimeoutMs?: number;
}

/** One direction of an attachment: its limit and what was counted. */
export interface DirectionState extends Counters {
  bitsPerSecond: bigint;
  /** How long a packet may wait before it is dropped instead. */
  horizonNs: bigint;
}

/** What {@link Shaper.inspect} found. */
export interface Inspection {
  attachment: Attachment;
  limits: Limits;
  /** Whether the kernel holds all that the record says. */
  healthy: boolean;
  problems: Problem[];
  egress?: DirectionState;
  ingress?: DirectionState;
}

/** What {@link Shaper.gc} did. */
export interface GcReport {
  /** Ids of attachments, and names of leftovers, that were removed. */
  removed: string[];
  /** What could not be removed, and why. */
  problems: { id: string; message: string }[];
}

/**
 * Shapes network devices inside network namespaces.
 *
 * The truth is in the kernel: pinned maps, qdiscs and filters, which work on when no process of weir's is left. A
 * record on disk says what each attachment should be; every operation writes it before it touches the kernel, so that
 * the next `apply`, `remove` or `gc` can finish or undo what a crash left half done. All methods are synchronous, and
 * a lock on the state folder keeps several processes apart.
 */
export class Shaper implements Disposable {
  readonly #bpffs: string;
  readonly #stateDirectory: string;
  readonly #lockTimeoutMs: number;
  readonly #records: RecordStore;
  #datapath: Datapath | undefined;

  private constructor(options: ShaperOptions) {
    this.#bpffs = options.bpffs ?? "/sys/fs/bpf";
    this.#stateDirectory = options.stateDirectory ?? "/run/weir";
    this.#lockTimeoutMs = options.lockTimeoutMs ?? 10_000;
    this.#records = new RecordStore(this.#stateDirectory);
  }

  /** Makes a shaper. Nothing is opened or loaded before it is needed. */
  static open(options: ShaperOptions = {}): Shaper {
    return new Shaper(options);
  }

  /** The folder on the BPF filesystem that holds the pinned program and maps. */
  get pinFolder(): string {
    return join(this.#bpffs, "weir");
  }

  /**
   * Limits a device. Calling it again changes the limits in place, without losing a packet; a direction that is left
   * out is no longer limited, and without any limit the attachment is removed. Where it fails, everything is as it was.
   * @throws ShaperError; SystemError and NetlinkError where the kernel refuses something unexpectedly
   */
  apply(attachment: Attachment, limits: Limits): void {
    validateAttachment(attachment);
    validateLimits(limits);
    if (!limits.egress && !limits.ingress) {
      this.remove(attachment.id);
      return;
    }
    requireBpffs(this.#bpffs);
    using _lock = this.#lock();
    using namespace = openNamespace(attachment.netns);
    using rt = Rtnetlink.open({ netns: namespace });
    const link = findDevice(rt, attachment);
    const identity = identityOf(namespace);

    let known = this.#records.read(attachment.id);
    if (known && (known.namespace !== identity || known.ifindex !== link.index)) {
      // The id was used for another device before, of which something may be left.
      this.#takeAway(known);
      known = undefined;
    }
    const datapath = this.#openDatapath();
    if (known) this.#change(rt, link, datapath, known, attachment, limits);
    else this.#create(rt, link, datapath, identity, attachment, limits);
  }

  /**
   * Takes an attachment's limits away and leaves the device as it was found. It succeeds as well where the namespace or
   * the device is gone.
   * @returns false where nothing was known under the id
   */
  remove(id: string): boolean {
    validateId(id);
    // Without a record there is nothing to do, and no reason to make a folder for the lock.
    if (!this.#records.exists(id)) return false;
    using _lock = this.#lock();
    const record = this.#records.read(id);
    if (!record) return false;
    this.#takeAway(record);
    return true;
  }

  /** Compares what the kernel has with what the record says. @throws ShaperError NOT_FOUND for an unknown id */
  inspect(id: string): Inspection {
    validateId(id);
    const record = this.#records.read(id);
    if (!record) throw new ShaperError("NOT_FOUND", `nothing is known of the attachment ${id}`);
    const { netns, device, limits } = record;
    const inspection: Inspection = {
      attachment: { id, netns, device },
      limits,
      healthy: false,
      problems: [],
    };
    const { problems } = inspection;
    if (record.state !== "active") {
      problems.push(repairable("UNFINISHED", `${id}: an operation (${record.state}) was cut short`));
    }
    const datapath = this.#existingDatapath();
    if (!datapath) {
      problems.push(repairable("PINS_MISSING", `the pinned program or maps in ${this.pinFolder} are gone`));
    }
    for (const direction of directions) {
      const limit = limits[direction];
      if (limit && datapath)
        inspection[direction] = this.#direction(datapath, record, direction, limit, problems);
    }
    problems.push(...this.#inspectDevice(record, datapath));
    inspection.healthy = problems.length === 0;
    return inspection;
  }

  /** Every attachment that has a record, damaged ones left out, by id. */
  list(): AttachmentRecord[] {
    return this.#records.readAll().records;
  }

  /**
   * Removes what belongs to nobody: attachments whose namespace or device is gone, or which are not among the valid
   * ones; operations that were cut short; map entries without a record; damaged records. It goes on past errors.
   * @param valid ids to keep; undefined keeps every one whose device is there
   */
  gc(valid?: ReadonlySet<string>): GcReport {
    const report: GcReport = { removed: [], problems: [] };
    const attempt = (id: string, work: () => void) => {
      try {
        work();
        report.removed.push(id);
      } catch (error) {
        report.problems.push({ id, message: (error as Error).message });
      }
    };
    if (!this.#records.present() && !this.#existingDatapath()) return report;
    using _lock = this.#lock();
    const { records, damaged } = this.#records.readAll();
    const kept: AttachmentRecord[] = [];
    for (const record of records) {
      const stale =
        (valid && !valid.has(record.id)) || record.state === "applying" || record.state === "removing";
      if (stale || !deviceExists(record)) attempt(record.id, () => this.#takeAway(record));
      else kept.push(record);
    }
    for (const { file } of damaged) attempt(file, () => this.#records.removeFile(file));
    for (const file of this.#records.leftovers()) attempt(file, () => this.#records.removeFile(file));
    const datapath = this.#existingDatapath();
    if (datapath) {
      const owned = new Set(
        kept.flatMap(({ slot }) => directions.map((direction) => entryOf(slot, direction))),
      );
      for (const entry of datapath.takenEntries()) {
        if (!owned.has(entry)) attempt(`map entry ${entry}`, () => datapath.free(entry));
      }
    }
    return report;
  }

  /** Closes what was opened. What is shaped stays shaped. */
  close(): void {
    this.#datapath?.close();
    this.#datapath = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #create(
    rt: Rtnetlink,
    link: Link,
    datapath: Datapath,
    namespace: string,
    attachment: Attachment,
    limits: Limits,
  ): void {
    const found: AttachmentRecord["found"] = { clsact: findClsact(rt, link) };
    if (limits.egress) {
      const root = findRoot(rt, link);
      if (root) found.root = root;
    }
    const owner = ownerOf(attachment.id);
    const slot = findSlot(datapath, owner);
    const record: AttachmentRecord = {
      ...attachment,
      ifindex: link.index,
      namespace,
      slot,
      limits,
      state: "applying",
      found,
      createdAt: new Date().toISOString(),
    };
    // The entries are taken before the record is written: a crash in between leaves an entry that gc frees, where the
    // other order could give one slot to two attachments.
    for (const direction of directions) datapath.take(entryOf(slot, direction), owner);
    try {
      this.#records.write(record);
      this.#enforce(rt, link, datapath, record, limits);
      this.#records.write({ ...record, state: "active" });
    } catch (error) {
      undo(error, () => this.#takeAway(record));
      throw error;
    }
  }

  #change(
    rt: Rtnetlink,
    link: Link,
    datapath: Datapath,
    known: AttachmentRecord,
    attachment: Attachment,
    limits: Limits,
  ): void {
    const found = { ...known.found };
    // What stands at the root now was not weir's to replace until now.
    if (limits.egress && !known.limits.egress) {
      const root = findRoot(rt, link);
      if (root) found.root = root;
    }
    const record: AttachmentRecord = { ...known, ...attachment, found, limits, state: "changing" };
    try {
      this.#records.write(record);
      this.#enforce(rt, link, datapath, record, known.limits);
      this.#records.write({ ...record, state: "active" });
    } catch (error) {
      undo(error, () => {
        this.#enforce(rt, link, datapath, known, limits);
        this.#records.write(known);
      });
      throw error;
    }
  }

  /** Makes the kernel hold a record's limits, whatever it holds of them already. */
  #enforce(rt: Rtnetlink, link: Link, datapath: Datapath, record: AttachmentRecord, before: Limits): void {
    const { slot, limits, found, id } = record;
    const owner = ownerOf(id);
    for (const direction of directions) datapath.setLimit(entryOf(slot, direction), limits[direction], owner);
    const egress = entryOf(slot, "egress");
    const ingress = entryOf(slot, "ingress");
    if (limits.egress) {
      if (needsWork(checkEgress(rt, link, datapath.program, egress))) {
        stampEgress(rt, link, datapath.program, egress);
      }
    } else if (before.egress) {
      unstampEgress(rt, link.index, egress, found.root);
    }
    if (limits.ingress) {
      if (needsWork(checkIngress(rt, link, datapath.program, ingress))) {
        stampIngress(rt, link, datapath.program, ingress);
      }
    } else if (before.ingress) {
      unstampIngress(rt, link.index);
    }
  }

  /** Removes an attachment from the kernel and then its record; called with the lock held. */
  #takeAway(record: AttachmentRecord): void {
    if (record.state !== "removing" && this.#records.exists(record.id)) {
      this.#records.write({ ...record, state: "removing" });
    }
    const namespace = reopenNamespace(record);
    if (namespace) {
      using _namespace = namespace;
      using rt = Rtnetlink.open({ netns: namespace });
      removeIfb(rt, record.ifindex);
      const link = rt.links.find(record.ifindex);
      if (link) {
        unstampIngress(rt, link.index);
        unstampEgress(rt, link.index, entryOf(record.slot, "egress"), record.found.root);
        if (!record.found.clsact && isUnused(rt, link.index)) {
          rt.qdiscs.removeIfPresent({ index: link.index, parent: "clsact", kind: "clsact" });
        }
      }
    }
    const datapath = this.#existingDatapath();
    if (datapath) {
      const owner = ownerOf(record.id);
      for (const direction of directions) {
        const entry = entryOf(record.slot, direction);
        if (datapath.limit(entry).owner === owner) datapath.free(entry);
      }
    }
    this.#records.remove(record.id);
  }

  #direction(
    datapath: Datapath,
    record: AttachmentRecord,
    direction: Direction,
    limit: Limit,
    problems: Problem[],
  ): DirectionState {
    const entry = entryOf(record.slot, direction);
    const actual = datapath.limit(entry);
    if (actual.owner !== ownerOf(record.id)) {
      problems.push(repairable("ENTRY_LOST", `map entry ${entry} is not ${record.id}'s any more`));
    } else if (actual.bitsPerSecond !== limit.bitsPerSecond) {
      problems.push(
        repairable(
          "LIMIT_DIFFERS",
          `the ${direction} limit in the kernel is ${actual.bitsPerSecond} bit/s, not ${limit.bitsPerSecond}`,
        ),
      );
    }
    return { bitsPerSecond: limit.bitsPerSecond, horizonNs: horizonNs(limit), ...datapath.counters(entry) };
  }

  #inspectDevice(record: AttachmentRecord, datapath: Datapath | undefined): Problem[] {
    const gone = { remedy: "If the pod is gone: weir gc" };
    const namespace = reopenNamespace(record);
    if (!namespace) {
      const message = `the network namespace ${record.netns} is gone, or is another one now`;
      return [{ code: "NETNS_MISSING", message, ...gone }];
    }
    using _namespace = namespace;
    using rt = Rtnetlink.open({ netns: namespace });
    const link = rt.links.find(record.ifindex);
    if (!link) {
      return [
        {
          code: "DEVICE_MISSING",
          message: `the device ${record.device} (index ${record.ifindex}) is gone`,
          ...gone,
        },
      ];
    }
    const problems: Problem[] = [];
    if (!link.up) {
      problems.push({
        code: "DEVICE_DOWN",
        message: `the device ${link.name} is down`,
        remedy: `ip link set ${link.name} up, inside the pod`,
      });
    }
    const program = datapath?.program;
    if (record.limits.egress)
      problems.push(...checkEgress(rt, link, program, entryOf(record.slot, "egress")));
    if (record.limits.ingress)
      problems.push(...checkIngress(rt, link, program, entryOf(record.slot, "ingress")));
    return problems;
  }

  #lock(): FileLock {
    try {
      mkdirSync(this.#stateDirectory, { recursive: true, mode: 0o755 });
      return FileLock.acquire(join(this.#stateDirectory, "lock"), { timeoutMs: this.#lockTimeoutMs });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (error instanceof SystemError && code === "EAGAIN") {
        throw new ShaperError(
          "BUSY",
          `another process has been changing attachments for ${this.#lockTimeoutMs} ms`,
          {
            remedy: `Try again; if it lasts, see who holds it: fuser -v ${join(this.#stateDirectory, "lock")}`,
            cause: error,
          },
        );
      }
      if (code === "EACCES" || code === "EPERM") {
        throw new ShaperError("NOT_PERMITTED", `may not write to ${this.#stateDirectory}`, {
          remedy: "Run as root.",
          cause: error,
        });
      }
      throw new ShaperError(
        "STATE",
        `could not prepare the state folder ${this.#stateDirectory}: ${message}`,
        {
          cause: error,
        },
      );
    }
  }

  #existingDatapath(): Datapath | undefined {
    this.#datapath ??= Datapath.open(this.pinFolder);
    return this.#datapath;
  }

  /** Opens the pinned program, or loads it; called with the lock held. */
  #openDatapath(): Datapath {
    const existing = this.#existingDatapath();
    if (existing) return existing;
    const datapath = Datapath.load(this.#bpffs, this.pinFolder);
    this.#datapath = datapath;
    // New maps know nothing of attachments that were made with maps that are lost.
    for (const { id, slot, limits } of this.#records.readAll().records) {
      for (const direction of directions) {
        const entry = entryOf(slot, direction);
        if (datapath.limit(entry).owner === 0n) datapath.setLimit(entry, limits[direction], ownerOf(id));
      }
    }
    return datapath;
  }
}

function openNamespace(path: string): NetworkNamespace {
  try {
    return NetworkNamespace.open(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EPERM" || code === "EACCES") {
      throw new ShaperError("NOT_PERMITTED", `may not enter the network namespace ${path}`, {
        remedy: "Run as root (it takes CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_BPF).",
        cause: error,
      });
    }
    const what =
      code === "ENOENT" || code === "ENOTDIR"
        ? "there is no network namespace at"
        : "this is no network namespace:";
    throw new ShaperError("NETNS_MISSING", `${what} ${path}`, {
      remedy: "Was the pod deleted, or the path mistyped? `ip netns` lists the named ones.",
      cause: error,
    });
  }
}

/** The record's namespace, or undefined where it is gone or its path names another one now. */
function reopenNamespace(record: AttachmentRecord): NetworkNamespace | undefined {
  let namespace: NetworkNamespace;
  try {
    namespace = NetworkNamespace.open(record.netns);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EINVAL") return undefined;
    throw error;
  }
  if (identityOf(namespace) === record.namespace) return namespace;
  namespace.close();
  return undefined;
}

function identityOf({ identity }: NetworkNamespace): string {
  return `${identity.device}:${identity.inode}`;
}

function deviceExists(record: AttachmentRecord): boolean {
  const namespace = reopenNamespace(record);
  if (!namespace) return false;
  using _namespace = namespace;
  using rt = Rtnetlink.open({ netns: namespace });
  return rt.links.find(record.ifindex) !== undefined;
}

function findDevice(rt: Rtnetlink, { device, netns }: Attachment): Link {
  const link = rt.links.find(device);
  if (!link) {
    const names = [...rt.links.dump({ skipStats: true })].map(({ name }) => name);
    throw new ShaperError("DEVICE_MISSING", `there is no device ${device} in ${netns}`, {
      remedy: `It has ${names.join(", ")}.`,
    });
  }
  if (!link.up) {
    throw new ShaperError("DEVICE_DOWN", `the device ${device} in ${netns} is down`, {
      remedy: `Switch it on first: ip -n NAME link set ${device} up`,
    });
  }
  return link;
}

/** Whether nothing is left on a clsact qdisc that weir made. */
function isUnused(rt: Rtnetlink, index: number): boolean {
  for (const parent of ["egress", "ingress"] as const) {
    for (const _filter of rt.filters.dump({ index, parent })) return false;
  }
  return true;
}

function needsWork(problems: Problem[]): boolean {
  return problems.some(({ code }) => code !== "FILTER_BEFORE");
}

/** Rolls back after a failure; where that fails as well, the first error keeps its place and says so. */
function undo(error: unknown, rollBack: () => void): void {
  try {
    rollBack();
  } catch (second) {
    if (error instanceof Error) {
      error.message += ` (taking back what was done failed as well: ${(second as Error).message}; \`weir gc\` finishes it)`;
    }
  }
}
