import { formatHandle, type Link, type Qdisc, type Rtnetlink } from "@weir/netlink";
import { ShaperError } from "./errors.js";
import { FQ_HANDLE } from "./names.js";
import type { FoundQdisc } from "./records.js";

/** Qdiscs without classes, whose options the kernel takes back as it gave them: net/sched/sch_*.c. */
const restorable = new Set(["bfifo", "cake", "codel", "fq", "fq_codel", "pfifo"]);

/** One qdisc for each of a device's queues, as classes 1 and on: net/sched/sch_mq.c. */
const MULTIQUEUE = "mq";

/**
 * What stands at a device's root and would be lost. A default qdisc (handle 0) comes back by itself, mq with its queues'
 * included.
 * @throws ShaperError CONFLICT for one that could not be given back
 */
export function findRoot(rt: Rtnetlink, link: Link): FoundQdisc | undefined {
  const root = rt.qdiscs.find(link.index);
  if (!root || root.handle === 0 || root.handle === FQ_HANDLE) return undefined;
  if (root.kind !== MULTIQUEUE) return described(link, root, "at its root");
  const queues = [...rt.qdiscs.dump({ index: link.index })]
    .filter(({ parent, handle }) => major(parent) === major(root.handle) && handle !== 0)
    .map((child) => ({
      queue: child.parent & 0xffff,
      ...described(link, child, `at its queue ${child.parent & 0xffff}`),
    }))
    .sort((a, b) => a.queue - b.queue);
  return { kind: root.kind, handle: root.handle, ...(queues.length > 0 ? { queues } : {}) };
}

/** Puts what was found at a device's root in the place of weir's qdisc; where nothing was, the kernel's default. */
export function restoreRoot(rt: Rtnetlink, ifindex: number, found: FoundQdisc | undefined): void {
  if (!found) {
    rt.qdiscs.removeIfPresent({ index: ifindex, parent: "root" });
    return;
  }
  rt.qdiscs.replace({ index: ifindex, parent: "root", ...request(found) });
  for (const { queue, ...child } of found.queues ?? []) {
    rt.qdiscs.replace({ index: ifindex, parent: found.handle + queue, ...request(child) });
  }
}

function described(link: Link, qdisc: Qdisc, where: string): FoundQdisc {
  const { kind, handle, rawOptions } = qdisc;
  if (!restorable.has(kind)) {
    throw new ShaperError(
      "CONFLICT",
      `the device ${link.name} has a ${kind} qdisc of its own ${where} (handle ${formatHandle(handle)}), which shaping would destroy`,
      { remedy: `If nothing needs it, remove it: tc qdisc del dev ${link.name} root` },
    );
  }
  const options = rawOptions && Buffer.from(rawOptions).toString("base64");
  return { kind, handle, ...(options === undefined ? {} : { options }) };
}

function request({ kind, handle, options }: FoundQdisc) {
  const rawOptions = options === undefined ? undefined : new Uint8Array(Buffer.from(options, "base64"));
  return { kind, handle, ...(rawOptions ? { rawOptions } : {}) };
}

const major = (handle: number) => handle >>> 16;
