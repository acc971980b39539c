import { NetlinkSocket } from "@weir/netlink";
import { Datapath } from "../datapath.js";
import type { Limits } from "../limits.js";
import { RecordStore } from "../records.js";
import { Shaper } from "../shaper.js";

/**
 * A process that dies, as by SIGKILL, right before its n-th change of kernel or disk: of a netlink request, a map entry
 * or a record. Its arguments: the lab's folders, the operation, and n.
 */
const [bpffs, stateDirectory, netns, operation, at] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];

let changes = 0;
const countdown = () => {
  if (++changes === Number(at)) process.kill(process.pid, "SIGKILL");
};
for (const [prototype, names] of [
  [NetlinkSocket.prototype, ["acknowledge"]],
  [Datapath.prototype, ["setLimit", "take", "free"]],
  [RecordStore.prototype, ["write", "remove"]],
] as const) {
  for (const name of names) {
    const original = Reflect.get(prototype, name) as (...args: unknown[]) => unknown;
    Reflect.set(prototype, name, function crashing(this: unknown, ...args: unknown[]) {
      countdown();
      return original.apply(this, args);
    });
  }
}

const limits: Limits = { egress: { bitsPerSecond: 5_000_000n }, ingress: { bitsPerSecond: 5_000_000n } };
using shaper = Shaper.open({ bpffs, stateDirectory });
const attachment = { id: "crash/eth0", netns, device: "eth0" };
if (operation === "apply") shaper.apply(attachment, limits);
else if (operation === "change") shaper.apply(attachment, { ingress: { bitsPerSecond: 7_000_000n } });
else shaper.remove("crash/eth0");
