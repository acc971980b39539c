import type { BpfProgram } from "@weir/bpf-loader";
import { formatHandle, isFilterKind, type Link, type Rtnetlink } from "@weir/netlink";
import { ShaperError } from "./errors.js";
import { withModule } from "./kernel-module.js";
import { EGRESS_PRIORITY, FILTER_HANDLE, FILTER_NAME, FQ_HANDLE, FQ_OPTIONS } from "./names.js";
import { type Problem, repairable } from "./problem.js";
import type { FoundQdisc } from "./records.js";

/** Qdiscs without classes, whose options the kernel takes back as it gave them: net/sched/sch_*.c. */
const restorable = new Set(["bfifo", "cake", "codel", "fq", "fq_codel", "pfifo"]);

/**
 * What stands at a device's root and would be lost. A default qdisc (handle 0) comes back by itself.
 * @throws ShaperError CONFLICT for one that could not be given back
 */
export function findRoot(rt: Rtnetlink, link: Link): FoundQdisc | undefined {
  const root = rt.qdiscs.find(link.index);
  if (!root || root.handle === 0 || root.handle === FQ_HANDLE) return undefined;
  if (!restorable.has(root.kind)) {
    throw new ShaperError(
      "CONFLICT",
      `the device ${link.name} has a ${root.kind} qdisc of its own at its root (handle ${formatHandle(root.handle)}), which shaping would destroy`,
      { remedy: `If nothing needs it, remove it: tc qdisc del dev ${link.name} root` },
    );
  }
  const options = root.rawOptions && Buffer.from(root.rawOptions).toString("base64");
  return { kind: root.kind, handle: root.handle, ...(options === undefined ? {} : { options }) };
}

/** Whether a device has a clsact qdisc. @throws ShaperError CONFLICT where an ingress qdisc is in its place */
export function findClsact(rt: Rtnetlink, link: Link): boolean {
  const qdisc = rt.qdiscs.find(link.index, "clsact");
  if (qdisc?.kind === "ingress") {
    throw new ShaperError(
      "CONFLICT",
      `the device ${link.name} has an ingress qdisc, which leaves no room for clsact`,
      { remedy: `If nothing needs it, remove it: tc qdisc del dev ${link.name} ingress` },
    );
  }
  return qdisc !== undefined;
}

/** Adds a clsact qdisc where there is none. @throws ShaperError CONFLICT where an ingress qdisc is in its place */
export function ensureClsact(rt: Rtnetlink, link: Link): void {
  try {
    withModule("sch_ingress", "clsact qdisc", () => rt.qdiscs.add({ index: link.index, kind: "clsact" }));
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
    findClsact(rt, link);
  }
}

/**
 * Makes everything that leaves a device wait for its departure time: fq at the root first, so that no stamp is ever
 * without a qdisc that honours it, then the filter that stamps.
 * @param entry the map entry, which the program gets as the filter's classid
 */
export function stampEgress(rt: Rtnetlink, link: Link, program: BpfProgram, entry: number): void {
  ensureClsact(rt, link);
  const root = { index: link.index, parent: "root", handle: FQ_HANDLE } as const;
  withModule("sch_fq", "fq qdisc", () => rt.qdiscs.replace({ ...root, kind: "fq", options: FQ_OPTIONS }));
  const place = { index: link.index, parent: "egress", priority: EGRESS_PRIORITY } as const;
  for (const filter of rt.filters.dump(place)) {
    if (isFilterKind(filter, "bpf") && filter.protocol === "all") continue;
    throw new ShaperError(
      "CONFLICT",
      `the device ${link.name} has a ${filter.kind} filter at clsact egress with priority ${EGRESS_PRIORITY}, which is weir's`,
      { remedy: "Give that filter a higher number." },
    );
  }
  const options = { fd: program.fd, name: FILTER_NAME, classid: entry };
  withModule("cls_bpf", "bpf filter", () =>
    rt.filters.replace({ ...place, kind: "bpf", handle: FILTER_HANDLE, options }),
  );
}

/** Takes the stamping filter and the fq qdisc away, and gives the device the root qdisc that it had. */
export function unstampEgress(
  rt: Rtnetlink,
  ifindex: number,
  entry: number,
  found: FoundQdisc | undefined,
): void {
  const place = { index: ifindex, parent: "egress", priority: EGRESS_PRIORITY } as const;
  for (const filter of rt.filters.dump(place)) {
    if (
      isFilterKind(filter, "bpf") &&
      filter.options?.classid === entry &&
      filter.options.name === FILTER_NAME
    ) {
      rt.filters.removeIfPresent({ ...place, handle: filter.handle, kind: "bpf" });
    }
  }
  if (rt.qdiscs.find(ifindex)?.handle !== FQ_HANDLE) return;
  if (found) {
    const rawOptions =
      found.options === undefined ? undefined : new Uint8Array(Buffer.from(found.options, "base64"));
    rt.qdiscs.replace({
      index: ifindex,
      parent: "root",
      kind: found.kind,
      handle: found.handle,
      ...(rawOptions ? { rawOptions } : {}),
    });
  } else {
    rt.qdiscs.removeIfPresent({ index: ifindex, parent: "root" });
  }
}

/** Says what is missing for a device's packets to be stamped and held. */
export function checkEgress(
  rt: Rtnetlink,
  link: Link,
  program: BpfProgram | undefined,
  entry: number,
): Problem[] {
  const problems: Problem[] = [];
  const root = rt.qdiscs.find(link.index);
  if (root?.kind !== "fq") {
    problems.push(
      repairable(
        "FQ_MISSING",
        `${link.name} has a ${root?.kind ?? "missing"} root qdisc in place of fq: nothing holds packets back`,
      ),
    );
  }
  let ours = false;
  for (const filter of rt.filters.dump({ index: link.index, parent: "egress" })) {
    if (
      isFilterKind(filter, "bpf") &&
      filter.options?.name === FILTER_NAME &&
      filter.priority === EGRESS_PRIORITY
    ) {
      ours = true;
      if (filter.options.classid !== entry) {
        problems.push(
          repairable(
            "FILTER_ENTRY",
            `the filter of ${link.name} uses map entry ${filter.options.classid}, not ${entry}`,
          ),
        );
      } else if (program && filter.options.id !== program.info.id) {
        problems.push(
          repairable(
            "FILTER_PROGRAM",
            `the filter of ${link.name} runs program ${filter.options.id}, not the pinned ${program.info.id}`,
          ),
        );
      }
    } else if (!ours) {
      problems.push({
        code: "FILTER_BEFORE",
        message: `a ${filter.kind} filter of another program runs before weir's on ${link.name}: what it accepts may not be shaped`,
        remedy: `Look at it: tc filter show dev ${link.name} egress`,
      });
    }
  }
  if (!ours)
    problems.push(repairable("FILTER_MISSING", `${link.name} has no filter that stamps its packets`));
  return problems;
}
