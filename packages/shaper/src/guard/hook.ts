import { join } from "node:path";
import type { BpfProgram } from "@weir/bpf-loader";
import { type Filter, isFilterKind, Rtnetlink } from "@weir/netlink";
import { ShaperError } from "../errors.js";
import { withModule } from "../kernel-module.js";
import { type Problem, repairable } from "../problem.js";
import { attachHeld, heldLink, removeHeld } from "../tcx/held-link.js";
import { ProgramSlot, ProgramTable } from "../tcx/program-table.js";
import type { GuardedDevice } from "./device-store.js";

/** The guard's filter has a handle that nobody takes by chance, so that it stands beside others' of its priority. */
const HANDLE = 0x77e1;
const NAME = "weir_guard";
const LAST_PRIORITY = 0xbfff;

/** The file that holds a device's link. */
export function linkPin(pinFolder: string, key: string): string {
  return join(pinFolder, "links", `guard-${key}`);
}

/** Makes the program run at a device of the current namespace; nothing happens where it does already. */
export function attachGuard(pinFolder: string, device: GuardedDevice, program: BpfProgram): void {
  if (device.hook === "tcx") attachLink(pinFolder, device, program);
  else attachFilter(device, program);
}

/** Takes the program away from a device, whatever is left of it. The namespace must be the current one for a filter. */
export function detachGuard(pinFolder: string, device: GuardedDevice): void {
  if (device.hook === "tcx") {
    removeHeld(linkPin(pinFolder, device.key));
    return;
  }
  using rt = Rtnetlink.open();
  if (!rt.links.find(device.ifindex)) return;
  const place = { index: device.ifindex, parent: device.direction } as const;
  for (const { priority, handle } of ownFilters(rt, device)) {
    rt.filters.removeIfPresent({ ...place, priority, handle, kind: "bpf" });
  }
  if (device.clsactFound) return;
  for (const parent of ["egress", "ingress"] as const) {
    for (const _filter of rt.filters.dump({ index: device.ifindex, parent })) return;
  }
  rt.qdiscs.removeIfPresent({ index: device.ifindex, parent: "clsact", kind: "clsact" });
}

/** What is missing for a device to be guarded, and what runs before the guard there. */
export interface GuardCheck {
  problems: Problem[];
  /** A sentence about a filter of another program that comes first: what it accepts for good is not guarded. */
  behind?: string;
}

/** Compares what a device has with what it should have. The namespace must be the current one for a filter. */
export function checkGuard(pinFolder: string, device: GuardedDevice, program: BpfProgram): GuardCheck {
  return device.hook === "tcx"
    ? { problems: checkLink(pinFolder, device, program) }
    : checkFilter(device, program);
}

function checkLink(pinFolder: string, device: GuardedDevice, program: BpfProgram): Problem[] {
  using table = ProgramTable.find(pinFolder);
  if (table?.programId(ProgramSlot.guard) !== program.info.id) {
    return [repairable("GUARD_PROGRAM", `the guard's program is not in the table of ${pinFolder}`)];
  }
  if (heldLink(linkPin(pinFolder, device.key), device.ifindex)) return [];
  return [repairable("GUARD_MISSING", `the guard's link to ${device.name} is gone`)];
}

function checkFilter(device: GuardedDevice, program: BpfProgram): GuardCheck {
  using rt = Rtnetlink.open();
  const { ifindex: index, name, direction: parent } = device;
  const filters = rt.links.find(index) ? [...rt.filters.dump({ index, parent })] : [];
  const at = filters.findIndex((filter) => isOwn(filter, device));
  const own = filters[at];
  if (!own || !isOwn(own, device)) {
    return { problems: [repairable("GUARD_MISSING", `${name} has no guard's filter`)] };
  }
  const { id } = own.options;
  const problems =
    id === program.info.id ? [] : [repairable("GUARD_PROGRAM", `the guard of ${name} runs program ${id}`)];
  if (at === 0) return { problems };
  return { problems, behind: `a ${filters[0]!.kind} filter of another program runs before it on ${name}` };
}

/** Whether a device of the current namespace has a clsact qdisc. @throws ShaperError CONFLICT where ingress is in its place */
export function findHostClsact(ifindex: number): boolean {
  using rt = Rtnetlink.open();
  const qdisc = rt.qdiscs.find(ifindex, "clsact");
  if (qdisc?.kind !== "ingress") return qdisc !== undefined;
  throw new ShaperError(
    "CONFLICT",
    `the device ${rt.links.get(ifindex).name} has an ingress qdisc, which leaves no room for the guard's clsact`,
    { remedy: "Linux 6.6 and later need none; or switch the guard off." },
  );
}

function attachLink(pinFolder: string, device: GuardedDevice, program: BpfProgram): void {
  using table = ProgramTable.open(pinFolder, ProgramSlot.guard, program);
  if (!table) throw new ShaperError("NOT_SUPPORTED", "this kernel has no tcx links");
  const pin = linkPin(pinFolder, device.key);
  if (heldLink(pin, device.ifindex)) return;
  const { ifindex, direction, classid } = device;
  attachHeld(table, { pin, ifindex, direction, slot: ProgramSlot.guard, classid });
}

function attachFilter(device: GuardedDevice, program: BpfProgram): void {
  using rt = Rtnetlink.open();
  const { ifindex: index, direction: parent, classid } = device;
  try {
    withModule("sch_ingress", "clsact qdisc", () => rt.qdiscs.add({ index, kind: "clsact" }));
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
    findHostClsact(index);
  }
  const filters = [...rt.filters.dump({ index, parent })];
  const own = filters.find((filter) => isOwn(filter, device));
  const priority = own?.priority ?? firstPriority(filters);
  const options = { fd: program.fd, name: NAME, classid };
  withModule("cls_bpf", "bpf filter", () =>
    rt.filters.replace({ index, parent, priority, handle: HANDLE, kind: "bpf", options }),
  );
}

/** The first priority where a bpf filter for all protocols can stand: a priority has one kind and one protocol. */
function firstPriority(filters: readonly Filter[]): number {
  for (let priority = 1; priority < LAST_PRIORITY; priority++) {
    const there = filters.filter((filter) => filter.priority === priority);
    if (
      there.every(({ kind, protocol, handle }) => kind === "bpf" && protocol === "all" && handle !== HANDLE)
    )
      return priority;
  }
  throw new ShaperError("CONFLICT", "every priority of the uplink's filters is taken");
}

function ownFilters(rt: Rtnetlink, device: GuardedDevice): Filter[] {
  const filters = rt.filters.dump({ index: device.ifindex, parent: device.direction });
  return [...filters].filter((filter) => isOwn(filter, device));
}

function isOwn(
  filter: Filter,
  { classid }: GuardedDevice,
): filter is Filter<"bpf"> & { options: { id: number } } {
  return (
    isFilterKind(filter, "bpf") &&
    filter.handle === HANDLE &&
    filter.options?.name === NAME &&
    filter.options.classid === classid
  );
}
