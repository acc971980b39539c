import { BpfLink } from "@weir/bpf-loader";
import { NetlinkSocket } from "@weir/netlink";
import { Datapath } from "../datapath.js";
import { DeviceStore } from "../guard/device-store.js";
import { GuardMaps } from "../guard/maps.js";
import { RecordStore } from "../records.js";
import { Slots } from "../slots.js";
import { SubnetLists } from "../subnets.js";
import { ProgramTable } from "../tcx/program-table.js";

/** What changes the kernel or the disk. */
const steps = [
  [NetlinkSocket.prototype, ["acknowledge"]],
  [Datapath.prototype, ["setLimit", "take", "free"]],
  [SubnetLists.prototype, ["install", "remove"]],
  [RecordStore.prototype, ["write", "remove"]],
  [Slots.prototype, ["claim", "release", "leave"]],
  [
    GuardMaps.prototype,
    ["setLimit", "take", "free", "setAddress", "removeAddress", "setSender", "removeSender"],
  ],
  [GuardMaps.prototype, ["setKnown", "forgetUplink"]],
  [DeviceStore.prototype, ["join", "leave", "isDeserted", "write", "remove"]],
  [BpfLink.prototype, ["pin"]],
  [ProgramTable.prototype, ["set"]],
] as const;

class Killed extends Error {}

/**
 * Runs an operation that dies right before its n-th step: that step and all later ones do nothing but throw, so that
 * nothing can be taken back either, and descriptors are closed on the way out as the kernel would.
 * @returns whether it died
 */
export function dies(at: number, work: () => void): boolean {
  let count = 0;
  let dead = false;
  const restore: (() => void)[] = [];
  for (const [prototype, names] of steps) {
    for (const name of names) {
      const original = Reflect.get(prototype, name) as (...args: unknown[]) => unknown;
      restore.push(() => Reflect.set(prototype, name, original));
      Reflect.set(prototype, name, function step(this: unknown, ...args: unknown[]) {
        dead ||= ++count === at;
        if (dead) throw new Killed("killed");
        return original.apply(this, args);
      });
    }
  }
  try {
    work();
  } catch (error) {
    if (!dead) throw error;
  } finally {
    for (const put of restore) put();
  }
  return dead;
}
