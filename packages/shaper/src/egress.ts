import { queryPrograms } from "@weir/bpf-loader";
import { isFilterKind, type Link, type Rtnetlink } from "@weir/netlink";
import { ShaperError } from "./errors.js";
import { withModule } from "./kernel-module.js";
import { EGRESS_PRIORITY, FILTER_HANDLE, FILTER_NAME, FQ_HANDLE, FQ_OPTIONS } from "./names.js";
import { type Problem, repairable } from "./problem.js";
import type { FoundQdisc } from "./records.js";
import { restoreRoot } from "./root-qdisc.js";
import type { Stamp } from "./stamp.js";
import { attachHeld, heldLink, removeHeld } from "./tcx/held-link.js";
import { ProgramSlot } from "./tcx/program-table.js";

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
 * without a qdisc that honours it, then the program that stamps: by a filter, or by a link that the host holds. What
 * stood in the other one's place goes last, so that there is no moment without.
 */
export function stampEgress(rt: Rtnetlink, link: Link, stamp: Stamp): void {
  const { table, pin, netns, entry } = stamp;
  const { index: ifindex } = link;
  const root = { index: ifindex, parent: "root", handle: FQ_HANDLE } as const;
  withModule("sch_fq", "fq qdisc", () => rt.qdiscs.replace({ ...root, kind: "fq", options: FQ_OPTIONS }));
  if (table) {
    const slot = ProgramSlot.shape;
    attachHeld(table, { pin, ifindex, netns, direction: "egress", slot, classid: entry });
    removeFilter(rt, ifindex, entry);
  } else {
    stampByFilter(rt, link, stamp);
    removeHeld(pin);
  }
}

function stampByFilter(rt: Rtnetlink, link: Link, { program, entry }: Stamp): void {
  ensureClsact(rt, link);
  const place = { index: link.index, parent: "egress", priority: EGRESS_PRIORITY } as const;
  for (const filter of rt.filters.dump(place)) {
    if (isFilterKind(filter, "bpf") && filter.protocol === "all") continue;
    throw new ShaperError(
      "CONFLICT",
      `the device ${link.name} has a ${filter.kind} filter at clsact egress with priority ${EGRESS_PRIORITY}, which is weir's`,
      { remedy: "Give that filter a higher number." },
    );
  }
  if (!program) throw new ShaperError("STATE", "the pinned program is gone");
  const options = { fd: program.fd, name: FILTER_NAME, classid: entry };
  withModule("cls_bpf", "bpf filter", () =>
    rt.filters.replace({ ...place, kind: "bpf", handle: FILTER_HANDLE, options }),
  );
}

/**
 * Takes what stamps and the fq qdisc away, and gives the device the root qdisc that it had.
 * @param stamp without an entry, whatever entry weir's filter names
 */
export function unstampEgress(
  rt: Rtnetlink,
  ifindex: number,
  { pin, entry }: Pick<Stamp, "pin"> & { entry?: number | undefined },
  found: FoundQdisc | undefined,
): void {
  removeHeld(pin);
  removeFilter(rt, ifindex, entry);
  if (rt.qdiscs.find(ifindex)?.handle !== FQ_HANDLE) return;
  restoreRoot(rt, ifindex, found);
}

function removeFilter(rt: Rtnetlink, index: number, entry: number | undefined): void {
  const place = { index, parent: "egress", priority: EGRESS_PRIORITY } as const;
  for (const filter of rt.filters.dump(place)) {
    if (
      isFilterKind(filter, "bpf") &&
      (entry === undefined || filter.options?.classid === entry) &&
      filter.options?.name === FILTER_NAME
    ) {
      rt.filters.removeIfPresent({ ...place, handle: filter.handle, kind: "bpf" });
    }
  }
}

/** Says what is missing for a device's packets to be stamped and held. */
export function checkEgress(rt: Rtnetlink, link: Link, stamp: Stamp): Problem[] {
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
  problems.push(...(stamp.table ? checkLink(link, stamp) : checkFilter(rt, link, stamp)));
  return problems;
}

function checkLink(link: Link, { table, program, pin, netns }: Stamp): Problem[] {
  if (program && table?.programId(ProgramSlot.shape) !== program.info.id) {
    return [repairable("LINK_PROGRAM", "the pinned program is not the one that links call")];
  }
  const held = heldLink(pin, link.index);
  if (!held) return [repairable("LINK_MISSING", `the link that stamps the packets of ${link.name} is gone`)];
  const [first] = queryPrograms({ ifindex: link.index, netns, attachType: "tcx_egress" }).programs;
  if (first === undefined || first.linkId === held.id) return [];
  return [
    {
      code: "LINK_BEFORE",
      message: `program ${first.programId} runs before weir's on ${link.name}: what it accepts may not be shaped`,
      remedy: `Look at it: bpftool net show dev ${link.name}`,
    },
  ];
}

function checkFilter(rt: Rtnetlink, link: Link, { program, entry }: Stamp): Problem[] {
  const problems: Problem[] = [];
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
